"""Packages that are unattested."""

from condattest.operations.checks.unattested import Unattested
from tests.operations.checks.rows import row, scope, shown


def test_they_are_counted_by_their_status():
    rows = [row(version="1", status="unattested"), row(version="2", day=1), row(version="3", status="unattested")]
    assert shown(Unattested(scope()), *rows) == (2, {})


def test_what_it_is_limited_to_is_said():
    assert Unattested(scope()).ran().reason == ""
    assert "sample" in Unattested(scope(mode="sample")).ran().reason
