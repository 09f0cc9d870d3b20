"""A channel that is looked at again and again: little is fetched where nothing changed, and nothing signed unread."""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.model.finding import Code
from condattest.operations import patch_attest, patch_inputs, patch_state
from condattest.operations.patch_attest import Made, Order
from condattest.operations.patch_chain import Chain
from condattest.operations.revisit import Revisit, _is_settled
from condattest.patches import engines
from condattest.transport.directory import Directory
from condattest.transport.fetch import Fetcher
from condattest.transport.origin import HttpOrigin, StoreOrigin
from tests import channels
from tests.patched_channel import CHANNEL, DAY, NAME, START, World, fix, refused

FILES = ("repodata_from_packages.json", "repodata.json", "patch_instructions.json")


@dataclass
class Observer:
    """Observes a channel over HTTP into a store of their own; `asked` is what the last run asked the server for."""

    world: World
    store: Directory
    state: Path | None = None
    engine: str = "conda-index"
    void: frozenset[str] = frozenset()
    asked: tuple[channels.Asked, ...] = ()

    def chain(self):
        authority, origin = self.world.authority(), StoreOrigin(self.store)
        return Chain(origin, CHANNEL, "noarch", "observer", authority, [self.world.trust], self.void)

    def run(self, refresh_after=None):
        seen = []
        with channels.served(self.world.root, seen) as url, Fetcher(attempts=1) as fetcher:
            try:
                return self._run(HttpOrigin(url, fetcher), refresh_after)
            finally:
                self.asked = tuple(seen)

    def _run(self, origin, refresh_after):
        # The server's port is another at each run; the channel is not.
        revisit = Revisit(_Named(origin.url, origin.source), self.store, self.chain(), self.state, self.engine,
                          self.world.now)  # fmt: skip
        newest = revisit.unchanged(refresh_after)
        if newest is not None:
            return Made(newest, new=False)
        order = Order(
            store=self.store, chain=self.chain(), packages=origin, inputs=patch_inputs.read(revisit, "noarch"),
            engine=engines.engine(self.engine), engine_version="1", state=self.state, trust_as_built=True,
            refresh_after=refresh_after,
        )  # fmt: skip
        made = patch_attest.attest(order, self.world.sign, now=self.world.now)
        revisit.note(made.generation)
        return made

    @property
    def sent(self):
        return sum(each.sent for each in self.asked if each.status == 200)

    @property
    def statuses(self):
        return [each.status for each in self.asked]


class _Named(HttpOrigin):
    name = "https://conda.example/patched"


def settle(world, at=START):
    """Let the files of an index be of a day before."""
    for base in FILES:
        path = world.root / "noarch" / base
        if path.exists():
            os.utime(path, ((at - DAY).timestamp(),) * 2)


@pytest.fixture(params=["in the store", "in a state file"])
def observer(request, world, tmp_path):
    world.index(fix(depends=["python >=3"]))
    settle(world)
    (tmp_path / "witness").mkdir()
    state = None if request.param == "in the store" else tmp_path / "state.json"
    return Observer(world, Directory(tmp_path / "witness"), state)


def test_where_nothing_changed_three_answers_without_a_body_are_all(observer):
    assert observer.run().new
    assert observer.statuses == [200, 200, 200]
    again = observer.run()
    assert (again.new, again.generation.said.generation) == (False, 1)
    assert (observer.statuses, observer.sent) == ([304, 304, 304], 0)


def test_after_a_revoked_generation_all_is_read_whole_though_nothing_changed(observer):
    revoked = observer.run().generation.payload
    observer.void = frozenset({revoked})
    made = observer.run()
    assert (made.new, made.generation.said.generation, made.generation.said.previous) == (True, 2, revoked)
    assert observer.statuses == [200, 200, 200]
    assert not observer.run().new
    assert observer.statuses == [304, 304, 304]


def test_what_changed_is_read_whole_and_signed(observer, world):
    observer.run()
    world.index(fix(depends=["python >=3.9"]))
    settle(world, START + DAY / 2)
    made = observer.run()
    assert (made.new, made.generation.said.generation) == (True, 2)
    read = patch_inputs.read(StoreOrigin(Directory(world.root)), "noarch").digests
    assert set(made.generation.said.inputs) == set(read)
    assert observer.statuses.count(200) >= 3
    observer.run()
    assert observer.sent == 0


