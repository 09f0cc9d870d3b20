"""Sigstore bundle v0.3 with a DSSE envelope, parsed exactly before anything trusts it.

Owns `Bundle`, `LogEntry` and `parse`. The sigstore library reads leniently (the last of two equal keys, snake_case
names, junk in base64), so two verifiers may see two bundles in the same bytes; this module lets one reading through.
Refuses: unknown or snake_case fields, other versions, message signatures, several envelopes, signatures or log entries,
bare public keys, base64 that does not re-encode to itself.

    {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
     "verificationMaterial": {
       "certificate": {"rawBytes": "<base64 DER>"},
       "tlogEntries": [{"logIndex": "1", "logId": {"keyId": "<base64>"},
         "kindVersion": {"kind": "dsse", "version": "0.0.1"}, "integratedTime": "1756728839",
         "inclusionPromise": {"signedEntryTimestamp": "<base64>"},
         "inclusionProof": {"logIndex": "1", "rootHash": "<base64>", "treeSize": "2", "hashes": ["<base64>"],
                            "checkpoint": {"envelope": "<note>"}},
         "canonicalizedBody": "<base64>"}],
       "timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": "<base64>"}]}},
     "dsseEnvelope": {"payload": "<base64>", "payloadType": "application/vnd.in-toto+json",
                      "signatures": [{"sig": "<base64>"}]}}

Spec: https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto
"""

import base64
import binascii
import json
import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from condattest.errors import Malformed
from condattest.formats import strict_json
from condattest.model.finding import Code, Finding

MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_MEDIA_TYPES = (
    MEDIA_TYPE,
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
)  # The spec's older spelling of v0.3.
MAX_BUNDLE: Final = 2 * 1024 * 1024
"""Bytes of one bundle; common ones take some 10 KiB."""
MAX_TOKENS: Final = 32
"""Time-stamp tokens in one bundle, as sigstore's clients limit them."""
_DIGITS: Final = f"{string.ascii_letters}{string.digits}+/".encode()


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What the bundle says of its transparency log entry. Nothing here is authenticated."""

    kind: str
    version: str
    key_id: bytes
    index: int
    integrated_time: int | None
    has_promise: bool


@dataclass(frozen=True, slots=True)
class Bundle:
    """A well-formed bundle. Nothing here is authenticated: see `signatures.authenticate`.

    Attributes:
        raw: The bytes that were parsed.
        document: Their JSON value.
        certificate: The signing certificate, DER.
        payload_type: The DSSE payload type.
        payload: The DSSE payload.
        signature: The only DSSE signature.
        log_entry: The only log entry.
        tokens: RFC 3161 responses, DER.
    """

    raw: bytes
    document: Mapping[str, Any]
    certificate: bytes
    payload_type: str
    payload: bytes
    signature: bytes
    log_entry: LogEntry
    tokens: tuple[bytes, ...]

    def with_tokens(self, kept: Collection[bytes]) -> bytes:
        """Return the bundle's JSON with only the `kept` tokens; with all of them, the bytes as they came."""
        if len(kept) == len(self.tokens):
            return self.raw
        material = dict(self.document["verificationMaterial"])
        encoded = [{"signedTimestamp": base64.b64encode(token).decode()} for token in kept]
        material["timestampVerificationData"] = {"rfc3161Timestamps": encoded} if encoded else {}
        return json.dumps({**self.document, "verificationMaterial": material}).encode()


