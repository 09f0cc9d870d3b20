"""What was served in a newer state is not taken in an older one; what was never attested cannot have lost that."""

import pytest

from condattest.formats import bundle
from condattest.formats.repodata import Record
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.finding import Code, Finding
from condattest.model.verdict import Accepted, Rejected, Undecided
from condattest.operations.attestations import Collected, digest_of
from condattest.operations.rollback import held_against
from condattest.sandbox import github
from condattest.signatures.authenticate import authenticate_parsed
from condattest.transport.file_memory import FileMemory
from condattest.transport.memory import NoMemory
from tests.rehearsal import CHANNEL, NOW, REPOSITORY, payload_for, sandbox, trust

FILE = PackageFile.parse("numbers-1.0-0.conda")
ARTIFACT = Artifact(FILE, Sha256("a" * 64), "noarch")
SIDECAR = Sha256("b" * 64)


@pytest.fixture(scope="module")
def one():
    return bundle.parse(sandbox().sign_statement(payload_for(ARTIFACT), github(REPOSITORY)))


@pytest.fixture
def memory(tmp_path):
    return FileMemory(tmp_path)


def held(memory, verdict, *bundles):
    record = Record(FILE, ARTIFACT.sha256, SIDECAR if bundles else None, None)
    return held_against(memory, verdict, CHANNEL, ARTIFACT, record, Collected(bundles), now=NOW)


def test_what_was_accepted_and_is_gone_is_a_rollback(memory, one):
    accepted = Accepted("rule", (authenticate_parsed(one, trust()),))
    assert held(memory, accepted, one) is accepted
    missing = Rejected((Finding.of(Code.MISSING_ATTESTATION),))
    verdict = held(memory, missing)
    assert isinstance(verdict, Rejected)
    assert [finding.code for finding in verdict.findings] == [Code.MISSING_ATTESTATION, Code.ROLLBACK_UNATTESTED]
    assert held(NoMemory(), missing) == missing


def test_an_accepted_package_in_an_older_state_is_rejected(memory, one):
    accepted = Accepted("rule", (authenticate_parsed(one, trust()),))
    held(memory, accepted, one)
    other = bundle.parse(sandbox().sign_statement(payload_for(ARTIFACT), github(REPOSITORY)))
    assert digest_of(other) != digest_of(one)
    verdict = held(memory, Accepted("rule", (authenticate_parsed(other, trust()),)), other)
    assert isinstance(verdict, Rejected)
    assert [finding.code for finding in verdict.findings] == [Code.ROLLBACK]
    assert verdict.seen


def test_a_baseline_is_neither_judged_nor_remembered(memory):
    accepted = Accepted("rule", ())
    assert held(memory, accepted) is accepted
    assert memory.attested(CHANNEL, "numbers") is None


def test_what_is_undecided_stays_so(memory, one):
    undecided = Undecided((Finding.of(Code.NET_OFFLINE),))
    assert held(memory, undecided, one) is undecided
