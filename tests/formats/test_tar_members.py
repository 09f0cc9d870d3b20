import contextlib
import io
import struct
import sys
import tarfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import tar_members
from condattest.formats.tar_members import Member, MemberType
from condattest.formats.unpacked import Unpacked
from condattest.model.finding import Code

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

END = b"\0" * 1024


def header(name=b"info/a", size=0, type_=b"0", link=b"", magic=b"ustar\x0000", prefix=b"", size_field=None, sum_=None):
    field = b"%011o\0" % size if size_field is None else size_field
    block = struct.pack(
        "<100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x",
        *(name, b"0000644\0", b"0000000\0", b"0000000\0", field, b"14524770400\0", b" " * 8, type_, link, magic),
        *(b"", b"", b"", b"", prefix),
    )
    checksum = b"%06o\0 " % sum(block) if sum_ is None else sum_
    return block[:148] + checksum + block[156:]


def padded(data):
    return data + b"\0" * (-len(data) % 512)


def member(data=b"", **fields):
    return header(size=len(data), **fields) + padded(data)


def record(key, value):
    body = b" " + key + b"=" + value + b"\n"
    length = len(body)
    while length != len(body) + len(str(length)):
        length = len(body) + len(str(length))
    return str(length).encode() + body


def pax(*records, type_=b"x"):
    return member(b"".join(records), name=b"pax", type_=type_)


def listed(data, *, limit=1000):
    packed = zstd.compress(data)
    stream = Unpacked.zstd(
        io.BytesIO(packed), offset=0, size=len(packed), crc=zlib.crc32(packed), limit=1 << 24, where="x"
    )
    return list(tar_members.members(stream, limit=limit))


def refused(data, **arguments) -> Code:
    with pytest.raises(Malformed) as caught:
        listed(data, **arguments)
    return caught.value.finding.code


def by_tarfile(data):
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:", encoding="utf-8") as tar:
        return [(each.name.rstrip("/"), each.size if each.isreg() else 0, each.linkname) for each in tar]


def test_members_of_every_type_are_listed():
    data = (
        member(name=b"info/", type_=b"5")
        + member(b"hello", name=b"info/a")
        + member(name=b"b", type_=b"2", link=b"info/a")
        + member(name=b"c", type_=b"1", link=b"info/a")
        + member(b"old", name=b"d", type_=b"\0", magic=b"\0" * 8)
        + member(name=b"rest", prefix=b"some/folder")
    )
    assert listed(data + END) == [
        Member("info/", MemberType.DIRECTORY, 0, ""),
        Member("info/a", MemberType.FILE, 5, ""),
        Member("b", MemberType.SYMLINK, 0, "info/a"),
        Member("c", MemberType.HARDLINK, 0, "info/a"),
        Member("d", MemberType.FILE, 3, ""),
        Member("some/folder/rest", MemberType.FILE, 0, ""),
    ]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_tarfile_writes_in_each_format_is_read_alike(form):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        names = ["info/index.json", "share/é/x", "d/" * 60 + "long"]
        if form != tarfile.USTAR_FORMAT:
            names.append("x" * 300)
        for name in names:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = 1000, 1.5
            tar.addfile(info, io.BytesIO(b"x" * 1000))
            link = tarfile.TarInfo(f"l{len(name)}")
            link.type, link.linkname = tarfile.SYMTYPE, name if len(name) < 100 or form != tarfile.USTAR_FORMAT else "x"
            tar.addfile(link)
    data = buffer.getvalue()
    assert [(each.name, each.size, each.target) for each in listed(data)] == by_tarfile(data)


