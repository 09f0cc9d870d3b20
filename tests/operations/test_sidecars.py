"""Sidecars in a store: appended to, joined, mended, and never shortened."""

import hashlib
import threading

import pytest

from condattest.errors import Malformed
from condattest.formats import sidecar
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code
from condattest.operations.sidecars import Names, Shelf, about, listing
from condattest.sandbox import github
from condattest.transport.directory import Directory
from tests.rehearsal import a_package, artifact_of, signed

FILE = PackageFile.parse("numbers-1.0-0.conda")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Bundles of one package by four signers."""
    package = a_package(tmp_path_factory.mktemp("package"))
    return [signed(package, github(f"me/numbers{number}")) for number in range(4)]


@pytest.fixture
def shelf(tmp_path):
    (tmp_path / "channel" / "noarch").mkdir(parents=True)
    return Shelf(Directory(tmp_path / "channel"), "noarch")


def append(shelf, *fresh, including=(), **how):
    return shelf.bring(FILE, lambda there: [each for each in fresh if each not in there], including, **how)


def on_disk(tmp_path):
    folder = tmp_path / "channel" / "noarch"
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def sidecar_of(*elements):
    data = sidecar.dump(list(elements))
    return data, Sha256(hashlib.sha256(data).hexdigest())


def test_the_first_bundle_makes_both_files_with_the_same_bytes(shelf, tmp_path, bundles):
    data, digest = sidecar_of(bundles[0])
    head = append(shelf, bundles[0])
    assert (head.sha256, head.appended) == (digest, 1)
    assert on_disk(tmp_path) == {f"{FILE}.sigs": data, f"{FILE}.sigs.{digest}": data}
    assert head.written == (f"noarch/{FILE}.sigs.{digest}", f"noarch/{FILE}.sigs")


def test_appending_keeps_what_is_there_and_every_older_state(shelf, tmp_path, bundles):
    for count in range(1, 4):
        append(shelf, bundles[count - 1])
        data, digest = sidecar_of(*bundles[:count])
        assert on_disk(tmp_path)[f"{FILE}.sigs"] == data
        assert on_disk(tmp_path)[f"{FILE}.sigs.{digest}"] == data
    assert len(on_disk(tmp_path)) == 4


def written(folder):
    """Which files there are, and when each was written; that they are read shows in their times, too."""
    states = {path: path.stat() for path in (folder / "channel" / "noarch").iterdir()}
    return {path: (state.st_ino, state.st_mtime_ns, state.st_ctime_ns) for path, state in states.items()}


def test_the_same_again_writes_nothing(shelf, tmp_path, bundles):
    append(shelf, bundles[0])
    before = written(tmp_path)
    head = append(shelf, bundles[0])
    assert (head.appended, head.written) == (0, ())
    assert before == written(tmp_path)


def test_nothing_at_all_is_no_sidecar(shelf, tmp_path):
    assert append(shelf) is None
    assert on_disk(tmp_path) == {}


def test_a_lost_mutable_sidecar_is_made_again_from_the_newest_hashed_one(shelf, tmp_path, bundles):
    append(shelf, bundles[0])
    append(shelf, bundles[1])
    (tmp_path / "channel" / "noarch" / f"{FILE}.sigs").unlink()
    head = append(shelf, bundles[2])
    assert on_disk(tmp_path)[f"{FILE}.sigs"] == sidecar_of(*bundles[:3])[0]
    assert head.appended == 1


def test_a_mutable_sidecar_that_was_put_back_takes_nothing_away(shelf, tmp_path, bundles):
    """Somebody restores an old backup of .sigs: what the index names is joined again."""
    append(shelf, bundles[0])
    old = on_disk(tmp_path)[f"{FILE}.sigs"]
    newest = append(shelf, bundles[1]).sha256
    (tmp_path / "channel" / "noarch" / f"{FILE}.sigs").write_bytes(old)
    append(shelf, bundles[2], including=(newest,))
    assert on_disk(tmp_path)[f"{FILE}.sigs"] == sidecar_of(*bundles[:3])[0]


def test_a_damaged_hashed_sidecar_of_the_right_name_is_mended(shelf, tmp_path, bundles):
    head = append(shelf, bundles[0])
    path = tmp_path / "channel" / "noarch" / f"{FILE}.sigs.{head.sha256}"
    path.write_bytes(b"[")
    append(shelf, bundles[0])
    assert path.read_bytes() == sidecar_of(bundles[0])[0]


@pytest.mark.parametrize("junk", [b"", b"[]", b"{}", b"[{}]", b"not json"])
def test_a_mutable_sidecar_that_is_none_stops_the_writer_and_is_not_touched(shelf, tmp_path, bundles, junk):
    path = tmp_path / "channel" / "noarch" / f"{FILE}.sigs"
    path.write_bytes(junk)
    with pytest.raises(Malformed) as caught:
        append(shelf, bundles[0])
    assert caught.value.finding.code is Code.SIDECAR_SHAPE
    assert on_disk(tmp_path) == {f"{FILE}.sigs": junk}
    append(shelf, bundles[0], mend=True)
    assert path.read_bytes() == sidecar_of(bundles[0])[0]


def test_a_version_about_other_bytes_can_be_left_out(shelf, tmp_path, bundles):
    old = append(shelf, bundles[0]).sha256
    head = append(shelf, bundles[1], without=(old,))
    assert head.sha256 == sidecar_of(bundles[1])[1]
    assert on_disk(tmp_path)[f"{FILE}.sigs"] == sidecar_of(bundles[1])[0]


def test_writers_that_race_without_a_lock_lose_nothing(shelf, bundles):
    """As on an object store, where conditional writing is all there is."""
    start, failures = threading.Barrier(len(bundles)), []

    def write(bundle):
        start.wait()
        try:
            append(shelf, bundle)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(bundle,)) for bundle in bundles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(shelf.current(FILE).elements) == set(bundles)


def test_a_listing_is_sorted_by_artifact():
    digest = Sha256("a" * 64)
    names = [
        f"{FILE}", f"{FILE}.sigs", f"{FILE}.sigs.{digest}", f"{FILE}.sigs.junk", f"{FILE}.sigs.{'A' * 64}",
        f"{FILE}.sigstore.json", "x.sigs", ".sigs", f"{FILE}.sigs{digest}", "repodata.json",
        f"a-1-0.tar.bz2.sigs.{digest}",
    ]  # fmt: skip
    assert listing(names) == {
        FILE: Names(True, [digest]),
        PackageFile.parse("a-1-0.tar.bz2"): Names(False, [digest]),
    }


def test_what_a_sidecar_is_about_is_read_from_its_statements(tmp_path):
    package = a_package(tmp_path)
    parsed = sidecar.parse(sidecar.dump([signed(package)]), where="x")
    assert about(parsed.bundles, artifact_of(package).sha256)
    assert not about(parsed.bundles, Sha256("0" * 64))


def test_a_state_that_a_tool_wrote_without_its_hashed_sidecar_gets_one_before_it_is_replaced(shelf, tmp_path, bundles):
    """An index may name it: a reader of that index finds it, whatever comes after."""
    data, digest = sidecar_of(bundles[0])
    (tmp_path / "channel" / "noarch" / f"{FILE}.sigs").write_bytes(data)
    head = append(shelf, bundles[1], including=(digest,))
    assert on_disk(tmp_path)[f"{FILE}.sigs.{digest}"] == data
    assert head.written == tuple(f"noarch/{FILE}.sigs{each}" for each in (f".{digest}", f".{head.sha256}", ""))


def test_a_named_version_that_is_gone_is_not_passed_over(shelf, tmp_path, bundles):
    append(shelf, bundles[0])
    before = on_disk(tmp_path)
    with pytest.raises(Malformed, match="SIDECAR-HASHED"):
        append(shelf, bundles[1], including=(Sha256("0" * 64),))
    assert on_disk(tmp_path) == before


def test_more_bytes_than_the_cap_are_a_finding(shelf, tmp_path, bundles):
    append(shelf, bundles[0])
    (tmp_path / "channel" / "noarch" / f"{FILE}.sigs").write_bytes(b" " * (sidecar.MAX_SIDECAR + 1))
    for call in (lambda: shelf.current(FILE), lambda: append(shelf, bundles[1])):
        with pytest.raises(Malformed, match="SIDECAR-SIZE"):
            call()
