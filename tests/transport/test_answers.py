"""Answers whose head or length is not to be believed."""

import gzip
import time

import pytest

from condattest.errors import TooLarge, Unavailable
from condattest.transport.fetch import Fetcher
from tests.transport.conftest import TRUSTS_NOBODY, http


@pytest.fixture
def fetcher():
    with Fetcher(deadline=5, attempts=1, ssl_context=TRUSTS_NOBODY) as made:
        yield made


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate", "GZIP", "identity, gzip", "x"])
def test_a_compressed_answer_is_refused(start_peer, fetcher, coding):
    """A gzip bomb: some kilobytes that become gigabytes in a client that expands what it gets."""
    peer = start_peer(lambda asked: [http("200 OK", gzip.compress(bytes(1 << 20)), f"Content-Encoding: {coding}")])
    with pytest.raises(Unavailable, match="compresses"):
        fetcher(f"{peer.url}/a", 1 << 30)


def test_a_file_that_is_compressed_in_itself_comes_as_it_is(start_peer, fetcher):
    body = gzip.compress(bytes(1000))
    peer = start_peer(
        lambda asked: [http("200 OK", body, "Content-Encoding: identity", "Content-Type: application/gzip")]
    )
    assert fetcher(f"{peer.url}/repodata.json.gz", 1000) == body


def test_a_transfer_coding_cannot_hide_a_bomb(start_peer, fetcher):
    """The bomb again, one layer down."""
    peer = start_peer(lambda asked: [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", b""])
    with pytest.raises(Unavailable):
        fetcher(f"{peer.url}/a", 10)


def test_chunks_are_joined(start_peer, fetcher):
    peer = start_peer(
        lambda asked: [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nab\r\n", b"0\r\n\r\n"]
    )
    assert fetcher(f"{peer.url}/a", 2) == b"ab"
    assert fetcher(f"{peer.url}/a", 2) == b"ab"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffffffff\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nhello",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nhello",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\x16\x03\x01\x00\xa5\x01",
        b"",
    ],
)
def test_an_answer_that_is_cut_short_is_not_taken_for_whole(start_peer, fetcher, answer):
    """A connection that is cut where the rest would have said something else."""
    peer = start_peer(lambda asked: [answer, b""])
    with pytest.raises(Unavailable):
        fetcher(f"{peer.url}/a", 100)


@pytest.mark.parametrize("body", [b"hello!", b"hello" * 1000, b"helloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"])
def test_an_answer_with_bytes_behind_it_is_refused(start_peer, fetcher, body):
    """An announced length that is too small: the rest would be taken for the answer to the next request."""
    peer = start_peer(lambda asked: [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + body])
    for _ in range(2):
        with pytest.raises(Unavailable, match="more than the 5 bytes"):
            fetcher(f"{peer.url}/a", 10_000)


def test_an_answer_in_advance_is_not_used(start_peer, fetcher):
    """A server that answers a request before it is made, behind a chunked body whose length nothing tells."""
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + evil
    peer = start_peer(lambda asked: [chunked if asked.path == "/a" else http("200 OK", b"good")])
    assert fetcher(f"{peer.url}/a", 10) == b"ok"
    assert fetcher(f"{peer.url}/b", 10) == b"good"


def test_an_early_hint_is_not_the_answer(start_peer, fetcher):
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    peer = start_peer(lambda asked: [hint + hint + http("200 OK", b"x")])
    assert fetcher(f"{peer.url}/a", 10) == b"x"
    assert fetcher(f"{peer.url}/a", 10) == b"x"
    assert [asked.connection for asked in peer.asked] == [0, 0]


def test_endless_chunks_end_at_the_limit(start_peer, fetcher):
    """Chunks without end, to fill memory."""

    def script(asked):
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        while True:
            yield b"10000\r\n" + bytes(65536) + b"\r\n"

    peer = start_peer(script)
    with pytest.raises(TooLarge):
        fetcher(f"{peer.url}/a", 1 << 20)


def test_a_body_that_fits_exactly_is_taken_and_one_byte_more_is_not(start_peer, fetcher):
    peer = start_peer(lambda asked: [http("200 OK", b"12345")])
    assert fetcher(f"{peer.url}/a", 5) == b"12345"
    with pytest.raises(TooLarge):
        fetcher(f"{peer.url}/a", 4)


@pytest.mark.parametrize("line", [b"X-Pad: " + b"a" * 1000 + b"\r\n", b"a"])
def test_headers_without_end_are_refused(start_peer, fetcher, line):
    """Headers without end, to fill memory before any limit on the body counts."""

    def script(asked):
        yield b"HTTP/1.1 200 OK\r\n"
        while True:
            yield line * (65536 // len(line))

    peer = start_peer(script)
    started = time.monotonic()
    with pytest.raises(Unavailable):
        fetcher(f"{peer.url}/a", 10)
    assert time.monotonic() - started < 2


def test_hints_without_end_are_refused(start_peer, fetcher):
    """Informational answers without end: no single one of them is large."""

    def script(asked):
        while True:
            yield b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2000

    peer = start_peer(script)
    with pytest.raises(Unavailable, match="headers do not end"):
        fetcher(f"{peer.url}/a", 10)
