"""What every check is."""

import pytest

from condattest.model.audit import CHECKS
from condattest.model.finding import Code, Finding
from condattest.operations.checks.check import counts, found_in
from tests.operations.checks.rows import row, scope


@pytest.mark.parametrize(
    ("code", "name"),
    [(Code.CRYPTO, "rejected"), (Code.SIDECAR_SHAPE, "sidecars"), (Code.AUDIT_SEEN_ONCE, "seen-once")],
)
def test_a_finding_counts_for_one_check(code, name):
    assert [each for each in CHECKS if found_in(row(codes=[code]), each)] == [name]
    assert [each for each in CHECKS if counts(Finding(code), each)] == [name]


def test_a_note_counts_for_none():
    assert not any(counts(Finding(Code.SIDECAR_ELEMENT), each) for each in CHECKS)


def test_only_the_first_part_of_a_whole_audit_of_a_store_lists_folders():
    assert scope(is_store=True).lists_folders
    assert scope(is_store=True, part=(1, 2)).lists_folders
    assert not any(
        scope(**more).lists_folders
        for more in ({}, {"is_store": True, "part": (2, 2)}, {"is_store": True, "mode": "sample"})
    )
