import dataclasses

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.formats import evidence
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.evidence import Evidence
from condattest.model.finding import Code, Finding
from condattest.sandbox import github
from condattest.signatures.authenticate import authenticate
from tests.rehearsal import REPOSITORY, payload_for, sandbox, trust

ARTIFACT = Artifact(PackageFile.parse("numbers-1.0-0.conda"), Sha256("a" * 64))


@pytest.fixture(scope="module")
def real():
    return authenticate(sandbox().sign_statement(payload_for(ARTIFACT), github(REPOSITORY)), trust())


def test_what_is_read_is_what_was_written(real):
    noted = dataclasses.replace(real, notes=(Finding.of(Code.TIME_DROPPED, "timestamp 1", reason="why"),))
    for value in (real, noted):
        read = evidence.parse(evidence.dump(value))
        assert read == value
        assert type(read.bundle_sha256) is Sha256
        assert read.earliest.at.tzinfo is not None
        assert all(note.code is Code.TIME_DROPPED for note in read.notes)


@given(st.binary(max_size=200))
def test_other_bytes_are_no_evidence(data):
    with pytest.raises(ValueError, match=r"."):
        evidence.parse(data)


def test_a_digest_that_is_none_is_no_evidence(real):
    fields = msgspec.msgpack.decode(evidence.dump(real))
    with pytest.raises(ValueError, match="64 lowercase"):
        evidence.parse(msgspec.msgpack.encode({**fields, "bundle_sha256": "AB"}))
    assert isinstance(evidence.parse(msgspec.msgpack.encode(fields)), Evidence)
