import bz2
import io
import json
import os
import random
import tarfile
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.formats import patch_instructions
from condattest.model.artifact import PackageFile
from condattest.model.finding import Code
from condattest.patches.conda_index_engine import REVOKED, CondaIndex
from condattest.patches.patched import Patched
from condattest.sandbox.packages import make_package
from tests.channels import conda_index
from tests.patches.instructions import NAMES, STEMS, TEXTS, VALUES, read, record

ENGINE = CondaIndex()
B, C = "x-1-0.tar.bz2", "x-1-0.conda"


@pytest.fixture(scope="module")
def real():
    """conda-index's own function, which changes what it is given."""
    import sys
    from importlib.util import find_spec

    from tests.run_conda_index import provide_names

    before = dict(sys.modules)
    if find_spec("conda") is None:
        provide_names()
    from conda_index.index import _apply_instructions

    for name in {"conda", "conda.base", "conda.base.constants", "conda.models", "conda.models.version"} - set(before):
        sys.modules.pop(name, None)

    def apply(as_built, instructions):
        # As it reads them: no two records share anything yet.
        return _apply_instructions("linux-64", json.loads(json.dumps(as_built)), json.loads(json.dumps(instructions)))

    return apply


def index(packages=None, conda=None, **more) -> dict:
    return {"info": {"subdir": "linux-64"}, "packages": packages or {}, "packages.conda": conda or {}, **more}


def twins(**more) -> dict:
    return index({B: record(**more)}, {C: record(**more)})


def instructions(**sections) -> dict:
    return {"patch_instructions_version": 1, **{name.replace("__", "."): each for name, each in sections.items()}}


def codes(patched: Patched) -> list[Code]:
    return [finding.code for finding in patched.findings]


def judged(real, as_built: dict, document: dict) -> Patched:
    """Apply instructions, and compare with the real program: the same document, or a finding where it fails."""
    before = json.dumps(as_built)
    patched = ENGINE.apply(as_built, read(document))
    assert json.dumps(as_built) == before, "the argument changed"
    try:
        expected = real(as_built, document)
    except Exception:
        assert Code.PATCH_CRASH in codes(patched)
        assert not patched.served
    else:
        assert Code.PATCH_CRASH not in codes(patched)
        assert patched.served
        # Types as well: to ==, 1 is true.
        assert json.dumps(patched.document, sort_keys=True) == json.dumps(expected, sort_keys=True)
    return patched


