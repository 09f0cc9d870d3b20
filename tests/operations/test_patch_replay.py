"""A replay is refused where something else is served, unless its differences are asked for."""

import pytest

from condattest.errors import Misuse
from condattest.formats.held_records import opened
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code
from condattest.operations import patch_replay
from condattest.patches import engines
from condattest.patches.generation import Built
from condattest.transport.directory import Directory
from condattest.transport.origin import StoreOrigin
from tests.patched_channel import CHANGES, FILE, NAME, refused

DIGEST = Sha256("ab" * 32)


def test_a_replay_is_refused_or_its_differences_are_told(history):
    engine = engines.engine("conda-index")
    assert patch_replay.replay(history.inputs(), engine, where="x").unattributed is None
    history.edit("repodata.json", lambda served: served["packages.conda"][NAME].update(depends=[]))
    refused(lambda: patch_replay.replay(history.inputs(), engine, where="x"), Code.PATCH_REPLAY)
    outcome = patch_replay.replay(history.inputs(), engine, where="x", allow_unattributed=True)
    assert str(outcome.unattributed) == f"1: packages.conda/{NAME} (depends)"
    assert opened(outcome.served["packages.conda"][NAME])["depends"] == CHANGES[-1]["depends"]


def test_an_archive_that_took_a_name_is_refused_until_somebody_says_so(history):
    origin, inputs = StoreOrigin(Directory(history.root)), history.inputs()
    found = Built(4, replaced={("packages.conda", NAME): (DIGEST, DIGEST)})
    patch_replay.meant(origin, "noarch", inputs, Built(4), frozenset())
    finding = refused(lambda: patch_replay.meant(origin, "noarch", inputs, found, frozenset()), Code.PATCH_REPLACED)
    assert finding.where.endswith(f"noarch/{NAME}")
    patch_replay.meant(origin, "noarch", inputs, found, frozenset({FILE}))
    with pytest.raises(Misuse, match="--replaced nowhere"):
        patch_replay.meant(origin, "noarch", inputs, found, frozenset({FILE, PackageFile.parse("nowhere-1-0.conda")}))
    with pytest.raises(Misuse, match="listed since generation 2, found the same one") as caught:
        patch_replay.meant(origin, "noarch", inputs, Built(4, kept={("packages.conda", NAME): 2}), frozenset({FILE}))
    assert "leave it out" in caught.value.hint
