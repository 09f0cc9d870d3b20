"""Who changed a record: of each key both values, the generation, its time and its signer."""

from datetime import timedelta

import pytest

from condattest.model.finding import Code
from condattest.operations import patch_blame
from condattest.transport.origin import StoreOrigin
from tests import channels
from tests.patched_channel import CHANGES, DAY, FILE, NAME, START, TEAMS, fix, refused
from tests.publishers import digest_of
from tests.rehearsal import a_package

LAST = CHANGES[-1]


def json_of(value):
    return "(absent)" if value is None else value.json


def test_each_key_has_its_generation_its_time_and_its_signer(history):
    lines = {line.key: line for line in history.blame().lines}
    numbers = {key: line.last.generation.said.generation for key, line in lines.items()}
    assert numbers == {"depends": 3, "license": 2, "constrains": 3}
    for line in lines.values():
        generation = line.last.generation
        number = generation.said.generation
        claims = generation.evidence[0].signer.claims
        assert claims.source_repository_uri == f"https://github.com/{TEAMS[number - 1]}"
        assert abs(generation.time.at - (START + DAY * (number - 1))) < timedelta(minutes=5)


def test_a_key_has_its_whole_history(history):
    lines = {line.key: line for line in history.blame().lines}
    built = history.record("as_built")
    depends = lines["depends"]
    assert [touch.generation.said.generation for touch in depends.touches] == [1, 3]
    assert [touch.old.json for touch in depends.touches] == [["python"], ["python >=3"]]
    assert (depends.as_built.json, depends.served.json) == (built["depends"], ["python >=3.9"])
    assert json_of(lines["constrains"].as_built) == built.get("constrains", "(absent)")


def test_the_record_is_that_of_the_newest_generation(history):
    blamed = history.blame()
    assert (blamed.file, blamed.newest.said.generation) == (FILE, 3)
    assert blamed.sha256 == digest_of(history.root / "noarch" / NAME)
    assert [generation.said.generation for generation in blamed.generations] == [1, 2, 3]


@pytest.mark.parametrize(
    ("hours", "newest", "served"),
    [
        (6, 1, {"depends": ["python >=3"]}),
        (30, 2, {"depends": ["python >=3"], "license": "MIT"}),
        (999, 3, {"depends": ["python >=3.9"], "license": "MIT", "constrains": ["letters"]}),
    ],
)
def test_at_a_time_it_is_as_of_that_time(history, hours, newest, served):
    blamed = history.blame(at=START + timedelta(hours=hours))
    assert blamed.newest.said.generation == newest
    assert {line.key: line.served.json for line in blamed.lines} == served


def test_before_the_first_generation_nothing_is_known(history):
    refused(lambda: history.blame(at=START - DAY), Code.PATCH_NONE)


def test_at_a_time_before_its_first_patch_it_is_as_built(history):
    history.index(fix(**LAST) | {"remove": ["words-1.0-0.conda"]})
    history.attest()
    blamed = history.blame("words-1.0-0.conda", at=START + DAY)
    assert (blamed.generations, blamed.lines) == ((), ())
    assert blamed.served is not None
    assert history.blame("words-1.0-0.conda").served is None


def test_a_record_that_was_never_patched_has_no_blame(history):
    assert history.blame("words-1.0-0.conda") is None
    assert history.blame("numbers-9.0-0.conda") is None


def test_a_key_that_is_as_built_again_is_not_blamed(history):
    """But for 1 and true, which Python alone takes for the same."""
    history.index(fix(depends=["python"], license="MIT"))
    history.attest()
    assert [line.key for line in history.blame().lines] == ["license"]
    history.index(fix(build_number=False))
    history.attest()
    [line] = history.blame().lines
    assert (line.key, line.as_built.json, line.served.json) == ("build_number", 0, False)


def test_the_channel_without_generations_says_so(world):
    refused(world.blame, Code.PATCH_NONE)


def test_no_index_is_read(history):
    for path in history.root.glob("noarch/*.json*"):
        path.unlink()
    assert len(history.blame().lines) == 3


def test_generations_that_have_nothing_to_do_with_it_are_not_needed(history):
    """Blame must stay cheap, and possible, when an old generation that changed other records is lost."""
    history.index(fix(**LAST) | {"remove": ["words-1.0-0.conda"]})
    history.attest()
    (history.root / "noarch" / "patches" / "4.sigs").rename(history.root / "saved")
    refused(history.blame, Code.PATCH_MISSING)
    (history.root / "saved").rename(history.root / "noarch" / "patches" / "4.sigs")
    for number in (1, 2, 3):
        (history.root / "noarch" / "patches" / f"{number}.sigs").unlink()
    assert history.blame("words-1.0-0.conda").generations[0].said.generation == 4
    refused(history.blame, Code.PATCH_MISSING)


def test_the_same_file_in_two_sections_is_ambiguous(history):
    """Two clients would take two records."""
    record = history.record("as_built")
    for base, license_ in (("repodata_from_packages.json", record.get("license")), ("repodata.json", "GPL")):
        one = record | {"license": license_}
        history.edit(base, lambda document, one=one: document.update(v3={"conda": {"numbers-1.0-0": one}}))
    refused(history.attest, Code.PATCH_REPLAY)


def test_a_replaced_archive_is_blamed_for_its_own_changes_alone(history, tmp_path):
    other = a_package(tmp_path / "new", "numbers", payload=b"other", depends=["python"])
    channels.put(history.root, "noarch", other)
    history.index(fix(license="GPL"))
    history.attest(replaced=frozenset({FILE}))
    blamed = history.blame()
    assert (blamed.sha256, [line.key for line in blamed.lines]) == (digest_of(other), ["license"])
    assert [generation.said.generation for generation in blamed.generations] == [4]


def test_the_chain_is_asked_and_nothing_else(history):
    chain = history.chain()
    assert isinstance(chain.origin, StoreOrigin)
    assert patch_blame.blame(chain, FILE) == history.blame()
