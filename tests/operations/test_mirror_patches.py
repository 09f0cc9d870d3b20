"""A mirror has the whole history of patches, and whoever reads it there finds what the author signed."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from condattest.errors import Malformed, NotFound
from condattest.formats import sidecar
from condattest.model.finding import Code
from condattest.operations import patch_log
from condattest.operations.mirror_patches import copy_patches
from condattest.transport.directory import Directory
from condattest.transport.origin import StoreOrigin
from tests.patched_channel import TEAMS, World, fix


@pytest.fixture
def copied(history, tmp_path):
    (tmp_path / "mirror").mkdir()
    store = Directory(tmp_path / "mirror")
    assert copy_patches(StoreOrigin(Directory(history.root)), store, "noarch") > 0
    return history, store, tmp_path / "mirror"


def test_the_history_reads_alike_at_the_mirror(copied):
    history, _, mirror = copied
    there = World(mirror)
    steps = list(patch_log.log(there.chain()))
    assert [(step.number, step.findings) for step in steps] == [(3, ()), (2, ()), (1, ())]
    assert there.blame().lines == history.blame().lines


def test_again_it_copies_nothing_and_later_only_what_is_new(copied):
    history, store, mirror = copied
    origin = StoreOrigin(Directory(history.root))
    assert copy_patches(origin, store, "noarch") == 0
    history.index(fix(depends=["python >=3.12"]))
    history.attest(TEAMS[0])
    # A shard, a delta, a map, a log, a bundle, and the head.
    assert copy_patches(origin, store, "noarch") == 6
    assert json.loads((mirror / "noarch" / "patches" / "head.json").read_bytes()) == {"generation": 4}


def test_a_signer_who_came_later_is_copied_too_and_a_fork_is_not(copied):
    history, store, mirror = copied
    origin = StoreOrigin(Directory(history.root))
    sigs, there = (root / "noarch" / "patches" / "3.sigs" for root in (history.root, mirror))
    payload = history.chain().newest().evidence[0].payload
    [first] = sidecar.parse(sigs.read_bytes(), where="sigs").elements
    sigs.write_bytes(sidecar.dump([first, history.sign(payload, TEAMS[0]).strip()]))
    assert copy_patches(origin, store, "noarch") == 1
    assert there.read_bytes() == sigs.read_bytes()
    assert len(World(mirror).chain(threshold=2).newest().evidence) == 2
    # One that the source has lost stays.
    sigs.write_bytes(sidecar.dump([first]))
    assert copy_patches(origin, store, "noarch") == 0
    fork = payload.replace(b'"0.13.0"', b'"0.13.1"')
    sigs.write_bytes(sidecar.dump([history.sign(fork, TEAMS[0]).strip()]))
    before = there.read_bytes()
    assert copy_patches(origin, store, "noarch") == 0
    assert there.read_bytes() == before


def test_a_source_that_went_back_does_not_take_the_mirror_s_head_with_it(copied):
    history, store, mirror = copied
    (history.root / "noarch" / "patches" / "head.json").write_text('{"generation": 1}')
    copy_patches(StoreOrigin(Directory(history.root)), store, "noarch")
    assert json.loads((mirror / "noarch" / "patches" / "head.json").read_bytes()) == {"generation": 3}


@pytest.mark.parametrize("suffix", [".shard.json.zst", ".delta.json.zst", ".map.json.zst", ".log"])
def test_a_damaged_file_is_not_copied_and_no_bundle_names_it(history, tmp_path, suffix):
    newest = history.chain().newest().said
    named = {".delta.json.zst": newest.delta, ".map.json.zst": newest.map, ".log": newest.log}.get(suffix, "")
    path = next(path for path in history.patches(suffix) if path.name.startswith(named))
    path.write_bytes(b"damaged")
    (tmp_path / "mirror").mkdir()
    with pytest.raises(Malformed) as caught:
        copy_patches(StoreOrigin(Directory(history.root)), Directory(tmp_path / "mirror"), "noarch")
    assert caught.value.finding.code is Code.PATCH_FILE
    assert not list((tmp_path / "mirror").rglob("*.sigs"))
    assert not list((tmp_path / "mirror").rglob(path.name))


@pytest.fixture
def mirror(tmp_path):
    (tmp_path / "mirror").mkdir()
    return tmp_path / "mirror"


def lose(world, *digests):
    for path in world.patches(""):
        if path.name.partition(".")[0] in digests:
            path.unlink()


def test_files_of_a_revoked_generation_that_are_gone_stop_no_mirror(history, mirror):
    third = history.chain().generation(3)
    history.void = frozenset({third.payload})
    history.trusted = TEAMS[:2]
    history.attest(TEAMS[0])
    shards = {digest for name, digest in history.chain("noarch", *TEAMS).delta(third).items()}
    for digests in (shards, {third.said.map, third.said.delta}):
        lose(history, *digests)
        copy_patches(StoreOrigin(Directory(history.root)), Directory(mirror), "noarch")
        there = replace(history, root=mirror)
        assert [(step.number, step.findings) for step in patch_log.log(there.chain())] == [
            (4, ()), (3, ()), (2, ()), (1, ()),
        ]  # fmt: skip
        assert there.blame().lines == history.blame().lines
        assert not there.patches(f"{third.said.delta}.delta.json.zst")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_files_that_a_shard_names_have_to_be_there(history, mirror, number):
    lose(history, history.chain().generation(number).said.delta)
    with pytest.raises(NotFound):
        copy_patches(StoreOrigin(Directory(history.root)), Directory(mirror), "noarch")
    assert not list(mirror.rglob("*.sigs"))


def test_the_newest_one_s_files_have_to_be_there_though_it_changed_nothing(history, mirror):
    made = history.attest(refresh_after=timedelta(0))
    assert made.changed == {}
    lose(history, made.generation.said.delta)
    with pytest.raises(NotFound):
        copy_patches(StoreOrigin(Directory(history.root)), Directory(mirror), "noarch")
    assert not list(mirror.rglob("*.sigs"))


def test_a_channel_without_patches_has_nothing_to_copy(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert copy_patches(StoreOrigin(Directory(tmp_path / "a")), Directory(tmp_path / "b"), "noarch") == 0