def parse(data: bytes) -> Bundle:
    """Read one bundle.

    Raises:
        Malformed: BUNDLE-*, TIME-TOKENS, or IDENTITY-PUBLIC-KEY for a bundle without a certificate.
    """
    if len(data) > MAX_BUNDLE:
        expected, found = f"at most {MAX_BUNDLE} bytes", f"{len(data)} bytes"
        raise Malformed(Finding.of(Code.BUNDLE_SIZE, "bundle", expected=expected, found=found))
    # (1) One reading of the bytes.
    document = strict_json.parse(data, code=Code.BUNDLE_JSON, where="bundle", limit=MAX_BUNDLE)
    # (2) The version, before its fields are judged.
    if not isinstance(document, dict):
        raise _malformed(Code.BUNDLE_SHAPE, "bundle", "an object", document)
    if document.get("mediaType") not in _MEDIA_TYPES:
        raise _malformed(Code.BUNDLE_MEDIA_TYPE, "mediaType", MEDIA_TYPE, document.get("mediaType"))
    # (3) The content: a DSSE envelope alone.
    if "messageSignature" in document or "dsseEnvelope" not in document:
        contents = sorted(set(document) & {"messageSignature", "dsseEnvelope"})
        raise _malformed(Code.BUNDLE_CONTENT, "bundle", "a dsseEnvelope alone", ", ".join(contents) or "no content")
    _fields(document, "bundle", ("mediaType", "verificationMaterial", "dsseEnvelope"))
    payload_type, payload, signature = _envelope(document["dsseEnvelope"])
    # (4) The material: certificate, one log entry, tokens.
    material = document["verificationMaterial"]
    if isinstance(material, dict) and "publicKey" in material:
        where = "verificationMaterial"
        raise _malformed(Code.IDENTITY_PUBLIC_KEY, where, "a certificate", "publicKey")
    _fields(material, "verificationMaterial", ("certificate", "tlogEntries"), optional=("timestampVerificationData",))
    _fields(material["certificate"], "certificate", ("rawBytes",))
    return Bundle(
        raw=data,
        document=document,
        certificate=_base64(material["certificate"], "rawBytes", "certificate"),
        payload_type=payload_type,
        payload=payload,
        signature=signature,
        log_entry=_log_entry(material["tlogEntries"]),
        tokens=_tokens(material.get("timestampVerificationData")),
    )


