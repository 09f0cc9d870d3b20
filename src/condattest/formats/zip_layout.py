"""The ZIP around a `.conda`, read exactly: three stored members and nothing else.

Owns `StoredMember` and `parse`. ZIP readers differ in what they forgive (some scan from the end, some stream the local
headers, some take the last of two equal names), so a lenient reading lets two programs see two packages in one file.
Every byte must therefore have its place:

    local header, name, extra, data [, data descriptor]     three times, without gaps, the first at byte 0
    central directory: three headers
    [zip64 end record, zip64 locator]
    end record                                              the last 22 bytes

Refuses with ARCHIVE-FORMAT: bytes before, between or after these; another number of members; the same name twice; a
local header or data descriptor that is unlike its central header; compression, encryption, comments, several disks; an
alternative name; two readings of a size. Refuses with ARCHIVE-PATH: a member that is marked as a link or a directory.

Accepted, since real packages have them: data descriptors, zip64 where it is not needed or said twice, unknown extras.

Spec: CEP 35, https://github.com/conda/ceps/blob/main/cep-0035.md (not compressed, the three members);
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (4.3 layout, 4.5.3 zip64)
"""

import io
import stat
import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

from condattest.errors import Malformed
from condattest.model.finding import Code, Finding

MEMBERS: Final = 3
"""Members of a `.conda`."""
_MAX_DIRECTORY = 16 * 1024

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_TAIL64 = _END64.size + _LOCATOR64.size
_CENTRAL = struct.Struct("<4s2xBx2H4x3L4H2x2L")
_LOCAL = struct.Struct("<4sBx2H4x3L2H")

_STORED = 0
_MAX_VERSION = 63  # Of the specification, tenfold; zipfile reads no member that asks for more.
_DESCRIPTOR, _UTF8 = 0x0008, 0x0800  # The only flags that change nothing about stored bytes and ASCII names.
_UNSET16, _UNSET32 = 0xFFFF, 0xFFFFFFFF
_EXTRA_ZIP64, _EXTRA_UNICODE_NAME = 0x0001, 0x7075
_DOS_DIRECTORY = 0x10


@dataclass(frozen=True, slots=True)
class StoredMember:
    """One member: its name, where its bytes begin in the file, how many they are, and their CRC-32 by the ZIP."""

    name: str
    offset: int
    size: int
    crc: int


@dataclass(frozen=True, slots=True)
class _Central:
    name: bytes
    flags: int
    crc: int
    size: int
    header: int


def parse(fileobj: BinaryIO, *, where: str) -> tuple[StoredMember, ...]:
    """Return the three members in the order of their bytes; only headers are read.

    Raises:
        Malformed: ARCHIVE-FORMAT or ARCHIVE-PATH.
        OSError: The file itself could not be read.
    """
    # (1) The end record is the last thing in the file, and everything before it is accounted for.
    length = fileobj.seek(0, io.SEEK_END)
    start, size = _directory(fileobj, length, where)
    # (2) The central directory holds exactly the headers that it counts.
    data = read_at(fileobj, start, size)
    headers = []
    position = 0
    for _ in range(MEMBERS):
        header, position = _central(data, position, where)
        headers.append(header)
    if position != len(data):
        raise _malformed(where, "three central headers", f"{len(data) - position} bytes after them")
    if len({header.name for header in headers}) != MEMBERS:
        raise _malformed(where, "three different names", "the same name twice")
    # (3) The members follow each other from byte 0 to the central directory; each local header agrees.
    headers.sort(key=lambda header: header.header)
    ends = [header.header for header in headers[1:]] + [start]
    if headers[0].header != 0:
        raise _malformed(where, "the first member at byte 0", f"{headers[0].header} bytes before it")
    return tuple(_member(fileobj, header, end, where) for header, end in zip(headers, ends, strict=True))


