"""A policy's values: which rule is about a package, what a channel is also called, what the command line means."""

from datetime import timedelta

import pytest

from condattest.errors import Misuse
from condattest.model.artifact import Sha256
from condattest.model.channel import Channel
from condattest.policy import rules
from condattest.policy.rules import ChannelEntry, EmailSigner, PatchRule, Policy, Rule, Window
from tests.policy.made_evidence import CHANNEL, NOW, OTHER

SIGNER = EmailSigner(name="a", email="a@b.example", issuer="https://i.example")
MIRROR = Channel("https://mirror.example/x")
STAGING = Channel("https://prefix.dev/staging")
ENTRY = ChannelEntry(url=CHANNEL, mirrors=(MIRROR,), target_channels=(STAGING,))


def rule(package="*", channel=CHANNEL):
    return Rule(name=f"{channel} {package}", channel=channel, package=package, signers=(SIGNER,))


def test_an_exact_name_beats_the_wildcard():
    policy = Policy(source="p", rules=(rule(), rule("zlib")))
    assert policy.rule_for("zlib", CHANNEL).package == "zlib"
    assert policy.rule_for("zlib-ng", CHANNEL).package == "*"
    assert policy.rule_for("zlib", OTHER) is None
    assert policy.rule_for("zlib", None) is None


def test_two_equally_specific_rules_cannot_be():
    with pytest.raises(ValueError, match="specific"):
        Policy(source="p", rules=(rule(), rule()))


def test_a_rule_that_demands_nothing_cannot_be():
    """An empty list of attestations would be met by no attestation at all."""
    with pytest.raises(ValueError, match="demands"):
        Rule(name="r", signers=(SIGNER,), attestations=())
    with pytest.raises(ValueError, match="demands"):
        Rule(name="r", signers=(SIGNER,), threshold=0)


def test_a_channel_is_known_by_its_mirrors_and_claims():
    policy = Policy(source="p", rules=(rule(),), channels=(ENTRY,))
    assert policy.home(MIRROR) == CHANNEL
    assert policy.home(STAGING) == STAGING
    assert policy.accepted_claims(CHANNEL) == {CHANNEL, MIRROR, STAGING}
    assert policy.accepted_claims(OTHER) == {OTHER}
    assert policy.claimed_by(STAGING) == (STAGING, CHANNEL)
    assert policy.claimed_by(OTHER) == (OTHER,)


def test_patches_are_found_by_channel_and_role():
    patch = PatchRule(name="p", channel=CHANNEL, signers=(SIGNER,), max_age=timedelta(days=7))
    policy = Policy(source="p", patches=(patch,))
    assert policy.patch_for(CHANNEL) is patch
    assert policy.patch_for(CHANNEL, "observer") is None
    assert policy.patch_for(OTHER) is None


def test_a_window_starts_inclusive_and_ends_exclusive():
    later = NOW + timedelta(days=1)
    window = Window(NOW, later)
    assert window.holds(NOW)
    assert not window.holds(later)
    assert not window.holds(NOW - timedelta(microseconds=1))
    assert str(window).startswith("from 2026")
    assert str(Window()) == "always"


def test_a_repository_is_a_policy():
    policy = rules.for_repository("o/r", workflow=".github/workflows/x.yml", ref="refs/tags/*")
    found = policy.rule_for("anything", None)
    assert found is policy.rule_for("anything", CHANNEL)
    assert found.name == "--repository o/r"
    assert found.signers[0].issuer == "https://token.actions.githubusercontent.com"


@pytest.mark.parametrize(
    "arguments",
    [("o",), ("*",), ("o/*",), ("https://github.com/o/r",), ("o/r", "release.yml"), ("o/r", None, "main")],
)
def test_a_repository_that_is_none_is_misuse(arguments):
    names = ("workflow", "ref")
    with pytest.raises(Misuse, match="expected"):
        rules.for_repository(arguments[0], **dict(zip(names, arguments[1:], strict=False)))


def test_an_identity_is_a_policy():
    policy = rules.for_identity("a@b.example", "https://i.example")
    assert policy.rule_for("x", None).name == "--identity a@b.example"


def test_nobody_required_names_nobody():
    assert rules.nobody_required().rule_for("x", CHANNEL).signers == ()


def test_trust_roots_are_given_afterwards():
    digest = Sha256("0" * 64)
    assert rules.with_trust_roots(Policy(source="p"), {"root.json": digest}).trust_roots == {"root.json": digest}


def test_policies_are_hashable():
    assert hash(Policy(source="p", rules=(rule(),))) == hash(Policy(source="p", rules=(rule(),)))
