"""What a channel may publish: each bundle by itself, an auditor's too, and never a stranger's."""

from datetime import timedelta

import pytest

from condattest.model.artifact import Sha256
from condattest.model.finding import Code, Finding
from condattest.policy.admit import Admitted, admit
from condattest.policy.rules import ChannelEntry, EmailSigner, GitHubSigner, Policy, Revoked, Rule
from tests.policy.made_evidence import (
    CHANNEL,
    OTHER,
    ROOT,
    ZLIB,
    artifact,
    built,
    email,
    github,
    published,
    raw_statement,
    signed,
    subject,
)

OCTO = GitHubSigner(name="octo", repository="hunger/octoconda", repository_id="1092908474", triggers=("schedule",))
AUDITOR = EmailSigner(name="auditor", email="audit@corp.example", issuer="https://login.corp.example")
OTHER_ROOT = Sha256("9" * 64)


def policy(*signers, **fields):
    rule = {"name": "rule", "channel": CHANNEL, "signers": signers or (OCTO,), **fields}
    return Policy(source="policy.toml", rules=(Rule(**rule),))


def held(evidence, *, by=policy(), channel=CHANNEL, of=ZLIB, root=ROOT):  # noqa: B008 (frozen)
    return admit(evidence, of, channel, by, root=root)


def refused(outcome, code):
    assert isinstance(outcome, Finding), outcome
    assert outcome.code is code
    return outcome


def test_a_publish_attestation_of_the_rule_s_signer_is_admitted():
    outcome = held(published())
    assert isinstance(outcome, Admitted)
    assert outcome.rule is not None
    assert outcome.predicate_type.endswith("attestations-publish-1.schema.json")


def test_a_threshold_and_an_age_are_for_installers():
    """A second signer signs later, and a cool-down begins with publishing."""
    assert isinstance(held(published(), by=policy(threshold=2, min_age=timedelta(days=3))), Admitted)


@pytest.mark.parametrize(
    ("evidence", "code"),
    [
        (published(artifact("openssl")), Code.BIND_NAME),
        (published(artifact(digest=Sha256("1" * 64))), Code.BIND_DIGEST),
        (published(channel=OTHER), Code.CHANNEL_MISMATCH),
        (published(channel=None), Code.CHANNEL_ABSENT),
        (published(signer=github("hunger/octoconda2")), Code.IDENTITY_MISMATCH),
        (published(signer=github(repository_id="7")), Code.IDENTITY_MISMATCH),
        (built(artifact("openssl")), Code.BIND_DIGEST),
        (signed(raw_statement([subject(artifact("x"))], predicate_type="https://audit.example/v1"), github()),
         Code.BIND_DIGEST),
        (signed(raw_statement([subject(ZLIB)], predicate_type="https://audit.example/v1"), email()),
         Code.IDENTITY_MISMATCH),
    ],
)  # fmt: skip
def test_what_is_refused(evidence, code):
    refused(held(evidence), code)


@pytest.mark.parametrize("kind", ["slsa", "audit"])
def test_a_later_attestation_of_another_kind_is_admitted_by_its_signer(kind):
    signer = email("audit@corp.example")
    audit = raw_statement([subject(ZLIB)], predicate_type="https://audit.example/v1")
    evidence = built(signer=signer) if kind == "slsa" else signed(audit, signer)
    refused(held(evidence), Code.IDENTITY_MISMATCH)
    assert isinstance(held(evidence, by=policy(OCTO, AUDITOR)), Admitted)


def test_a_revoked_digest_is_never_published():
    revoking = Policy(source="p", rules=policy().rules, revoked=Revoked(sha256=frozenset({ZLIB.sha256})))
    refused(held(published(), by=revoking), Code.IDENTITY_REVOKED)


def test_without_a_channel_the_signed_one_selects_the_rule():
    assert isinstance(held(published(), channel=None), Admitted)
    refused(held(published(channel=OTHER), channel=None), Code.POLICY_NONE)


def test_a_staging_claim_of_the_policy_is_accepted():
    entry = ChannelEntry(url=CHANNEL, target_channels=(OTHER,))
    both = Policy(source="p", rules=policy().rules, channels=(entry,))
    assert isinstance(held(published(channel=OTHER), by=both), Admitted)


def test_a_rule_s_own_root_alone_counts_for_it_and_never_for_another():
    own = policy(trusted_root="corp.json")
    own = Policy(source="p", rules=own.rules, trust_roots={"corp.json": ROOT})
    assert isinstance(held(published(), by=own, root=OTHER_ROOT), Admitted)
    other = Policy(source="p", rules=own.rules, trust_roots={"corp.json": OTHER_ROOT})
    refused(held(published(), by=other), Code.CRYPTO)
    refused(held(published(), root=OTHER_ROOT), Code.CRYPTO)
    refused(held(published(), by=None, root=OTHER_ROOT), Code.CRYPTO)


def test_nobody_required_admits_nobody():
    refused(held(published(), by=Policy(source="p", rules=(Rule(name="r", signers=()),))), Code.IDENTITY_NOT_REQUIRED)


def test_any_signer_is_still_bound_to_package_and_channel():
    stranger = github("somebody/else")
    outcome = held(published(signer=stranger), by=None)
    assert isinstance(outcome, Admitted)
    assert outcome.rule is None
    refused(held(published(artifact("openssl"), signer=stranger), by=None), Code.BIND_NAME)
    refused(held(published(channel=OTHER), by=None), Code.CHANNEL_MISMATCH)
