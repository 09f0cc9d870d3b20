"""Each channel is read as its client reads it, and nothing leads from a server into this machine."""

import pytest

from condattest.errors import NotFound, TooLarge, Unavailable
from condattest.transport.fetch import Fetched, Fetcher
from condattest.transport.routed import Folders, Route, Routed
from tests.transport.conftest import TRUSTS_NOBODY, http


class Reader:
    """Says what it is asked for."""

    def __init__(self, name):
        self.name = name
        self.closed = 0

    def __call__(self, url, limit):
        return f"{self.name} {url}".encode()

    fresh = __call__

    def conditional(self, url, limit, *, etag=None, last_modified=None):
        return Fetched(f"{self.name} {url}".encode(), etag)

    def stream(self, url, limit):
        return (self.name, url)

    def close(self):
        self.closed += 1


def test_a_channel_is_asked_under_the_url_that_has_its_credentials():
    private, public = Reader("private"), Reader("public")
    with Routed({"https://h.example/c": Route("https://h.example/t/TOKEN/c", private)}, public) as source:
        assert source("https://h.example/c/noarch/x", 9) == b"private https://h.example/t/TOKEN/c/noarch/x"
        assert source.fresh("https://h.example/c/x", 9) == b"private https://h.example/t/TOKEN/c/x"
        assert source.stream("https://h.example/c/y", 9) == ("private", "https://h.example/t/TOKEN/c/y")
        assert source.conditional("https://h.example/c/z", 9, etag="e").etag == "e"
        for other in ("https://h.example/cc/x", "https://h.example/c", "https://evil.example/c/x"):
            assert source(other, 9) == f"public {other}".encode()
    assert (private.closed, public.closed) == (1, 1)


def test_the_longer_channel_wins():
    routes = {"https://h.example/c": Route("https://one", Reader("1")),
              "https://h.example/c/label/x": Route("https://two", Reader("2"))}  # fmt: skip
    assert Routed(routes, Reader("-"))("https://h.example/c/label/x/a", 9) == b"2 https://two/a"


def test_tokens_stay_out_of_errors(start_peer):
    peer = start_peer(lambda asked: [http("500 Internal Server Error")])
    fetcher = Fetcher(attempts=1, ssl_context=TRUSTS_NOBODY)
    routes = {f"{peer.url}/c": Route(f"{peer.url}/t/TOKEN/c", fetcher)}
    with Routed(routes, fetcher) as source, pytest.raises(Unavailable) as caught:
        source(f"{peer.url}/c/x", 9)
    assert peer.paths == ["/t/TOKEN/c/x"]
    assert "TOKEN" not in str(caught.value)


def test_a_proxy_is_asked_for_what_it_is_for(start_peer):
    proxy = start_peer(lambda asked: [http("200 OK", b"by proxy")])
    with Fetcher(proxies={"http": proxy.url}, ssl_context=TRUSTS_NOBODY) as fetcher:
        assert fetcher("http://channel.example/noarch/x", 99) == b"by proxy"
    assert proxy.paths == ["http://channel.example/noarch/x"]


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "a channel"
    (made / "noarch").mkdir(parents=True)
    (made / "noarch" / "x").write_bytes(b"bytes")
    (tmp_path / "secret").write_bytes(b"secret")
    return made


def test_a_channel_in_a_folder_is_read(folder):
    with Folders([folder.as_uri()], Reader("else")) as source:
        url = f"{folder.as_uri()}/noarch/x"
        assert source(url, 5) == source.fresh(url, 5) == b"bytes"
        with source.stream(url, 5) as parts:
            assert b"".join(parts) == b"bytes"
        assert source("https://h.example/x", 9) == b"else https://h.example/x"
        assert source.conditional(url, 5, etag='"1"') == Fetched(b"bytes")
        assert source.conditional("https://h.example/x", 9, etag='"1"').etag == '"1"'
        with pytest.raises(TooLarge):
            source(url, 4)
        for gone in ("noarch/y", "noarch", "noarch/x/y"):
            with pytest.raises(NotFound):
                source(f"{folder.as_uri()}/{gone}", 5)
        with pytest.raises(NotFound), source.stream(f"{folder.as_uri()}/noarch/y", 5):
            pass


def test_nothing_outside_of_the_folder_is_read(folder, tmp_path):
    """An index, or a link in the folder, points at another file."""
    (folder / "noarch" / "link").symlink_to(tmp_path / "secret")
    with Folders([folder.as_uri()], Fetcher(attempts=1, ssl_context=TRUSTS_NOBODY)) as source:
        for path in ("noarch/link", "noarch/../../secret", "%2e%2e/secret"):
            with pytest.raises(Unavailable, match="outside"):
                source(f"{folder.as_uri()}/{path}", 99)
        with pytest.raises(Unavailable, match="expected http or https"):
            source((tmp_path / "secret").as_uri(), 99)
