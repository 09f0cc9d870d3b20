import io
import json
import zipfile

import pytest
from conda_package_streaming.package_streaming import stream_conda_component

from condattest.formats import package
from condattest.formats.package import Extent
from condattest.model.artifact import PackageFile
from condattest.sandbox.packages import make_package

KINDS = [".conda", ".tar.bz2"]


def members(path):
    """Every member's content, as conda-package-streaming extracts it."""
    found = {}
    for component in ("info", "pkg") if path.suffix == ".conda" else ("pkg",):
        for tar, member in stream_conda_component(path.name, io.BytesIO(path.read_bytes()), component):
            found[member.name] = tar.extractfile(member).read()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_is_what_its_arguments_say(tmp_path, kind):
    path = make_package(
        tmp_path, "number-lib", "2.3", "py311_4", kind=kind, depends=["python >=3.11"], subdir="linux-64", payload=b"x"
    )
    assert path == tmp_path / f"number-lib-2.3-py311_4{kind}"
    file = PackageFile.parse(path.name)
    with path.open("rb") as opened:
        found = package.read(opened, file, extent=Extent.EVERYTHING)
    package.check(found, file, "linux-64")
    assert found.index["depends"] == ["python >=3.11"]
    assert found.index["build_number"] == 4
    assert "noarch" not in found.index
    content = members(path)
    [entry] = json.loads(content["info/paths.json"])["paths"]
    assert content[entry["_path"]] == b"x"


@pytest.mark.parametrize("kind", KINDS)
def test_equal_arguments_give_equal_bytes(tmp_path, kind):
    first = make_package(tmp_path, "hello", "1.0", kind=kind).read_bytes()
    assert make_package(tmp_path, "hello", "1.0", kind=kind).read_bytes() == first
    assert make_package(tmp_path, "hello", "1.0", kind=kind, payload=b"other").read_bytes() != first


def test_no_member_of_the_zip_has_a_date_of_its_own(tmp_path):
    with zipfile.ZipFile(make_package(tmp_path, "hello", "1.0")) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.testzip() is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_noarch_python_package_says_so(tmp_path, kind):
    content = members(make_package(tmp_path, "greet-python", "1", noarch="python", kind=kind, payload=b"pass\n"))
    assert json.loads(content["info/link.json"])["noarch"] == {"type": "python"}
    assert content["site-packages/greet_python.py"] == b"pass\n"


@pytest.mark.parametrize("parts", [("a/b", "1", "0"), ("a", "1-2", "0"), ("a", "1", "0-1"), ("", "1", "0")])
def test_parts_that_make_no_file_name_are_refused(tmp_path, parts):
    with pytest.raises(ValueError, match="expected"):
        make_package(tmp_path, *parts)
    assert not list(tmp_path.iterdir())
