import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.formats import patch_instructions
from condattest.formats.patch_instructions import VERSION_KEY
from condattest.model.artifact import PackageFile
from condattest.model.finding import Code
from condattest.patches.engines import Engine, Patched, engine
from tests.patches.instructions import NAMES, VALUES, read, record

ENGINES = ["conda-index", "rattler-index"]


def the(name: str) -> Engine:
    found = engine(name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_has_its_name(name):
    assert the(name).name == name


@pytest.mark.parametrize("name", ["", "quetz", "Conda-Index", "conda-index 0.13"])
def test_nothing_can_be_said_of_another_indexer(name):
    assert engine(name) is None


@pytest.mark.parametrize("name", ENGINES)
def test_instructions_that_say_nothing_change_no_record(name):
    as_built = {"packages": {"x-1-0.tar.bz2": record()}, "packages.conda": {}, "info": {}}
    patched = the(name).apply(as_built, read({VERSION_KEY: 1}))
    assert patched == Patched(patched.document, ())
    assert {key: patched.document[key] for key in as_built} == as_built
    assert patched.document["packages"]["x-1-0.tar.bz2"] is as_built["packages"]["x-1-0.tar.bz2"]


def test_the_engines_differ():
    as_built = {"packages": {"x-1-0.tar.bz2": record()}, "packages.conda": {}}
    document = {VERSION_KEY: 1, "packages": {"x-1-0.tar.bz2": {"version": "2"}}, "remove": ["x-1-0.tar.bz2"]}
    conda, rattler = (the(name).apply(as_built, read(document)).document for name in ENGINES)
    assert conda["packages"] == {}
    assert rattler["packages"] == as_built["packages"]
    assert conda["removed"] == rattler["removed"] == ["x-1-0.tar.bz2"]


SECTIONS = st.dictionaries(NAMES, VALUES | st.dictionaries(st.sampled_from(["depends", "purls", "md5"]), VALUES))
DOCUMENTS = st.dictionaries(
    st.sampled_from(["packages", "packages.conda", "v3", "removed", "info"]),
    VALUES | SECTIONS | st.dictionaries(st.sampled_from(["conda", "whl", "zip"]), VALUES | SECTIONS),
)
FIXES = st.dictionaries(NAMES, st.dictionaries(st.sampled_from(["depends", "purls", "extra_depends", "md5"]), VALUES))


@pytest.mark.parametrize("name", ENGINES)
@given(
    as_built=DOCUMENTS,
    instructions=st.fixed_dictionaries(
        {},
        optional={
            "packages": FIXES,
            "packages.conda": FIXES,
            "remove": st.lists(NAMES | st.text(max_size=3), max_size=3),
            "revoke": st.lists(NAMES, max_size=3),
            "v3": st.dictionaries(st.sampled_from(["conda", "zip"]), VALUES | FIXES),
        },
    ),
)
def test_any_index_and_instructions_are_applied_without_changing_them(name, as_built, instructions):
    """Even an index that no indexer would write: its engine finds it failing, or passes it on."""
    before, parsed = json.dumps(as_built), read(instructions)
    patched = the(name).apply(as_built, parsed)
    json.dumps(patched.document)
    assert json.dumps(as_built) == before
    assert parsed == read(instructions)


@pytest.mark.parametrize("name", ENGINES)
def test_a_real_patch_package_is_applied_to_real_records(name, real_data):
    path = real_data / "patch-instructions" / "conda-forge-repodata-patches-20180828-0.tar.bz2"
    with path.open("rb") as opened:
        found = patch_instructions.from_package(opened, PackageFile.parse(path.name))
    as_built = json.loads((real_data / "repodata" / "r_linux-64.json").read_bytes())
    total = 0
    for subdir, data in found.items():
        instructions = patch_instructions.parse(data, where=subdir)
        total += len(instructions.packages)
        patched = the(name).apply(as_built, instructions)
        assert patched.served
        assert {finding.code for finding in patched.findings} <= {Code.PATCH_DROPPED}
    assert total >= 7000
