"""Decompress index files within a bound: zstd and bzip2.

Owns `unzstd` and `unbz2`. Refuses more output than the limit, and data that ends early or goes on after the end: a
few bytes can expand to gigabytes.

Spec: RFC 8878 (zstd)
"""

import bz2
import sys

from condattest.errors import Malformed
from condattest.model.finding import Code, Finding

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def unzstd(data: bytes, *, limit: int, code: Code, where: str) -> bytes:
    """Return the content of one zstd frame, at most `limit` bytes.

    Raises:
        Malformed: With `code`.
    """
    decompressor = zstd.ZstdDecompressor()
    try:
        content = decompressor.decompress(data, max_length=limit + 1)
    except zstd.ZstdError as error:
        raise Malformed(Finding.of(code, where, expected="a zstd frame", found=error)) from None
    return _checked(content, decompressor.eof, decompressor.unused_data, limit, code, where)


def unbz2(data: bytes, *, limit: int, code: Code, where: str) -> bytes:
    """Return the content of one bzip2 stream, at most `limit` bytes.

    Raises:
        Malformed: With `code`.
    """
    decompressor = bz2.BZ2Decompressor()
    try:
        content = decompressor.decompress(data, max_length=limit + 1)
    except (OSError, ValueError) as error:
        raise Malformed(Finding.of(code, where, expected="a bzip2 stream", found=error)) from None
    return _checked(content, decompressor.eof, decompressor.unused_data, limit, code, where)


def _checked(content: bytes, ended: bool, rest: bytes, limit: int, code: Code, where: str) -> bytes:
    if len(content) > limit:
        raise Malformed(Finding.of(code, where, expected=f"at most {limit} bytes unpacked", found="more"))
    if not ended or rest:
        raise Malformed(Finding.of(code, where, expected="one whole frame", found="an early end or bytes after it"))
    return content
