import bz2
import hashlib
import io
import json
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import patch_instructions, unpacked
from condattest.formats.patch_instructions import VERSION_KEY, Instructions
from condattest.model.artifact import PackageFile
from condattest.model.finding import Code, Finding
from condattest.sandbox.packages import make_package

STEM = "patches-1-0"
FULL = {
    VERSION_KEY: 1,
    "packages": {"x-1-0.tar.bz2": {"depends": ["y"], "features": None, "o": {"n": 10**19, "f": 1.5}}},
    "packages.conda": {"x-1-0.conda": {"license": "ü"}},
    "remove": ["z-1-0.tar.bz2"],
    "revoke": ["w-1-0.conda"],
    "v3": {"conda": {"x-1-0": {}}},
    "external_dependencies": {"a": 1},
}


def parse(document: object) -> Instructions:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return patch_instructions.parse(data, where="noarch")


def refused(document: object) -> Finding:
    with pytest.raises(Malformed) as caught:
        parse(document)
    finding = caught.value.finding
    assert finding.code is Code.PATCH_INSTRUCTIONS
    assert finding.where.startswith("noarch")
    assert all(len(fact) < 400 for fact in finding.facts.values())
    return finding


class TestParse:
    def test_everything_is_read_as_it_is(self):
        data = json.dumps(FULL).encode()
        assert parse(data) == Instructions(
            version=1,
            packages=FULL["packages"],
            packages_conda=FULL["packages.conda"],
            remove=("z-1-0.tar.bz2",),
            revoke=("w-1-0.conda",),
            v3=FULL["v3"],
            rest={"external_dependencies": {"a": 1}},
            raw_sha256=hashlib.sha256(data).hexdigest(),
        )

    @pytest.mark.parametrize("document", [{}, {VERSION_KEY: 1}, {"packages": {}}], ids=json.dumps)
    def test_what_is_absent_is_empty_and_a_missing_version_is_1(self, document):
        found = parse(document)
        assert (found.version, found.packages, found.packages_conda, found.v3, found.rest) == (1, {}, {}, {}, {})
        assert found.remove == found.revoke == ()

    @pytest.mark.parametrize("version", [0, 3, -1, "1", True, 1.0, None, [1]], ids=repr)
    def test_other_versions_are_refused(self, version):
        assert refused({VERSION_KEY: version}).where == f"noarch: {VERSION_KEY}"

    @pytest.mark.parametrize("document", [None, [], "x", 1], ids=json.dumps)
    def test_what_is_no_object_is_refused(self, document):
        refused(document)

    @pytest.mark.parametrize("section", ["packages", "packages.conda", "v3"])
    @pytest.mark.parametrize("value", [None, [], "x", ["x-1-0.conda"]], ids=json.dumps)
    def test_a_section_that_is_no_object_is_refused(self, section, value):
        assert refused({section: value}).where == f"noarch: {section}"

    @pytest.mark.parametrize("value", [None, [], "x", 1], ids=json.dumps)
    def test_keys_that_are_no_object_are_refused(self, value):
        """A null would delete a record of conda-index without a trace in `removed`."""
        finding = refused({"packages": {"x-1-0.tar.bz2": value}})
        assert finding.where == "noarch: packages: x-1-0.tar.bz2"

    @pytest.mark.parametrize("key", ["remove", "revoke"])
    @pytest.mark.parametrize("value", [None, "x", {}, [1], ["x", None], [["x"]]], ids=json.dumps)
    def test_lists_of_files_hold_texts_alone(self, key, value):
        """conda-index takes a text for a list of its letters."""
        assert refused({key: value}).where == f"noarch: {key}"

    @pytest.mark.parametrize(
        "document",
        [
            {"numpy": FULL},
            {"numpy": {}},
            {"numpy": {}, "packages": {}},
            {VERSION_KEY: 1, "numpy": {VERSION_KEY: 1, "packages": {}}},
            {"v3": {VERSION_KEY: 1}},
            {"packages": FULL},
            {"remove": FULL},
        ],
        ids=[f"case {number}" for number in range(7)],
    )
    def test_instructions_by_package_name_are_refused(self, document):
        """What conda-index writes when a Python generator patches shards; as instructions, they change nothing."""
        refused(document)

    @pytest.mark.parametrize(
        "data",
        [
            b'{"packages": {}, "packages": {}}',
            b'{"packages": {"x-1-0.conda": {"a": 1, "a": 2}}}',
            b'\xef\xbb\xbf{}', b"{} x", b'{"remove": [NaN]}', b'{"a": "\\ud800"}', b'{"packages": \xff}',
            b"[" * 100_000, b"",
        ],
        ids=lambda data: repr(data[:30]),
    )  # fmt: skip
    def test_what_two_readers_read_differently_is_refused(self, data):
        refused(data)

    def test_too_many_bytes_are_refused(self):
        data = json.dumps(FULL).encode()
        assert patch_instructions.parse(data, where="", limit=len(data))
        with pytest.raises(Malformed) as caught:
            patch_instructions.parse(data, where="", limit=len(data) - 1)
        assert caught.value.finding.code is Code.PATCH_INSTRUCTIONS


