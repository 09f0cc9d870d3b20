"""Sidecars are verified here until other processes are there, and then there, with the same outcomes."""

import hashlib
import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from condattest.errors import Unavailable
from condattest.formats import evidence as codec
from condattest.formats import sidecar
from condattest.model.finding import Code
from condattest.operations.audit_processes import Unverified, Verifying
from condattest.sandbox import github
from condattest.transport.directory import Directory
from condattest.transport.evidence_store import EvidenceStore
from condattest.transport.origin import StoreOrigin
from tests.audited_channel import attacker, sandbox, trust

NAME = "there"


class Origin:
    """A channel that is no folder."""

    name = NAME

    def read(self, path, limit):
        raise Unavailable(path, "no route")


@pytest.fixture(scope="module")
def bundles():
    return [sandbox().sign_statement(b'{"n": %d}' % number, github("me/x")) for number in range(3)]


def unverified(path, data, *, given=True):
    return Unverified(path, hashlib.sha256(data).hexdigest(), (trust().sha256,), data if given else None)


def payloads(outcomes):
    return [[codec.parse(each).payload for each in outcome.evidence] for outcome in outcomes]


def verified(task, store=None, **how):
    verifying = Verifying(Origin(), [trust()], store, jobs=1, **how)
    try:
        return verifying.submit(task).result(timeout=60)
    finally:
        verifying.close()


def test_other_processes_go_on_where_this_one_began(tmp_path, bundles):
    """A killed process is told, and nothing passes because of it."""
    good = sidecar.dump(bundles[:2])
    (tmp_path / "noarch").mkdir()
    (tmp_path / "noarch" / "x.sigs").write_bytes(good)
    strange = sidecar.dump([attacker().sign_statement(b"{}", github("me/x"))])
    task = [
        unverified("noarch/x.sigs", good, given=False),
        unverified("noarch/no.sigs", good, given=False),
        unverified("noarch/strange.sigs", strange),
    ]
    verifying = Verifying(StoreOrigin(Directory(tmp_path)), [trust()], None, jobs=2, worth=2)
    try:
        assert verifying.reads
        begun = [verifying.submit(task) for _ in range(20)]
        outcomes = begun[0].result(timeout=60)
        assert payloads(outcomes) == [[b'{"n": 0}', b'{"n": 1}'], [], []]
        assert outcomes[1].problem.code is Code.NET_NOT_FOUND
        assert [each.code for each in outcomes[2].failures] == [Code.CRYPTO]
        assert all(each.result(timeout=60) == outcomes for each in begun)
        deadline = time.monotonic() + 60
        while verifying._started is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert verifying.submit(task).result(timeout=60) == outcomes
        for process in list(verifying._started._processes.values()):
            process.kill()
        with pytest.raises(BrokenProcessPool):
            [verifying.submit(task).result(timeout=60) for _ in range(100)]
    finally:
        verifying.close()


def test_what_is_large_is_verified_in_portions(bundles):
    """A channel of sidecars as large as they may be must not fill the memory."""
    task = [unverified(f"x{number}", sidecar.dump([each])) for number, each in enumerate(bundles)]
    assert payloads(verified(task, held=1)) == [[b'{"n": 0}'], [b'{"n": 1}'], [b'{"n": 2}']]


def test_a_bundle_that_is_known_is_not_verified_again(tmp_path, bundles):
    """Of a sidecar that has grown, only what is new."""
    with EvidenceStore(tmp_path / "store") as store:
        [first] = verified([unverified("x", sidecar.dump(bundles[:1]))])
        known = codec.parse(first.evidence[0])
        store.put(known, codec.dump(known).replace(b'{"n": 0}', b'{"k": 0}'))  # To tell it from a fresh one.
        store.save()
        found = verified([unverified("x", sidecar.dump(bundles[:2]))], store=store)
    assert payloads(found) == [[b'{"k": 0}', b'{"n": 1}']]


def test_what_could_not_be_had_is_told_and_all_else_is_verified(bundles):
    task = [unverified("x", b"", given=False), unverified("y", sidecar.dump(bundles[:1]))]
    problem, good = verified(task)
    assert problem.problem.code is Code.NET_UNAVAILABLE
    assert payloads([good]) == [[b'{"n": 0}']]


def test_what_waits_at_the_end_is_not_begun(bundles):
    verifying = Verifying(Origin(), [trust()], None, jobs=1)
    begun = [verifying.submit([unverified("x", sidecar.dump(bundles))]) for _ in range(50)]
    verifying.close()
    assert not all(each.done() for each in begun)
