"""The documents by which clients learn whom to believe: trusted root, signing config, client trust config.

Owns `trusted_root` and `trust_config`. Windows start long ago, so that a sandbox whose time is in the past works.

Spec: https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_trustroot.proto
"""

from typing import Any, Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from condattest.sandbox.authority import Authority
from condattest.sandbox.log import Log, text
from condattest.sandbox.timestamp import TimeStamper

_WINDOW: Final = {"start": "2000-01-01T00:00:00Z"}
_OPERATOR: Final = "condattest sandbox"
Rekor = Literal[1, 2]


def trusted_root(authority: Authority, logs: dict[Rekor, Log], stamper: TimeStamper) -> dict[str, Any]:
    """The trusted root's document."""
    details: dict[Rekor, str] = {1: "PKIX_ECDSA_P256_SHA_256", 2: "PKIX_ED25519"}
    ct_log = authority.ct_log
    return {
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [
            _log(f"https://{log.origin}", log.public_key, log.log_id, details[version]) for version, log in logs.items()
        ],
        "certificateAuthorities": [_authority("fulcio.sandbox", authority.intermediate, authority.root)],
        "ctlogs": [_log("https://ct.sandbox", ct_log.public_key, ct_log.log_id, "PKIX_ECDSA_P256_SHA_256")],
        "timestampAuthorities": [_authority("tsa.sandbox", stamper.certificate, stamper.root)],
    }


def trust_config(root: dict[str, Any], url: str, *, rekor: Rekor, tsa: bool) -> dict[str, Any]:
    """The client trust config of a sandbox that is served at `url`."""
    stamps = [_service(f"{url}/api/v1/timestamp", 1)] if tsa else []
    return {
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": root,
        "signingConfig": {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [_service(url, 1)],
            "oidcUrls": [_service(url, 1)],
            "rekorTlogUrls": [_service(url, rekor)],
            "tsaUrls": stamps,
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaConfig": {"selector": "ANY"},
        },
    }


def _service(url: str, version: int) -> dict[str, Any]:
    return {"url": url, "majorApiVersion": version, "validFor": _WINDOW, "operator": _OPERATOR}


def _log(url: str, key: bytes, log_id: bytes, details: str) -> dict[str, Any]:
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {"rawBytes": text(key), "keyDetails": details, "validFor": _WINDOW},
        "logId": {"keyId": text(log_id)},
    }


def _authority(name: str, *chain: x509.Certificate) -> dict[str, Any]:
    certificates = [{"rawBytes": text(each.public_bytes(serialization.Encoding.DER))} for each in chain]
    return {
        "subject": {"organization": _OPERATOR, "commonName": name},
        "uri": f"https://{name}",
        "certChain": {"certificates": certificates},
        "validFor": _WINDOW,
    }
