"""The index of each subdir, as it is read for an audit."""

import hashlib
import json
from datetime import UTC, datetime

import msgspec
import pytest

from condattest.errors import Malformed, Misuse
from condattest.formats import compression
from condattest.formats.listings import Listing
from condattest.model.artifact import PackageFile
from condattest.model.finding import Code
from condattest.operations import audit_records
from condattest.operations.audit_records import Selection
from condattest.transport.directory import Directory
from condattest.transport.origin import StoreOrigin
from tests import channels
from tests.rehearsal import a_package


def listing(name="x", indexed=None) -> Listing:
    file = PackageFile.parse(f"{name}-1-0.conda")
    return Listing(str(file), file, indexed=indexed)


def origin(root) -> StoreOrigin:
    return StoreOrigin(Directory(root))


def document(*names):
    digest = {"sha256": "ab" * 32}
    return {"packages": {}, "packages.conda": {f"{name}-1-0.conda": {"name": name, **digest} for name in names}}


def sharded(root, *names):
    folder = root / "noarch"
    folder.mkdir(exist_ok=True)
    shards = {}
    for name in names:
        data = compression.zstd_small(msgspec.msgpack.encode(document(name)))
        shards[name] = hashlib.sha256(data).digest()
        (folder / f"{shards[name].hex()}.msgpack.zst").write_bytes(data)
    index = {"version": 1, "info": {"shards_base_url": ""}, "shards": shards}
    (folder / "repodata_shards.msgpack.zst").write_bytes(compression.zstd_small(msgspec.msgpack.encode(index)))
    return shards


def names_of(found):
    return [each.file.name for each in found.listings]


def test_the_compressed_monolith_is_read_before_the_plain_one(tmp_path):
    (tmp_path / "noarch").mkdir()
    (tmp_path / "noarch" / "repodata.json").write_text(json.dumps(document("plain")))
    assert names_of(audit_records.read(origin(tmp_path), "noarch")) == ["plain"]
    packed = compression.zstd_small(json.dumps(document("packed")).encode())
    (tmp_path / "noarch" / "repodata.json.zst").write_bytes(packed)
    assert names_of(audit_records.read(origin(tmp_path), "noarch")) == ["packed"]


def test_shards_are_read_where_there_is_no_monolith(tmp_path):
    sharded(tmp_path, "b", "a")
    assert names_of(audit_records.read(origin(tmp_path), "noarch")) == ["a", "b"]


def test_a_shard_that_is_another_is_an_error(tmp_path):
    """A server that swaps one shard would hide its packages."""
    shards = sharded(tmp_path, "a", "b")
    (tmp_path / "noarch" / f"{shards['a'].hex()}.msgpack.zst").write_bytes(b"other")
    with pytest.raises(Malformed) as caught:
        audit_records.read(origin(tmp_path), "noarch")
    assert caught.value.finding.code is Code.INDEX_SHARDS


def test_what_real_indexers_write_is_read_alike(tmp_path):
    channels.put(tmp_path, "noarch", a_package(tmp_path / "built", "numbers"), a_package(tmp_path / "built", "words"))
    channels.conda_index(tmp_path)
    whole = list(audit_records.read(origin(tmp_path), "noarch").listings)
    for path in (tmp_path / "noarch").glob("repodata.json*"):
        path.unlink()
    assert list(audit_records.read(origin(tmp_path), "noarch").listings) == whole
    assert [each.finding for each in whole] == [None, None]


def test_a_subdir_without_an_index_has_none(tmp_path):
    assert audit_records.read(origin(tmp_path), "noarch") is None


def test_subdirs_are_those_of_the_store_or_those_that_are_named(tmp_path):
    (tmp_path / "noarch").mkdir()
    (tmp_path / "linux-64").mkdir()
    assert audit_records.subdirs_of(origin(tmp_path), ()) == ("linux-64", "noarch")
    assert audit_records.subdirs_of(origin(tmp_path), ("noarch",)) == ("noarch",)
    with pytest.raises(Misuse, match="win-64"):
        audit_records.subdirs_of(origin(tmp_path), ("win-64",))


def test_parts_are_disjoint_and_whole_and_keep_a_name_together():
    rows = [listing(f"package-{number}") for number in range(200)]
    parts = [[row for row in rows if Selection(part=(at, 4)).holds(row)] for at in range(1, 5)]
    assert sorted(row.key for part in parts for row in part) == sorted(row.key for row in rows)
    assert all(len(part) > 20 for part in parts)
    other = Listing("x-2-1.tar.bz2", PackageFile.parse("x-2-1.tar.bz2"))
    assert audit_records.part_of(listing("x"), 7) == audit_records.part_of(other, 7)


def test_what_does_not_say_when_it_was_indexed_is_among_what_is_new():
    since = datetime(2026, 1, 1, tzinfo=UTC)
    held = [Selection(since=since).holds(listing(indexed=at)) for at in (None, 0, int(since.timestamp()) * 1000, 2**70)]
    assert held == [True, False, True, True]


def test_those_that_are_looked_at_are_new_and_of_the_part_and_of_the_sample():
    rows = [listing(name, 5) for name in "abcd"]
    first = Selection(part=(1, 2))
    assert list(Selection().of(rows, "noarch")) == rows
    assert list(Selection(since=datetime(2026, 1, 1, tzinfo=UTC)).of(rows, "noarch")) == []
    assert list(first.of(rows, "noarch")) == [row for row in rows if first.holds(row)]
    chosen = frozenset({("noarch", rows[2].key), ("linux-64", rows[1].key)})
    assert list(Selection(sample=2).of(rows, "noarch", chosen)) == [rows[2]]
    assert list(Selection(sample=2).of(rows, "noarch", frozenset())) == []


def test_a_sample_of_more_than_there_is_is_everything():
    rows = [("noarch", listing(name)) for name in "abc"]
    chosen, count = audit_records.chosen(iter(rows), Selection(sample=10))
    assert (len(chosen), count) == (3, 3)
