"""An explanation shows the same verdict, and every step that led to it."""

from condattest.model.finding import Code
from condattest.policy import explain as steps
from condattest.policy.decide import decide, judge
from condattest.policy.rules import EmailSigner, GitHubSigner, Policy, Rule
from tests.policy.made_evidence import CHANNEL, NOW, OTHER, ZLIB, github, published

OCTO = GitHubSigner(name="octo", repository="hunger/octoconda", ref="refs/heads/main")
PERSON = EmailSigner(name="person", email="a@b.example", issuer="https://i.example")
POLICY = Policy(
    source="p",
    rules=(
        Rule(name="rule 1", channel=CHANNEL, signers=(PERSON,)),
        Rule(name="rule 2", channel=CHANNEL, package="zlib", signers=(PERSON, OCTO)),
        Rule(name="rule 3", channel=OTHER, signers=(PERSON,)),
    ),
)


def explain(policy, artifact, channel, evidence, failures, *, now):
    """Judge, and tell the steps."""
    judgement = judge(policy, artifact, channel, evidence, failures, now=now)
    return steps.explain(judgement, policy, artifact, failures)


def test_each_signer_and_each_field_is_shown():
    evidence = published(signer=github(ref="refs/heads/x", trigger="pull_request"))
    found = explain(POLICY, ZLIB, CHANNEL, [evidence], [], now=NOW)
    assert found.verdict == decide(POLICY, ZLIB, CHANNEL, [evidence], [], now=NOW)
    assert (found.rule.name, found.channel, found.passed_over) == ("rule 2", CHANNEL, ("rule 1",))
    (bundle,) = found.bundles
    assert not bundle.counts
    assert bundle.finding.code is Code.IDENTITY_MISMATCH
    person, octo = bundle.signers
    assert [each.field for each in person.mismatches] == ["issuer", "email"]
    assert [(each.field, each.expected, each.found) for each in octo.mismatches] == [
        ("ref", "refs/heads/main", "refs/heads/x"),
        ("trigger", "push or release or workflow_dispatch or schedule", "pull_request"),
    ]


def test_a_bundle_that_counts_is_shown_too():
    (bundle,) = explain(POLICY, ZLIB, None, [published()], [], now=NOW).bundles
    assert bundle.counts
    assert [each.name for each in bundle.signers if not each.mismatches] == ["octo"]


def test_without_a_rule_there_is_nothing_to_try():
    found = explain(Policy(source="p"), ZLIB, CHANNEL, [published()], [], now=NOW)
    assert (found.rule, found.passed_over) == (None, ())
    assert found.bundles[0].signers == ()
