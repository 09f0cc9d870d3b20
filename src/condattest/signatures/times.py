"""Verify time-stamp tokens: which of a bundle's RFC 3161 tokens say a time that may be believed.

Owns `verify_tokens`, `WatchedVerifier`, `watched_tokens`. A token counts only if (1) it decodes, (2) it verifies over
this very signature under an authority of the trust root (rfc3161-client does the cryptography), (3) its time is in that
authority's window, start inclusive, end exclusive, as sigstore judges windows, and (4) in the signing certificate's
validity. What fails is left out with a note, never an error by itself: an attacker may add tokens, and must not gain by
it. A certificate inside the token proves nothing (CVE-2025-52556 was a token believed over another signature).

sigstore verifies tokens too, in the same way, and does not tell which. Where it can be watched verifying every token of
a bundle, they are not verified again; where it cannot, as in a version that does it elsewhere, nothing was seen, and
`verify_tokens` does it.

Spec: RFC 3161; https://github.com/sigstore/architecture-docs/blob/main/client-spec.md
"""

import copy
from collections.abc import Sequence
from typing import Any, Self

from cryptography import x509
from rfc3161_client import TimeStampResponse, decode_timestamp_response
from rfc3161_client import VerificationError as TokenRefused
from sigstore.verify import Verifier

from condattest.model.evidence import VerifiedTime
from condattest.model.finding import Code, Finding
from condattest.signatures.authorities import TimeStampAuthority


def verify_tokens(
    tokens: Sequence[bytes],
    signature: bytes,
    certificate: x509.Certificate,
    authorities: Sequence[TimeStampAuthority],
) -> tuple[dict[bytes, VerifiedTime], list[Finding]]:
    """Return the tokens that verify, each with its time, and a note for each that does not."""
    verified: dict[bytes, VerifiedTime] = {}
    notes: list[Finding] = []
    for index, token in enumerate(tokens):
        outcome = _verify(token, signature, certificate, authorities)
        if isinstance(outcome, VerifiedTime):
            verified[token] = outcome
        else:
            notes.append(Finding.of(Code.TIME_DROPPED, f"timestampVerificationData[{index}]", reason=outcome))
    return verified, notes


def _verify(
    token: bytes, signature: bytes, certificate: x509.Certificate, authorities: Sequence[TimeStampAuthority]
) -> VerifiedTime | str:
    # (1) It decodes.
    try:
        response = decode_timestamp_response(token)
        at = response.tst_info.gen_time
    except ValueError as error:
        return f"not a time-stamp response: {error}"
    reason = "the trust root has no time-stamp authority"
    for authority in authorities:
        # (2) It verifies under this authority, over this signature.
        refused = _refused_by(authority, response, signature)
        if refused is not None:
            reason = refused
        # (3) The authority was to be trusted then.
        elif not authority.window.holds(at):
            reason = f"{at.isoformat()} is outside the validity of {authority.name}"
        # (4) The certificate was valid then.
        elif not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            reason = f"{at.isoformat()} is outside the certificate's validity"
        else:
            return VerifiedTime(at, "tsa", authority.name)
    return reason


def _refused_by(authority: TimeStampAuthority, response: TimeStampResponse, signature: bytes) -> str | None:
    try:
        authority.verifier.verify_message(response, signature)
    except (TokenRefused, ValueError) as error:
        return f"refused by {authority.name}: {error}"
    return None


class WatchedVerifier(Verifier):
    """sigstore's verifier, which notes the tokens that it verified, each with what it was verified over."""

    _seen: list[tuple[bytes, bytes]] | None = None

    def watched(self) -> Self:
        """The same verifier for one bundle: threads share verifiers."""
        one = copy.copy(self)
        one._seen = []
        return one

    def seen(self) -> list[tuple[bytes, bytes]]:
        """Tokens and what each was verified over."""
        return self._seen or []

    def _verify_signed_timestamp(self, timestamp_response: TimeStampResponse, message: bytes) -> Any:
        # Only ever takes note: if sigstore stops calling this, nothing is noted, and so nothing believed.
        result = super()._verify_signed_timestamp(timestamp_response, message)
        if result is not None and self._seen is not None:
            self._seen.append((timestamp_response.as_bytes(), message))
        return result


def watched_tokens(
    seen: Sequence[tuple[bytes, bytes]],
    tokens: Sequence[bytes],
    signature: bytes,
    certificate: x509.Certificate,
    authorities: Sequence[TimeStampAuthority],
) -> dict[bytes, VerifiedTime] | None:
    """Return every token with its time, if sigstore was seen to verify each of them; None if that is not certain.

    Args:
        seen: What a watched verifier noted, after it accepted the bundle.
        tokens: The bundle's tokens.
        signature: What they are to be over.
        certificate: The signing certificate.
        authorities: The trust root's authorities: with several, nobody says which of them it was.
    """
    if len(authorities) != 1 or list(seen) != [(token, signature) for token in tokens]:
        return None
    [authority] = authorities
    verified = {}
    for token in tokens:
        at = decode_timestamp_response(token).tst_info.gen_time
        if (
            not authority.window.holds(at)
            or not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc
        ):
            return None
        verified[token] = VerifiedTime(at, "tsa", authority.name)
    return verified
