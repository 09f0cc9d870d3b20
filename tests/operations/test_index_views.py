"""Every file of an index is a list of the same records, in whatever form it stands."""

import hashlib

import msgspec
import pytest

from condattest.errors import Malformed
from condattest.formats import compression, shards
from condattest.model.artifact import PackageFile
from condattest.model.finding import Code
from condattest.operations.index_views import View, views
from condattest.transport.directory import Directory
from tests import channels

NAMES = {"letters-1.0-0.conda", "numbers-1.0-0.conda", "words-1.0-0.conda"}


def by_path(channel, **how):
    return {view.path: view for view in views(Directory(channel), "noarch", **how)}


def test_every_form_is_a_view_and_lists_the_same(channel):
    found = by_path(channel)
    assert set(found) == {
        f"noarch/{base}{suffix}"
        for base in ("repodata", "repodata_from_packages")
        for suffix in (".json", ".json.zst", ".json.bz2", "_shards.msgpack.zst")
    } - {"noarch/repodata_from_packages_shards.msgpack.zst"} | {"noarch/repodata_shards_from_packages.msgpack.zst"}
    said = [sorted((str(each.file), each.sha256) for each in view.records()) for view in found.values()]
    assert {name for name, _ in said[0]} == NAMES
    assert all(each == said[0] for each in said)
    assert {view.base for view in found.values()} == {"repodata", "repodata_from_packages"}


def test_without_twins_a_compressed_file_counts_only_where_it_is_alone(channel):
    (channel / "noarch" / "repodata_from_packages.json").unlink()
    assert set(by_path(channel, twins=False)) == {
        "noarch/repodata.json",
        "noarch/repodata_from_packages.json.zst",
        "noarch/repodata_shards.msgpack.zst",
        "noarch/repodata_shards_from_packages.msgpack.zst",
    }


def test_a_folder_without_an_index_has_none(channel):
    assert views(Directory(channel), "win-64") == []


def test_what_a_field_says_comes_with_the_record(channel):
    file = channel / "noarch" / "repodata.json"
    digest = channels.record(channel, "noarch", "words-1.0-0.conda")["sha256"]
    file.write_text(file.read_text().replace(f'"sha256":"{digest}"', f'"attestations_sha256":"{"a" * 64}"'))
    [found] = [each for each in by_path(channel)[f"noarch/{file.name}"].records() if each.file.name == "words"]
    assert found.file == PackageFile.parse("words-1.0-0.conda")
    assert (found.sha256, found.attestations_sha256) == (None, "a" * 64)


def test_a_file_that_went_meanwhile_lists_nothing(channel):
    assert list(View("noarch/current_repodata.json", "current_repodata", Directory(channel)).records()) == []


def test_what_is_wrong_in_one_shard_does_not_hide_the_packages_of_the_others(channel):
    path = channel / "noarch" / "repodata_shards.msgpack.zst"
    index = shards.read_index(path.read_bytes(), where="index")
    name = min(index.shards)
    document = {"packages": {}, "packages.conda": {f"{name}-1.0-0.conda": {"sha256": "AB", "name": name}}}
    data = compression.zstd_small(msgspec.msgpack.encode(document))
    digest = hashlib.sha256(data).digest()
    (channel / "noarch" / f"{digest.hex()}.msgpack.zst").write_bytes(data)
    said = {"version": 1, "info": {"shards_base_url": ""}, "shards": {**index.shards, name: digest}}
    path.write_bytes(compression.zstd_small(msgspec.msgpack.encode(said)))
    listed, code = channels.until_refused(by_path(channel)[f"noarch/{path.name}"].records())
    found = {str(each.file): each.sha256 for each in listed}
    assert code is Code.BIND_NO_DIGEST
    assert {file for file, sha256 in found.items() if sha256 is None} == {f"{name}-1.0-0.conda"}
    assert found.keys() == NAMES


@pytest.mark.parametrize("damage", [None, b"", b"junk"])
def test_a_shard_that_is_lost_or_has_other_bytes_is_a_finding(channel, damage):
    for shard in [each for each in (channel / "noarch").glob("*.msgpack.zst") if "repodata" not in each.name]:
        shard.unlink() if damage is None else shard.write_bytes(damage)
    with pytest.raises(Malformed) as refused:
        list(by_path(channel)["noarch/repodata_shards.msgpack.zst"].records())
    assert refused.value.finding.code is Code.INDEX_SHARDS


def test_a_twin_that_expands_to_no_index_is_a_finding(channel):
    (channel / "noarch" / "repodata.json.bz2").write_bytes(b"BZh9")
    with pytest.raises(Malformed) as refused:
        list(by_path(channel)["noarch/repodata.json.bz2"].records())
    assert refused.value.finding.code is Code.NET_UNAVAILABLE
