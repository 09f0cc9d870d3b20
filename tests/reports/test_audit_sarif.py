import io
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, FormatChecker

from condattest.model.finding import Code, Finding, Severity
from condattest.reports import audit_sarif
from tests import audits
from tests.sarif_schema import sarif_schema

VALIDATOR = Draft7Validator(sarif_schema(), format_checker=FormatChecker())


def sarif(audit):
    out = io.StringIO()
    audit_sarif.write(audit, out)
    return json.loads(out.getvalue())


def results(audit):
    return sarif(audit)["runs"][0]["results"]


class Held(tuple):
    __slots__ = ()


@pytest.mark.parametrize("audit", [audits.audit(0), audits.audit(300), audits.audit(120, texts=audits.HOSTILE)])
def test_it_is_what_the_schema_of_oasis_demands(audit):
    VALIDATOR.validate(sarif(audit))


@settings(max_examples=20)
@given(st.lists(st.text(), min_size=1, max_size=3))
def test_it_is_valid_whatever_a_name_holds(texts):
    VALIDATOR.validate(sarif(audits.audit(21, texts=tuple(texts), generations=1)))


def test_rules_are_the_codes_that_were_found_with_their_explanation():
    run = sarif(audits.audit(300))["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert {each["ruleId"] for each in run["results"]} == {rule["id"] for rule in rules}
    assert all(rules[each["ruleIndex"]]["id"] == each["ruleId"] for each in run["results"])
    assert all(rule["helpUri"].endswith(f"#{Code(rule['id']).anchor}") for rule in rules)


def test_levels_are_those_of_the_severities():
    levels = {Severity.ERROR: "error", Severity.UNKNOWN: "warning", Severity.WARNING: "warning", Severity.NOTE: "note"}
    for result in results(audits.audit(1_200)):
        assert result["level"] == levels[Code(result["ruleId"]).severity]


def prints(audit):
    return sorted(each["partialFingerprints"]["condattest/v1"] for each in results(audit))


def test_fingerprints_stay_whatever_the_order_the_day_and_the_facts():
    """An alert that was dismissed comes back at every audit."""
    audit = audits.audit(300)
    day = timedelta(days=1)
    later = [
        replace(each, findings=tuple(Finding.of(f.code, f.where, found="else") for f in each.findings))
        for each in audit.results
    ]
    again = replace(audit, results=Held(reversed(later)), started=audit.started + day, finished=audit.finished + day)
    assert prints(again) == prints(audit)


def test_fingerprints_differ_for_other_bytes_of_the_same_name():
    package = next(each for each in audits.audit(60).results if each.status == "rejected")
    one = audits.audit(0, results=Held([package]), findings=(), generations=0)
    other = replace(one, results=Held([replace(package, sha256="0" * 64)]))
    assert prints(one) != prints(other)


def test_findings_of_one_code_in_one_package_are_one_result():
    package = next(each for each in audits.audit(60).results if each.status == "rejected")
    twice = replace(package, findings=package.findings * 2)
    [result] = results(audits.audit(0, results=Held([twice]), findings=(), generations=0))
    assert result["occurrenceCount"] == 2


def test_a_place_is_a_relative_reference_even_where_it_looks_like_a_url():
    """A finding's place is `https://...` or `//host/path`: neither may lead a viewer elsewhere."""
    places = ("https://evil.example/x", "//evil.example/x", "/etc/passwd", "javascript:alert(1)")
    found = tuple(Finding.of(Code.INDEX_ORPHAN, place) for place in places)
    for result in results(audits.audit(0, findings=found, generations=0)):
        [location] = result["locations"]
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        assert ":" not in uri
        assert not uri.startswith("/")


def test_more_findings_than_a_report_has_are_counted():
    package = next(each for each in audits.audit(60).results if each.status == "unattested")
    many = Held(replace(package, file=f"{number}.conda") for number in range(audit_sarif.RESULTS + 5))
    rejected = next(each for each in audits.audit(60).results if each.status == "rejected")
    log = sarif(audits.audit(0, results=Held([*many, rejected]), findings=(), generations=0))
    run = log["runs"][0]
    assert len(run["results"]) == audit_sarif.RESULTS
    assert run["results"][0]["ruleId"] == rejected.findings[0].code
    told = [each["message"]["text"] for each in run["invocations"][0]["toolExecutionNotifications"]]
    left = len(package.findings) * len(many) + 1 - audit_sarif.RESULTS
    assert any(text.startswith(f"{left:,} findings left out") for text in told)


def test_an_interrupted_audit_did_not_succeed_and_checks_that_did_not_run_are_told():
    [invocation] = sarif(audits.audit(20, complete=False))["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    told = [each["message"]["text"] for each in invocation["toolExecutionNotifications"]]
    assert any("interrupted" in text for text in told)
    assert any(text.startswith("The check orphans did not run: over HTTP") for text in told)
