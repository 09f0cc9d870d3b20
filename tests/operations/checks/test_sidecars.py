"""Sidecars and index fields that do not go together."""

from condattest.model.finding import Code, Finding
from condattest.operations.checks.sidecars import Sidecars
from tests.operations.checks.rows import row, scope, shown


def test_packages_are_counted_and_notes_are_none():
    rows = [
        row(version="1", day=1, codes=[Code.SIDECAR_DIGEST]),
        row(version="2", day=1, codes=[Code.SIDECAR_ELEMENT]),
        row(version="3", codes=[Code.SIDECAR_FIELD]),
    ]
    assert shown(Sidecars(scope()), *rows) == (2, {})


def test_what_a_row_says_already_is_not_counted_twice():
    check = Sidecars(scope(is_store=True))
    broken = row(day=1, codes=[Code.SIDECAR_DIGEST])
    shown(check, broken)
    mutable = Finding(Code.SIDECAR_MUTABLE, "store/x")
    news = check.news((*broken.findings(), Finding(Code.SIDECAR_FIELD, "index"), mutable))
    assert news == (mutable,)
    assert check.found() == 2


def test_what_it_is_limited_to_is_said():
    reasons = {
        Sidecars(scope(**more)).ran().reason
        for more in (
            {},
            {"mode": "index-only"},
            {"is_store": True, "part": (2, 2)},
            {"is_store": True, "mode": "since"},
        )
    }
    assert len(reasons) == 4
    assert all(reasons)
    assert Sidecars(scope(is_store=True)).ran().reason == ""
