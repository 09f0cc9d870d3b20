"""CEP 16's sharded index: one shard for each package name, and an index of shards.

Owns `ShardIndex`, `read_index`, `with_shards`, `apply`, `listed` and `empty_shard`. Every value that is not changed
keeps its bytes, known or not: maps are taken apart one level at a time, and written around what they held. Refuses a
file that two sections list, and a key that stands twice in a map on the way.

    index   zstd(msgpack {"version": 1, "info": {"shards_base_url", "subdir", ...}, "shards": {name: 32 bytes}})
    shard   zstd(msgpack {"packages": ..., "packages.conda": ..., ["v3"], ["removed"]})

Digests in records stand as 32 bytes or as hex: both are read, and what was there is written back.

Spec: https://github.com/conda/ceps/blob/main/cep-0016.md
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from condattest.errors import Malformed
from condattest.formats import compression
from condattest.formats.index_changes import (
    FIELD,
    SECTIONS,
    V3_SECTIONS,
    Applied,
    Changes,
    Listed,
    file_in,
    key_in,
    twice,
)
from condattest.formats.msgpack_maps import length as _length
from condattest.formats.msgpack_maps import packed as _packed
from condattest.formats.msgpack_maps import unpacked as _unpacked
from condattest.formats.repodata import MAX_SHARD, MAX_SHARD_INDEX, parse_record
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding

_Raws = dict[str, msgspec.Raw]
_BINARY: Final[Mapping[str, int]] = {"sha256": 64, "md5": 32}
"""Digests that stand in shards as bytes (CEP 16), with their hex digits."""
_NULL: Final = b"\xc0"


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """A shard index.

    Attributes:
        shards: By package name, the 32 bytes of its shard's digest.
        shards_base_url: Where the shards are, relative to the index.
        rest: Every key of the file, as it came.
    """

    shards: Mapping[str, bytes]
    shards_base_url: str
    rest: Mapping[str, msgspec.Raw]


def read_index(data: bytes, *, where: str) -> ShardIndex:
    """Read a shard index from its compressed bytes.

    Raises:
        Malformed: NET-UNAVAILABLE for what is not a shard index of version 1.
    """
    plain = compression.unzstd(data, limit=MAX_SHARD_INDEX, code=Code.NET_UNAVAILABLE, where=where)
    try:
        rest = _unpacked(plain)
        # rattler-index leaves it out.
        version = msgspec.msgpack.decode(rest["version"], type=int) if "version" in rest else 1
        info = _unpacked(rest["info"])
        base = msgspec.msgpack.decode(info["shards_base_url"], type=str) if "shards_base_url" in info else ""
        digests = msgspec.msgpack.decode(rest["shards"], type=dict[str, bytes])
        if len(digests) != _length(memoryview(rest["shards"])):
            raise ValueError("a name stands there twice")
    except (msgspec.DecodeError, KeyError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise _not_an_index(where, "a shard index", error) from None
    if version != 1 or not set(map(len, digests.values())) <= {32}:
        raise _not_an_index(
            where, "a shard index of version 1 with digests of 32 bytes", ValueError(f"version {version}")
        )
    return ShardIndex(digests, base, rest)


def with_shards(index: ShardIndex, replaced: Mapping[str, bytes]) -> bytes:
    """The compressed bytes of an index with the shards of some names replaced or added; all else stays."""
    digests = {**index.shards, **replaced}
    # Names that are there keep their places; only new ones may have to be sorted in.
    if len(digests) > len(index.shards) and list(index.shards) == sorted(index.shards):
        digests = dict(sorted(digests.items()))
    return compression.zstd_small(_packed({**index.rest, "shards": msgspec.Raw(msgspec.msgpack.encode(digests))}))


def empty_shard() -> bytes:
    """A new shard without records."""
    return compression.zstd_small(msgspec.msgpack.encode({"packages": {}, "packages.conda": {}}))


@dataclass(slots=True)
class _Section:
    """A section and its records, which are changed in place."""

    name: str
    v3: bool
    records: _Raws


@dataclass(slots=True)
class _Work:
    changed: set[PackageFile] = field(default_factory=set)
    before: dict[PackageFile, Sha256 | None] = field(default_factory=dict)
    stale: set[PackageFile] = field(default_factory=set)


def apply(data: bytes, changes: Changes, *, where: str) -> Applied:
    """Change records of a shard; `data` is compressed, and so is what it gives.

    Raises:
        Malformed: NET-UNAVAILABLE: it is no shard; BIND-AMBIGUOUS: two sections list a file.
    """
    plain = compression.unzstd(data, limit=MAX_SHARD, code=Code.NET_UNAVAILABLE, where=where)
    work = _Work()
    try:
        shard = _unpacked(plain)
        sections = _sections(shard)
        listed_in = dict[PackageFile, _Section]()
        for section in sections:
            for file in changes.advertise.keys() | changes.insert.keys():
                if key_in(section.name, file, v3=section.v3) in section.records:
                    if file in listed_in:
                        raise _ambiguous(f"{where}: {file}")
                    listed_in[file] = section
        new = [file for file in changes.insert if file not in listed_in]
        for file, section in listed_in.items():
            if file in changes.advertise:
                _change(section.records, key_in(section.name, file, v3=section.v3) or "", file, changes, work)
        for file in new:
            _insert(sections, file, changes, work)
        present = frozenset([*listed_in, *new])
        if not work.changed:
            return Applied(data, present, frozenset(), work.before, frozenset(work.stale))
        packed = compression.zstd_small(_packed(_around(shard, sections)))
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError, OverflowError) as error:
        raise _not_an_index(where, "a shard", error) from None
    return Applied(packed, present, frozenset(work.changed), work.before, frozenset(work.stale))


def _sections(shard: _Raws) -> list[_Section]:
    """Take the sections apart; null stands for none."""
    found = [_Section(name, False, _unpacked(shard[name])) for name in SECTIONS if _has(shard, name)]
    v3 = _unpacked(shard["v3"]) if _has(shard, "v3") else {}
    found.extend(_Section(name, True, _unpacked(v3[name])) for name in V3_SECTIONS if _has(v3, name))
    return found


def _has(members: _Raws, key: str) -> bool:
    return key in members and bytes(members[key]) != _NULL


def _around(shard: _Raws, sections: list[_Section]) -> _Raws:
    """The shard with what became of its sections."""
    new = dict(shard)
    for section in sections:
        raw = msgspec.Raw(_packed(section.records))
        if section.v3:
            new["v3"] = msgspec.Raw(_packed({**_unpacked(new["v3"]), section.name: raw}))
        else:
            new[section.name] = raw
    return new


def _change(records: _Raws, key: str, file: PackageFile, changes: Changes, work: _Work) -> None:
    record = _unpacked(records[key])
    sha256 = _sha256(msgspec.msgpack.decode(record["sha256"])) if "sha256" in record else None
    head = changes.named(file, sha256)
    if changes.is_stale(file, sha256):
        work.stale.add(file)
    value = msgspec.msgpack.decode(record[FIELD]) if FIELD in record else None
    before = work.before[file] = _sha256(value)
    if head is None and FIELD in record:
        del record[FIELD]
    elif head is not None and head != before:
        said = bytes.fromhex(head) if isinstance(value, bytes) else str(head)
        record = _with(record, FIELD, msgspec.Raw(msgspec.msgpack.encode(said)))
    else:
        return
    records[key] = msgspec.Raw(_packed(record))
    work.changed.add(file)


def _insert(sections: list[_Section], file: PackageFile, changes: Changes, work: _Work) -> None:
    """Put a whole record in, its digests as the other records of the shard have them, or else as bytes."""
    section = next((each for each in sections if not each.v3 and SECTIONS[each.name] == file.kind), None)
    if section is None:
        raise ValueError(f"there is no section for {file}")
    document = parse_record(changes.insert[file], where=f"the new record of {file}")
    others = (msgspec.msgpack.decode(each) for one in sections for each in one.records.values())
    if not any(isinstance(other.get("sha256"), str) for other in others if isinstance(other, dict)):
        for key, digits in _BINARY.items():
            if isinstance(document.get(key), str) and re.fullmatch(f"[0-9a-f]{{{digits}}}", document[key]):
                document[key] = bytes.fromhex(document[key])
    section.records = _with(section.records, str(file), msgspec.Raw(msgspec.msgpack.encode(document)))
    if file in changes.advertise:
        _change(section.records, str(file), file, changes, work)
        work.before[file] = None
    work.changed.add(file)


def _with(members: _Raws, key: str, value: msgspec.Raw) -> _Raws:
    """Set a member; a new one goes to its place if the keys are sorted, else to the end."""
    if key in members or list(members) != sorted(members):
        return {**members, key: value}
    return dict(sorted({**members, key: value}.items()))


def listed(data: bytes, *, where: str) -> Iterator[Listed]:
    """Yield every record of a shard, from its compressed bytes; names that are no conda package's are passed over.

    What is wrong with one record must not make others unlisted: a digest that is none is yielded as None, a file that
    two sections list is yielded twice, and the first such finding is raised after the last record.

    Raises:
        Malformed: NET-UNAVAILABLE, BIND-AMBIGUOUS; BIND-NO-DIGEST or SIDECAR-FIELD for a digest that is none.
    """
    plain = compression.unzstd(data, limit=MAX_SHARD, code=Code.NET_UNAVAILABLE, where=where)
    broken: Malformed | None = None
    try:
        sections = _sections(_unpacked(plain))
        for name in sorted(twice([(each.records, V3_SECTIONS[each.name] if each.v3 else "") for each in sections])):
            broken = broken or _ambiguous(f"{where}: {name}")
        for section in sections:
            for key, raw in section.records.items():
                file = file_in(section.name, key, v3=section.v3)
                if file is not None:
                    record, place = _unpacked(raw), f"{where}: {file}"
                    sha256, wrong = _checked(record, "sha256", Code.BIND_NO_DIGEST, place)
                    named, wrong_too = _checked(record, FIELD, Code.SIDECAR_FIELD, place)
                    broken = broken or wrong or wrong_too
                    yield Listed(file, sha256, named)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise _not_an_index(where, "a shard", error) from None
    if broken is not None:
        raise broken


def _checked(record: _Raws, key: str, code: Code, where: str) -> tuple[Sha256 | None, Malformed | None]:
    """A digest, or what is wrong with it; neither where there is none."""
    if key not in record:
        return None, None
    value = msgspec.msgpack.decode(record[key])
    digest = _sha256(value)
    if digest is None:
        reason = f"expected a SHA-256 digest, found {value!r:.80}"
        return None, Malformed(Finding.of(code, f"{where}: {key}", reason=reason))
    return digest, None


def _sha256(value: Any) -> Sha256 | None:
    try:
        return Sha256.of_bytes(value) if isinstance(value, bytes) else Sha256(value)
    except (ValueError, TypeError):
        return None


def _ambiguous(where: str) -> Malformed:
    return Malformed(Finding.of(Code.BIND_AMBIGUOUS, where, expected="one record", found="2 records"))


def _not_an_index(where: str, expected: str, error: Exception) -> Malformed:
    return Malformed(Finding.of(Code.NET_UNAVAILABLE, where, expected=expected, found=f"{error!s:.300}"))
