"""Patches of a channel, judged for every record by generations that are read once."""

import json

import pytest

from condattest.model.artifact import Sha256
from condattest.model.finding import Code
from condattest.operations.audit_patches import held, timeline, unexplained
from condattest.operations.audit_records import read
from condattest.policy.rules import GitHubSigner, PatchRule, Policy, Rule
from tests.operations.audits import Counted, by_code, order, run
from tests.patched_channel import CHANNEL, DAY, NAME, TEAMS

DEEP = "[" * 100 + "]" * 100
SIGNERS = tuple(GitHubSigner(name=team, repository=team) for team in TEAMS)


def audited(world, **rule):
    """Audit a channel whose packages a baseline accepts, so that their patches are judged."""
    records = json.loads((world.root / "noarch" / "repodata.json").read_bytes())["packages.conda"]
    baseline = frozenset(Sha256(record["sha256"]) for record in records.values())
    patch = PatchRule(**({"name": "p", "channel": CHANNEL, "signers": SIGNERS, "max_age": 30 * DAY} | rule))
    policy = Policy(
        source="p", rules=(Rule(name="r", channel=CHANNEL, signers=SIGNERS, baseline=baseline),), patches=(patch,)
    )
    terms = {"policy": policy, "channel": CHANNEL, "trust": world.trust}
    given = order(world.root, terms=terms, subdirs=("noarch",))
    counted = Counted(given.origin)
    return run(order(world.root, terms=terms, subdirs=("noarch",), origin=counted), now=world.now), counted


def test_attested_records_are_accepted_and_the_map_is_read_once(history):
    running, counted = audited(history)
    with running as found:
        assert found.totals["accepted"] == 3
        assert {run.name: (run.ran, run.found) for run in found.checks}["patches"] == (True, 0)
        assert [step.generation for step in found.patches] == [3, 2, 1]
        assert [step.signer.partition("/.github")[0] for step in found.patches] == [
            f"https://github.com/{team}" for team in reversed(TEAMS)
        ]
        assert found.unexplained == {"noarch": 0}
    for suffix in (".map.json.zst", ".log", "head.json"):
        assert sum(path.endswith(suffix) for path in counted.read_paths) <= 1, suffix


@pytest.mark.parametrize(
    ("change", "code", "unexplained"),
    [
        ({"depends": ["evil"]}, Code.PATCH_UNATTRIBUTED, 1),
        ({"depends": ["python"]}, Code.PATCH_STRIPPED, 0),
    ],
)
def test_a_record_that_no_generation_explains_is_found(history, change, code, unexplained):
    """Whoever can write the index makes an attested package depend on another one."""

    def put(document):
        record = document["packages.conda"][NAME]
        for key in ("constrains",):
            record.pop(key, None)
        record.update({"license": "BSD-3-Clause"} | change)

    history.edit("repodata.json", put)
    for twin in (history.root / "noarch").glob("repodata.json.*"):
        twin.unlink()
    running, _ = audited(history)
    with running as found:
        assert by_code(found)[code.value] == {f"noarch/{NAME}"}
        assert {run.name: run.found for run in found.checks}["patches"] == 1
        assert found.unexplained == {"noarch": unexplained}


def test_a_forbidden_key_and_stale_generations_are_found(history):
    running, _ = audited(history, keys=frozenset({"depends"}))
    with running as found:
        assert by_code(found) == {"PATCH-KEY": {f"noarch/{NAME}"}, "POLICY-BASELINE": by_code(found)["POLICY-BASELINE"]}
    history.now += 90 * DAY
    running, _ = audited(history)
    with running as found:
        assert len(by_code(found)["FRESH-STALE"]) == 3


def test_without_a_chain_every_difference_is_unexplained(world):
    chain = held(world.chain())
    origin = chain.origin
    assert timeline(chain) == ([], [])
    assert unexplained(origin, "noarch", read(origin, "noarch").listings, chain) == 0
    world.edit("repodata.json", lambda document: document["packages.conda"][NAME].update(depends=["evil"]))
    for twin in (world.root / "noarch").glob("repodata.json.*"):
        twin.unlink()
    assert unexplained(origin, "noarch", read(origin, "noarch").listings, chain) == 1
    for path in (world.root / "noarch").glob("repodata_from_packages.json*"):
        path.unlink()
    assert unexplained(origin, "noarch", read(origin, "noarch").listings, chain) is None


@pytest.mark.parametrize(
    ("extra", "is_built", "expected"),
    [
        ("[" * 100 + "]" * 100, False, 2),
        ("[" * 100 + "]" * 100, True, 2),
        (str(2**60), False, 2),
        (str(2**60), True, 1),
    ],
)
def test_a_record_that_is_none_does_not_keep_the_others_from_being_counted(world, extra, is_built, expected):
    """Whoever may upload one package puts something into its metadata that has no canonical form."""
    chain = held(world.chain())
    deep = {"sha256": "1" * 64, "name": "deep", "version": "1", "build": "0", "extra": json.loads(extra)}

    def put(document):
        document["packages.conda"]["deep-1-0.conda"] = deep

    world.edit("repodata.json", put)
    if is_built:
        world.edit("repodata_from_packages.json", put)
    world.edit("repodata.json", lambda document: document["packages.conda"][NAME].update(depends=["evil"]))
    for twin in (world.root / "noarch").glob("repodata*.json.*"):
        twin.unlink()
    assert unexplained(chain.origin, "noarch", read(chain.origin, "noarch").listings, chain) == expected


def test_a_chain_that_is_broken_is_a_finding_of_the_subdir(history):
    (history.root / "noarch" / "patches" / "3.sigs").write_text("[]")
    steps, findings = timeline(held(history.chain()))
    assert (steps, [finding.code for finding in findings]) == ([], [Code.SIDECAR_SHAPE])


def test_what_could_not_be_read_once_is_not_asked_for_again(history):
    chain = held(history.chain())
    (history.root / "noarch" / "patches" / "3.sigs").unlink()
    counted = Counted(chain.origin)
    chain.origin = counted
    for _ in range(3):
        assert timeline(chain)[1][0].code is Code.PATCH_MISSING
    assert len(counted.read_paths) == 2
