"""A channel in an object store: what only object stores do. What all stores do is tested in test_store."""

import io
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import obstore
import pytest

from condattest.errors import NotFound, Unavailable
from condattest.transport import objects
from condattest.transport.objects import Objects
from condattest.transport.store import Entry
from tests.transport.conftest import http

LIMIT = 1 << 20
MIB = 1 << 20


@pytest.fixture
def store(bucket) -> Objects:
    return Objects(f"{bucket}/channel")


@pytest.fixture
def inside(bucket):
    """The server's own view of the bucket."""
    from moto.s3.models import s3_backends

    return s3_backends["123456789012"]["aws"].buckets[bucket.removeprefix("s3://")]


@pytest.fixture
def peer(bucket, start_peer, monkeypatch):
    """Put a server that answers by a script in the place of S3; gives the channel there."""

    def start(script):
        monkeypatch.setenv("AWS_ENDPOINT_URL", start_peer(script).url)
        return Objects("s3://bucket/channel", patience=0.4)

    return start


def every_call(store):
    return [
        lambda: store.read("noarch/a", LIMIT),
        lambda: store.stream("noarch/a", LIMIT).__enter__(),
        lambda: store.create("noarch/a", b"1"),
        lambda: store.create_from("noarch/a", io.BytesIO(bytes(9 * MIB))),
        lambda: store.replace("noarch/a", b"1", None),
        lambda: store.replace("noarch/a", b"1", '{"e_tag": "1"}'),
        lambda: store.folders(),
        lambda: store.list("noarch"),
        lambda: store.delete("noarch/a"),
    ]


def test_keys_lie_below_the_prefix(store, inside):
    store.create("noarch/a", b"1")
    store.create_from("noarch/b", io.BytesIO(bytes(9 * MIB)))
    assert sorted(inside.keys) == ["channel/noarch/a", "channel/noarch/b"]


def test_a_bucket_that_is_not_there_is_not_taken_for_an_empty_channel(bucket):
    """A mistyped bucket: a channel where nothing is found would be published anew."""
    store = Objects("s3://no-such-bucket/channel")
    for call in every_call(store):
        with pytest.raises(Unavailable) as caught:
            call()
        assert not isinstance(caught.value, NotFound)
        assert "s3://no-such-bucket/channel" in str(caught.value)


def test_of_many_large_uploads_one_is_the_first(store, inside):
    """An upload in parts has no condition; the copy at its end has."""

    def create(number):
        return store.create_from("noarch/p", io.BytesIO(bytes([number]) * (9 * MIB)))

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(create, range(4)))
    assert outcomes.count(True) == 1
    assert store.read("noarch/p", 9 * MIB).data == bytes([outcomes.index(True)]) * (9 * MIB)
    assert list(inside.keys) == ["channel/noarch/p"]
    assert not inside.multiparts


