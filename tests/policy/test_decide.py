"""The verdict on an artifact: what is accepted, by which rule, and why all else is not."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.model.artifact import Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding
from condattest.model.verdict import Accepted, Rejected, Undecided
from condattest.policy import rules
from condattest.policy.decide import decide, judge
from condattest.policy.rules import ChannelEntry, EmailSigner, GitHubSigner, Policy, Revoked, Rule
from tests.policy.made_evidence import (
    CHANNEL,
    NOW,
    OTHER,
    ROOT,
    SIGNED,
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
PERSON = EmailSigner(name="person", email="release@corp.example", issuer="https://login.corp.example")
MIRROR = Channel("https://mirror.example/x")
STAGING = Channel("https://prefix.dev/staging")
CRYPTO = Finding.of(Code.CRYPTO, "bundle 1", reason="signature")
NET = Finding.of(Code.NET_UNAVAILABLE, "https://prefix.dev/x", reason="timeout")


def rule(package="*", **fields):
    return Rule(**{"name": f"rule {package}", "channel": CHANNEL, "package": package, "signers": (OCTO,), **fields})


def policy(*some, **fields):
    return Policy(source="policy.toml", rules=some or (rule(),), **fields)


def judged(evidence=(), failures=(), *, by=None, channel=CHANNEL, of=ZLIB, now=NOW, **rest):
    return decide(by or policy(), of, channel, evidence, failures, now=now, **rest)


def codes(verdict):
    match verdict:
        case Accepted(notes=found) | Rejected(findings=found) | Undecided(findings=found):
            return [each.code for each in found if each.code is not Code.POLICY_PATCHES_NOT_JUDGED]


def rejected(verdict, *expected):
    assert isinstance(verdict, Rejected), verdict
    assert codes(verdict) == list(expected)
    return verdict.findings


def accepted(verdict, *notes):
    assert isinstance(verdict, Accepted), verdict
    assert codes(verdict) == list(notes)
    return verdict


def test_a_package_that_its_signer_published_is_accepted_by_its_rule():
    evidence = published()
    verdict = accepted(judged([evidence]))
    assert (verdict.rule, verdict.evidence) == ("rule *", (evidence,))
    assert [note.code for note in verdict.notes] == [Code.POLICY_PATCHES_NOT_JUDGED]


def test_nothing_at_all_is_not_accepted():
    """CVE-2025-25204, CVE-2022-35929: verification that passed with nothing verified."""
    rejected(judged(), Code.MISSING_ATTESTATION)
    rejected(judged(channel=None), Code.MISSING_ATTESTATION)
    rejected(judged(by=rules.nobody_required()), Code.MISSING_ATTESTATION)
    rejected(judged(by=rules.for_repository("o/r")), Code.MISSING_ATTESTATION)


def test_an_attestation_stripped_from_the_index_is_missing():
    """The field that advertises attestations is taken out of the record, so that none are found."""
    (finding,) = rejected(judged([], [], by=policy(rule("zlib"))), Code.MISSING_ATTESTATION)
    assert finding.facts["rule"] == "rule zlib"


def test_provenance_alone_is_no_publication():
    """Provenance says that somebody built it, not that somebody published it to this channel."""
    (finding,) = rejected(judged([built()]), Code.MISSING_PUBLISH)
    assert finding.facts == {"expected": "publish", "found": "https://slsa.dev/provenance/v1"}


def test_no_rule_is_a_rejection():
    """A package of a name or a channel that the policy never heard of."""
    rejected(judged([published(channel=OTHER)], channel=OTHER), Code.POLICY_NONE)
    rejected(judged([published()], by=policy(rule("openssl"))), Code.POLICY_NONE)
    rejected(judged([published()], by=Policy(source="empty")), Code.POLICY_NONE)


def test_the_exact_rule_decides_and_the_wildcard_does_not_help():
    """A package with a strict rule of its own must not fall back to the lax one for all."""
    strict = rule("zlib", signers=(PERSON,))
    rejected(judged([published()], by=policy(rule(), strict)), Code.IDENTITY_MISMATCH)
    accepted(judged([published(artifact("openssl"))], of=artifact("openssl"), by=policy(rule(), strict)))


def test_any_one_of_the_signers_will_do():
    both = policy(rule(signers=(PERSON, OCTO)))
    accepted(judged([published()], by=both))
    accepted(judged([published(signer=email())], by=both))


def test_a_rejection_names_the_field_with_expected_and_found():
    (finding,) = rejected(judged([published(signer=github(trigger="push"))]), Code.IDENTITY_MISMATCH)
    assert {key: finding.facts[key] for key in ("field", "expected", "found")} == {
        "field": "trigger",
        "expected": "schedule",
        "found": "push",
    }


def test_a_revoked_digest_is_rejected_whatever_else_holds():
    """A signed package turns out to be malware: signature, baseline and report mode must not save it."""
    gone = Revoked(frozenset({ZLIB.sha256}))
    lax = rule(baseline=frozenset({ZLIB.sha256}), action="report", reason="r", expires=NOW + timedelta(days=1))
    rejected(judged([published()], by=policy(lax, revoked=gone)), Code.IDENTITY_REVOKED)
    rejected(judged([published()], channel=None, by=policy(lax, revoked=gone)), Code.IDENTITY_REVOKED)


def test_a_digest_in_the_baseline_is_accepted_as_it_is():
    base = policy(rule(baseline=frozenset({ZLIB.sha256})))
    verdict = accepted(judged(by=base), Code.POLICY_BASELINE)
    assert verdict.evidence == ()
    accepted(judged([], [CRYPTO], by=base), Code.POLICY_BASELINE)
    # The same name with other bytes is another package.
    rejected(judged(of=artifact(digest=Sha256("0" * 64)), by=base), Code.MISSING_ATTESTATION)


class TestThreshold:
    two = policy(rule(signers=(OCTO, PERSON), threshold=2))

    def test_two_signers_are_two(self):
        accepted(judged([published(), published(signer=email())], by=self.two))

    def test_one_signer_twice_is_one(self):
        """A single compromised signer signs twice: two times, two runs, two workflows."""
        again = published(at=SIGNED + timedelta(hours=1))
        other = published(signer=github(workflow=".github/workflows/other.yml"))
        rejected(judged([published(), again, other], by=self.two), Code.MISSING_THRESHOLD)

    def test_one_bundle_twice_is_one(self):
        """The same bundle is listed twice in a sidecar."""
        rejected(judged([published(), published()], by=self.two), Code.MISSING_THRESHOLD)
        assert len(accepted(judged([published(), published()])).evidence) == 1

    def test_a_stranger_does_not_fill_up_the_number(self):
        """The second signature is anybody's."""
        findings = rejected(
            judged([published(), published(signer=email("evil@corp.example"))], by=self.two),
            Code.MISSING_THRESHOLD,
            Code.IDENTITY_MISMATCH,
        )
        assert findings[0].facts == {"expected": "2", "found": "1", "kind": "publish"}

    def test_every_demanded_kind_reaches_it(self):
        both = policy(
            rule(
                signers=(OCTO, PERSON),
                threshold=2,
                attestations=("publish", "slsa-provenance"),
                builder="https://github.com/actions/runner/github-hosted",
            )
        )
        some = [published(), published(signer=email()), built()]
        (finding,) = rejected(judged(some, by=both), Code.MISSING_THRESHOLD)
        assert finding.facts["kind"] == "slsa-provenance"


