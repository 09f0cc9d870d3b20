"""What a server that gets a token may do, and what it may not."""

import ipaddress
import logging
import ssl
import time
import traceback
from datetime import UTC, datetime, timedelta

import pytest
import stamina
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from condattest.errors import LocalFailure, Misuse, ServiceFailed, Unavailable
from condattest.transport import post
from condattest.transport.post import Answer, Patience
from tests.transport.conftest import TRUSTS_NOBODY, http

TOKEN = "pfx_0123456789abcdef"
HASTY = Patience(deadline=5, attempts=3, first_wait=0.0, longest_wait=0.0)


def ask(peer, *, patience=HASTY, **how):
    url = post.service(peer.url).copy_with(path="/api")

    def build(client):
        return client.build_request("POST", url, headers={"authorization": f"Bearer {TOKEN}"}, json={"a": 1})

    return post.ask(url, build, secrets=(TOKEN,), patience=patience, ssl_context=TRUSTS_NOBODY, **how)


def in_turn(*answers):
    """A script that gives another answer each time."""
    left = iter(answers)
    return lambda asked: [next(left), b""]


def test_a_token_goes_to_the_server_and_the_answer_comes_back(start_peer):
    peer = start_peer(lambda asked: [http("201 Created", b"made"), b""])
    assert ask(peer) == Answer(201)
    assert ask(peer, wants_body=True) == Answer(201, body=b"made")
    assert peer.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert peer.asked[0].headers["accept-encoding"] == "identity"
    assert "cookie" not in peer.asked[0].headers


@pytest.mark.parametrize(
    "server",
    [
        "https://prefix.dev/channel",
        "https://prefix.dev/?a=1",
        "https://prefix.dev?",
        "https://prefix.dev/#a",
        "https://user:secret@prefix.dev",
        "http://prefix.dev",
        "http://169.254.169.254",
        "http://0.0.0.0:1",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "file:///etc/passwd",
        "prefix.dev",
        "",
        "https://",
        "https://prefix.dev:99999",
    ],
)
def test_a_server_that_may_not_get_a_token_is_refused(server):
    with pytest.raises(Misuse) as caught:
        post.service(server)
    assert caught.value.hint
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "server",
    ["https://prefix.dev", "https://prefix.dev/", "https://host:8443", "http://127.0.0.1:80", "http://[::1]:1"],
)
def test_https_and_this_machine_are_taken(server):
    assert post.service(server).path == "/"


@pytest.mark.parametrize(
    "token", ["", "a b", "a\r\nX-Forged: 1", '"quoted"', "ü", "a=b", "\x00", "a" * 16385, "=", "a\n"]
)
def test_what_is_no_token_is_refused_and_not_shown(token):
    """A line break in a token would start a header of its own."""
    with pytest.raises(Misuse) as caught:
        post.check_token(token, "the token", "get one")
    assert caught.value.hint
    assert len(token) < 2 or token not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("token", ["a", "eyJh.eyJi.c-_", "pfx_a~b+c/d", "abc==", "a" * 16384])
def test_what_may_be_a_token_is_taken(token):
    post.check_token(token, "the token", "")


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_not_followed_with_a_token(start_peer, status):
    """A server that sends the client, and its token, to somebody else."""
    other = start_peer(lambda asked: [http("200 OK"), b""])
    peer = start_peer(lambda asked: [http(status, b"", f"Location: {other.url}/take?token={TOKEN}"), b""])
    with pytest.raises(ServiceFailed) as caught:
        ask(peer)
    assert "redirect" in str(caught.value)
    assert f"{other.url}/take" in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert other.asked == []
    assert len(peer.asked) == 1


def test_what_passes_is_tried_again_and_remembered(start_peer):
    peer = start_peer(
        in_turn(http("500 Oops", b"bad luck"), http("429 Slow", b"", "Retry-After: 0"), http("409 C", b"is"))
    )
    answer = ask(peer)
    assert (answer.status, answer.words, answer.before) == (409, "is", "the server answers HTTP 429")
    assert len(peer.asked) == 3


def test_what_does_not_pass_ends_after_the_last_attempt(start_peer):
    peer = start_peer(lambda asked: [http("503 No", b"come back later"), b""])
    with pytest.raises(Unavailable) as caught:
        ask(peer)
    assert "HTTP 503: come back later" in str(caught.value)
    assert len(peer.asked) == 3


def test_a_broken_connection_is_tried_again(start_peer):
    peer = start_peer(in_turn(b"", http("200 OK")))
    answer = ask(peer)
    assert answer.status == 200
    assert "connection failed" in answer.before


def test_a_wait_that_is_too_long_is_not_waited_for(start_peer):
    peer = start_peer(lambda asked: [http("429 Slow", b"", "Retry-After: 86400"), b""])
    with pytest.raises(Unavailable, match="429"):
        ask(peer)
    assert len(peer.asked) == 1


