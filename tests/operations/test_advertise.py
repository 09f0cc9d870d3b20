"""Index files are edited where they are what was read, and a faster writer's work is never taken back."""

import json

import pytest

from condattest.errors import Conflict, Malformed
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code
from condattest.operations import advertise as advertising
from condattest.operations.advertise import advertise, shard_path
from condattest.transport.directory import Directory
from tests import channels
from tests.operations.test_publish import files

FILE = PackageFile.parse("numbers-1.0-0.conda")
OLD, NEW, NEWEST = (Sha256(digit * 64) for digit in "123")


def never(file, named):
    raise AssertionError("nothing is to be joined")


def named(channel):
    return channels.record(channel, "noarch", str(FILE)).get("attestations_sha256")


def test_every_file_that_lists_the_artifact_is_written_once(channel):
    indexed = advertise(Directory(channel), "noarch", {FILE: NEW}, never)
    assert indexed.listed == {FILE}
    assert set(indexed.changed.values()) == {1}
    before = files(channel)
    assert advertise(Directory(channel), "noarch", {FILE: NEW}, never).changed == {}
    assert files(channel) == before


def test_a_record_that_names_another_version_has_it_joined_first(channel):
    advertise(Directory(channel), "noarch", {FILE: OLD}, never)
    asked = []

    def join(file, digest):
        asked.append((file, digest))
        return NEWEST

    advertise(Directory(channel), "noarch", {FILE: NEW}, join)
    assert set(asked) == {(FILE, OLD)}
    assert named(channel) == NEWEST


def test_a_file_that_changes_under_our_hands_is_read_again(channel, monkeypatch):
    """An indexer, which holds no lock, writes between our reading and our writing."""
    path = channel / "noarch" / "repodata.json"
    replace, interrupted = Directory.replace, []

    def racing(self, place, data, version):
        if place.endswith("/repodata.json") and not interrupted:
            interrupted.append(place)
            document = json.loads(path.read_bytes())
            document["packages.conda"]["late-1-0.conda"] = {"name": "late", "version": "1", "build": "0"}
            path.write_text(json.dumps(document))
        return replace(self, place, data, version)

    monkeypatch.setattr(Directory, "replace", racing)
    advertise(Directory(channel), "noarch", {FILE: NEW}, never)
    document = json.loads(path.read_bytes())
    assert interrupted
    assert "late-1-0.conda" in document["packages.conda"]
    assert named(channel) == NEW


def test_a_writer_that_never_wins_ends_with_a_conflict(channel, monkeypatch):
    def lost(self, place, data, version):
        raise Conflict(f"{place}: somebody else changed it")

    monkeypatch.setattr(Directory, "replace", lost)
    monkeypatch.setattr(advertising, "SCHEDULE", {**advertising.SCHEDULE, "attempts": 3, "wait_max": 0.01})
    before = files(channel)
    with pytest.raises(Conflict):
        advertise(Directory(channel), "noarch", {FILE: NEW}, never)
    assert {name: data for name, data in files(channel).items() if name in before} == before


def test_an_artifact_that_no_file_lists_changes_nothing(channel):
    before = files(channel)
    other = PackageFile.parse("nowhere-1-0.conda")
    indexed = advertise(Directory(channel), "noarch", {other: NEW}, never)
    assert (indexed.listed, indexed.changed, files(channel)) == (set(), {}, before)


def test_the_field_can_be_taken_out_and_then_all_is_as_before(channel):
    before = {name: data for name, data in files(channel).items() if name.endswith(".json")}
    advertise(Directory(channel), "noarch", {FILE: NEW}, never)
    advertise(Directory(channel), "noarch", {FILE: None}, never)
    assert {name: data for name, data in files(channel).items() if name.endswith(".json")} == before


def test_a_whole_record_goes_into_the_served_index_alone(channel):
    """`repodata_from_packages.json` is what was built, and `current_repodata.json` a choice of the indexer's."""
    raw = json.dumps({"name": "fresh", "version": "1", "build": "0", "sha256": "a" * 64, "md5": "b" * 32}).encode()
    fresh = PackageFile.parse("fresh-1-0.conda")
    indexed = advertise(Directory(channel), "noarch", {fresh: NEW}, never, {fresh: raw})
    assert indexed.listed == {fresh}
    assert set(indexed.changed) == {
        f"noarch/{name}"
        for name in ("repodata.json", "repodata.json.zst", "repodata.json.bz2", "repodata_shards.msgpack.zst")
    }
    record = channels.record(channel, "noarch", str(fresh))
    assert record == {**json.loads(raw), "attestations_sha256": NEW}


def test_a_damaged_file_stops_the_writer(channel):
    (channel / "noarch" / "repodata.json").write_bytes(b'{"packages":')
    with pytest.raises(Malformed) as caught:
        advertise(Directory(channel), "noarch", {FILE: NEW}, never)
    assert caught.value.finding.code is Code.NET_UNAVAILABLE


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("", "noarch/{}.msgpack.zst"),
        ("./", "noarch/{}.msgpack.zst"),
        (".//", "noarch/{}.msgpack.zst"),
        ("./shards/", "noarch/shards/{}.msgpack.zst"),
        ("shards", "noarch/shards/{}.msgpack.zst"),
        ("../shards/", "shards/{}.msgpack.zst"),
    ],
)
def test_shards_are_where_the_index_says(base, expected):
    digest = bytes(range(32))
    assert shard_path("noarch/repodata_shards.msgpack.zst", base, digest) == expected.format(digest.hex())


@pytest.mark.parametrize("base", ["https://x.example/shards/", "/shards/", "../../x/", "//x.example/"])
def test_shards_elsewhere_are_refused(base):
    with pytest.raises(Malformed) as caught:
        shard_path("noarch/repodata_shards.msgpack.zst", base, bytes(32))
    assert caught.value.finding.code is Code.INDEX_SHARDS


def test_a_version_that_only_the_last_file_names_is_named_by_the_first_ones_too(channel):
    """A faster writer was killed between the shards and repodata.json, in the other order than ours."""
    advertise(Directory(channel), "noarch", {FILE: OLD}, never)
    path = channel / "noarch" / "repodata_from_packages.json"
    path.write_text(path.read_text().replace(OLD, NEWEST))
    advertise(Directory(channel), "noarch", {FILE: OLD}, lambda file, digest: NEW)
    everything = files(channel)
    assert named(channel) == NEW
    assert path.read_text().count(NEW) == 1
    assert OLD not in everything["noarch/repodata.json"].decode()


def test_a_record_that_names_what_cannot_be_had_stays_as_it_is(channel):
    advertise(Directory(channel), "noarch", {FILE: OLD}, never)
    before = files(channel)
    other = PackageFile.parse("letters-1.0-0.conda")
    indexed = advertise(Directory(channel), "noarch", {FILE: NEW, other: NEW}, lambda file, digest: None)
    assert named(channel) == OLD
    assert indexed.listed == {other}
    assert channels.record(channel, "noarch", str(other))["attestations_sha256"] == NEW
    assert files(channel).keys() >= before.keys()