class TestKinds:
    both = policy(
        rule(attestations=("publish", "slsa-provenance"), builder="https://github.com/actions/runner/github-hosted")
    )

    def test_both_are_needed(self):
        verdict = accepted(judged([published(), built()], by=self.both))
        assert len(verdict.evidence) == 2
        (finding,) = rejected(judged([published()], by=self.both), Code.MISSING_PUBLISH)
        assert finding.facts["expected"] == "slsa-provenance"
        rejected(judged([built()], by=self.both), Code.MISSING_PUBLISH)

    def test_other_kinds_are_ignored_with_a_note(self):
        sbom = signed(raw_statement([subject(ZLIB)], "https://example.com/sbom"), github("evil/r"))
        verdict = accepted(judged([sbom, published(), built()]), Code.SIDECAR_ELEMENT, Code.SIDECAR_ELEMENT)
        assert len(verdict.evidence) == 1

    def test_malformed_provenance_is_nobody_s_business_unless_it_is_asked_for(self):
        broken = signed(raw_statement([subject(ZLIB)], "https://slsa.dev/provenance/v1", {}), github())
        accepted(judged([published(), broken]), Code.SIDECAR_ELEMENT)
        rejected(judged([broken]), Code.MISSING_PUBLISH)
        rejected(judged([published(), broken], by=self.both), Code.STMT_PREDICATE)


