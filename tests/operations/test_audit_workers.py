"""Sidecars are read, parsed and verified in portions; what goes wrong with one is said of that one."""

import pytest

from condattest.formats import evidence as codec
from condattest.formats import sidecar
from condattest.model.finding import Code
from condattest.operations.audit_workers import Verifier
from condattest.transport.evidence_store import EvidenceStore
from tests.audited_channel import trust
from tests.operations.unverified import Origin, payloads, three_bundles, unverified


@pytest.fixture
def bundles():
    return three_bundles()


def verified(task, store=None, held=1 << 20):
    return Verifier("there", Origin(), {trust().sha256: trust()}, store, held).outcomes(task)


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
