"""Each bundle that is offered is judged by itself, and a sidecar gets only what it lacks."""

from dataclasses import replace

import pytest

from condattest.formats import bundle as bundles
from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding
from condattest.operations import admission
from condattest.operations.admission import Terms
from condattest.operations.attestations import Collected
from condattest.policy import rules
from condattest.policy.admit import Admitted
from condattest.sandbox import github
from condattest.signatures.trust_root import TrustRoot
from tests.rehearsal import CHANNEL, REPOSITORY, a_package, artifact_of, attacker, payload_for, sandbox, signed, trust

OTHERS = TrustRoot.from_json(attacker().trusted_root_json().encode(), name="others")
TERMS = Terms(trust=trust(), policy=rules.for_repository(REPOSITORY), channel=CHANNEL)
ANYBODY = Terms(trust=trust(), policy=None, channel=CHANNEL)


def offers(package, *raws, terms=TERMS):
    return admission.offers(Collected(tuple(map(bundles.parse, raws)), ("there",)), artifact_of(package), terms)


def outcome(offer):
    return offer.outcome.code if isinstance(offer.outcome, Finding) else "admitted"


def test_each_bundle_has_its_outcome_in_order(tmp_path):
    package, other = a_package(tmp_path), a_package(tmp_path, "letters")
    made = offers(
        package, signed(package), signed(other), signed(package, github("mallory/x")), signed(package, by=attacker()),
        signed(package, channel=Channel("https://conda.example/other")), signed(package),
    )  # fmt: skip
    assert [outcome(each) for each in made] == [
        "admitted", Code.BIND_NAME, Code.IDENTITY_MISMATCH, Code.CRYPTO, Code.CHANNEL_MISMATCH, "admitted",
    ]  # fmt: skip


def test_an_offer_keeps_the_bytes_and_names_the_place(tmp_path):
    package = a_package(tmp_path)
    raw = signed(package)
    [offer] = offers(package, b" \n" + raw + b"\n")
    assert (offer.raw, offer.place) == (raw, "there")
    assert isinstance(offer.outcome, Admitted)
    assert offer.outcome.evidence.payload == payload_for(artifact_of(package))


def test_nothing_offered_is_no_offer_and_has_its_finding(tmp_path):
    package = a_package(tmp_path)
    assert offers(package) == ()
    finding = admission.missing(artifact_of(package))
    assert (finding.code, finding.where) == (Code.MISSING_ATTESTATION, package.name)


def test_without_a_policy_any_signer_will_do_but_no_other_package_channel_or_root(tmp_path):
    package = a_package(tmp_path)
    made = offers(
        package, signed(package, github("mallory/x")), signed(a_package(tmp_path, "letters")),
        signed(package, channel=Channel("https://conda.example/other")), signed(package, by=attacker()), terms=ANYBODY,
    )  # fmt: skip
    assert [outcome(each) for each in made] == ["admitted", Code.BIND_NAME, Code.CHANNEL_MISMATCH, Code.CRYPTO]


def test_a_bundle_that_several_roots_vouch_for_is_held_against_the_one_that_the_rule_names(tmp_path):
    """The rule's root is a copy of the caller's with other bytes: `verify` takes it, and so must this."""
    package = a_package(tmp_path)
    copy = TrustRoot.from_json(sandbox().trusted_root_json().encode() + b"\n", name="copy")
    [rule] = rules.for_repository(REPOSITORY).rules
    policy = replace(rules.for_repository(REPOSITORY), rules=(replace(rule, trusted_root="copy.json"),))
    policy = rules.with_trust_roots(policy, {"copy.json": copy.sha256})
    assert copy.sha256 != trust().sha256
    terms = Terms(trust=trust(), policy=policy, roots={"copy.json": copy}, channel=CHANNEL)
    made = offers(package, signed(package), signed(package, github("mallory/x")), terms=terms)
    assert [outcome(each) for each in made] == ["admitted", Code.IDENTITY_MISMATCH]
    # What is there under the caller's root alone is not what the rule asks for; this one is there under both.
    assert chosen(made[:1], made[0].raw, terms=terms) == []
    assert chosen(made[:1], signed(package), terms=terms) == []
    assert chosen(made[:1], signed(package), terms=TERMS) == [made[0].raw]


def test_without_a_channel_the_signed_one_is_taken(tmp_path):
    package = a_package(tmp_path)
    raw = signed(package, channel=Channel("https://conda.example/other"))
    assert [outcome(each) for each in offers(package, raw, terms=replace(TERMS, channel=None))] == ["admitted"]


def test_the_root_of_one_rule_does_not_vouch_under_another(tmp_path):
    """A policy names a second Sigstore for one channel; whoever runs it signs for the other one."""
    package = a_package(tmp_path)
    terms = replace(TERMS, roots={"others.json": OTHERS})
    assert [outcome(each) for each in offers(package, signed(package, by=attacker()), terms=terms)] == [Code.CRYPTO]


def chosen(fresh, *there, terms=TERMS):
    return admission.chooser(fresh, terms)(there)


def test_what_a_sidecar_lacks_is_chosen_once(tmp_path):
    package = a_package(tmp_path)
    one, again = signed(package), signed(package)
    assert one != again
    fresh = offers(package, one, again)
    assert chosen(fresh) == [one]
    assert chosen(fresh, one) == []
    assert chosen(offers(package, one), again) == []  # Of the same signer over the same payload.


def test_another_signer_or_payload_or_kind_of_time_is_something_new(tmp_path):
    package = a_package(tmp_path)
    first = signed(package)
    other_signer = signed(package, github("auditor/x"))
    other_payload = signed(package, channel=None)
    stamped = signed(package, tsa=True)
    for raw in (other_signer, other_payload, stamped):
        assert chosen(offers(package, raw, terms=replace(ANYBODY, channel=None)), first) == [raw]


@pytest.mark.parametrize(
    "other", [{"trigger": "pull_request_target"}, {"owner_id": "666"}, {"runner_environment": "self-hosted"}]
)
def test_a_run_that_a_rule_would_refuse_does_not_keep_out_one_that_it_accepts(tmp_path, other):
    """The same workflow file of the same ref, so the same SAN: who got there first must not stand for the other."""
    package = a_package(tmp_path)
    there, good = signed(package, github(REPOSITORY, **other)), signed(package)
    assert chosen(offers(package, good), there) == [good]
    assert chosen(offers(package, good), signed(package, github(REPOSITORY, run_id="7", sha="7" * 40))) == []


def test_what_was_refused_is_never_chosen(tmp_path):
    package = a_package(tmp_path)
    good, bad = signed(package), signed(package, by=attacker())
    assert chosen(offers(package, bad, good)) == [good]


def test_what_does_not_verify_in_a_sidecar_stands_for_nothing(tmp_path):
    """An attacker who can write to the channel puts look-alikes there first, so that nothing is appended."""
    package = a_package(tmp_path)
    good = signed(package)
    for there in (signed(package, by=attacker()), b"junk", b"{}", good.replace(b'"sig":"ME', b'"sig":"MF')):
        assert there != good
        assert chosen(offers(package, good), there) == [good]


def test_nothing_fresh_reads_nothing():
    assert chosen((), b"junk") == []


def test_a_bundle_signed_anew_by_the_same_job_adds_nothing_even_at_another_time(tmp_path):
    package = a_package(tmp_path)
    first = signed(package)
    later = sandbox().sign_statement(payload_for(artifact_of(package)), github(REPOSITORY))
    assert chosen(offers(package, later), first) == []
