from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from condattest.model.audit import Audited, Signature
from condattest.model.finding import Code, Finding, Severity
from condattest.reports import audit_figures
from condattest.reports.audit_figures import Found, figures, rank, uploaded, worst_findings, worst_packages
from tests import audits

EVERY = frozenset(Severity)


def a_package(**changes):
    values = {"subdir": "noarch", "file": "a-1-0.conda", "name": "a", "sha256": None, "status": "accepted"}
    return Audited(**{**values, **changes})


def of(*packages):
    class Held(tuple):
        __slots__ = ()

    return audits.audit(0, results=Held(packages), subdirs=("noarch",), findings=(), generations=0)


def test_what_is_counted_adds_up():
    audit = audits.audit(500)
    counted = figures(audit)
    assert sum(counts.total() for counts in counted.by_subdir.values()) == 500
    in_weeks = sum(counts.total() for counts in counted.weeks.values())
    assert in_weeks + counted.undated.total() == 500
    findings = Counter(each.code for package in audit.results for each in package.findings)
    findings.update(each.code for each in audit.findings)
    findings.update(each.code for patch in audit.patches for each in patch.findings)
    assert counted.by_code == findings
    statuses = Counter()
    for counts in counted.by_subdir.values():
        statuses.update(counts)
    assert statuses == audit.totals


def test_a_subdir_without_packages_is_there():
    counted = figures(audits.audit(0))
    assert set(counted.by_subdir) == set(audits.SUBDIRS)


def test_weeks_begin_on_monday():
    sunday = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    counted = figures(of(a_package(indexed_at=sunday), a_package(indexed_at=sunday + timedelta(minutes=2))))
    assert list(counted.weeks) == [date(2026, 2, 23), date(2026, 3, 2)]


@pytest.mark.parametrize("at", [datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)])
def test_a_time_that_cannot_be_stretches_no_chart(at):
    """A server sets indexed_timestamp to the year 9999."""
    counted = figures(of(a_package(indexed_at=at)))
    assert (counted.weeks, counted.undated["accepted"]) == ({}, 1)


def test_without_a_time_of_the_server_the_earliest_signature_counts():
    late, early = datetime(2026, 2, 2, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    signatures = (Signature("x", "y", late, "log"), Signature("x", "y", early, "tsa"))
    assert uploaded(a_package(signatures=signatures)) == early.date()
    assert uploaded(a_package(signatures=signatures, indexed_at=late)) == late.date()
    assert uploaded(a_package()) is None


def test_a_signer_counts_once_for_a_package():
    at = datetime(2026, 1, 2, tzinfo=UTC)
    twice = (Signature("x", "y", at, "log"), Signature("x", "y", at + timedelta(days=1), "tsa"))
    [signer] = figures(of(a_package(signatures=twice))).top_signers(5)
    assert (signer.packages, signer.first, signer.last) == (1, at, at + timedelta(days=1))


def test_the_same_identity_of_two_issuers_is_two_signers():
    at = datetime(2026, 1, 2, tzinfo=UTC)
    both = (Signature("x", "y", at, "log"), Signature("x", "z", at, "log"))
    assert len(figures(of(a_package(signatures=both))).signers) == 2


def test_signers_beyond_the_bound_are_counted_together():
    at = datetime(2026, 1, 2, tzinfo=UTC)
    many = tuple(Signature(f"signer {n}", "y", at, "log") for n in range(audit_figures.SIGNERS + 3))
    counted = figures(of(a_package(signatures=many)))
    assert (len(counted.signers), counted.other_signers) == (audit_figures.SIGNERS, 3)


def test_long_identities_that_differ_at_their_end_stay_apart():
    at = datetime(2026, 1, 2, tzinfo=UTC)
    both = (Signature("x" * 9_000 + "a", "y", at, "log"), Signature("x" * 9_000 + "b", "y", at, "log"))
    counted = figures(of(a_package(signatures=both)))
    assert len(counted.signers) == 2
    assert all(len(key) < 400 and len(each.identity) < 400 for key, each in counted.signers.items())


def test_the_worst_findings_come_first_and_what_everything_has_comes_last():
    counted, worst = worst_findings(audits.audit(2_000), 10_000, EVERY)
    ranks = [rank(each.finding.code) for each in worst]
    assert ranks == sorted(ranks)
    warnings = [each.finding.code for each in worst if each.finding.code.severity is Severity.WARNING]
    first = warnings.index(Code.AUDIT_UNATTESTED)
    assert set(warnings[first:]) == {Code.AUDIT_UNATTESTED}
    assert len(worst) == counted.by_code.total()


def test_notes_are_not_among_what_is_told_unless_asked_for():
    _, worst = worst_findings(audits.audit(2_000), 10_000)
    assert {each.finding.code.severity for each in worst} == EVERY - {Severity.NOTE}


def test_a_limit_cuts_and_the_figures_still_count_everything():
    counted, worst = worst_findings(audits.audit(2_000), 7)
    assert len(worst) == 7
    assert counted.by_code.total() > 700


def test_the_worst_packages_are_ordered_by_status_and_conspicuous_ones_come_before_the_rest():
    odd = a_package(file="odd", findings=(Finding.of(Code.AUDIT_SIGNER_CHANGED),))
    noted = a_package(file="noted", findings=(Finding.of(Code.POLICY_BASELINE),))
    unattested = a_package(file="none", status="unattested", findings=(Finding.of(Code.AUDIT_UNATTESTED),))
    lost = replace(unattested, file="lost", findings=(Finding.of(Code.AUDIT_DOWNGRADE),))
    undecided, rejected = a_package(file="undecided", status="undecided"), a_package(file="no", status="rejected")
    _, worst = worst_packages(of(noted, odd, unattested, lost, undecided, rejected), 10)
    assert [each.file for each in worst] == ["no", "undecided", "odd", "lost", "none", "noted"]


def test_changes_of_signers_are_kept_up_to_a_bound():
    odd = a_package(findings=(Finding.of(Code.AUDIT_SIGNER_CHANGED),))
    counted = figures(of(*[odd] * (audit_figures.CHANGES + 5)))
    assert len(counted.changes) == audit_figures.CHANGES
    assert counted.by_code[Code.AUDIT_SIGNER_CHANGED] == audit_figures.CHANGES + 5


def test_a_finding_has_a_place_as_far_as_it_is_known():
    finding = Finding.of(Code.CRYPTO)
    assert Found(finding, "noarch", "a.conda").place == "noarch/a.conda"
    assert Found(finding, "noarch").place == "noarch"
    assert Found(finding).place == ""
