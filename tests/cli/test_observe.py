"""A witness for a channel that does not sign: what it saw, since when, in a store of its own."""

import json
import os

import pytest

from condattest.sandbox import github
from tests import channels
from tests.patched_channel import CHANNEL, NAME, fix

WITNESS = "witness/observer"


@pytest.fixture
def observe(run, sigstore, world, tmp_path):
    """Observe the channel over HTTP, as cron would."""
    (tmp_path / "witness").mkdir()

    def call(*arguments, url=None, env=None):
        with channels.served(world.root) as served:
            return run(
                "patch", "observe", url or served, "--to", tmp_path / "witness", "--subdir", "noarch",
                "--channel", CHANNEL.url, "--repository", WITNESS, "--trust-config", sigstore.config, *arguments,
                env=env or {"SIGSTORE_ID_TOKEN": sigstore.sandbox.token(github(WITNESS))},
            )  # fmt: skip

    return call


def log(run, sigstore, tmp_path, *arguments):
    return run(
        "patch", "log", tmp_path / "witness", "--role", "observer", "--subdir", "noarch", "--channel", CHANNEL.url,
        "--repository", WITNESS, "--trust-config", sigstore.config, "--json", *arguments,
    )  # fmt: skip


def test_it_signs_what_it_sees_and_only_when_that_changes(observe, run, sigstore, world, tmp_path):
    world.index(fix(depends=["python >=3"]))
    first = observe("--json")
    assert first.code == 0, first.err
    assert (first.json["schema"], first.json["totals"]) == ("condattest/patch-observe/1", {"subdirs": 1, "new": 1})
    [result] = first.json["results"]
    assert (result["role"], result["asBuilt"], result["changed"]) == ("observer", "index", [f"packages.conda/{NAME}"])
    assert observe("--json").json["totals"]["new"] == 0
    world.index(fix(depends=["python >=3.9"]))
    assert observe("--json").json["totals"]["new"] == 1
    steps = log(run, sigstore, tmp_path).json["results"]
    assert [(step["number"], step["findings"]) for step in steps] == [(2, []), (1, [])]
    assert steps[0]["generation"]["evidence"][0]["signer"]["identity"].startswith(f"https://github.com/{WITNESS}")


@pytest.mark.parametrize("state", [False, True])
def test_a_run_in_which_nothing_changed_fetches_nothing(observe, world, tmp_path, state):
    """As cron does it, by the hour."""
    world.index(fix(depends=["python >=3"]))
    for path in (world.root / "noarch").glob("*.json"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    more = ("--state", tmp_path / "state.json") if state else ()
    seen = []
    with channels.served(world.root, seen) as url:
        assert observe("--json", *more, url=url).json["totals"]["new"] == 1
        seen.clear()
        ran = observe(*more, url=url, env={})  # Nothing is signed, so nobody is asked who they are.
        assert (ran.code, "nothing changed since generation 1" in ran.out) == (0, True), ran.err
        assert [(each.status, each.sent) for each in seen] == [(304, 0)] * 3
        assert (tmp_path / "witness" / "noarch" / "patches" / "seen.json").exists() is not state
        seen.clear()
        assert observe("--instructions", tmp_path / "none-1-0.conda", *more, url=url).code == 2


def test_nothing_is_written_to_the_channel(observe, world):
    world.index(fix(depends=["python >=3"]))
    observe()
    assert not (world.root / "noarch" / "patches").exists()


def test_records_as_built_can_be_proved_by_their_archives(observe, world):
    world.index(fix(depends=["python >=3"]))
    assert observe("--prove-as-built", "--json").json["results"][0]["asBuilt"] == "archive"


def test_an_observer_s_chain_is_none_of_the_author_s(observe, run, sigstore, world, tmp_path):
    world.index(fix(depends=["python >=3"]))
    observe()
    ran = run(
        "patch", "log", tmp_path / "witness", "--subdir", "noarch", "--channel", CHANNEL.url,
        "--repository", WITNESS, "--trust-config", sigstore.config,
    )  # fmt: skip
    assert ran.code == 1
    assert "PATCH-GENERATION" in ran.err


def test_what_the_replay_does_not_give_is_not_witnessed(observe, world, tmp_path):
    world.index(fix(depends=["python >=3"]))
    path = world.root / "noarch" / "repodata.json"
    document = json.loads(path.read_bytes())
    document["packages.conda"][NAME]["depends"] = ["evil"]
    path.write_text(json.dumps(document))
    ran = observe()
    assert ran.code == 1
    assert "PATCH-REPLAY" in ran.err
    assert list((tmp_path / "witness").iterdir()) == []


def test_a_store_needs_the_channel_s_url(run, sigstore, world, tmp_path):
    (tmp_path / "witness").mkdir()
    ran = run("patch", "observe", world.root, "--to", tmp_path / "witness", "--subdir", "noarch", "--any-signer",
              "--trust-config", sigstore.config)  # fmt: skip
    assert ran.code == 2
    assert "--channel" in ran.err
