"""What is committed under fixtures/ is what its scripts make."""

import importlib.util
import io
import sys
import zipfile
from pathlib import Path

import pytest

from condattest.formats import package
from condattest.formats.package import Extent
from condattest.model.artifact import PackageFile

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FIXTURES = Path(__file__).parent.parent / "fixtures"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_packages", FIXTURES / "make_packages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _unpacked(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    return {name: zstd.decompress(data) if name.endswith(".zst") else data for name, data in parts.items()}


def test_the_packages_are_those_that_the_script_makes(script, tmp_path):
    made = {path.name: path for path in script.make(tmp_path)}
    committed = {path.name: path for path in (FIXTURES / "packages").iterdir()}
    assert committed.keys() == made.keys()
    for name, path in committed.items():
        assert path.stat().st_size < 3000
        if path.suffix == ".conda" and zstd.zstd_version_info != script.ZSTD:
            assert _unpacked(path) == _unpacked(made[name])
        else:
            assert path.read_bytes() == made[name].read_bytes()


@pytest.mark.parametrize("path", sorted((FIXTURES / "packages").iterdir()), ids=lambda path: path.name)
def test_each_package_is_well_formed_and_agrees_with_its_name(path):
    file = PackageFile.parse(path.name)
    package.check(package.read(io.BytesIO(path.read_bytes()), file, extent=Extent.EVERYTHING), file, None)
