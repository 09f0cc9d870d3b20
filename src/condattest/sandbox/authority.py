"""The certificate authority: root, intermediate, and leaf certificates with an embedded SCT.

Owns `Authority` and `CtLog`. A leaf has an empty subject, a critical SAN, Fulcio's claims, and the promise of the CT
log over everything but itself. `issue` takes raw contents, so that tests can plant faults that no claims lead to.

Specs: https://github.com/sigstore/fulcio/blob/main/docs/certificate-specification.md, RFC 6962 section 3.2

    SCT list extension   OCTET STRING { uint16 length { uint16 length { version 0, log id [32], uint64 milliseconds,
                         uint16 extensions length 0, hash 4, signature 3, uint16 length, signature } } }
    signed by the log    0, 0, uint64 milliseconds, uint16 1, sha256(issuer's SPKI), uint24 length, TBS, uint16 0
"""

import hashlib
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from condattest.sandbox.extensions import ARC, Contents

LEAF_LIFETIME: Final = timedelta(minutes=10)
_YEARS: Final = timedelta(days=3650)
_SCT_LIST: Final = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")


def public_bytes(key: CertificatePublicKeyTypes) -> bytes:
    """A public key as DER SubjectPublicKeyInfo."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    """Key usage of an authority, or of a key that signs something else."""
    usages = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return x509.KeyUsage(
        digital_signature=not sign_certificates, key_cert_sign=sign_certificates, crl_sign=sign_certificates, **usages
    )


def authority_certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: tuple[str, ec.EllipticCurvePrivateKey],
    at: datetime,
    *,
    usage: x509.ObjectIdentifier | None = None,
    is_authority: bool = True,
) -> x509.Certificate:
    """A certificate of an authority or, for a time-stamp authority, of its signing key; valid ten years around `at`."""
    issuer_name, issuer_key = issuer
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer_name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _YEARS)
        .not_valid_after(at + _YEARS)
        .add_extension(key_usage(sign_certificates=is_authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if is_authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=not is_authority)
    return builder.sign(issuer_key, hashes.SHA256())


def _named(name: str) -> x509.Name:
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "condattest sandbox")
    return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, name)])


class CtLog:
    """The certificate transparency log: promises to include a certificate."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.public_key = public_bytes(self._key.public_key())
        self.log_id = hashlib.sha256(self.public_key).digest()

    def promise(self, tbs: bytes, issuer_key: bytes, at: datetime) -> bytes:
        """The SCT list extension's value for a precertificate's TBS bytes (without that extension)."""
        milliseconds = int(at.timestamp() * 1000)
        head = struct.pack("!BBQH", 0, 0, milliseconds, 1) + hashlib.sha256(issuer_key).digest()
        signed = head + len(tbs).to_bytes(3, "big") + tbs + b"\x00\x00"
        signature = self._key.sign(signed, ec.ECDSA(hashes.SHA256()))
        promise = struct.pack("!B32sQHBBH", 0, self.log_id, milliseconds, 0, 4, 3, len(signature)) + signature
        listed = struct.pack("!H", len(promise)) + promise
        return asn1.encode_der(struct.pack("!H", len(listed)) + listed)


class Authority:
    """Issues certificates, by the sandbox's time."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        root_key = ec.generate_private_key(ec.SECP256R1())
        self._key = ec.generate_private_key(ec.SECP256R1())
        root = ("root", root_key)
        self.root = authority_certificate("root", root_key, root, now())
        self.intermediate = authority_certificate(
            "intermediate", self._key, root, now(), usage=ExtendedKeyUsageOID.CODE_SIGNING
        )
        self.ct_log = CtLog()

    def issue(
        self,
        key: CertificatePublicKeyTypes,
        contents: Contents,
        *,
        at: datetime | None = None,
        lifetime: timedelta = LEAF_LIFETIME,
    ) -> x509.Certificate:
        """Issue a leaf certificate for a key, valid from `at` (by default now) for `lifetime`."""
        start = (at or self._now()).replace(microsecond=0)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.intermediate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + lifetime)
            .add_extension(key_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName(contents.names), critical=True)
        )
        for number, value in contents.claims.items():
            oid = x509.ObjectIdentifier(f"{ARC}{number}")
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
        # Signed twice: first to have the bytes that the log promises to include, then with the promise as the last
        # extension, which a verifier takes out again.
        tbs = builder.sign(self._key, hashes.SHA256()).tbs_certificate_bytes
        promise = self.ct_log.promise(tbs, public_bytes(self._key.public_key()), start)
        builder = builder.add_extension(x509.UnrecognizedExtension(_SCT_LIST, promise), critical=False)
        return builder.sign(self._key, hashes.SHA256())
