"""A browser's login gives one token for one code, and only to this machine."""

import base64
import hashlib

import pytest

from condattest.sandbox import email
from condattest.sandbox.login import Login

VERIFIER = "verifier"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def query(**changes):
    asked = {
        "response_type": "code", "redirect_uri": "http://localhost:1234/auth/callback", "state": "s",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    }  # fmt: skip
    return {**asked, **changes}


def code_of(place):
    return place.split("code=")[1].split("&")[0]


def test_a_code_is_redeemed_once_for_the_person():
    login = Login(email("me@example.org"))
    place = login.grant(query())
    assert place.startswith("http://localhost:1234/auth/callback?")
    assert "state=s" in place
    form = {"code": code_of(place), "code_verifier": VERIFIER}
    assert login.redeem(form).claims["email"] == "me@example.org"
    with pytest.raises(KeyError):
        login.redeem(form)


def test_another_verifier_is_refused():
    """Somebody saw the code on its way."""
    login = Login()
    with pytest.raises(ValueError, match="verifier"):
        login.redeem({"code": code_of(login.grant(query())), "code_verifier": "other"})


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": "http://localhost.evil.example/"},
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
    ],
)
def test_a_code_is_not_sent_elsewhere(changes):
    """A page that asks for a code in the person's name."""
    with pytest.raises(ValueError, match=r"redirect_uri|challenge"):
        Login().grant(query(**changes))
