"""The members of a tar archive, streamed, so that every reader sees the same ones.

Owns `Member` and `members`. Python's tarfile ends an archive silently at the first bad header, reads headers of any
size into memory, and recurses once for each header extension; other readers skip to the next header. So this module
reads the headers itself. Refuses with ARCHIVE-FORMAT whatever two readers could read differently: a bad checksum or
number, a size said twice (in a pax header and in the member's own: the smuggling of CVE-2025-62518), mixed, repeated
or global extensions, sparse files, links and directories with data, bytes after the end. Refuses with ARCHIVE-PATH
devices, FIFOs and unknown types, with ARCHIVE-BOMB absurd numbers of members and absurd headers.

    offset  0 name 100   100 mode 8   108 uid 8   116 gid 8   124 size 12   136 mtime 12   148 checksum 8   156 type 1
    157 link name 100   257 magic 8   265 user 32   297 group 32   329 device 16   345 prefix 155   = 512 bytes

The data follows, padded to 512; two blocks of zeros end the archive.

Spec: POSIX.1-2017, pax, "ustar Interchange Format"; https://www.gnu.org/software/tar/manual/html_node/Standard.html
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from condattest.errors import Malformed
from condattest.formats.unpacked import Unpacked
from condattest.model.finding import Code, Finding

BLOCK: Final = 512
"""Bytes of a tar block."""
MAX_PATH: Final = 4096
"""Bytes of a path, as Linux limits it."""
MAX_PAX: Final = 256 * 1024
"""Bytes of one member's pax header; extended attributes fill it, if anything does."""

_NUMBER = re.compile(rb" *([0-7]{1,12})[ \0]*")
# The numbers that are not used here: mode, owner, group, mtime, device. To tarfile, any other text ends the archive.
_UNUSED = ((100, 108), (108, 116), (116, 124), (136, 148), (329, 337), (337, 345))
_UNUSED_NUMBER = re.compile(rb" *[0-7]* *(?:\0.*)?|[\x80\xff].*", re.DOTALL)
_PAX_RECORD = re.compile(rb"([1-9][0-9]{0,6}) ([^=\n\0]+)=")
_POSIX, _GNU, _V7 = b"ustar\x0000", b"ustar  \0", b"\0" * 8
_ZEROS = b"\0" * BLOCK
# They change how much data a member has, or how its text is to be read.
_PAX_REFUSED = ("size", "GNU.sparse.", "SCHILY.realsize")
_PAX_CHARSETS = (b"BINARY", b"ISO-IR 10646 2000 UTF-8")


