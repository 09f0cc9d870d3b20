import bz2
import json
import random
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats.compression import bzip2, unbz2, unzstd, zstd_index, zstd_small
from condattest.model.finding import Code

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

METHODS = [pytest.param(zstd.compress, unzstd, id="zstd"), pytest.param(bz2.compress, unbz2, id="bzip2")]
both = pytest.mark.parametrize(("pack", "unpack"), METHODS)


def opened(unpack, data, *, limit=1 << 20):
    return unpack(data, limit=limit, code=Code.NET_UNAVAILABLE, where="index")


def refused(unpack, data, *, limit=1 << 20) -> dict:
    with pytest.raises(Malformed) as caught:
        opened(unpack, data, limit=limit)
    assert caught.value.finding.code is Code.NET_UNAVAILABLE
    assert caught.value.finding.where == "index"
    return dict(caught.value.finding.facts)


@both
@given(data=st.binary(max_size=2000))
def test_what_was_packed_is_unpacked(pack, unpack, data):
    assert opened(unpack, pack(data)) == data


@both
def test_content_may_be_as_large_as_the_limit_and_no_larger(pack, unpack):
    data = bytes(range(256)) * 100
    assert opened(unpack, pack(data), limit=len(data)) == data
    assert refused(unpack, pack(data), limit=len(data) - 1)["found"] == "more"


@both
def test_no_content_at_all_fits_a_limit_of_zero(pack, unpack):
    assert opened(unpack, pack(b""), limit=0) == b""


@both
def test_a_bomb_is_unpacked_no_further_than_the_limit(pack, unpack):
    """A few kilobytes expand to gigabytes and fill the memory."""
    bomb = pack(bytes(64 << 20))
    assert len(bomb) < 10_000
    tracemalloc.start()
    try:
        assert refused(unpack, bomb, limit=100_000)["expected"] == "at most 100000 bytes unpacked"
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_frame_that_announces_a_huge_content_allocates_none_of_it():
    """A header of a few bytes announces exabytes, and a trusting reader makes room for them."""
    header = b"\x28\xb5\x2f\xfd" + b"\xc0\x38" + (1 << 60).to_bytes(8, "little")
    tracemalloc.start()
    try:
        refused(unzstd, header + b"\x00\x00\x00")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@both
@pytest.mark.parametrize("kept", [0, 1, 3, 10, -1])
def test_data_that_ends_early_is_refused(pack, unpack, kept):
    """An index that was cut lacks records, and what lacks is taken for unsigned or unknown."""
    refused(unpack, pack(b"x" * 1000)[:kept])


@both
@pytest.mark.parametrize("rest", ["junk", "frame"])
def test_bytes_after_the_end_are_refused(pack, unpack, rest):
    """One reader stops at the end of the first frame and another goes on."""
    after = {"junk": b"\0", "frame": pack(b"more")}[rest]
    assert refused(unpack, pack(b"x") + after)["found"] == "an early end or bytes after it"


def test_the_other_format_is_refused():
    refused(unzstd, bz2.compress(b"x"))
    refused(unbz2, zstd.compress(b"x"))
    refused(unzstd, b'{"packages": {}}')
    refused(unbz2, b'{"packages": {}}')


def test_a_frame_with_a_wrong_checksum_is_refused():
    """Bytes that were changed on their way are read as an index."""
    data = bytearray(zstd.compress(b"x" * 100, options={zstd.CompressionParameter.checksum_flag: 1}))
    data[-1] ^= 1
    refused(unzstd, bytes(data))


@both
@given(data=st.binary(max_size=60), cut=st.integers(0, 20))
def test_arbitrary_bytes_only_ever_raise_malformed(pack, unpack, data, cut):
    for attempt in (data, pack(b"content")[:cut] + data):
        try:
            content = opened(unpack, attempt, limit=10_000)
        except Malformed as error:
            content = b""
            code = error.finding.code
        else:
            code = Code.NET_UNAVAILABLE
        assert code is Code.NET_UNAVAILABLE
        assert len(content) <= 10_000


PACKERS = [
    pytest.param(zstd_index, unzstd, id="zstd of an index"),
    pytest.param(zstd_small, unzstd, id="zstd of a shard"),
    pytest.param(bzip2, unbz2, id="bzip2"),
]
LARGE = random.Random(0).randbytes(1 << 20) * 34
"""More than the bytes from which on threads work at it."""


@pytest.mark.parametrize(("pack", "unpack"), PACKERS)
@given(data=st.binary(max_size=2000))
def test_what_indexers_read_is_read_here_and_the_same_each_time(pack, unpack, data):
    assert opened(unpack, pack(data)) == data
    assert pack(data) == pack(data)


@pytest.mark.parametrize("data", [b"", b"x", b'{"packages":{}}' * 1000, LARGE], ids=len)
def test_an_index_is_one_frame_that_tells_its_size_and_has_a_checksum(data):
    """A reader that asks for the size fails without it, and one that stops at the first frame loses the rest."""
    packed = zstd_index(data)
    assert zstd.get_frame_size(packed) == len(packed)
    assert zstd.get_frame_info(packed).decompressed_size == len(data)
    assert packed[4] & 0x04
    assert opened(unzstd, packed, limit=len(data)) == data
    spoiled = packed[:-1] + bytes([packed[-1] ^ 1])
    refused(unzstd, spoiled, limit=len(data))


def test_an_index_is_packed_as_tightly_as_the_indexer_does():
    data = json.dumps([{"name": f"n{number}", "sha256": f"{number * 7919:064x}"} for number in range(3000)]).encode()
    indexer = zstd.compress(data, options={zstd.CompressionParameter.compression_level: 16})
    assert len(zstd_index(data)) <= len(indexer) + 8
    assert zstd_small(data) == zstd.compress(data)
    assert bzip2(data) == bz2.compress(data)