@pytest.mark.parametrize("status", ["400", "401", "403", "404", "409", "413", "422", "418"])
def test_a_refusal_is_an_answer_and_not_tried_again(start_peer, status):
    peer = start_peer(lambda asked: [http(f"{status} No", b"no"), b""])
    assert ask(peer) == Answer(int(status), "no")
    assert len(peer.asked) == 1


def test_nobody_is_there(start_peer):
    peer = start_peer(lambda asked: [])
    peer.port = 9  # Nothing listens on the discard port.
    with pytest.raises(Unavailable, match="connection failed"):
        ask(peer)


def test_a_server_that_does_not_answer_is_given_up(start_peer):
    def script(asked):
        time.sleep(1)
        yield b""

    peer = start_peer(script)
    started = time.monotonic()
    with pytest.raises(Unavailable, match=r"longer than the 0\.2 seconds"):
        ask(peer, patience=Patience(deadline=0.2, attempts=3, first_wait=0, longest_wait=0))
    assert time.monotonic() - started < 0.9


def test_a_refusal_that_trickles_still_has_its_status(start_peer):
    """A body without end must not hide that the token is not taken."""

    def script(asked):
        yield b"HTTP/1.1 401 No\r\nContent-Length: 100000\r\n\r\n"
        for _ in range(30):
            time.sleep(0.05)
            yield b"x"
        yield b""

    peer = start_peer(script)
    started = time.monotonic()
    assert ask(peer, patience=Patience(deadline=0.4)).status == 401
    assert time.monotonic() - started < 1.2


def test_a_huge_body_is_neither_kept_nor_shown(start_peer):
    peer = start_peer(lambda asked: [http("422 No", b"x" * (8 << 20)), b""])
    answer = ask(peer)
    assert answer.status == 422
    assert 250 < len(answer.words) < 350
    peer = start_peer(lambda asked: [http("200 OK", b"x" * (8 << 20)), b""])
    assert ask(peer).status == 200
    with pytest.raises(ServiceFailed, match="larger"):
        ask(peer, wants_body=True)


def test_a_servers_words_are_safe_to_show(start_peer):
    """A server that paints over a terminal's lines."""
    words = "  \x1b[2Jok\r\n\u202e and https://user:pw@host/x\n".encode()
    peer = start_peer(lambda asked: [http("403 No", words), b""])
    shown = ask(peer).words
    assert shown.isprintable()
    assert shown.startswith("\\x1b[2Jok")
    assert "pw" not in shown


@pytest.mark.parametrize("padding", [0, 200, 290, 16 * 1024 - 26, 32 * 1024 - 26])
@pytest.mark.parametrize("status", ["401 No", "500 No"])
def test_a_token_that_a_server_echoes_is_not_shown(start_peer, caplog, padding, status):
    """Logs of CI are public. The cut through the words must not leave half a token, either."""
    caplog.set_level(logging.DEBUG)
    body = b" " * padding + f"got Bearer {TOKEN} from you".encode()
    peer = start_peer(lambda asked: [http(status, body), b""])
    try:
        text = repr(ask(peer)) + ask(peer).said
    except Unavailable as error:
        text = "".join(traceback.format_exception(error)) + repr(error)
    assert TOKEN[:12] not in text + caplog.text


def test_plain_http_goes_past_every_proxy(start_peer, monkeypatch):
    """A proxy would read the token."""
    proxy = start_peer(lambda asked: [http("200 OK"), b""])
    peer = start_peer(lambda asked: [http("200 OK"), b""])
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert ask(peer).status == 200
    assert proxy.asked == []


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    """A server's TLS settings for 127.0.0.1, and the file of the authority that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now, day = datetime.now(UTC), timedelta(days=1)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "ca.pem").write_bytes(certificate)
    (folder / "both.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "both.pem")
    return server, folder / "ca.pem"


def test_an_unknown_authority_gets_no_token_and_one_of_the_environment_does(start_peer, certified, monkeypatch):
    """Somebody in the middle, with a certificate of his own."""
    server, ca = certified
    peer = start_peer(lambda asked: [http("200 OK"), b""], server)
    url = post.service(f"https://127.0.0.1:{peer.port}")

    def build(client):
        return client.build_request("POST", url)

    with pytest.raises(Unavailable, match="certificate"):
        post.ask(url, build, secrets=(), patience=HASTY)
    assert peer.asked == []
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    assert post.ask(url, build, secrets=(), patience=HASTY).status == 200


def test_settings_that_cannot_be_used_are_the_machines_fault(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://host")
    url = post.service("https://prefix.dev")
    with pytest.raises(LocalFailure) as caught:
        post.ask(url, lambda client: client.build_request("POST", url), secrets=(), ssl_context=TRUSTS_NOBODY)
    assert "HTTPS_PROXY" in caught.value.hint


def test_stamina_is_active():
    """Retries that a test switched off would make the tests above pass for nothing."""
    assert stamina.is_active()
