import bz2
import io
import json
import sys
import tarfile
import zipfile

import pytest
from conda_package_streaming.package_streaming import stream_conda_info
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import package
from condattest.formats.package import Extent, PackageMetadata
from condattest.model.artifact import PackageFile
from condattest.model.finding import Code
from condattest.sandbox.packages import make_package

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STEM = "hello-1.0-0"
INDEX = json.dumps({"name": "hello", "version": "1.0", "build": "0", "subdir": "noarch"}).encode()
VERSION = b'{"conda_pkg_format_version": 2}'
KINDS = [".conda", ".tar.bz2"]


def tar(*members) -> bytes:
    """Make a tar of (name, data) pairs, or of TarInfo objects."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def special(name, type_, target="") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type_, target
    return info


def conda(info, *, pkg=None, version=VERSION, stem=STEM, names=None) -> bytes:
    """Make a `.conda` of the bytes of its tars."""
    buffer = io.BytesIO()
    pkg = tar() if pkg is None else pkg
    with zipfile.ZipFile(buffer, "w") as archive:
        names = names or ("metadata.json", f"info-{stem}.tar.zst", f"pkg-{stem}.tar.zst")
        for name, data in zip(names, (version, zstd.compress(info), zstd.compress(pkg)), strict=True):
            archive.writestr(name, data)
    return buffer.getvalue()


def archive(kind, *members) -> bytes:
    return conda(tar(*members)) if kind == ".conda" else bz2.compress(tar(*members))


def read(data, kind=".conda", **arguments) -> PackageMetadata:
    return package.read(io.BytesIO(data), PackageFile.parse(STEM + kind), **arguments)


def refused(data, kind=".conda", **arguments) -> Code:
    with pytest.raises(Malformed) as caught:
        read(data, kind, **arguments)
    return caught.value.finding.code


def index_by_conda_package_streaming(data: bytes, kind: str) -> object:
    """Extract as conda does: the last info/index.json wins."""
    index = None
    for archive_, member in stream_conda_info(STEM + kind, io.BytesIO(data)):
        if member.name.removeprefix("./") == "info/index.json":
            index = json.load(archive_.extractfile(member))
    return index


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages")
    return {kind: make_package(folder, "hello", "1.0", kind=kind).read_bytes() for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extent", Extent)
def test_both_formats_say_the_same(small, kind, extent):
    found = read(small[kind], kind, extent=extent)
    assert found.index["name"] == "hello"
    assert found.index == index_by_conda_package_streaming(small[kind], kind)
    if extent is not Extent.FIRST:
        assert found.about["license"] == "BSD-3-Clause"
    package.check(found, PackageFile.parse(STEM + kind), "noarch")


@pytest.mark.parametrize("kind", KINDS)
def test_names_with_a_dot_in_front_are_the_same_names(kind):
    """CEP 35's own example makes them: `tar cvjf FILE .`."""
    data = archive(kind, special("./", tarfile.DIRTYPE), ("./info/index.json", INDEX))
    assert read(data, kind).index["name"] == "hello"


def test_a_package_without_about_json_has_none():
    assert read(archive(".conda", ("info/index.json", INDEX))).about is None


class TestCheck:
    FILE = PackageFile.parse(STEM + ".conda")

    def refused(self, index, subdir=None):
        with pytest.raises(Malformed) as caught:
            package.check(PackageMetadata(index, None), self.FILE, subdir)
        return caught.value.finding

    @pytest.mark.parametrize("key", ["name", "version", "build"])
    @pytest.mark.parametrize("value", ["other", "HELLO", None, 1, True, ["hello"]], ids=repr)
    def test_another_name_version_or_build_is_refused(self, key, value):
        """A file renamed to pass for another package, or an index.json that says so."""
        index = json.loads(INDEX)
        index[key] = value
        finding = self.refused(index)
        assert finding.code is Code.BIND_METADATA
        assert finding.where == f"hello-1.0-0.conda: info/index.json: {key}"
        del index[key]
        assert self.refused(index).facts["found"] == "none"

    def test_another_subdir_is_refused_where_it_is_known(self):
        """A package for another platform, served where this one was asked for."""
        index = json.loads(INDEX)
        assert self.refused(index, "linux-64").facts == {"expected": "linux-64", "found": "noarch"}
        package.check(PackageMetadata(index, None), self.FILE, None)
        package.check(PackageMetadata(index, None), self.FILE, "noarch")

    @pytest.mark.parametrize("old", [{}, {"subdir": None}])
    def test_an_old_package_without_a_subdir_passes(self, old):
        index = {key: value for key, value in json.loads(INDEX).items() if key != "subdir"} | old
        package.check(PackageMetadata(index, None), self.FILE, "linux-64")


