"""The honest cases, redirects, retries and secrets of `Fetcher`; lying peers are in `test_wire` and `test_answers`."""

import hashlib
import logging
import socket
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest
import stamina

from condattest._version import __version__
from condattest.errors import LocalFailure, Misuse, NotFound, Offline, TooLarge, Unavailable
from condattest.transport.fetch import Fetched, Fetcher, NotModified
from tests.transport.conftest import TRUSTS_NOBODY, http


@pytest.fixture
def fetcher():
    with Fetcher(deadline=5, first_wait=0.0, longest_wait=0.0, ssl_context=TRUSTS_NOBODY) as made:
        yield made


def test_a_body_comes_as_it_is(serve_files, fetcher):
    url = serve_files({"/channel/a.sigs": b"[1]", "/empty": b""})
    assert fetcher(f"{url}/channel/a.sigs", 3) == b"[1]"
    assert fetcher(f"{url}/empty", 0) == b""


def test_a_request_names_its_sender_and_takes_no_compression(start_peer, fetcher):
    peer = start_peer(lambda asked: [http("200 OK", b"x")])
    fetcher(f"{peer.url}/a", 10)
    assert peer.asked[0].headers["user-agent"] == f"condattest/{__version__}"
    assert peer.asked[0].headers["accept-encoding"] == "identity"
    assert not {"authorization", "cookie"} & set(peer.asked[0].headers)


def test_what_is_not_there_is_told_apart_from_what_cannot_be_had(start_peer, fetcher):
    """An outage must not look like a package without attestations."""
    # Where no body may stand, one would be read as the beginning of the next answer.
    peer = start_peer(lambda asked: [http(asked.path[1:] + " No", b"" if asked.path in ("/204", "/304") else b"sorry")])
    for status in ("404", "410"):
        with pytest.raises(NotFound):
            fetcher(f"{peer.url}/{status}", 10)
    for status in ("400", "402", "416", "451", "204", "206", "300", "304", "500", "503"):
        with pytest.raises(Unavailable) as caught:
            fetcher(f"{peer.url}/{status}", 10)
        assert not isinstance(caught.value, NotFound)
        assert f"HTTP {status}" in str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_denied_access_hints_at_credentials(start_peer, fetcher, status):
    peer = start_peer(lambda asked: [http(f"{status} No")])
    with pytest.raises(Unavailable) as caught:
        fetcher(f"{peer.url}/a", 10)
    assert "credentials" in caught.value.hint


def test_offline_opens_no_socket(start_peer):
    peer = start_peer(lambda asked: [http("200 OK", b"x")])
    with Fetcher(offline=True) as fetcher:
        with pytest.raises(Offline):
            fetcher(f"{peer.url}/a", 10)
        with pytest.raises(Offline):
            fetcher.conditional(f"{peer.url}/a", 10)
        with pytest.raises(Offline), fetcher.stream(f"{peer.url}/a", 10):
            pass
    assert peer.asked == []


def test_what_is_asked_for_afresh_is_asked_for_past_caches_and_taken_whole(start_peer, fetcher):
    peer = start_peer(lambda asked: [http("200 OK", b"x")])
    assert fetcher.fresh(peer.url, 10) == fetcher(peer.url, 10) == b"x"
    assert [asked.headers.get("cache-control") for asked in peer.asked] == ["no-cache", None]
    peer = start_peer(lambda asked: [http("304 Not Modified")])
    with pytest.raises(Unavailable):
        fetcher.fresh(peer.url, 10)


def test_a_conditional_request_says_when_nothing_changed(serve_files, fetcher):
    url = serve_files({"/index": b"hello"}) + "/index"
    first = fetcher.conditional(url, 10)
    assert first == Fetched(b"hello", '"5"', None)
    assert fetcher.conditional(url, 10, etag='"5"') == NotModified()
    assert fetcher.conditional(url, 10, etag='"4"') == first


def test_a_remembered_etag_cannot_add_a_header(start_peer, fetcher):
    """A server that gets line breaks into a cached ETag, to forge headers of the next request."""
    peer = start_peer(lambda asked: [http("200 OK", b"x", "ETag: \u00e9")])
    assert fetcher.conditional(peer.url, 10, etag="a\r\nX-Forged: 1", last_modified="now") == Fetched(b"x")
    assert "x-forged" not in peer.asked[0].headers
    assert peer.asked[0].headers["if-modified-since"] == "now"


