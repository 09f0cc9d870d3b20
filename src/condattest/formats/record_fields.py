r"""What audits judge of the records of an index, read from many of them at once.

Owns `Fields`, `KEYS`, `of_many` and `of_one`. Refuses a record that is none, and one in which a key stands twice: two
clients would read two records. Only records in which something might stand twice are parsed whole.

That nothing does in a batch is shown by counting. A key without `\u` can be written in one way, so each record that has
it has its bytes, quotes included, at least once. Where a batch has them as often as it has records with the key, each
of these has them once, and the others not at all. Where it has them more often, a record has the key twice, or the same
text elsewhere: there, and where `\u` is, each record is counted by itself.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from condattest.errors import Malformed
from condattest.formats import strict_json
from condattest.formats.index_changes import FIELD
from condattest.formats.repodata import MAX_RECORD
from condattest.model.artifact import Sha256
from condattest.model.finding import Code, Finding

KEYS: Final = ("sha256", FIELD, "indexed_timestamp", "name", "version", "build", "subdir")
"""The keys of records that are judged; `Fields` has the same."""
_QUOTED: Final = {key: f'"{key}"'.encode() for key in KEYS}
_BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Fields(msgspec.Struct, kw_only=True, gc=False):
    """What is judged of a record; UNSET where it has no such key."""

    sha256: Any = msgspec.UNSET
    attestations_sha256: Any = msgspec.UNSET
    indexed_timestamp: Any = msgspec.UNSET
    name: Any = msgspec.UNSET
    version: Any = msgspec.UNSET
    build: Any = msgspec.UNSET
    subdir: Any = msgspec.UNSET


class _Whole(Fields, kw_only=True, gc=False):
    """A record that has all that indexers write; msgspec decodes none that lacks any of it."""

    sha256: Any
    name: Any
    version: Any
    build: Any
    subdir: Any


class _Attested(_Whole, kw_only=True, gc=False):
    """One that has all that servers write, too."""

    attestations_sha256: Any
    indexed_timestamp: Any


_ONE: Final = msgspec.json.Decoder(Fields)
_MANY: Final[tuple[tuple[msgspec.json.Decoder[Any], tuple[str, ...]], ...]] = (
    (msgspec.json.Decoder(list[_Attested]), ()),
    (msgspec.json.Decoder(list[_Whole]), (FIELD, "indexed_timestamp")),
    (msgspec.json.Decoder(list[Fields]), KEYS),
)
"""Readers of many records, the strictest first, each with the keys that a record may lack."""


def of_many(raws: Sequence[msgspec.Raw]) -> Sequence[Fields | None]:
    """Read many records; None for each that `of_one` has to look at.

    Where all digests are well-formed, they are `Sha256` already.

    Args:
        raws: Records as msgspec took them from a document: each is one JSON value.
    """
    data = b"[" + b",".join(raws) + b"]"
    found = _read(data)
    if found is None:
        return [None] * len(raws)  # One of them is no record.
    read, optional = found
    _check_digests(read)
    doubtful = [key for key in KEYS if _is_doubtful(key, data, read, may_lack=key in optional)]
    if b"\\" in data and b"\\u" in data:
        doubtful = list(KEYS)
    if not doubtful:
        return read
    return [None if _may_repeat(bytes(raw), doubtful) else fields for raw, fields in zip(raws, read, strict=True)]


def _read(data: bytes) -> tuple[Sequence[Fields], Sequence[str]] | None:
    for reader, optional in _MANY:
        try:
            return reader.decode(data), optional
        except _BROKEN:
            continue
    return None


def of_one(raw: msgspec.Raw, where: str) -> Fields:
    """Read one record.

    Raises:
        Malformed: NET-UNAVAILABLE: it is none, or has a key twice.
    """
    data = bytes(raw)
    try:
        fields = _ONE.decode(data)
    except _BROKEN as error:
        finding = Finding.of(Code.NET_UNAVAILABLE, where, expected="a record", found=f"{error!s:.300}")
        raise Malformed(finding) from None
    if _may_repeat(data, KEYS):
        strict_json.parse(data, code=Code.NET_UNAVAILABLE, where=where, limit=MAX_RECORD)
    return fields


def _is_doubtful(key: str, data: bytes, read: Sequence[Fields], *, may_lack: bool) -> bool:
    count = data.count(_QUOTED[key])
    lacking = [getattr(each, key) for each in read].count(msgspec.UNSET) if may_lack and count else 0
    return bool(count) and count != len(read) - lacking


def _check_digests(read: Sequence[Fields]) -> None:
    try:
        for fields, digest in zip(read, Sha256.of_texts([each.sha256 for each in read]), strict=True):
            fields.sha256 = digest
    except (ValueError, TypeError):
        return  # Whoever takes them one by one tells which.


def _may_repeat(data: bytes, keys: Sequence[str]) -> bool:
    return b"\\u" in data or any([data.count(_QUOTED[key]) > 1 for key in keys])