class TestMerging:
    def test_fixes_of_a_tar_bz2_go_onto_its_twin_and_those_of_the_conda_win_key_by_key(self, real):
        document = instructions(packages={B: {"license": "A", "depends": []}}, packages__conda={C: {"license": "B"}})
        served = judged(real, twins(), document).document
        assert served["packages"][B] == record(license="A", depends=[])
        assert served["packages.conda"][C] == record(license="B", depends=[])

    def test_fixes_of_a_conda_leave_the_tar_bz2_alone(self, real):
        served = judged(real, twins(), instructions(packages__conda={C: {"license": "B"}})).document
        assert served["packages"][B] == record()

    def test_a_null_deletes_a_key_and_is_inserted_where_there_is_none(self, real):
        document = instructions(packages={B: {"license": None, "constrains": None}})
        served = judged(real, index({B: record(license="A")}), document).document
        assert served["packages"][B] == record(constrains=None)

    def test_objects_merge_deeply_and_a_nested_null_deletes(self, real):
        document = instructions(packages={B: {"o": {"a": {"b": None, "c": 1}}, "new": {"n": None}}})
        served = judged(real, index({B: record(o={"a": {"b": 0, "d": 2}, "e": 3})}), document).document
        assert served["packages"][B] == record(o={"a": {"c": 1, "d": 2}, "e": 3}, new={"n": None})

    def test_lists_are_replaced_whole(self, real):
        served = judged(real, twins(), instructions(packages={B: {"depends": ["z"]}})).document
        assert served["packages"][B]["depends"] == ["z"]

    def test_values_that_python_takes_for_equal_stay_within_an_equal_object(self, real):
        document = instructions(packages={B: {"o": {"a": True}}})
        served = judged(real, index({B: record(o={"a": 1})}), document).document
        assert served["packages"][B]["o"]["a"] is not True

    def test_an_object_that_both_twins_got_is_one_object(self, real):
        """A fix of the .conda alone shows in the .tar.bz2: they share what `packages` gave them."""
        document = instructions(packages={B: {"new": {"a": 1}}}, packages__conda={C: {"new": {"b": 2}}})
        served = judged(real, twins(), document).document
        assert served["packages"][B]["new"] == served["packages.conda"][C]["new"] == {"a": 1, "b": 2}

    @pytest.mark.parametrize("base", ["text", 5, None, ["list"], True], ids=repr)
    def test_an_object_onto_something_else_fails_unless_it_is_empty(self, real, base):
        as_built = index({B: record(o=base)})
        assert codes(judged(real, as_built, instructions(packages={B: {"o": {"a": 1}}}))) == [Code.PATCH_CRASH]
        served = judged(real, as_built, instructions(packages={B: {"o": {}}})).document
        assert served["packages"][B]["o"] == base

    def test_a_conda_among_packages_is_its_own_twin(self, real):
        served = judged(real, twins(), instructions(packages={C: {"license": "A"}})).document
        assert served["packages.conda"][C]["license"] == "A"

    def test_of_two_names_that_become_one_the_later_is_used(self, real):
        for files in ((B, C), (C, B)):
            document = instructions(packages={file: {"license": file} for file in files})
            served = judged(real, index(conda={C: record()}), document).document
            assert served["packages.conda"][C]["license"] == files[1]

    def test_every_extension_within_a_name_is_rewritten(self, real):
        odd, twin = "a.tar.bz2-1-0.tar.bz2", "a.conda-1-0.conda"
        as_built = index({odd: record()}, {twin: record(), "a.tar.bz2-1-0.conda": record()})
        served = judged(real, as_built, instructions(packages={odd: {"license": "A"}}, remove=[odd])).document
        assert served["removed"] == [twin, odd]

    def test_a_key_that_the_server_sets_is_overwritten_and_told(self, real):
        patched = judged(real, twins(), instructions(packages={B: {"sha256": "0" * 64, "size": 1}}))
        assert patched.document["packages"][B]["sha256"] == "0" * 64
        (finding,) = patched.findings
        assert finding.code is Code.PATCH_SERVER_KEY
        assert (finding.where, finding.facts) == (f"packages/{B}", {"keys": "sha256, size"})

    def test_unlisted_files_are_passed_over_and_told_once_for_each_section(self, real):
        names = {f"u-{number}-0.tar.bz2": {"license": None} for number in range(50)}
        document = instructions(
            packages=names, packages__conda={"u-1-0.conda": {}}, revoke=["u-1-0.conda"], remove=["u-2-0.conda"]
        )
        patched = judged(real, twins(), document)
        assert codes(patched) == [Code.PATCH_DROPPED] * 4
        assert patched.findings[0].facts == {
            "reason": "the index does not list it", "files": "50", "first": "u-0-0.tar.bz2"
        }  # fmt: skip

    def test_records_that_no_instruction_names_are_the_same_objects(self, real):
        as_built = index({B: record(), "z-1-0.tar.bz2": record()}, {C: record()})
        served = judged(real, as_built, instructions(packages={B: {"license": "A"}})).document
        assert served["packages"]["z-1-0.tar.bz2"] is as_built["packages"]["z-1-0.tar.bz2"]