@pytest.fixture
def retries():
    """What is tried again, by the time that it is waited for."""
    waits = []
    stamina.instrumentation.set_on_retry_hooks([lambda details: waits.append(details.wait_for)])
    yield waits
    stamina.instrumentation.set_on_retry_hooks(None)


def test_a_server_that_nobody_can_connect_to_is_tried_once_by_each_further_request(start_peer, retries):
    """Twenty platforms of a dead host, each with all its attempts, would take minutes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    alive = start_peer(lambda asked: [http("503 Service Unavailable")])
    with Fetcher(attempts=3, first_wait=0.01, longest_wait=0.02, ssl_context=TRUSTS_NOBODY) as fetcher:

        def ask(url):
            with pytest.raises(Unavailable) as caught:
                fetcher(url, 10)
            tries, retries[:] = len(retries) + 1, []
            return tries, caught.value

        tries, error = ask(f"http://127.0.0.1:{port}/a")
        assert (tries, type(error).__name__) == (3, "Unconnected")
        assert [ask(f"http://127.0.0.1:{port}/{name}")[0] for name in "bc"] == [1, 1]
        # A server that answers is tried as before, whatever it answers.
        assert [ask(f"{alive.url}/{name}")[0] for name in "ab"] == [3, 3]
        with socket.create_server(("127.0.0.1", port)) as listener:
            thread = threading.Thread(target=lambda: listener.accept()[0].close())
            thread.start()
            assert ask(f"http://127.0.0.1:{port}/d")[0] == 1
            thread.join()
        assert ask(f"http://127.0.0.1:{port}/e")[0] == 3


def test_a_package_is_hashed_while_it_passes(serve_files, fetcher):
    body = bytes(range(256)) * 4096
    url = serve_files({"/p.conda": body})
    digest = hashlib.sha256()
    with fetcher.stream(f"{url}/p.conda", len(body)) as parts:
        for part in parts:
            digest.update(part)
    assert digest.digest() == hashlib.sha256(body).digest()


def test_a_stream_that_is_left_early_leaves_nothing_open(serve_files, fetcher):
    url = serve_files({"/p.conda": bytes(1 << 20), "/a": b"a"})
    with fetcher.stream(f"{url}/p.conda", 1 << 20) as parts:
        next(parts)
    assert fetcher(f"{url}/a", 1) == b"a"


def test_a_slow_caller_does_not_use_up_the_time(serve_files):
    url = serve_files({"/p": bytes(1 << 18)})
    with Fetcher(deadline=1, floor=1e9, attempts=1) as fetcher, fetcher.stream(f"{url}/p", 1 << 18) as parts:
        first = len(next(parts))
        time.sleep(1.1)
        assert first + sum(map(len, parts)) == 1 << 18


def test_connections_are_kept(start_peer, fetcher):
    peer = start_peer(lambda asked: [http("302 Found", b"", "Location: /b") if asked.path == "/a" else http("200 OK")])
    for _ in range(3):
        fetcher(f"{peer.url}/a", 10)
    assert [asked.connection for asked in peer.asked] == [0] * 6


def test_threads_share_a_fetcher(start_peer, fetcher):
    peer = start_peer(lambda asked: [http("200 OK", asked.path.encode() * 100)])

    def check(number):
        return fetcher(f"{peer.url}/{number}", 1000) == f"/{number}".encode() * 100

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(check, range(200)))
    assert len({asked.connection for asked in peer.asked}) <= 16


def test_a_failure_that_passes_is_tried_again(start_peer, fetcher):
    left = iter(["503 Busy", "429 Slow Down", "200 OK"])
    peer = start_peer(lambda asked: [http(next(left), b"x", "Retry-After: 0")])
    assert fetcher(f"{peer.url}/a", 10) == b"x"


def test_a_broken_connection_is_tried_again(start_peer, fetcher):
    def script(asked):
        yield http("200 OK", b"whole") if len(peer.asked) == 3 else http("200 OK", b"whole")[:-2]
        yield b""

    peer = start_peer(script)
    assert fetcher(f"{peer.url}/a", 10) == b"whole"


def test_retries_end(start_peer, fetcher):
    peer = start_peer(lambda asked: [http("500 Oops")])
    with pytest.raises(Unavailable, match="HTTP 500"):
        fetcher(f"{peer.url}/a", 10)
    assert len(peer.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_failure_that_stays_is_not_tried_again(start_peer, fetcher, status):
    peer = start_peer(lambda asked: [http(f"{status} No")])
    with pytest.raises(Unavailable):
        fetcher(f"{peer.url}/a", 10)
    assert len(peer.asked) == 1


@pytest.mark.parametrize("wait", ["31", "6", "99999999999999999999"])
def test_a_server_cannot_make_a_client_wait_beyond_its_patience(start_peer, fetcher, wait):
    """A server that says `Retry-After: 31 years` to hold an installer."""
    peer = start_peer(lambda asked: [http("503 Busy", b"", f"Retry-After: {wait}")])
    started = time.monotonic()
    with pytest.raises(Unavailable):
        fetcher(f"{peer.url}/a", 10)
    assert time.monotonic() - started < 1


def test_an_opened_stream_is_not_started_again(start_peer, fetcher):
    def script(asked):
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
        yield b""

    peer = start_peer(script)
    with pytest.raises(Unavailable), fetcher.stream(f"{peer.url}/a", 10) as parts:
        list(parts)
    assert len(peer.asked) == 1


def test_a_redirect_is_followed(start_peer, serve_files, fetcher):
    there = serve_files({"/b": b"found"})
    for status in (301, 302, 303, 307, 308):
        here = start_peer(lambda asked, status=status: [http(f"{status} There", b"", f"Location: {there}/b")])
        assert fetcher(f"{here.url}/a", 10) == b"found"


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        "ftp://127.0.0.1/a",
        "//",
        "http://",
        "http:///a",
        "gopher://x/",
        "data:,x",
    ],
)
def test_a_redirect_to_another_scheme_is_refused(start_peer, fetcher, location):
    """A redirect to `file:`: a client with a file handler would read a local file and take it for the channel's."""
    peer = start_peer(lambda asked: [http("302 Found", b"", f"Location: {location}")])
    with pytest.raises(Unavailable):
        fetcher(f"{peer.url}/a", 10)
    assert len(peer.asked) <= 2


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://host/a", "a", "", "https://", "http://[::1", "http://\x00/"]
)
def test_only_http_urls_are_fetched(fetcher, url):
    """An index whose base URL is `file:`, to have a local file read in its place."""
    with pytest.raises(Unavailable):
        fetcher(url, 10)


