"""One sandbox, one set of keys, one time."""

import json
from datetime import UTC, datetime

from cryptography import x509

from condattest.sandbox import Sandbox, github
from condattest.sandbox.extensions import Contents, of_claims
from condattest.signatures.authenticate import authenticate
from condattest.signatures.trust_root import TrustRoot

PAST = datetime(2021, 3, 4, 5, 6, 7, tzinfo=UTC)


def root(sandbox):
    return TrustRoot.from_json(sandbox.trusted_root_json().encode(), name="sandbox")


def test_an_injected_time_is_everywhere():
    sandbox = Sandbox(now=lambda: PAST, rekor=1, tsa=True)
    evidence = authenticate(sandbox.sign_statement(b"{}", github("o/r")), root(sandbox))
    assert [time.at for time in evidence.times] == [PAST, PAST]


def test_a_signature_of_another_moment_can_be_made():
    sandbox = Sandbox(now=lambda: PAST)
    at = datetime(2021, 3, 5, tzinfo=UTC)
    assert authenticate(sandbox.sign_statement(b"{}", github("o/r"), at=at), root(sandbox)).earliest.at == at


def test_rekor_v2_always_comes_with_stamps():
    bundle = json.loads(Sandbox(rekor=2).sign_statement(b"{}", github("o/r")))
    assert bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]


def test_faults_can_be_planted_in_a_certificate():
    sandbox = Sandbox()
    identity = github("o/r")
    honest = of_claims(identity.issuer, identity.claims)
    contents = Contents((*honest.names, x509.RFC822Name("x@y.example")), honest.claims)
    bundle = json.loads(sandbox.sign_as(contents, b"{}"))
    assert bundle["dsseEnvelope"]["payloadType"] == "application/vnd.in-toto+json"


def test_a_v2_entry_of_any_sandbox_comes_with_a_stamp_unless_it_is_asked_for_without():
    def stamps(**how):
        material = json.loads(Sandbox().sign_statement(b"{}", github("o/r"), **how))["verificationMaterial"]
        return len(material.get("timestampVerificationData", {}).get("rfc3161Timestamps", []))

    assert stamps(rekor=2) == stamps(rekor=1, tsa=True) == 1
    assert stamps(rekor=1) == stamps(rekor=2, tsa=False) == 0
