"""Sigstore bundles of the right shape that prove nothing: their certificate and signatures are junk."""

import base64
import copy
import json


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


PAYLOAD = b'{"_type":"https://in-toto.io/Statement/v1"}'
CERTIFICATE = bytes(range(256)) * 3
SIGNATURE = b"\x30\x45" + bytes(69)
TOKENS = (b"\x30\x03\x02\x01\x00", b"\x30\x03\x02\x01\x01")
KEY_ID = bytes(range(32))

_DOCUMENT = {
    "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
    "verificationMaterial": {
        "certificate": {"rawBytes": b64(CERTIFICATE)},
        "tlogEntries": [
            {
                "logIndex": "456119071",
                "logId": {"keyId": b64(KEY_ID)},
                "kindVersion": {"kind": "dsse", "version": "0.0.1"},
                "integratedTime": "1756728839",
                "inclusionPromise": {"signedEntryTimestamp": b64(bytes(70))},
                "inclusionProof": {
                    "logIndex": "334214809",
                    "rootHash": b64(bytes(32)),
                    "treeSize": "334214816",
                    "hashes": [b64(bytes([index]) * 32) for index in range(5)],
                    "checkpoint": {"envelope": "log.example - 1\n334214816\nAAAA\n\n\u2014 log.example AAAA\n"},
                },
                "canonicalizedBody": b64(b'{"apiVersion":"0.0.1","kind":"dsse","spec":{}}'),
            }
        ],
        "timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": b64(token)} for token in TOKENS]},
    },
    "dsseEnvelope": {
        "payload": b64(PAYLOAD),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"sig": b64(SIGNATURE)}],
    },
}
ABSENT = object()
"""A value for `changed`: the field is left out."""


def a_document() -> dict:
    """A well-formed bundle as a JSON value that may be changed freely."""
    return copy.deepcopy(_DOCUMENT)


def changed(path: str, value: object) -> dict:
    """The well-formed document with the value at a path such as `dsseEnvelope.signatures.0.sig` replaced."""
    document = a_document()
    *parents, last = path.split(".")
    target = document
    for key in parents:
        target = target[int(key)] if isinstance(target, list) else target[key]
    if isinstance(target, list):
        target[int(last)] = value
    elif value is ABSENT:
        del target[last]
    else:
        target[last] = value
    return document


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def a_bundle() -> bytes:
    """The bytes of a well-formed bundle."""
    return encoded(_DOCUMENT)
