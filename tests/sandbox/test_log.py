"""Entries are checked before they are logged, and come with proofs, checkpoints and promises that verify."""

import base64
import hashlib
import json
import threading
from datetime import UTC, datetime

import pytest
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from condattest.sandbox import Sandbox, github
from condattest.sandbox.authority import Authority
from condattest.sandbox.extensions import of_claims
from condattest.sandbox.log import Log, dsse_body, encode_pae, hashedrekord_v1_body, hashedrekord_v2_body

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())
IDENTITY = github("o/r")
CERTIFICATE = Authority(lambda: NOW).issue(KEY.public_key(), of_claims(IDENTITY.issuer, IDENTITY.claims))
DER = CERTIFICATE.public_bytes(serialization.Encoding.DER)


def test_a_promise_covers_body_time_and_index():
    key = ec.generate_private_key(ec.SECP256R1())
    log = Log("x", key)
    log.append(b"first", promised_at=NOW)
    included = log.append(b"second", promised_at=NOW)
    seconds, signature = included.promise
    assert seconds == int(NOW.timestamp())
    document = {
        "body": base64.b64encode(b"second").decode(),
        "integratedTime": seconds,
        "logID": log.log_id.hex(),
        "logIndex": 1,
    }
    key.public_key().verify(signature, rfc8785.dumps(document), ec.ECDSA(hashes.SHA256()))


def test_a_checkpoint_is_a_signed_note():
    key = ed25519.Ed25519PrivateKey.generate()
    log = Log("log.example", key)
    included = log.append(b"body")
    note, _, signatures = included.checkpoint.partition("\n\n")
    assert note.split("\n") == ["log.example", "1", base64.b64encode(included.root).decode()]
    dash, name, text = signatures.split()
    assert (dash, name) == ("\u2014", "log.example")
    raw = base64.b64decode(text)
    assert raw[:4] == log.log_id[:4]
    key.public_key().verify(raw[4:], (note + "\n").encode())


def test_threads_get_indexes_of_their_own():
    log = Log("x", ed25519.Ed25519PrivateKey.generate())
    found = []
    threads = [threading.Thread(target=lambda: found.append(log.append(b"x").index)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(16))
    assert log.entry(3).index == 3
    assert log.entry(16) is None
    assert log.state()[0] == 16


def test_an_envelope_is_logged_as_its_hashes():
    signature = KEY.sign(encode_pae("t", b"payload"), ec.ECDSA(hashes.SHA256()))
    envelope = {"payload": base64.b64encode(b"payload").decode(), "payloadType": "t",
                "signatures": [{"sig": base64.b64encode(signature).decode()}]}  # fmt: skip
    body = json.loads(dsse_body(json.dumps(envelope), CERTIFICATE))
    assert body["spec"]["payloadHash"]["value"] == hashlib.sha256(b"payload").hexdigest()
    assert b"payload" not in base64.b64decode(body["spec"]["signatures"][0]["verifier"])


def test_a_signature_that_is_not_the_signer_s_is_not_logged():
    """Whoever logs junk under somebody's certificate."""
    envelope = {"payload": "", "payloadType": "t", "signatures": [{"sig": base64.b64encode(b"junk").decode()}]}
    with pytest.raises(InvalidSignature):
        dsse_body(json.dumps(envelope), CERTIFICATE)
    with pytest.raises(InvalidSignature):
        hashedrekord_v2_body(bytes(32), b"junk", DER)
    pem = base64.b64encode(CERTIFICATE.public_bytes(serialization.Encoding.PEM)).decode()
    spec = {"signature": {"content": "AAAA", "publicKey": {"content": pem}}, "data": {"hash": {"value": "ab" * 32}}}
    with pytest.raises(InvalidSignature):
        hashedrekord_v1_body({"spec": spec})


def test_pae_counts_bytes():
    assert encode_pae("é", b"ab") == "DSSEv1 2 é 2 ab".encode()


def test_two_sandboxes_are_two_logs():
    assert Sandbox().logs[1].log_id != Sandbox().logs[1].log_id


def test_an_envelope_that_nobody_signed_is_not_logged():
    """An entry for a payload that the certificate's owner never signed."""
    envelope = {"payload": base64.b64encode(b"payload").decode(), "payloadType": "t", "signatures": []}
    with pytest.raises(ValueError, match="expected a signature"):
        dsse_body(json.dumps(envelope), CERTIFICATE)
