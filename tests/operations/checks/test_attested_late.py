"""Packages that were attested long after they were indexed."""

from datetime import timedelta

from condattest.model.finding import Code
from condattest.operations.checks.attested_late import AttestedLate
from tests.operations.checks.rows import START, row, scope, shown


def test_more_than_the_threshold_is_late():
    on_time = row(version="1", day=7, indexed=START)
    late = row(version="2", day=8, indexed=START)
    before = row(version="3", day=1, indexed=START + timedelta(days=5))
    found, said = shown(AttestedLate(scope()), on_time, late, before)
    assert (found, said) == (1, {late.place: [Code.AUDIT_LATE]})
    assert shown(AttestedLate(scope(late_after=timedelta(days=30))), late)[0] == 0


def test_without_an_indexed_timestamp_it_did_not_run():
    check = AttestedLate(scope())
    shown(check, row(day=300))
    assert not check.ran().ran
    assert "indexed_timestamp" in check.ran().reason