class TestRunExports:
    def test_version_2_may_patch_them(self):
        exports = {"weak": ["a"], "strong": [], "noarch": ["b"], "weak_constrains": [], "strong_constrains": []}
        keys = {"run_exports": exports, "depends": []}
        assert parse({VERSION_KEY: 2, "packages": {"x-1-0.tar.bz2": keys}}).packages["x-1-0.tar.bz2"] == keys
        assert parse({VERSION_KEY: 2}).version == 2

    @pytest.mark.parametrize("value", [None, [], ["a"], {"weak": "a"}, {"weak": [1]}, {"soft": ["a"]}], ids=json.dumps)
    def test_other_shapes_are_refused_in_version_2_and_are_any_key_in_version_1(self, value):
        for section in ("packages", "packages.conda"):
            document = {section: {"x-1-0.conda": {"run_exports": value}}}
            assert ": run_exports" in refused({VERSION_KEY: 2} | document).where
            assert parse({VERSION_KEY: 1} | document)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_or_read(data):
    _read_or_refused(data)


@given(at=st.integers(0, 1 << 16), value=st.integers(0, 255), length=st.integers(0, 3))
def test_mutated_instructions_are_refused_or_read(at, value, length):
    data = bytearray(json.dumps(FULL).encode())
    at %= len(data)
    data[at : at + length] = bytes([value])
    _read_or_refused(bytes(data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FULL, "x"]) | st.text(), inner),
    max_leaves=12,
)


@given(JSON)
def test_random_json_is_refused_or_read(document):
    _read_or_refused(json.dumps(document).encode())


def _read_or_refused(data: bytes) -> None:
    try:
        found = patch_instructions.parse(data, where="noarch")
    except Malformed as error:
        code = error.finding.code
    else:
        assert all(isinstance(each, dict) for each in (*found.packages.values(), *found.packages_conda.values()))
        assert all(isinstance(each, str) for each in (*found.remove, *found.revoke))
        return
    assert code is Code.PATCH_INSTRUCTIONS


