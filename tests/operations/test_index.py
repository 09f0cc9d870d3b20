"""Index and sidecars in line again after whatever happened to them; and every way in which they can be out of line."""

import hashlib
import json
import shutil
from pathlib import Path

import msgspec
import pytest

from condattest.errors import Misuse
from condattest.formats import compression, sidecar
from condattest.model.artifact import Sha256
from condattest.model.finding import Code
from condattest.operations import index
from condattest.sandbox import github
from condattest.transport.directory import Directory
from tests import channels
from tests.operations.test_publish import ANYBODY, files, published
from tests.rehearsal import a_package, artifact_of, signed

NAME = "numbers-1.0-0.conda"


def indexed(channel, **how):
    return list(index.index(Directory(channel), **how))


def checked(channel, **how):
    """The codes that a check finds, in all subdirs."""
    before = files(channel)
    found = [finding for report in index.check(Directory(channel), **how) for finding in report.findings]
    assert files(channel) == before
    return [finding.code for finding in found]


def codes(reports):
    return [finding.code for report in reports for finding in report.findings]


@pytest.fixture
def attested(channel, tmp_path):
    """The channel, with two packages attested by two signers each."""
    for name in (NAME, "letters-1.0-0.conda"):
        for repository in ("me/numbers", "auditors/reviews"):
            signed(tmp_path / "packages" / name, github(repository))
            published(channel, tmp_path / "packages" / name, terms=ANYBODY)
    assert checked(channel) == []
    return channel


def path(channel, suffix="") -> Path:
    return channel / "noarch" / f"{NAME}{suffix}"


def current(channel):
    return channels.record(channel, "noarch", NAME)["attestations_sha256"]


class TestReindexing:
    @pytest.mark.parametrize("indexer", ["conda-index", "rattler-index"])
    def test_the_field_comes_back_and_nothing_else_changes(self, attested, indexer, tmp_path):
        if indexer == "conda-index":
            channels.conda_index(attested)
        else:
            # This one knows sidecars by itself, so it must not see them.
            for file in [*attested.glob("*/repodata*"), *attested.glob("*/*.msgpack.zst")]:
                file.unlink(missing_ok=True)
            hidden = {file: file.rename(tmp_path / file.name) for file in attested.glob("*/*.sigs*")}
            channels.rattler_index(attested)
            for file, place in hidden.items():
                place.rename(file)
        clean = files(attested)
        assert "attestations_sha256" not in clean["noarch/repodata.json"].decode()
        assert Code.INDEX_FIELD in checked(attested)
        reports = indexed(attested)
        assert codes(reports) == []
        after = files(attested)
        changed = {name for report in reports for name in report.changed}
        for name, data in clean.items():
            assert (after[name] != data) is (name in changed), name
        # Byte for byte: what was added is all that differs.
        text = after["noarch/repodata.json"].decode()
        for name in (NAME, "letters-1.0-0.conda"):
            member = f'"attestations_sha256":"{channels.record(attested, "noarch", name)["attestations_sha256"]}"'
            assert text.count(member) == 1
            text = text.replace(member + ",", "").replace("," + member, "")
        assert text == clean["noarch/repodata.json"].decode()
        assert checked(attested) == []
        assert indexed(attested)[1].changed == {}

    def test_what_rattler_index_wrote_by_itself_is_in_line(self, attested):
        for file in [*attested.glob("*/repodata*"), *attested.glob("*/*.msgpack.zst")]:
            file.unlink(missing_ok=True)
        channels.rattler_index(attested)
        before = files(attested)
        assert current(attested)
        assert checked(attested) == []
        assert codes(indexed(attested)) == []
        assert files(attested) == before

    def test_every_twin_has_the_content_of_its_file_again(self, attested):
        channels.conda_index(attested)
        indexed(attested)
        after = files(attested)
        for base in ("repodata.json", "repodata_from_packages.json"):
            data = after[f"noarch/{base}"]
            for suffix, unpack in ((".zst", compression.unzstd), (".bz2", compression.unbz2)):
                twin = after[f"noarch/{base}{suffix}"]
                assert unpack(twin, limit=10**7, code=Code.NET_UNAVAILABLE, where=base) == data

    def test_a_twin_that_is_ahead_of_its_file_keeps_its_own_content(self, attested):
        """An indexer that was stopped between the two: neither may be overwritten with the other's records."""
        channels.conda_index(attested)
        ahead = json.loads(path(attested).with_name("repodata.json").read_bytes())
        ahead["packages.conda"].pop("words-1.0-0.conda")
        twin = path(attested).with_name("repodata.json.zst")
        twin.write_bytes(compression.zstd_index(json.dumps(ahead, separators=(",", ":")).encode()))
        indexed(attested)
        content = compression.unzstd(twin.read_bytes(), limit=10**7, code=Code.NET_UNAVAILABLE, where="x")
        assert "words-1.0-0.conda" not in content.decode()
        assert "words-1.0-0.conda" in path(attested).with_name("repodata.json").read_text()
        assert json.loads(content)["packages.conda"][NAME]["attestations_sha256"] == current(attested)
        assert checked(attested) == [Code.INDEX_DISAGREE]

    def test_a_channel_of_shards_alone(self, attested):
        channels.conda_index(attested)
        for file in (attested / "noarch").glob("repodata*.json*"):
            file.unlink(missing_ok=True)
        assert set(checked(attested, subdir="noarch")) == {Code.INDEX_FIELD}
        assert codes(indexed(attested, subdir="noarch")) == []
        assert checked(attested, subdir="noarch") == []

    def test_v3_records_too(self, attested):
        file = path(attested).with_name("repodata.json")
        document = json.loads(file.read_bytes())
        record = document["packages.conda"].pop(NAME)
        del record["attestations_sha256"]
        document["v3"] = {"conda": {NAME.removesuffix(".conda"): record}, "whl": {"x-1": {"sha256": "junk"}}}
        for other in (attested / "noarch").glob("repodata*"):
            other.unlink()
        file.write_text(json.dumps(document))
        assert codes(indexed(attested, subdir="noarch")) == []
        new = json.loads(file.read_bytes())["v3"]
        assert new["conda"][NAME.removesuffix(".conda")]["attestations_sha256"]
        assert new["whl"] == document["v3"]["whl"]


