from dataclasses import replace

from condattest.model.finding import Code, Finding
from condattest.reports import audit_page
from condattest.reports.audit_page import ROWS, page
from tests import audits


class Held(tuple):
    __slots__ = ()


def one(**changes):
    package = replace(next(iter(audits.audit(1).results)), **changes)
    return page(audits.audit(0, results=Held([package])))["data"]["rows"][0]


def test_the_data_is_bounded_and_says_how_much_there_is():
    made = page(audits.audit(ROWS + 10))
    assert (len(made["data"]["rows"]), made["held"], made["whole"]) == (ROWS, ROWS, ROWS + 10)
    assert len(made["rows"]) == audit_page.STATIC


def test_the_worst_findings_of_a_package_come_first_and_the_rest_is_counted():
    findings = (Finding.of(Code.POLICY_BASELINE), Finding.of(Code.CRYPTO), *[Finding.of(Code.AUDIT_LATE)] * 20)
    row = one(findings=findings)
    assert row["findings"][0][0] == "CRYPTO"
    assert len(row["findings"]) + row["moreFindings"] == 22


def test_signers_are_named_once_and_the_time_is_the_earliest():
    [signature] = next(iter(audits.audit(1).results)).signatures
    later = replace(signature, at=signature.at.replace(year=2027), source="log")
    row = one(signatures=(later, signature))
    assert (row["signers"], row["moreSigners"], row["source"]) == ([signature.identity], 0, signature.source)


def test_texts_are_cut_so_that_no_name_makes_the_page_large():
    row = one(file="x" * 10_000, subdir="y" * 10_000, rule="z" * 10_000)
    assert all(len(value) < 400 for value in row.values() if isinstance(value, str))


def test_only_the_newest_generations_of_a_subdir_are_shown_and_the_rest_is_counted():
    made = page(audits.audit(0, generations=audit_page.GENERATIONS + 3))
    assert len(made["generations"]) == 2 * audit_page.GENERATIONS
    assert made["more_generations"] == 6


def test_a_change_of_signer_names_both():
    changed = Finding.of(Code.AUDIT_SIGNER_CHANGED, "x", expected="old", found="new", version="1.0")
    package = replace(next(iter(audits.audit(1).results)), findings=(changed,))
    [told] = page(audits.audit(0, results=Held([package])))["changes"]
    assert told["facts"] == [("before", "old"), ("now", "new"), ("version", "1.0")]


def test_every_code_in_the_data_is_explained_there():
    data = page(audits.audit(1_500))["data"]
    assert {code for row in data["rows"] for code, _ in row["findings"]} <= set(data["codes"])
