"""Packages that are rejected."""

from condattest.operations.checks.rejected import Rejected
from tests.operations.checks.rows import row, scope, shown


def test_they_are_counted_by_their_status():
    rows = [row(version="1", status="rejected"), row(version="2", day=1), row(version="3", status="rejected")]
    assert shown(Rejected(scope()), *rows) == (2, {})


def test_what_it_is_limited_to_is_said():
    assert Rejected(scope()).ran().reason == ""
    assert "sample" in Rejected(scope(mode="sample")).ran().reason
