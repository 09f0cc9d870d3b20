"""Tables for people: every target is in them, and the totals add up."""

import io

from rich.console import Console

from condattest.model.artifact import PackageFile
from condattest.model.finding import Code, Finding
from condattest.model.verdict import Accepted, Rejected, Undecided
from condattest.operations.question import Verification
from condattest.reports import terminal
from condattest.sandbox import github
from condattest.signatures.authenticate import authenticate
from tests.rehearsal import REPOSITORY, sandbox, trust

EVIDENCE = authenticate(sandbox().sign_statement(b"{}", github(REPOSITORY)), trust())
FINDING = Finding.of(Code.BIND_DIGEST, expected="a", found="b")


def shown(*verdicts, width=200, verbose=False):
    out = io.StringIO()
    answers = [
        Verification(
            target=f"x{number}-1-0.conda",
            file=PackageFile.parse(f"x{number}-1-0.conda"),
            sha256=None,
            channel=None,
            attestations=(),
            judged=None,
            verdict=verdict,
        )
        for number, verdict in enumerate(verdicts)
    ]
    terminal.verifications(Console(file=out, width=width), answers, verbose=verbose)
    return out.getvalue()


def test_a_rejection_shows_expected_found_and_what_to_do():
    text = shown(Rejected((FINDING,)))
    assert "BIND-DIGEST" in text
    assert "expected a, found b" in text
    assert "next: download the package again" in text


def test_one_target_shows_all_that_was_proved():
    text = shown(Accepted("my rule", (EVIDENCE,)))
    assert "my rule" in text
    assert "source repository uri" in text
    assert "2026-06-01T12:00:00Z (log" in text


def test_totals_add_up():
    text = shown(Accepted("r", ()), Rejected((FINDING,)), Undecided((FINDING,)), Rejected((FINDING,)))
    assert "4 targets: 1 accepted, 2 rejected, 1 undecided" in text
    assert all(f"x{number}-1-0.conda" in text for number in range(4))


def test_a_narrow_terminal_loses_nothing():
    assert "IDENTITY" in shown(Rejected((Finding.of(Code.IDENTITY_MISMATCH),)), width=40)


def test_markup_in_foreign_text_is_text():
    text = shown(Rejected((Finding.of(Code.BIND_NAME, found="[red]accepted[/red]"),)))
    assert "[red]accepted[/red]" in text


def test_notes_of_many_targets_are_told_once_and_warnings_each_time():
    note, warning = Finding.of(Code.SUBDIR_UNCHECKED, "one"), Finding.of(Code.POLICY_REPORT_ONLY, "two")
    verdicts = [Accepted("r", (), (note,)), Accepted("r", (), (note, warning))]
    text = shown(*verdicts)
    assert text.count("SUBDIR-UNCHECKED") == 1
    assert "(2 of 2; -v says which)" in text
    assert text.count("POLICY-REPORT-ONLY") == 1
    assert shown(*verdicts, verbose=True).count("SUBDIR-UNCHECKED") == 2
    assert "-v says which" not in shown(verdicts[0])
