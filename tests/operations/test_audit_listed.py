"""Audits of what an environment or a lock file lists."""

import pytest

from condattest.errors import Misuse
from condattest.model.artifact import Sha256
from condattest.operations.audit_listed import audit_listed
from condattest.operations.question import Question
from condattest.operations.targets import listed
from condattest.policy import rules
from condattest.policy.rules import GitHubSigner, Policy, Rule
from condattest.transport.fetch import Fetcher
from tests import audited_channel, channels


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    faults = ["unattested", "other-bytes", "no-sidecar", "no-digest"]
    return audited_channel.make(tmp_path_factory.mktemp("listed") / "channel", packages=20, each=1, faults=faults)


def audited(planted, policy=None, **how):
    places = {"good": "linux-64/unattested-0-1.0-0.conda"}
    for fault in ("unattested", "other-bytes", "no-sidecar", "no-digest"):
        places[fault] = planted.places[fault][0]
    places["good"] = places["other-bytes"].replace("-1.4-", "-1.0-")
    with channels.served(planted.root) as url, Fetcher(attempts=1) as fetcher:
        targets = [
            listed(f"{url}/{place}", Sha256(audited_channel.digest_of(place))) for place in reversed(places.values())
        ]
        question = Question(policy=policy or rules.nobody_required(), channel=audited_channel.CHANNEL)
        # The expected channel is the canonical one, the packages are fetched from where they are listed.
        with audit_listed(
            "env", targets, question, required=policy is not None, trust=audited_channel.trust(), fetcher=fetcher,
            now=audited_channel.NOW, **how,
        ) as found:  # fmt: skip
            by_fault = {fault: place.rpartition("/")[2] for fault, place in places.items()}
            results = list(found.results)
            statuses = {each.file: each.status for each in results}
            assert [(each.subdir, each.file) for each in results] == sorted(
                (each.subdir, each.file) for each in results
            )
            return found, {fault: statuses.get(file) for fault, file in by_fault.items()}


def test_each_package_stands_as_verify_says(planted):
    found, statuses = audited(planted)
    assert statuses == {
        "good": "accepted",
        "unattested": "unattested",
        "other-bytes": "rejected",
        "no-sidecar": "undecided",
        "no-digest": "rejected",
    }
    assert sum(found.totals.values()) == 5
    assert found.policy is None


def test_a_policy_decides(planted):
    signers = (GitHubSigner(name="x", repository="x/y"),)
    policy = Policy(source="p", rules=(Rule(name="r", channel=audited_channel.CHANNEL, signers=signers),))
    found, statuses = audited(planted, policy)
    assert (statuses["good"], statuses["unattested"]) == ("rejected", "unattested")
    assert found.policy == "p"


def test_it_can_be_stopped(planted):
    found, _ = audited(planted, stop=lambda: True)
    assert not found.complete
    assert sum(found.totals.values()) == 0


def test_nothing_listed_is_misuse():
    with (
        pytest.raises(Misuse),
        audit_listed("env", [], Question(policy=rules.nobody_required()), required=False,
                     trust=audited_channel.trust(), fetcher=None, now=audited_channel.NOW),
    ):  # fmt: skip
        pass