class TestFailures:
    def test_one_good_and_one_failed_is_accepted_with_a_note(self):
        """CEP 50 lets anyone's bundle stand beside the good one; it must neither help nor harm."""
        verdict = accepted(judged([published()], [CRYPTO]), Code.SIDECAR_ELEMENT)
        assert verdict.notes[-1].facts == {"failed": "CRYPTO", "reason": "signature"}
        accepted(judged([published(signer=github("evil/r")), published()]), Code.SIDECAR_ELEMENT)

    def test_what_got_furthest_explains_best(self):
        stranger, replay = published(signer=github("evil/r")), published(channel=OTHER)
        rejected(
            judged([replay, published(artifact("openssl")), stranger], [CRYPTO, Finding.of(Code.BUNDLE_JSON)]),
            Code.IDENTITY_MISMATCH,
            Code.CHANNEL_MISMATCH,
            Code.BIND_NAME,
            Code.CRYPTO,
            Code.BUNDLE_JSON,
        )

    def test_failures_alone_are_shown_as_they_are(self):
        assert rejected(judged([], [CRYPTO]), Code.CRYPTO) == (CRYPTO,)
        rejected(judged([], [CRYPTO], channel=None), Code.CRYPTO)

    def test_what_could_not_be_had_leaves_it_undecided(self):
        """An outage is not tampering, and a blocked sidecar is not an unsigned package."""
        verdict = judged([], [CRYPTO, NET])
        assert isinstance(verdict, Undecided)
        assert codes(verdict) == [Code.NET_UNAVAILABLE, Code.CRYPTO]
        assert isinstance(judged([], [NET], channel=None), Undecided)
        accepted(judged([published()], [NET]), Code.SIDECAR_ELEMENT)


class TestTime:
    young = policy(rule(min_age=timedelta(days=7)))

    def test_a_cool_down_counts_from_the_latest_known_time(self):
        accepted(judged([published()], by=self.young))
        rejected(judged([published(at=NOW - timedelta(days=6))], by=self.young), Code.POLICY_TOO_YOUNG)
        yesterday = NOW - timedelta(days=1)
        rejected(judged([published()], by=self.young, indexed_at=yesterday), Code.POLICY_TOO_YOUNG)
        rejected(judged([published()], by=self.young, first_seen=yesterday), Code.POLICY_TOO_YOUNG)

    def test_an_index_cannot_shorten_a_cool_down(self):
        """The index is not signed: whoever serves it says that a fresh package is old."""
        fresh = published(at=NOW - timedelta(hours=1))
        old = NOW - timedelta(days=900)
        rejected(judged([fresh], by=self.young, indexed_at=old, first_seen=old), Code.POLICY_TOO_YOUNG)

    @pytest.mark.parametrize("days", [-365, 365])
    def test_a_wrong_clock_changes_nothing_where_no_age_is_judged(self, days):
        accepted(judged([published()], now=NOW + timedelta(days=days)))

    def test_a_signer_is_judged_by_the_verified_time(self):
        given_up = replace(OCTO, valid=rules.Window(None, SIGNED + timedelta(days=1)))
        accepted(judged([published()], by=policy(rule(signers=(given_up,)))))
        late = published(at=SIGNED + timedelta(days=1))
        (finding,) = rejected(judged([late], by=policy(rule(signers=(given_up,)))), Code.IDENTITY_MISMATCH)
        assert finding.facts["field"] == "valid"