class TestRevoking:
    def test_a_tar_bz2_name_hits_its_twin_too(self, real):
        served = judged(real, twins(), instructions(revoke=[B])).document
        for revoked in (served["packages"][B], served["packages.conda"][C]):
            assert revoked == record(depends=["y", REVOKED], revoked=True)

    def test_a_conda_name_does_not_hit_the_tar_bz2(self, real):
        served = judged(real, twins(), instructions(revoke=[C])).document
        assert served["packages"][B] == record()
        assert served["packages.conda"][C]["revoked"] is True

    def test_a_patched_and_revoked_pair_has_the_revoked_dependency_twice(self, real):
        served = judged(real, twins(), instructions(packages={B: {"depends": ["z"]}}, revoke=[B])).document
        assert served["packages"][B]["depends"] == served["packages.conda"][C]["depends"] == ["z", REVOKED, REVOKED]

    def test_a_file_that_is_named_twice_is_revoked_twice(self, real):
        served = judged(real, twins(), instructions(revoke=[C, C])).document
        assert served["packages.conda"][C]["depends"] == ["y", REVOKED, REVOKED]

    @pytest.mark.parametrize("depends", [None, "y", {}, 5], ids=repr)
    def test_a_record_without_a_list_of_depends_fails(self, real, depends):
        assert codes(judged(real, index({B: record(depends=depends)}), instructions(revoke=[B]))) == [Code.PATCH_CRASH]
        without = {key: value for key, value in record().items() if key != "depends"}
        assert codes(judged(real, index({B: without}), instructions(revoke=[B]))) == [Code.PATCH_CRASH]

    def test_what_fails_does_not_hide_what_fails_after_it(self, real):
        document = instructions(packages={B: {"version": {"a": 1}, "name": {"a": 1}}}, revoke=["z-1-0.conda"])
        assert codes(judged(real, twins(), document)).count(Code.PATCH_CRASH) == 4


class TestRemoving:
    def test_a_tar_bz2_name_removes_its_twin_too_and_both_are_listed_sorted(self, real):
        served = judged(real, twins(), instructions(remove=[B])).document
        assert served == index(removed=[C, B])

    def test_a_conda_name_leaves_the_tar_bz2(self, real):
        served = judged(real, twins(), instructions(remove=[C])).document
        assert served == index({B: record()}, removed=[C])

    def test_the_list_is_always_there_and_keeps_what_it_had(self, real):
        assert judged(real, twins(), instructions()).document["removed"] == []
        as_built = index({B: record()}, removed=["z", "a", B])
        assert judged(real, as_built, instructions(remove=[B])).document["removed"] == ["a", B, B, "z"]

    def test_an_empty_record_is_dropped_without_being_listed(self, real):
        assert judged(real, index({B: {}}), instructions(remove=[B])).document == index(removed=[])

    def test_a_list_that_is_none_fails(self, real):
        assert codes(judged(real, index({B: record()}, removed=None), instructions(remove=[B]))) == [Code.PATCH_CRASH]


def test_v3_and_unknown_keys_are_passed_over(real):
    as_built = index(v3={"conda": {"x-1-0": record()}})
    patched = judged(real, as_built, instructions(v3={"conda": {"x-1-0": {"license": "A"}}}, external_dependencies={}))
    assert patched.document["v3"] is as_built["v3"]
    assert [(each.code, each.where) for each in patched.findings] == [
        (Code.PATCH_DROPPED, "v3"),
        (Code.PATCH_DROPPED, "external_dependencies"),
    ]


def test_version_2_fails_and_nothing_is_applied():
    """conda-index refuses the file as a whole, when it reads it."""
    as_built = twins()
    patched = ENGINE.apply(as_built, read({"patch_instructions_version": 2, "remove": [B]}))
    assert codes(patched) == [Code.PATCH_CRASH]
    assert patched.document == as_built


def test_an_index_without_its_sections_has_no_records(real):
    document = instructions(packages={B: {"license": "A"}}, revoke=[B], remove=[B])
    assert judged(real, {"info": {}}, document).document == {"info": {}, "removed": []}


@pytest.mark.parametrize("section", ["packages", "packages.conda"])
def test_a_section_that_is_no_object_fails(real, section):
    assert Code.PATCH_CRASH in codes(judged(real, index() | {section: None}, instructions()))


