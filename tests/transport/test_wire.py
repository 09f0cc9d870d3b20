"""Total deadlines, and what goes on below HTTP, TLS included."""

import datetime
import ipaddress
import math
import ssl
import threading
import time

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from condattest.errors import Unavailable
from condattest.transport import wire
from condattest.transport.fetch import Fetcher
from tests.transport.conftest import TRUSTS_NOBODY, http


@pytest.fixture
def hasty():
    """A fetcher with a read timeout that a drip never reaches, and a deadline that it does."""
    with Fetcher(deadline=0.3, read=10, attempts=1, ssl_context=TRUSTS_NOBODY) as made:
        yield made


def _refused_in_time(fetcher, url):
    started = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        fetcher(url, 1 << 20)
    assert 0.2 < time.monotonic() - started < 3  # A busy machine is late, and a drip would take four seconds.
    return str(caught.value)


def _drip(first, drop):
    def script(asked):
        yield first
        for _ in range(200):
            time.sleep(0.02)
            yield drop

    return script


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
        (b"H", b"T"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    ],
    ids=["body", "chunks", "chunk extension", "headers", "status line", "hints"],
)
def test_a_drip_ends_at_the_deadline(start_peer, hasty, first, drop):
    """One byte before each timeout of a read: without a total deadline it holds a client for days."""
    peer = start_peer(_drip(first, drop))
    assert "0.3 seconds" in _refused_in_time(hasty, f"{peer.url}/a")


def test_a_drip_on_a_kept_connection_ends_too(start_peer, hasty):
    """The same, once the client has come to trust the connection."""
    drip = _drip(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n")
    peer = start_peer(lambda asked: [http("200 OK", b"x")] if asked.path == "/a" else drip(asked))
    assert hasty(f"{peer.url}/a", 10) == b"x"
    _refused_in_time(hasty, f"{peer.url}/b")
    assert [asked.connection for asked in peer.asked] == [0, 0]


def test_silence_ends_at_the_deadline(start_peer, hasty):
    """A server that accepts, and says nothing."""
    peer = start_peer(lambda asked: time.sleep(0.6) or [b""])
    _refused_in_time(hasty, f"{peer.url}/a")


def test_slow_redirects_share_one_deadline(start_peer, hasty):
    """A chain of redirects, each in time, all of them not."""

    def script(asked):
        time.sleep(0.12)
        return [http("302 Found", b"", f"Location: /{len(peer.asked)}")]

    peer = start_peer(script)
    _refused_in_time(hasty, f"{peer.url}/a")


def test_retries_share_one_deadline(start_peer):
    """A server that fails slowly, to have each attempt wait anew."""
    peer = start_peer(lambda asked: time.sleep(0.15) or [http("503 Busy")])
    with Fetcher(deadline=0.3, attempts=50, first_wait=0.01, longest_wait=0.02) as fetcher:
        _refused_in_time(fetcher, f"{peer.url}/a")
    assert len(peer.asked) <= 3


def test_a_large_body_may_take_longer_than_the_deadline(start_peer):
    def script(asked):
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"
        for _ in range(6):
            time.sleep(0.08)
            yield bytes(10_000)

    peer = start_peer(script)
    with Fetcher(deadline=0.3, floor=50_000, attempts=1) as fetcher:
        assert len(fetcher(f"{peer.url}/a", 60_000)) == 60_000


def test_an_allowance_holds_only_its_own_thread():
    seen = []
    with wire.Allowance(5).in_force():
        assert 4 < wire.time_left() <= 5
        thread = threading.Thread(target=lambda: seen.append(wire.time_left()))
        thread.start()
        thread.join()
    assert seen == [math.inf]
    assert wire.time_left() == math.inf


def test_a_client_that_cannot_be_guarded_is_refused():
    """A deadline must not get lost in silence when the library changes below."""
    with (
        httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200))) as client,
        pytest.raises(TypeError, match="HTTPTransport"),
    ):
        wire.guard(client)


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """A server's and a client's TLS settings, for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), 1, now - datetime.timedelta(1), now + datetime.timedelta(1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "both.pem").write_bytes(private + pem)
    (folder / "ca.pem").write_bytes(pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "both.pem")
    return server, folder / "ca.pem"


def test_tls_is_under_the_same_deadline(start_peer, tls):
    """A drip inside TLS."""
    server, ca = tls
    drip = _drip(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n")
    peer = start_peer(lambda asked: [http("200 OK", b"x")] if asked.path == "/a" else drip(asked), server)
    url = peer.url.replace("http:", "https:")
    with Fetcher(deadline=0.3, attempts=1, ssl_context=ssl.create_default_context(cafile=str(ca))) as fetcher:
        assert fetcher(f"{url}/a", 10) == b"x"
        assert fetcher(f"{url}/a", 10) == b"x"
        _refused_in_time(fetcher, f"{url}/b")
    assert [asked.connection for asked in peer.asked] == [0, 0, 0]


def test_a_handshake_that_does_not_go_on_ends(start_peer, hasty):
    """A peer that takes the connection and never speaks TLS."""
    peer = start_peer(lambda asked: [])
    _refused_in_time(hasty, f"https://127.0.0.1:{peer.port}/a")


def test_an_unknown_authority_is_refused_and_one_of_the_environment_is_not(start_peer, tls, monkeypatch):
    """Somebody in the middle, with a certificate of his own."""
    server, ca = tls
    peer = start_peer(lambda asked: [http("200 OK", b"x")], server)
    url = f"https://127.0.0.1:{peer.port}/a"
    with Fetcher(attempts=1) as fetcher, pytest.raises(Unavailable, match="certificate"):
        fetcher(url, 10)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    with Fetcher(attempts=1) as fetcher:
        assert fetcher(url, 10) == b"x"


def test_a_redirect_from_https_to_http_is_refused(start_peer, tls):
    """A downgrade: the rest of the way in the clear."""
    server, ca = tls
    clear = start_peer(lambda asked: [http("200 OK", b"x")])
    peer = start_peer(lambda asked: [http("302 Found", b"", f"Location: {clear.url}/a")], server)
    with (
        Fetcher(attempts=1, ssl_context=ssl.create_default_context(cafile=str(ca))) as fetcher,
        pytest.raises(Unavailable, match="from https"),
    ):
        fetcher(f"https://127.0.0.1:{peer.port}/a", 10)
    assert clear.asked == []
