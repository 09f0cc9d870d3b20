import dataclasses

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.formats import evidence
from condattest.model import signer
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.model.evidence import Evidence
from condattest.model.finding import Code, Finding
from condattest.model.signer import Claims
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


def test_facts_are_a_package_s_own_and_a_digest_of_the_rest(real):
    facts = evidence.parse_facts(evidence.dump_facts(real))
    assert (facts.name, facts.sha256) == (str(ARTIFACT.file), ARTIFACT.sha256)
    assert (facts.bundle.hex(), facts.root.hex()) == (real.bundle_sha256, real.trust_root_sha256)
    assert (facts.at, facts.source) == (real.earliest.at, "log")
    claims = real.signer.claims
    again = dataclasses.replace(
        real,
        signer=dataclasses.replace(real.signer, claims=dataclasses.replace(claims, run_invocation_uri="another")),
    )
    assert evidence.parse_facts(evidence.dump_facts(again)).common == facts.common


@pytest.mark.parametrize(
    "field", [field.name for field in dataclasses.fields(Claims) if field.name not in signer._OF_A_RUN]
)
def test_another_claim_is_another_signer(real, field):
    claims = dataclasses.replace(real.signer.claims, **{field: "another"})
    other = dataclasses.replace(real, signer=dataclasses.replace(real.signer, claims=claims))
    assert evidence.parse_facts(evidence.dump_facts(other)).common != common(real)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"deployment_environment": None}, {"deployment_environment": "None"}),
        (
            {"source_repository_owner_id": "1", "build_trigger": None},
            {"source_repository_owner_id": None, "build_trigger": "1"},
        ),
        (
            {"deployment_environment": "a", "token_subject": "bc"},
            {"deployment_environment": "ab", "token_subject": "c"},
        ),
        (
            {"deployment_environment": "a', 'b", "token_subject": "c"},
            {"deployment_environment": "a", "token_subject": "b', 'c"},
        ),
    ],
)
def test_claims_do_not_flow_into_one_another(real, one, other):
    """Whoever may choose some of the claims must not make those of somebody else with them."""
    made = [
        dataclasses.replace(real.signer, claims=dataclasses.replace(real.signer.claims, **each))
        for each in (one, other)
    ]
    first, second = (common(dataclasses.replace(real, signer=each)) for each in made)
    assert first != second


def common(value):
    return evidence.parse_facts(evidence.dump_facts(value)).common


def test_another_identity_or_channel_is_another_question(real):
    other = authenticate(
        sandbox().sign_statement(payload_for(ARTIFACT, Channel("https://conda.example/x")), github(REPOSITORY)), trust()
    )
    questions = {common(real), common(other)}
    for change in ({"san": "x"}, {"san_kind": "email"}, {"issuer": "https://x.example"}):
        questions.add(common(dataclasses.replace(real, signer=dataclasses.replace(real.signer, **change))))
    assert len(questions) == 5


def test_what_is_no_plain_publish_attestation_has_no_facts(real):
    assert evidence.dump_facts(dataclasses.replace(real, payload=real.payload + b" ")) is None
    assert evidence.dump_facts(dataclasses.replace(real, payload_type="text/plain")) is None


@given(st.binary(max_size=200))
def test_other_bytes_are_no_facts(data):
    with pytest.raises(ValueError, match=r"."):
        evidence.parse_facts(data)


def test_what_has_a_note_has_no_facts(real):
    """The note is to be told of the package, each time."""
    noted = dataclasses.replace(real, notes=(Finding.of(Code.TIME_DROPPED, "timestamp 1", reason="why"),))
    assert evidence.dump_facts(noted) is None
