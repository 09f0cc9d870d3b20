"""Leave records out of an index, and change no byte of those that stay.

Owns `Screen`, `Filtered`, `monolith`, `shard` and `shard_index`. Left out is what the screen names, and what no client
should see in any case: a file that two sections list, a name that is no conda package's, a record without sha256, an
`attestations_sha256` that is no digest (CEP 50). Sections that hold no conda packages, such as wheels with URLs of
their own, are emptied. So are `base_url` and `channel_relations`: they would lead clients past whoever filters.

    packages        {"<file>.tar.bz2": record}      v3.tar.bz2, v3.conda    {"<file without extension>": record}
    packages.conda  {"<file>.conda": record}        packages.*, v3.*        emptied

Specs: CEP 16 (shards), CEP 36 (records), CEP 42 (channel relations), CEP 48 (v3), https://github.com/conda/ceps
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from condattest.errors import Malformed
from condattest.formats import compression, json_members
from condattest.formats.index_changes import FIELD, SECTIONS, V3_SECTIONS, twice
from condattest.formats.json_members import Member, Splice
from condattest.formats.msgpack_maps import packed, unpacked
from condattest.formats.repodata import MAX_SHARD
from condattest.formats.shards import ShardIndex
from condattest.model.finding import Code, Finding

Screen = Callable[[str, str, str, str | None], Finding | None]
"""Takes a package's name, its file name, its sha256 and its attestations_sha256; says why the record must go, or None.

