"""The services answer as the public ones do, and refuse what those refuse."""

import base64
import json

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from condattest.sandbox import Sandbox, github
from condattest.sandbox.server import MAX_BODY


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
