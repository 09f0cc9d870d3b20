"""Killed at every point, many at once, on a full or read-only disk: readers go on, and nothing is lost.

Each kill is a real SIGKILL in a real process, in every single state of the channel that the work goes through, torn
writes among them: not at three samples.
"""

import json
import os
import resource
import shutil
import signal
from pathlib import Path

import pytest

from condattest.formats import monolith, sidecar
from condattest.model.artifact import Sha256
from condattest.operations import index, index_views, publish
from condattest.operations.sidecars import about
from condattest.sandbox import github
from condattest.transport.directory import Directory
from condattest.transport.store import open_store
from tests import channels, publishers
from tests.operations.test_publish import ANYBODY, files, planned
from tests.rehearsal import a_package, sandbox, signed

NAME = "numbers-1.0-0.conda"
LIMIT = 10**8


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp("root") / "trusted_root.json"
    path.write_text(sandbox().trusted_root_json())
    return path


@pytest.fixture
def attested(channel, tmp_path, root):
    """The channel, with one package attested; a second bundle of it and a new package wait to be published.

    Of the index one file of each kind is kept, so that there are fewer points to be killed at.
    """
    for file in [*channel.glob("noarch/*from_packages*"), *channel.glob("noarch/*.bz2"), *channel.glob("linux-64/*")]:
        if file.is_file():
            file.unlink()
    package = tmp_path / "packages" / NAME
    signed(package)
    publishers.publish_all(str(channel), [str(package)], root)
    signed(package, github("auditors/reviews"))
    fresh = a_package(tmp_path / "packages", "fresh")
    signed(fresh)
    return channel


def fields(data: bytes) -> dict[str, str | None]:
    return {str(each.file): each.attestations_sha256 for each in monolith.listed(data, where="x")}


def readable(store, subdir: str) -> None:
    """What every reader needs: whatever index it holds, what that names is there, whole, and has the named digest."""
    named: dict[str, set[Sha256]] = {}
    for view in index_views.views(store, subdir):
        for each in view.records():
            named.setdefault(str(each.file), set()).add(each.attestations_sha256)
    assert len(named) == 3
    for file, digests in named.items():
        for digest in digests - {None}:
            data = store.read(f"{subdir}/{file}.sigs.{digest}", LIMIT).data
            assert sidecar.parse(data, where=file).sha256 == digest


def lasting(channel: Path) -> dict[str, bytes]:
    """Every file of a channel but the shards that no index names any more: those go with the next indexing."""
    found = files(channel)
    return {name: data for name, data in found.items() if not _is_shard(name)}


def _is_shard(name: str) -> bool:
    return name.endswith(".msgpack.zst") and "repodata" not in name


class TestKilled:
    def every_point(self, base, tmp_path, work, *arguments, channel_of=str):
        """Kill the work in every state that it goes through, each time on a fresh copy; yields the copy after that."""
        whole = Path(shutil.copytree(base, tmp_path / "killed" / "never"))
        for step in publishers.points(str(whole), work, channel_of(whole), *arguments):
            copy = Path(shutil.copytree(base, tmp_path / "killed" / str(step)))
            assert publishers.run_killed(step, str(copy), work, channel_of(copy), *arguments)
            yield step, copy
            shutil.rmtree(copy)

    def test_publishing(self, attested, tmp_path, root):
        packages = [str(tmp_path / "packages" / name) for name in (NAME, "fresh-1.0-0.conda")]
        whole = Path(shutil.copytree(attested, tmp_path / "whole"))
        publishers.publish_all(str(whole), packages, root)
        expected, before = lasting(whole), fields((attested / "noarch" / "repodata.json").read_bytes())
        assert expected != lasting(attested)
        for step, killed in self.every_point(attested, tmp_path, publishers.publish_all, packages, root):
            readable(Directory(killed), "noarch")
            # A reader that fetched the index before the kill finds what it names.
            assert (killed / "noarch" / f"{NAME}.sigs.{before[NAME]}").exists(), step
            publishers.publish_all(str(killed), packages, root)
            assert lasting(killed) == expected, step
            readable(Directory(killed), "noarch")

    def test_replacing(self, attested, tmp_path, root):
        """A reader has the old state, the new one, or archive and record of two, which it rejects."""
        for file in attested.glob("noarch/*.zst"):
            file.unlink()  # That every file of an index is edited, whatever happens, is for the test above.
        other = a_package(tmp_path / "other", "numbers", payload=b"other", subdir="noarch")
        signed(other)
        old, new = publishers.digest_of(attested / "noarch" / NAME), publishers.digest_of(other)
        whole = Path(shutil.copytree(attested, tmp_path / "whole"))
        publishers.replace_all(str(whole), [str(other)], root)
        expected = lasting(whole)
        for step, killed in self.every_point(attested, tmp_path, publishers.replace_all, [str(other)], root):
            readable(Directory(killed), "noarch")
            assert publishers.digest_of(killed / "noarch" / NAME) in (old, new), step
            record = channels.record(killed, "noarch", NAME)
            assert record["sha256"] == old
            named = record.get("attestations_sha256")
            if named is not None:
                data = (killed / "noarch" / f"{NAME}.sigs.{named}").read_bytes()
                assert about(sidecar.parse(data, where="x").bundles, old), step
            current = sidecar.parse((killed / "noarch" / f"{NAME}.sigs").read_bytes(), where="x").bundles
            assert about(current, old) != about(current, new), step
            publishers.replace_all(str(killed), [str(other)], root)
            assert lasting(killed) == expected, step

    def test_indexing(self, attested, tmp_path):
        channels.conda_index(attested)
        (attested / "noarch" / f"{NAME}.sigs").unlink()
        whole = Path(shutil.copytree(attested, tmp_path / "whole"))
        publishers.index_all(str(whole))
        expected = lasting(whole)
        assert expected != lasting(attested)
        for step, killed in self.every_point(attested, tmp_path, publishers.index_all):
            readable(Directory(killed), "noarch")
            publishers.index_all(str(killed))
            assert lasting(killed) == expected, step

    def test_publishing_to_a_bucket(self, attested, tmp_path, root, bucket):
        packages = [str(tmp_path / "packages" / name) for name in (NAME, "fresh-1.0-0.conda")]
        store = open_store(bucket)

        def fill(folder):
            for name, data in files(attested).items():
                store_of(folder).create(name, data)

        def store_of(folder):
            return open_store(f"{bucket}/{folder}")

        fill("whole")
        publishers.publish_all(f"{bucket}/whole", packages, root)
        expected = content(store_of("whole"))
        # A directory is killed at every step. Requests to a bucket take long: each third step, or all if that is asked.
        step, stride = 0, 1 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 3
        while True:
            step += stride
            fill(f"killed{step}")
            if not publishers.run_killed(step, None, publishers.publish_all, f"{bucket}/killed{step}", packages, root):
                break
            killed = store_of(f"killed{step}")
            readable(killed, "noarch")
            publishers.publish_all(f"{bucket}/killed{step}", packages, root)
            assert content(killed) == expected, step
        assert step > 20, "the steps were not counted"
        assert store.folders()


