"""Leaf certificates are as Fulcio issues them, with a promise of the CT log that verifies."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from condattest.sandbox import github
from condattest.sandbox.authority import Authority
from condattest.sandbox.extensions import of_claims

NOW = datetime(2025, 3, 1, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1()).public_key()


@pytest.fixture(scope="module")
def authority():
    return Authority(lambda: NOW)


@pytest.fixture(scope="module")
def leaf(authority):
    identity = github("o/r")
    return authority.issue(KEY, of_claims(identity.issuer, identity.claims))


def test_the_chain_verifies(authority, leaf):
    leaf.verify_directly_issued_by(authority.intermediate)
    authority.intermediate.verify_directly_issued_by(authority.root)
    with pytest.raises((InvalidSignature, ValueError)):
        leaf.verify_directly_issued_by(Authority(lambda: NOW).intermediate)


def test_a_leaf_lives_ten_minutes_of_the_sandbox_s_time(leaf):
    assert (leaf.not_valid_before_utc, leaf.not_valid_after_utc) == (NOW, NOW + timedelta(minutes=10))


def test_a_leaf_may_sign_code_and_nothing_else(leaf):
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CODE_SIGNING]
    assert not leaf.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    assert list(leaf.subject) == []


def test_the_promise_is_the_sandbox_s_ct_log_s_and_time(authority, leaf):
    [promise] = leaf.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value
    assert promise.log_id == authority.ct_log.log_id
    assert promise.timestamp.replace(tzinfo=UTC) == NOW
