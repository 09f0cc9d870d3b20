"""The whole sandbox: issuer, authority, logs and time-stamp authority, with keys of their own.

Owns `Sandbox`. Serving it over HTTP is `server`; signing in process is here, by the same parts.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from condattest.sandbox import trust
from condattest.sandbox.authority import Authority
from condattest.sandbox.extensions import Contents, of_claims
from condattest.sandbox.identity import Identity
from condattest.sandbox.issuer import AUDIENCE, LIFETIME, Issuer
from condattest.sandbox.log import Included, Log, dsse_body, encode_pae, hashedrekord_v2_body, text
from condattest.sandbox.login import Login
from condattest.sandbox.server import Faults, Running, serve
from condattest.sandbox.timestamp import TimeStamper
from condattest.sandbox.trust import Rekor

_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"


def system_clock() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)


class Sandbox:
    """A local Sigstore.

    Args:
        now: Gives the sandbox's time, aware.
        rekor: Which API of the log signers are told to use. 1 signs entry timestamps; 2 does not, so a time-stamp
            authority is needed then, and `tsa` is on.
        tsa: Whether signers are told to ask for time stamps.

    Attributes:
        login: The browser's way to a token: who agrees, and which codes are open.
        authority: The certificate authority and its CT log; `authority.issue` takes raw contents.
        logs: The log of each API version.
        tsa: The time-stamp authority; `tsa.stamp` takes any time.
        faults: How the served sandbox misbehaves.
    """

    def __init__(self, now: Callable[[], datetime] = system_clock, *, rekor: Rekor = 1, tsa: bool = False) -> None:
        self.now = now
        self.rekor: Rekor = rekor
        self.wants_stamps = tsa or rekor == 2
        self.issuer = Issuer(now)
        self.login = Login()
        self.authority = Authority(now)
        self.logs: dict[Rekor, Log] = {
            1: Log("rekor-v1.sandbox", ec.generate_private_key(ec.SECP256R1())),
            2: Log("rekor-v2.sandbox", ed25519.Ed25519PrivateKey.generate()),
        }
        self.tsa = TimeStamper(now)
        self.faults = Faults()

    def token(self, identity: Identity, *, audience: str = AUDIENCE, lifetime: timedelta = LIFETIME) -> str:
        """Return an identity token."""
        return self.issuer.token(identity, audience=audience, lifetime=lifetime)

    def trusted_root(self) -> dict[str, Any]:
        """The trusted root's document."""
        return trust.trusted_root(self.authority, self.logs, self.tsa)

    def trusted_root_json(self) -> str:
        """The trusted root as JSON text."""
        return json.dumps(self.trusted_root(), indent=2)

    @contextmanager
    def serve(self, *, port: int = 0, ambient: Identity | None = None) -> Iterator[Running]:
        """Serve it on 127.0.0.1 while the context lasts; `ambient` is whom a simulated GitHub job is."""
        with serve(self, port=port, ambient=ambient) as running:
            yield running

    def sign_statement(
        self,
        payload: bytes,
        identity: Identity,
        *,
        payload_type: str = "application/vnd.in-toto+json",
        at: datetime | None = None,
        rekor: Rekor | None = None,
        tsa: bool | None = None,
    ) -> bytes:
        """Sign a payload in process, and return the bundle's JSON.

        Args:
            payload: The bytes to sign.
            identity: Whom the certificate names.
            payload_type: The envelope's payload type.
            at: The time of certificate, log entry and stamp, aware; by default now.
            rekor: The log's API version, instead of the sandbox's.
            tsa: Whether to stamp. By default as the sandbox does, and always for a v2 entry; False on a v2 entry
                makes a bundle without any time.
        """
        contents = of_claims(identity.issuer, identity.claims)
        return self.sign_as(contents, payload, payload_type=payload_type, at=at, rekor=rekor, tsa=tsa)

    def sign_as(
        self,
        contents: Contents,
        payload: bytes,
        *,
        payload_type: str = "application/vnd.in-toto+json",
        at: datetime | None = None,
        rekor: Rekor | None = None,
        tsa: bool | None = None,
    ) -> bytes:
        """As `sign_statement`, with a certificate of raw contents."""
        moment = at or self.now()
        version = rekor or self.rekor
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.authority.issue(key.public_key(), contents, at=moment)
        encoded = encode_pae(payload_type, payload)
        signature = key.sign(encoded, ec.ECDSA(hashes.SHA256()))
        envelope = {
            "payload": text(payload),
            "payloadType": payload_type,
            "signatures": [{"sig": text(signature)}],
        }
        der = certificate.public_bytes(serialization.Encoding.DER)
        if version == 1:
            entry = self.log_envelope(json.dumps(envelope), certificate, moment)
        else:
            entry = self.log_record(hashlib.sha256(encoded).digest(), signature, der)
        material: dict[str, Any] = {"certificate": {"rawBytes": text(der)}, "tlogEntries": [self.entry(entry, version)]}
        # A v2 entry proves no time, so it gets a stamp, unless a test asks for a bundle that has no time.
        if (self.wants_stamps or version == 2) if tsa is None else tsa:
            stamp = {"signedTimestamp": text(self.tsa.stamp(signature, at=moment))}
            material["timestampVerificationData"] = {"rfc3161Timestamps": [stamp]}
        bundle = {"mediaType": _MEDIA_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope}
        # Without spaces and escapes, as sigstore's own clients write it.
        return json.dumps(bundle, separators=(",", ":"), ensure_ascii=False).encode()

    def log_envelope(self, envelope: str, certificate: x509.Certificate, at: datetime) -> Included:
        """Log a DSSE envelope in the v1 log; raises as `log.dsse_body` does."""
        return self.logs[1].append(dsse_body(envelope, certificate), promised_at=at)

    def log_record(self, digest: bytes, signature: bytes, certificate: bytes) -> Included:
        """Log a hashedrekord in the v2 log."""
        return self.logs[2].append(hashedrekord_v2_body(digest, signature, certificate))

    def entry(self, included: Included, version: Rekor) -> dict[str, Any]:
        """A log entry as a bundle and Rekor v2 have it."""
        kind = {1: "dsse", 2: "hashedrekord"}[version]
        if version == 1 and json.loads(included.body)["kind"] != kind:
            kind = "hashedrekord"
        entry = {
            "logIndex": str(included.index),
            "logId": {"keyId": base64.b64encode(self.logs[version].log_id).decode()},
            "kindVersion": {"kind": kind, "version": "0.0.1" if version == 1 else "0.0.2"},
        }
        if included.promise is not None:
            seconds, signature = included.promise
            entry["integratedTime"] = str(seconds)
            entry["inclusionPromise"] = {"signedEntryTimestamp": text(signature)}
        entry["inclusionProof"] = {
            "logIndex": str(included.index),
            "rootHash": text(included.root),
            "treeSize": str(included.size),
            "hashes": [text(each) for each in included.hashes],
            "checkpoint": {"envelope": included.checkpoint},
        }
        entry["canonicalizedBody"] = text(included.body)
        return entry
