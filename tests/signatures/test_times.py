"""A time-stamp token counts only when it verifies over this signature, under this root, in every window."""

import base64
import json
from dataclasses import replace
from datetime import timedelta

from cryptography import x509
from sigstore.models import Bundle
from sigstore.verify.policy import UnsafeNoOp

from condattest.model.finding import Code
from condattest.sandbox import github
from condattest.signatures import times
from condattest.signatures.authorities import Window
from tests.rehearsal import NOW, REPOSITORY, attacker, sandbox, trust

BUNDLE = json.loads(sandbox().sign_statement(b"{}", github(REPOSITORY), rekor=2, tsa=True))
SIGNATURE = base64.b64decode(BUNDLE["dsseEnvelope"]["signatures"][0]["sig"])
CERTIFICATE = x509.load_der_x509_certificate(
    base64.b64decode(BUNDLE["verificationMaterial"]["certificate"]["rawBytes"])
)


def judge(*tokens):
    return times.verify_tokens(tokens, SIGNATURE, CERTIFICATE, trust().authorities.time_stamp)


def reason(token):
    verified, [note] = judge(token)
    assert verified == {}
    assert note.code is Code.TIME_DROPPED
    return note.facts["reason"]


def test_a_good_token_gives_its_time_and_its_authority():
    token = sandbox().tsa.stamp(SIGNATURE, at=NOW + timedelta(minutes=1))
    verified, notes = judge(token)
    assert notes == []
    [time] = verified.values()
    assert (time.at, time.source) == (NOW + timedelta(minutes=1), "tsa")
    assert time.authority == trust().authorities.time_stamp[0].name


def test_a_token_over_another_signature_is_left_out():
    """A real token that was made for something else (CVE-2025-52556)."""
    assert "Mismatch" in reason(sandbox().tsa.stamp(b"another signature", at=NOW))


def test_a_token_of_an_unknown_authority_is_left_out():
    """The attacker's own authority, with its certificates in the token."""
    assert "refused by" in reason(attacker().tsa.stamp(SIGNATURE, at=NOW))


def test_a_token_outside_the_certificate_s_validity_is_left_out():
    """A stolen key is used long after its certificate has ended."""
    assert "certificate's validity" in reason(sandbox().tsa.stamp(SIGNATURE, at=NOW + timedelta(hours=1)))
    assert "certificate's validity" in reason(sandbox().tsa.stamp(SIGNATURE, at=NOW - timedelta(hours=1)))


def test_junk_is_left_out():
    for junk in (b"", b"junk", b"\x30\x03\x02\x01\x00", bytes(5000)):
        assert "not a time-stamp response" in reason(junk)


def test_a_flipped_bit_anywhere_gives_no_other_time():
    """Somebody edits the time in a real token."""
    token = sandbox().tsa.stamp(SIGNATURE, at=NOW)
    for position in range(0, len(token), 7):
        forged = bytearray(token)
        forged[position] ^= 1
        verified, _ = judge(bytes(forged))
        assert {time.at for time in verified.values()} <= {NOW}


def test_without_an_authority_no_token_counts():
    token = sandbox().tsa.stamp(SIGNATURE, at=NOW)
    verified, [note] = times.verify_tokens([token], SIGNATURE, CERTIFICATE, ())
    assert verified == {}
    assert "no time-stamp authority" in note.facts["reason"]


def watched(tokens, *seen, authorities=None):
    group = trust().authorities.time_stamp if authorities is None else authorities
    return times.watched_tokens(seen, tokens, SIGNATURE, CERTIFICATE, group)


def test_tokens_that_sigstore_was_seen_to_verify_count_as_if_verified_here():
    token = sandbox().tsa.stamp(SIGNATURE, at=NOW + timedelta(minutes=1))
    assert watched([token], (token, SIGNATURE)) == judge(token)[0]


def test_tokens_that_sigstore_was_not_seen_to_verify_are_verified_here():
    """It passes over a token that does not verify, and says nothing."""
    token, other = (sandbox().tsa.stamp(SIGNATURE, at=NOW + timedelta(minutes=at)) for at in (1, 2))
    assert watched([token]) is None
    assert watched([token, other], (token, SIGNATURE)) is None
    assert watched([token], (token, b"another signature")) is None
    assert watched([token], (token, SIGNATURE), (other, SIGNATURE)) is None
    [authority] = trust().authorities.time_stamp
    assert watched([token], (token, SIGNATURE), authorities=[authority, authority]) is None
    assert watched([token], (token, SIGNATURE), authorities=[]) is None


def test_a_token_outside_a_window_is_none_that_sigstore_vouches_for():
    """Sigstore is given windows without a start, so that its clock plays no part."""
    late = sandbox().tsa.stamp(SIGNATURE, at=NOW + timedelta(hours=1))
    assert watched([late], (late, SIGNATURE)) is None
    [authority] = trust().authorities.time_stamp
    token = sandbox().tsa.stamp(SIGNATURE, at=NOW)
    ended = replace(authority, window=Window(end=NOW))
    assert watched([token], (token, SIGNATURE), authorities=[ended]) is None


def test_sigstore_can_be_watched():
    """Another version may verify tokens elsewhere: all is verified then, twice as slowly."""
    one = trust().verifier.watched()
    one.verify_dsse(Bundle.from_json(json.dumps(BUNDLE)), UnsafeNoOp())
    [stamp] = BUNDLE["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
    assert one.seen() == [(base64.b64decode(stamp["signedTimestamp"]), SIGNATURE)]
    assert trust().verifier.watched().seen() == []
