"""The sandbox over HTTP, as the public services speak it. Loopback only.

Owns `Running`, `Faults` and `serve`. Refuses bodies above 1 MiB; logs nothing, so that no token is ever in a log.

    GET  /.well-known/openid-configuration, /keys, /auth, /ambient/github?audience=sigstore;  POST /token
    POST /api/v2/signingCert        Fulcio         POST /api/v1/timestamp         RFC 3161
    POST /api/v1/log/entries        Rekor v1       GET  /api/v1/log, /api/v1/log/entries?logIndex=N
    POST /api/v2/log/entries        Rekor v2       GET  /api/v2/trustBundle
"""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from condattest.sandbox import trust
from condattest.sandbox.authority import LEAF_LIFETIME
from condattest.sandbox.extensions import of_claims
from condattest.sandbox.identity import Identity
from condattest.sandbox.listener import Listener
from condattest.sandbox.log import Included, hashedrekord_v1_body

if TYPE_CHECKING:
    from condattest.sandbox.sandbox import Sandbox

MAX_BODY: Final = 1024 * 1024


@dataclass(slots=True)
class Faults:
    """How a served sandbox misbehaves. All of it may be changed while it runs."""

    tsa_down: bool = False
    fulcio_refuses: str | None = None
    rekor_down: bool = False
    rekor_delay: float = 0.0
    fail_first: int = 0
    fulcio_fails_first: int = 0
    certificate_lifetime: timedelta = LEAF_LIFETIME
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def takes_a_failure(self) -> bool:
        """Whether this request to the log is one of the first that fail."""
        with self._lock:
            self.fail_first -= 1
            return self.fail_first >= 0

    def takes_a_failure_of_fulcio(self) -> bool:
        """Whether this request for a certificate is one of the first that fail."""
        with self._lock:
            self.fulcio_fails_first -= 1
            return self.fulcio_fails_first >= 0


@dataclass(slots=True)
class Running:
    """A sandbox that is served at `url`."""

    sandbox: "Sandbox"
    url: str

    def trust_config_json(self) -> str:
        """The client trust config as JSON text."""
        sandbox = self.sandbox
        config = trust.trust_config(sandbox.trusted_root(), self.url, rekor=sandbox.rekor, tsa=sandbox.wants_stamps)
        return json.dumps(config, indent=2)

    def write(self, folder: Path) -> Path:
        """Write trust_config.json and trusted_root.json, and return the path of the former."""
        config = folder / "trust_config.json"
        root = folder / "trusted_root.json"
        for path, text in ((config, self.trust_config_json()), (root, self.sandbox.trusted_root_json())):
            path.write_text(text, "utf-8")
            path.chmod(0o644)  # Public keys: for every user to read, whatever the umask.
        return config

    def write_issuer(self, folder: Path) -> Path:
        """Write the issuer's private key, for `mint`."""
        return self.sandbox.issuer.write(folder)


