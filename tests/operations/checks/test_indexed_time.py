"""Times of an index that cannot be true."""

from datetime import timedelta

import pytest

from condattest.model.finding import Code
from condattest.operations.checks.indexed_time import IndexedTime
from tests.operations.checks.rows import NOW, START, row, scope, shown


def test_the_future_is_found_and_the_past_is_not():
    future = row(version="2", indexed=NOW + timedelta(hours=1))
    rows = [row(version="1", indexed=START), future, row(version="3", indexed=NOW + timedelta(minutes=5))]
    assert shown(IndexedTime(scope()), *rows) == (1, {future.place: [Code.AUDIT_INDEXED_TIME]})


@pytest.mark.parametrize("value", [-1, 10**18, 2**70])
def test_what_is_no_date_is_found(value):
    odd = row()
    odd.indexed = value
    assert shown(IndexedTime(scope()), odd)[0] == 1


def test_without_any_such_time_it_did_not_run():
    check = IndexedTime(scope())
    shown(check, row())
    assert not check.ran().ran
