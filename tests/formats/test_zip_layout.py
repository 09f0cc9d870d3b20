import io
import struct
import zipfile
import zlib
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import zip_layout
from condattest.model.finding import Code

OPEN32 = 0xFFFFFFFF


@dataclass
class Entry:
    """One member of a ZIP made by hand; `local` and `central` replace fields of the two headers."""

    name: bytes
    data: bytes
    local: dict[str, object] = field(default_factory=dict)
    central: dict[str, object] = field(default_factory=dict)
    after: bytes = b""

    @property
    def fields(self) -> dict[str, object]:
        size = len(self.data)
        return {
            "name": self.name,
            "flags": 0,
            "method": 0,
            "crc": zlib.crc32(self.data),
            "packed": size,
            "size": size,
            "extra": b"",
            "comment": b"",
            "disk": 0,
            "system": 3,
            "mode": 0o100600 << 16,
        }


def entries() -> list[Entry]:
    return [Entry(b"metadata.json", b"{}"), Entry(b"info-x.tar.zst", b"info" * 9), Entry(b"pkg-x.tar.zst", b"pkg" * 99)]


def build(members, *, prefix=b"", gap=b"", suffix=b"", comment=b"", end=None, shift=0, end64=None):
    out = bytearray(prefix)
    directory = bytearray()
    for entry in members:
        at = entry.central.get("at", len(out) + shift)
        low = entry.fields | entry.local
        out += struct.pack(
            "<4s5H3L2H",
            *(b"PK\3\4", 20, low["flags"], low["method"], 0, 33, low["crc"], low["packed"], low["size"]),
            *(len(low["name"]), len(low["extra"])),
        )
        out += low["name"] + low["extra"] + entry.data + entry.after
        high = entry.fields | entry.central
        directory += struct.pack(
            "<4s2B5H3L5H2L",
            *(b"PK\1\2", 20, high["system"], 20, high["flags"], high["method"], 0, 33, high["crc"]),
            *(high["packed"], high["size"], len(high["name"]), len(high["extra"]), len(high["comment"])),
            *(high["disk"], 0, high["mode"], at),
        )
        directory += high["name"] + high["extra"] + high["comment"]
    start = len(out) + shift
    out += directory + gap
    tail = {"count": len(members), "size": len(directory), "start": start, "disk": 0} | (end or {})
    if end64 is not None:
        real = {"count": len(members), "size": len(directory), "start": start, "at": len(out), "length": 44} | end64
        out += struct.pack(
            "<4sQ2H2L4Q",
            *(b"PK\6\6", real["length"], 45, 45, 0, 0, real["count"], real["count"], real["size"], real["start"]),
        )
        out += struct.pack("<4sLQL", b"PK\6\7", 0, real["at"], 1)
    out += struct.pack(
        "<4s4H2LH",
        *(b"PK\5\6", tail["disk"], 0, tail["count"], tail["count"], tail["size"], tail["start"], len(comment)),
    )
    return bytes(out + comment + suffix)


def parse(data):
    return zip_layout.parse(io.BytesIO(data), where="x.conda")


def refused(data) -> Code:
    with pytest.raises(Malformed) as caught:
        parse(data)
    return caught.value.finding.code


def changed(which, **fields):
    made = entries()
    getattr(made[1], which).update(fields)
    return build(made)


def zip64(*numbers) -> bytes:
    return struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers)


def test_members_are_found_in_the_order_of_their_bytes():
    made = entries()
    data = build(made)
    found = parse(data)
    assert [member.name for member in found] == ["metadata.json", "info-x.tar.zst", "pkg-x.tar.zst"]
    for member, entry in zip(found, made, strict=True):
        assert data[member.offset : member.offset + member.size] == entry.data
        assert member.crc == zlib.crc32(entry.data)


def test_what_zipfile_writes_is_read_to_a_seekable_file_and_to_a_pipe():
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.data = b""

        def writable(self):
            return True

        def write(self, data):
            self.data += bytes(data)
            return len(data)

    pipe, buffer = Pipe(), io.BytesIO()
    for target in (buffer, pipe):  # To a pipe it writes data descriptors.
        for large in (False, True):
            if target is buffer:
                buffer.seek(0)
                buffer.truncate()
            else:
                pipe.data = b""
            with zipfile.ZipFile(target, "w") as archive:
                for entry in entries():
                    with archive.open(entry.name.decode(), "w", force_zip64=large) as out:
                        out.write(entry.data)
            assert len(parse(buffer.getvalue() if target is buffer else pipe.data)) == 3


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_a_data_descriptor_of_every_form_is_read(wide, signed):
    made = entries()
    for entry in made:
        size = len(entry.data)
        entry.local = {"flags": 8, "crc": 0, "packed": 0, "size": 0}
        entry.central = {"flags": 8}
        entry.after = b"PK\7\10" * signed + struct.pack("<L2Q" if wide else "<3L", zlib.crc32(entry.data), size, size)
    assert len(parse(build(made))) == 3