def content(store) -> dict[str, bytes]:
    names = [(folder, entry.name) for folder in store.folders() for entry in store.list(folder)]
    paths = [f"{folder}/{name}" for folder, name in names if not _is_shard(name)]
    return {path: store.read(path, LIMIT).data for path in paths}


class TestTogether:
    """Twenty publishers to a directory; ten to a bucket, whose server answers one request at a time. In processes."""

    @pytest.fixture(params=["directory", "bucket"])
    def many(self, request):
        return request.param, {"directory": 20, "bucket": 10}[request.param]

    @pytest.fixture
    def count(self, many):
        return many[1]

    @pytest.fixture
    def place(self, request, many, channel):
        if many[0] == "directory":
            return str(channel)
        bucket = request.getfixturevalue("bucket")
        store = open_store(bucket)
        for name, data in files(channel).items():
            store.create(name, data)
        return bucket

    def test_on_one_package(self, place, count, tmp_path, root):
        package = tmp_path / "packages" / NAME
        bundles = []
        for number in range(count):
            bundles.append(tmp_path / f"{number}.json")
            bundles[-1].write_bytes(signed(package, github(f"auditors/team{number}")))
        calls = [(publishers.publish_all, place, [str(package)], root, [bundle]) for bundle in bundles]
        assert publishers.run_together(calls) == [0] * count
        store = open_store(place)
        elements = sidecar.parse(store.read(f"noarch/{NAME}.sigs", LIMIT).data, where="x").elements
        assert sorted(elements) == sorted(bundle.read_bytes() for bundle in bundles)
        assert [report.findings for report in index.check(store)] == [(), ()]

    def test_on_many_packages(self, place, count, tmp_path, root):
        made = [a_package(tmp_path / "many", f"many{number}") for number in range(count)]
        store = open_store(place)
        for package in made:
            signed(package)
            store.create(f"noarch/{package.name}", package.read_bytes())
        listed = json.loads(store.read("noarch/repodata.json", LIMIT).data)
        some = listed["packages.conda"][NAME]
        for package in made:
            listed["packages.conda"][package.name] = {**some, "name": package.name.partition("-")[0]}
            listed["packages.conda"][package.name]["sha256"] = publishers.digest_of(package)
        old = store.read("noarch/repodata.json", LIMIT)
        store.replace("noarch/repodata.json", json.dumps(listed).encode(), old.version)
        calls = [(publishers.publish_all, place, [str(package)], root) for package in made]
        assert publishers.run_together(calls) == [0] * count
        named = fields(store.read("noarch/repodata.json", LIMIT).data)
        for package in made:
            digest = named[package.name]
            data = store.read(f"noarch/{package.name}.sigs.{digest}", LIMIT).data
            assert sidecar.parse(data, where="x").elements == (
                package.with_name(f"{package.name}.sigstore.json").read_bytes(),
            )


class TestNoRoom:
    @pytest.fixture
    def waiting(self, attested, tmp_path):
        return planned(attested, tmp_path / "packages" / NAME, terms=ANYBODY), Directory(attested)

    def test_a_full_disk(self, attested, waiting):
        """A limit on the size of files stands for it: the write itself fails, in the middle."""
        plans, store = waiting
        before = files(attested)
        old = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (512, old[1]))
            [outcome], changed = publish.publish(plans, store, ANYBODY)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
            signal.signal(signal.SIGXFSZ, handler)
        assert "cannot be written" in str(outcome.problem)
        assert (changed, files(attested)) == ({}, before)
        [outcome], _ = publish.publish(plans, store, ANYBODY)
        assert (outcome.problem, outcome.appended) == (None, 1)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
    def test_a_read_only_directory(self, attested, waiting):
        plans, store = waiting
        before = files(attested)
        (attested / "noarch").chmod(0o555)
        try:
            [outcome], changed = publish.publish(plans, store, ANYBODY)
        finally:
            (attested / "noarch").chmod(0o755)
        assert outcome.problem is not None
        assert (changed, files(attested)) == ({}, before)
