"""An author's counts are believed by whoever reads the log, so they are checked where all files are at hand."""

import pytest

from condattest.model.finding import Code
from condattest.operations.patch_counts import miscounts
from condattest.operations.patch_log import log
from tests.operations.test_patch_verify import publish
from tests.patched_channel import CHANGES, TEAMS, fix


def found(world):
    chain = world.chain()
    entries = [
        e for name, digest in chain.map(chain.newest()).items() for e in chain.shard(name, digest).files.values()
    ]
    return [(each.code, dict(each.facts)) for each in miscounts(chain, list(log(chain)), entries, world.inputs())]


def test_what_is_counted_right_is_no_finding(history):
    assert found(history) == []


@pytest.mark.parametrize("name", ["records", "patched", "removed", "changed"])
def test_any_count_that_is_off_is_found(history, name):
    counts = dict(history.chain().newest().said.counts)
    publish(history, counts=counts | {name: counts[name] + 1})
    [(code, facts)] = found(history)
    assert code is Code.PATCH_COUNTS
    assert f"{name} {counts[name]}" in facts["expected"]
    assert f"{name} {counts[name] + 1}" in facts["found"]


def test_packages_that_came_since_are_not_missed(history):
    """Added packages alone make no generation, so the newest counts fewer of them."""
    history.edit("repodata_from_packages.json", lambda index: index["packages.conda"].pop("words-1.0-0.conda"))
    assert found(history) == []


def test_removed_records_are_counted(history):
    history.index(fix(license="MIT") | {"remove": ["words-1.0-0.conda"]})
    assert history.attest().generation.said.counts["removed"] == 1
    assert found(history) == []


def test_a_delta_that_is_gone_is_told(history):
    for path in history.patches(".delta.json.zst"):
        path.unlink()
    assert {code for code, _ in found(history)} == {Code.PATCH_MISSING}


class TestRevokedGenerations:
    @pytest.fixture
    def revoked(self, history):
        """The third generation, which changed numbers, is revoked after the fourth; the fifth takes it back."""
        last = fix(**CHANGES[-1]) | {"remove": ["words-1.0-0.conda"]}
        history.index(last)
        history.attest(TEAMS[0])
        history.void = frozenset({history.payload(3)})
        history.index(last | fix(**CHANGES[1]))
        assert history.attest(TEAMS[0]).generation.said.counts["changed"] == 1
        return history

    def test_what_is_taken_back_counts(self, revoked):
        assert found(revoked) == []
        publish(revoked, counts=dict(revoked.chain().newest().said.counts) | {"changed": 2})
        [(code, facts)] = found(revoked)
        assert (code, "changed 0" in facts["expected"], "changed 2" in facts["found"]) == (
            Code.PATCH_COUNTS,
            True,
            True,
        )

    def test_a_reader_who_knows_of_no_revocation_counts_alike(self, revoked):
        revoked.void = frozenset()
        assert found(revoked) == []

    def test_whose_signer_nobody_believes_any_more(self, revoked):
        revoked.trusted = TEAMS[:2]
        assert found(revoked) == []

    def test_nothing_is_asked_of_it(self, history):
        publish(history, counts=dict(history.chain().newest().said.counts) | {"changed": 7})
        [(code, _)] = found(history)
        assert code is Code.PATCH_COUNTS
        history.void = frozenset({history.payload(3)})
        assert found(history) == []
        history.attest(TEAMS[1])
        assert found(history) == []

    def test_what_was_made_from_the_map_before_does_not_count_it(self, history):
        """The newest is revoked: the next one starts from the map before, where nothing is to be taken back."""
        history.void = frozenset({history.payload(3)})
        history.index(fix(**CHANGES[1]) | {"packages.conda": {"numbers-1.0-0.conda": CHANGES[1]}})
        assert history.attest(TEAMS[0]).generation.said.counts["changed"] == 0
        assert found(history) == []
        history.void = frozenset()
        assert found(history) == []
