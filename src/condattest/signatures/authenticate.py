"""Who signed it, and when? `authenticate(bundle, trust) -> Evidence`.

Owns the order of the checks. sigstore verifies signatures, certificates, inclusion proofs and promises; this module
sees to it that only one reading of the bundle is judged, that only verified times are believed, that the local clock
plays no part, and that nothing unsigned is reported. Identity is read here and judged by `policy`.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from sigstore.errors import Error as SigstoreError
from sigstore.models import Bundle as SigstoreBundle

from condattest.errors import NotAuthenticated
from condattest.formats import bundle as bundles
from condattest.formats.bundle import Bundle
from condattest.model.artifact import Sha256
from condattest.model.evidence import Evidence, VerifiedTime
from condattest.model.finding import Code, Finding
from condattest.signatures import claims, times
from condattest.signatures.authorities import Log
from condattest.signatures.trust_root import TrustRoot

_TIMED_ENTRIES: Final = (("dsse", "0.0.1"), ("hashedrekord", "0.0.1"))
_Kind = TypeVar("_Kind", bound=x509.ExtensionType)
# sigstore's models and the X.509 code below them leak these beside its own `Error`.
_REFUSALS: Final = (
    SigstoreError,
    ValueError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


class _IdentityIsJudgedLater:
    """sigstore's verification policy that asks nothing: who signed is judged by `policy`, on the evidence."""

    def verify(self, cert: x509.Certificate) -> None:
        """Accept any certificate that sigstore verifies otherwise."""


def authenticate(bundle: bytes, trust: TrustRoot) -> Evidence:
    """Verify one Sigstore bundle with a DSSE envelope under a trust root.

    Args:
        bundle: The bundle's JSON bytes.
        trust: The trust root to verify under.

    Returns:
        What it proves: payload type and payload, signer with every Fulcio claim, and verified times alone.

    Raises:
        Malformed: The bytes are not exactly one well-formed bundle (BUNDLE-*, TIME-TOKENS, IDENTITY-PUBLIC-KEY).
        NotAuthenticated: It does not verify (CRYPTO, CRYPTO-WINDOW), no trusted time remains (TIME-NONE), or its
            certificate's identity cannot be read exactly (IDENTITY-CERTIFICATE).
    """
    return authenticate_parsed(bundles.parse(bundle), trust)


def authenticate_parsed(bundle: Bundle, trust: TrustRoot) -> Evidence:
    """Verify a bundle that `formats.bundle.parse` has accepted; otherwise as `authenticate`."""
    # (1) The certificate loads, with a key of a kind that Fulcio's DSSE signatures have.
    parsed = _parsed(bundle.raw)
    certificate = _certificate(bundle, parsed)
    # (2) Which log: one that the trust root names, by its id.
    log = trust.authorities.logs.get(bundle.log_entry.key_id)
    if log is None:
        raise _refused(Code.CRYPTO, "tlogEntries[0].logId", "a log of the trust root", bundle.log_entry.key_id.hex())
    # (3) to (8) Tokens, and then chain, SCT, log entry, signature, and the entry's consistency with the bundle.
    log_time = _log_time(bundle)
    signed, tokens, notes = _at_once(bundle, parsed, certificate, trust) or _one_by_one(
        bundle, parsed, certificate, trust, has_time=log_time is not None
    )
    payload_type, payload = signed
    # (9) The time of the log counts now: sigstore verified the signed entry timestamp that covers it.
    verified = list(tokens.values())
    if log_time is not None:
        verified.append(VerifiedTime(log_time, "log", log.name))
    verified.sort()
    # (10) Every key was to be trusted at every one of these times.
    _check_windows(certificate, log, verified, trust)
    # (11) The identity, strictly.
    return Evidence(
        payload_type=payload_type,
        payload=payload,
        signer=claims.read(certificate),
        times=tuple(verified),
        log=log.name,
        log_index=bundle.log_entry.index if log_time is not None else None,
        bundle_sha256=Sha256(hashlib.sha256(bundle.raw).hexdigest()),
        trust_root_sha256=trust.sha256,
        notes=tuple(notes),
    )


_Signed = tuple[tuple[str, bytes], Mapping[bytes, VerifiedTime], list[Finding]]


def _at_once(
    bundle: Bundle, parsed: SigstoreBundle | None, certificate: x509.Certificate, trust: TrustRoot
) -> _Signed | None:
    """What sigstore verifies with every token, where it can be seen to verify each; None where steps are needed."""
    if parsed is None or not bundle.tokens:
        return None
    watched = trust.verifier.watched()
    try:
        signed = watched.verify_dsse(parsed, _IdentityIsJudgedLater())
    except _REFUSALS:
        return None  # A bad token may be to blame, which is to be left out.
    tokens = times.watched_tokens(
        watched.seen(), bundle.tokens, bundle.signature, certificate, trust.authorities.time_stamp
    )
    return None if tokens is None else (signed, tokens, [])


