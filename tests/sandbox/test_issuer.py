"""Tokens are the issuer's own, for Sigstore, and valid now."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from condattest.errors import Misuse
from condattest.sandbox import github, mint
from condattest.sandbox.issuer import KEY_FILE, Issuer

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def issuer(now=NOW):
    return Issuer(lambda: now)


def test_a_token_names_its_identity():
    made = issuer()
    claims = made.verify(made.token(github("o/r")))
    assert claims["repository"] == "o/r"
    assert claims["iss"] == "https://token.actions.githubusercontent.com"


def test_a_token_of_another_issuer_is_refused():
    """The attacker signs a token of its own."""
    with pytest.raises(jwt.InvalidTokenError):
        issuer().verify(issuer().token(github("o/r")))


def test_a_token_for_another_audience_is_refused():
    """A token that a job got for another service."""
    made = issuer()
    with pytest.raises(jwt.InvalidTokenError):
        made.verify(made.token(github("o/r"), audience="other"))


def test_a_token_out_of_its_time_is_refused():
    """A token that was found in an old log."""
    times = [NOW]
    made = Issuer(lambda: times[0])
    token = made.token(github("o/r"), lifetime=timedelta(minutes=5))
    for moment, good in ((NOW, True), (NOW + timedelta(minutes=6), False), (NOW - timedelta(days=1), False)):
        times[0] = moment
        if good:
            assert made.verify(token)
        else:
            with pytest.raises(jwt.InvalidTokenError):
                made.verify(token)


def test_a_token_without_signature_is_refused():
    """The algorithm `none`."""
    with pytest.raises(jwt.InvalidTokenError):
        issuer().verify(jwt.encode({"sub": "x", "aud": "sigstore", "iss": "x", "iat": 0, "exp": 2**31}, "", "none"))


def test_the_published_key_verifies():
    made = issuer()
    [key] = made.key_set()["keys"]
    assert "d" not in key
    assert made.discovery("http://x")["jwks_uri"] == "http://x/keys"


def test_a_written_key_mints_tokens_for_the_same_issuer(tmp_path):
    made = Issuer(lambda: datetime.now(UTC))
    path = made.write(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert made.verify(mint(tmp_path, github("o/r")))["repository"] == "o/r"


@pytest.mark.parametrize("content", [None, "", "{}", '{"key": "x"}', "[]"])
def test_what_is_no_key_is_a_usage_error(tmp_path, content):
    if content is not None:
        (tmp_path / KEY_FILE).write_text(content)
    with pytest.raises(Misuse):
        mint(tmp_path, github("o/r"))
