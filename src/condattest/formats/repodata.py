"""A channel's index records: what the index says of one artifact.

Owns `Record`, `Repodata`, `ShardIndex` and the reading of `repodata.json` (CEP 36) and of shards (CEP 16). Only what
verification asks for is read; every other key stays unread. Refuses a file that stands in two sections, `v3` (CEP 48)
included, an index or a shard that has a key twice (two clients would take two records), and an `attestations_sha256`
(CEP 50) that is not 64 lowercase hex digits; shards may hold digests as bytes.

    repodata.json  {"info": {...}, "packages": {"<file>.tar.bz2": {...}}, "packages.conda": {"<file>.conda": {...}},
                    "v3": {"tar.bz2": {"<file without extension>": {...}}, "conda": {...}}}
    shard          zstd(msgpack {"packages": ..., "packages.conda": ...}), one per package name
    shard index    zstd(msgpack {"version": 1, "info": {"shards_base_url", ...}, "shards": {name: 32 bytes}})
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from condattest.errors import Malformed
from condattest.formats import compression, index_keys, msgpack_maps, strict_json
from condattest.formats.index_changes import FIELD, SECTIONS, V3_SECTIONS, twice
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding

MAX_REPODATA: Final = 1024 * 1024 * 1024
"""Bytes of one repodata.json; the largest public one has some 190 MB."""
MAX_RECORD: Final = 16 * 1024 * 1024
MAX_SHARD_INDEX: Final = 64 * 1024 * 1024
MAX_SHARD: Final = 64 * 1024 * 1024
_NIL: Final = msgspec.Raw(msgspec.msgpack.encode(None))


@dataclass(frozen=True, slots=True)
class Record:
    """What an index says of one file.

    Attributes:
        file: The artifact's file name.
        sha256: Its digest, or None where the record has none.
        attestations_sha256: The digest of its sidecar, or None where the index advertises none (CEP 50).
        indexed_timestamp: Milliseconds since the epoch when the server indexed it (CEP 47); unsigned.
        members: All that the record says, as it was read.
    """

    file: PackageFile
    sha256: Sha256 | None
    attestations_sha256: Sha256 | None
    indexed_timestamp: int | None
    members: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """A shard index: where shards are, and the digest of each package name's shard."""

    shards_base_url: str
    shards: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class _Section:
    """The records of a section, with the extension that its keys lack."""

    records: index_keys.Raws
    suffix: str = ""

    def key(self, file: PackageFile) -> str | None:
        """The key of an artifact; None where the section does not list it."""
        key = str(file) if not self.suffix else file.stem if file.kind == self.suffix else None
        return key if key in self.records else None


class _Field(msgspec.Struct):
    attestations_sha256: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _ShardInfo(msgspec.Struct):
    shards_base_url: str = ""


class _ShardIndex(msgspec.Struct):
    info: _ShardInfo
    shards: dict[str, bytes]
    version: int = 1  # rattler-index leaves it out.


class Repodata:
    """A repodata.json or a shard; `read` or `read_shard` makes one. Records are judged when they are asked for."""

    __slots__ = ("_entry", "_sections", "_where")

    def __init__(
        self, sections: list[_Section], where: str, entry: Callable[[bytes | msgspec.Raw, str], Any] | None = None
    ) -> None:
        self._sections = sections
        self._where = where
        self._entry = entry or _entry

    def find(self, file: PackageFile) -> Record | None:
        """Return the record of `file`, or None where there is none.

        Raises:
            Malformed: BIND-AMBIGUOUS, BIND-NO-DIGEST, SIDECAR-FIELD, or NET-UNAVAILABLE for what is no record.
        """
        found = [each.records[key] for each in self._sections if (key := each.key(file)) is not None]
        return _one([self._entry(each, self._where) for each in found], file, self._where)


def read(data: bytes, *, where: str) -> Repodata:
    """Read a repodata.json.

    Raises:
        Malformed: NET-UNAVAILABLE for what is not repodata; BIND-AMBIGUOUS for what has a key twice.
    """
    return Repodata(_sections(data, where), where)


def find(data: bytes, file: PackageFile, *, where: str) -> Record | None:
    """Return the record of `file` in a repodata.json, or None where it has none; raises as the two steps do."""
    return read(data, where=where).find(file)


def attested(data: bytes, *, where: str) -> list[Record]:
    """Return the records of a repodata.json that advertise attestations; raises as `find` does."""
    sections = _sections(data, where)
    several = twice((each.records, each.suffix) for each in sections)
    found = []
    try:
        for section in sections:
            for key, entry in section.records.items():
                if msgspec.json.decode(entry, type=_Field).attestations_sha256 is msgspec.UNSET:
                    continue
                name = key + section.suffix
                record = _one([_entry(entry, where)] * (2 if name in several else 1), PackageFile.parse(name), where)
                found.extend([record] if record is not None and record.attestations_sha256 is not None else [])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise _not_an_index(where, "repodata.json", error) from None
    return found


