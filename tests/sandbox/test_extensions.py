"""Claims become the extensions that Fulcio writes."""

import pytest
from cryptography import x509
from cryptography.hazmat import asn1

from condattest.sandbox import email, github, gitlab
from condattest.sandbox.extensions import of_claims


def texts(identity):
    contents = of_claims(identity.issuer, identity.claims)
    decoded = {number: asn1.decode_der(str, value) for number, value in contents.claims.items() if number >= 8}
    return contents, decoded


def test_github_s_name_is_the_workflow_that_built():
    contents, claims = texts(github("o/r"))
    san = "https://github.com/o/r/.github/workflows/release.yml@refs/heads/main"
    assert contents.names == (x509.UniformResourceIdentifier(san),)
    assert (claims[9], claims[18], claims[12]) == (san, san, "https://github.com/o/r")
    assert contents.claims[5] == b"o/r"
    assert 23 not in claims


def test_gitlab_s_name_has_the_double_slash():
    contents, claims = texts(gitlab("g/p"))
    assert contents.names[0].value == "https://gitlab.com/g/p//.gitlab-ci.yml@refs/heads/main"
    assert claims[8] == "https://gitlab.com"


def test_an_email_has_no_claims_but_its_issuer():
    contents, claims = texts(email("me@example.org"))
    assert contents.names == (x509.RFC822Name("me@example.org"),)
    assert set(claims) == {8}


def test_an_unverified_email_is_refused():
    """Anybody can type in anybody's address."""
    identity = email("me@example.org")
    with pytest.raises(ValueError, match="email_verified"):
        of_claims(identity.issuer, {**identity.claims, "email_verified": False})


def test_a_missing_claim_is_refused():
    identity = github("o/r")
    with pytest.raises(KeyError):
        of_claims(identity.issuer, {"sub": "repo:o/r"})


def test_a_person_s_issuer_is_where_dex_let_them_log_in():
    contents, claims = texts(email("me@example.org", connector="https://github.com/login/oauth"))
    assert contents.claims[1].decode() == claims[8] == "https://github.com/login/oauth"


def test_no_other_issuer_may_speak_for_a_connector():
    """An issuer that claims to have asked a better known one."""
    person = email("me@example.org", issuer="https://evil.example", connector="https://accounts.google.com")
    assert texts(person)[1][8] == "https://evil.example"


@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/heads/a/b", "refs/tags/v1"])
def test_gitlab_s_ref_is_whole_again(ref):
    assert texts(gitlab("g/p", ref=ref))[1][14] == ref


@pytest.mark.parametrize("identity", [github("o/r", environment="prod"), gitlab("g/p")], ids=["github", "gitlab"])
def test_an_environment_is_told_where_there_is_one(identity):
    contents = of_claims(identity.issuer, {**identity.claims, "environment": "prod"})
    assert asn1.decode_der(str, contents.claims[23]) == "prod"
