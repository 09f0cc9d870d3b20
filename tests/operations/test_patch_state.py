"""What an author remembers outside the channel shows a channel that was put back."""

import json
import shutil

import pytest

from condattest.errors import LocalFailure, Misuse
from condattest.model.finding import Code
from condattest.operations import patch_state
from tests.operations.test_publish import files
from tests.patched_channel import CHANGES, CHANNEL, fix, refused

KEY = f"{CHANNEL}/noarch author"


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state.json"


@pytest.fixture
def known(history, state):
    """The state of an author who made generation 4."""
    history.index(fix(**CHANGES[-1], features="x"))
    made = history.attest(state=state)
    assert json.loads(state.read_bytes())[KEY] == {"generation": 4, "payload": made.generation.payload}
    return state


def test_a_run_that_changes_nothing_remembers_too(history, state):
    history.attest(state=state)
    assert json.loads(state.read_bytes())[KEY]["generation"] == 3


def test_it_goes_on_from_what_is_known(history, known):
    history.index(fix(depends=[]))
    assert history.attest(state=known).generation.said.generation == 5
    assert json.loads(known.read_bytes())[KEY]["generation"] == 5


def test_other_subdirs_stay(history, known):
    before = json.loads(known.read_bytes())
    history.index()
    history.attest(subdir="linux-64", state=known)
    after = json.loads(known.read_bytes())
    assert after.keys() == {KEY, f"{CHANNEL}/linux-64 author"}
    assert after[KEY] == before[KEY]


def test_a_channel_that_went_back_is_refused(history, known):
    """A backup that was restored, or a host that serves an old state to its own author."""
    (history.root / "noarch" / "patches" / "4.sigs").unlink()
    history.point(3)
    before = files(history.root)
    refused(lambda: history.attest(state=known), Code.ROLLBACK)
    assert files(history.root) == before


def test_a_channel_that_lost_everything_is_refused(history, known):
    shutil.rmtree(history.root / "noarch" / "patches")
    refused(lambda: history.attest(state=known), Code.ROLLBACK)


def test_another_history_is_refused(history, known):
    """A fork of as many generations, by a signer who is allowed to."""
    shutil.rmtree(history.root / "noarch" / "patches")
    for features in "abcde":
        history.index(fix(features=features))
        history.attest()
    refused(lambda: history.attest(state=known), Code.ROLLBACK)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", "1", json.dumps({KEY: 1}), json.dumps({KEY: {}}), json.dumps({KEY: {"generation": 1}}),
     json.dumps({KEY: {"generation": "1", "payload": "0" * 64}}), "[" * 9999,
     json.dumps({KEY: {"generation": 0, "payload": "0" * 64}}), json.dumps({KEY: {"generation": 1, "payload": "x"}})],
)  # fmt: skip
def test_what_is_no_state_is_not_written_over(history, state, text):
    state.write_text(text)
    with pytest.raises(LocalFailure):
        history.attest(state=state)
    assert state.read_text() == text


def test_a_folder_that_is_not_there_is_told_before_anything_is_signed(world, tmp_path):
    world.index(fix(depends=[]))
    with pytest.raises(Misuse, match="no such folder"):
        world.attest(state=tmp_path / "nowhere" / "state.json")
    assert world.patches("") == []


def test_what_an_observer_noted_stands_beside_the_generation(history, known):
    chain = history.chain()
    assert patch_state.noted(known, chain) is None
    before = json.loads(known.read_text())
    patch_state.note(known, chain, {"seen": 1})
    assert patch_state.noted(known, chain) == {"seen": 1}
    history.index(fix(license="GPL"))
    history.attest(state=known)
    assert patch_state.noted(known, chain) == {"seen": 1}
    assert json.loads(known.read_text()).keys() > before.keys()