def _one_by_one(
    bundle: Bundle, parsed: SigstoreBundle | None, certificate: x509.Certificate, trust: TrustRoot, *, has_time: bool
) -> _Signed:
    # (3) Tokens that verify by themselves; the rest is left out, so that it can neither help nor harm.
    tokens, notes = times.verify_tokens(bundle.tokens, bundle.signature, certificate, trust.authorities.time_stamp)
    if not tokens and not has_time:
        reasons = "; ".join(note.facts["reason"] for note in notes)
        expected = "a verified time-stamp token or a signed entry timestamp"
        raise _refused(Code.TIME_NONE, "bundle", expected, reasons or "neither")
    # (4) to (8) The rest: sigstore.
    try:
        if parsed is None or notes:
            parsed = SigstoreBundle.from_json(bundle.with_tokens(tokens))
        signed = trust.verifier.verify_dsse(parsed, _IdentityIsJudgedLater())
    except _REFUSALS as error:
        raise NotAuthenticated(Finding.of(Code.CRYPTO, "bundle", reason=str(error) or type(error).__name__)) from None
    return signed, tokens, notes


def _parsed(data: bytes) -> SigstoreBundle | None:
    """The bundle as sigstore reads it; None where it refuses, and why is told when it is asked again."""
    try:
        return SigstoreBundle.from_json(data)
    except _REFUSALS:
        return None


def _certificate(bundle: Bundle, parsed: SigstoreBundle | None) -> x509.Certificate:
    try:
        # Of the one that sigstore verifies, where there is one: what is read of it is read once.
        loaded = None if parsed is None else parsed.signing_certificate
        certificate = loaded or x509.load_der_x509_certificate(bundle.certificate)
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _refused(Code.CRYPTO, "certificate", "an X.509 certificate", str(error)) from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise _refused(Code.CRYPTO, "certificate", "an elliptic curve key", type(key).__name__)
    return certificate


def _log_time(bundle: Bundle) -> datetime | None:
    # An integrated time counts only under a signed entry timestamp, which Rekor v2 entries do not have. Zero is no
    # time: sigstore does not verify the promise then.
    entry = bundle.log_entry
    if (entry.kind, entry.version) not in _TIMED_ENTRIES or not entry.has_promise or not entry.integrated_time:
        return None
    try:
        return datetime.fromtimestamp(entry.integrated_time, tz=UTC)
    except (ValueError, OverflowError, OSError):
        raise _refused(Code.CRYPTO, "tlogEntries[0].integratedTime", "a time", str(entry.integrated_time)) from None


def _check_windows(certificate: x509.Certificate, log: Log, verified: list[VerifiedTime], trust: TrustRoot) -> None:
    try:
        issuer = _extension(certificate, x509.AuthorityKeyIdentifier).key_identifier
        [sct] = _extension(certificate, x509.PrecertificateSignedCertificateTimestamps)
    except x509.ExtensionNotFound as error:
        raise _refused(Code.CRYPTO, "certificate", "an authority key identifier and an SCT", str(error)) from None
    authorities = [authority for authority in trust.authorities.certificate if issuer in authority.key_ids]
    ct_log = trust.authorities.ct_logs.get(sct.log_id)
    if not authorities or ct_log is None:
        raise _refused(Code.CRYPTO, "certificate", "an authority and a CT log of the trust root", "others")
    for at in (time.at for time in verified):
        if not any(authority.window.holds(at) for authority in authorities):
            raise _outside(authorities[0].name, str(authorities[0].window), at)
        if not log.window.holds(at):
            raise _outside(log.name, str(log.window), at)
    stamped = sct.timestamp.replace(tzinfo=UTC)
    if not ct_log.window.holds(stamped):
        raise _outside(ct_log.name, str(ct_log.window), stamped)


def _extension(certificate: x509.Certificate, kind: type[_Kind]) -> _Kind:
    # As `get_extension_for_class`, in half the time, for claims make a long list of extensions.
    value = certificate.extensions.get_extension_for_oid(kind.oid).value
    if not isinstance(value, kind):
        raise x509.ExtensionNotFound(f"no {kind.oid.dotted_string}", kind.oid)
    return value


def _outside(name: str, window: str, at: datetime) -> NotAuthenticated:
    return _refused(Code.CRYPTO_WINDOW, name, window, at.isoformat())


def _refused(code: Code, where: str, expected: str, found: str) -> NotAuthenticated:
    return NotAuthenticated(Finding.of(code, where, expected=expected, found=found))