It is asked for each record, and should give the same finding for many."""

HERE: Final = "./"
"""The base of packages and shards: beside the index."""
RELATIONS: Final = "channel_relations"
"""The channels that a client takes in beside this one; nobody filters those, unless their user names them, too."""
_FILE = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*)-[A-Za-z0-9_.!+]+-[A-Za-z0-9_.+]+\.(?:conda|tar\.bz2)", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_QUOTED_HEX = re.compile(rb'"[0-9a-f]{64}"')
_NULL: Final = b"\xc0"
_PLAIN_BASES: Final = ("", ".", "./")


@dataclass(frozen=True, slots=True)
class Filtered:
    """What is left of an index.

    Attributes:
        data: Its bytes; the very object that came in if nothing was left out.
        kept: How many records stay.
        left_out: By file name, why its record does not.
        emptied: What holds no conda packages or leads to other channels, and did hold something.
    """

    data: bytes
    kept: int
    left_out: Mapping[str, Finding]
    emptied: tuple[str, ...] = ()


@dataclass(slots=True)
class _Work:
    screen: Screen
    where: str
    several: frozenset[str] = frozenset()
    kept: int = 0
    left_out: dict[str, Finding] = field(default_factory=dict)
    emptied: list[str] = field(default_factory=list)
    splices: list[Splice] = field(default_factory=list)

    def done(self, data: bytes) -> Filtered:
        return Filtered(data, self.kept, self.left_out, tuple(self.emptied))

    def refuses(self, name: str, sha256: str | None, sidecar: str | None) -> bool:
        """Whether a record goes; `sha256` and `sidecar` are None where absent, and empty where they are no digest."""
        finding = self._why(name, sha256, sidecar)
        if finding is None:
            self.kept += 1
            return False
        self.left_out[name] = finding
        return True

    def _why(self, name: str, sha256: str | None, sidecar: str | None) -> Finding | None:
        match = _FILE.fullmatch(name)
        if match is None or len(name) > 255:
            return Finding.of(Code.BIND_NAME, self.where, expected="a conda package's file name")
        if name in self.several:
            return Finding.of(Code.BIND_AMBIGUOUS, self.where, expected="one record", found="several")
        if not sha256:
            found = "no such key" if sha256 is None else "another value"
            return Finding.of(Code.BIND_NO_DIGEST, self.where, expected="sha256", found=found)
        if sidecar == "":
            return Finding.of(Code.SIDECAR_FIELD, self.where, expected="64 lowercase hex digits")
        return self.screen(match[1], name, sha256, sidecar)


class _Digests(msgspec.Struct):
    sha256: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    attestations_sha256: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class _Section:
    """A section of a JSON index: where its value stands, and the extension that its keys lack."""

    member: Member
    raw: msgspec.Raw
    records: dict[str, _Digests]
    suffix: str


def monolith(data: bytes, screen: Screen, *, where: str) -> Filtered:
    """Leave records out of the plain bytes of a repodata.json.

    Raises:
        Malformed: NET-UNAVAILABLE: it is no index, or has a key twice outside of records.
    """
    work = _Work(screen, where)
    try:
        sections = _sections(data, work)
        work.several = frozenset(twice((each.records, each.suffix) for each in sections))
        for section in sections:
            work.splices.extend(_removals(data, section, work))
        filtered = json_members.spliced(data, work.splices) if work.splices else data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise _no_index(where, "repodata.json", error) from None
    return work.done(filtered)


def _sections(data: bytes, work: _Work) -> list[_Section]:
    top = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    found = []
    for member in json_members.members(data, 0, top):
        raw = top[member.key]
        if member.key in SECTIONS:
            found.append(_section(member, raw, ""))
        elif member.key == "v3":
            for inner, held in _inside(data, member, raw):
                if inner.key in V3_SECTIONS:
                    found.append(_section(inner, held, V3_SECTIONS[inner.key]))
                else:
                    _empty(inner, held, f"v3.{inner.key}", work)
        elif member.key.startswith("packages"):
            _empty(member, raw, member.key, work)
        elif member.key == "info":
            _kept_here(data, [inner for inner, _ in _inside(data, member, raw)], work)
    return found


def _kept_here(data: bytes, info: list[Member], work: _Work) -> None:
    for member in info:
        if member.key == "base_url" and data[member.value : member.end] not in (b'""', b'"."', b'"./"'):
            work.splices.append(json_members.setting(member, b'"./"'))
        elif member.key == RELATIONS and data[member.value : member.end] not in (b"{}", b"null"):
            work.emptied.append(f"info.{RELATIONS}")
            work.splices.append(json_members.setting(member, b"{}"))


def _section(member: Member, raw: msgspec.Raw, suffix: str) -> _Section:
    return _Section(member, raw, msgspec.json.decode(raw, type=dict[str, _Digests]), suffix)


def _inside(data: bytes, member: Member, raw: msgspec.Raw) -> list[tuple[Member, msgspec.Raw]]:
    values = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    return [(each, values[each.key]) for each in json_members.members(data, member.value, values)]


def _empty(member: Member, raw: msgspec.Raw, name: str, work: _Work) -> None:
    if bytes(memoryview(raw)[:64]).strip() not in (b"{}", b"[]", b"null"):
        work.emptied.append(name)
        work.splices.append(json_members.setting(member, b"{}"))


def _removals(data: bytes, section: _Section, work: _Work) -> Iterator[Splice]:
    """What takes the refused members out, each with one comma; neighbours in one piece."""
    values = msgspec.json.decode(section.raw, type=dict[str, msgspec.Raw])
    suffix, digests = section.suffix, section.records
    begin: int | None = None  # Where the piece that goes begins.
    kept_before, last_end = False, 0
    for key, start, end in json_members.places(data, section.member, values):
        record = digests[key]
        if work.refuses(key + suffix, _json_digest(record.sha256), _json_digest(record.attestations_sha256)):
            if begin is None:
                begin = last_end if kept_before else start
        else:
            if begin is not None:
                yield Splice(begin, last_end if kept_before else start, b"")
                begin = None
            kept_before = True
        last_end = end
    if begin is not None:
        yield Splice(begin, last_end, b"")


def _json_digest(raw: msgspec.Raw | msgspec.UnsetType) -> str | None:
    if isinstance(raw, msgspec.UnsetType):
        return None
    value = bytes(raw)
    return value[1:-1].decode() if _QUOTED_HEX.fullmatch(value) else ""


def shard(data: bytes, screen: Screen, *, where: str) -> Filtered:
    """Leave records out of a shard; `data` is compressed, and so is what it gives.

    Raises:
        Malformed: NET-UNAVAILABLE: it is no shard, or has a key twice.
    """
    plain = compression.unzstd(data, limit=MAX_SHARD, code=Code.NET_UNAVAILABLE, where=where)
    work = _Work(screen, where)
    try:
        new = unpacked(plain)
        v3 = _map(new, "v3")
        maps = [(name, "", new, _map(new, name)) for name in SECTIONS]
        maps.extend((name, suffix, v3, _map(v3, name)) for name, suffix in V3_SECTIONS.items())
        work.several = frozenset(twice((records, suffix) for _, suffix, _, records in maps))
        changed = _others_emptied(new, v3, work)
        for name, suffix, home, records in maps:
            stay = {key: raw for key, raw in records.items() if not _refused(key + suffix, raw, work)}
            if len(stay) < len(records):
                home[name] = msgspec.Raw(packed(stay))
                changed = True
        if not changed:
            return work.done(data)
        if v3:
            new["v3"] = msgspec.Raw(packed(v3))
        return work.done(compression.zstd_small(packed(new)))
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError, KeyError) as error:
        raise _no_index(where, "a shard", error) from None


def _map(members: dict[str, msgspec.Raw], key: str) -> dict[str, msgspec.Raw]:
    """A map within a map; null stands for none."""
    return unpacked(members[key]) if key in members and bytes(members[key]) != _NULL else {}


def _others_emptied(new: dict[str, msgspec.Raw], v3: dict[str, msgspec.Raw], work: _Work) -> bool:
    nothing = msgspec.msgpack.encode({})
    for members, known, prefix in ((new, SECTIONS, ""), (v3, V3_SECTIONS, "v3.")):
        for key in members:
            if key in known or (not prefix and not key.startswith("packages")):
                continue
            if bytes(members[key]) not in (nothing, _NULL):
                members[key] = msgspec.Raw(nothing)
                work.emptied.append(prefix + key)
    return bool(work.emptied)


def _refused(name: str, raw: msgspec.Raw, work: _Work) -> bool:
    record = unpacked(raw)
    return work.refuses(name, _packed_digest(record, "sha256"), _packed_digest(record, FIELD))


def _packed_digest(record: Mapping[str, msgspec.Raw], key: str) -> str | None:
    if key not in record:
        return None
    value: Any = msgspec.msgpack.decode(record[key])
    if isinstance(value, bytes):
        value = value.hex()
    return value if isinstance(value, str) and _HEX.fullmatch(value) else ""


def shard_index(index: ShardIndex, digests: Mapping[str, bytes], *, shards_base_url: str) -> bytes:
    """The compressed bytes of a shard index that names other shards, and bases beside it.

    Args:
        index: The index.
        digests: By package name, the digest of its shard; names that are not there are left out.
        shards_base_url: Where the shards are, relative to the index.

    Raises:
        Malformed: NET-UNAVAILABLE: its `info` is none.
    """
    try:
        info = unpacked(index.rest["info"])
        if "base_url" in info and msgspec.msgpack.decode(info["base_url"]) not in _PLAIN_BASES:
            info["base_url"] = msgspec.Raw(msgspec.msgpack.encode(HERE))
        if RELATIONS in info:
            info[RELATIONS] = msgspec.Raw(msgspec.msgpack.encode({}))
        info["shards_base_url"] = msgspec.Raw(msgspec.msgpack.encode(shards_base_url))
    except (msgspec.DecodeError, ValueError, KeyError) as error:
        raise _no_index("the shard index", "its info", error) from None
    stay = {name: digests[name] for name in index.shards if name in digests}
    named = msgspec.Raw(msgspec.msgpack.encode(stay))
    return compression.zstd_small(packed({**index.rest, "info": msgspec.Raw(packed(info)), "shards": named}))


def _no_index(where: str, expected: str, error: Exception) -> Malformed:
    return Malformed(Finding.of(Code.NET_UNAVAILABLE, where, expected=expected, found=f"{error!s:.300}"))