def tar(*members) -> bytes:
    """Make a tar of (name, data) pairs, or of TarInfo objects."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            archive.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def conda(pkg: bytes, *, stem: str = STEM, info: bytes | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("metadata.json", b'{"conda_pkg_format_version": 2}')
        made.writestr(f"info-{stem}.tar.zst", unpacked.zstd.compress(tar()) if info is None else info)
        made.writestr(f"pkg-{stem}.tar.zst", unpacked.zstd.compress(pkg))
    return buffer.getvalue()


def package(kind: str, *members) -> bytes:
    return conda(tar(*members)) if kind == ".conda" else bz2.compress(tar(*members))


def carried(data: bytes, kind: str = ".conda") -> dict[str, bytes]:
    return dict(patch_instructions.from_package(io.BytesIO(data), PackageFile.parse(STEM + kind)))


def not_carried(data: bytes, kind: str = ".conda") -> Code:
    with pytest.raises(Malformed) as caught:
        carried(data, kind)
    assert caught.value.finding.where.startswith(STEM + kind)
    return caught.value.finding.code


kinds = pytest.mark.parametrize("kind", [".conda", ".tar.bz2"])
NOARCH, LINUX = ("noarch/patch_instructions.json", b"{}"), ("linux-64/patch_instructions.json", b"[]")


class TestFromPackage:
    @kinds
    def test_the_files_are_read_by_subdir_and_nothing_else_is(self, kind):
        others = [
            ("linux-64/other.json", b""),
            ("info/patch_instructions.json", b""),
            ("a/b/patch_instructions.json", b""),
        ]
        assert carried(package(kind, others[0], NOARCH, *others[1:], LINUX), kind) == {
            "noarch": b"{}",
            "linux-64": b"[]",
        }

    @kinds
    def test_a_package_without_any_carries_none(self, kind, tmp_path):
        path = make_package(tmp_path, "patches", "1", kind=kind)
        assert carried(path.read_bytes(), kind) == {}

    def test_only_the_installed_part_of_a_conda_is_read(self):
        assert carried(conda(tar(NOARCH), info=b"not a zstd frame")) == {"noarch": b"{}"}
        assert carried(conda(tar(), info=unpacked.zstd.compress(tar(NOARCH)))) == {}

    @kinds
    @pytest.mark.parametrize(
        "name",
        [
            "./noarch/patch_instructions.json",
            "noarch//patch_instructions.json",
            "noarch/Patch_Instructions.json",
            "NoArch/patch_instructions.json",
            "noarch\\patch_instructions.json",
            "noarch/patch_instructions.json.",
            "noarch/patch_instructions.json::$DATA",
            "no arch/patch_instructions.json",
        ],
    )
    def test_another_spelling_of_the_path_is_refused(self, kind, name):
        """One indexer would find it, the other would not: conda-index then goes on with the file of its last run."""
        assert not_carried(package(kind, NOARCH, (name, b"{}")), kind) is Code.ARCHIVE_FORMAT

    @kinds
    def test_the_same_file_twice_is_refused(self, kind):
        """conda-index takes the last, another reader may take the first."""
        assert not_carried(package(kind, NOARCH, LINUX, NOARCH), kind) is Code.ARCHIVE_FORMAT

    @kinds
    @pytest.mark.parametrize("type_", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
    def test_a_link_in_the_place_of_a_file_is_refused(self, kind, type_):
        link = tarfile.TarInfo("noarch/patch_instructions.json")
        link.type, link.linkname = type_, "linux-64/patch_instructions.json" if type_ != tarfile.DIRTYPE else ""
        assert not_carried(package(kind, LINUX, link), kind) is Code.ARCHIVE_FORMAT

    @kinds
    def test_a_dangerous_path_beside_them_is_refused(self, kind):
        assert not_carried(package(kind, NOARCH, ("../x", b"")), kind) is Code.ARCHIVE_PATH

    @kinds
    def test_too_large_a_file_is_refused_before_it_is_read(self, kind):
        large = tarfile.TarInfo("noarch/patch_instructions.json")
        large.size = patch_instructions.MAX_INSTRUCTIONS + 1
        data = large.tobuf() + b"\0" * 1024
        made = conda(data) if kind == ".conda" else bz2.compress(data)
        assert not_carried(made, kind) is Code.ARCHIVE_BOMB

    @kinds
    def test_an_early_end_is_refused(self, kind):
        data = tar(("noarch/patch_instructions.json", b"x" * 2000))[:1024]
        made = conda(data) if kind == ".conda" else bz2.compress(data)
        assert not_carried(made, kind) is Code.ARCHIVE_FORMAT

    def test_too_many_members_are_refused(self):
        header = tarfile.TarInfo("x").tobuf()
        assert not_carried(conda(header * (patch_instructions.MAX_MEMBERS + 1))) is Code.ARCHIVE_BOMB

    def test_a_conda_of_another_name_is_refused(self):
        assert not_carried(conda(tar(NOARCH), stem="other-1-0")) is Code.ARCHIVE_FORMAT

    @kinds
    @given(data=st.binary(max_size=300))
    def test_random_bytes_are_refused(self, kind, data):
        assert not_carried(data, kind) is Code.ARCHIVE_FORMAT

    @kinds
    @given(changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=4))
    def test_mutated_packages_are_refused_or_read(self, kind, changes):
        data = bytearray(package(kind, NOARCH, LINUX))
        for at, value in changes:
            data[at % len(data)] = value
        try:
            found = carried(bytes(data), kind)
        except Malformed as error:
            code = error.finding.code
        else:
            assert set(found.values()) <= {b"{}", b"[]"}
            return
        assert code in (Code.ARCHIVE_FORMAT, Code.ARCHIVE_BOMB, Code.ARCHIVE_PATH)

    def test_a_failing_file_is_no_finding(self):
        class Failing(io.BytesIO):
            def read(self, size=-1):
                raise OSError("input/output error")

        for kind in (".conda", ".tar.bz2"):
            with pytest.raises(OSError, match="input/output"):
                patch_instructions.from_package(Failing(b"x" * 100), PackageFile.parse(STEM + kind))


def test_a_real_patch_package_is_read_whole(real_data):
    path = real_data / "patch-instructions" / "conda-forge-repodata-patches-20180828-0.tar.bz2"
    with path.open("rb") as opened:
        found = patch_instructions.from_package(opened, PackageFile.parse(path.name))
    assert {"linux-64", "noarch", "osx-64", "win-32", "win-64"} <= set(found)
    parsed = {subdir: patch_instructions.parse(data, where=subdir) for subdir, data in found.items()}
    assert sum(len(parsed[subdir].packages) for subdir in ("linux-64", "osx-64", "win-32", "win-64")) == 7263
    assert parsed["noarch"].remove == ("sendgrid-5.3.0-py_0.tar.bz2",)
    assert all(each.rest == {} and each.version == 1 for each in parsed.values())
