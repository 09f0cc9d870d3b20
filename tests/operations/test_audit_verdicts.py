"""One listed package."""

import dataclasses

import msgspec
import pytest

from condattest.formats.listings import Listing
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.audit_evidence import Had
from condattest.operations.audit_verdicts import Deciding, Terms, listed, trust_roots, wanted_of
from condattest.policy.rules import GitHubSigner, Policy, Rule
from condattest.sandbox import github
from condattest.signatures.authenticate import authenticate
from condattest.signatures.trust_root import TrustRoot
from tests.rehearsal import CHANNEL, NOW, attacker, payload_for, sandbox, trust

FILE = PackageFile.parse("x-1-0.conda")
LISTING = Listing(str(FILE), FILE, Sha256("ab" * 32), Sha256("cd" * 32), True, 5)
UNATTESTED = msgspec.structs.replace(LISTING, sidecar=None, claimed=False)
TERMS = Terms(channel=CHANNEL, trust=trust())


@pytest.fixture(scope="module")
def proved():
    from condattest.model.artifact import Artifact

    def make(channel=CHANNEL, repository="me/x"):
        payload = payload_for(Artifact(FILE, Sha256("ab" * 32)), channel)
        return Had((authenticate(sandbox().sign_statement(payload, github(repository)), trust()),))

    return make


def decided(had, listing=LISTING, terms=TERMS):
    row = Deciding(terms, NOW).row(listing, "noarch", had)
    return row.status, [finding.code for finding in row.findings()]


def policy(*signers, **more):
    made = tuple(GitHubSigner(name=each, repository=each) for each in signers)
    return dataclasses.replace(TERMS, policy=Policy(source="p", rules=(Rule(name="r", signers=made, **more),)))


def test_without_a_policy_what_is_authentic_and_bound_is_accepted(proved):
    assert decided(proved()) == ("accepted", [])
    row = Deciding(TERMS, NOW).row(LISTING, "noarch", proved())
    assert [(each.identity.partition("@")[0], each.source) for each in row.signed] == [
        ("https://github.com/me/x/.github/workflows/release.yml", "log")
    ]
    assert row.rule is None


def test_without_a_policy_another_channels_statement_is_rejected_all_the_same(proved):
    from condattest.model.channel import Channel

    assert decided(proved(Channel("https://conda.example/other"))) == ("rejected", [Code.CHANNEL_MISMATCH])


def test_no_attestation_is_unattested_with_and_without_a_policy(proved):
    for terms in (TERMS, policy("me/x")):
        assert decided(Had(), UNATTESTED, terms) == ("unattested", [Code.AUDIT_UNATTESTED])


def test_a_policy_decides_and_its_rule_is_named(proved):
    assert decided(proved(), terms=policy("me/x")) == ("accepted", [])
    assert Deciding(policy("me/x"), NOW).row(LISTING, "noarch", proved()).rule == "r"
    assert decided(proved(), terms=policy("you/x")) == ("rejected", [Code.IDENTITY_MISMATCH])


def test_a_baseline_accepts_what_is_unattested_with_a_note():
    terms = policy("me/x", baseline=frozenset({Sha256("ab" * 32)}))
    assert decided(Had(), UNATTESTED, terms) == ("accepted", [Code.POLICY_BASELINE])


def test_an_outage_is_undecided_and_never_unattested():
    outage = Had(problem=Finding.of(Code.NET_UNAVAILABLE, "x"))
    assert decided(outage) == ("undecided", [Code.NET_UNAVAILABLE])
    assert decided(Had(problem=Finding.of(Code.SIDECAR_DIGEST, "x"))) == ("rejected", [Code.SIDECAR_DIGEST])


def test_a_broken_record_is_rejected_whatever_is_signed(proved):
    broken = msgspec.structs.replace(LISTING, finding=Finding.of(Code.BIND_METADATA, "x"))
    assert decided(proved(), broken) == ("rejected", [Code.BIND_METADATA])
    assert wanted_of(broken, "noarch", TERMS) is None


def test_the_sidecar_that_is_wanted_is_the_one_that_the_record_names():
    wanted = wanted_of(LISTING, "noarch", TERMS)
    assert wanted.path == f"noarch/x-1-0.conda.sigs.{'cd' * 32}"
    assert wanted.roots == (trust().sha256,)
    assert wanted_of(UNATTESTED, "noarch", TERMS) is None


def test_without_sidecars_what_is_advertised_is_undecided():
    assert [listed(each, "noarch").status for each in (LISTING, UNATTESTED)] == ["undecided", "unattested"]


def test_a_report_names_the_root_in_force_first_and_then_those_of_rules():
    other = TrustRoot.from_json(attacker().trusted_root_json().encode(), name="other")
    assert trust_roots(other, {"b": trust(), "a": other}) == (other.sha256, *sorted({other.sha256, trust().sha256}))
    assert trust_roots(trust(), {}) == (trust().sha256,)
