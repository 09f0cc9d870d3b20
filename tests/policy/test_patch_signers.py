"""Who may sign generations: each bundle at its own time, under the rule's root, as many as the threshold."""

from dataclasses import replace
from datetime import timedelta

import pytest

from condattest.model.artifact import Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding
from condattest.policy import rules
from condattest.policy.patch_signers import Authority, authority
from condattest.policy.rules import GitHubSigner, PatchRule, Policy, Rule, Window
from tests.policy.made_evidence import CHANNEL, NOW, OTHER, ROOT, SIGNED, github, signed

ONE, TWO = (GitHubSigner(name=name, repository=f"patches/{name}", owner_id=None) for name in ("one", "two"))
RULE = PatchRule(name="patch 1", channel=CHANNEL, signers=(ONE, TWO), max_age=timedelta(days=1))


def by(name, at=SIGNED, root=ROOT, number="7"):
    signer = github(f"patches/{name}", repository_id=number, workflow=".github/workflows/patch.yml")
    return signed(b"{}", signer, at=at, root=root)


def allowed(*proved, rule=RULE, root=ROOT):
    return Authority(rule, root).allowed(proved, where="1.sigs")


def code(outcome):
    assert isinstance(outcome, Finding), outcome
    return outcome.code


def test_each_of_the_rule_s_signers_is_enough():
    assert allowed(by("one")) == (by("one"),)
    assert allowed(by("two")) == (by("two"),)


def test_a_stranger_beside_a_signer_does_not_count_and_does_no_harm():
    assert allowed(by("evil"), by("one")) == (by("one"),)


def test_a_stranger_alone_is_told_with_the_field():
    """An authentic signature by somebody else."""
    finding = allowed(by("evil"))
    assert code(finding) is Code.IDENTITY_MISMATCH
    assert finding.facts["field"] == "repository"
    assert finding.facts["identity"].startswith("https://github.com/patches/evil/")


def test_a_threshold_asks_for_distinct_signers():
    rule = replace(RULE, threshold=2)
    assert code(allowed(by("one"), by("one", at=SIGNED + timedelta(hours=1)), rule=rule)) is Code.MISSING_THRESHOLD
    assert code(allowed(by("one"), by("two"), rule=rule)) is Code.MISSING_THRESHOLD  # One repository, renamed.
    both = (by("one"), by("two", number="8"))
    assert allowed(*both, rule=rule) == both


def test_for_further_signers_one_is_enough_but_nobody_else():
    two = Authority(replace(RULE, threshold=2), ROOT)
    assert (two.wanted, two.with_one_signer().wanted, Authority(None, ROOT).wanted) == (2, 1, 1)
    assert two.with_one_signer().allowed([by("one")], where="1.sigs") == (by("one"),)
    assert code(two.with_one_signer().allowed([by("evil")], where="1.sigs")) is Code.IDENTITY_MISMATCH
    assert Authority(None, ROOT).with_one_signer() == Authority(None, ROOT)


def test_a_signer_is_judged_at_the_time_of_the_signature():
    """A key of somebody who left, used today."""
    left = replace(ONE, valid=Window(end=SIGNED))
    rule = replace(RULE, signers=(left,))
    before = by("one", at=SIGNED - timedelta(days=1))
    assert allowed(before, rule=rule) == (before,)
    finding = allowed(by("one", at=NOW), rule=rule)
    assert (code(finding), finding.facts["field"]) == (Code.IDENTITY_MISMATCH, "valid")


def test_evidence_under_another_root_does_not_count():
    """A private Fulcio may issue any name."""
    other = Sha256("cd" * 32)
    for rule in (RULE, None):
        assert code(allowed(by("one", root=other), rule=rule)) is Code.CRYPTO
        assert allowed(by("one", root=other), by("one"), rule=rule) == (by("one"),)
    assert code(allowed()) is Code.CRYPTO


def test_without_a_rule_any_signer_counts():
    assert allowed(by("evil"), rule=None) == (by("evil"),)


class TestAuthority:
    POLICY = Policy(source="p", patches=(RULE, replace(RULE, role="observer", signers=(TWO,))), signers=(ONE, TWO))

    def test_the_rule_is_that_of_channel_and_role(self):
        found = authority(self.POLICY, CHANNEL, "author", root=ROOT)
        assert found == Authority(RULE, ROOT, RULE.keys)
        assert authority(self.POLICY, CHANNEL, "observer", root=ROOT).rule.signers == (TWO,)

    def test_no_rule_for_the_channel_is_a_finding(self):
        assert code(authority(self.POLICY, OTHER, "author", root=ROOT)) is Code.POLICY_NO_PATCH_RULE

    def test_no_policy_is_any_signer_and_any_key(self):
        assert authority(None, CHANNEL, "author", root=ROOT) == Authority(None, ROOT, None)

    def test_the_command_line_s_signer_signs_for_any_channel_and_any_key(self):
        found = authority(rules.for_repository("patches/one"), OTHER, "author", root=ROOT)
        assert [signer.repository for signer in found.rule.signers] == ["patches/one"]
        assert (found.rule.channel, found.keys) == (OTHER, None)

    @pytest.mark.parametrize("rule", [Rule(name="r", channel=CHANNEL, signers=(ONE,)), Rule(name="r", signers=())])
    def test_who_may_sign_packages_may_not_sign_patches(self, rule):
        """A rule of a policy file about packages is none about their patches; and nobody required is nobody."""
        policy = Policy(source="p", rules=(rule,))
        assert code(authority(policy, CHANNEL, "author", root=ROOT)) is Code.POLICY_NO_PATCH_RULE

    def test_a_rule_s_own_root_counts_instead(self):
        other = Sha256("cd" * 32)
        policy = Policy(source="p", patches=(replace(RULE, trusted_root="own.json"),), trust_roots={"own.json": other})
        assert authority(policy, CHANNEL, "author", root=ROOT).root == other
        unread = replace(policy, trust_roots={})
        assert code(authority(unread, CHANNEL, "author", root=ROOT)) is Code.NET_TRUST_ROOT

    def test_a_mirror_is_not_the_channel(self):
        assert isinstance(authority(self.POLICY, Channel(CHANNEL.url + "x"), "author", root=ROOT), Finding)
