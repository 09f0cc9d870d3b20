"""An index file is fetched and read once, however many packages and threads ask."""

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from backports import zstd

from condattest.errors import Malformed, NotFound, Unavailable
from condattest.model.artifact import PackageFile
from condattest.model.channel import Channel
from condattest.model.finding import Code
from condattest.operations.channel_index import Indexes, monolith

CHANNEL = Channel("https://conda.example/ch")
BASE = f"{CHANNEL}/noarch"
FILES = [PackageFile.parse(f"x-{number}-0.conda") for number in range(20)]
RECORDS = {str(file): {"name": "x", "sha256": f"{number:064x}"} for number, file in enumerate(FILES)}


class Server:
    """A `Fetch` over a dictionary of URLs; an exception in it is raised."""

    def __init__(self, files):
        self.files, self.asked, self._lock = files, [], threading.Lock()

    def __call__(self, url, limit):
        with self._lock:
            self.asked.append(url)
        content = self.files.get(url, NotFound(url, "404"))
        if isinstance(content, Exception):
            raise content
        return content


def plain():
    return Server({f"{BASE}/repodata.json": json.dumps({"packages": {}, "packages.conda": RECORDS}).encode()})


def sharded():
    shard = zstd.compress(msgspec.msgpack.encode({"packages": {}, "packages.conda": RECORDS}))
    digest = hashlib.sha256(shard)
    index = {"version": 1, "info": {"shards_base_url": "shards"}, "shards": {"x": digest.digest()}}
    return Server(
        {
            f"{BASE}/repodata_shards.msgpack.zst": zstd.compress(msgspec.msgpack.encode(index)),
            f"{BASE}/shards/{digest.hexdigest()}.msgpack.zst": shard,
        }
    )


@pytest.mark.parametrize("server", [plain(), sharded()], ids=["repodata.json", "shards"])
def test_many_threads_ask_and_each_file_is_fetched_once(server):
    indexes = Indexes(server)
    with ThreadPoolExecutor(8) as pool:
        records = list(pool.map(lambda file: indexes.record(CHANNEL, "noarch", file), FILES))
    assert [record.sha256 for record in records] == [RECORDS[str(file)]["sha256"] for file in FILES]
    assert len(server.asked) == len(set(server.asked))


def test_what_could_not_be_had_is_not_asked_for_again():
    """An outage with a thousand packages would be a thousand waits."""
    server = Server({f"{BASE}/repodata_shards.msgpack.zst": Unavailable("u", "HTTP 500")})
    indexes = Indexes(server)
    for file in FILES:
        with pytest.raises(Unavailable):
            indexes.record(CHANNEL, "noarch", file)
    assert len(server.asked) == 1


def test_subdirs_and_channels_are_kept_apart():
    server = plain()
    indexes = Indexes(server)
    indexes.record(CHANNEL, "noarch", FILES[0])
    with pytest.raises(NotFound):
        indexes.record(CHANNEL, "linux-64", FILES[0])


def test_a_package_that_is_not_listed_and_a_record_without_digest_are_refused():
    document = {"packages": {}, "packages.conda": {str(FILES[0]): {"name": "x"}}}
    indexes = Indexes(Server({f"{BASE}/repodata.json": json.dumps(document).encode()}))
    for file, code in ((FILES[0], Code.BIND_NO_DIGEST), (FILES[1], Code.MISSING_PACKAGE)):
        with pytest.raises(Malformed) as caught:
            indexes.record(CHANNEL, "noarch", file)
        assert caught.value.finding.code is code


@pytest.mark.parametrize(("key", "value"), [("name", "y"), ("version", "9"), ("build", "1"), ("subdir", "linux-64")])
def test_a_record_that_claims_to_be_another_package_is_refused(key, value):
    """An index that offers a vulnerable, properly attested package under the name of a wanted one."""
    said = {"name": "x", "version": "0", "build": "0", "subdir": "noarch", "sha256": "a" * 64}
    for record, sound in ((said, True), ({**said, key: value}, False), ({**said, key: None}, False)):
        document = {"packages": {}, "packages.conda": {"x-0-0.conda": record}}
        indexes = Indexes(Server({f"{BASE}/repodata.json": json.dumps(document).encode()}))
        if sound:
            assert indexes.record(CHANNEL, "noarch", FILES[0]).sha256 == "a" * 64
        else:
            with pytest.raises(Malformed) as caught:
                indexes.record(CHANNEL, "noarch", FILES[0])
            assert caught.value.finding.code is Code.BIND_METADATA


def test_the_compressed_monolith_comes_before_the_plain_one():
    files = {f"{BASE}/repodata.json": b"plain"}
    assert monolith(BASE, Server(files)) == (f"{BASE}/repodata.json", b"plain")
    files[f"{BASE}/repodata.json.zst"] = zstd.compress(b"small")
    assert monolith(BASE, Server(files)) == (f"{BASE}/repodata.json.zst", b"small")
    files[f"{BASE}/repodata.json.zst"] = b"no zstd"
    with pytest.raises(Malformed):
        monolith(BASE, Server(files))


def test_a_failure_that_is_remembered_does_not_gather_who_asked():
    """A channel without shards is the rule: thousands of packages ask for what is not there."""
    server = plain()
    failure = server.files[f"{BASE}/repodata_shards.msgpack.zst"] = NotFound("u", "404")
    indexes = Indexes(server)
    for _ in range(50):
        indexes.record(CHANNEL, "noarch", FILES[0])
    frames, trace = 0, failure.__traceback__
    while trace is not None:
        frames, trace = frames + 1, trace.tb_next
    assert frames < 10