def test_zip64_is_read_where_it_is_needed_superfluous_or_said_twice():
    """Real writers differ: rattler-build of 2025 leaves the 32-bit sizes open, some of 2026 also fill them."""
    for packed in (OPEN32, 36):
        for extra in (zip64(36, 36), zip64(36, 36) * 2, b"\x55\x54\x01\x00x" + zip64(36, 36)):
            made = entries()
            made[1].local = made[1].central = {"packed": packed, "size": packed, "extra": extra}
            assert parse(build(made))[1].size == 36


def test_a_zip64_end_record_that_agrees_is_read():
    """Python writes one for archives above 2 GiB."""
    assert len(parse(build(entries(), end64={}))) == 3
    assert len(parse(build(entries(), end64={}, end={"start": OPEN32, "count": 0xFFFF, "size": OPEN32}))) == 3


@pytest.mark.parametrize(
    "arguments",
    [
        {"prefix": b"#!/bin/sh\nexit\n"},
        {"prefix": b"MZ", "shift": -2},
        {"gap": b"junk"},
        {"suffix": b"\0"},
        {"suffix": b"junk"},
        {"comment": b"a comment"},
        {"end": {"count": 2}},
        {"end": {"count": 65535}},
        {"end": {"disk": 1}},
        {"end": {"start": OPEN32}},
        {"end64": {"start": 1}},
        {"end64": {"count": 2}},
        {"end64": {"at": 0}},
        {"end64": {"length": 60}},
        {"end64": {}, "end": {"count": 4}},
        {"end64": {}, "end": {"start": 5}},
    ],
    ids=repr,
)
def test_bytes_without_a_place_and_end_records_that_lie_are_refused(arguments):
    """A polyglot: a script, an executable or a second archive around the ZIP that other programs would run or read."""
    assert refused(build(entries(), **arguments)) is Code.ARCHIVE_FORMAT


def test_a_zip64_end_record_hidden_in_an_extra_field_is_refused():
    """Python's zipfile follows it, to a directory in another member's data: a whole other package."""
    hidden = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 3, 3, 100, 10) + struct.pack(
        "<4sLQL", b"PK\6\7", 0, 0, 1
    )
    made = entries()
    made[2].central["extra"] = struct.pack("<2H", 0xCAFE, len(hidden)) + hidden
    assert refused(build(made)) is Code.ARCHIVE_FORMAT
    made[2].central["extra"] = struct.pack("<2H", 0xCAFE, 20) + hidden[-20:]
    assert refused(build(made)) is Code.ARCHIVE_FORMAT


def test_a_second_archive_in_the_comment_or_appended_is_refused():
    """Readers that scan backwards and readers that stream would each find another archive."""
    other = entries()
    other[1].data = b"evil" * 9
    assert refused(build(entries()) + build(other)) is Code.ARCHIVE_FORMAT
    assert refused(build(entries(), comment=build(other))) is Code.ARCHIVE_FORMAT


@pytest.mark.parametrize(
    "fields",
    [
        {"name": b"info-y.tar.zst"},
        {"name": b"info-x.tar.zs"},
        {"crc": 1},
        {"size": 35},
        {"packed": 35},
        {"size": 35, "packed": 35},
        {"size": 0, "packed": 0, "crc": 0},
        {"flags": 0x800},
        {"flags": 8},
        {"flags": 1},
        {"method": 8},
        {"extra": zip64(36, 36, 36)},
        {"extra": zip64(35, 35)},
        {"extra": b"\1\0\x10"},
        {"extra": b"\1\0\x10\0abc"},
        {"size": OPEN32, "packed": OPEN32},
        {"size": OPEN32, "packed": OPEN32, "extra": zip64(35, 35)},
        {"size": OPEN32, "packed": OPEN32, "extra": zip64(36)},
        {"size": OPEN32, "packed": OPEN32, "extra": zip64(36, 36) + zip64(35, 35)},
        {"extra": struct.pack("<2H", 0x7075, 5) + b"\1abcd"},
    ],
    ids=repr,
)
def test_a_local_header_unlike_the_central_directory_is_refused(fields):
    """Some readers stream local headers, others read the central directory: each would install another package."""
    assert refused(changed("local", **fields)) is Code.ARCHIVE_FORMAT


