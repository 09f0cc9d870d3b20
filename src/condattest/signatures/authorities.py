"""What a trusted root says of its authorities and logs: names, keys, and the windows in which each was to be trusted.

Owns `Window`, `TimeStampAuthority`, `Authorities` and `read`. sigstore judges a key's window by the local clock (a key
whose window starts in the future is not loaded; an ended one is), so the same bundle gets two answers from two clocks.
Here every window is judged at the verified time of the signature instead, and the clock plays no part.

Spec: https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_trustroot.proto
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509
from rfc3161_client import VerifierBuilder
from rfc3161_client.verify import Verifier as TokenVerifier

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time: start inclusive, end exclusive (None: open)."""

    start: datetime = _EPOCH
    end: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Whether `at` lies in the window."""
        return self.start <= at and (self.end is None or at < self.end)

    def __str__(self) -> str:
        return f"{_shown(self.start)} to {_shown(self.end) if self.end else 'now'}"


@dataclass(frozen=True, slots=True)
class TimeStampAuthority:
    """One RFC 3161 authority: its name, its chain from leaf to root, its window, and what verifies its tokens."""

    name: str
    certificates: tuple[x509.Certificate, ...]
    window: Window
    verifier: TokenVerifier


@dataclass(frozen=True, slots=True)
class Log:
    """A transparency or certificate transparency log: its URL and its key's window."""

    name: str
    window: Window


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """A Fulcio chain: the key identifiers of its certificates, and its window."""

    name: str
    key_ids: frozenset[bytes]
    window: Window


@dataclass(frozen=True, slots=True)
class Authorities:
    """All that a trusted root names. Logs are found by their log id."""

    certificate: tuple[CertificateAuthority, ...]
    logs: Mapping[bytes, Log]
    ct_logs: Mapping[bytes, Log]
    time_stamp: tuple[TimeStampAuthority, ...]


def read(document: Mapping[str, Any]) -> Authorities:
    """Take the authorities from a trusted root's JSON, which sigstore's own models have accepted.

    Raises:
        ValueError, KeyError, TypeError: A certificate or key in it does not load.
    """
    stamps = []
    for raw in document.get("timestampAuthorities", []):
        certificates = tuple(_certificates(raw))
        if len(certificates) >= 2:  # A leaf and its root at the least; sigstore passes over shorter chains too.
            leaf, *intermediates, root = certificates
            verifier = VerifierBuilder(tsa_certificate=leaf, intermediates=intermediates, roots=[root]).build()
            stamps.append(TimeStampAuthority(_name(raw), certificates, _window(raw.get("validFor")), verifier))
    return Authorities(
        certificate=tuple(
            CertificateAuthority(_name(raw), frozenset(map(_key_id, _certificates(raw))), _window(raw.get("validFor")))
            for raw in document.get("certificateAuthorities", [])
        ),
        logs=_logs(document.get("tlogs", [])),
        ct_logs=_logs(document.get("ctlogs", [])),
        time_stamp=tuple(stamps),
    )


def without_clock(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the trusted root with every window's start long ago, so that sigstore's clock check passes all keys."""
    start = {"start": _EPOCH.isoformat().replace("+00:00", "Z")}

    def opened(raw: Mapping[str, Any]) -> dict[str, Any]:
        return {**raw, "validFor": {**raw.get("validFor", {}), **start}}

    changed = dict(document)
    for key in ("tlogs", "ctlogs"):
        changed[key] = [{**log, "publicKey": opened(log["publicKey"])} for log in document.get(key, [])]
    for key in ("certificateAuthorities", "timestampAuthorities"):
        changed[key] = [opened(authority) for authority in document.get(key, [])]
    return changed


def _logs(raw_logs: list[Mapping[str, Any]]) -> dict[bytes, Log]:
    return {
        base64.b64decode(raw["logId"]["keyId"]): Log(
            raw.get("baseUrl", ""), _window(raw.get("publicKey", {}).get("validFor"))
        )
        for raw in raw_logs
    }


def _certificates(raw: Mapping[str, Any]) -> list[x509.Certificate]:
    chain = raw["certChain"]["certificates"]
    return [x509.load_der_x509_certificate(base64.b64decode(certificate["rawBytes"])) for certificate in chain]


def _key_id(certificate: x509.Certificate) -> bytes:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest


def _name(raw: Mapping[str, Any]) -> str:
    subject = raw.get("subject", {})
    return str(raw.get("uri") or subject.get("commonName") or subject.get("organization") or "unnamed authority")


def _window(raw: Mapping[str, Any] | None) -> Window:
    if raw is None:
        return Window()
    start, end = raw.get("start"), raw.get("end")
    return Window(_EPOCH if start is None else _time(start), None if end is None else _time(end))


def _shown(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"a time without a zone: {text}")
    return at.astimezone(UTC)
