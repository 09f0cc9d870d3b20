"""The history: newest first, and whatever is wrong with a step is said of that step."""

import json
import shutil
from dataclasses import replace

import pytest

from condattest.formats import patch_statement, sidecar, statement
from condattest.model.artifact import Sha256
from condattest.model.finding import Code
from condattest.operations import patch_log
from condattest.sandbox import github
from tests.patched_channel import DAY, START, TEAMS, refused


def told(world):
    return {step.number: [finding.code for finding in step.findings] for step in patch_log.log(world.chain())}


@pytest.fixture
def sigs(history):
    return lambda number: history.root / "noarch" / "patches" / f"{number}.sigs"


@pytest.fixture
def sign(history, sigs):
    """Put another generation in the place of one: the same, but for what is given."""

    def call(number, at=None, **said):
        statement_ = replace(history.chain().generation(number).said, **said)
        payload = statement.dump(patch_statement.statement(statement_))
        at = at or START + (number - 1) * DAY
        bundle = history.box.sign_statement(payload, github(TEAMS[number - 1]), at=at)
        sigs(number).write_bytes(sidecar.dump([bundle]))

    return call


def test_it_has_every_generation_newest_first(history):
    steps = list(patch_log.log(history.chain()))
    assert [(step.number, step.findings) for step in steps] == [(3, ()), (2, ()), (1, ())]
    assert [step.generation.said.counts["changed"] for step in steps] == [1, 1, 1]


@pytest.mark.parametrize(("limit", "numbers"), [(1, [3]), (2, [3, 2]), (9, [3, 2, 1])])
def test_a_limit_counts_from_the_newest(history, limit, numbers):
    assert [step.number for step in patch_log.log(history.chain(), limit=limit)] == numbers


def test_a_channel_without_generations_says_so(world):
    refused(lambda: list(patch_log.log(world.chain())), Code.PATCH_NONE)
    refused(lambda: patch_log.newest_of(world.chain()), Code.PATCH_NONE)


def test_a_generation_that_was_taken_away(history, sigs):
    sigs(2).unlink()
    assert told(history) == {3: [], 2: [Code.PATCH_MISSING], 1: []}


def test_a_stranger_s_generation_in_the_middle(history, sigs):
    payload = history.chain().generation(2).evidence[0].payload
    sigs(2).write_bytes(sidecar.dump([history.sign(payload, "evil/patches")]))
    [step] = [step for step in patch_log.log(history.chain()) if step.number == 2]
    assert (step.generation, [each.code for each in step.findings]) == (None, [Code.IDENTITY_MISMATCH])


def test_a_generation_that_was_signed_anew(history, sign):
    """An author who rewrites history: the log of the newest remembers."""
    sign(2, engine_version="0.14")
    assert told(history) == {3: [], 2: [Code.ROLLBACK], 1: []}


def test_a_generation_of_another_past(history, sign):
    sign(2, previous=Sha256("0" * 64))
    assert told(history) == {3: [], 2: [Code.ROLLBACK, Code.ROLLBACK], 1: []}


def test_a_generation_that_was_signed_after_the_next_one(history, sign):
    """Somebody who makes up, today, what was there before."""
    sign(1, at=START + 5 * DAY)
    assert told(history) == {3: [], 2: [], 1: [Code.PATCH_BACKWARDS]}


def test_a_head_that_goes_back_is_a_shorter_history(history):
    """Without memory nobody can tell; that is what a state or a policy's max-age is for."""
    history.point(2)
    assert told(history) == {2: [], 1: []}


def test_a_log_that_is_gone_ends_it(history):
    for path in history.patches(".log"):
        path.unlink()
    refused(lambda: told(history), Code.PATCH_MISSING)


def test_the_newest_in_the_place_of_an_older(history, sigs):
    shutil.copy(sigs(3), sigs(1))
    assert told(history) == {3: [], 2: [], 1: [Code.ROLLBACK]}


def test_the_head_is_a_hint_of_one_number(history):
    assert json.loads((history.root / "noarch" / "patches" / "head.json").read_bytes()) == {"generation": 3}