class TestBrokenInvariants:
    """Each is found by its code, and each that can be mended is."""

    def test_a_lost_hashed_sidecar(self, attested):
        path(attested, f".sigs.{current(attested)}").unlink()
        assert checked(attested) == [Code.SIDECAR_HASHED]
        [_, report] = indexed(attested)
        assert [finding.code for finding in report.mended] == [Code.SIDECAR_HASHED]
        assert checked(attested) == []

    def test_a_lost_mutable_sidecar(self, attested):
        data = path(attested, ".sigs").read_bytes()
        path(attested, ".sigs").unlink()
        assert checked(attested) == [Code.SIDECAR_MUTABLE]
        indexed(attested)
        assert path(attested, ".sigs").read_bytes() == data

    def test_a_mutable_sidecar_that_was_put_back(self, attested):
        hashed = attested.glob(f"noarch/{NAME}.sigs.*")
        older = next(file for file in hashed if not file.name.endswith(current(attested)))
        newest = path(attested, ".sigs").read_bytes()
        shutil.copy(older, path(attested, ".sigs"))
        assert checked(attested) == [Code.SIDECAR_LOST]
        indexed(attested)
        assert path(attested, ".sigs").read_bytes() == newest
        assert checked(attested) == []

    def test_a_mutable_sidecar_that_is_none(self, attested):
        newest = path(attested, ".sigs").read_bytes()
        path(attested, ".sigs").write_bytes(b"{}")
        assert checked(attested) == [Code.SIDECAR_SHAPE, Code.SIDECAR_MUTABLE]
        indexed(attested)
        assert path(attested, ".sigs").read_bytes() == newest

    def test_a_damaged_hashed_sidecar(self, attested):
        path(attested, f".sigs.{current(attested)}").write_bytes(b"[]")
        assert checked(attested) == [Code.SIDECAR_DIGEST, Code.SIDECAR_HASHED]
        indexed(attested)
        assert checked(attested) == []

    def test_a_fork_of_two_publishers_is_joined_behind_what_the_index_advertises(self, attested):
        elements = sidecar.parse(path(attested, ".sigs").read_bytes(), where="x").elements
        one, two = sidecar.dump([elements[0]]), sidecar.dump([elements[1]])
        for file in attested.glob(f"noarch/{NAME}.sigs*"):
            file.unlink(missing_ok=True)
        for data in (one, two):
            path(attested, f".sigs.{hashlib.sha256(data).hexdigest()}").write_bytes(data)
        path(attested, ".sigs").write_bytes(one)
        index_file = path(attested).with_name("repodata.json")
        for other in set(index_file.parent.glob("repodata*")) - {index_file}:
            other.unlink()
        advertised = hashlib.sha256(two).hexdigest()
        index_file.write_text(index_file.read_text().replace(current(attested), advertised))
        assert Code.SIDECAR_LOST in checked(attested)
        indexed(attested)
        assert path(attested, ".sigs").read_bytes() == sidecar.dump([elements[1], elements[0]])
        assert checked(attested) == []

    def test_the_newest_state_that_is_gone_leaves_its_trace_until_it_is_given_up(self, attested):
        """Its hashed sidecar is deleted and .sigs is put back: nobody can say what is lost, only that something is."""
        digest = current(attested)
        path(attested, f".sigs.{digest}").unlink()
        [older] = attested.glob(f"noarch/{NAME}.sigs.*")
        shutil.copy(older, path(attested, ".sigs"))
        before = files(attested)
        for _ in range(2):
            assert Code.SIDECAR_HASHED in checked(attested)
            reports = indexed(attested)
            assert codes(reports) == [Code.SIDECAR_HASHED]
            assert (reports[1].errors, reports[1].mended) == (1, ())
        assert files(attested) == before
        [_, report] = indexed(attested, drop=True)
        assert [finding.code for finding in report.mended] == [Code.SIDECAR_HASHED]
        assert older.name.endswith(current(attested))
        assert checked(attested) == []

    def test_a_sidecar_above_the_cap_is_told_and_stops_nobody_else(self, attested):
        """One file of five megabytes must not keep a whole channel from being looked at."""
        path(attested, ".sigs").write_bytes(b" " * (sidecar.MAX_SIDECAR + 1))
        path(attested, ".sigs." + "0" * 64).write_bytes(b" " * (sidecar.MAX_SIDECAR + 1))
        path(attested).with_name("letters-1.0-0.conda.sigs").unlink()
        assert checked(attested).count(Code.SIDECAR_SIZE) == 2
        assert Code.SIDECAR_SIZE in codes(indexed(attested))
        assert path(attested).with_name("letters-1.0-0.conda.sigs").exists()

    def test_a_record_whose_sidecar_is_gone_keeps_its_field_until_it_is_dropped_on_purpose(self, attested):
        digest = current(attested)
        for file in attested.glob(f"noarch/{NAME}.sigs*"):
            file.unlink(missing_ok=True)
        assert set(checked(attested)) == {Code.INDEX_FIELD_ALONE}
        assert codes(indexed(attested)) == [Code.INDEX_FIELD_ALONE]
        assert current(attested) == digest
        assert codes(indexed(attested, drop=True)) == []
        assert "attestations_sha256" not in channels.record(attested, "noarch", NAME)
        assert checked(attested) == []

    def test_an_orphan_is_told_and_stays(self, attested, tmp_path):
        package = a_package(tmp_path / "new", "fresh")
        signed(package)
        published(attested, package)
        before = files(attested)
        assert checked(attested) == [Code.INDEX_ORPHAN]
        reports = indexed(attested)
        assert codes(reports) == [Code.INDEX_ORPHAN]
        assert reports[1].errors == 0
        assert files(attested) == before

    def test_a_sidecar_about_other_bytes_is_left_alone_and_not_advertised(self, attested, tmp_path):
        """The file was replaced under its name, and reindexed."""
        shutil.copy(a_package(tmp_path / "new", payload=b"rebuilt"), path(attested))
        channels.conda_index(attested)
        assert codes(indexed(attested)) == [Code.SIDECAR_OTHER] * 2
        assert "attestations_sha256" not in channels.record(attested, "noarch", NAME)
        signed(path(attested), github("me/numbers"))
        published(attested, path(attested))
        path(attested, ".sigstore.json").unlink()
        assert codes(indexed(attested)) == []  # The old sidecar is kept, and nothing leads to it any more.
        assert "attestations_sha256" in channels.record(attested, "noarch", NAME)

    @pytest.mark.parametrize("junk", ["A" * 64, "a" * 63, None, []])
    def test_a_field_that_is_no_digest(self, attested, junk):
        file = path(attested).with_name("repodata.json")
        document = json.loads(file.read_bytes())
        document["packages.conda"][NAME]["attestations_sha256"] = junk
        file.write_text(json.dumps(document))
        assert Code.SIDECAR_FIELD in checked(attested)
        indexed(attested)
        assert checked(attested) == []

    def test_files_of_the_index_that_disagree(self, attested):
        file = path(attested).with_name("repodata.json")
        document = json.loads(file.read_bytes())
        document["packages.conda"]["words-1.0-0.conda"]["sha256"] = "0" * 64
        del document["packages.conda"]["letters-1.0-0.conda"]
        file.write_text(json.dumps(document))
        assert set(checked(attested)) == {Code.INDEX_DISAGREE}

    def test_shards_that_are_missing_or_elsewhere(self, attested):
        index_file = path(attested).with_name("repodata_shards.msgpack.zst")
        plain = compression.unzstd(index_file.read_bytes(), limit=10**7, code=Code.NET_UNAVAILABLE, where="x")
        document = msgspec.msgpack.decode(plain)
        for base in ("https://elsewhere.example/shards/", "/etc/", "../../", "a\\b/", "c:/", "x\0"):
            document["info"]["shards_base_url"] = base
            index_file.write_bytes(compression.zstd_small(msgspec.msgpack.encode(document)))
            assert Code.INDEX_SHARDS in checked(attested)

    def test_more_elements_than_a_sidecar_may_have_are_not_joined(self, attested):
        element = sidecar.parse(path(attested, ".sigs").read_bytes(), where="x").elements[0]
        forks = [
            sidecar.dump([element.replace(b"{", b"{" + b" " * (one * 100 + n + 1), 1) for n in range(100)])
            for one in range(2)
        ]
        for data in forks:
            path(attested, f".sigs.{hashlib.sha256(data).hexdigest()}").write_bytes(data)
        digest = current(attested)
        before = path(attested, ".sigs").read_bytes()
        assert Code.SIDECAR_SIZE in codes(indexed(attested))
        assert (current(attested), path(attested, ".sigs").read_bytes()) == (digest, before)


def test_a_folder_that_is_no_channel_is_misuse(tmp_path, channel):
    (tmp_path / "empty" / "noarch").mkdir(parents=True)
    for call in (index.index, index.check):
        with pytest.raises(Misuse, match="no channel"):
            list(call(Directory(tmp_path / "empty")))
        with pytest.raises(Misuse, match="win-64"):
            list(call(Directory(channel), subdir="win-64"))


def test_an_old_index_and_a_new_one_both_lead_to_a_sidecar(attested):
    """A client that holds yesterday's repodata.json finds yesterday's sidecar, byte for byte."""
    for file in attested.glob("noarch/*.sigs.*"):
        digest = file.name.rpartition(".")[2]
        assert Sha256(digest) == hashlib.sha256(file.read_bytes()).hexdigest()
    assert len(list(attested.glob(f"noarch/{NAME}.sigs.*"))) == 2
    assert artifact_of(path(attested)).sha256 == channels.record(attested, "noarch", NAME)["sha256"]
