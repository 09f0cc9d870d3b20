"""The JSON document of an audit."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import audit_report
from condattest.model.artifact import Sha256
from condattest.model.audit import STATUSES, Audit, Audited, CheckRun, Patched, Signature
from condattest.model.finding import Code, Finding

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXT = st.text(max_size=30)
TIMES = st.integers(0, 4 * 10**15).map(lambda microseconds: EPOCH + timedelta(microseconds=microseconds))
FINDINGS = st.lists(
    st.builds(Finding, st.sampled_from(list(Code)), TEXT, st.dictionaries(TEXT, TEXT, max_size=2)), max_size=2
).map(tuple)
RESULTS = st.builds(
    Audited,
    subdir=TEXT,
    file=TEXT,
    name=TEXT,
    sha256=st.none() | st.just(Sha256("ab" * 32)),
    status=st.sampled_from(STATUSES),
    signatures=st.lists(st.builds(Signature, TEXT, TEXT, TIMES, st.sampled_from(["tsa", "log"])), max_size=2).map(
        tuple
    ),
    indexed_at=st.none() | TIMES,
    rule=st.none() | TEXT,
    findings=FINDINGS,
)


def made(results=(), **more) -> Audit:
    totals = {status: sum(each.status == status for each in results) for status in STATUSES}
    values = {
        "target": "https://conda.example/x",
        "subdirs": ("noarch",),
        "mode": "full",
        "policy": None,
        "policy_sha256": None,
        "trust_roots": (Sha256("ef" * 32), Sha256("01" * 32)),
        "started": AT,
        "finished": AT + timedelta(hours=1),
        "complete": True,
        "results": list(results),
        "totals": totals,
        "checks": (CheckRun("rejected", True, 3, ""), CheckRun("orphans", False, 0, "no store")),
    }
    return Audit(**(values | more))


def written(audit: Audit, **more) -> bytes:
    out = io.StringIO()
    audit_report.write(audit, out, exit_code=1, **more)
    return out.getvalue().encode()


def same(one: Audit, other: Audit) -> bool:
    names = [name for name in Audit.__slots__ if name != "results"]
    return all(getattr(one, name) == getattr(other, name) for name in names) and list(one.results) == list(
        other.results
    )


@given(st.lists(RESULTS, max_size=3), FINDINGS, TEXT, st.none() | st.tuples(st.just(1), st.integers(1, 9)))
def test_what_was_written_is_read_back(results, findings, text, part):
    patched = Patched(
        subdir=text, generation=2, at=AT, source="log", signer=text, changed=1, removed=0, findings=findings
    )
    audit = made(
        results, findings=findings, policy=text, policy_sha256=Sha256("cd" * 32), part=part, limit=text,
        patches=(patched,), unexplained={"noarch": 3},
    )  # fmt: skip
    data = written(audit)
    assert same(audit_report.parse(data, where="x"), audit)
    assert written(audit_report.parse(memoryview(data), where="x")) == data


def test_it_is_one_json_document_with_the_envelope_of_every_verb():
    result = Audited(subdir="noarch", file="x-1-0.conda", name="x", sha256=None, status="rejected",
                     findings=(Finding.of(Code.CRYPTO, "x", reason="no"),))  # fmt: skip
    document = json.loads(
        written(made([result]), say=lambda finding: {**audit_report.plainly(finding), "message": "m"})
    )
    assert (document["schema"], document["exitCode"]) == ("condattest/audit/1", 1)
    assert document["totals"] == {"packages": 1, "accepted": 0, "rejected": 1, "unattested": 0, "undecided": 0}
    [found] = document["results"][0]["findings"]
    assert found == {"code": "CRYPTO", "severity": "error", "where": "x", "facts": {"reason": "no"}, "message": "m"}


def edited(**more) -> bytes:
    return json.dumps(json.loads(written(made())) | more).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"schema": "condattest/verify/1"}',
        written(made())[:-5],
        edited(schema="condattest/audit/2"),
        edited(more=1),
        edited(results=[{}]),
        edited(totals={"packages": 0}),
        edited(totals={"packages": 1, "accepted": 1, "rejected": 0, "unattested": 0, "undecided": 0}),
        edited(checks=[{"name": "none", "ran": True, "found": 0, "reason": ""}]),
        edited(part=[3, 2]),
        edited(part=[0, 2]),
        edited(findings=[{"code": "NO-CODE", "severity": "error", "where": "", "facts": {}}]),
        edited(started="yesterday"),
        edited(started="2026-01-02T03:04:05"),
        edited(mode="half"),
        edited(trustRoots=[]),
        edited(trustRoots=["AB" * 32]),
        # By a version that did not say: whether it was made under the root of the others, nobody knows.
        json.dumps({key: value for key, value in json.loads(written(made())).items() if key != "trustRoots"}).encode(),
    ],
)
def test_what_is_no_whole_report_is_refused(data):
    """Whoever cuts results out of a part would merge them away."""
    with pytest.raises(Malformed) as caught:
        audit_report.parse(data, where="x")
    assert {"expected", "found"} <= caught.value.finding.facts.keys()


def test_a_broken_result_is_refused_when_it_is_reached():
    totals = {"packages": 1, "accepted": 1, "rejected": 0, "unattested": 0, "undecided": 0}
    audit = audit_report.parse(edited(results=[{"file": 5}], totals=totals), where="x")
    with pytest.raises(Malformed, match=r"results\[0\]"):
        list(audit.results)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    with pytest.raises(Malformed):
        audit_report.parse(data, where="x")
