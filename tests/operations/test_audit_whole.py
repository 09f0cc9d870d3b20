"""What belongs to no package of a subdir."""

from datetime import timedelta

import pytest

from condattest.model.finding import Code
from condattest.operations.audit_whole import look
from condattest.operations.checks.check import Scope
from tests.operations.audits import order
from tests.patched_channel import CHANNEL


def looked(world, *, files=True, **more):
    found = []
    terms = {"channel": CHANNEL, "trust": world.trust}
    scope = Scope(**({"mode": "full", "is_store": files, "late_after": timedelta(), "now": world.now} | more))
    look(order(world.root, files=files, terms=terms), scope, "noarch", None, found.append)
    return found[0]


def test_generations_are_told_and_what_they_do_not_explain(history):
    whole = looked(history)
    assert [step.generation for step in whole.patches] == [3, 2, 1]
    assert (whole.stored, whole.findings, whole.unexplained) == ((), (), 0)


def test_orphans_are_told_of_a_store_alone(history):
    (history.root / "noarch" / "gone-1-0.conda.sigs").write_text("[]")
    assert Code.SIDECAR_SHAPE in {finding.code for finding in looked(history).stored}
    assert looked(history, files=False).stored == ()


@pytest.mark.parametrize("more", [{"part": (2, 2)}])
def test_another_part_than_the_first_looks_at_nothing_of_it(history, more):
    whole = looked(history, **more)
    assert (whole.stored, whole.patches, whole.unexplained) == ((), (), None)


def test_a_sample_does_not_count_what_is_unexplained(history):
    assert looked(history, mode="sample").unexplained is None