@pytest.mark.parametrize("kind", KINDS)
class TestInfo:
    @pytest.mark.parametrize(
        "second",
        [
            "info/index.json",
            "./info/index.json",
            "info//index.json",
            "INFO/Index.JSON",
            "info/index.json.",
            "info /index.json",
        ],
    )
    def test_two_index_json_are_refused(self, kind, second):
        """The one that is judged, and one that a file system or a later extraction makes win."""
        data = archive(kind, ("info/index.json", INDEX), ("x", b""), (second, b'{"name": "evil"}'))
        assert refused(data, kind) is Code.ARCHIVE_FORMAT

    def test_an_index_json_by_another_spelling_is_refused(self, kind):
        """NTFS opens `info/index.json::$DATA` as info/index.json."""
        for name in ("Info/index.json", "info/index.json::$DATA", "info/index.json ."):
            assert refused(archive(kind, (name, INDEX)), kind) is Code.ARCHIVE_FORMAT

    def test_an_index_json_that_is_no_file_is_refused(self, kind):
        link = special("info/index.json", tarfile.SYMTYPE, "recipe/index.json")
        assert refused(archive(kind, link), kind) is Code.ARCHIVE_FORMAT
        assert refused(archive(kind, special("info/index.json", tarfile.DIRTYPE)), kind) is Code.ARCHIVE_FORMAT

    def test_a_package_without_index_json_is_refused(self, kind):
        assert refused(archive(kind, ("info/about.json", b"{}")), kind) is Code.ARCHIVE_FORMAT
        assert refused(archive(kind), kind) is Code.ARCHIVE_FORMAT

    @pytest.mark.parametrize(
        "index",
        [b"", b"[]", b"{", b'{"name": "a", "name": "b"}', b"\xff", b"\xef\xbb\xbf{}", b'{"a": NaN}', b"[" * 9999],
    )
    def test_json_with_two_readings_is_refused(self, kind, index):
        """Two equal keys: this reader takes one name, the installer the other."""
        assert refused(archive(kind, ("info/index.json", index)), kind) is Code.ARCHIVE_FORMAT
        about = archive(kind, ("info/index.json", INDEX), ("info/about.json", index))
        assert refused(about, kind) is Code.ARCHIVE_FORMAT

    def test_an_oversized_index_json_is_refused(self, kind):
        data = archive(kind, ("info/index.json", b" " * (package.MAX_DOCUMENT + 1)))
        assert refused(data, kind) is Code.ARCHIVE_BOMB

    @pytest.mark.parametrize(
        "member",
        [
            special("../evil", tarfile.REGTYPE),
            special("info/../../evil", tarfile.REGTYPE),
            special("/etc/cron.d/evil", tarfile.REGTYPE),
            special("info\\evil", tarfile.REGTYPE),
            special("C:/evil", tarfile.REGTYPE),
            special("info/null", tarfile.CHRTYPE),
            special("info/disk", tarfile.BLKTYPE),
            special("info/pipe", tarfile.FIFOTYPE),
            special("info/link", tarfile.SYMTYPE, "/etc/passwd"),
            special("info/link", tarfile.SYMTYPE, "../../etc/passwd"),
            special("info/link", tarfile.LNKTYPE, "info/index.json"),
        ],
        ids=lambda member: f"{member.type.decode()} {member.name} {member.linkname}",
    )
    def test_a_member_that_reaches_outside_or_is_a_device_is_refused(self, kind, member):
        """Extraction would write, read or block elsewhere."""
        assert refused(archive(kind, ("info/index.json", INDEX), member), kind) is Code.ARCHIVE_PATH

    def test_a_chain_of_links_is_refused(self, kind):
        """Each link stays inside by itself; together they lead out, and the last member is written there."""
        chain = [
            special("info/a", tarfile.SYMTYPE, "."),
            special("info/b", tarfile.SYMTYPE, "a/../.."),
            special("info/b/evil", tarfile.REGTYPE),
        ]
        assert refused(archive(kind, ("info/index.json", INDEX), *chain), kind) is Code.ARCHIVE_PATH