def test_one_changed_file_is_enough(observer, world):
    """A server that changes only the instructions, or only the index, is not believed to have changed nothing."""
    observer.run()
    world.edit("repodata.json", lambda document: document["packages.conda"][NAME].update(depends=["evil"]))
    os.utime(world.root / "noarch" / "repodata.json", (START.timestamp() - 60,) * 2)
    refused(observer.run, Code.PATCH_REPLAY)
    refused(observer.run, Code.PATCH_REPLAY)  # What was refused is not noted as seen.


def test_added_packages_make_no_generation_and_are_not_fetched_twice(observer, world):
    observer.run()
    for base in FILES[:2]:
        world.edit(base, lambda document: document["packages.conda"].pop("words-1.0-0.conda"))
    settle(world, START + DAY / 2)
    assert not observer.run().new
    assert observer.sent > 0
    assert not observer.run().new
    assert observer.sent == 0


def test_instructions_that_come_are_seen(observer, world):
    (world.root / "noarch" / FILES[2]).unlink()
    world.index({})
    (world.root / "noarch" / FILES[2]).unlink()
    settle(world)
    assert observer.run().new
    assert 404 in observer.statuses
    observer.run()
    assert sorted(observer.statuses) == [304, 304, 404]
    world.index(fix(depends=["python >=3"]))
    settle(world, START + DAY / 2)
    assert observer.run().new


def test_a_heartbeat_is_signed_over_what_was_read(observer, world):
    observer.run()
    world.now = START + 8 * DAY
    made = observer.run(refresh_after=7 * DAY)
    assert (made.new, made.changed) == (True, {})
    assert observer.statuses == [200, 200, 200]


def test_a_file_that_may_change_within_its_second_is_read_again(observer, world):
    """A change in the second of the first read would have the same `Last-Modified`."""
    settle(world, START + DAY - timedelta(seconds=30))
    observer.run()
    observer.run()
    assert observer.statuses == [200, 200, 200]


def test_a_note_counts_for_one_engine(observer):
    observer.run()
    observer.engine = "rattler-index"
    observer.run()
    assert observer.sent > 0


def test_a_note_counts_for_the_generation_that_it_names(observer):
    """A note that was left behind when the chain was put back says nothing of it."""
    observer.run()
    note = noted(observer)
    write(observer, note | {"payload": "0" * 64})
    observer.run()
    assert observer.sent > 0
    assert noted(observer) == note


@pytest.mark.parametrize("observer", ["in the store"], indirect=True)
@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"origin": 1}', "[" * 9999, "\x00"])
def test_what_is_no_note_costs_a_fetch_and_no_more(observer, text):
    observer.run()
    (Path(observer.store.name) / "noarch" / "patches" / "seen.json").write_text(text)
    assert not observer.run().new
    assert observer.statuses == [200, 200, 200]


@pytest.mark.parametrize("observer", ["in a state file"], indirect=True)
def test_an_older_chain_is_refused_though_the_channel_did_not_change(observer):
    observer.run()
    document = json.loads(observer.state.read_text())
    document[f"{CHANNEL}/noarch observer"] = {"generation": 2, "payload": "0" * 64}
    observer.state.write_text(json.dumps(document))
    refused(observer.run, Code.ROLLBACK)
    assert observer.sent == 0


def noted(observer):
    if observer.state is not None:
        return patch_state.noted(observer.state, observer.chain())
    return json.loads((Path(observer.store.name) / "noarch" / "patches" / "seen.json").read_text())


def write(observer, note):
    if observer.state is not None:
        patch_state.note(observer.state, observer.chain(), note)
    else:
        (Path(observer.store.name) / "noarch" / "patches" / "seen.json").write_text(json.dumps(note))


@given(st.text() | st.none())
def test_any_text_may_stand_for_a_time(text):
    assert _is_settled(text, START) in (True, False)


@pytest.mark.parametrize(("age", "settled"), [(59, False), (60, True), (86400, True), (-5, False)])
def test_a_time_of_a_minute_ago_is_settled(age, settled):
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert _is_settled(format_datetime(now - timedelta(seconds=age), usegmt=True), now) is settled
