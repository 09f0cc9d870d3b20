"""A subdir's JSON index: `repodata.json`, `current_repodata.json`, `repodata_from_packages.json`.

Owns `apply`, `listed` and `empty`. `apply` changes `attestations_sha256` (CEP 50) in the records that it is told, and
no other byte of the file: order, unknown keys, numbers, escapes and layout stay as the indexer wrote them. Records are
found by structure: a file's name also stands in signatures, in lists, in other records. Refuses what is no UTF-8, a
file that two sections list, and a key that stands twice in an object on the way: two clients would read two records.

    {"info": {"subdir": "noarch"}, "packages": {"<file>.tar.bz2": {...}}, "packages.conda": {"<file>.conda": {...}},
     "removed": [], "repodata_version": 1, "v3": {"conda": {"<file without extension>": {...}}}}

Specs: CEP 36 (records), CEP 48 (v3), https://github.com/conda/ceps
"""

import codecs
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from condattest.errors import Malformed
from condattest.formats import json_members
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
from condattest.formats.json_members import Member, Splice
from condattest.formats.repodata import parse_record
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding

_Raws = dict[str, msgspec.Raw]
_NOTHING: Final = msgspec.Raw(b"null")
_STEP: Final = 1024 * 1024


def apply(data: bytes, changes: Changes, *, where: str) -> Applied:
    """Change records of an index.

    Args:
        data: The plain bytes of the file.
        changes: What to change.
        where: The file, for findings.

    Raises:
        Malformed: NET-UNAVAILABLE: it is no index, or has a key twice; BIND-AMBIGUOUS: two sections list a file.
    """
    try:
        return _apply(data, changes, where)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        finding = Finding.of(Code.NET_UNAVAILABLE, where, expected="repodata.json", found=f"{error!s:.300}")
        raise Malformed(finding) from None


