"""What an artifact's sidecars amount to, whichever of them are lost, broken, or about something else."""

import hashlib

import pytest

from condattest.formats import sidecar
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code
from condattest.operations.examination import examine
from condattest.operations.sidecars import Shelf, listing
from condattest.sandbox import github
from condattest.transport.directory import Directory
from tests.rehearsal import a_package, artifact_of, signed

FILE = PackageFile.parse("numbers-1.0-0.conda")
LOST = Sha256("0" * 64)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A package's digest with three bundles of it, and a bundle of other bytes under its name."""
    package = a_package(tmp_path_factory.mktemp("package"))
    bundles = [signed(package, github(f"me/numbers{number}")) for number in range(3)]
    other = signed(a_package(tmp_path_factory.mktemp("other"), payload=b"other"))
    return artifact_of(package).sha256, bundles, other


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "noarch").mkdir()
    return tmp_path / "noarch"


def put(folder, *elements, hashed=True, mutable=False):
    data = sidecar.dump(list(elements))
    digest = Sha256(hashlib.sha256(data).hexdigest())
    if hashed:
        (folder / f"{FILE}.sigs.{digest}").write_bytes(data)
    if mutable:
        (folder / f"{FILE}.sigs").write_bytes(data)
    return digest


def examined(folder, sha256=None, *advertised):
    shelf = Shelf(Directory(folder.parent), "noarch")
    names = listing(entry.name for entry in shelf.store.list("noarch")).get(FILE)
    return examine(shelf, FILE, names, sha256, advertised)


def codes(state):
    return [finding.code for finding in state.findings]


def test_a_history_in_order_is_sound_and_its_last_state_is_expected(folder, made):
    sha256, bundles, _ = made
    states = [put(folder, *bundles[: count + 1], mutable=True) for count in range(3)]
    state = examined(folder, sha256, states[2])
    assert (state.expected, state.findings, state.others, state.gone) == (states[2], (), (), ())
    assert set(state.versions) == set(states)
    assert state.versions[0] == states[2]


def test_an_index_that_is_behind_does_not_change_what_is_expected(folder, made):
    sha256, bundles, _ = made
    states = [put(folder, *bundles[: count + 1], mutable=True) for count in range(2)]
    assert examined(folder, sha256, states[0]).expected == states[1]


def test_hashed_sidecars_alone_say_what_the_lost_mutable_one_was(folder, made):
    sha256, bundles, _ = made
    put(folder, bundles[0])
    newest = put(folder, *bundles[:2])
    state = examined(folder, sha256)
    assert (state.expected, codes(state)) == (newest, [Code.SIDECAR_MUTABLE])


def test_a_mutable_sidecar_alone_counts_and_lacks_its_hashed_one(folder, made):
    sha256, bundles, _ = made
    digest = put(folder, bundles[0], hashed=False, mutable=True)
    state = examined(folder, sha256, digest)
    assert (state.expected, codes(state), state.gone) == (digest, [Code.SIDECAR_HASHED], ())


def test_a_fork_is_joined_behind_what_is_advertised_and_names_what_the_current_one_lacks(folder, made):
    sha256, bundles, _ = made
    one, two = put(folder, bundles[0], mutable=True), put(folder, bundles[1])
    state = examined(folder, sha256, two)
    assert state.expected == hashlib.sha256(sidecar.dump([bundles[1], bundles[0]])).hexdigest()
    [lost] = [finding for finding in state.findings if finding.code is Code.SIDECAR_LOST]
    assert lost.facts == {"bundle": hashlib.sha256(bundles[1]).hexdigest(), "sidecar": two}
    assert set(state.versions) == {one, two}


def test_what_is_advertised_and_neither_there_nor_current_is_gone(folder, made):
    sha256, bundles, _ = made
    digest = put(folder, bundles[0], mutable=True)
    state = examined(folder, sha256, LOST)
    assert (state.gone, state.expected, codes(state)) == ((LOST,), digest, [Code.SIDECAR_HASHED])


def test_what_is_about_other_bytes_is_told_and_does_not_count(folder, made):
    sha256, bundles, other = made
    ours, theirs = put(folder, bundles[0], mutable=True), put(folder, other)
    state = examined(folder, sha256, ours)
    assert (state.others, state.versions, state.expected) == ((theirs,), (ours,), ours)
    assert codes(state) == []  # What a replaced file was: it is kept, and nothing leads to it.
    assert codes(examined(folder, sha256, theirs, ours)) == [Code.SIDECAR_OTHER]
    put(folder, other, mutable=True)
    assert Code.SIDECAR_OTHER in codes(examined(folder, sha256, ours))


def test_a_sidecar_that_holds_this_one_too_is_about_these_bytes(folder, made):
    sha256, bundles, other = made
    digest = put(folder, other, bundles[0], mutable=True)
    assert (examined(folder, sha256, digest).others, examined(folder, sha256).expected) == ((), digest)


def test_without_a_record_s_digest_nothing_can_be_about_other_bytes(folder, made):
    digest = put(folder, made[2], mutable=True)
    assert (examined(folder).others, examined(folder).expected) == ((), digest)


def test_nothing_that_counts_expects_nothing(folder, made):
    sha256, _, other = made
    put(folder, other, mutable=True)
    state = examined(folder, sha256)
    assert (state.expected, state.versions) == (None, ())


def test_a_broken_sidecar_is_a_finding_and_the_others_count(folder, made):
    sha256, bundles, _ = made
    digest = put(folder, bundles[0], mutable=True)
    (folder / f"{FILE}.sigs.{LOST}").write_bytes(b"[]")
    state = examined(folder, sha256, digest)
    assert (state.expected, state.versions, codes(state)) == (digest, (digest,), [Code.SIDECAR_DIGEST])
