"""An RFC 3161 time-stamp authority.

Owns `TimeStamper`. `stamp` takes any time, so that tests can make tokens outside every window. The request is read, and
the inner parts are written, by cryptography's ASN.1; the CMS around them by a few lines of DER.

    TimeStampResp { status granted, ContentInfo { SignedData { TSTInfo, certificate, SignerInfo } } }

Specs: RFC 3161, RFC 5652 section 5, RFC 5816
"""

import hashlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from condattest.sandbox.authority import authority_certificate

_INTEGER, _OCTETS, _SEQUENCE, _SET, _TIME, _CONTEXT = 0x02, 0x04, 0x30, 0x31, 0x18, 0xA0
_SHA256: Final = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
_ECDSA_SHA256: Final = x509.ObjectIdentifier("1.2.840.10045.4.3.2")
_SIGNED_DATA: Final = x509.ObjectIdentifier("1.2.840.113549.1.7.2")
_TST_INFO: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.16.1.4")
_CONTENT_TYPE: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.16.2.47")
_POLICY: Final = x509.ObjectIdentifier("1.3.6.1.4.1.57264.2")


@asn1.sequence
class _Algorithm:
    oid: x509.ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class _Imprint:
    algorithm: _Algorithm
    digest: bytes


@asn1.sequence
class _Request:
    version: int
    imprint: _Imprint
    policy: x509.ObjectIdentifier | None
    nonce: int | None
    wants_certificate: Annotated[bool, asn1.Default(False)]


class TimeStamper:
    """Stamps signatures, by the sandbox's time."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        root_key = ec.generate_private_key(ec.SECP256R1())
        root = ("tsa root", root_key)
        self.root = authority_certificate("tsa root", root_key, root, now())
        self.certificate = authority_certificate(
            "tsa", self._key, root, now(), usage=ExtendedKeyUsageOID.TIME_STAMPING, is_authority=False
        )

    def stamp(self, signature: bytes, *, at: datetime | None = None) -> bytes:
        """Return a response over a signature's SHA-256, of the time `at` (by default now)."""
        return self._respond(hashlib.sha256(signature).digest(), None, at or self._now())

    def answer(self, request: bytes) -> bytes:
        """Answer a TimeStampReq.

        Raises:
            ValueError: It is none, or asks for another digest than SHA-256.
        """
        parsed = asn1.decode_der(_Request, request)
        imprint = parsed.imprint
        if imprint.algorithm.oid != _SHA256 or len(imprint.digest) != hashlib.sha256().digest_size:
            raise ValueError("expected a SHA-256 digest")
        return self._respond(imprint.digest, parsed.nonce, self._now())

    def _respond(self, digest: bytes, nonce: int | None, at: datetime) -> bytes:
        algorithm = _der(_SEQUENCE, _oid(_SHA256))
        # (1) What is stamped, and when.
        info = [
            asn1.encode_der(1),
            _oid(_POLICY),
            _der(_SEQUENCE, algorithm, _der(_OCTETS, digest)),
            asn1.encode_der(secrets.randbits(64)),
            _der(_TIME, at.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode()),
        ]
        if nonce is not None:
            info.append(asn1.encode_der(nonce))
        token = _der(_SEQUENCE, *info)
        # (2) Who stamps, over (1): the attributes are signed under the tag of a SET.
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        certificate_hash = _der(_OCTETS, hashlib.sha256(der).digest())
        attributes = sorted(
            [
                _attribute(_CONTENT_TYPE, _oid(_TST_INFO)),
                _attribute(_MESSAGE_DIGEST, _der(_OCTETS, hashlib.sha256(token).digest())),
                _attribute(_SIGNING_CERTIFICATE, _nested(_SEQUENCE, 3, certificate_hash)),
            ]
        )
        signature = self._key.sign(_der(_SET, *attributes), ec.ECDSA(hashes.SHA256()))
        signer = _der(
            _SEQUENCE,
            asn1.encode_der(1),
            _der(_SEQUENCE, self.certificate.issuer.public_bytes(), asn1.encode_der(self.certificate.serial_number)),
            algorithm,
            _der(_CONTEXT, *attributes),
            _der(_SEQUENCE, _oid(_ECDSA_SHA256)),
            _der(_OCTETS, signature),
        )
        # (3) Both in a SignedData, with the certificate, under the status "granted".
        signed = _der(
            _SEQUENCE,
            asn1.encode_der(3),
            _der(_SET, algorithm),
            _der(_SEQUENCE, _oid(_TST_INFO), _der(_CONTEXT, _der(_OCTETS, token))),
            _der(_CONTEXT, der),
            _der(_SET, signer),
        )
        content = _der(_SEQUENCE, _oid(_SIGNED_DATA), _der(_CONTEXT, signed))
        return _der(_SEQUENCE, _der(_SEQUENCE, asn1.encode_der(0)), content)


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _nested(tag: int, depth: int, content: bytes) -> bytes:
    for _ in range(depth):
        content = _der(tag, content)
    return content


def _attribute(oid: x509.ObjectIdentifier, value: bytes) -> bytes:
    return _der(_SEQUENCE, _oid(oid), _der(_SET, value))


def _oid(oid: x509.ObjectIdentifier) -> bytes:
    return asn1.encode_der(oid)
