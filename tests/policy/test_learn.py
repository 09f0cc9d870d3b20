"""Trust on first use writes exact ids, accepts what it learned from, and never widens silently."""

import pytest

from condattest.errors import PolicyInvalid
from condattest.model.finding import Code
from condattest.model.verdict import Accepted, Rejected
from condattest.policy import load
from condattest.policy.decide import decide
from condattest.policy.learn import learn
from condattest.policy.proposals import (
    AttestationLost,
    NotLearned,
    Observed,
    RuleAdded,
    SeveralSigners,
    SignerAdded,
    SignerChanged,
    Unchanged,
)
from tests.policy.made_evidence import (
    CHANNEL,
    NOW,
    OTHER,
    ZLIB,
    artifact,
    built,
    email,
    github,
    gitlab,
    published,
    with_claims,
)

NUMPY, OPENSSL = artifact("numpy"), artifact("openssl")


def seen(of=ZLIB, *signers, channel=CHANNEL):
    return Observed(of, channel, tuple(published(of, channel, signer) for signer in signers))


def propose(observed, existing=None, **options):
    return learn(observed, existing, where="policy.toml", now=NOW, **options)


def accepts(text, observed):
    policy = load.parse(text.encode(), where="learned", now=NOW)
    return [
        isinstance(decide(policy, each.artifact, each.channel, each.evidence, [], now=NOW), Accepted)
        for each in observed
    ]


def kinds(proposal):
    return [type(each) for each in proposal.changes]


FIRST = propose([seen(ZLIB, github())]).text


@pytest.mark.parametrize("signer", [github(), gitlab(), email(), github(ref="refs/tags/v1", trigger="release")])
def test_what_was_learned_from_is_then_accepted(signer):
    observed = [seen(ZLIB, signer)]
    proposal = propose(observed)
    assert kinds(proposal) == [SignerAdded, RuleAdded]
    assert accepts(proposal.text, observed) == [True]
    assert proposal.diff.startswith("--- policy.toml")
    assert "+[[rule]]" in proposal.diff


@pytest.mark.parametrize(
    ("claims", "field"),
    [
        ({"source_repository_id": "1"}, "repository-id"),
        ({"source_repository_owner_id": "1"}, "owner-id"),
        ({"build_trigger": "push"}, "trigger"),
        ({"runner_environment": "self-hosted"}, "runner"),
    ],
)
def test_changing_any_field_of_a_learned_signer_is_rejected_by_its_name(claims, field):
    policy = load.parse(FIRST.encode(), where="learned", now=NOW)
    changed = published(signer=with_claims(github(), **claims))
    verdict = decide(policy, ZLIB, CHANNEL, [changed], [], now=NOW)
    assert isinstance(verdict, Rejected)
    assert verdict.findings[0].facts["field"] == field


@pytest.mark.parametrize(
    ("signer", "field"),
    [
        (github("hunger/other"), "repository"),
        (github(ref="refs/heads/dev"), "ref"),
        (github(workflow=".github/workflows/other.yaml"), "workflow"),
    ],
)
def test_another_run_than_the_learned_one_is_rejected(signer, field):
    policy = load.parse(FIRST.encode(), where="learned", now=NOW)
    verdict = decide(policy, ZLIB, CHANNEL, [published(signer=signer)], [], now=NOW)
    assert verdict.findings[0].facts["field"] == field


def test_packages_share_a_signer_and_have_a_rule_each():
    observed = [seen(ZLIB, github()), seen(NUMPY, github(trigger="push")), seen(OPENSSL, github("o/r"))]
    proposal = propose(observed)
    assert kinds(proposal) == [SignerAdded, RuleAdded, RuleAdded, SignerAdded, RuleAdded]
    assert accepts(proposal.text, observed) == [True] * 3
    assert accepts(proposal.text, [seen(artifact("other"), github())]) == [False]


def test_a_whole_channel_gets_one_rule_only_where_all_agree():
    observed = [seen(ZLIB, github()), seen(NUMPY, github())]
    assert [each.package for each in propose(observed, whole_channel=True).changes if isinstance(each, RuleAdded)] == [
        "*"
    ]
    mixed = [*observed, seen(OPENSSL, email())]
    added = [each.package for each in propose(mixed, whole_channel=True).changes if isinstance(each, RuleAdded)]
    assert added == ["zlib", "numpy", "openssl"]


def test_two_releases_from_tags_teach_that_tags_differ():
    observed = [
        seen(artifact(version=version), github(ref=f"refs/tags/v{version}", trigger="release"))
        for version in ("1", "2")
    ]
    proposal = propose(observed)
    assert 'ref = "refs/tags/*"' in proposal.text
    assert accepts(proposal.text, observed) == [True, True]


def test_several_signers_at_first_sight_are_not_chosen_among():
    """Any channel may carry a stranger's bundle beside the publisher's: the first sight would pin both."""
    observed = [seen(ZLIB, github(), github("evil/r"))]
    proposal = propose(observed)
    assert kinds(proposal) == [SeveralSigners]
    assert not proposal.changes[0].applied
    assert "[[rule]]" not in proposal.text
    taken = propose(observed, accept=True)
    assert taken.changes[0].applied
    assert kinds(taken) == [SeveralSigners, SignerAdded, SignerAdded, RuleAdded]


