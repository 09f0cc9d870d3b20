"""A channel is read alike from a web server and from a store."""

import pytest

from condattest.errors import NotFound, TooLarge
from condattest.transport.directory import Directory
from condattest.transport.fetch import Fetcher
from condattest.transport.origin import HttpOrigin, StoreOrigin
from tests import channels

NAME = "noarch/a name-1!2.0+x-0.conda"


@pytest.fixture(params=["http", "store"])
def origin(request, tmp_path):
    (tmp_path / "noarch").mkdir()
    (tmp_path / NAME).write_bytes(b"content")
    if request.param == "store":
        yield StoreOrigin(Directory(tmp_path))
        return
    with channels.served(tmp_path) as url, Fetcher(attempts=1) as fetcher:
        yield HttpOrigin(f"{url}/", fetcher)


def test_files_are_read_by_their_plain_path(origin):
    assert origin.read(NAME, 100) == origin.read_fresh(NAME, 100) == b"content"
    with origin.stream(NAME, 100) as chunks:
        assert b"".join(chunks) == b"content"


def test_what_is_not_there_or_too_large_is_said(origin):
    with pytest.raises(NotFound):
        origin.read("noarch/none", 100)
    with pytest.raises(TooLarge):
        origin.read(NAME, 3)


def test_only_a_store_lists_its_folders(tmp_path):
    (tmp_path / "noarch").mkdir()
    store = StoreOrigin(Directory(tmp_path))
    assert store.folders() == ["noarch"]
    assert store.name == str(tmp_path)
    with Fetcher(offline=True) as fetcher:
        remote = HttpOrigin("https://user:secret@conda.example/t/TOKEN/channel", fetcher)
        assert remote.folders() is None
        assert remote.name == "https://conda.example/channel"
