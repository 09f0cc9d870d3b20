"""A cache saves requests and answers offline; it never stands in for an answer, and is hashed each time."""

import hashlib
from dataclasses import dataclass, field

import pytest

from condattest.errors import NotFound, Offline, TooLarge, Unavailable
from condattest.transport.cache import Cached
from condattest.transport.fetch import Fetched, NotModified

URL = "https://user:secret@conda.example/t/TOKEN/ch/noarch/repodata.json"
MIB = 1024 * 1024


@dataclass
class Server:
    """What a `Fetcher` would get: bodies with tags."""

    files: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    full: list = field(default_factory=list)

    def conditional(self, url, limit, *, etag=None, last_modified=None):
        self.asked.append(url)
        content = self.files.get(url, NotFound(url, "404"))
        if isinstance(content, Exception):
            raise content
        body, tag = content
        if len(body) > limit:
            raise TooLarge(url, "too large")
        if tag is not None and etag == tag:
            return NotModified()
        self.full.append(url)
        return Fetched(body, tag, None)

    def fresh(self, url, limit):
        return self.conditional(url, limit).body

    def stream(self, url, limit):
        raise AssertionError

    def close(self):
        pass


@pytest.fixture
def server():
    return Server({URL: (b"body", '"1"')})


@pytest.fixture
def cached(server, tmp_path):
    return Cached(server, tmp_path / "cache")


def offline(server, tmp_path):
    server.files = {}
    return Cached(server, tmp_path / "cache", offline=True)


def entry(tmp_path):
    [path] = (tmp_path / "cache").iterdir()
    return path


def test_the_second_time_only_a_condition_is_asked(cached, server):
    assert cached(URL, MIB) == cached(URL, MIB) == b"body"
    assert (len(server.asked), len(server.full)) == (2, 1)
    server.files[URL] = (b"new", '"2"')
    assert cached(URL, MIB) == b"new"


def test_without_a_tag_it_is_fetched_anew(cached, server):
    server.files[URL] = (b"one", None)
    assert cached(URL, MIB) == b"one"
    server.files[URL] = (b"two", None)
    assert cached(URL, MIB) == b"two"


def test_what_has_its_digest_for_a_name_is_not_asked_for_again(cached, server):
    url = f"https://conda.example/ch/noarch/x-1-0.conda.sigs.{hashlib.sha256(b'[]').hexdigest()}"
    other = f"https://conda.example/ch/noarch/x-1-0.conda.sigs.{'0' * 64}"
    server.files |= {url: (b"[]", None), other: (b"[]", None)}
    for _ in range(3):
        assert (cached(url, MIB), cached(other, MIB)) == (b"[]", b"[]")
    assert (server.asked.count(url), server.asked.count(other)) == (1, 3)


def test_offline_it_answers_with_what_it_has(cached, server, tmp_path):
    cached(URL, MIB)
    with pytest.raises(NotFound):
        cached(f"{URL}.zst", MIB)
    asked = len(server.asked)
    without = offline(server, tmp_path)
    assert without(URL, MIB) == b"body"
    with pytest.raises(NotFound):
        without(f"{URL}.zst", MIB)
    with pytest.raises(Offline, match="cache") as caught:
        without(f"{URL}.bz2", MIB)
    assert len(server.asked) == asked
    assert "secret" not in str(caught.value)
    assert "TOKEN" not in str(caught.value)


def test_an_outage_is_not_hidden(cached, server):
    """Who blocks a server must not keep its users at last week's index."""
    cached(URL, MIB)
    server.files[URL] = Unavailable(URL, "HTTP 500")
    with pytest.raises(Unavailable, match="500"):
        cached(URL, MIB)


def test_what_has_to_be_fresh_is_not_taken_from_here(cached, server, tmp_path):
    cached(URL, MIB)
    server.files[URL] = (b"new", '"1"')
    assert cached.fresh(URL, MIB) == b"new"
    assert offline(server, tmp_path).fresh(URL, MIB) == b"body"


def test_whoever_asks_on_their_own_condition_is_answered_by_the_server(cached, server):
    cached(URL, MIB)
    server.files[URL] = (b"new", '"2"')
    assert cached.conditional(URL, MIB, etag='"1"').body == b"new"
    assert isinstance(cached.conditional(URL, MIB, etag='"2"'), NotModified)


def test_a_condition_of_the_caller_s_own_is_passed_on(cached, server):
    cached(URL, MIB)
    server.files[URL] = (b"new", '"2"')
    assert cached.conditional(URL, MIB, etag='"1"') == Fetched(b"new", '"2"', None)
    assert isinstance(cached.conditional(URL, MIB, etag='"2"'), NotModified)


def test_what_vanished_is_gone(cached, server, tmp_path):
    cached(URL, MIB)
    del server.files[URL]
    with pytest.raises(NotFound):
        cached(URL, MIB)
    with pytest.raises(NotFound):
        offline(server, tmp_path)(URL, MIB)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1] + b"!", lambda data: data[:20], lambda data: b"", lambda data: b"\xff\n"]
)
def test_a_poisoned_entry_is_fetched_anew(cached, server, tmp_path, damage):
    """THREATS 46: whoever can write to the cache changes one byte."""
    cached(URL, MIB)
    entry(tmp_path).write_bytes(damage(entry(tmp_path).read_bytes()))
    assert cached(URL, MIB) == b"body"
    assert len(server.full) == 2


def test_a_symlinked_entry_is_not_read(cached, server, tmp_path):
    cached(URL, MIB)
    path = entry(tmp_path)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert cached(URL, MIB) == b"body"
    assert len(server.full) == 2
    assert not (tmp_path / "elsewhere").read_bytes().endswith(b"x")


def test_the_limit_holds_for_what_is_kept(cached, server):
    cached(URL, MIB)
    with pytest.raises(TooLarge):
        cached(URL, 3)


def test_no_credential_is_written_down(cached, tmp_path):
    cached(URL, MIB)
    text = entry(tmp_path).name.encode() + entry(tmp_path).read_bytes()
    assert b"secret" not in text
    assert b"TOKEN" not in text
    assert entry(tmp_path).stat().st_mode & 0o077 == 0


def test_it_stays_within_its_size(server, tmp_path):
    cached = Cached(server, tmp_path / "cache", limit=50_000)
    for number in range(40):
        url = f"https://conda.example/{number}"
        server.files[url] = (bytes(4000), '"1"')
        cached(url, MIB)
        assert sum(path.stat().st_size for path in (tmp_path / "cache").iterdir()) <= 50_000
    assert cached("https://conda.example/39", MIB) == bytes(4000)
    server.files["https://conda.example/large"] = (bytes(60_000), None)
    assert len(cached("https://conda.example/large", MIB)) == 60_000


def test_entries_without_a_body_are_bounded_too(server, tmp_path):
    """A server that knows none of a million names."""
    cached = Cached(server, tmp_path / "cache", limit=50_000)
    for number in range(200):
        with pytest.raises(NotFound):
            cached(f"https://conda.example/{number}", MIB)
    assert len(list((tmp_path / "cache").iterdir())) <= 50


def test_a_folder_that_cannot_be_written_costs_the_cache_alone(server, tmp_path):
    (tmp_path / "cache").write_text("a file")
    cached = Cached(server, tmp_path / "cache")
    assert cached(URL, MIB) == cached(URL, MIB) == b"body"