KEYS = st.dictionaries(
    st.sampled_from(["depends", "constrains", "license", "o", "sha256", "revoked", "ключ"]), VALUES, max_size=4
)
RECORDS = st.one_of(
    KEYS,
    st.builds(lambda keys, depends: keys | {"depends": depends}, KEYS, TEXTS),
)
INDEXES = st.builds(
    index,
    st.dictionaries(NAMES, RECORDS, max_size=4),
    st.dictionaries(NAMES, RECORDS, max_size=4),
    removed=st.lists(NAMES, max_size=2),
)
INSTRUCTIONS = st.builds(
    instructions,
    packages=st.dictionaries(NAMES, KEYS, max_size=4),
    packages__conda=st.dictionaries(NAMES, KEYS, max_size=4),
    revoke=st.lists(NAMES, max_size=4),
    remove=st.lists(NAMES, max_size=2),
)


@given(as_built=INDEXES, document=INSTRUCTIONS)
@settings(max_examples=400, deadline=None)
def test_any_instructions_give_what_conda_index_gives(real, as_built, document):
    judged(real, as_built, document)


@given(record=RECORDS, fix=KEYS, own=KEYS, revoke=st.booleans())
@settings(max_examples=400, deadline=None)
def test_any_pair_of_twins_becomes_what_conda_index_makes_of_it(real, record, fix, own, revoke):
    """Aimed at what twins share: one fix onto both, another onto the .conda, and perhaps both revoked."""
    document = instructions(packages={B: fix}, packages__conda={C: own}, revoke=[B] if revoke else [])
    judged(real, index({B: record}, {C: record}), document)


@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_random_instructions_give_what_conda_index_gives(real, seed):
    """More than hypothesis has time for; every number that is printed on failure makes its documents again."""
    served = 0
    for number in range(seed * MANY, (seed + 1) * MANY):
        chance = random.Random(number)
        records = [random_keys(chance, names=NAMED, value=partial(random_keys, depends=True)) for _ in range(2)]
        fixes = [random_keys(chance, names=NAMED, value=random_keys) for _ in range(2)]
        listed = [chance.choices(NAMED, k=chance.randrange(3)) for _ in range(2)]
        document = instructions(packages=fixes[0], packages__conda=fixes[1], revoke=listed[0], remove=listed[1])
        served += judged(real, index(*records), document).served
    assert MANY * 0.3 < served < MANY * 0.95, "both ends are met"


MANY = int(os.environ.get("CONDATTEST_PATCH_EXAMPLES", "1000"))
NAMED = [stem + kind for stem in STEMS[:4] for kind in (".tar.bz2", ".conda")]


def random_keys(chance, *, names=("depends", "o", "license", "md5"), value=None, depends=False) -> dict:
    """An object with some of the names; `depends` is a list, mostly, where it is asked for."""
    made = {name: (value or random_value)(chance) for name in chance.sample(names, chance.randrange(len(names)))}
    return made | ({"depends": ["y"] * chance.randrange(3)} if depends and chance.random() < 0.9 else {})


def random_value(chance, depth: int = 0):
    kind = chance.random()
    if kind < 0.35 and depth < 3:
        return {name: random_value(chance, depth + 1) for name in chance.sample("abc", chance.randrange(4))}
    if kind < 0.6:
        return ["z", "ü"][: chance.randrange(3)]
    return chance.choice([None, None, True, False, 0, 1, 1.0, 10**19, "", "t"])


def test_the_real_hotfixes_of_a_channel_are_reproduced(real, real_data):
    """conda-index's own packages for hotfixes, with the instructions that its tests make for them."""
    channel = real_data / "patch-channel" / "osx-64"
    as_built = json.loads(bz2.decompress((channel / "repodata_from_packages.json.bz2").read_bytes()))
    expected = json.loads(bz2.decompress((channel / "repodata.json.bz2").read_bytes()))
    assert ENGINE.apply(as_built, read(instructions())).document == expected
    document = instructions(
        packages={
            "hotfix_depends_test-1.0-dummy_0.tar.bz2": {"depends": ["zlib", "new"], "features": None},
            "track_features_test-1.0-0.tar.bz2": {"track_features": None},
        },
        revoke=["revoke_test-1.0-0.tar.bz2"],
        remove=["remove_test-1.0-0.tar.bz2"],
    )
    patched = judged(real, as_built, document)
    assert patched.findings == ()
    assert patched.document["removed"] == ["remove_test-1.0-0.tar.bz2"]