def records(data: bytes, wanted: Callable[[PackageFile], bool], *, where: str) -> Iterator[tuple[Record, bytes, bool]]:
    """Yield the wanted records of a repodata.json, each with its bytes, and whether it stands in v3; raises as `find`.

    A name that is no package file's is passed over: no client of a channel installs it.
    """
    sections = _sections(data, where)
    several = twice((each.records, each.suffix) for each in sections)
    for section in sections:
        for key, entry in section.records.items():
            try:
                file = PackageFile.parse(key + section.suffix)
            except ValueError:
                continue
            if wanted(file):
                record = _one([_entry(entry, where)] * (2 if str(file) in several else 1), file, where)
                if record is not None:
                    yield record, bytes(entry), bool(section.suffix)


def read_shard(data: bytes, *, where: str) -> Repodata:
    """Read a shard's bytes.

    Raises:
        Malformed: NET-UNAVAILABLE for what is no shard; BIND-AMBIGUOUS for what has a key twice.
    """
    plain = compression.unzstd(data, limit=MAX_SHARD, code=Code.NET_UNAVAILABLE, where=where)
    with _packed("a shard", where):
        parsed = msgpack_maps.unpacked(plain)
        v3 = _present(parsed, "v3")
        sections = [_Section(_present(parsed, name)) for name in SECTIONS]
        sections.extend(_Section(_present(v3, name), suffix) for name, suffix in V3_SECTIONS.items())
    return Repodata(sections, where, _packed_entry)


@contextmanager
def _packed(expected: str, where: str) -> Iterator[None]:
    try:
        yield
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_an_index(where, expected, error) from None
    except ValueError as error:
        raise Malformed(Finding.of(Code.BIND_AMBIGUOUS, where, expected="each key once", found=error)) from None


def _present(parsed: index_keys.Raws, key: str) -> index_keys.Raws:
    """A map in a shard; null stands for an empty one."""
    value = parsed.get(key)
    return {} if value is None or value == _NIL else msgpack_maps.unpacked(value)


def _packed_entry(raw: bytes | msgspec.Raw, where: str) -> Any:
    try:
        value = msgspec.msgpack.decode(raw)
        if isinstance(value, dict):
            msgpack_maps.unpacked(raw)
    except (ValueError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_an_index(where, "a record", error) from None
    return value


def parse_shard_index(data: bytes, *, where: str) -> ShardIndex:
    """Read a `repodata_shards.msgpack.zst`.

    Raises:
        Malformed: NET-UNAVAILABLE for what is not a shard index of version 1; BIND-AMBIGUOUS for what has a key twice.
    """
    plain = compression.unzstd(data, limit=MAX_SHARD_INDEX, code=Code.NET_UNAVAILABLE, where=where)
    with _packed("a shard index", where):
        parsed = msgspec.msgpack.decode(plain, type=_ShardIndex)
        top = msgpack_maps.unpacked(plain)
        msgpack_maps.unpacked(top["info"])
        if msgpack_maps.length(memoryview(top["shards"])) != len(parsed.shards):
            raise ValueError("a name stands there twice")
    if parsed.version != 1:
        raise _not_an_index(where, "a shard index", ValueError(f"version {parsed.version}"))
    return ShardIndex(parsed.info.shards_base_url, parsed.shards)


def parse_record(raw: bytes, *, where: str) -> dict[str, Any]:
    """Read a whole record.

    Raises:
        Malformed: NET-UNAVAILABLE: it is no object, or has a key twice.
    """
    value = _entry(raw, where)
    if not isinstance(value, dict):
        raise _not_an_index(where, "a record", TypeError(type(value).__name__))
    return value


def _sections(data: bytes, where: str) -> list[_Section]:
    return [_Section(*each) for each in index_keys.sections(data, where=where)]


def _entry(raw: bytes | msgspec.Raw, where: str) -> Any:
    # A key twice in a record: two clients would read two digests.
    return strict_json.parse(bytes(raw), code=Code.NET_UNAVAILABLE, where=where, limit=MAX_RECORD)


def _one(values: list[Any], file: PackageFile, where: str) -> Record | None:
    if not values:
        return None
    place = f"{where}: {file}"
    if len(values) > 1:
        raise Malformed(Finding.of(Code.BIND_AMBIGUOUS, place, expected="one record", found=f"{len(values)} records"))
    value = values[0]
    if not isinstance(value, dict):
        raise _not_an_index(place, "a record", TypeError(type(value).__name__))
    stamp = value.get("indexed_timestamp")
    return Record(
        file=file,
        sha256=_digest(value, "sha256", Code.BIND_NO_DIGEST, place),
        attestations_sha256=_digest(value, FIELD, Code.SIDECAR_FIELD, place),
        indexed_timestamp=stamp if isinstance(stamp, int) and not isinstance(stamp, bool) else None,
        members=value,
    )


def _digest(record: dict[str, Any], key: str, code: Code, where: str) -> Sha256 | None:
    if key not in record:
        return None
    value = record[key]
    try:
        if isinstance(value, bytes) and len(value) == 32:
            return Sha256.of_bytes(value)
        return Sha256(value) if isinstance(value, str) else _refuse(value)
    except ValueError as error:
        raise Malformed(Finding.of(code, f"{where}: {key}", reason=error)) from None


def _refuse(value: object) -> Sha256:
    raise ValueError(f"expected 64 lowercase hex digits, found {value!r:.80}")


def _not_an_index(where: str, expected: str, error: Exception) -> Malformed:
    return Malformed(Finding.of(Code.NET_UNAVAILABLE, where, expected=expected, found=error))
