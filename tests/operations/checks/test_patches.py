"""Records whose patches are not in order."""

from condattest.model.finding import Code, Finding
from condattest.operations.checks.patches import Patches
from tests.operations.checks.rows import row, scope, shown, unsound


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


def test_generations_that_are_not_sound_are_counted_and_those_that_a_policy_revokes_are_not():
    def step(number, *codes):
        found = tuple(Finding(code, "x") for code in codes)
        return unsound(number, *found)

    check = Patches(scope())
    check.generations(
        [step(3), step(2, Code.IDENTITY_REVOKED), step(1, Code.ROLLBACK, Code.CRYPTO), step(0, Code.PATCH_LAG)],
        [Finding(Code.SIDECAR_SHAPE, "3.sigs"), Finding(Code.NET_UNAVAILABLE, "4.sigs")],
    )
    assert check.found() == 2