def read_at(fileobj: BinaryIO, offset: int, size: int) -> bytes:
    """Return `size` bytes from `offset`, fewer where the file ends before.

    Raises:
        OSError: The file itself could not be read.
    """
    fileobj.seek(offset)
    parts = []
    while size > 0 and (part := fileobj.read(size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _directory(fileobj: BinaryIO, length: int, where: str) -> tuple[int, int]:
    record = read_at(fileobj, max(0, length - _END.size), _END.size)
    if len(record) != _END.size or record[:4] != b"PK\5\6":
        raise _malformed(where, "a ZIP whose end record is its last 22 bytes", "other bytes at its end")
    _, disk, first_disk, here, count, size, start, comment = _END.unpack(record)
    if comment:
        raise _malformed(where, "no comment", f"a comment of {comment} bytes")
    end = length - _END.size
    # A locator right before the end record sends readers to the zip64 end record, whatever else these bytes may be: one
    # in the last central header's extra field would show them another directory.
    tail = read_at(fileobj, max(0, end - _TAIL64), min(end, _TAIL64))
    if tail[_END64.size : _END64.size + 4] == b"PK\6\7":
        plain = (disk, first_disk, here, count, size, start)
        here, count, size, start = _directory64(tail, end - _TAIL64, plain, where)
    elif disk or first_disk or start + size != end:
        raise _malformed(where, "the central directory right before the end record", "something else")
    if here != count or count != MEMBERS:
        raise _malformed(where, f"{MEMBERS} members", f"{count} members")
    if size > _MAX_DIRECTORY:
        raise _malformed(where, f"a central directory of at most {_MAX_DIRECTORY} bytes", f"{size} bytes")
    return start, size


def _directory64(data: bytes, end: int, plain: tuple[int, ...], where: str) -> tuple[int, int, int, int]:
    if data[:4] != b"PK\6\6":
        raise _malformed(where, "a zip64 end record before its locator", "something else")
    _, length, _, _, disk, first_disk, here, count, size, start = _END64.unpack_from(data)
    locator = _LOCATOR64.unpack_from(data, _END64.size)
    if locator != (b"PK\6\7", 0, end, 1) or length != _END64.size - 12 or disk or first_disk or start + size != end:
        raise _malformed(where, "a zip64 end record that agrees with its place", "one that does not")
    for said, unset, true in zip(
        plain, (_UNSET16,) * 4 + (_UNSET32,) * 2, (0, 0, here, count, size, start), strict=True
    ):
        if said not in (unset, true):
            raise _malformed(where, "end records that agree", "two different ones")
    return here, count, size, start


def _central(data: bytes, position: int, where: str) -> tuple[_Central, int]:
    if len(data) - position < _CENTRAL.size or data[position : position + 4] != b"PK\1\2":
        raise _malformed(where, "a central header", "other bytes")
    fields = _CENTRAL.unpack_from(data, position)
    _, needed, flags, method, crc, packed, size, name_length, extra_length, comment, disk, mode, at = fields
    position += _CENTRAL.size
    name = data[position : position + name_length]
    extra = data[position + name_length : position + name_length + extra_length]
    position += name_length + extra_length
    if position > len(data):
        raise _malformed(where, "a whole central header", "one that ends early")
    place = f"{where}: {name.decode('ascii', 'backslashreplace'):.200}"
    if method != _STORED or needed > _MAX_VERSION:
        raise _malformed(place, "stored, as the format demands", f"compression method {method}, version {needed}")
    if flags & ~(_DESCRIPTOR | _UTF8):
        raise _malformed(place, "a plain stored member", f"flags {flags:#06x}" + (", encrypted" if flags & 1 else ""))
    if comment or disk:
        raise _malformed(place, "no comment, one disk", f"a comment of {comment} bytes, disk {disk}")
    if not name.isascii():
        raise _malformed(place, "an ASCII name", "another")
    if stat.S_IFMT(mode >> 16) not in (0, stat.S_IFREG) or mode & _DOS_DIRECTORY:
        raise Malformed(Finding.of(Code.ARCHIVE_PATH, place, expected="a regular file", found=f"attributes {mode:#x}"))
    size, at = _sizes(extra, size, packed, at, place)
    return _Central(name, flags, crc, size, at), position


def _sizes(extra: bytes, size: int, packed: int, at: int | None, place: str) -> tuple[int, int]:
    """Join the 32-bit fields of a header with its zip64 extras; every reading must come out the same."""
    plain: list[int | None] = [None if value == _UNSET32 else value for value in (size, packed, at)]
    if at is None:
        plain = plain[:2]  # Local headers have no offset.
    missing = [slot for slot, value in enumerate(plain) if value is None]
    full: list[int] | None = None
    position = 0
    while position < len(extra):
        if len(extra) - position < 4:
            raise _malformed(place, "whole extra fields", "one that ends early")
        kind, length = struct.unpack_from("<2H", extra, position)
        value = extra[position + 4 : position + 4 + length]
        position += 4 + length
        if len(value) != length:
            raise _malformed(place, "whole extra fields", "one that ends early")
        if kind == _EXTRA_UNICODE_NAME:
            raise _malformed(place, "one name", "an alternative name in an extra field")
        if kind != _EXTRA_ZIP64:
            continue
        # By the specification, the fields that the header leaves open. Some writers put all of them, always.
        slots = missing if length == 8 * len(missing) else list(range(length // 8))
        if length % 8 or len(slots) > len(plain) or not set(missing) <= set(slots):
            raise _malformed(place, "a zip64 field of the header's open values", f"one of {length} bytes")
        read = list(plain)
        for slot, number in zip(slots, struct.unpack(f"<{len(slots)}Q", value), strict=True):
            if read[slot] not in (None, number):
                raise _malformed(place, "one size and place", "another one in the zip64 field")
            read[slot] = number
        found = [number for number in read if number is not None]
        if full is not None and full != found:
            raise _malformed(place, "one size and place", "two zip64 fields that differ")
        full = found
    if full is None:
        if missing:
            raise _malformed(place, "a zip64 field for the values left open", "none")
        full = [number for number in plain if number is not None]
    if full[0] != full[1]:
        raise _malformed(place, "as many bytes stored as unpacked", f"{full[1]} and {full[0]}")
    return full[0], full[2] if at is not None else 0


def _member(fileobj: BinaryIO, central: _Central, end: int, where: str) -> StoredMember:
    name = central.name.decode("ascii")
    place = f"{where}: {name:.200}"
    header = read_at(fileobj, central.header, _LOCAL.size)
    if len(header) != _LOCAL.size or header[:4] != b"PK\3\4":
        raise _malformed(place, "a local header where the central directory says", "other bytes")
    _, needed, flags, method, crc, packed, size, name_length, extra_length = _LOCAL.unpack(header)
    rest = read_at(fileobj, central.header + _LOCAL.size, name_length + extra_length)
    offset = central.header + _LOCAL.size + name_length + extra_length
    if rest[:name_length] != central.name or len(rest) != name_length + extra_length:
        raise _malformed(place, "the same name in both headers", f"{rest[:name_length]!r:.200} in the local one")
    if (flags, method) != (central.flags, _STORED) or needed > _MAX_VERSION:
        raise _malformed(
            place, "a local header like the central one", f"flags {flags:#06x}, method {method}, version {needed}"
        )
    size, _ = _sizes(rest[name_length:], size, packed, None, place)
    # With a data descriptor the local values may be left at 0: the writer did not know them yet.
    later = bool(flags & _DESCRIPTOR)
    if (size, crc) != (central.size, central.crc) and not (later and (size, crc) == (0, 0)):
        found = f"{size} bytes and CRC {crc:#x}, not {central.size} and {central.crc:#x}"
        raise _malformed(place, "a local header like the central one", found)
    gap = end - offset - central.size
    if later and gap in (12, 16, 20, 24):
        # With or without a signature, in 32 or 64 bits: its length tells which.
        signature = b"PK\7\10" if gap in (16, 24) else b""
        numbers = (central.crc, central.size, central.size)
        wide = gap > 16
        if wide or central.size < _UNSET32:
            expected = signature + struct.pack("<L2Q" if wide else "<3L", *numbers)
            if read_at(fileobj, offset + central.size, gap) == expected:
                return StoredMember(name, offset, central.size, central.crc)
    if later or gap != 0:
        raise _malformed(place, "members without gaps or overlaps", f"{gap} bytes between this one and the next part")
    return StoredMember(name, offset, central.size, central.crc)


def _malformed(where: str, expected: str, found: str) -> Malformed:
    return Malformed(Finding.of(Code.ARCHIVE_FORMAT, where, expected=expected, found=found))