def test_what_is_known_changes_nothing():
    proposal = propose([seen(ZLIB, github())], FIRST)
    assert kinds(proposal) == [Unchanged]
    assert (proposal.text, proposal.diff) == (FIRST, "")


def test_a_new_package_is_added_to_a_policy():
    observed = [seen(ZLIB, github()), seen(NUMPY, github()), seen(OPENSSL, email())]
    proposal = propose(observed, FIRST)
    assert kinds(proposal) == [Unchanged, RuleAdded, SignerAdded, RuleAdded]
    assert proposal.text.startswith(FIRST)
    assert proposal.changes[1].signers == ("hunger-octoconda",)
    assert accepts(proposal.text, observed) == [True] * 3


def test_another_signer_is_a_regression_and_changes_nothing():
    """A publisher's repository is taken over, and `learn` is run again: it must not learn the thief."""
    proposal = propose([seen(ZLIB, github("evil/r", repository_id="1"))], FIRST)
    (change,) = proposal.changes
    assert isinstance(change, SignerChanged)
    assert proposal.regressions == (change,)
    assert not change.applied
    assert proposal.text == FIRST
    assert [each.field for each in change.mismatches] == ["repository", "repository-id"]


def test_another_signer_joins_an_exact_rule_only_when_accepted():
    observed = [seen(ZLIB, github("new/home", repository_id="2"))]
    proposal = propose(observed, FIRST, accept=True)
    assert kinds(proposal) == [SignerChanged, SignerAdded]
    assert proposal.changes[0].applied
    assert accepts(proposal.text, [*observed, seen(ZLIB, github())]) == [True, True]


def test_another_signer_of_one_package_does_not_join_the_rule_for_all():
    whole = propose([seen(ZLIB, github()), seen(NUMPY, github())], whole_channel=True).text
    strict = whole.replace("[[rule]]\n", '[[rule]]\nmin-age = "24h"\n')
    observed = [seen(ZLIB, github("new/home", repository_id="2"))]
    proposal = propose(observed, strict, accept=True)
    assert kinds(proposal) == [SignerChanged, SignerAdded, RuleAdded]
    assert accepts(proposal.text, observed) == [True]
    assert accepts(proposal.text, [seen(NUMPY, github("new/home", repository_id="2"))]) == [False]
    # The package's own rule keeps what the wider one demanded.
    assert [rule.min_age.days for rule in load.parse(proposal.text.encode(), where="p", now=NOW).rules] == [1, 1]


@pytest.mark.parametrize("accept", [False, True])
def test_a_package_that_lost_its_attestation_is_a_regression(accept):
    """A downgrade: the attested package is replaced by one that nobody signed."""
    proposal = propose([seen(artifact(version="2"))], FIRST, accept=accept)
    assert kinds(proposal) == [AttestationLost]
    assert proposal.text == FIRST


def test_a_name_that_is_taken_is_not_used_twice():
    taken = FIRST.replace("repository-id = 1092908474", "repository-id = 5")
    observed = [seen(NUMPY, github())]
    proposal = propose(observed, taken)
    assert proposal.changes[0] == SignerAdded(
        "hunger-octoconda-2", "hunger/octoconda, https://token.actions.githubusercontent.com"
    )
    assert accepts(proposal.text, observed) == [True]


def test_nothing_is_learned_from_what_proves_nothing():
    observed = [
        seen(ZLIB),
        Observed(NUMPY, CHANNEL, (published(OPENSSL),)),
        Observed(OPENSSL, CHANNEL, (published(OPENSSL, OTHER),)),
        Observed(artifact("a"), CHANNEL, (built(artifact("a")),)),
        Observed(artifact("b"), CHANNEL, (published(artifact("b"), None),)),
        Observed(artifact("c"), CHANNEL, (published(artifact("c"), signer=with_claims(github(), build_trigger=None)),)),
    ]
    proposal = propose(observed)
    assert set(kinds(proposal)) == {NotLearned}
    assert [each.finding.code for each in proposal.changes] == [
        Code.MISSING_ATTESTATION,
        Code.BIND_NAME,
        Code.MISSING_PUBLISH,
        Code.CHANNEL_MISMATCH,
        Code.MISSING_PUBLISH,
        Code.MISSING_PUBLISH,
        Code.CHANNEL_ABSENT,
        Code.MISSING_PUBLISH,
        Code.IDENTITY_CERTIFICATE,
    ]
    assert "[[rule]]" not in proposal.text


def test_what_is_no_policy_is_not_extended():
    with pytest.raises(PolicyInvalid):
        propose([seen(ZLIB, github())], "version = 2\n")
    # Tables in a form that cannot be appended to.
    inline = "version = 1\nrule = []\npatch = []\nsigner = {}\n"
    with pytest.raises(PolicyInvalid):
        propose([seen(ZLIB, github())], inline)
