"""JSON documents are stable, whole, and safe to show."""

import json

from condattest.errors import NoIdentity
from condattest.model.finding import Code, Finding
from condattest.model.verdict import Accepted, Rejected, Undecided
from condattest.reports import documents
from condattest.sandbox import github
from condattest.signatures.authenticate import authenticate
from tests.rehearsal import NOW, REPOSITORY, sandbox, trust

EVIDENCE = authenticate(sandbox().sign_statement(b"{}", github(REPOSITORY)), trust())
FINDING = Finding.of(Code.BIND_NAME, "a\x1b[2K", expected="x", found="\u202ey")


def test_a_document_has_schema_version_and_exit_code():
    made = documents.document("verify", 1, results=[])
    assert (made["schema"], made["exitCode"], made["results"]) == ("condattest/verify/1", 1, [])


def test_times_are_rfc_3339_in_utc():
    assert documents.time(NOW) == "2026-06-01T12:00:00Z"


def test_evidence_is_told_whole():
    told = documents.evidence(EVIDENCE)
    assert told["signer"]["claims"]["source_repository_uri"] == f"https://github.com/{REPOSITORY}"
    assert told["times"] == [{"at": "2026-06-01T12:00:00Z", "source": "log", "authority": EVIDENCE.times[0].authority}]
    json.dumps(told)


def test_every_verdict_has_the_same_keys():
    verdicts = (Accepted("r", (EVIDENCE,)), Rejected((FINDING,)), Undecided((FINDING,), (EVIDENCE,)))
    told = [documents.verdict(verdict) for verdict in verdicts]
    assert [each["verdict"] for each in told] == ["accepted", "rejected", "undecided"]
    assert len({tuple(each) for each in told}) == 1


def test_foreign_text_is_escaped():
    text = json.dumps(documents.finding(FINDING), ensure_ascii=False)
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_an_error_carries_its_hint():
    told = documents.error(NoIdentity("none", hint="add it"))
    assert told == {"kind": "NoIdentity", "message": "none", "hint": "add it"}
