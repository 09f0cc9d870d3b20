"""What sidecars prove, fetched and verified for many packages."""

import hashlib

import pytest

from condattest.errors import LocalFailure, Unavailable
from condattest.formats import sidecar
from condattest.model.artifact import Sha256
from condattest.model.finding import Code
from condattest.operations.audit_evidence import Proofs, Wanted
from condattest.sandbox import github
from condattest.transport.evidence_store import EvidenceStore
from tests.audited_channel import attacker, sandbox, trust


class Origin:
    """Sidecars by path."""

    name = "there"

    def __init__(self, **files):
        self.files = files
        self.read_paths = []

    def read(self, path, limit):
        self.read_paths.append(path)
        found = self.files[path]
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture(scope="module")
def bundles():
    return [sandbox().sign_statement(b'{"n": %d}' % number, github("me/x")) for number in range(3)]


def wanted(path, data) -> Wanted:
    return Wanted(path, Sha256(hashlib.sha256(data).hexdigest()), (trust().sha256,))


def proofs(origin, store=None, jobs=1):
    return Proofs(origin, [trust()], store, jobs=jobs)


def test_evidence_comes_in_the_order_of_what_is_wanted(bundles):
    files = {f"x{number}": sidecar.dump([each]) for number, each in enumerate(bundles)}
    given = [wanted(path, data) for path, data in files.items()]
    with proofs(Origin(**files)) as running:
        found = list(running.had(running.begin(given)))
        assert list(running.had(running.begin([]))) == []
    payloads = [each.evidence[0].payload for each in found]
    assert payloads == [b'{"n": 0}', b'{"n": 1}', b'{"n": 2}']


def test_what_goes_wrong_with_one_is_said_of_that_one(bundles):
    good, strange = sidecar.dump(bundles[:1]), sidecar.dump([attacker().sign_statement(b"{}", github("me/x"))])
    mixed = sidecar.dump([bundles[1], attacker().sign_statement(b"{}", github("me/x"))])
    files = {
        "good": good,
        "outage": Unavailable("there", "no route"),
        "disk": LocalFailure("broken"),
        "other": good + b" ",
        "strange": strange,
        "mixed": mixed,
    }
    asked = [wanted(path, {"outage": b"", "disk": b"", "other": good}.get(path, data)) for path, data in files.items()]
    with proofs(Origin(**files)) as running:
        found = dict(zip(files, running.had(running.begin(asked)), strict=True))
    assert [each.problem and each.problem.code for each in found.values()] == [
        None, Code.NET_UNAVAILABLE, Code.NET_FILE, Code.SIDECAR_DIGEST, None, None,
    ]  # fmt: skip
    assert [len(each.evidence) for each in found.values()] == [1, 0, 0, 0, 0, 1]
    assert [failure.code for failure in found["strange"].failures] == [Code.CRYPTO]
    assert [failure.code for failure in found["mixed"].failures] == [Code.CRYPTO]


def test_what_a_store_knows_is_not_fetched_and_what_failed_is(tmp_path, bundles):
    good = sidecar.dump(bundles)
    mixed = sidecar.dump([bundles[0], attacker().sign_statement(b"{}", github("me/x"))])
    files = {"good": good, "mixed": mixed}
    asked = [wanted(path, data) for path, data in files.items()]
    with EvidenceStore(tmp_path / "store") as store:
        with proofs(Origin(**files), store) as running:
            first = list(running.had(running.begin(asked)))
        origin = Origin(**files)
        with proofs(origin, store) as running:
            begun = running.begin(asked)
            assert not begun.is_known
            assert list(running.had(begun)) == first
            assert running.begin(asked[:1]).is_known
    assert origin.read_paths == ["mixed"]


def test_a_cancelled_run_begins_nothing_more(bundles):
    origin = Origin(x=sidecar.dump(bundles[:1]))
    with proofs(origin) as running:
        running.cancel()
        running.begin([wanted("x", origin.files["x"])])
    assert origin.read_paths == []
