"""Exit codes are a promise: 0 only when everything was accepted."""

import itertools

from condattest.cli import exits
from condattest.cli.exits import Exit
from condattest.errors import LocalFailure, Malformed, Misuse, NoIdentity, NotAuthenticated, PolicyInvalid, Unavailable
from condattest.model.finding import Code, Finding, Severity
from condattest.model.verdict import Accepted, Rejected, Undecided

FINDING = Finding.of(Code.CRYPTO)
ACCEPTED, REJECTED, UNDECIDED = Accepted("rule", ()), Rejected((FINDING,)), Undecided((FINDING,))


def test_a_rejection_outweighs_a_missing_fact_and_both_outweigh_success():
    for verdicts in itertools.product([ACCEPTED, REJECTED, UNDECIDED], repeat=3):
        expected = Exit.REJECTED if REJECTED in verdicts else Exit.UNDECIDED if UNDECIDED in verdicts else Exit.ACCEPTED
        assert exits.of_verdicts(verdicts) is expected


def test_no_verdict_at_all_is_never_success():
    assert exits.of_verdicts([]) is Exit.USAGE


def test_findings_reject_unless_all_of_them_are_missing_facts():
    severe = {Severity.ERROR, Severity.WARNING, Severity.NOTE}
    for codes in itertools.product(Code, repeat=2):
        findings = [Finding.of(code) for code in codes]
        expected = Exit.REJECTED if {code.severity for code in codes} & severe else Exit.UNDECIDED
        assert exits.of_findings(findings) is expected


def test_no_finding_is_success_and_one_unknown_is_not():
    assert exits.of_findings([]) is Exit.ACCEPTED
    assert exits.of_findings([Finding.of(Code.NET_NOT_FOUND)]) is Exit.UNDECIDED


def test_errors_have_their_codes():
    assert exits.of_error(Misuse("x")) == exits.of_error(PolicyInvalid("x", ["y"])) == 2
    assert exits.of_error(Malformed(FINDING)) == exits.of_error(NotAuthenticated(FINDING)) == 1
    assert exits.of_error(Unavailable("https://x", "y")) == exits.of_error(LocalFailure("x")) == 3
    assert exits.of_error(NoIdentity("x")) == 4
