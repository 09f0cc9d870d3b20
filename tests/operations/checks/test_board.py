"""All checks together."""

import pytest

from condattest.model.audit import CHECKS
from condattest.model.finding import Code, Finding
from condattest.operations.checks.board import Board
from tests.operations.checks.rows import row, scope


def test_every_check_that_the_model_names_is_there_in_its_order():
    assert [run.name for run in Board(scope()).runs()] == list(CHECKS)


def test_a_row_is_shown_to_each_and_what_they_say_is_joined():
    board = Board(scope(is_store=True))
    rows = [row(version="1", day=1), row(version="2", day=2, who="two"), row(version="3")]
    for each in rows:
        board.observe(each)
    assert [finding.code for finding in board.findings(rows[1])] == [Code.AUDIT_SIGNER_CHANGED, Code.AUDIT_SEEN_ONCE]
    assert [finding.code for finding in board.findings(rows[2])] == [Code.AUDIT_DOWNGRADE]
    found = {run.name: run.found for run in board.runs() if run.ran and run.found}
    assert found == {"unattested": 1, "signer-changed": 1, "downgrade": 1, "seen-once": 2}


def test_a_check_that_did_not_run_found_nothing():
    assert all(run.found == 0 and run.reason for run in Board(scope()).runs() if not run.ran)


def test_news_of_a_store_are_counted_once_for_each_check():
    board = Board(scope(is_store=True))
    orphan, mutable = Finding(Code.INDEX_ORPHAN, "x"), Finding(Code.SIDECAR_MUTABLE, "y")
    assert board.news((orphan, mutable)) == (orphan, mutable)
    found = {run.name: run.found for run in board.runs() if run.found}
    assert found == {"sidecars": 1, "orphans": 1}


@pytest.mark.parametrize("mode", ["full", "index-only"])
def test_a_row_is_counted_by_its_status_and_by_its_findings(mode):
    board = Board(scope(mode=mode, is_store=True))
    for status, codes in (
        ("unattested", [Code.AUDIT_UNATTESTED]),
        ("unattested", [Code.AUDIT_UNATTESTED, Code.SIDECAR_FIELD]),
        ("unattested", [Code.SIDECAR_FIELD]),
        ("rejected", [Code.SIDECAR_FIELD]),
        ("undecided", []),
    ):
        board.observe(row(status=status, codes=codes))
    found = {run.name: run.found for run in board.runs() if run.found}
    undecided = {"undecided": 1} if mode == "full" else {}
    assert found == {"unattested": 3, "rejected": 1, "sidecars": 3} | undecided