def test_a_real_patch_package_on_real_records_gives_what_conda_index_gives(real, real_data):
    """Hundreds of real instructions on thousands of real records, each instruction moved to a file that is there."""
    path = real_data / "patch-instructions" / "conda-forge-repodata-patches-20180828-0.tar.bz2"
    with path.open("rb") as opened:
        found = patch_instructions.from_package(opened, PackageFile.parse(path.name))
    as_built = json.loads((real_data / "repodata" / "r_linux-64.json").read_bytes())
    assert judged(real, as_built, json.loads(found["linux-64"])).served
    files = sorted(as_built["packages"])
    for subdir in ("linux-64", "osx-64", "win-64"):
        document = json.loads(found[subdir])
        document["packages"] = dict(zip(files, document["packages"].values(), strict=False))
        document["remove"] = files[1000:1040]
        document["revoke"] = files[990:1010]
        patched = judged(real, as_built, document)
        assert patched.findings == ()
        assert set(document["remove"]) <= set(patched.document["removed"])


def test_the_real_program_makes_and_patches_records_as_the_engine_does(tmp_path):
    """The whole of conda-index on a channel: what it keeps of an archive, and what its patch package does."""
    (tmp_path / "noarch").mkdir()
    for kind in (".conda", ".tar.bz2"):
        make_package(tmp_path / "noarch", "hello", "1.0", kind=kind, depends=("y",))
    kept = {"name": "odd", "version": "1", "build": "0", "depends": None, "namespace": "n", "app_entry": "e", "ü": 1.5}
    odd = kept | {"arch": "x", "platform": "p", "ucs": 1, "mtime": 2, "has_prefix": True, "target-triplet": "t"}
    with tarfile.open(tmp_path / "noarch" / "odd-1-0.tar.bz2", "w:bz2") as made:
        _add(made, "info/index.json", odd | {"sha256": "false", "size": 0})
    document = instructions(packages={"hello-1.0-0.tar.bz2": {"depends": ["z"]}}, revoke=["hello-1.0-0.tar.bz2"])
    patches = tmp_path / "patches-1-0.tar.bz2"
    with tarfile.open(patches, "w:bz2") as made:
        _add(made, "info/index.json", {"name": "patches", "version": "1", "build": "0"})
        _add(made, "noarch/patch_instructions.json", document)
    conda_index(
        tmp_path, "--no-write-shards", "--no-current-repodata", "--threads", "1", "--patch-generator", str(patches)
    )
    as_built = json.loads((tmp_path / "noarch" / "repodata_from_packages.json").read_bytes())
    served = json.loads((tmp_path / "noarch" / "repodata.json").read_bytes())
    with patches.open("rb") as opened:
        found = patch_instructions.from_package(opened, PackageFile.parse(patches.name))
    patched = ENGINE.apply(as_built, patch_instructions.parse(found["noarch"], where="noarch"))
    assert patched.document == served
    assert served["packages"]["hello-1.0-0.tar.bz2"]["depends"] == ["z", REVOKED, REVOKED]
    built = as_built["packages"]["odd-1-0.tar.bz2"]
    assert {key: value for key, value in built.items() if key not in ("md5", "sha256", "size")} == kept
    assert ENGINE.as_built(odd | {"sha256": "false", "size": 0, "fn": "f", "url": "u"}) == kept


def _add(made: tarfile.TarFile, name: str, document: dict) -> None:
    data = json.dumps(document).encode()
    member = tarfile.TarInfo(name)
    member.size = len(data)
    made.addfile(member, io.BytesIO(data))
