"""Read the identity that a Fulcio certificate binds to its key, strictly.

Owns `read`. Refuses (IDENTITY-CERTIFICATE) what two verifiers could read differently: no SAN or several, a claim that
is not exactly one DER UTF8String, a deprecated claim that contradicts its successor, a SAN unlike the build signer URI,
a certificate without the issuer claim. The certificate's chain is verified elsewhere, before this is believed.

Claims: 1.3.6.1.4.1.57264.1.N, https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md
"""

import functools
from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1

from condattest.errors import NotAuthenticated
from condattest.model.finding import Code, Finding
from condattest.model.signer import Claims, SanKind, Signer

_ARC: Final = "1.3.6.1.4.1.57264.1."
_OTHER_NAME: Final = x509.ObjectIdentifier(_ARC + "7")
_ISSUER: Final = 8
_FIELDS: Final = {
    9: "build_signer_uri",
    10: "build_signer_digest",
    11: "runner_environment",
    12: "source_repository_uri",
    13: "source_repository_digest",
    14: "source_repository_ref",
    15: "source_repository_id",
    16: "source_repository_owner_uri",
    17: "source_repository_owner_id",
    18: "build_config_uri",
    19: "build_config_digest",
    20: "build_trigger",
    21: "run_invocation_uri",
    22: "source_repository_visibility",
    23: "deployment_environment",
    24: "token_subject",
}
# The deprecated raw-text claims and their successors. `.4`, a workflow's display name, has none.
_SUCCESSORS: Final = {1: 8, 2: 20, 3: 13, 6: 14}
_DEPRECATED_REPOSITORY: Final = 5
_OIDS: Final = {number: f"{_ARC}{number}" for number in range(1, 25)}
_NUMBERS: Final = {x509.ObjectIdentifier(oid): number for number, oid in _OIDS.items()}
_MAX_CLAIM: Final = 4096
"""Bytes of one claim; the longest real ones are URLs of some 200 characters."""


def read(certificate: x509.Certificate) -> Signer:
    """Return the signer that the certificate names.

    Raises:
        NotAuthenticated: IDENTITY-CERTIFICATE; its facts name the extension, what was expected and what was found.
    """
    try:
        extensions = certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise _refused("extensions", "readable, each once", str(error)) from None
    # (1) One name.
    san, kind = _subject_alternative_name(extensions)
    # (2) Every claim, each decoded exactly.
    raw = _claim_bytes(extensions)
    texts = {
        number: _decode(_OIDS[number], data) for number, data in raw.items() if number == _ISSUER or number in _FIELDS
    }
    # (3) The issuer, without which a name means nothing.
    issuer = texts.pop(_ISSUER, None)
    if issuer is None:
        raise _refused(f"{_ARC}{_ISSUER}", "the issuer", "no such extension")
    # (4) No claim contradicts another.
    _check_deprecated(raw, {**texts, _ISSUER: issuer})
    build_signer = texts.get(9)
    if build_signer is not None and build_signer != san:
        raise _refused(f"{_ARC}9", f"equal to the SAN {san}", build_signer)
    return Signer(
        san=san,
        san_kind=kind,
        issuer=issuer,
        claims=Claims(**{_FIELDS[number]: text for number, text in texts.items()}),
    )


def _subject_alternative_name(extensions: x509.Extensions) -> tuple[str, SanKind]:
    try:
        # By its identifier: to go by the class takes ten times as long, and claims make long lists of extensions.
        found = extensions.get_extension_for_oid(x509.SubjectAlternativeName.oid).value
    except x509.ExtensionNotFound:
        raise _refused("subjectAltName", "one name", "no such extension") from None
    names = list(found) if isinstance(found, x509.SubjectAlternativeName) else []
    if len(names) != 1:
        raise _refused("subjectAltName", "one name", f"{len(names)} names")
    match names[0]:
        case x509.UniformResourceIdentifier(value=value):
            return _printable("subjectAltName", value), "uri"
        case x509.RFC822Name(value=value):
            return _printable("subjectAltName", value), "email"
        case x509.OtherName(type_id=type_id, value=data) if type_id == _OTHER_NAME:
            return _decode("subjectAltName", data), "other"
        case other:
            raise _refused("subjectAltName", "a URI, an email address or Fulcio's other name", type(other).__name__)


def _claim_bytes(extensions: x509.Extensions) -> dict[int, bytes]:
    found = {}
    for extension in extensions:
        number = _NUMBERS.get(extension.oid)
        if number is not None and isinstance(value := extension.value, x509.UnrecognizedExtension):
            found[number] = value.value
    return found


# Many bundles are by few signers: what is in one certificate is in the next. Errors are not remembered.
@functools.lru_cache(maxsize=1024)
def _decode(where: str, data: bytes) -> str:
    if len(data) > _MAX_CLAIM:
        raise _refused(where, f"at most {_MAX_CLAIM} bytes", f"{len(data)} bytes")
    try:
        text: str = asn1.decode_der(str, data)
    except ValueError:
        raise _refused(where, "one DER UTF8String", data[:40].hex()) from None
    return _printable(where, text)


def _printable(where: str, text: str) -> str:
    if not text or not text.isprintable() or len(text) > _MAX_CLAIM:
        raise _refused(where, "printable text", repr(text[:120]))
    return text


def _check_deprecated(raw: dict[int, bytes], texts: dict[int, str]) -> None:
    for old, new in _SUCCESSORS.items():
        if old in raw and new in texts and raw[old] != texts[new].encode():
            raise _refused(f"{_ARC}{old}", f"equal to {_ARC}{new}, {texts[new]}", repr(raw[old][:120]))
    repository = texts.get(12)
    if _DEPRECATED_REPOSITORY in raw and repository is not None:
        old_name = b"/" + raw[_DEPRECATED_REPOSITORY]
        if not repository.encode().endswith(old_name):
            raise _refused(f"{_ARC}5", f"the repository of {_ARC}12, {repository}", repr(old_name[1:121]))


def _refused(where: str, expected: str, found: str) -> NotAuthenticated:
    return NotAuthenticated(
        Finding.of(Code.IDENTITY_CERTIFICATE, f"certificate: {where}", expected=expected, found=found)
    )