@pytest.mark.parametrize(
    "fields",
    [
        {"name": b"metadata.json"},
        {"name": b"pkg-x.tar.zst"},
        {"name": b"info-\xc3\xa9.zst."},
        {"flags": 1},
        {"flags": 0x41},
        {"flags": 0x20},
        {"method": 8},
        {"method": 93},
        {"comment": b"x"},
        {"disk": 1},
        {"at": 0},
        {"at": 1},
        {"at": OPEN32},
        {"at": OPEN32, "extra": zip64(1)},
        {"size": OPEN32},
        {"extra": zip64(36, 36, 1)},
        {"extra": zip64(36, 36, 45, 0)},
        {"extra": struct.pack("<2H", 0x7075, 5) + b"\1abcd"},
    ],
    ids=repr,
)
def test_a_central_header_that_says_more_than_a_plain_stored_member_is_refused(fields):
    """Duplicate names, encryption, compression, alternative names, overlaps, sizes with two readings."""
    made = entries()
    made[1].central.update(fields)
    if fields.keys() <= {"name", "flags", "method"}:
        made[1].local.update(fields)  # So that nothing but the value itself is wrong.
    assert refused(build(made)) is Code.ARCHIVE_FORMAT


@pytest.mark.parametrize(
    "mode", [0o120777 << 16, 0o040755 << 16, 0o010600 << 16, 0x10], ids=["symlink", "folder", "fifo", "dos folder"]
)
def test_a_member_that_unzip_would_make_a_link_or_folder_is_refused(mode):
    """`unzip` honours the mode: metadata.json as a symbolic link to anywhere."""
    assert refused(changed("central", mode=mode)) is Code.ARCHIVE_PATH


def test_a_data_descriptor_that_lies_is_refused():
    """A streaming reader would end the member elsewhere."""
    for after in (b"", struct.pack("<3L", 1, 36, 36), struct.pack("<3L", zlib.crc32(b"info" * 9), 35, 36), b"x" * 16):
        made = entries()
        made[1].local = {"flags": 8, "crc": 0, "packed": 0, "size": 0}
        made[1].central = {"flags": 8}
        made[1].after = after
        assert refused(build(made)) is Code.ARCHIVE_FORMAT


def test_gaps_and_overlaps_are_refused():
    """The overlap of a quoting bomb, or bytes between members that no reader accounts for."""
    for after in (b"x", b"PK\7\10" + b"\0" * 12):
        made = entries()
        made[0].after = after
        assert refused(build(made)) is Code.ARCHIVE_FORMAT


def test_another_number_of_members_is_refused_before_they_are_read():
    """A ZIP of a million names."""
    assert refused(build([*entries(), Entry(b"extra", b"")])) is Code.ARCHIVE_FORMAT
    assert refused(build(entries()[:2])) is Code.ARCHIVE_FORMAT
    assert refused(build(entries(), end64={"count": 1_000_000}, end={"count": 0xFFFF})) is Code.ARCHIVE_FORMAT


@pytest.mark.parametrize("data", [b"", b"PK\5\6" + b"\0" * 18, b"BZh9", b"\0" * 22, b"\xff" * 100])
def test_other_bytes_are_refused(data):
    assert refused(data) is Code.ARCHIVE_FORMAT


@given(st.data())
def test_mutated_headers_never_raise_anything_else(data):
    made = bytearray(build(entries(), end64={} if data.draw(st.booleans()) else None))
    for _ in range(data.draw(st.integers(1, 4))):
        made[data.draw(st.integers(0, len(made) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = parse(bytes(made))
    except Malformed:
        return
    # What is accepted is read alike by zipfile.
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert {(info.filename, info.file_size, info.CRC) for info in archive.infolist()} == {
            (member.name, member.size, member.crc) for member in found
        }


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_random_bytes_before_an_end_record_never_raise_anything_else(noise, directory):
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 3, 3, len(directory), len(noise), 0)
    with pytest.raises(Malformed):
        parse(noise + directory + end)
