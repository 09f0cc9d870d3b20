"""Unattested packages after an attested version."""

from condattest.model.finding import Code
from condattest.operations.checks.downgrade import Downgrade
from tests.operations.checks.rows import row, scope, shown

DOWNGRADE = [Code.AUDIT_DOWNGRADE]


def test_a_higher_version_without_an_attestation_is_found():
    """Whoever cannot sign, and can write to the channel, publishes a version that solvers prefer."""
    rows = [row(version="1.9"), row(version="1.10", day=1), row(version="1.11"), row(version="2.0", subdir="win-64")]
    found, said = shown(Downgrade(scope()), *rows)
    assert found == 2
    assert said == {"noarch/x-1.11-0.conda": DOWNGRADE, "win-64/x-2.0-0.conda": DOWNGRADE}


def test_the_lowest_attested_version_is_said():
    check = Downgrade(scope())
    rows = [row(version="3", day=1), row(version="2", day=5), row(version="4")]
    shown(check, *rows)
    [finding] = check.findings(rows[-1])
    assert finding.facts["attested"] == "noarch/x-2-0.conda"


def test_names_that_were_never_attested_and_equal_versions_are_none():
    rows = [row(version="1.0"), row(version="2.0"), row(name="y", version="1.0", day=1), row(name="y", version="1.0.0")]
    assert shown(Downgrade(scope()), *rows) == (0, {})


def test_the_order_of_rows_does_not_matter():
    rows = [row(version="2"), row(version="3"), row(version="1", day=1)]
    assert shown(Downgrade(scope()), *rows) == shown(Downgrade(scope()), *reversed(rows))


def test_without_sidecars_what_is_advertised_counts():
    advertised = row(version="1", day=1, status="undecided")
    advertised.signed = []
    assert shown(Downgrade(scope(mode="index-only")), advertised, row(version="2"))[0] == 1
    assert shown(Downgrade(scope()), advertised, row(version="2"))[0] == 0