class MemberType(Enum):
    """The types of members that packages have."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symbolic link"
    HARDLINK = "hard link"


_TYPES = {
    b"0": MemberType.FILE,
    b"\0": MemberType.FILE,
    b"5": MemberType.DIRECTORY,
    b"2": MemberType.SYMLINK,
    b"1": MemberType.HARDLINK,
}
_DANGEROUS = {b"3": "a character device", b"4": "a block device", b"6": "a FIFO"}


@dataclass(frozen=True, slots=True)
class Member:
    """One member as the archive says it: nothing about its name is safe yet. `size` is bytes of data."""

    name: str
    type: MemberType
    size: int
    target: str


def members(stream: Unpacked, *, limit: int) -> Iterator[Member]:
    """Yield the members; between two of them the caller may read up to `size` bytes of data from the stream.

    Raises:
        Malformed: ARCHIVE-FORMAT, ARCHIVE-PATH, or ARCHIVE-BOMB for more than `limit` members.
        OSError: The file itself could not be read.
    """
    count = 0
    while (header := stream.read(BLOCK)) and header != _ZEROS:
        name, target = None, None
        if header[156:157] == b"x":
            name, target, records = _pax(_extension(stream, header, MAX_PAX), stream)
            count += records  # They cost as much as members do.
            header = stream.read(BLOCK)
        else:
            # GNU: one long name and one long link name at the most, in either order.
            while (type_ := header[156:157]) in (b"L", b"K"):
                text = _text(_extension(stream, header, MAX_PATH + 1))
                if (name if type_ == b"L" else target) is not None:
                    raise _malformed(stream, "one long name for a member", "two")
                name, target = (text, target) if type_ == b"L" else (name, text)
                header = stream.read(BLOCK)
        count += 1
        if count > limit:
            raise _refused(Code.ARCHIVE_BOMB, stream, f"at most {limit} members and pax records", "more")
        member = _member(header, name, target, stream)
        end = stream.position + member.size + -member.size % BLOCK
        yield member
        stream.skip(end - stream.position)
        if stream.position != end:
            raise _malformed(stream, f"{member.size} bytes of {member.name!r:.200}", "an early end")
    stream.expect_zeros()


def _member(header: bytes, name: str | None, target: str | None, stream: Unpacked) -> Member:
    size = _checked_size(header, stream)
    raw_type, magic = header[156:157], header[257:265]
    type_ = _TYPES.get(raw_type)
    if type_ is None:
        found = _DANGEROUS.get(raw_type)
        if found is None and raw_type in (b"x", b"g", b"L", b"K", b"S", b"M", b"V", b"D"):
            raise _malformed(stream, "a member", f"an extension of type {raw_type!r} in its place")
        expected = "files, directories and links"
        raise _refused(Code.ARCHIVE_PATH, stream, expected, found or f"a member of type {raw_type!r}")
    if magic not in (_POSIX, _GNU, _V7):
        raise _malformed(stream, "a ustar or GNU header", f"the magic {magic!r}")
    # Only ustar has a prefix there; tarfile would use what others keep in these bytes.
    prefix = _text(header[345:500])
    if magic != _POSIX and header[345:500].strip(b"\0"):
        raise _malformed(stream, "no prefix outside ustar", f"{prefix!r:.200}")
    if name is None:
        name = _text(header[:100])
        name = f"{prefix}/{name}" if prefix else name
    if target is None:
        target = _text(header[157:257])
    if not name or (type_ is MemberType.FILE and name.endswith("/")):
        raise _malformed(stream, "the name of a file", f"{name!r:.200}")
    if size and type_ is not MemberType.FILE:
        raise _malformed(stream, f"a {type_.value} without data", f"{size} bytes of it")
    linked = type_ in (MemberType.SYMLINK, MemberType.HARDLINK)
    # zlib-1.2.11-h7b6447c_3.conda has symbolic links to nowhere; nobody could make a hard link to nowhere.
    if type_ is MemberType.HARDLINK and not target:
        raise _malformed(stream, "a hard link to somewhere", "one to nowhere")
    return Member(name, type_, size, target if linked else "")


def _checked_size(header: bytes, stream: Unpacked) -> int:
    if len(header) != BLOCK:
        raise _malformed(stream, "a tar header of 512 bytes", f"{len(header)} bytes")
    checksum = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    if _number(header[148:156], stream) != checksum:
        raise _malformed(stream, f"the header checksum {checksum:o}", f"{header[148:156]!r}")
    for start, end in _UNUSED:
        if not _UNUSED_NUMBER.fullmatch(header, start, end):
            raise _malformed(stream, "a number", f"{header[start:end]!r}")
    # Base-256 numbers are for 8 GiB and more: no file of a package is that large.
    return _number(header[124:136], stream)


def _number(field: bytes, stream: Unpacked) -> int:
    match = _NUMBER.fullmatch(field)
    if match is None:
        raise _malformed(stream, "an octal number", f"{field!r}")
    return int(match[1], 8)


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _extension(stream: Unpacked, header: bytes, limit: int) -> bytes:
    size = _checked_size(header, stream)
    if size > limit:
        raise _refused(Code.ARCHIVE_BOMB, stream, f"a header extension of at most {limit} bytes", f"{size} bytes")
    data = stream.read(size)
    padding = -size % BLOCK
    if len(data) != size or len(stream.read(padding)) != padding:
        raise _malformed(stream, f"a header extension of {size} bytes", "an early end")
    return data


def _pax(data: bytes, stream: Unpacked) -> tuple[str | None, str | None, int]:
    """Read records of `<length> <key>=<value>` and a line feed; a length counts its whole record."""
    values: dict[bytes, bytes] = {}
    position = 0
    while position < len(data):
        match = _PAX_RECORD.match(data, position)
        end = position + int(match[1]) if match is not None else 0
        if match is None or end <= match.end() or end > len(data) or data[end - 1 : end] != b"\n":
            raise _malformed(stream, "pax records", f"{data[position : position + 40]!r}")
        key, value = match[2], data[match.end() : end - 1]
        if key in values:
            raise _malformed(stream, "each pax key once", f"{key!r:.80} twice")
        if key.decode("utf-8", "replace").startswith(_PAX_REFUSED):
            raise _malformed(stream, "a size in the member's own header", f"the pax key {key!r:.80}")
        values[key] = value
        position = end
    if values.get(b"hdrcharset", _PAX_CHARSETS[0]) not in _PAX_CHARSETS:
        raise _malformed(stream, "UTF-8", f"the character set {values[b'hdrcharset']!r:.80}")
    found = []
    for key in (b"path", b"linkpath"):
        raw = values.get(key)
        if raw is not None and (not raw or b"\0" in raw):
            raise _refused(Code.ARCHIVE_PATH, stream, "a path", f"{raw!r:.200}")
        found.append(None if raw is None else raw.decode("utf-8", "surrogateescape"))
    return found[0], found[1], len(values)


def _malformed(stream: Unpacked, expected: str, found: str) -> Malformed:
    return _refused(Code.ARCHIVE_FORMAT, stream, expected, found)


def _refused(code: Code, stream: Unpacked, expected: str, found: str) -> Malformed:
    return Malformed(Finding.of(code, stream.where, expected=expected, found=found))
