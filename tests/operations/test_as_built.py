"""Records as built: what an archive proves, what it contradicts, and what stays unknown."""

import pytest

from condattest.errors import NotFound
from condattest.model.finding import Code
from condattest.operations import as_built
from condattest.operations.as_built import Archives
from condattest.patches import engines
from condattest.patches.index_sections import record_at
from condattest.transport.directory import Directory
from condattest.transport.fetch import Fetcher
from condattest.transport.origin import HttpOrigin, StoreOrigin
from tests import channels
from tests.patched_channel import FILE, NAME, refused

PLACE = ("packages.conda", NAME)
OTHER = ("packages.conda", "words-1.0-0.conda")
ENGINE = engines.engine("conda-index")


@pytest.fixture
def origin(history):
    return StoreOrigin(Directory(history.root))


def prove(origin, record, place=PLACE):
    as_built.prove(origin, "noarch", ENGINE, place, record)


def test_an_archive_proves_its_record(history, origin):
    prove(origin, history.record("as_built"))


def test_what_is_listed_is_proved_and_nothing_else_is_read(history, origin):
    index = history.inputs().as_built
    as_built.prove_all(origin, "noarch", ENGINE, index, {PLACE, OTHER})
    (history.root / "noarch" / OTHER[1]).unlink()
    as_built.prove_all(origin, "noarch", ENGINE, index, {PLACE})
    as_built.prove_all(origin, "noarch", ENGINE, index, ())
    finding = refused(lambda: as_built.prove_all(origin, "noarch", ENGINE, index, {PLACE, OTHER}), Code.PATCH_AS_BUILT)
    assert finding.facts["expected"] == "its archive"


def test_another_record_is_none_of_it(history, origin):
    """An index that says of a fresh package what its archive never said."""
    record = history.record("as_built") | {"depends": []}
    refused(lambda: prove(origin, record), Code.PATCH_AS_BUILT)


def test_another_archive_proves_nothing(history, origin):
    record = history.record("as_built")
    refused(lambda: prove(origin, record, OTHER), Code.BIND_DIGEST)


def test_one_byte_behind_the_metadata_is_another_archive(history, origin):
    path = history.root / "noarch" / NAME
    path.write_bytes(path.read_bytes() + b"\0")
    refused(lambda: prove(origin, history.record("as_built")), Code.BIND_DIGEST)


def test_without_one_it_cannot_be_said(history, origin):
    record = history.record("as_built")
    (history.root / "noarch" / NAME).unlink()
    with pytest.raises(NotFound):
        prove(origin, record)


class TestProofs:
    def proofs(self, history, origin, places=(PLACE, OTHER), engine=ENGINE, **how):
        records = {place: record_at(history.inputs().as_built, place) for place in places}
        found = as_built.proofs(Archives(origin=origin, **how), "noarch", engine, records)
        assert [proof.place for proof in found] == list(places)
        return found

    def test_each_record_has_its_own_in_order(self, history, origin):
        (history.root / "noarch" / NAME).write_bytes(b"another")
        one, other = self.proofs(history, origin)
        assert (one.proved, one.finding.code) == (False, Code.BIND_DIGEST)
        assert (other.proved, other.finding, other.reason) == (True, None, "")

    def test_what_is_not_there_is_unknown(self, history, origin):
        (history.root / "noarch" / NAME).unlink()
        one, other = self.proofs(history, origin)
        assert (one.proved, one.finding, one.reason) == (False, None, "its archive is not there")
        assert other.proved

    def test_a_server_that_fails_makes_it_unknown(self, history):
        with channels.served(history.root) as url, Fetcher(attempts=1) as fetcher:
            assert all(proof.proved for proof in self.proofs(history, HttpOrigin(url, fetcher)))
        with Fetcher(attempts=1) as fetcher:
            one, _ = self.proofs(history, HttpOrigin(url, fetcher))
        assert (one.proved, one.finding) == (False, None)
        assert "connection failed" in one.reason

    def test_only_what_is_named_is_read_where_the_rest_is_skipped(self, history, origin):
        one, other = self.proofs(history, origin, skipped=True, only=frozenset({FILE}))
        assert one.proved
        assert other.reason == "its archive was not read"

    def test_progress_is_told(self, history, origin):
        told = []
        self.proofs(history, origin, on_done=told.append)
        assert told == [1, 1]

    def test_without_an_engine_nothing_is_known(self, history, origin):
        assert not any(proof.proved or proof.finding for proof in self.proofs(history, origin, engine=None))
