"""What a generation is made from: three files in the forms that indexers write them, and nothing else."""

import bz2
import hashlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from condattest.errors import Misuse
from condattest.formats import compression
from condattest.formats.held_records import opened
from condattest.formats.patch_descriptors import Input
from condattest.model.finding import Code
from condattest.operations import patch_inputs, patch_package
from condattest.patches.index_sections import records_of
from condattest.transport.directory import Directory
from condattest.transport.fetch import Fetcher
from condattest.transport.origin import HttpOrigin, StoreOrigin
from tests import channels
from tests.formats.test_patch_files import values
from tests.patched_channel import EMPTY, NAME, a_patch_package, finding_of, fix, refused

nested = st.dictionaries(st.sampled_from(["conda", "x-1-0.conda", "x-1-0"]), values)
INDEX = b'{"packages": {}, "packages.conda": {"x-1-0.conda": {"name": "x"}}}'


def read(root, subdir="noarch", package=None):
    return patch_inputs.read(StoreOrigin(Directory(root)), subdir, package)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "channel" / "noarch"
    path.mkdir(parents=True)
    for base in ("repodata_from_packages.json", "repodata.json"):
        (path / base).write_bytes(INDEX)
    return path


def test_everything_is_read_with_its_digest(history):
    inputs = read(history.root)
    assert opened(inputs.as_built["packages.conda"][NAME])["depends"] == ["python"]
    assert opened(inputs.served["packages.conda"][NAME])["depends"] == ["python >=3.9"]
    assert inputs.instructions.packages_conda[NAME]["license"] == "MIT"
    names = [f"noarch/{base}.json" for base in ("repodata_from_packages", "repodata", "patch_instructions")]
    assert [each.name for each in inputs.digests] == names
    for each in inputs.digests:
        assert each.sha256 == hashlib.sha256((history.root / each.name).read_bytes()).hexdigest()


def test_over_http(history):
    with channels.served(history.root) as url, Fetcher(attempts=1) as fetcher:
        assert patch_inputs.read(HttpOrigin(url, fetcher), "noarch") == read(history.root)


def test_without_instructions_there_are_none(folder):
    assert read(folder.parent).instructions is None


@pytest.mark.parametrize(("suffix", "pack"), [(".zst", compression.zstd_index), (".bz2", bz2.compress)])
def test_where_only_a_twin_is_there_it_is_read(folder, suffix, pack):
    plain = folder / "repodata.json"
    plain.with_name(plain.name + suffix).write_bytes(pack(plain.read_bytes()))
    plain.unlink()
    inputs = read(folder.parent)
    assert len(list(records_of(inputs.served))) == 1
    assert inputs.digests[1].name == f"noarch/repodata.json{suffix}"


@pytest.mark.parametrize("base", ["repodata_from_packages.json", "repodata.json"])
def test_without_an_index_it_is_usage(folder, base):
    (folder / base).unlink()
    with pytest.raises(Misuse, match=base):
        read(folder.parent)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{", '{"packages": []}', '{"packages": {"x-1-0.tar.bz2": null}}', '{"packages.conda": 1}',
     '{"removed": {}}', '{"removed": null}', '{"removed": [1]}', '{"removed": [["x"]]}', '{"v3": []}',
     '{"v3": {"conda": []}}',
     '{"v3": {"conda": {"x-1-0": 1}}}', '{"packages": {"x-1-0.conda": {"n": 1e999}}}', "\udcff", "[" * 100_000],
)  # fmt: skip
@pytest.mark.parametrize("base", ["repodata_from_packages.json", "repodata.json"])
def test_what_is_no_index_is_malformed(folder, base, text):
    (folder / base).write_bytes(text.encode(errors="surrogateescape"))
    refused(lambda: read(folder.parent), Code.NET_UNAVAILABLE)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["packages", "packages.conda", "removed", "v3", "info"]), values | nested))
def test_of_any_json_only_malformed_comes_and_what_is_read_can_be_gone_through(folder, document):
    (folder / "repodata.json").write_text(json.dumps(document))
    if finding_of(lambda: read(folder.parent)) is None:
        served = read(folder.parent).served
        assert all(isinstance(opened(held), dict) for _, _, held in records_of(served))
        assert frozenset(served.get("removed", ())) <= {*served.get("removed", ())}


def test_a_broken_twin_is_malformed(folder):
    (folder / "repodata.json").rename(folder / "repodata.json.zst")
    refused(lambda: read(folder.parent), Code.NET_UNAVAILABLE)


def test_broken_instructions_are_malformed(folder):
    (folder / "patch_instructions.json").write_text('{"patch_instructions_version": 9}')
    refused(lambda: read(folder.parent), Code.PATCH_INSTRUCTIONS)


def test_of_a_package_its_instructions_count_and_not_the_channel_s(history, tmp_path):
    given = EMPTY | fix(license="GPL")
    path = a_patch_package(tmp_path / "built", {"noarch": given, "linux-64": EMPTY})
    inputs = read(history.root, package=patch_package.read(path, "noarch", []))
    assert inputs.instructions.packages_conda == {NAME: {"license": "GPL"}}
    digest = hashlib.sha256(json.dumps(given).encode()).hexdigest()
    package = Input(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    assert inputs.digests[-2:] == (Input("noarch/patch_instructions.json", digest), package)
    assert inputs.source is None


def test_broken_instructions_of_a_package_are_told_as_the_package_s(history, tmp_path):
    path = a_patch_package(tmp_path / "built", {"noarch": {"patch_instructions_version": 9}})
    package = patch_package.read(path, "noarch", [])
    assert str(path) in refused(lambda: read(history.root, package=package), Code.PATCH_INSTRUCTIONS).where
