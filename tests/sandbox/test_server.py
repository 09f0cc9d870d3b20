"""The services answer as the public ones do, and refuse what those refuse."""

import base64
import json
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from condattest.sandbox import Sandbox, github
from condattest.sandbox.server import MAX_BODY

DER = serialization.Encoding.DER


@pytest.fixture(scope="module")
def running():
    with Sandbox(rekor=1, tsa=True).serve(ambient=github("o/r")) as started:
        yield started


@pytest.fixture
def http(running):
    with httpx.Client(base_url=running.url) as client:
        yield client


def request():
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    pem = made.public_bytes(serialization.Encoding.PEM)
    return {"certificateSigningRequest": base64.b64encode(pem).decode()}


def certificate(http, token, body=None):
    headers = {"Authorization": f"Bearer {token}"}
    return http.post("/api/v2/signingCert", json=body or request(), headers=headers)


def test_a_good_token_gets_a_chain_of_three(running, http):
    answer = certificate(http, running.sandbox.token(github("o/r")))
    assert answer.status_code == 200
    assert len(answer.json()["signedCertificateEmbeddedSct"]["chain"]["certificates"]) == 3


@pytest.mark.parametrize("token", ["x", "junk", "eyJhbGciOiJub25lIn0.e30."])
def test_a_bad_token_is_refused_with_a_message(http, token):
    answer = certificate(http, token)
    assert answer.status_code == 401
    assert answer.json()["message"]


def test_a_token_of_another_sandbox_is_refused(http):
    """The attacker's issuer says that it is GitHub."""
    assert certificate(http, Sandbox().token(github("o/r"))).status_code == 401


def test_a_token_for_another_audience_is_refused(running, http):
    """A token that was meant for a cloud provider."""
    assert certificate(http, running.sandbox.token(github("o/r"), audience="other")).status_code == 401


def test_discovery_names_its_own_address(running, http):
    document = http.get("/.well-known/openid-configuration").json()
    assert document["issuer"] == running.url
    assert http.get("/keys").json()["keys"]


def test_a_job_asks_for_its_token_with_its_own(running, http):
    assert http.get("/ambient/github").status_code == 401
    answer = http.get("/ambient/github?audience=sigstore", headers={"Authorization": "Bearer x"})
    assert running.sandbox.issuer.verify(answer.json()["value"])["repository"] == "o/r"


def test_an_entry_that_nobody_signed_is_not_logged(http):
    """Junk in the log would be proof of nothing, but of nothing it must be."""
    for path, body in (
        ("/api/v1/log/entries", {"kind": "dsse", "spec": {"proposedContent": {"envelope": "{}", "verifiers": ["AA"]}}}),
        ("/api/v2/log/entries", {"hashedRekordRequestV002": {}}),
        ("/api/v1/log/entries", []),
        ("/api/v1/timestamp", {}),
        ("/api/v2/signingCert", {}),
    ):
        answer = http.post(path, json=body)
        assert answer.status_code in (400, 401), path
        assert answer.json()["message"]
    assert http.get("/api/v1/log").json()["treeSize"] == 0


def test_unknown_places_and_entries_are_404(http):
    for path in ("/", "/api/v1/log/entries?logIndex=99", "/api/v1/log/entries?logIndex=x"):
        assert http.get(path).status_code == 404
    assert http.post("/nowhere", json={}).status_code == 404


def test_a_large_body_is_refused(http):
    """A body without end."""
    answer = http.post("/api/v1/log/entries", content=bytes(MAX_BODY + 1))
    assert answer.status_code == 413


def test_it_listens_on_loopback_alone(running):
    assert running.url.startswith("http://127.0.0.1:")


def test_faults_are_switched_on_while_it_runs(running, http):
    faults = running.sandbox.faults
    faults.fulcio_refuses, faults.tsa_down, faults.rekor_down = "no", True, True
    try:
        assert certificate(http, "x").json()["message"] == "no"
        assert http.post("/api/v1/timestamp", content=b"x").status_code == 503
        assert http.post("/api/v1/log/entries", json={}).status_code == 503
    finally:
        faults.fulcio_refuses, faults.tsa_down, faults.rekor_down = None, False, False


