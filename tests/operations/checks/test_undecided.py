"""Packages that are undecided."""

from condattest.operations.checks.undecided import Undecided
from tests.operations.checks.rows import row, scope, shown


def test_they_are_counted_by_their_status():
    rows = [row(version="1", status="undecided"), row(version="2", day=1), row(version="3", status="undecided")]
    assert shown(Undecided(scope()), *rows) == (2, {})


def test_what_it_is_limited_to_is_said():
    assert Undecided(scope()).ran().reason == ""
    assert "sample" in Undecided(scope(mode="sample")).ran().reason


def test_where_nothing_was_asked_for_it_does_not_run():
    assert not Undecided(scope(mode="index-only")).ran().ran
