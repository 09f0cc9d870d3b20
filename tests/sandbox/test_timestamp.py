"""Stamps verify by rfc3161-client under the sandbox's root, and answer requests with their nonce."""

from datetime import UTC, datetime, timedelta

import pytest
from rfc3161_client import TimestampRequestBuilder, VerificationError, VerifierBuilder, decode_timestamp_response
from rfc3161_client.base import HashAlgorithm

from condattest.sandbox.timestamp import TimeStamper

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def stamper():
    return TimeStamper(lambda: NOW)


def verifier(stamper, **more):
    return VerifierBuilder(tsa_certificate=stamper.certificate, roots=[stamper.root], **more).build()


def test_a_stamp_verifies_and_has_the_sandbox_s_time(stamper):
    response = decode_timestamp_response(stamper.stamp(b"signature"))
    assert verifier(stamper).verify_message(response, b"signature")
    assert response.tst_info.gen_time == NOW


def test_any_time_can_be_stamped(stamper):
    at = NOW + timedelta(days=400)
    response = decode_timestamp_response(stamper.stamp(b"x", at=at))
    assert response.tst_info.gen_time == at


def test_a_request_is_answered_with_its_nonce(stamper):
    request = (
        TimestampRequestBuilder().hash_algorithm(HashAlgorithm.SHA256).data(b"signature").nonce(nonce=True).build()
    )
    response = decode_timestamp_response(stamper.answer(request.as_bytes()))
    assert verifier(stamper, nonce=request.nonce).verify_message(response, b"signature")


def test_another_authority_does_not_verify_it(stamper):
    response = decode_timestamp_response(stamper.stamp(b"x"))
    with pytest.raises(VerificationError):
        verifier(TimeStamper(lambda: NOW)).verify_message(response, b"x")


@pytest.mark.parametrize("request_", [b"", b"junk", bytes(100)])
def test_what_is_no_request_is_refused(stamper, request_):
    with pytest.raises(ValueError, match="asn1"):
        stamper.answer(request_)


def test_another_digest_is_refused(stamper):
    request = TimestampRequestBuilder().hash_algorithm(HashAlgorithm.SHA512).data(b"x").build()
    with pytest.raises(ValueError, match="SHA-256"):
        stamper.answer(request.as_bytes())