def test_written_files_load(running, tmp_path):
    path = running.write(tmp_path)
    assert json.loads(path.read_text())["signingConfig"]["caUrls"][0]["url"] == running.url
    assert json.loads((tmp_path / "trusted_root.json").read_text())["tlogs"]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("Content-Length: abc", 411),
        ("Content-Length: -1", 411),
        ("Content-Length: \u0663", 411),
        (f"Content-Length: {'9' * 5000}", 413),
        ("Transfer-Encoding: chunked", 411),
    ],
    ids=["no number", "negative", "foreign digit", "huge", "chunked"],
)
def test_a_body_that_was_not_read_is_not_the_next_request(running, head, status):
    """A second request hidden in the body of a first."""
    hidden = "GET /keys HTTP/1.1\r\nHost: x\r\n\r\n"
    host, _, port = running.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"POST /token HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n{hidden}".encode())
        with connection.makefile("rb") as answers, suppress(ConnectionResetError):
            assert answers.readline().split()[1] == str(status).encode()
            assert b"HTTP/1.1" not in answers.read()


def test_an_envelope_without_signatures_is_not_logged(running, http):
    """An entry for a payload that the certificate's owner never signed."""
    chain = certificate(http, running.sandbox.token(github("o/r"))).json()["signedCertificateEmbeddedSct"]["chain"]
    envelope = json.dumps({"payload": "", "payloadType": "t", "signatures": []})
    verifier = base64.b64encode(chain["certificates"][0].encode()).decode()
    before = http.get("/api/v1/log").json()["treeSize"]
    for kind in ("dsse", "intoto"):
        content = {"envelope": envelope, "verifiers": [verifier]}
        body = {"kind": kind, "apiVersion": "0.0.1", "spec": {"proposedContent": content}}
        assert http.post("/api/v1/log/entries", json=body).status_code == 400
    assert http.get("/api/v1/log").json()["treeSize"] == before


def test_a_token_that_expired_is_refused():
    """A token that was found in the log of yesterday's job."""
    times = [datetime.now(UTC)]
    with Sandbox(now=lambda: times[0]).serve() as started, httpx.Client(base_url=started.url) as client:
        token = started.sandbox.token(github("o/r"))
        assert certificate(client, token).status_code == 200
        times[0] += timedelta(minutes=11)
        answer = certificate(client, token)
        assert (answer.status_code, answer.json()["code"]) == (401, 3)


def test_a_request_that_its_key_did_not_sign_is_refused(running, http):
    """Somebody else's public key in a request, to own what that key signs."""
    der = bytearray(x509.load_pem_x509_csr(base64.b64decode(request()["certificateSigningRequest"])).public_bytes(DER))
    der[-1] ^= 1
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE REQUEST-----\n"
    body = {"certificateSigningRequest": base64.b64encode(pem).decode()}
    assert certificate(http, running.sandbox.token(github("o/r")), body).status_code == 400


def test_an_entry_is_found_again_by_its_index():
    sandbox = Sandbox()
    sandbox.sign_statement(b"{}", github("o/r"))
    with sandbox.serve() as started:
        [(_, entry)] = httpx.get(f"{started.url}/api/v1/log/entries?logIndex=0").json().items()
    assert json.loads(base64.b64decode(entry["body"]))["kind"] == "dsse"
    assert entry["verification"]["inclusionProof"]["treeSize"] == 1


def test_the_trust_bundle_is_the_chain_that_the_root_has(running, http):
    [chain] = http.get("/api/v2/trustBundle").json()["chains"]
    found = [x509.load_pem_x509_certificate(each.encode()).public_bytes(DER) for each in chain["certificates"]]
    trusted = running.sandbox.trusted_root()["certificateAuthorities"][0]["certChain"]["certificates"]
    assert found == [base64.b64decode(each["rawBytes"]) for each in trusted]


def test_what_is_public_is_readable_whatever_the_umask(running, tmp_path):
    before = os.umask(0o077)
    try:
        running.write(tmp_path)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}