def test_an_upload_that_breaks_off_leaves_nothing_behind(store, inside):
    class Broken(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 20 * MIB:
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(Exception, match="Input/output error"):
        store.create_from("noarch/p", Broken(bytes(30 * MIB)))
    assert not inside.keys
    assert not inside.multiparts


def test_what_killed_writers_staged_is_swept_after_a_day(store, inside):
    for name in ("old", "young"):
        store.create(f".condattest/{name}.tmp", b"half")
    inside.keys["channel/.condattest/old.tmp"].last_modified -= timedelta(hours=25)
    inside.keys["channel/.condattest/young.tmp"].last_modified -= timedelta(hours=23)
    store.create_from("noarch/p", io.BytesIO(bytes(9 * MIB)))
    assert sorted(inside.keys) == ["channel/.condattest/young.tmp", "channel/noarch/p"]


def test_a_large_file_is_not_held_in_memory(bucket):
    """A package of gigabytes on a small machine."""
    program = """
import resource, sys, tempfile
from condattest.transport.objects import Objects
store = Objects(sys.argv[1])
store.create("noarch/warm", b"1")
with tempfile.TemporaryFile() as source:
    source.truncate(64 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert store.create_from("noarch/p", source)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
    with store.stream("noarch/p", 64 << 20) as parts:
        assert sum(map(len, parts)) == 64 << 20
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(objects.__file__).parents[2])}
    command = [sys.executable, "-c", program, f"{bucket}/channel"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert all(int(grown) < 48 for grown in ran.stdout.split()), ran.stdout


def test_a_folder_of_more_than_one_page_is_listed_whole(store, bucket):
    from moto.s3.models import s3_backends

    backend = s3_backends["123456789012"]["aws"]
    for number in range(1203):
        backend.put_object(bucket.removeprefix("s3://"), f"channel/noarch/{number:04}", b"1")
    assert store.list("noarch") == [Entry(f"{number:04}", 1) for number in range(1203)]


def test_markers_of_folders_are_no_files(store, bucket):
    """Web consoles make an empty object for each folder."""
    from moto.s3.models import s3_backends

    for key in ("channel/", "channel/noarch/", "channel/noarch/back\\slash"):
        s3_backends["123456789012"]["aws"].put_object(bucket.removeprefix("s3://"), key, b"")
    store.create("noarch/a", b"1")
    assert store.list("noarch") == [Entry("a", 1)]
    assert store.folders() == ["noarch"]


def test_a_version_is_compared_by_the_server(store, bucket):
    """Another program replaces the object between our read and our write."""
    version = store.replace("noarch/a", b"1", None)
    other = obstore.store.from_url(f"{bucket}/channel", client_options={"allow_http": True})
    obstore.put(other, "noarch/a", b"2")
    with pytest.raises(objects.Conflict):
        store.replace("noarch/a", b"3", version)
    assert store.read("noarch/a", 1).data == b"2"


FORBIDDEN = (
    b'<?xml version="1.0"?><Error><Code>SignatureDoesNotMatch</Code><Message>no</Message>'
    b"<AWSAccessKeyId>AKIASECRET</AWSAccessKeyId><StringToSign>hidden</StringToSign></Error>"
)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (http("403 Forbidden", FORBIDDEN, "Connection: close"), "SignatureDoesNotMatch"),
        (http("401 Unauthorized", b"", "Connection: close"), "401"),
        (http("400 Bad Request", b"<Error><Code>Odd</Code></Error>", "Connection: close"), "Odd"),
        (http("503 Slow Down", b"<Error><Code>SlowDown</Code></Error>", "Connection: close"), "SlowDown"),
        (http("301 Moved", b"", "Location: http://127.0.0.1:1/", "Connection: close"), ""),
        (b"nonsense", ""),
    ],
)
def test_whatever_a_server_says_is_unavailable_and_shows_no_secret(peer, answer, said):
    store = peer(lambda asked: [answer, b""])
    for call in every_call(store)[:1] + every_call(store)[2:3] + every_call(store)[-2:]:
        with pytest.raises(Unavailable) as caught:
            call()
        assert not isinstance(caught.value, NotFound)
        assert said in str(caught.value)
        for secret in ("AKIASECRET", "hidden", "Debug", "not-a-secret", "prefix="):
            assert secret not in str(caught.value)
        assert len(str(caught.value)) < 600


def test_a_missing_permission_has_a_hint(peer):
    store = peer(lambda asked: [http("403 Forbidden", FORBIDDEN, "Connection: close"), b""])
    with pytest.raises(Unavailable) as caught:
        store.read("noarch/a", 1)
    assert "s3:ListBucket" in caught.value.hint


HEAD = b'HTTP/1.1 200 OK\r\nETag: "1"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 100\r\n\r\n'


def test_an_object_that_ends_early_is_unavailable(peer):
    """A connection that breaks in the middle of a sidecar: half of it must not be taken for the whole."""
    store = peer(lambda asked: [HEAD + bytes(50), b""])
    with pytest.raises(Unavailable):
        store.read("noarch/a", LIMIT)
    with pytest.raises(Unavailable), store.stream("noarch/a", LIMIT) as parts:
        list(parts)


def test_an_object_that_says_it_is_larger_than_the_limit_is_not_read(peer):
    store = peer(lambda asked: [HEAD])
    with pytest.raises(objects.TooLarge):
        store.read("noarch/a", 99)
    with pytest.raises(objects.TooLarge), store.stream("noarch/a", 99):
        pass


def test_an_object_without_an_etag_is_not_replaced(peer):
    """Without an etag the replacement would have no condition, and could take an attestation away."""
    store = peer(lambda asked: [HEAD.replace(b'ETag: "1"\r\n', b"") + bytes(100)])
    version = store.read("noarch/a", LIMIT).version
    with pytest.raises(Unavailable, match=r"[Ee][Tt]ag"):
        store.replace("noarch/a", b"1", version)


@pytest.mark.parametrize("count", [0, 2])
def test_a_server_that_does_not_answer_is_given_up(peer, count):
    """An endpoint that takes connections and says nothing; or that is not there."""

    def silent(asked):
        time.sleep(1)
        yield b""

    store = peer(silent)
    started = time.monotonic()
    with pytest.raises(Unavailable):
        every_call(store)[count]()
    assert time.monotonic() - started < 5


def test_a_port_that_nobody_listens_on_is_unavailable(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:hunter2@127.0.0.1:1")
    store = Objects("s3://bucket/channel", patience=0.5)
    for call in every_call(store)[:1] + every_call(store)[6:7]:
        with pytest.raises(Unavailable) as caught:
            call()
        assert "hunter2" not in str(caught.value)
        assert "prefix=" not in str(caught.value)