def test_a_loop_of_redirects_ends(start_peer, fetcher):
    """Two URLs that redirect to each other, to keep a client busy for ever."""
    peer = start_peer(lambda asked: [http("302 Found", b"", "Location: " + ("/b" if asked.path == "/a" else "/a"))])
    with pytest.raises(Unavailable, match="circle"):
        fetcher(f"{peer.url}/a", 10)
    assert peer.paths == ["/a", "/b"]


def test_an_endless_chain_of_redirects_ends(start_peer, fetcher):
    """A server that redirects to ever new URLs."""
    peer = start_peer(lambda asked: [http("302 Found", b"", f"Location: /{len(peer.asked)}")])
    with pytest.raises(Unavailable, match="more than 5"):
        fetcher(f"{peer.url}/a", 10)
    assert len(peer.asked) == 6


def test_the_body_of_a_redirect_is_not_read(start_peer, fetcher):
    """A bomb in a redirect's body: clients that read it before they follow expand it."""
    sent = []

    def script(asked):
        if asked.path == "/b":
            yield http("200 OK", b"fine")
            return
        yield b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Encoding: gzip\r\nContent-Length: 1000000000\r\n\r\n"
        for _ in range(1000):
            sent.append(1)
            yield bytes(1 << 20)

    peer = start_peer(script)
    assert fetcher(f"{peer.url}/a", 10) == b"fine"
    assert len(sent) < 50


def test_credentials_stay_with_their_origin(start_peer):
    """A channel that redirects to another host, which would get the user's password with the request."""
    there = start_peer(lambda asked: [http("200 OK", b"x")])
    here = start_peer(lambda asked: [http("302 Found", b"", f"Location: {there.url}/b")])
    ours = {here.url: {"Authorization": "Bearer s3cret"}}
    with Fetcher(headers=ours) as fetcher:
        fetcher(here.url.replace("http://", "http://user:pw@") + "/a", 10)
        fetcher(f"{here.url}/t/tk-123/a", 10)
    assert "authorization" in here.asked[0].headers
    assert here.asked[1].headers["authorization"] == "Bearer s3cret"
    assert all("authorization" not in asked.headers and "tk-123" not in asked.path for asked in there.asked)


