import bz2
import contextlib
import io
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats.unpacked import MAX_WINDOW, Unpacked
from condattest.model.finding import Code

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CONTENT = bytes(range(256)) * 40


def frame(data, *, level=3, window=None, size=True):
    options = {zstd.CompressionParameter.compression_level: level}
    if window is not None:
        options[zstd.CompressionParameter.window_log] = window
    if not size:
        options[zstd.CompressionParameter.content_size_flag] = 0
    return zstd.compress(data, options=options)


def of_zstd(data, *, limit=1 << 20, crc=None, before=b""):
    crc = zlib.crc32(data) if crc is None else crc
    return Unpacked.zstd(io.BytesIO(before + data), offset=len(before), size=len(data), crc=crc, limit=limit, where="x")


def of_bzip2(data, *, limit=1 << 20):
    return Unpacked.bzip2(io.BytesIO(data), size=len(data), limit=limit, where="x")


def everything(stream):
    data = stream.read(1 << 30)
    stream.expect_zeros()
    return data


def refused(make) -> Code:
    with pytest.raises(Malformed) as caught:
        everything(make())
    return caught.value.finding.code


@given(st.lists(st.integers(0, 5000), max_size=8))
def test_reading_and_skipping_pass_over_the_same_bytes(steps):
    for stream in (of_zstd(frame(CONTENT), before=b"before"), of_bzip2(bz2.compress(CONTENT))):
        at = 0
        for number, step in enumerate(steps):
            if number % 2:
                stream.skip(step)
            else:
                assert stream.read(step) == CONTENT[at : at + step]
            at = min(at + step, len(CONTENT))
            assert stream.position == at


def test_level_22_with_a_window_of_128_mib_is_read():
    """What conda-package-handling writes."""
    assert everything(of_zstd(frame(CONTENT, level=22, window=27, size=False))) == CONTENT


def test_a_window_above_128_mib_is_refused():
    """A few bytes that make the decompressor allocate gigabytes: by window, or by content size."""
    wide = b"\x28\xb5\x2f\xfd" + bytes([0, (28 - 10) << 3]) + b"\1\0\0"
    assert refused(lambda: of_zstd(wide)) is Code.ARCHIVE_BOMB
    single = b"\x28\xb5\x2f\xfd" + bytes([0b11100000]) + (MAX_WINDOW + 1).to_bytes(8, "little") + b"\1\0\0"
    assert refused(lambda: of_zstd(single)) is Code.ARCHIVE_BOMB


def test_more_than_the_limit_is_refused_in_bounded_memory():
    """A zip bomb: kilobytes that expand to 64 MiB of zeros."""
    zeros = b"\0" * (64 << 20)
    assert refused(lambda: of_zstd(frame(zeros))) is Code.ARCHIVE_BOMB
    assert refused(lambda: of_bzip2(bz2.compress(zeros, 1))) is Code.ARCHIVE_BOMB


@pytest.mark.parametrize(("make", "pack"), [(of_zstd, frame), (of_bzip2, bz2.compress)], ids=["zstd", "bzip2"])
class TestEachFormat:
    def test_a_second_stream_is_refused(self, make, pack):
        """Python reads on into it, rattler's bzip2 reader does not: two packages in one file."""
        assert refused(lambda: make(pack(b"one") + pack(b"two"))) is Code.ARCHIVE_FORMAT

    def test_bytes_after_the_end_are_refused(self, make, pack):
        assert refused(lambda: make(pack(b"one") + b"junk")) is Code.ARCHIVE_FORMAT
        assert refused(lambda: make(pack(b"one") + b"\0" * (1 << 19))) is Code.ARCHIVE_FORMAT

    def test_an_early_end_is_refused(self, make, pack):
        packed = pack(CONTENT)
        for end in (0, 3, 10, len(packed) // 2, len(packed) - 1):
            assert refused(lambda cut=packed[:end]: make(cut)) is Code.ARCHIVE_FORMAT

    def test_other_bytes_are_refused(self, make, pack):
        assert refused(lambda: make(b"PK\3\4" + b"\0" * 40)) is Code.ARCHIVE_FORMAT

    def test_a_failing_file_is_no_finding(self, make, pack):
        class Failing(io.BytesIO):
            def read(self, size=-1):
                raise OSError("input/output error")

        with pytest.raises(OSError, match="input/output"):
            Unpacked.bzip2(Failing(), size=100, limit=100, where="x").read(1)


def test_frames_that_are_not_plain_are_refused():
    """A skippable frame in front hides bytes; a dictionary would have to come from elsewhere."""
    assert refused(lambda: of_zstd(b"\x50\x2a\x4d\x18\4\0\0\0abcd" + frame(b"x"))) is Code.ARCHIVE_FORMAT
    made = bytearray(frame(CONTENT))
    made[4] |= 1
    assert refused(lambda: of_zstd(bytes(made))) is Code.ARCHIVE_FORMAT


def test_a_wrong_crc_is_refused():
    """Python's zipfile would refuse the member that this reader accepts."""
    assert refused(lambda: of_zstd(frame(b"x"), crc=1)) is Code.ARCHIVE_FORMAT


def test_only_zeros_may_follow():
    """A second archive behind the end marker of the first, which some readers go on to read."""
    stream = of_zstd(frame(b"archive" + b"\0" * 3000))
    stream.read(7)
    stream.expect_zeros()
    for rest in (b"x", b"\0" * 3000 + b"x"):
        stream = of_zstd(frame(b"archive" + rest))
        stream.read(7)
        with pytest.raises(Malformed):
            stream.expect_zeros()


@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 255))
def test_mutated_streams_never_raise_anything_else(content, at, value):
    for make, pack in ((of_zstd, frame), (of_bzip2, bz2.compress)):
        packed = bytearray(pack(content))
        packed[at % len(packed)] = value
        with contextlib.suppress(Malformed):
            everything(make(bytes(packed)))