def test_data_may_be_read_in_part_or_left():
    data = member(b"x" * 700, name=b"a") + member(b"y" * 600, name=b"b") + END
    packed = zstd.compress(data)
    stream = Unpacked.zstd(
        io.BytesIO(packed), offset=0, size=len(packed), crc=zlib.crc32(packed), limit=1 << 20, where="x"
    )
    read = {each.name: stream.read(3) for each in tar_members.members(stream, limit=9)}
    assert read == {"a": b"xxx", "b": b"yyy"}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(member(sum_=b"000000\0 "), Code.ARCHIVE_FORMAT, id="checksum"),
        pytest.param(member(sum_=b"-00001\0 "), Code.ARCHIVE_FORMAT, id="checksum that is no number"),
        pytest.param(member(b"x") + b"junk".ljust(512), Code.ARCHIVE_FORMAT, id="a bad header ends tarfile silently"),
        pytest.param(header(size_field=b"\x80" + b"\0" * 10 + b"\1"), Code.ARCHIVE_FORMAT, id="base-256 size"),
        pytest.param(header(size_field=b"0000_000001\0"), Code.ARCHIVE_FORMAT, id="a number that int() takes"),
        pytest.param(header(size_field=b"\0" * 12), Code.ARCHIVE_FORMAT, id="no size"),
        pytest.param(member(magic=b"other   "), Code.ARCHIVE_FORMAT, id="magic"),
        pytest.param(member(magic=b"ustar  \0", prefix=b"x"), Code.ARCHIVE_FORMAT, id="prefix in a GNU header"),
        pytest.param(member(name=b""), Code.ARCHIVE_FORMAT, id="no name"),
        pytest.param(member(name=b"info/index.json/"), Code.ARCHIVE_FORMAT, id="a file with a slash"),
        pytest.param(header(type_=b"5", size=512) + b"x" * 512, Code.ARCHIVE_FORMAT, id="a folder with data"),
        pytest.param(header(type_=b"2", size=9, link=b"a") + member(), Code.ARCHIVE_FORMAT, id="a link with data"),
        pytest.param(header(type_=b"1"), Code.ARCHIVE_FORMAT, id="a hard link to nowhere"),
        pytest.param(member(type_=b"S"), Code.ARCHIVE_FORMAT, id="a sparse file"),
        pytest.param(pax(record(b"path", b"a"), type_=b"g") + member(), Code.ARCHIVE_FORMAT, id="a global header"),
        pytest.param(pax() + pax() + member(), Code.ARCHIVE_FORMAT, id="two pax headers"),
        pytest.param(pax() + member(b"n", type_=b"L") + member(), Code.ARCHIVE_FORMAT, id="pax and GNU"),
        pytest.param(member(b"n", type_=b"L") + pax() + member(), Code.ARCHIVE_FORMAT, id="GNU and pax"),
        pytest.param(member(b"n", type_=b"L") * 2 + member(), Code.ARCHIVE_FORMAT, id="two long names"),
        pytest.param(pax() + b"", Code.ARCHIVE_FORMAT, id="an extension of nothing"),
        pytest.param(member(type_=b"3"), Code.ARCHIVE_PATH, id="a character device"),
        pytest.param(member(type_=b"4"), Code.ARCHIVE_PATH, id="a block device"),
        pytest.param(member(type_=b"6"), Code.ARCHIVE_PATH, id="a FIFO"),
        pytest.param(member(type_=b"7"), Code.ARCHIVE_PATH, id="a contiguous file"),
        pytest.param(member(type_=b"Z"), Code.ARCHIVE_PATH, id="an unknown type"),
        pytest.param(header(type_=b"x", size=1 << 30), Code.ARCHIVE_BOMB, id="a pax header of a gigabyte"),
        pytest.param(header(type_=b"L", size=1 << 30), Code.ARCHIVE_BOMB, id="a long name of a gigabyte"),
    ],
)
def test_headers_with_two_readings_or_dangerous_types_are_refused(data, code):
    assert refused(data + END) is code


@pytest.mark.parametrize(
    "data",
    [header(size=10), member(b"x")[:700], header()[:300], pax(record(b"k", b"v"))[:700], member() + b"\0" * 300],
    ids=["data", "padding", "header", "extension", "end"],
)
def test_an_early_end_is_refused(data):
    assert refused(data) is Code.ARCHIVE_FORMAT