def _envelope(raw: Any) -> tuple[str, bytes, bytes]:
    where = "dsseEnvelope"
    _fields(raw, where, ("payload", "payloadType", "signatures"))
    signatures = raw["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1:
        count = len(signatures) if isinstance(signatures, list) else 0
        raise _malformed(Code.BUNDLE_CONTENT, f"{where}.signatures", "exactly one signature", f"{count} signatures")
    _fields(signatures[0], f"{where}.signatures[0]", ("sig",), optional=("keyid",))
    _text(signatures[0], "keyid", f"{where}.signatures[0]", optional=True)
    signature = _base64(signatures[0], "sig", f"{where}.signatures[0]")
    if not signature:
        raise _malformed(Code.BUNDLE_CONTENT, f"{where}.signatures[0].sig", "a signature", "no bytes")
    return _text(raw, "payloadType", where), _base64(raw, "payload", where), signature


def _log_entry(entries: Any) -> LogEntry:
    where = "tlogEntries"
    if not isinstance(entries, list) or len(entries) != 1:
        count = len(entries) if isinstance(entries, list) else 0
        raise _malformed(Code.BUNDLE_LOG, where, "exactly one log entry", f"{count} entries")
    raw, where = entries[0], "tlogEntries[0]"
    required = ("logIndex", "logId", "kindVersion", "inclusionProof", "canonicalizedBody")
    _fields(raw, where, required, optional=("integratedTime", "inclusionPromise"))
    _fields(raw["logId"], f"{where}.logId", ("keyId",))
    _fields(raw["kindVersion"], f"{where}.kindVersion", ("kind", "version"))
    proof, inner = raw["inclusionProof"], f"{where}.inclusionProof"
    _fields(proof, inner, ("logIndex", "rootHash", "treeSize", "hashes", "checkpoint"))
    _fields(proof["checkpoint"], f"{inner}.checkpoint", ("envelope",))
    _text(proof["checkpoint"], "envelope", f"{inner}.checkpoint")
    _check_base64(proof["rootHash"], f"{inner}.rootHash")
    if not isinstance(proof["hashes"], list):
        raise _malformed(Code.BUNDLE_SHAPE, f"{inner}.hashes", "a list", proof["hashes"])
    for index, text in enumerate(proof["hashes"]):
        _check_base64(text, f"{inner}.hashes[{index}]")
    if _integer(proof, "treeSize", inner) <= _integer(proof, "logIndex", inner):
        raise _malformed(Code.BUNDLE_LOG, f"{inner}.logIndex", "less than treeSize", proof["logIndex"])
    _check_base64(raw["canonicalizedBody"], f"{where}.canonicalizedBody")
    promise = raw.get("inclusionPromise")
    if promise is not None:
        _fields(promise, f"{where}.inclusionPromise", ("signedEntryTimestamp",))
        _check_base64(promise["signedEntryTimestamp"], f"{where}.inclusionPromise.signedEntryTimestamp")
    return LogEntry(
        kind=_text(raw["kindVersion"], "kind", f"{where}.kindVersion"),
        version=_text(raw["kindVersion"], "version", f"{where}.kindVersion"),
        key_id=_base64(raw["logId"], "keyId", f"{where}.logId"),
        index=_integer(raw, "logIndex", where),
        integrated_time=None if raw.get("integratedTime") is None else _integer(raw, "integratedTime", where),
        has_promise=promise is not None,
    )


def _tokens(raw: Any) -> tuple[bytes, ...]:
    where = "timestampVerificationData"
    if raw is None:
        return ()
    _fields(raw, where, (), optional=("rfc3161Timestamps",))
    stamps = raw.get("rfc3161Timestamps")
    if stamps is None:
        return ()
    if not isinstance(stamps, list):
        raise _malformed(Code.BUNDLE_SHAPE, f"{where}.rfc3161Timestamps", "a list", stamps)
    if len(stamps) > MAX_TOKENS:
        raise _malformed(Code.TIME_TOKENS, where, f"at most {MAX_TOKENS} tokens", f"{len(stamps)} tokens")
    tokens = []
    for index, stamp in enumerate(stamps):
        _fields(stamp, f"{where}[{index}]", ("signedTimestamp",))
        tokens.append(_base64(stamp, "signedTimestamp", f"{where}[{index}]"))
    if len(set(tokens)) != len(tokens):
        raise _malformed(Code.TIME_TOKENS, where, "each token once", "the same token twice")
    return tuple(tokens)


def _fields(raw: Any, where: str, required: tuple[str, ...], *, optional: tuple[str, ...] = ()) -> None:
    if not isinstance(raw, dict):
        raise _malformed(Code.BUNDLE_SHAPE, where, "an object", raw)
    for key in required:
        if key not in raw:
            raise _malformed(Code.BUNDLE_SHAPE, where, f"the field {key}", ", ".join(sorted(raw)) or "no fields")
    if len(raw) == len(required):
        return  # Just those.
    for key in raw:
        if key not in required and key not in optional:
            raise _malformed(Code.BUNDLE_SHAPE, where, "known fields alone", f"the field {key[:80]}")


def _text(raw: Mapping[str, Any], key: str, where: str, *, optional: bool = False) -> str:
    value = raw.get(key)
    if value is None and optional:
        return ""
    if not isinstance(value, str):
        raise _malformed(Code.BUNDLE_SHAPE, f"{where}.{key}", "a string", value)
    return value


def _integer(raw: Mapping[str, Any], key: str, where: str) -> int:
    # ProtoJSON writes 64-bit integers as decimal strings.
    text = _text(raw, key, where)
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and str(int(text)) == text and int(text) < 2**63):
        raise _malformed(Code.BUNDLE_SHAPE, f"{where}.{key}", "a decimal integer in a string", text)
    return int(text)


def _base64(raw: Mapping[str, Any], key: str, where: str) -> bytes:
    return _decode(raw.get(key), f"{where}.{key}")


def _decode(text: Any, where: str) -> bytes:
    _check_base64(text, where)
    return binascii.a2b_base64(text)


def _check_base64(text: Any, where: str) -> None:
    """Refuse what is not base64, or not as its bytes encode to; to look takes a tenth of the time of decoding."""
    if not isinstance(text, str):
        raise _malformed(Code.BUNDLE_SHAPE, where, "base64 in a string", text)
    data = text.encode("ascii", "replace")
    digits = data.rstrip(b"=")
    last = data[-4:]
    # Bits that padding leaves over can be set without changing the bytes: two texts for one value.
    if (
        len(data) % 4
        or len(data) - len(digits) > 2
        or digits.translate(None, _DIGITS)
        or binascii.b2a_base64(binascii.a2b_base64(last), newline=False) != last
    ):
        raise _malformed(Code.BUNDLE_SHAPE, where, "canonical base64", text)


def _malformed(code: Code, where: str, expected: str, found: object) -> Malformed:
    return Malformed(Finding.of(code, where, expected=expected, found=f"{found!r:.120}"))
