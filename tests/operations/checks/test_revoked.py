"""Packages and signers that the policy revokes."""

from condattest.model.finding import Code
from condattest.operations.checks.revoked import Revoked
from tests.operations.checks.rows import row, scope, shown


def test_they_are_counted_by_their_finding():
    rows = [row(version="1", day=1, codes=[Code.IDENTITY_REVOKED]), row(version="2", day=1, codes=[Code.CRYPTO])]
    assert shown(Revoked(scope(has_policy=True)), *rows) == (1, {})


def test_without_a_policy_it_does_not_run():
    assert not Revoked(scope()).ran().ran
    assert not Revoked(scope(has_policy=True, mode="index-only")).ran().ran