class TestReport:
    end = NOW + timedelta(days=10)
    lax = policy(rule(action="report", reason="rollout", expires=end))

    def test_what_fails_passes_with_a_warning(self):
        verdict = accepted(judged(by=self.lax), Code.POLICY_REPORT_ONLY)
        assert verdict.evidence == ()
        facts = verdict.notes[0].facts
        assert (facts["failed"], facts["exception"]) == ("MISSING-ATTESTATION", "rollout")
        assert facts["until"] == self.end.isoformat()
        accepted(judged([published(signer=github("evil/r"))], [CRYPTO], by=self.lax), *[Code.POLICY_REPORT_ONLY] * 2)
        accepted(judged([], [NET], by=self.lax), Code.POLICY_REPORT_ONLY)

    def test_what_is_good_passes_without_one(self):
        assert len(accepted(judged([published()], by=self.lax)).evidence) == 1

    def test_the_exception_ends(self):
        """A policy that a long-running process read before the end is judged after it."""
        rejected(judged(by=self.lax, now=self.end), Code.MISSING_ATTESTATION)
        accepted(judged(by=self.lax, now=self.end - timedelta(seconds=1)), Code.POLICY_REPORT_ONLY)

    def test_a_stranger_cannot_choose_the_lenient_channel(self):
        """The signed channel selects a local file's rule, and anybody can sign for a channel that only reports."""
        evil = published(signer=github("evil/r"))
        rejected(judged([evil], by=self.lax, channel=None), Code.IDENTITY_MISMATCH)


class TestChannel:
    entry = ChannelEntry(url=CHANNEL, mirrors=(MIRROR,), target_channels=(STAGING,))
    named = policy(channels=(entry,))

    def test_a_mirror_stands_for_its_channel(self):
        accepted(judged([published()], channel=MIRROR, by=self.named))
        rejected(judged([published()], channel=MIRROR), Code.POLICY_NONE)

    def test_a_further_claim_is_accepted(self):
        accepted(judged([published(channel=STAGING)], by=self.named))
        rejected(judged([published(channel=STAGING)]), Code.CHANNEL_MISMATCH)

    def test_a_replay_from_another_channel_is_rejected(self):
        """A package that its maintainer published to a test channel is served from the real one."""
        rejected(judged([published(channel=OTHER)], by=self.named), Code.CHANNEL_MISMATCH)

    def test_an_absent_claim_is_rejected_unless_optional(self):
        """A statement that names no channel can be replayed to every channel."""
        rejected(judged([published(channel=None)]), Code.CHANNEL_ABSENT)
        accepted(judged([published(channel=None)], by=policy(rule(target_channel="optional"))))
        optional = policy(rule(target_channel="optional"))
        rejected(judged([published(channel=OTHER)], by=optional), Code.CHANNEL_MISMATCH)

    def test_without_a_channel_the_signed_one_selects_the_rule(self):
        verdict = accepted(judged([published()], channel=None), Code.CHANNEL_FROM_STATEMENT)
        assert verdict.rule == "rule *"
        accepted(judged([published(channel=STAGING)], channel=None, by=self.named), Code.CHANNEL_FROM_STATEMENT)
        rejected(judged([published(channel=OTHER)], channel=None), Code.POLICY_NONE)
        rejected(judged([published(channel=None)], channel=None), Code.POLICY_NONE)

    def test_of_several_signed_channels_one_that_is_accepted_decides(self):
        other = Rule(name="other", channel=OTHER, signers=(PERSON,))
        some = [published(channel=OTHER), published()]
        assert accepted(
            judged(some, channel=None, by=policy(other, rule())), Code.CHANNEL_FROM_STATEMENT, Code.SIDECAR_ELEMENT
        ).rule == ("rule *")

    def test_a_statement_about_other_bytes_selects_no_rule(self):
        rejected(judged([published(artifact("openssl"))], channel=None), Code.BIND_NAME)
        rejected(judged([built()], channel=None), Code.MISSING_PUBLISH)


class TestTrustRoot:
    own = policy(rule(trusted_root="corp.json"))

    def test_a_root_that_was_not_read_leaves_it_undecided(self):
        verdict = judged([published()], by=self.own)
        assert isinstance(verdict, Undecided)
        assert codes(verdict) == [Code.NET_TRUST_ROOT]

    def test_only_the_rule_s_own_root_counts(self):
        """An identity of the public Sigstore that is called like the company's own."""
        accepted(judged([published()], by=rules.with_trust_roots(self.own, {"corp.json": ROOT})))
        other = rules.with_trust_roots(self.own, {"corp.json": Sha256("9" * 64)})
        rejected(judged([published()], by=other), Code.CRYPTO)


