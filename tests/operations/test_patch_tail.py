"""The end of a chain that is written to: found whatever `head.json` says, and never a generation of another history."""

import shutil

from condattest.model.finding import Code
from condattest.operations import patch_tail
from tests.patched_channel import CHANGES, NAME, fix, refused


def newest(world, **how):
    return patch_tail.newest(world.chain(**how))


def test_it_is_what_the_head_names_or_what_follows_it(history):
    for head in (3, 2, 1):
        history.point(head)
        assert newest(history).said.generation == 3
        assert history.chain().newest().said.generation == head
    (history.root / "noarch" / "patches" / "head.json").unlink()
    assert newest(history).said.generation == 3


def test_without_any_there_is_none(world):
    assert newest(world) is None


def test_what_does_not_follow_is_a_rollback(history):
    sigs = history.root / "noarch" / "patches" / "3.sigs"
    history.point(2)
    twin = history.root.with_name("twin")
    shutil.copytree(history.root, twin)
    for path in (twin / "noarch" / "patches").glob("[23].sigs"):
        path.unlink()
    world = type(history)(twin, now=history.now)
    world.point(1)
    for features in ("x", "y"):
        world.index(fix(**CHANGES[-1], features=features))
        world.attest()
    shutil.copy(twin / "noarch" / "patches" / "3.sigs", sigs)
    refused(lambda: newest(history), Code.ROLLBACK)


def test_one_that_lacks_a_signer_is_no_end_unless_one_is_enough(history):
    refused(lambda: newest(history, threshold=2), Code.MISSING_THRESHOLD)
    chain = history.chain(threshold=2).with_one_signer()
    assert patch_tail.newest(chain).said.generation == 3


def test_the_next_one_builds_on_its_map_its_log_and_its_values(history):
    chain = history.chain()
    end = chain.newest()
    before = patch_tail.before(chain, end, chain.log(end))
    assert (before.generation, before.payload, len(before.payloads)) == (3, end.payload, 2)
    assert before.shards == chain.map(end)
    place = ("packages.conda", NAME)
    entry = before.shard("numbers", before.shards["numbers"]).files[place]
    inputs = history.inputs()
    value = before.value(place, entry, inputs.as_built["packages.conda"][NAME])
    assert value == inputs.served["packages.conda"][NAME]
