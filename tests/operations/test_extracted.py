"""What an installer links is what the archive has: byte for byte, no more and no less."""

import io
import os
import tarfile

import pytest
from conda_package_streaming.package_streaming import stream_conda_component

from condattest.errors import Malformed
from condattest.model.artifact import PackageFile
from condattest.model.finding import Code
from condattest.operations.extracted import compare
from tests.rehearsal import a_package


def unpacked(package, folder):
    """Extract as conda does."""
    if package.name.endswith(".tar.bz2"):
        with tarfile.open(package) as tar:
            tar.extractall(folder, filter="tar")
    else:
        for component in ("info", "pkg"):
            with open(package, "rb") as opened:
                for tar, member in stream_conda_component(str(package), opened, component=component):
                    tar.extract(member, folder, filter="tar")
    (folder / "info" / "repodata_record.json").write_text("{}")
    return folder


def compared(package, folder, subdir=None):
    with open(package, "rb") as opened:
        compare(opened, PackageFile.parse(package.name), folder, subdir)


def refused(package, folder, subdir=None):
    with pytest.raises(Malformed) as caught:
        compared(package, folder, subdir)
    return caught.value.finding


@pytest.fixture(params=[".conda", ".tar.bz2"])
def package(request, tmp_path):
    return a_package(tmp_path, kind=request.param)


@pytest.fixture
def folder(package, tmp_path):
    return unpacked(package, tmp_path / "extracted")


def test_what_was_just_extracted_is_the_archive(package, folder):
    compared(package, folder, "noarch")


PAYLOAD = "share/numbers/payload.txt"


@pytest.mark.parametrize("path", [PAYLOAD, "info/index.json", "info/paths.json"])
@pytest.mark.parametrize("change", ["flipped", "longer", "shorter", "empty", "gone", "a folder", "a link to itself"])
def test_a_file_that_was_changed_is_refused(package, folder, path, change):
    """Whoever may write to the package cache changes what is linked, or what is said of it."""
    file = folder / path
    data = file.read_bytes()
    file.unlink()
    match change:
        case "flipped":
            file.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        case "longer":
            file.write_bytes(data + b"\n")
        case "shorter":
            file.write_bytes(data[:-1])
        case "empty":
            file.write_bytes(b"")
        case "a folder":
            file.mkdir()
        case "a link to itself":
            (folder.parent / "elsewhere").write_bytes(data)
            file.symlink_to(folder.parent / "elsewhere")
    finding = refused(package, folder)
    assert finding.code is Code.ARCHIVE_EXTRACTED
    assert path in finding.where


@pytest.mark.parametrize("path", ["bin/.numbers-pre-link.sh", "info/no_link", "lib/x.so", "info/link.json"])
def test_a_file_that_was_added_is_refused(package, folder, path):
    """Conda runs scripts, and believes files under info/, that are merely there."""
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text("evil")
    finding = refused(package, folder)
    assert finding.code is Code.ARCHIVE_EXTRACTED
    assert path in finding.where


def test_a_folder_that_became_a_link_is_refused(package, folder):
    """The files are the same now, and others a moment later."""
    (folder / "share").rename(folder.parent / "moved")
    (folder / "share").symlink_to(folder.parent / "moved")
    assert refused(package, folder).code is Code.ARCHIVE_EXTRACTED


def test_what_the_archive_says_of_itself_has_to_be_its_name_and_place(package, folder):
    assert refused(package, folder, "linux-64").code is Code.BIND_METADATA
    other = package.with_name(package.name.replace("1.0", "2.0"))
    package.rename(other)
    assert refused(other, folder).code is Code.BIND_METADATA


def archive(tmp_path, *members):
    """A .tar.bz2 of its own: members are (name, content) or (name, type, target)."""
    index = b'{"name": "x", "version": "1", "build": "0"}'
    path = tmp_path / "x-1-0.tar.bz2"
    with tarfile.open(path, "w:bz2", format=tarfile.PAX_FORMAT) as tar:
        for name, *rest in (("info/index.json", index), *members):
            info = tarfile.TarInfo(name)
            if len(rest) == 2:
                info.type, info.linkname = rest
                tar.addfile(info)
            else:
                info.size = len(rest[0])
                tar.addfile(info, io.BytesIO(rest[0]))
    return path


def test_links_lead_where_the_archive_says(tmp_path):
    """A library's link is turned to another file."""
    package = archive(
        tmp_path,
        ("lib/real.so", b"code"),
        ("lib/soft.so", tarfile.SYMTYPE, "real.so"),
        ("lib/hard.so", tarfile.LNKTYPE, "lib/real.so"),
    )
    folder = unpacked(package, tmp_path / "extracted")
    compared(package, folder)
    (folder / "lib" / "hard.so").unlink()
    (folder / "lib" / "hard.so").write_bytes(b"code")
    compared(package, folder)
    (folder / "lib" / "hard.so").write_bytes(b"evil")
    assert refused(package, folder).where.endswith("hard.so")
    os.link(folder / "lib" / "real.so", folder / "lib" / "again")
    os.replace(folder / "lib" / "again", folder / "lib" / "hard.so")
    (folder / "lib" / "soft.so").unlink()
    (folder / "lib" / "soft.so").symlink_to("/tmp/evil.so")
    assert refused(package, folder).where.endswith("soft.so")


def test_of_a_path_that_stands_twice_the_later_counts(tmp_path):
    package = archive(tmp_path, ("a", b"first"), ("a", b"second"))
    folder = unpacked(package, tmp_path / "extracted")
    compared(package, folder)
    (folder / "a").write_bytes(b"first")
    assert refused(package, folder).code is Code.ARCHIVE_EXTRACTED


def test_an_archive_that_reaches_outside_is_refused(tmp_path):
    package = archive(tmp_path, ("../evil", b"x"))
    (tmp_path / "extracted").mkdir()
    assert refused(package, tmp_path / "extracted").code is Code.ARCHIVE_PATH
