"""Records whose patches are not in order."""

from condattest.model.finding import Code
from condattest.operations.checks.patches import Patches
from tests.operations.checks.rows import row, scope, shown


def test_they_are_counted_by_their_findings_and_notes_are_none():
    rows = [
        row(version="1", day=1, codes=[Code.PATCH_UNATTRIBUTED]),
        row(version="2", day=1, codes=[Code.FRESH_STALE]),
        row(version="3", day=1, codes=[Code.PATCH_LAG]),
    ]
    assert shown(Patches(scope()), *rows) == (2, {})


def test_why_it_did_not_run_is_said():
    ran = Patches(scope(patches="the policy has no [[patch]] for this channel")).ran()
    assert (ran.ran, ran.reason) == (False, "the policy has no [[patch]] for this channel")