class TestConda:
    def test_a_whole_package_that_was_renamed_is_told_apart(self):
        data = conda(tar(("info/index.json", INDEX)), stem="other-1.0-0")
        assert refused(data) is Code.BIND_METADATA

    @pytest.mark.parametrize(
        "names",
        [
            ("metadata.json", "info-other-1.0-0.tar.zst", f"pkg-{STEM}.tar.zst"),
            ("metadata.json", f"info-{STEM}.tar.zst", f"pkg-{STEM}.tar.bz2"),
            ("metadata.json", f"info-{STEM}.tar.zst", "evil"),
            ("Metadata.json", f"info-{STEM}.tar.zst", f"pkg-{STEM}.tar.zst"),
            ("metadata.json", f"./info-{STEM}.tar.zst", f"pkg-{STEM}.tar.zst"),
        ],
        ids=lambda names: " ".join(names),
    )
    def test_other_members_are_refused(self, names):
        """One reader takes members by prefix, another by suffix: any other name is somebody's metadata."""
        assert refused(conda(tar(("info/index.json", INDEX)), names=names)) is Code.ARCHIVE_FORMAT

    @pytest.mark.parametrize(
        "version",
        [b"{}", b'{"conda_pkg_format_version": 3}', b'{"conda_pkg_format_version": "2"}', b"2", b"",
         b'{"conda_pkg_format_version": 2.0}', b'{"conda_pkg_format_version": 2, "conda_pkg_format_version": 3}'],
    )  # fmt: skip
    def test_another_format_version_is_refused(self, version):
        assert refused(conda(tar(("info/index.json", INDEX)), version=version)) is Code.ARCHIVE_FORMAT

    def test_deflated_members_are_refused(self):
        """The format says stored; a deflated part is a second layer for a bomb."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("metadata.json", VERSION)
            made.writestr(f"info-{STEM}.tar.zst", zstd.compress(tar(("info/index.json", INDEX))))
            made.writestr(f"pkg-{STEM}.tar.zst", b"")
        assert refused(buffer.getvalue()) is Code.ARCHIVE_FORMAT

    def test_a_second_index_json_in_the_pkg_part_is_found_when_everything_is_read(self):
        """Some extract the parts in the order of the ZIP, as rattler does: the pkg part's index.json would win."""
        data = conda(tar(("info/index.json", INDEX)), pkg=tar(("info/index.json", b'{"name": "evil"}')))
        assert read(data).index["name"] == "hello"
        assert refused(data, extent=Extent.EVERYTHING) is Code.ARCHIVE_FORMAT

    def test_a_bad_member_in_the_pkg_part_is_found_when_everything_is_read(self):
        data = conda(tar(("info/index.json", INDEX)), pkg=tar(("../evil", b"")))
        assert read(data).index["name"] == "hello"
        assert refused(data, extent=Extent.EVERYTHING) is Code.ARCHIVE_PATH

    def test_a_zstd_bomb_is_refused(self):
        """Kilobytes that unpack to more than an info part may have."""
        bomb = tar(("info/index.json", INDEX), ("info/zeros", b"\0" * (package.MAX_INFO + 1)))
        assert refused(conda(bomb)) is Code.ARCHIVE_BOMB


class TestTarBz2:
    def test_a_second_index_json_late_in_the_archive_needs_a_whole_scan(self):
        data = bz2.compress(tar(("info/index.json", INDEX), ("x", b""), ("info/index.json", b"{}")))
        assert read(data, ".tar.bz2", extent=Extent.FIRST).index["name"] == "hello"
        assert refused(data, ".tar.bz2") is Code.ARCHIVE_FORMAT

    def test_writing_through_a_link_is_refused(self):
        """A link that the payload may have, and a member beneath it."""
        link = special("lib", tarfile.SYMTYPE, "/etc")
        assert read(bz2.compress(tar(("info/index.json", INDEX), link)), ".tar.bz2")
        data = bz2.compress(tar(("info/index.json", INDEX), link, ("lib/passwd", b"")))
        assert refused(data, ".tar.bz2") is Code.ARCHIVE_PATH

    def test_a_bzip2_bomb_is_refused_for_the_size_of_its_file(self):
        """Six kilobytes that unpack to more than 256 MiB: repeating a block of zeros costs 46 bytes for 900 kB."""
        zeros = b"\0" * 45_000_000
        member = tarfile.TarInfo("zeros")
        member.size = 7 * len(zeros)
        packer = bz2.BZ2Compressor()
        data = packer.compress(member.tobuf())
        data += b"".join(packer.compress(zeros) for _ in range(7)) + packer.flush()
        assert len(data) < 20_000
        assert refused(data, ".tar.bz2") is Code.ARCHIVE_BOMB

    def test_two_streams_are_refused(self):
        """Python reads both, rattler the first: the second holds another info/index.json."""
        first, second = tar(("info/index.json", INDEX)), tar(("info/index.json", b"{}"))
        assert refused(bz2.compress(first) + bz2.compress(second), ".tar.bz2") is Code.ARCHIVE_FORMAT
        assert refused(bz2.compress(first[:1024]) + bz2.compress(second), ".tar.bz2") is Code.ARCHIVE_FORMAT


