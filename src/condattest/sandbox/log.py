"""A transparency log: entries in a Merkle tree, checkpoints, and for API v1 signed entry timestamps.

Owns `Log`, `Included` and the bodies of entries. An entry that is logged again is a new entry: real Rekor v1 answers
409 to an equal one, but no client makes equal ones, since ECDSA signatures differ.

    checkpoint    the lines ORIGIN, SIZE, base64(ROOT), none, and (an em dash) ORIGIN base64(LOG ID[:4] || SIGNATURE)
    SET           over the RFC 8785 form of {"body", "integratedTime", "logID", "logIndex"}

Specs: https://github.com/C2SP/C2SP/blob/main/tlog-checkpoint.md, https://github.com/sigstore/rekor-tiles
"""

import base64
import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from condattest.sandbox.authority import public_bytes
from condattest.sandbox.merkle import Tree

LogKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Included:
    """An entry in the log: its body, its index, and the proof in the tree of that moment.

    `promise` is (integrated time in seconds, signed entry timestamp) where the log gives one.
    """

    body: bytes
    index: int
    size: int
    root: bytes
    hashes: tuple[bytes, ...]
    checkpoint: str
    promise: tuple[int, bytes] | None


class Log:
    """One log. Threads may append at the same time."""

    def __init__(self, origin: str, key: LogKey) -> None:
        self.origin = origin
        self._key = key
        self.public_key = public_bytes(key.public_key())
        self.log_id = hashlib.sha256(self.public_key).digest()
        self._tree = Tree()
        self._entries: list[Included] = []
        self._lock = threading.Lock()

    def append(self, body: bytes, *, promised_at: datetime | None = None) -> Included:
        """Log a body; `promised_at` adds a signed entry timestamp of that time (API v1)."""
        with self._lock:
            index = self._tree.append(body)
            size, root, proof = len(self._tree), self._tree.root(), tuple(self._tree.proof(index))
            promise = None if promised_at is None else self._promise(body, index, int(promised_at.timestamp()))
            included = Included(body, index, size, root, proof, self._checkpoint(size, root), promise)
            self._entries.append(included)
            return included

    def entry(self, index: int) -> Included | None:
        """The entry as it was included, or None."""
        with self._lock:
            return self._entries[index] if 0 <= index < len(self._entries) else None

    def state(self) -> tuple[int, bytes, str]:
        """Size, root and checkpoint of the log as it is."""
        with self._lock:
            size, root = len(self._tree), self._tree.root()
            return size, root, self._checkpoint(size, root)

    def _promise(self, body: bytes, index: int, seconds: int) -> tuple[int, bytes]:
        document: dict[str, Any] = {
            "body": text(body),
            "integratedTime": seconds,
            "logID": self.log_id.hex(),
            "logIndex": index,
        }
        return seconds, self._sign(rfc8785.dumps(document))

    def _checkpoint(self, size: int, root: bytes) -> str:
        note = f"{self.origin}\n{size}\n{text(root)}\n"
        signature = text(self.log_id[:4] + self._sign(note.encode()))
        return f"{note}\n\u2014 {self.origin} {signature}\n"

    def _sign(self, data: bytes) -> bytes:
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(data)
        return self._key.sign(data, ec.ECDSA(hashes.SHA256()))


def text(data: bytes) -> str:
    """Bytes as base64 text."""
    return base64.b64encode(data).decode("ascii")


def dsse_body(envelope: str, certificate: x509.Certificate) -> bytes:
    """The body of a Rekor v1 `dsse` 0.0.1 entry: the envelope's hashes and signatures, not the envelope.

    Raises:
        ValueError, KeyError, TypeError, cryptography.exceptions.InvalidSignature: The envelope is none of its signer's.
    """
    document: Mapping[str, Any] = json.loads(envelope)
    payload = base64.b64decode(document["payload"], validate=True)
    pem = text(certificate.public_bytes(serialization.Encoding.PEM))
    if not document["signatures"]:
        raise ValueError("expected a signature")
    signatures = []
    for each in document["signatures"]:
        verify(certificate, base64.b64decode(each["sig"]), encode_pae(document["payloadType"], payload))
        signatures.append({"signature": each["sig"], "verifier": pem})
    spec: dict[str, Any] = {
        "envelopeHash": _sha256(envelope.encode()),
        "payloadHash": _sha256(payload),
        "signatures": signatures,
    }
    return rfc8785.dumps({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec})


def hashedrekord_v1_body(request: Mapping[str, Any]) -> bytes:
    """The body of a Rekor v1 `hashedrekord` 0.0.1 entry: the request itself; raises as `dsse_body` does."""
    spec = request["spec"]
    pem = base64.b64decode(spec["signature"]["publicKey"]["content"], validate=True)
    signature = base64.b64decode(spec["signature"]["content"], validate=True)
    verify_digest(x509.load_pem_x509_certificate(pem), signature, bytes.fromhex(spec["data"]["hash"]["value"]))
    return rfc8785.dumps(dict(request))


def hashedrekord_v2_body(digest: bytes, signature: bytes, certificate: bytes) -> bytes:
    """The body of a Rekor v2 `hashedrekord` 0.0.2 entry; for DSSE, the digest is over the PAE. Raises likewise."""
    verify_digest(x509.load_der_x509_certificate(certificate), signature, digest)
    verifier = {"keyDetails": "PKIX_ECDSA_P256_SHA_256", "x509Certificate": {"rawBytes": text(certificate)}}
    record = {
        "data": {"algorithm": "SHA2_256", "digest": text(digest)},
        "signature": {"content": text(signature), "verifier": verifier},
    }
    spec: dict[str, Any] = {"hashedRekordV002": record}
    return rfc8785.dumps({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": spec})


def encode_pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is really signed."""
    return f"DSSEv1 {len(payload_type.encode())} {payload_type} {len(payload)} ".encode() + payload


def verify(certificate: x509.Certificate, signature: bytes, data: bytes) -> None:
    """Check a signature by a certificate's key over `data`; raises as `verify_digest` does."""
    verify_digest(certificate, signature, hashlib.sha256(data).digest())


def verify_digest(certificate: x509.Certificate, signature: bytes, digest: bytes) -> None:
    """Check a signature by a certificate's key over what has the SHA-256 `digest`.

    Raises:
        ValueError, cryptography.exceptions.InvalidSignature: It is not one.
    """
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("expected an elliptic curve key")
    key.verify(signature, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))


def _sha256(data: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}