class _Refused(Exception):
    """An error answer: an HTTP status and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def serve(sandbox: "Sandbox", *, port: int, ambient: Identity | None) -> Iterator[Running]:
    """Serve a sandbox on 127.0.0.1 while the context lasts; port 0 is any free one."""

    class Handler(_Handler):
        plays = sandbox
        job = ambient

    server = Listener(port, Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Running(sandbox, f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    plays: "Sandbox"
    job: Identity | None = None
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # Buffered: headers and body in one packet, or each answer waits for a delayed acknowledgement.
    timeout = 60

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        """Answer discovery, keys, log state and entries, and the token service of a simulated GitHub job."""
        place = urlsplit(self.path)
        query = parse_qs(place.query)
        try:
            match place.path:
                case "/.well-known/openid-configuration":
                    self._json(200, self.plays.issuer.discovery(f"http://{self.headers.get('Host', '')}"))
                case "/auth":
                    self._redirect(self.plays.login.grant({name: values[0] for name, values in query.items()}))
                case "/keys":
                    self._json(200, self.plays.issuer.key_set())
                case "/api/v2/trustBundle":
                    self._json(200, {"chains": [{"certificates": self._chain()}]})
                case "/api/v1/log":
                    size, root, checkpoint = self.plays.logs[1].state()
                    state = {"rootHash": root.hex(), "treeSize": size, "signedTreeHead": checkpoint, "treeID": "1"}
                    self._json(200, state)
                case "/api/v1/log/entries":
                    self._json(200, self._entry(query.get("logIndex", [""])[0]))
                case "/ambient/github":
                    self._json(200, {"value": self._ambient(query.get("audience", ["sigstore"])[0])})
                case _:
                    raise _Refused(404, "not found")
        except _Refused as error:
            self._json(error.status, {"code": 5, "message": str(error)})
        except (ValueError, KeyError) as error:
            self._json(400, {"code": 3, "message": f"not understood: {error}"})

    def do_POST(self) -> None:
        """Answer Fulcio, Rekor v1 and v2, and the time-stamp authority."""
        try:
            body = self._body()
            match urlsplit(self.path).path:
                case "/token":
                    self._json(200, self._token(body))
                case "/api/v2/signingCert":
                    self._json(200, self._certificate(body))
                case "/api/v1/log/entries":
                    self._log_faults()
                    self._json(201, self._log_v1(body))
                case "/api/v2/log/entries":
                    self._log_faults()
                    self._json(201, self._log_v2(body))
                case "/api/v1/timestamp":
                    self._stamp(body)
                case _:
                    raise _Refused(404, "not found")
        except _Refused as error:
            self._json(error.status, {"code": 3, "message": str(error)})
        except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature) as error:
            self._json(400, {"code": 3, "message": f"not understood: {type(error).__name__}: {error}"})

    def _body(self) -> bytes:
        # What is refused unread would be taken for the next request: such a connection is closed.
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdecimal()):
            self.close_connection = True
            raise _Refused(411, "expected the body's length")
        if len(length) > len(str(MAX_BODY)) or int(length) > MAX_BODY:
            self.close_connection = True
            raise _Refused(413, f"more than {MAX_BODY} bytes")
        return self.rfile.read(int(length))

    def _json(self, status: int, document: object) -> None:
        self._answer(status, json.dumps(document).encode(), "application/json")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _redirect(self, place: str) -> None:
        self.send_response(302)
        self.send_header("Location", place)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.wfile.flush()

    def _token(self, body: bytes) -> dict[str, Any]:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        token = self.plays.token(self.plays.login.redeem(form))
        return {"access_token": token, "id_token": token, "token_type": "Bearer", "expires_in": 600}

    def _log_faults(self) -> None:
        faults = self.plays.faults
        if faults.rekor_delay:
            time.sleep(faults.rekor_delay)
        if faults.rekor_down or faults.takes_a_failure():
            raise _Refused(503, "the log is not available")

    def _chain(self) -> list[str]:
        authority = self.plays.authority
        return [_pem(authority.intermediate), _pem(authority.root)]

    def _certificate(self, body: bytes) -> dict[str, Any]:
        sandbox = self.plays
        if sandbox.faults.takes_a_failure_of_fulcio():
            raise _Refused(503, "the certificate authority is not available")
        if sandbox.faults.fulcio_refuses is not None:
            raise _Refused(400, sandbox.faults.fulcio_refuses)
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise _Refused(401, "There was an error processing the credentials for this request")
        try:
            claims = sandbox.issuer.verify(token)
        except jwt.InvalidTokenError as error:
            raise _Refused(401, f"There was an error processing the identity token: {error}") from None
        request = x509.load_pem_x509_csr(base64.b64decode(json.loads(body)["certificateSigningRequest"]))
        if not request.is_signature_valid:
            raise _Refused(400, "The signature supplied in the request could not be verified")
        leaf = sandbox.authority.issue(
            request.public_key(),
            of_claims(claims["iss"], claims),
            lifetime=sandbox.faults.certificate_lifetime,
        )
        return {"signedCertificateEmbeddedSct": {"chain": {"certificates": [_pem(leaf), *self._chain()]}}}

    def _log_v1(self, body: bytes) -> dict[str, Any]:
        request = json.loads(body)
        if request["kind"] == "hashedrekord":
            return self._entry_v1(
                self.plays.logs[1].append(hashedrekord_v1_body(request), promised_at=self.plays.now())
            )
        if request["kind"] != "dsse":
            raise ValueError("expected an entry of kind dsse or hashedrekord")
        content = request["spec"]["proposedContent"]
        [verifier] = content["verifiers"]
        certificate = x509.load_pem_x509_certificate(base64.b64decode(verifier))
        return self._entry_v1(self.plays.log_envelope(content["envelope"], certificate, self.plays.now()))

    def _entry(self, index: str) -> dict[str, Any]:
        included = self.plays.logs[1].entry(int(index)) if index.isdecimal() else None
        if included is None:
            raise _Refused(404, "no such entry")
        return self._entry_v1(included)

    def _entry_v1(self, included: Included) -> dict[str, Any]:
        assert included.promise is not None  # noqa: S101 (the v1 log promises every entry)
        seconds, signature = included.promise
        proof = {
            "logIndex": included.index,
            "rootHash": included.root.hex(),
            "treeSize": included.size,
            "hashes": [each.hex() for each in included.hashes],
            "checkpoint": included.checkpoint,
        }
        entry = {
            "body": base64.b64encode(included.body).decode(),
            "integratedTime": seconds,
            "logID": self.plays.logs[1].log_id.hex(),
            "logIndex": included.index,
            "verification": {
                "signedEntryTimestamp": base64.b64encode(signature).decode(),
                "inclusionProof": proof,
            },
        }
        return {hashlib.sha256(b"\x00" + included.body).hexdigest(): entry}

    def _log_v2(self, body: bytes) -> dict[str, Any]:
        request = json.loads(body)["hashedRekordRequestV002"]
        digest = base64.b64decode(request["digest"])
        signature = base64.b64decode(request["signature"]["content"])
        certificate = base64.b64decode(request["signature"]["verifier"]["x509Certificate"]["rawBytes"])
        sandbox = self.plays
        return sandbox.entry(sandbox.log_record(digest, signature, certificate), 2)

    def _stamp(self, body: bytes) -> None:
        if self.plays.faults.tsa_down:
            raise _Refused(503, "the time-stamp authority is not available")
        self._answer(201, self.plays.tsa.answer(body), "application/timestamp-reply")

    def _ambient(self, audience: str) -> str:
        if self.job is None:
            raise _Refused(404, "no job")
        if not self.headers.get("Authorization", "").lower().startswith("bearer "):
            raise _Refused(401, "no request token")
        return self.plays.token(self.job, audience=audience)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")
