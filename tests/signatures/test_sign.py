"""Signatures come as they are made, and a service that hangs is given up. Failures of services: see test_attest."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from condattest.errors import NoIdentity, ServiceFailed
from condattest.sandbox import Sandbox, github
from condattest.signatures.authenticate import authenticate
from condattest.signatures.identity import Token
from condattest.signatures.sign import Signing
from condattest.signatures.trust_root import TrustRoot
from tests.rehearsal import REPOSITORY


def statement(number):
    subject = [{"name": f"x-{number}-0.conda", "digest": {"sha256": "ab" * 32}}]
    document = {"_type": "https://in-toto.io/Statement/v1", "subject": subject, "predicateType": "https://x.example"}
    return json.dumps(document).encode()


@pytest.fixture
def running():
    with Sandbox(rekor=1).serve() as started:
        yield started


def signing(running, **options):
    trust = TrustRoot.from_json(running.trust_config_json().encode(), name="sandbox")
    token = running.sandbox.token(github(REPOSITORY))
    return trust, Signing(trust, lambda: Token(token, source="the test"), **options)


def test_every_statement_is_signed_as_it_is(running):
    trust, session = signing(running)
    payloads = [statement(number) for number in range(7)]
    signed = {each.index: each.outcome for each in session.sign(payloads, jobs=3)}
    assert {index: authenticate(outcome, trust).payload for index, outcome in signed.items()} == dict(
        enumerate(payloads)
    )


def test_jobs_run_side_by_side(running):
    running.sandbox.faults.rekor_delay = 0.3
    _, session = signing(running)
    began = time.monotonic()
    assert len(list(session.sign([statement(number) for number in range(4)], jobs=4))) == 4
    assert time.monotonic() - began < 0.9


def test_what_hangs_does_not_hold_up_the_rest(running):
    running.sandbox.faults.rekor_delay = 5
    _, session = signing(running, deadline=0.4)
    began = time.monotonic()
    outcomes = [each.outcome for each in session.sign([statement(number) for number in range(3)], jobs=1)]
    assert time.monotonic() - began < 4
    assert [type(outcome) for outcome in outcomes] == [ServiceFailed] * 3


def test_without_a_token_nothing_is_signed(running):
    trust = TrustRoot.from_json(running.trust_config_json().encode(), name="sandbox")

    def none():
        raise NoIdentity("none")

    with pytest.raises(NoIdentity):
        list(Signing(trust, none).sign([statement(1)], jobs=1))


def test_a_token_of_another_sandbox_is_refused_in_fulcios_words(running):
    """A token that an attacker's issuer made."""
    trust = TrustRoot.from_json(running.trust_config_json().encode(), name="sandbox")
    token = Sandbox().token(github(REPOSITORY))
    with pytest.raises(ServiceFailed, match="HTTP 40"):
        list(Signing(trust, lambda: Token(token, source="the test")).sign([statement(1)], jobs=1))


def test_a_clock_that_is_ahead_ends_with_advice():
    """Each certificate is over before it comes; asking for ever would not help."""
    with Sandbox(now=lambda: datetime.now(UTC) - timedelta(minutes=20)).serve() as behind:
        trust = TrustRoot.from_json(behind.trust_config_json().encode(), name="sandbox")
        token = behind.sandbox.token(github(REPOSITORY), lifetime=timedelta(hours=1))
        session = Signing(trust, lambda: Token(token, source="the test"))
        [outcome] = [each.outcome for each in session.sign([statement(1)], jobs=1)]
    assert isinstance(outcome, ServiceFailed)
    assert "clock" in outcome.hint


def test_a_certificate_authority_that_fails_at_first_is_asked_again(running):
    running.sandbox.faults.fulcio_fails_first = 1
    trust, session = signing(running)
    [outcome] = [each.outcome for each in session.sign([statement(1)], jobs=1)]
    assert authenticate(outcome, trust).payload == statement(1)


def test_a_certificate_authority_that_keeps_failing_is_an_error_in_its_own_words(running):
    running.sandbox.faults.fulcio_fails_first = 99
    _, session = signing(running, attempts=2)
    with pytest.raises(ServiceFailed, match=r"HTTP 503.*not available"):
        list(session.sign([statement(1)], jobs=1))


def test_nothing_to_sign_gives_nothing(running):
    _, session = signing(running)
    assert list(session.sign([], jobs=4)) == []
