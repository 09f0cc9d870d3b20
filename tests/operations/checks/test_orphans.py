"""Sidecars of packages that no index lists."""

import pytest

from condattest.model.finding import Code, Finding
from condattest.operations.checks.orphans import Orphans
from tests.operations.checks.rows import row, scope, shown


def test_they_are_counted_among_what_a_look_at_the_store_found():
    check = Orphans(scope(is_store=True))
    check.news((Finding(Code.INDEX_ORPHAN, "x"), Finding(Code.INDEX_FIELD, "y")))
    assert shown(check, row()) == (1, {})
    assert check.ran().ran


@pytest.mark.parametrize(
    "more", [{}, {"is_store": True, "mode": "index-only"}, {"is_store": True, "mode": "sample"},
             {"is_store": True, "part": (2, 3)}]
)  # fmt: skip
def test_where_no_folder_is_listed_it_does_not_run(more):
    assert not Orphans(scope(**more)).ran().ran
    assert Orphans(scope(**more)).ran().reason
