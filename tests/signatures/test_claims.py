"""The identity of a certificate is read exactly, or not at all."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.errors import NotAuthenticated
from condattest.model.finding import Code
from condattest.signatures import claims

ARC = "1.3.6.1.4.1.57264.1."
ISSUER = "https://token.actions.githubusercontent.com"
SAN = "https://github.com/o/r/.github/workflows/release.yml@refs/heads/main"
KEY = ec.generate_private_key(ec.SECP256R1())
START = datetime(2026, 1, 1, tzinfo=UTC)


NAMES = (x509.UniformResourceIdentifier(SAN),)


def certificate(names=NAMES, raw=None, **texts):
    """A self-signed certificate with the given SANs and claims: `c8="text"` as DER, `raw={8: bytes}` as they are."""
    extensions = {int(name[1:]): asn1.encode_der(text) for name, text in texts.items()} | (raw or {})
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(START)
        .not_valid_after(START + timedelta(minutes=10))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(names)), critical=True)
    for number, value in extensions.items():
        oid = x509.ObjectIdentifier(f"{ARC}{number}")
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
    return builder.sign(KEY, hashes.SHA256())


def refusal(made):
    with pytest.raises(NotAuthenticated) as caught:
        claims.read(made)
    assert caught.value.finding.code is Code.IDENTITY_CERTIFICATE
    return caught.value.finding


def test_every_claim_is_read_by_its_arc():
    made = certificate(
        c8=ISSUER, c9=SAN, c11="github-hosted", c12="https://github.com/o/r", c14="refs/heads/main", c15="1", c17="2",
        c18=SAN, c20="push", c23="production",
    )  # fmt: skip
    signer = claims.read(made)
    assert (signer.san, signer.san_kind, signer.issuer) == (SAN, "uri", ISSUER)
    assert signer.claims.present() == {
        "build_signer_uri": SAN,
        "runner_environment": "github-hosted",
        "source_repository_uri": "https://github.com/o/r",
        "source_repository_ref": "refs/heads/main",
        "source_repository_id": "1",
        "source_repository_owner_id": "2",
        "build_config_uri": SAN,
        "build_trigger": "push",
        "deployment_environment": "production",
    }


def test_an_email_identity_is_read():
    signer = claims.read(certificate([x509.RFC822Name("me@example.org")], c8="https://accounts.example"))
    assert (signer.san, signer.san_kind) == ("me@example.org", "email")


def test_fulcios_other_name_is_read():
    name = x509.OtherName(x509.ObjectIdentifier(f"{ARC}7"), asn1.encode_der("me!example.org"))
    assert claims.read(certificate([name], c8=ISSUER)).san == "me!example.org"


def test_two_names_are_refused():
    """A certificate with two SANs: one verifier matches the first, another the second."""
    names = [x509.UniformResourceIdentifier(SAN), x509.UniformResourceIdentifier("https://github.com/evil/r")]
    assert refusal(certificate(names, c8=ISSUER)).facts["found"] == "2 names"


def test_no_name_is_refused():
    """A certificate that names nobody."""
    refusal(certificate((), c8=ISSUER))


def test_a_dns_name_is_refused():
    """A kind of name that Fulcio does not issue."""
    refusal(certificate([x509.DNSName("github.com")], c8=ISSUER))


def test_a_certificate_without_an_issuer_claim_is_refused():
    """A name without the issuer that vouched for it, which another issuer may have given to somebody else."""
    assert refusal(certificate(c9=SAN)).facts["expected"] == "the issuer"


def test_the_deprecated_issuer_must_agree():
    """Two issuers in one certificate: an old verifier reads the first, a new one the second."""
    refusal(certificate(c8=ISSUER, raw={1: b"https://evil.example"}))


@pytest.mark.parametrize(
    ("old", "value", "new", "text"),
    [
        (2, b"push", 20, "pull_request_target"),
        (3, b"aa", 13, "bb"),
        (6, b"refs/heads/main", 14, "refs/heads/evil"),
        (5, b"o/other", 12, "https://github.com/o/r"),
    ],
)
def test_a_deprecated_claim_must_agree_with_its_successor(old, value, new, text):
    """Two answers to one question in one certificate."""
    refusal(certificate(c8=ISSUER, raw={old: value, new: asn1.encode_der(text)}))


def test_a_deprecated_repository_must_be_the_whole_last_part():
    """`r` is the end of `o/other`, but not its repository."""
    refusal(certificate(c8=ISSUER, c12="https://github.com/o/other", raw={5: b"r"}))


def test_deprecated_claims_that_agree_are_passed_over():
    made = certificate(
        c8=ISSUER, c12="https://github.com/o/r", c14="refs/heads/main", c20="push",
        raw={1: ISSUER.encode(), 2: b"push", 5: b"o/r", 6: b"refs/heads/main", 4: b"any name"},
    )  # fmt: skip
    assert claims.read(made).issuer == ISSUER


def test_a_san_unlike_the_build_signer_is_refused():
    """The name of one workflow, and the build signer of another."""
    refusal(certificate(c8=ISSUER, c9=SAN.replace("release", "evil")))


@pytest.mark.parametrize(
    "value",
    [
        b"push",  # raw text, as the deprecated claims have it
        b"\x0c\x04pushx",  # bytes after the string
        b"\x0c\x05push",  # a string that ends early
        b"\x0c\x81\x04push",  # a length in a longer form than needed
        b"\x13\x04push",  # a PrintableString
        b"\x0c\x04pus\xff",  # not UTF-8
        b"\x0c\x00",  # empty
        b"\x0c\x05pu\x00sh",  # a NUL
        b"\x0c\x05pu\x1bsh",  # an escape sequence
        asn1.encode_der("a" * 5000),
    ],
)
def test_a_badly_encoded_claim_is_refused(value):
    """A claim that a lenient reader takes for something else."""
    refusal(certificate(c8=ISSUER, raw={20: value}))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.integers(1, 30), st.binary(max_size=40), max_size=6))
def test_no_claim_bytes_raise_anything_else(raw):
    try:
        signer = claims.read(certificate(raw=raw))
    except NotAuthenticated as error:
        assert error.finding.code is Code.IDENTITY_CERTIFICATE  # noqa: PT017
    else:
        assert signer.issuer.isprintable()
