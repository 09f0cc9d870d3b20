"""What holds for every store: the same assertions on a directory and on an object store that speaks S3."""

import io
import os
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from condattest.errors import Conflict, Misuse, NotFound, TooLarge
from condattest.transport import store as stores
from condattest.transport.store import Entry, checked, open_store

SIGS = "noarch/x-1-0.conda.sigs"
LIMIT = 1 << 20


@pytest.fixture(params=["directory", "objects"])
def place(request, tmp_path) -> str:
    """A channel that is empty."""
    if request.param == "objects":
        return request.getfixturevalue("bucket") + "/a channel/é"
    (tmp_path / "channel").mkdir()
    return str(tmp_path / "channel")


@pytest.fixture
def store(place):
    return open_store(place)


def test_a_store_has_the_name_it_was_given(place, store):
    assert store.name == place
    assert open_store(place + "/").name == place


def test_what_is_created_is_read_and_never_touched_again(store):
    assert store.create(SIGS, b"[1]")
    first = store.read(SIGS, LIMIT)
    assert first.data == b"[1]"
    assert not store.create(SIGS, b"[2]")
    assert store.read(SIGS, LIMIT) == first
    assert not store.create_from(SIGS, io.BytesIO(b"[3]"))
    assert store.read(SIGS, LIMIT) == first


def test_what_is_not_there_is_not_found(store):
    for path in (SIGS, "a", "noarch/a/b/c"):
        with pytest.raises(NotFound):
            store.read(path, LIMIT)
        with pytest.raises(NotFound), store.stream(path, LIMIT):
            pass
    store.create("noarch/file", b"")
    with pytest.raises(NotFound):
        store.read("noarch/file/below", LIMIT)


def test_a_file_at_the_top_is_a_file_like_others(store):
    assert store.create("channeldata.json", b"{}")
    assert store.read("channeldata.json", LIMIT).data == b"{}"
    assert store.folders() == []


def test_a_file_above_the_limit_is_refused(store):
    """A sidecar of gigabytes."""
    store.create(SIGS, b"12345")
    assert store.read(SIGS, 5).data == b"12345"
    with pytest.raises(TooLarge, match="at most 4 bytes"):
        store.read(SIGS, 4)
    with pytest.raises(TooLarge), store.stream(SIGS, 4):
        pass
    store.create("noarch/empty", b"")
    assert store.read("noarch/empty", 0).data == b""
    with store.stream("noarch/empty", 0) as parts:
        assert b"".join(parts) == b""


def test_a_package_is_streamed_in_parts(store):
    body = random.Random(1).randbytes((5 << 20) + 17)
    assert store.create("noarch/p", body)
    with store.stream("noarch/p", len(body)) as parts:
        read = list(parts)
    assert b"".join(read) == body
    assert len(read) > 2
    with store.stream("noarch/p", len(body)) as parts:
        next(parts)  # Nobody has to read to the end.
    assert not store.create("noarch/p", b"")


@pytest.mark.parametrize("size", [0, 1, (8 << 20), (8 << 20) + 1, (21 << 20) + 5])
def test_a_file_is_created_from_where_an_open_one_stands(store, size):
    body = random.Random(size).randbytes(size)
    source = io.BytesIO(b"before" + body)
    source.seek(6)
    assert store.create_from("linux-64/p.conda", source)
    assert store.read("linux-64/p.conda", len(body)).data == body
    source = io.BytesIO(bytes(size))
    assert not store.create_from("linux-64/p.conda", source)
    assert store.read("linux-64/p.conda", len(body)).data == body
    assert store.list("linux-64") == [Entry("p.conda", size)]
    assert store.folders() == ["linux-64"]


def test_a_source_that_breaks_off_leaves_nothing(store):
    """A file that cannot be read to its end must not be published as far as it could be."""

    class Broken(io.RawIOBase):
        def __init__(self, whole):
            self.left = whole

        def readable(self):
            return True

        def read(self, size=-1):
            if not self.left:
                raise OSError(5, "Input/output error")
            self.left -= 1
            return bytes(1 << 20)

    for whole in (1, 12):
        with pytest.raises(Exception, match="cannot be read: Input/output error"):
            store.create_from("noarch/p", Broken(whole))
        with pytest.raises(NotFound):
            store.read("noarch/p", LIMIT)
    assert store.list("noarch") == []
    assert store.list(".condattest") == []