@pytest.mark.parametrize("target", ["/t/tk-123/b", "/b?token=tk-123", "/%74k-123"])
def test_a_redirect_that_carries_a_token_away_is_refused(start_peer, fetcher, target):
    """A host that redirects to another and puts the user's token into the URL."""
    there = start_peer(lambda asked: [http("200 OK", b"x")])
    here = start_peer(lambda asked: [http("302 Found", b"", f"Location: {there.url}{target}")])
    with pytest.raises(Unavailable, match="pass credentials on") as caught:
        fetcher(f"{here.url}/t/tk-123/a", 10)
    assert there.asked == []
    assert "tk-123" not in str(caught.value)


def test_a_redirect_within_the_origin_keeps_the_credentials(start_peer, fetcher):
    peer = start_peer(lambda asked: [http("302 Found", b"", "Location: /b") if asked.path == "/a" else http("200 OK")])
    fetcher(peer.url.replace("http://", "http://user:pw@") + "/a", 10)
    assert peer.asked[0].headers["authorization"] == peer.asked[1].headers["authorization"]


def test_cookies_are_not_kept(start_peer, fetcher):
    """A server that marks its clients, to serve one of them something else."""
    peer = start_peer(lambda asked: [http("200 OK", b"x", "Set-Cookie: id=1; Path=/")])
    fetcher(f"{peer.url}/a", 10)
    fetcher(f"{peer.url}/a", 10)
    assert "cookie" not in peer.asked[1].headers


def test_a_token_is_never_shown(start_peer, fetcher, caplog):
    """Credentials in an error, a traceback, or a debug log that a user pastes into an issue."""
    caplog.set_level(logging.DEBUG)
    peer = start_peer(lambda asked: [http("302 Found", b"", "Location: /t/tk-123/c?sig=s1g" + "\x1b[31m")])
    url = peer.url.replace("http://", "http://us3r:p@ss@") + "/t/tk-123/a?sig=s1g"
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            fetcher(url, 10)
    said = caplog.text + "".join(traceback.format_exception(caught.value)) + caught.value.url + repr(fetcher)
    for record in caplog.records:
        said += repr(vars(record))
    assert not [secret for secret in ("tk-123", "us3r", "ss@", "s1g", "\x1b") if secret in said]
    assert any(record.name == "httpx" for record in caplog.records)


def test_text_of_a_server_is_escaped(start_peer, fetcher):
    """A reason phrase with terminal sequences, to overwrite what was printed before."""
    peer = start_peer(lambda asked: ["HTTP/1.1 400 \x9b2J\xfd\r\nContent-Length: 0\r\n\r\n".encode("latin-1")])
    with pytest.raises(Unavailable) as caught:
        fetcher(f"{peer.url}/a", 10)
    assert str(caught.value).isprintable()


def test_headers_are_given_by_origin():
    with pytest.raises(Misuse, match="origin"):
        Fetcher(headers={"example.org": {"Authorization": "x"}})


def test_proxies_of_the_environment_are_used(start_peer, monkeypatch):
    proxy = start_peer(lambda asked: [http("200 OK", b"through")])
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    direct = start_peer(lambda asked: [http("200 OK", b"direct")])
    with Fetcher() as fetcher:
        assert fetcher("http://example.invalid/a", 10) == b"through"
        assert fetcher(f"{direct.url}/a", 10) == b"direct"
    assert proxy.paths == ["http://example.invalid/a"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTPS_PROXY", "gopher://user:s3cret@proxy"), ("SSL_CERT_FILE", "/no/such")],
)
def test_unusable_settings_of_the_environment_are_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with Fetcher() as fetcher, pytest.raises(LocalFailure) as caught:
        fetcher("https://example.invalid/a", 10)
    assert name in caught.value.hint
    assert "s3cret" not in str(caught.value)


def test_a_host_that_does_not_answer_is_unavailable(fetcher):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unavailable, match="connection failed"):
        fetcher(f"http://127.0.0.1:{port}/a", 10)
    with pytest.raises(Unavailable):
        fetcher("http://" + "a" * 80 + ".invalid/", 10)


def test_a_closed_fetcher_lets_go_of_its_threads_connections(start_peer):
    peer = start_peer(lambda asked: [http("200 OK", b"x")])
    before = threading.active_count()
    with Fetcher() as fetcher:
        fetcher(f"{peer.url}/a", 10)
    deadline = time.monotonic() + 30
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_too_large_is_said_before_anything_is_read(start_peer, fetcher):
    """A body of a terabyte, announced."""
    peer = start_peer(lambda asked: [b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"])
    with pytest.raises(TooLarge):
        fetcher(f"{peer.url}/a", 10)
