"""Every record of an index, each judged by itself: for an audit, which goes on where one record is broken.

Owns `Listing`, `of_monolith` and `of_shard`. A record that is none, that names no digest, whose sidecar's
digest is none, or that claims to be another package than its file has a finding, and so has a file that two sections
list. Refuses only what is no index at all, or has a key twice outside of records. Other sections of `v3` than those of
conda packages are passed over.

`of_monolith` takes the file's bytes apart one level at a time, and gives views into them; `record_fields` says how
records are read. Specs: CEP 36, CEP 48, CEP 50, CEP 16, https://github.com/conda/ceps
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from condattest.errors import Malformed
from condattest.formats import compression, index_keys, record_fields, strict_json
from condattest.formats.index_changes import FIELD, SECTIONS, V3_SECTIONS, twice
from condattest.formats.record_fields import Fields
from condattest.formats.repodata import MAX_RECORD, MAX_SHARD
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding

_FAR: Final = 2**63 - 1
_BATCH: Final = 512
"""Records that are taken apart at a time."""


class Listing(msgspec.Struct, frozen=True, gc=False):
    """What an index says of one file.

    Attributes:
        key: The file's name, as the index has it.
        file: The same, taken apart; None where it is no conda package's.
        sha256: The digest of the package, where the record has one.
        sidecar: The digest of its sidecar; None where the index advertises none.
        claimed: Whether the record has the field that advertises one, well-formed or not.
        indexed: Milliseconds since the epoch when the server indexed it; None where the record does not say.
        finding: What is wrong with the record.
        raw: The record's bytes, or what a shard says; `members` reads them.
    """

    key: str
    file: PackageFile | None
    sha256: Sha256 | None = None
    sidecar: Sha256 | None = None
    claimed: bool = False
    indexed: int | None = None
    finding: Finding | None = None
    raw: "msgspec.Raw | Mapping[str, Any] | None" = None

    def __eq__(self, other: object) -> bool:
        """Whether another says the same; a monolith and a shard do in different bytes."""
        return isinstance(other, Listing) and self._said() == other._said()

    def __hash__(self) -> int:
        return hash(self._said())

    def _said(self) -> tuple[object, ...]:
        return msgspec.structs.astuple(self)[:-1]

    def members(self) -> Mapping[str, Any]:
        """All that the record says.

        Raises:
            Malformed: NET-UNAVAILABLE: it is no strict JSON, or no object.
        """
        if isinstance(self.raw, Mapping):
            return self.raw
        value = _strict(b"null" if self.raw is None else bytes(self.raw), self.key)
        if not isinstance(value, dict):
            raise Malformed(Finding.of(Code.NET_UNAVAILABLE, self.key, expected="a record", found=type(value).__name__))
        return value

    def fingerprint(self) -> str:
        """What tells the record, with what is wrong with it, from any other that the index may have for the file."""
        raw = msgspec.msgpack.encode(self.raw) if isinstance(self.raw, Mapping) else bytes(self.raw or b"")
        code = "" if self.finding is None else self.finding.code.value
        return hashlib.sha256(code.encode() + b"\0" + raw).hexdigest()


def of_monolith(data: bytes, subdir: str, *, where: str) -> Iterator[Listing]:
    """Yield every record of a repodata.json, in the order of their file names.

    Args:
        data: The plain bytes.
        subdir: Where they are from: records may claim no other.
        where: The file, for findings.

    Raises:
        Malformed: NET-UNAVAILABLE: it is no index; BIND-AMBIGUOUS: it has a key twice.
    """
    sections = index_keys.sections(data, where=where)
    several = twice(sections)
    # Two of one name are of two sections, so that no records are compared.
    rows = sorted(
        (key + suffix, at, raw) for at, (records, suffix) in enumerate(sections) for key, raw in records.items()
    )
    told = set()
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        for (key, _, raw), fields in zip(batch, record_fields.of_many([raw for _, _, raw in batch]), strict=True):
            if key in several:
                if key not in told:
                    told.add(key)
                    yield _ambiguous(key, where)
            elif fields is None:
                yield _of_raw(key, raw, subdir, where)
            else:
                yield _listing(key, fields, raw, subdir, where)


def _of_raw(key: str, raw: msgspec.Raw, subdir: str, where: str) -> Listing:
    try:
        fields = record_fields.of_one(raw, f"{where}: {key}")
    except Malformed as error:
        return Listing(key, _parsed(key), finding=error.finding, raw=raw)
    return _listing(key, fields, raw, subdir, where)


def of_shard(data: bytes, subdir: str, *, where: str, name: str | None = None) -> Iterator[Listing]:
    """Yield every record of a shard, from its compressed bytes; arguments and errors as `of_monolith`.

    `name` is the package name that the shard index has it under: a record of another is not about that name.
    """
    plain = compression.unzstd(data, limit=MAX_SHARD, code=Code.NET_UNAVAILABLE, where=where)
    try:
        parsed = msgspec.msgpack.decode(plain)
        v3 = parsed.get("v3") or {}
        sections = [(parsed.get(section) or {}, "") for section in SECTIONS]
        sections.extend((v3.get(section) or {}, suffix) for section, suffix in V3_SECTIONS.items())
        several = twice(sections)
        rows = [(key + suffix, value) for records, suffix in sections for key, value in records.items()]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, AttributeError, TypeError) as error:
        finding = Finding.of(Code.NET_UNAVAILABLE, where, expected="a shard", found=f"{error!s:.300}")
        raise Malformed(finding) from None
    told = set()
    for key, value in rows:
        if key in several:
            if key not in told:
                told.add(key)
                yield _ambiguous(key, where)
            continue
        if not isinstance(value, dict):
            finding = Finding.of(Code.NET_UNAVAILABLE, f"{where}: {key}", expected="a record", found=type(value))
            yield Listing(key, _parsed(key), finding=finding)
            continue
        fields = Fields(**{key: value[key] for key in record_fields.KEYS if key in value})
        listing = _listing(key, fields, value, subdir, where)
        if name is not None and listing.file is not None and listing.file.name != name and listing.finding is None:
            found = f"the shard of {name}"
            finding = Finding.of(Code.BIND_METADATA, f"{where}: {key}", expected=listing.file.name, found=found)
            listing = Listing(key, listing.file, listing.sha256, listing.sidecar, listing.claimed, finding=finding)
        yield listing


def _listing(key: str, fields: Fields, raw: "msgspec.Raw | Mapping[str, Any]", subdir: str, where: str) -> Listing:
    file = _parsed(key)
    finding = None
    sha256 = sidecar = None
    claimed = fields.attestations_sha256 is not msgspec.UNSET
    if file is None:
        expected = "<name>-<version>-<build>.conda or .tar.bz2"
        finding = Finding.of(Code.BIND_NAME, where, expected=expected, found=f"{key:.300}")
    else:
        try:
            sha256 = fields.sha256 if type(fields.sha256) is Sha256 else _digest(fields.sha256)
            if sha256 is None:
                finding = Finding.of(Code.BIND_NO_DIGEST, f"{where}: {key}", expected="sha256", found="no such key")
        except ValueError as error:
            finding = Finding.of(Code.BIND_NO_DIGEST, f"{where}: {key}: sha256", reason=error)
        try:
            sidecar = _digest(fields.attestations_sha256) if claimed else None
        except ValueError as error:
            finding = Finding.of(Code.SIDECAR_FIELD, f"{where}: {key}: {FIELD}", reason=error)
        claims = (fields.name, fields.version, fields.build, fields.subdir)
        if finding is None and claims != (file.name, file.version, file.build, subdir):
            finding = _pretence(file, fields, subdir, f"{where}: {key}")
    stamp = fields.indexed_timestamp
    # What is far from any date stays so, in 64 bits.
    indexed = min(max(stamp, -_FAR), _FAR) if isinstance(stamp, int) and not isinstance(stamp, bool) else None
    return Listing(key, file, sha256, sidecar, claimed, indexed, finding, raw)


def _pretence(file: PackageFile, fields: Fields, subdir: str, where: str) -> Finding | None:
    """Solvers go by what a record says, and install its file: both have to be one package. Old records say less."""
    of_file = {"name": file.name, "version": file.version, "build": file.build, "subdir": subdir}
    for key, expected in of_file.items():
        found = getattr(fields, key)
        if found != expected and found is not msgspec.UNSET:
            return _claims(where, key, expected, found)
    return None


def _claims(where: str, key: str, expected: str, found: object) -> Finding:
    return Finding.of(Code.BIND_METADATA, f"{where}: {key}", expected=expected, found=f"{found!r:.80}")


def _ambiguous(key: str, where: str) -> Listing:
    finding = Finding.of(Code.BIND_AMBIGUOUS, f"{where}: {key}", expected="one record", found="2 records")
    return Listing(key, _parsed(key), finding=finding)


def _parsed(key: str) -> PackageFile | None:
    try:
        return PackageFile.parse(key)
    except ValueError:
        return None


def _digest(value: object) -> Sha256 | None:
    if value is msgspec.UNSET:
        return None
    if isinstance(value, bytes) and len(value) == 32:
        return Sha256.of_bytes(value)
    if isinstance(value, str):
        return Sha256(value)
    raise ValueError(f"expected 64 lowercase hex digits, found {value!r:.80}")


def _strict(data: bytes, where: str) -> Any:
    return strict_json.parse(data, code=Code.NET_UNAVAILABLE, where=where, limit=MAX_RECORD)