def test_too_many_members_are_refused():
    """Kilobytes that unpack to a million empty headers."""
    header = tarfile.TarInfo("x").tobuf()
    assert refused(conda(header * (package.MAX_INFO_MEMBERS + 1))) is Code.ARCHIVE_BOMB


@pytest.mark.parametrize("kind", KINDS)
def test_the_other_format_under_this_name_is_refused(small, kind):
    other = small[".conda" if kind == ".tar.bz2" else ".tar.bz2"]
    assert refused(other, kind) is Code.ARCHIVE_FORMAT


@pytest.mark.parametrize("kind", KINDS)
def test_every_truncation_is_refused(small, kind):
    data = small[kind]
    for end in range(0, len(data) - 1, 7):
        assert refused(data[:end], kind) is Code.ARCHIVE_FORMAT


def test_a_failing_file_is_no_finding():
    class Failing(io.BytesIO):
        def read(self, size=-1):
            raise OSError("input/output error")

    for kind in KINDS:
        with pytest.raises(OSError, match="input/output"):
            package.read(Failing(b"x" * 100), PackageFile.parse(STEM + kind))


def _judged_alike(data: bytes, kind: str) -> None:
    """Either a Malformed of the archive codes, or what conda-package-streaming reads."""
    try:
        found = read(data, kind)
    except Malformed as error:
        code = error.finding.code
    else:
        assert found.index == index_by_conda_package_streaming(data, kind)
        return
    assert code in (Code.ARCHIVE_FORMAT, Code.ARCHIVE_BOMB, Code.ARCHIVE_PATH, Code.BIND_METADATA)


@pytest.mark.parametrize("kind", KINDS)
@given(changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutated_packages_are_refused_or_read_alike(small, kind, changes):
    data = bytearray(small[kind])
    for at, value in changes:
        data[at % len(data)] = value
    _judged_alike(bytes(data), kind)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.binary(max_size=400))
def test_random_bytes_are_refused(kind, data):
    assert refused(data, kind) is Code.ARCHIVE_FORMAT


_MEMBER_NAMES = st.sampled_from(
    ["info/index.json", "./info/index.json", "info/about.json", "info/x", "lib", "lib/x", "..", "a"]
)
_MEMBER = st.builds(
    lambda name, type_, target, data: (name, data) if type_ == b"0" else special(name, type_, target),
    _MEMBER_NAMES,
    st.sampled_from([b"0", b"0", b"0", b"1", b"2", b"5", b"6"]),
    st.sampled_from(["info/index.json", "..", "/", "x", "lib"]),
    st.sampled_from([INDEX, b"{}", b"", b"{"]),
)


@pytest.mark.parametrize("kind", KINDS)
@given(members=st.lists(_MEMBER, max_size=5))
def test_random_archives_are_refused_or_read_alike(kind, members):
    _judged_alike(archive(kind, *members), kind)


@given(data=st.binary(max_size=3000))
def test_random_tars_in_either_format_are_refused(data):
    assert refused(conda(data)) in (Code.ARCHIVE_FORMAT, Code.ARCHIVE_BOMB)
    assert refused(bz2.compress(data), ".tar.bz2") in (Code.ARCHIVE_FORMAT, Code.ARCHIVE_BOMB)


def test_real_packages_are_read_and_agree_with_their_names(real_data):
    seen = 0
    for path in [*real_data.rglob("*.conda"), *real_data.rglob("*.tar.bz2")]:
        file = PackageFile.parse(path.name)
        subdir = path.parent.name if path.parent.name == "osx-64" else None
        for extent in Extent:
            with path.open("rb") as opened:
                found = package.read(opened, file, extent=extent)
            package.check(found, file, subdir)
            assert found.index["subdir"]
        seen += 1
    assert seen >= 15


@given(at=st.integers(0, 1 << 20), value=st.integers(0, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutated_real_packages_raise_nothing_else(real_data, at, value):
    path = real_data / "packages" / "empty-0.1.0-h4616a5c_0.conda"
    data = bytearray(path.read_bytes())
    data[at % len(data)] = value
    try:
        found = package.read(io.BytesIO(data), PackageFile.parse(path.name))
    except Malformed:
        return
    assert found.index["name"] == "empty"