class TestCommandLine:
    def test_a_repository_is_asked_for_whatever_the_channel(self):
        by = rules.for_repository("hunger/octoconda")
        evidence = published()
        accepted(judged([evidence], by=by))
        accepted(judged([evidence], by=by, channel=None), Code.CHANNEL_FROM_STATEMENT)
        accepted(judged([published(channel=None)], by=by, channel=None))
        rejected(judged([evidence], by=by, channel=OTHER), Code.CHANNEL_MISMATCH)
        rejected(judged([evidence], by=rules.for_repository("hunger/other")), Code.IDENTITY_MISMATCH)

    def test_an_identity_is_asked_for(self):
        by = rules.for_identity(email().san, email().issuer)
        accepted(judged([published(signer=email())], by=by))
        rejected(judged([published(signer=email("x@corp.example"))], by=by), Code.IDENTITY_MISMATCH)

    def test_nobody_required_is_undecided_and_tells_who_signed(self):
        """Authentic is not the same as allowed: without a requirement nothing is accepted."""
        evidence = published(signer=github("any/one"))
        verdict = judged([evidence], by=rules.nobody_required())
        assert isinstance(verdict, Undecided)
        assert codes(verdict) == [Code.IDENTITY_NOT_REQUIRED]
        assert verdict.seen == (evidence,)
        assert verdict.findings[0].facts["found"] == evidence.signer.san

    def test_nobody_required_still_binds(self):
        by = rules.nobody_required()
        rejected(judged([published(artifact("openssl"))], by=by), Code.BIND_NAME)
        rejected(judged([published(channel=OTHER)], by=by), Code.CHANNEL_MISMATCH)
        rejected(judged([built()], by=by), Code.MISSING_PUBLISH)
        rejected(judged([], [CRYPTO], by=by), Code.CRYPTO)


def test_a_channel_with_a_patch_rule_has_no_note_about_patches():
    patch = rules.PatchRule(name="p", channel=CHANNEL, signers=(OCTO,), max_age=timedelta(days=7))
    assert accepted(judged([published()], by=policy(patches=(patch,)))).notes == ()


def test_a_judgement_tells_rule_channel_and_trials():
    judgement = judge(policy(), ZLIB, CHANNEL, [published()], [], now=NOW)
    assert (judgement.rule.name, judgement.channel, len(judgement.trials)) == ("rule *", CHANNEL, 1)
    assert judge(policy(), ZLIB, OTHER, [], [], now=NOW).rule is None


NAMES = st.sampled_from(["zlib", "openssl", "numpy", "a"])
EVIDENCE = {
    name: [published(artifact(name)), published(artifact(name), signer=email())] for name in ("zlib", "openssl")
}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(NAMES | st.just("*"), st.sampled_from([OCTO, PERSON])), max_size=4, unique_by=lambda each: each[0]
    ),
    NAMES,
    st.sampled_from([OCTO, PERSON]),
    st.sampled_from([CHANNEL, None]),
)
def test_a_rule_for_one_package_never_changes_the_verdict_for_another(some, added, signer, channel):
    """Whoever may add a rule for their own package must not decide about anybody else's."""
    before = tuple(rule(package, signers=(allowed,)) for package, allowed in some if package != added)
    after = (*before, rule(added, signers=(signer,)))
    for name, evidence in EVIDENCE.items():
        if name != added:
            verdicts = [
                judged(evidence, of=artifact(name), channel=channel, by=Policy(source="p", rules=each))
                for each in (before, after)
            ]
            assert verdicts[0] == verdicts[1]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([CRYPTO, NET, Finding.of(Code.BUNDLE_JSON)]), max_size=3),
    st.lists(
        st.sampled_from(
            [
                published(signer=github("evil/r")),
                published(channel=OTHER),
                published(channel=None),
                published(artifact("openssl")),
                published(payload_type="x"),
                built(),
                signed(b"{", github()),
                signed(raw_statement([subject(ZLIB)], "https://example.com/x"), github()),
            ]
        ),
        max_size=4,
    ),
    st.sampled_from([policy(), policy(rule(threshold=2)), rules.nobody_required(), rules.for_repository("x/y")]),
    st.sampled_from([CHANNEL, OTHER, None]),
)
def test_nothing_bad_ever_adds_up_to_something_good(failures, evidence, by, channel):
    """However many bundles an attacker adds, none of which is good, the verdict is not `Accepted`."""
    assert not isinstance(judged(evidence, failures, by=by, channel=channel), Accepted)