def test_what_was_read_is_replaced(store):
    written = store.replace(SIGS, b"[1]", None)
    read = store.read(SIGS, LIMIT)
    assert (read.data, read.version) == (b"[1]", written)
    again = store.replace(SIGS, b"[1,2]", read.version)
    assert again != written
    assert store.read(SIGS, LIMIT).data == b"[1,2]"
    assert store.replace(SIGS, b"[1,2,3]", again) == store.read(SIGS, LIMIT).version
    assert store.list("noarch") == [Entry("x-1-0.conda.sigs", 7)]


def test_what_somebody_else_changed_is_not_replaced(store):
    """Two publishers read the same sidecar; the slower one must not drop the faster one's attestation."""
    mine = store.replace(SIGS, b"[1]", None)
    with pytest.raises(Conflict, match="somebody else"):
        store.replace(SIGS, b"[9]", None)
    store.replace(SIGS, b"[1,2]", mine)
    with pytest.raises(Conflict):
        store.replace(SIGS, b"[1,3]", mine)
    assert store.read(SIGS, LIMIT).data == b"[1,2]"
    store.delete(SIGS)
    with pytest.raises(Conflict):
        store.replace(SIGS, b"[1,3]", mine)
    with pytest.raises(NotFound):
        store.read(SIGS, LIMIT)


@pytest.mark.parametrize("size", [3, 9 * 1024 * 1024])
def test_a_file_is_replaced_from_where_an_open_one_stands(store, size):
    data = os.urandom(size)
    source = io.BytesIO(b"..." + data)
    source.seek(3)
    assert store.version(SIGS) is None
    store.create(SIGS, b"[1]")
    version = store.version(SIGS)
    assert version == store.read(SIGS, LIMIT).version
    store.replace_from(SIGS, source, version)
    assert store.read(SIGS, 2 * size).data == data
    assert store.version(SIGS) != version
    # Of what somebody else changed, nothing is replaced.
    for stale in (version, None):
        with pytest.raises(Conflict):
            store.replace_from(SIGS, io.BytesIO(os.urandom(size)), stale)
    assert store.read(SIGS, 2 * size).data == data
    assert [entry.name for entry in store.list("noarch")] == ["x-1-0.conda.sigs"]


def test_files_are_listed_by_prefix(store):
    for name in ("noarch/a-1", "noarch/a-1.sigs", "noarch/a-1.sigs.0", "noarch/a-1.sigs.f", "noarch/a-1.sigs.x/y",
                 "noarch/a-1.sigt", "noarch/a", "noarch-a-1.sigs.2"):  # fmt: skip
        store.create(name, b"x")
    for number in range(60):  # More than are handed over at a time.
        store.create(f"noarch/b{number}", b"")
    assert store.list("noarch", "a-1.sigs.") == [Entry("a-1.sigs.0", 1), Entry("a-1.sigs.f", 1)]
    assert [entry.name for entry in store.list("noarch", "a-1.sig")] == [
        "a-1.sigs", "a-1.sigs.0", "a-1.sigs.f", "a-1.sigt",
    ]  # fmt: skip
    assert store.list("noarch", "a")[0] == Entry("a", 1)
    assert len(store.list("noarch", "b")) == 60
    assert store.list("noarch", "nosuch") == store.list("nosuch", "a") == []


def test_files_are_listed_by_folder(store):
    for path in ("noarch/b", "noarch/a.conda", "noarch/shards/s", "linux-64/c", "top", "noarch/.hidden", ".cache/x"):
        store.create(path, path.encode())
    assert store.folders() == ["linux-64", "noarch"]
    assert store.list("noarch") == [Entry("a.conda", 14), Entry("b", 8)]
    assert store.list("noarch/shards") == [Entry("s", 15)]
    assert store.list("nosuch") == []
    assert store.list("noarc") == []
    assert store.list("top") == []


def test_a_file_is_deleted_once_or_twice(store):
    store.create("noarch/a", b"1")
    store.create("noarch/b", b"2")
    store.delete("noarch/a")
    store.delete("noarch/a")
    store.delete("nosuch/a")
    store.delete("noarch/b/below")
    assert store.list("noarch") == [Entry("b", 1)]


@pytest.mark.parametrize("name", ["x-1!2.0+l_~-0.conda", "a b%20c", "é", "a#b?c&d=e"])
def test_a_name_is_taken_as_it_is(store, name):
    """A name that is unescaped on the way would be another file."""
    store.create(f"noarch/{name}", b"1")
    assert store.list("noarch") == [Entry(name, 1)]
    assert store.read(f"noarch/{name}", 1).data == b"1"
    store.delete(f"noarch/{name}")
    assert store.list("noarch") == []


