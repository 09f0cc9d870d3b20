"""Decompressed bytes of one bzip2 stream or one zstd frame, read forward and within a bound.

Owns `Unpacked`. Refuses with ARCHIVE-BOMB more bytes than the limit, and a zstd window above 128 MiB (that is what
level 22 uses, and zstd's own default limit); with ARCHIVE-FORMAT whatever is not exactly one stream: an early end,
bytes after the end, a second stream or frame, a dictionary, a wrong CRC-32. Readers disagree about a second stream:
Python's goes on into it, rattler's bzip2 reader stops before it, so a package could show each of them other metadata.

    bzip2:  "BZh" level, blocks, CRC          zstd:  28 b5 2f fd, frame header (window, content size), blocks, checksum

Spec: RFC 8878, 3.1.1 (zstd); https://sourceware.org/bzip2/
"""

import bz2
import sys
import zlib
from typing import BinaryIO, Final, Protocol, Self

from condattest.errors import Malformed
from condattest.model.finding import Code, Finding

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_WINDOW: Final = 1 << 27
"""Bytes of zstd's window, the most memory that a frame may ask for."""
_READ = 256 * 1024
_UNPACK = 1024 * 1024
_HEADER = 18  # The longest zstd frame header with its magic number.


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Unpacked:
    """A forward reader of decompressed bytes.

    Every method may raise Malformed (ARCHIVE-FORMAT, ARCHIVE-BOMB), and OSError where the file itself fails.
    """

    __slots__ = ("_at", "_buffer", "_crc", "_decompressor", "_fileobj", "_left", "_limit", "_next", "_total", "where")

    where: str

    def __init__(
        self,
        fileobj: BinaryIO,
        decompressor: _Decompressor,
        *,
        offset: int,
        size: int,
        crc: int | None,
        limit: int,
        where: str,
    ) -> None:
        self.where = where
        self._fileobj = fileobj
        self._decompressor = decompressor
        self._next, self._left = offset, size
        self._crc = None if crc is None else (crc, 0)
        self._limit = limit
        self._total = 0
        self._buffer, self._at = b"", 0

    @classmethod
    def bzip2(cls, fileobj: BinaryIO, *, size: int, limit: int, where: str) -> Self:
        """Read the file's first `size` bytes as one bzip2 stream of at most `limit` bytes."""
        return cls(fileobj, bz2.BZ2Decompressor(), offset=0, size=size, crc=None, limit=limit, where=where)

    @classmethod
    def zstd(cls, fileobj: BinaryIO, *, offset: int, size: int, crc: int, limit: int, where: str) -> Self:
        """Read `size` bytes from `offset` as one zstd frame of at most `limit` bytes; `crc` is that of the frame."""
        fileobj.seek(offset)
        _check_frame(fileobj.read(min(size, _HEADER)), where)
        decompressor = zstd.ZstdDecompressor(
            options={zstd.DecompressionParameter.window_log_max: MAX_WINDOW.bit_length() - 1}
        )
        return cls(fileobj, decompressor, offset=offset, size=size, crc=crc, limit=limit, where=where)

    @property
    def position(self) -> int:
        """How many decompressed bytes were passed so far."""
        return self._total - len(self._buffer) + self._at

    def read(self, count: int) -> bytes:
        """Return `count` bytes, fewer only at the end."""
        end = self._at + count
        if end <= len(self._buffer):
            taken = self._buffer[self._at : end]
            self._at = end
            return taken
        parts = []
        while count > 0:
            if self._at == len(self._buffer) and not self._fill():
                break
            part = self._buffer[self._at : self._at + count]
            self._at += len(part)
            count -= len(part)
            parts.append(part)
        return b"".join(parts)

    def skip(self, count: int) -> None:
        """Pass over `count` bytes, fewer only at the end."""
        while count > 0:
            if self._at == len(self._buffer) and not self._fill():
                break
            step = min(count, len(self._buffer) - self._at)
            self._at += step
            count -= step

    def expect_zeros(self) -> None:
        """Read to the end; anything but zeros is a second archive that some readers would find."""
        rest = self._buffer[self._at :]
        while True:
            if rest.strip(b"\0"):
                raise self._malformed("nothing after the archive's end", "more bytes")
            if not self._fill():
                return
            rest, self._at = self._buffer, len(self._buffer)

    def _fill(self) -> bool:
        while not self._decompressor.eof:
            data = b""
            if self._decompressor.needs_input:
                data = self._input()
            # Only what the library itself raises is about the bytes; the file's own OSError goes up as it is.
            try:
                unpacked = self._decompressor.decompress(data, _UNPACK)
            except (OSError, ValueError, EOFError, zstd.ZstdError) as error:
                raise self._malformed("one whole compressed stream", str(error)) from None
            except MemoryError:
                raise self._bomb("a stream that fits into memory", "one that does not") from None
            if unpacked:
                self._total += len(unpacked)
                if self._total > self._limit:
                    raise self._bomb(f"at most {self._limit} bytes unpacked", "more")
                self._buffer, self._at = unpacked, 0
                return True
        if self._left or self._decompressor.unused_data:
            raise self._malformed("one compressed stream", "bytes after its end")
        if self._crc is not None and self._crc[0] != self._crc[1]:
            raise self._malformed(f"CRC {self._crc[0]:#010x}", f"{self._crc[1]:#010x}")
        return False

    def _input(self) -> bytes:
        # The file is shared with other readers of the same package: its position is not ours.
        self._fileobj.seek(self._next)
        data = self._fileobj.read(min(_READ, self._left))
        if not data:
            raise self._malformed("one whole compressed stream", "an early end")
        self._next += len(data)
        self._left -= len(data)
        if self._crc is not None:
            self._crc = self._crc[0], zlib.crc32(data, self._crc[1])
        return data

    def _malformed(self, expected: str, found: str) -> Malformed:
        return Malformed(Finding.of(Code.ARCHIVE_FORMAT, self.where, expected=expected, found=found))

    def _bomb(self, expected: str, found: str) -> Malformed:
        return Malformed(Finding.of(Code.ARCHIVE_BOMB, self.where, expected=expected, found=found))


def _check_frame(header: bytes, where: str) -> None:
    """Read the frame header of RFC 8878, 3.1.1.1, for what it would make a decompressor allocate."""
    if header[:4] != b"\x28\xb5\x2f\xfd" or len(header) < 6:
        raise Malformed(Finding.of(Code.ARCHIVE_FORMAT, where, expected="a zstd frame", found=f"{header[:4].hex(' ')}"))
    descriptor = header[4]
    if descriptor & 0b11:
        raise Malformed(Finding.of(Code.ARCHIVE_FORMAT, where, expected="no dictionary", found="a dictionary"))
    if descriptor & 0b100000:  # A single segment: the window is the whole content.
        width = (1, 2, 4, 8)[descriptor >> 6]
        window = int.from_bytes(header[5 : 5 + width], "little") + (256 if width == 2 else 0)
    else:
        base = 1 << (10 + (header[5] >> 3))
        window = base + base // 8 * (header[5] & 0b111)
    if window > MAX_WINDOW:
        found = f"{window} bytes"
        raise Malformed(Finding.of(Code.ARCHIVE_BOMB, where, expected=f"a window of {MAX_WINDOW} bytes", found=found))
