"""Whether patches change a verdict: as the policy says, or as the caller demands; never into an acceptance."""

from dataclasses import replace
from datetime import timedelta

import pytest

from condattest.errors import Offline
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding
from condattest.model.verdict import Accepted, Rejected, Undecided
from condattest.operations.patch_verdict import demanded, with_patches
from condattest.policy.rules import ChannelEntry, GitHubSigner, PatchRule, Policy
from condattest.transport.fetch import Fetcher
from condattest.transport.memory import NoMemory
from tests.patched_channel import CHANNEL, START, trust

ARTIFACT = Artifact(PackageFile.parse("numbers-1.0-0.conda"), Sha256("a" * 64), "noarch")
SIGNERS = (GitHubSigner(name="x", repository="x/y"),)
RULE = PatchRule(name="[[patch]]", channel=CHANNEL, signers=SIGNERS, max_age=timedelta(days=7))
ACCEPTED = Accepted("rule", ())
MIRROR = Channel("https://mirror.example/patched")
POLICY = Policy(source="p", patches=(RULE,), channels=(ChannelEntry(url=CHANNEL, mirrors=(MIRROR,)),))


def judged(
    verdict=ACCEPTED, demand="policy", *, channel=CHANNEL, policy=POLICY, record=None, artifact=ARTIFACT, index=None
):
    """The channel cannot be reached: whatever has to ask it is undecided."""
    with Fetcher(offline=True) as fetcher:
        return with_patches(
            verdict, demand, channel, artifact, record, index,
            policy=policy, trust=trust(), roots={}, fetcher=fetcher, memory=NoMemory(), now=START,
        )  # fmt: skip


def test_whether_a_record_is_needed_is_the_policy_s_to_say():
    assert demanded(POLICY, CHANNEL, "policy")
    assert demanded(POLICY, MIRROR, "report")
    assert not demanded(POLICY, CHANNEL, "off")
    assert not demanded(POLICY, None, "policy")
    assert not demanded(Policy(source="p"), CHANNEL, "require")


@pytest.mark.parametrize("demand", ["policy", "require", "report", "off"])
@pytest.mark.parametrize("verdict", [Rejected((Finding.of(Code.CRYPTO),)), Undecided((Finding.of(Code.NET_OFFLINE),))])
def test_what_is_not_accepted_stays_so(verdict, demand):
    assert judged(verdict, demand) is verdict


def test_without_a_rule_only_require_minds():
    bare = replace(POLICY, patches=())
    for demand in ("policy", "report", "off"):
        assert judged(demand=demand, policy=bare) is ACCEPTED
    verdict = judged(demand="require", policy=bare)
    assert isinstance(verdict, Rejected)
    assert [finding.code for finding in verdict.findings] == [Code.POLICY_NO_PATCH_RULE]


@pytest.mark.parametrize("index", [None, {}, {"subdir": 7}, {"subdir": "../evil"}])
def test_where_nobody_says_a_subdir_it_is_said_that_nothing_was_judged(index):
    for record in (None, {"name": "numbers"}):
        verdict = judged(artifact=Artifact(ARTIFACT.file, ARTIFACT.sha256), record=record, index=index)
        assert isinstance(verdict, Accepted)
        assert [note.code for note in verdict.notes] == [Code.PATCH_NOT_JUDGED]


def test_without_a_record_the_generations_are_asked_all_the_same():
    """That the package was removed is told by them alone; without the network nobody knows."""
    with pytest.raises(Offline):
        judged()
    with pytest.raises(Offline):
        judged(artifact=Artifact(ARTIFACT.file, ARTIFACT.sha256), index={"subdir": "noarch"})


def test_a_rule_that_names_nobody_allows_nobody():
    verdict = judged(policy=replace(POLICY, patches=(replace(RULE, signers=()),)), record={"name": "numbers"})
    assert isinstance(verdict, Rejected)
    assert verdict.findings[0].code is Code.POLICY_NO_PATCH_RULE
