import json

from condattest.model.audit import CHECKS
from condattest.reports import audit_documents, documents
from tests import audits


def test_a_package_has_the_same_keys_whatever_is_known_of_it():
    keys = {tuple(audit_documents.package(each)) for each in audits.audit(60).results}
    assert keys == {
        ("subdir", "file", "name", "sha256", "status", "signatures", "indexedAt", "rule", "findings"),
    }


def test_findings_have_the_form_that_other_verbs_give_them():
    package = next(each for each in audits.audit(60).results if each.status == "rejected")
    assert audit_documents.package(package)["findings"] == [documents.finding(each) for each in package.findings]


def test_the_header_says_what_was_audited_and_how():
    header = audit_documents.header(audits.audit(20, part=(2, 4), mode="since", limit="2026-01-01"))
    assert (header["schema"], header["target"]) == ("condattest/audit/1", audits.CHANNEL)
    assert (header["part"], header["mode"], header["limit"]) == ([2, 4], "since", "2026-01-01")
    assert header["policy"] == {"source": "policy.toml", "sha256": "ab" * 32}
    assert header["trustRoots"] == ["cd" * 32]
    assert [each["name"] for each in header["checks"]] == list(CHECKS)
    assert header["unexplained"] == {"linux-64": 0, "noarch": 3}
    assert json.loads(json.dumps(header)) == header


def test_a_generation_that_cannot_be_believed_has_no_time_and_no_signer():
    told = [audit_documents.patched(each) for each in audits.audit(0).patches]
    [broken] = [each for each in told if each["at"] is None]
    assert (broken["signer"], broken["source"]) == (None, None)
    assert broken["findings"][0]["code"] == "PATCH-MISSING"
