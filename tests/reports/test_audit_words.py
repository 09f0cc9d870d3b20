import pytest

from condattest.model.audit import CheckRun
from condattest.reports import audit_words as words
from tests import audits


@pytest.mark.parametrize(
    ("count", "whole", "said"),
    [
        (0, 3, "0 %"),
        (3, 3, "100 %"),
        (1, 3, "33.3 %"),
        (1, 1_000_000, "<0.1 %"),
        (999_999, 1_000_000, ">99.9 %"),
        (0, 0, "-"),
    ],
)
def test_a_share_says_all_or_nothing_only_where_it_is_so(count, whole, said):
    assert words.share(count, whole) == said


def test_a_complete_audit_with_a_policy_and_all_checks_needs_no_caveat():
    assert words.caveats(audits.audit(20, checks=())) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"complete": False}, "interrupted"),
        ({"mode": "index-only"}, "Only the index was read"),
        ({"mode": "sample", "limit": "50"}, "sample of 50 packages"),
        ({"mode": "since", "limit": "2026-01-01"}, "since 2026-01-01"),
        ({"part": (2, 4)}, "part 2 of 4"),
        ({"policy": None}, "No policy"),
        ({"checks": (CheckRun("orphans", False, 0, "x"),)}, "1 check did not run: orphans."),
    ],
)
def test_what_limits_the_figures_is_told(changes, said):
    [told] = words.caveats(audits.audit(20, **{"checks": (), **changes}))
    assert said in told


def test_without_a_policy_nothing_is_called_accepted():
    assert "accepted" not in words.summary(audits.audit(20, policy=None))
    assert "14 authenticated" in words.summary(audits.audit(20, policy=None))


def test_a_check_that_did_not_run_has_no_count():
    assert words.check_result(CheckRun("orphans", False, 0)) == "did not run"
    assert words.check_result(CheckRun("orphans", True, 0)) == "0 findings"


def test_the_policy_is_named_with_its_digest():
    assert words.policy(audits.audit(0)) == "policy.toml (sha256 abababababab)"
    assert words.policy(audits.audit(0, policy=None)) == "none"