BAD = ["", "/", "/etc/passwd", "../x", "noarch/../../x", "noarch//x", "noarch/", "./x", "a\\b", "a\0b", "C:/x", "a\nb"]


@pytest.mark.parametrize("path", BAD)
def test_every_method_refuses_a_path_that_leads_elsewhere(store, path):
    """A shard index or a listing that names a file outside the channel."""
    calls = [
        lambda: store.read(path, LIMIT),
        lambda: store.stream(path, LIMIT).__enter__(),
        lambda: store.create(path, b""),
        lambda: store.create_from(path, io.BytesIO(b"")),
        lambda: store.create_from(path, io.BytesIO(bytes(9 << 20))),
        lambda: store.replace(path, b"", None),
        lambda: store.list(path),
        lambda: store.delete(path),
        lambda: store.hold(path).__enter__(),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="expected a path inside the channel"):
            call()


@given(st.text(st.sampled_from("ab./\\:\0\n\x7f\ud800é "), max_size=8))
@example("a/b")
@example("..")
def test_a_path_that_is_taken_stays_inside(path):
    try:
        assert checked(path) is path
    except ValueError:
        return
    root = Path("/srv/channel")
    assert os.path.normpath(root / path).startswith("/srv/channel/")
    assert os.path.relpath(root / path, root) == path
    assert path.encode("utf-8")
    assert not set(path) & set("\\:\0\n")


def test_of_many_creators_one_is_the_first(place, store):
    """Two publishers upload the same name at once: one of them is told that it was not the first."""
    start = threading.Barrier(20)

    def create(number):
        start.wait()
        body = b"%d" % number * 1000
        return body if store.create("noarch/p", body) else None

    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(create, range(20)))
    assert [body for body in outcomes if body is not None] == [store.read("noarch/p", LIMIT).data]


def test_of_many_writers_none_is_lost(place):
    """Twenty publishers add an attestation to one sidecar at once: all twenty are in it."""
    start = threading.Barrier(20)

    def add(number):
        store = open_store(place)
        start.wait()
        while True:
            try:
                found = store.read(SIGS, LIMIT)
                data, version = found.data, found.version
            except NotFound:
                data, version = b"", None
            try:
                # Of equal lengths: versions must differ for another reason.
                kept = b"%04d" % (int(data[:4] or b"0") + 1) + (data[4:] or bytes(20))
                kept = kept[: 4 + number] + b"x" + kept[5 + number :]
                store.replace(SIGS, kept, version)
                return
            except Conflict:
                pass

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(add, range(20)))
    assert open_store(place).read(SIGS, LIMIT).data == b"0020" + b"x" * 20


def test_a_folder_is_held(store):
    with store.hold("noarch"):
        store.replace(SIGS, b"1", None)
        store.create("noarch/p", b"1")
    with store.hold("noarch"):
        assert len(store.list("noarch")) == 2


@pytest.mark.parametrize(
    "place", ["https://conda.anaconda.org/x", "http://u:pw@host/t/tk/x", "memory:///", "ftp://a/b"]
)
def test_what_is_only_served_is_no_place_to_write(place):
    with pytest.raises(Misuse, match="expected a directory, or a URL with file://") as caught:
        open_store(place)
    assert "pw" not in str(caught.value)
    assert "tk" not in str(caught.value)
    assert caught.value.hint


def test_a_file_url_is_a_directory(tmp_path):
    (tmp_path / "my channel").mkdir()
    url = (tmp_path / "my channel").as_uri()
    assert open_store(url).create("noarch/a", b"1")
    assert (tmp_path / "my channel" / "noarch" / "a").read_bytes() == b"1"
    assert open_store(url.replace("file://", "FILE://localhost")).list("noarch") == [Entry("a", 1)]


@pytest.mark.parametrize("url", ["file://host/srv", "file:///srv?x", "file:///srv#x", "file://", "file://[x/srv"])
def test_a_file_url_of_another_machine_is_refused(url):
    with pytest.raises(Misuse, match="expected a file URL"):
        open_store(url)


def test_an_object_store_without_obstore_says_what_to_install():
    program = """
import sys
sys.modules["obstore"] = None
from condattest.errors import Misuse
from condattest.transport.store import open_store
try:
    open_store("s3://bucket")
except Misuse as error:
    print(error, "|", error.hint)
"""
    source = str(Path(stores.__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": source}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == "s3:// needs obstore, which is not installed | pip install 'condattest[s3]'\n"