@pytest.mark.parametrize(
    ("records", "code"),
    [
        ([record(b"size", b"1024")], Code.ARCHIVE_FORMAT),
        ([record(b"GNU.sparse.realsize", b"9")], Code.ARCHIVE_FORMAT),
        ([record(b"path", b"a"), record(b"path", b"b")], Code.ARCHIVE_FORMAT),
        ([record(b"hdrcharset", b"EBCDIC")], Code.ARCHIVE_FORMAT),
        ([b"8 path=a\n"], Code.ARCHIVE_FORMAT),
        ([b"7 path=a\n"], Code.ARCHIVE_FORMAT),
        ([b"99 path=a\n"], Code.ARCHIVE_FORMAT),
        ([b"4 p=\n"], Code.ARCHIVE_FORMAT),
        ([b"\n"], Code.ARCHIVE_FORMAT),
        ([b"9" * 5000 + b" a=b\n"], Code.ARCHIVE_FORMAT),
        ([record(b"path", b"a\0b")], Code.ARCHIVE_PATH),
        ([record(b"path", b"")], Code.ARCHIVE_PATH),
        ([record(b"linkpath", b"\0")], Code.ARCHIVE_PATH),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_pax_records_with_two_readings_are_refused(records, code):
    """A size in the pax header that is unlike the member's own smuggles members past one reader (CVE-2025-62518)."""
    assert refused(pax(*records) + member() + END) is code


@pytest.mark.parametrize("field", [100, 108, 116, 136, 329, 337])
def test_a_number_that_is_none_is_refused_wherever_it_stands(field):
    """Python's tarfile takes such a header for the end of the archive, and would not see what follows."""
    block = bytearray(header(name=b"b"))
    block[field : field + 3] = b"0x1"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    data = member(name=b"a") + bytes(block) + member(name=b"info/index.json") + END
    assert len(by_tarfile(data)) == 1
    assert refused(data) is Code.ARCHIVE_FORMAT


def test_pax_records_that_say_nothing_of_the_data_are_passed_over():
    """conda-build's packages have `mtime` with fractions."""
    data = pax(record(b"mtime", b"1785276711.68"), record(b"SCHILY.xattr.user.a", b"\0\n="), record(b"path", b"p"))
    assert listed(data + member() + END)[0].name == "p"


def test_a_chain_of_extensions_is_refused_without_recursion():
    """Python's tarfile recurses once for each, to a RecursionError."""
    assert refused(pax() * 5000 + member() + END) is Code.ARCHIVE_FORMAT


def test_too_many_members_or_records_are_refused():
    """A million empty members, or as many pax records, in a few kilobytes."""
    assert refused(member() * 100 + END, limit=99) is Code.ARCHIVE_BOMB
    many = pax(*(record(b"k%d" % number, b"v") for number in range(99)))
    assert refused(many + member() + END, limit=99) is Code.ARCHIVE_BOMB
    assert len(listed(many + member() + END, limit=100)) == 1


def test_a_second_archive_after_the_end_is_refused():
    """GNU tar with --ignore-zeros, and readers like it, would find the second info/index.json."""
    assert refused(member() + END + member(name=b"info/index.json") + END) is Code.ARCHIVE_FORMAT
    assert len(listed(member() + END + b"\0" * 8192)) == 1
    assert len(listed(member())) == 1


@given(st.lists(st.tuples(st.integers(0, 2047), st.integers(0, 255)), min_size=1, max_size=3), st.booleans())
def test_mutated_archives_never_raise_anything_else(changes, fix):
    made = bytearray(pax(record(b"path", b"p")) + member(b"x") + END)
    for at, value in changes:
        made[at] = value
    if fix:  # So that the change comes past the checksum.
        for at in (0, 1024):
            made[at + 148 : at + 156] = b" " * 8
            made[at + 148 : at + 156] = b"%06o\0 " % sum(made[at : at + 512])
    try:
        found = listed(bytes(made))
    except Malformed:
        return
    assert [(each.name.rstrip("/"), each.size) for each in found] == [item[:2] for item in by_tarfile(bytes(made))]


@given(st.binary(max_size=2000))
def test_random_bytes_never_raise_anything_else(data):
    with contextlib.suppress(Malformed):
        listed(data)
