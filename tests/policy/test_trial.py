"""One bundle against one rule: the first check that fails is its finding."""

from datetime import timedelta

from condattest.model.artifact import Sha256
from condattest.model.finding import Code
from condattest.policy.rules import EmailSigner, GitHubSigner, Policy, Rule
from condattest.policy.trial import start, try_bundle
from tests.policy.made_evidence import CHANNEL, NOW, OTHER, ROOT, SIGNED, ZLIB, built, github, published

OCTO = GitHubSigner(name="octo", repository="hunger/octoconda", repository_id="1092908474", triggers=("schedule",))
PERSON = EmailSigner(name="person", email="a@b.example", issuer="https://i.example")
POLICY = Policy(source="p")


def tried(evidence, *, root=None, not_before=None, now=NOW, **fields):
    rule = Rule(**{"name": "r", "channel": CHANNEL, "signers": (OCTO,), **fields})
    return try_bundle(start(evidence, ZLIB), rule, POLICY, CHANNEL, root=root, now=now, not_before=not_before)


def test_a_good_bundle_counts():
    trial = tried(published())
    assert trial.good
    assert (trial.finding, trial.signer, trial.tried) == (None, OCTO, ((OCTO, ()),))


def test_the_first_check_that_fails_is_the_finding():
    """A bundle with several things wrong is explained by the one that comes first, not by the last."""
    stranger = github("evil/r")
    assert tried(published(channel=OTHER, signer=stranger)).finding.code is Code.CHANNEL_MISMATCH
    assert tried(published(signer=stranger), min_age=timedelta(days=60)).finding.code is Code.IDENTITY_MISMATCH
    assert tried(published(), min_age=timedelta(days=60)).finding.code is Code.POLICY_TOO_YOUNG


def test_a_stranger_is_held_against_the_nearest_signer():
    trial = tried(published(signer=github(ref="refs/heads/x", trigger="push")), signers=(PERSON, OCTO))
    facts = trial.finding.facts
    assert (facts["signer"], facts["field"], facts["expected"], facts["found"]) == (
        "octo",
        "trigger",
        "schedule",
        "push",
    )
    assert [allowed.name for allowed, _ in trial.tried] == ["person", "octo"]
    far = tried(published(signer=github("evil/r")), signers=(PERSON, OCTO)).finding.facts
    assert (far["signer"], far["field"], far["identity"]) == ("octo", "repository", github("evil/r").san)


def test_evidence_under_another_trust_root_does_not_count():
    """The public Sigstore vouches for anybody; a rule with a root of its own must not take its word."""
    other = Sha256("9" * 64)
    trial = tried(published(), root=other, trusted_root="root.json")
    assert trial.finding.code is Code.CRYPTO
    assert trial.finding.facts["found"] == ROOT
    assert tried(published(), root=ROOT, trusted_root="root.json").good


def test_a_cool_down_ends_exactly():
    age = NOW - SIGNED
    assert tried(published(), min_age=age).good
    assert not tried(published(), min_age=age + timedelta(minutes=1)).good


def test_a_time_that_is_not_signed_only_lengthens_a_cool_down():
    """An index that says 1970, or the end of the calendar, must gain nothing by it."""
    week = timedelta(days=7)
    assert tried(published(), min_age=week, not_before=SIGNED - timedelta(days=9999)).good
    young = tried(published(), min_age=week, not_before=NOW - timedelta(days=1))
    assert young.finding.facts["until"] == (NOW + timedelta(days=6)).isoformat()
    far = tried(published(), min_age=week, not_before=NOW.replace(year=9999))
    assert far.finding.code is Code.POLICY_TOO_YOUNG
    assert "until" not in far.finding.facts
    just_signed = published(at=NOW - timedelta(hours=1))
    assert not tried(just_signed, min_age=week, not_before=SIGNED).good


SLSA = {"attestations": ("slsa-provenance",), "builder": "https://github.com/actions/runner/github-hosted"}


def test_provenance_states_the_builder_and_the_signer_s_repository():
    assert tried(built(), **SLSA).good


def test_provenance_of_another_builder_does_not_count():
    facts = tried(built(builder="https://github.com/actions/runner/self-hosted"), **SLSA).finding.facts
    assert facts["field"] == "builder"


def test_provenance_cannot_name_another_source_than_its_signer_s():
    """Whoever can sign at all can write any source into provenance."""
    trial = tried(built(source="https://github.com/madler/zlib"), **SLSA)
    assert (trial.finding.code, trial.finding.facts["field"]) == (Code.IDENTITY_MISMATCH, "source")


def test_what_the_rule_does_not_ask_for_is_passed_over():
    trial = tried(built())
    assert (trial.good, trial.finding, trial.kind) == (False, None, "slsa-provenance")
    assert trial.predicate_type == "https://slsa.dev/provenance/v1"


def test_a_statement_that_cannot_be_read_may_have_been_anything():
    trial = tried(published(payload_type="text/plain"), **SLSA)
    assert trial.unreadable
    assert trial.finding.code is Code.STMT_TYPE
    assert (trial.kind, trial.target, trial.predicate_type) == (None, None, None)
