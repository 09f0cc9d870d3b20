"""Decompress index files within a bound, and compress them as indexers do: zstd and bzip2.

Owns `unzstd`, `unbz2`, `zstd_index`, `zstd_small` and `bzip2`. Refuses more output than the limit, and data that ends
early or goes on after the end: a few bytes can expand to gigabytes.

Spec: RFC 8878 (zstd)
"""

import bz2
import os
import sys
from typing import Final

from condattest.errors import Malformed
from condattest.model.finding import Code, Finding

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_INDEX_LEVEL: Final = 16
"""The level of conda-index for repodata.json.zst; 100 MB take some 12 seconds on two cores."""
_BATCH: Final = 32 * 1024 * 1024
"""Bytes from which on threads pay: each takes a piece of some 16 MB at this level."""


def zstd_index(data: bytes) -> bytes:
    """Compress an index file as one frame that tells its size, at conda-index's level, on every core for large ones."""
    parameter = zstd.CompressionParameter
    # A zstd library that was built without threads takes no workers.
    workers = min(os.cpu_count() or 1, parameter.nb_workers.bounds()[1]) if len(data) > _BATCH else 0
    options: dict[int, int] = {
        parameter.compression_level: _INDEX_LEVEL,
        parameter.checksum_flag: 1,
        parameter.nb_workers: workers,
    }
    compressor = zstd.ZstdCompressor(options=options)
    compressor.set_pledged_input_size(len(data))
    return compressor.compress(data, compressor.FLUSH_FRAME)


def zstd_small(data: bytes) -> bytes:
    """Compress a shard or an index of shards, at the default level as conda-index does: they are full of digests."""
    return zstd.compress(data)


def bzip2(data: bytes) -> bytes:
    """Compress an index file as one bzip2 stream."""
    return bz2.compress(data)


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