def empty(subdir: str) -> bytes:
    """A new index without records, in the layout of conda-index."""
    document = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": {}, "removed": [], "repodata_version": 1}
    return json.dumps(document, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class _Section:
    """A section: where it stands, its records, and by key those that are asked for."""

    name: str
    member: Member
    records: _Raws
    wanted: Mapping[str, PackageFile]


@dataclass(slots=True)
class _Work:
    """What is found on the way."""

    splices: list[Splice] = field(default_factory=list)
    changed: set[PackageFile] = field(default_factory=set)
    before: dict[PackageFile, Sha256 | None] = field(default_factory=dict)
    stale: set[PackageFile] = field(default_factory=set)


def _apply(data: bytes, changes: Changes, where: str) -> Applied:
    _check_utf8(data)
    work, listed_in = _Work(), dict[PackageFile, str]()
    sections = _sections(data, changes.advertise.keys() | changes.insert.keys())
    for section in sections:
        for file in section.wanted.values():
            if file in listed_in:
                found = f"one in {listed_in[file]}, one in {section.name}"
                raise Malformed(Finding.of(Code.BIND_AMBIGUOUS, f"{where}: {file}", expected="one record", found=found))
            listed_in[file] = section.name
    new = {file: raw for file, raw in changes.insert.items() if file not in listed_in}
    for section in sections:
        if section.wanted:
            for member in json_members.some_members(data, section.member, section.records, section.wanted):
                _change(data, member, section, changes, work)
    by_name = {section.name: section for section in sections}
    for name, suffix in SECTIONS.items():
        here = {file: raw for file, raw in new.items() if file.kind == suffix}
        if here and name not in by_name:
            raise ValueError(f"there is no {name} for {', '.join(sorted(map(str, here)))}")
        if here:
            _insert(data, by_name[name], here, changes, work)
    new_data = json_members.spliced(data, work.splices) if work.splices else data
    present = frozenset(listed_in.keys() | new.keys())
    return Applied(new_data, present, frozenset(work.changed), work.before, frozenset(work.stale))


def _check_utf8(data: bytes) -> None:
    # msgspec does not look into strings that it skips.
    if not data.isascii():
        decoder = codecs.getincrementaldecoder("utf-8")()
        for start in range(0, len(data), _STEP):
            decoder.decode(data[start : start + _STEP])
        decoder.decode(b"", final=True)


def _sections(data: bytes, files: set[PackageFile]) -> list[_Section]:
    top = msgspec.json.decode(data, type=_Raws)
    found = []
    for member in json_members.members(data, 0, top):
        if member.key in SECTIONS:
            found.append(_section(member.key, member, top[member.key], files, v3=False))
        elif member.key == "v3":
            inside = msgspec.json.decode(top["v3"], type=_Raws)
            for each in json_members.members(data, member.value, inside):
                if each.key in V3_SECTIONS:
                    found.append(_section(each.key, each, inside[each.key], files, v3=True))
    return found


def _section(name: str, member: Member, raw: msgspec.Raw, files: set[PackageFile], *, v3: bool) -> _Section:
    records = msgspec.json.decode(raw, type=_Raws)
    keys = {key: file for file in files if (key := key_in(name, file, v3=v3)) is not None and key in records}
    return _Section(f"v3.{name}" if v3 else name, member, records, keys)


def _change(data: bytes, member: Member, section: _Section, changes: Changes, work: _Work) -> None:
    file = section.wanted[member.key]
    if file in changes.advertise:
        record = section.records[member.key]
        sha256 = _digest(msgspec.json.decode(record, type=_Raws).get("sha256", _NOTHING)) if changes.about else None
        if changes.is_stale(file, sha256):
            work.stale.add(file)
        splice, work.before[file] = _field(data, member.value, record, changes.named(file, sha256))
        if splice is not None:
            work.splices.append(splice)
            work.changed.add(file)


def _field(data: bytes, at: int, raw: msgspec.Raw, head: Sha256 | None) -> tuple[Splice | None, Sha256 | None]:
    """What changes the field of the record that begins at `at`, if anything must; and what it named before."""
    inside = json_members.members(data, at, msgspec.json.decode(raw, type=_Raws))
    member = next((each for each in inside if each.key == FIELD), None)
    before = None if member is None else _digest(data[member.value : member.end])
    if head is None:
        return (None if member is None else json_members.removal(inside, member)), before
    value = json.dumps(str(head)).encode()
    if member is None:
        return json_members.insertions(data, at, inside, {FIELD: value})[0], before
    if before == head:
        return None, before
    return json_members.setting(member, value), before


def _digest(value: bytes | msgspec.Raw) -> Sha256 | None:
    try:
        return Sha256(msgspec.json.decode(value, type=str))
    except (msgspec.DecodeError, ValueError):
        return None


def _insert(data: bytes, section: _Section, new: Mapping[PackageFile, bytes], changes: Changes, work: _Work) -> None:
    """Put whole records into a section, each in its layout and with the field that it shall have."""
    inside = json_members.some_members(data, section.member, section.records, section.records)
    first = inside[0] if inside else section.member
    spaced = data[first.value - 1 : first.value] != b":"
    values = {}
    for file, raw in new.items():
        parse_record(raw, where=f"the new record of {file}")
        record = json_members.relaid(raw, spaced=spaced)
        if file in changes.advertise:
            splice, _ = _field(record, 0, msgspec.Raw(record), changes.advertise[file])
            record = record if splice is None else json_members.spliced(record, [splice])
            work.before[file] = None
        values[str(file)] = record
    work.splices.extend(json_members.insertions(data, section.member.value, inside, values))
    work.changed.update(new)


class _Digests(msgspec.Struct):
    sha256: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    attestations_sha256: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Sections(msgspec.Struct):
    packages: dict[str, _Digests] = {}
    packages_conda: dict[str, _Digests] = msgspec.field(name="packages.conda", default_factory=dict)
    v3: dict[str, msgspec.Raw] = {}


def listed(data: bytes, *, where: str) -> Iterator[Listed]:
    """Yield every record of an index; names that are no conda package's are passed over.

    A key that stands twice in one object is not looked for: `apply` does that. What is wrong with one record must not
    make others unlisted: a digest that is none is yielded as None, a file that two sections list is yielded twice, and
    the first such finding is raised after the last record.

    Raises:
        Malformed: NET-UNAVAILABLE, BIND-AMBIGUOUS; BIND-NO-DIGEST or SIDECAR-FIELD for a digest that is none.
    """
    try:
        parsed = msgspec.json.decode(data, type=_Sections)
        v3 = {
            name: msgspec.json.decode(raw, type=dict[str, _Digests])
            for name, raw in parsed.v3.items()
            if name in V3_SECTIONS
        }
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(Finding.of(Code.NET_UNAVAILABLE, where, expected="repodata.json", found=error)) from None
    sections = [("packages", parsed.packages, False), ("packages.conda", parsed.packages_conda, False)]
    sections.extend((name, records, True) for name, records in v3.items())
    broken: Finding | None = None
    for name in sorted(twice([(records, V3_SECTIONS[each] if is_v3 else "") for each, records, is_v3 in sections])):
        facts = {"expected": "one record", "found": "2 records"}
        broken = broken or Finding.of(Code.BIND_AMBIGUOUS, f"{where}: {name}", **facts)
    for section, records, is_v3 in sections:
        for key, digests in records.items():
            file = file_in(section, key, v3=is_v3)
            if file is not None:
                place = f"{where}: {file}"
                sha256, wrong = _checked(digests.sha256, Code.BIND_NO_DIGEST, f"{place}: sha256")
                named, wrong_too = _checked(digests.attestations_sha256, Code.SIDECAR_FIELD, f"{place}: {FIELD}")
                broken = broken or wrong or wrong_too
                yield Listed(file, sha256, named)
    if broken is not None:
        raise Malformed(broken)


def _checked(raw: msgspec.Raw | msgspec.UnsetType, code: Code, where: str) -> tuple[Sha256 | None, Finding | None]:
    """A digest, or what is wrong with it; neither where there is none."""
    if isinstance(raw, msgspec.UnsetType):
        return None, None
    digest = _digest(raw)
    if digest is None:
        shown = bytes(raw)[:80].decode("utf-8", "replace")
        return None, Finding.of(code, where, reason=f"expected 64 lowercase hex digits, found {shown}")
    return digest, None
