"""A lock file's record was the channel's once, or nobody says who changed it."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from condattest.formats import sidecar
from condattest.model.finding import Code
from condattest.model.verdict import Accepted, Rejected, Undecided
from condattest.operations import targets
from condattest.operations.question import Question
from condattest.operations.verify import verify
from condattest.policy.rules import Revoked
from condattest.sandbox import github
from condattest.transport.fetch import Fetcher
from tests import channels
from tests.operations.test_patch_judgement import Installer, publish
from tests.patched_channel import CHANGES, CHANNEL, DAY, NAME, TEAMS, World, fix
from tests.rehearsal import a_package, artifact_of, payload_for

FILE = NAME


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Three generations, a day between each and the next; the index says what the last one made."""
    folder = tmp_path_factory.mktemp("held")
    world = World(folder / "channel")
    for name in ("numbers", "letters"):
        package = a_package(folder / "built", name, depends=["python"])
        [put] = channels.put(world.root, "noarch", package)
        data = sidecar.dump(
            [world.box.sign_statement(payload_for(artifact_of(package), CHANNEL), github("me/numbers"))]
        )
        for suffix in (".sigs", f".sigs.{hashlib.sha256(data).hexdigest()}"):
            put.with_name(put.name + suffix).write_bytes(data)
    for team, keys in zip(TEAMS, CHANGES, strict=True):
        publish(world, fix(**keys), team)
        world.now += DAY
    with channels.served(world.root) as url:
        yield world, url


@pytest.fixture
def installer(served, tmp_path):
    made = Installer(*served, tmp_path / "memory")
    made.patch = replace(made.patch, max_age=timedelta(days=30))
    return made


def verdict(installer, held, *, locked=True, **how):
    record = channels.record(installer.world.root, "noarch", FILE)
    target = targets.listed(f"{installer.url}/noarch/{FILE}", record["sha256"], record | held, locked=locked)
    question = Question(policy=installer.policy(replace(installer.patch, **how)))
    with Fetcher(attempts=1) as fetcher:
        [answer] = verify(
            [target], question, trust=installer.world.trust, fetcher=fetcher, now=installer.world.now
        )  # fmt: skip
    return answer.verdict


def told(found):
    assert isinstance(found, Accepted), found
    return [note for note in found.notes if note.code is not Code.SUBDIR_UNCHECKED]


def test_the_record_that_is_served_is_held_without_a_word(installer):
    assert told(verdict(installer, {})) == []


@pytest.mark.parametrize(
    ("held", "since"),
    [
        (CHANGES[1] | {"constrains": []}, "generation 2"),
        (CHANGES[0] | {"license": None, "constrains": []}, "generation 2"),  # Its license may have been dropped.
        ({"depends": ["python"], "license": None, "constrains": []}, "as built"),
    ],
)
def test_an_earlier_state_is_told_as_superseded(installer, held, since):
    """A lock file of last week has the record of last week."""
    [note] = told(verdict(installer, held))
    assert note.code is Code.PATCH_SUPERSEDED
    assert note.facts["held"] == since


@pytest.mark.parametrize(
    "held",
    [
        {"depends": ["python >=3", "malware"]},
        {"depends": ["python >=3.9"], "license": "GPL-3.0-only"},
        CHANGES[2] | {"constrains": []},
        {"depends": ["python"], "license": "MIT", "constrains": ["letters"]},
    ],
)
def test_a_state_that_never_was_is_rejected(installer, held):
    """Somebody edits the dependencies in a lock file, or mixes two states of them."""
    found = verdict(installer, held)
    assert isinstance(found, Rejected)
    assert [finding.code for finding in found.findings] == [Code.PATCH_HELD]


def test_a_solver_must_hold_the_record_that_is_served(installer):
    found = verdict(installer, CHANGES[1] | {"constrains": []}, locked=False)
    assert isinstance(found, Rejected)
    assert found.findings[0].code is Code.PATCH_HELD


def test_a_state_that_a_revoked_generation_made_is_none(installer):
    """The second team was broken into; what it made was served, and locked, for a day."""
    chain = installer.world.chain()
    installer.revoked = Revoked(patch=frozenset({chain.generation(2).payload}))
    found = verdict(installer, CHANGES[1] | {"constrains": []})
    assert isinstance(found, Rejected)
    assert found.findings[0].code is Code.PATCH_HELD
    [note] = told(verdict(installer, CHANGES[0] | {"license": None, "constrains": []}))
    assert note.facts["held"] == "generation 1"


def test_a_record_that_was_never_patched_has_no_earlier_state(installer):
    record = channels.record(installer.world.root, "noarch", "letters-1.0-0.conda")
    target = targets.listed(
        f"{installer.url}/noarch/letters-1.0-0.conda", record["sha256"], record | {"depends": []}, locked=True
    )
    with Fetcher(attempts=1) as fetcher:
        [answer] = verify(
            [target], Question(policy=installer.policy(installer.patch)), trust=installer.world.trust, fetcher=fetcher,
            now=installer.world.now,
        )  # fmt: skip
    assert answer.verdict.findings[0].code is Code.PATCH_HELD


def test_a_history_that_cannot_be_read_back_is_no_explanation(installer):
    """A file of an older generation is gone: what was held then cannot be told any more."""
    for path in installer.world.patches(".delta.json.zst"):
        if path.name.startswith(str(installer.world.chain().generation(2).said.delta)):
            path.unlink()
    found = verdict(installer, {"depends": ["python"], "license": None, "constrains": []})
    assert isinstance(found, Undecided)
    assert found.findings[0].code is Code.PATCH_MISSING
