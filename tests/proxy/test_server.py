import socket
import threading
import time

import httpx
import pytest

from condattest.errors import Misuse
from condattest.proxy.server import Listen, Proxy, listening


@pytest.mark.parametrize(
    ("text", "url", "local"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080", True),
        ("localhost:0", "http://127.0.0.1:0", True),
        ("[::1]:80", "http://[::1]:80", True),
        ("0.0.0.0:80", "http://0.0.0.0:80", False),
        ("10.0.0.1:80", "http://10.0.0.1:80", False),
    ],
)
def test_an_address_with_a_port(text, url, local):
    listen = Listen.parse(text)
    assert (listen.url(listen.port), listen.is_local) == (url, local)


@pytest.mark.parametrize(
    "text", ["", "8080", ":8080", "127.0.0.1", "127.0.0.1:65536", "127.0.0.1:x", "host.example:80"]
)
def test_another_form_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        Listen.parse(text)


def test_a_port_that_is_taken_is_a_misuse():
    with listening(Listen.parse("127.0.0.1:0")) as taken, pytest.raises(Misuse, match="--listen"):
        listening(Listen.parse(f"127.0.0.1:{taken.getsockname()[1]}"))


BEGUN = threading.Event()


async def slow(scope, receive, send):
    """Answers in two halves, with a pause between."""
    import anyio

    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"a", "more_body": True})
    BEGUN.set()
    await anyio.sleep(0.3)
    await send({"type": "http.response.body", "body": b"b"})


async def unfinished(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
    await send({"type": "http.response.body", "body": b"abc", "more_body": True})


class Running:
    def __init__(self, app, **how):
        self.socket = listening(Listen.parse("127.0.0.1:0"))
        self.port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.proxy = Proxy(app, self.socket, **how)
        self.thread = threading.Thread(target=self.proxy.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.proxy.stop()
        self.thread.join(20)
        self.socket.close()
        assert not self.thread.is_alive()


def test_what_is_being_sent_is_sent_when_the_end_comes():
    got = []
    BEGUN.clear()
    with Running(slow) as running:
        asking = threading.Thread(target=lambda: got.append(httpx.get(running.url, trust_env=False).text))
        asking.start()
        assert BEGUN.wait(30)
    asking.join()
    assert got == ["ab"]


def test_an_answer_without_an_end_is_cut_off():
    with Running(unfinished) as running, pytest.raises(httpx.RemoteProtocolError):
        httpx.get(running.url, trust_env=False)


def test_a_head_that_never_ends_is_refused():
    with Running(slow) as running, socket.create_connection(("127.0.0.1", running.port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nx: " + b"x" * 100_000)
        assert connection.recv(100).startswith(b"HTTP/1.1 4")


def trickle(connection, data):
    """Send what never ends, a byte at a time; the seconds until the other side has had enough."""
    began = time.monotonic()
    connection.settimeout(0.02)
    while time.monotonic() - began < 5:
        try:
            connection.sendall(data[:1])
            data = data[1:] or b"x"
            if connection.recv(100) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - began


REQUEST = b"GET / HTTP/1.1\r\nhost: here\r\n"


@pytest.mark.parametrize(
    ("before", "data"),
    [
        (b"", b""),
        (b"", REQUEST + b"x: "),
        (REQUEST + b"\r\n", REQUEST + b"x: "),
        (REQUEST + b"content-length: 9999\r\n\r\n", b"x"),
    ],
    ids=["nothing", "a slow head", "a slow second head", "a slow body"],
)
def test_a_connection_that_does_not_bring_its_request_is_closed(before, data):
    """As many silent clients as there may be connections, and nobody else is served."""
    with Running(slow, patience=0.4) as running, socket.create_connection(("127.0.0.1", running.port)) as connection:
        connection.sendall(before)
        answer = b""
        while before and not answer.endswith(b"ab"):
            answer += connection.recv(1000)
        if data:
            assert 0.3 < trickle(connection, data) < 3
        else:
            connection.settimeout(3)
            assert connection.recv(1) == b""


def test_an_answer_may_take_longer_than_a_request():
    """Nor does a connection end that brings one request after another."""
    with Running(slow, patience=0.1) as running, httpx.Client(trust_env=False) as client:
        assert [client.get(running.url).text for _ in range(3)] == ["ab"] * 3
