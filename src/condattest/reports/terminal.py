"""Results for people, as tables and short blocks of text.

Owns one function per result. Everything foreign goes through `plain`; no markup is ever read from it.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from condattest.errors import CondattestError
from condattest.model.evidence import Evidence
from condattest.model.finding import Code, Finding, Severity
from condattest.model.verdict import Accepted, Rejected, Undecided, Verdict
from condattest.reports import documents
from condattest.reports.plain import plain
from condattest.reports.sentences import advice, sentence

if TYPE_CHECKING:
    from condattest.operations.attest import Attested
    from condattest.operations.question import Verification

_STYLES = {"accepted": "bold green", "rejected": "bold red", "undecided": "bold yellow"}


def verifications(console: Console, answers: "Sequence[Verification]", *, verbose: bool = False) -> None:
    """Print a table of verdicts, then what is to be said of each, then totals that add up."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("verdict", "package", "signer", "signed", "rule"):
        table.add_column(heading, overflow="fold")
    for answer in answers:
        name, rule, seen, _ = _parts(answer.verdict)
        first = seen[0] if seen else None
        table.add_row(
            Text(name, _STYLES[name]),
            Text(plain(answer.target)),
            Text(plain(first.signer) if first else "-"),
            Text(_when(first) if first else "-"),
            Text(plain(rule or (answer.rule.name if answer.rule else "-"))),
        )
    console.print(table)
    told_together: Counter[Code] = Counter()
    for answer in answers:
        _, _, seen, findings = _parts(answer.verdict)
        if len(answers) > 1 and not verbose:
            # Of a thousand packages each has the same notes.
            told_together.update(each.code for each in findings if each.code.severity is Severity.NOTE)
            findings = [each for each in findings if each.code.severity is not Severity.NOTE]
        if len(answers) > 1 and findings:
            console.print(Text(plain(answer.target), style="bold"))
        for each in findings:
            finding(console, each)
        if verbose or len(answers) == 1:
            for evidence in seen:
                _evidence(console, evidence)
    for code, count in sorted(told_together.items()):
        console.print(Text(f"  {code}: {code.meaning} ({count} of {len(answers)}; -v says which)", style="dim"))
    console.print(Text(totals([answer.verdict for answer in answers])))


def totals(verdicts: Sequence[Verdict]) -> str:
    """Say how many were accepted, rejected and undecided; the three add up to all."""
    names = [_parts(verdict)[0] for verdict in verdicts]
    counts = ", ".join(f"{names.count(name)} {name}" for name in _STYLES)
    return f"{len(names)} target{'s' if len(names) != 1 else ''}: {counts}"


def attested(console: Console, outcomes: "Sequence[Attested]") -> None:
    """Print a table of new bundles, and what went wrong with the others."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("package", "bundle", "signer", "signed"):
        table.add_column(heading, overflow="fold")
    for each in outcomes:
        if isinstance(each.outcome, Evidence):
            evidence = each.outcome
            table.add_row(
                Text(plain(each.order.path.name)),
                Text(plain(each.order.output)),
                Text(plain(evidence.signer)),
                Text(_when(evidence)),
            )
    if table.row_count:
        console.print(table)
    for each in outcomes:
        if isinstance(each.outcome, CondattestError):
            problem(console, f"{each.order.path}: {each.outcome}", each.outcome.hint)
    made = sum(isinstance(each.outcome, Evidence) for each in outcomes)
    count = "1 package" if len(outcomes) == 1 else f"{len(outcomes)} packages"
    console.print(Text(f"{count}: {made} attested, {len(outcomes) - made} failed"))


def problem(console: Console, message: str, hint: str) -> None:
    """Print one problem, and what to do about it."""
    console.print(Text.assemble(("failed: ", "bold red"), plain(message, lines=True)))
    if hint:
        console.print(Text(f"  next: {plain(hint, lines=True)}", style="dim"))


def written(console: Console, path: Path, what: str) -> None:
    """Say what was written where."""
    console.print(Text(f"{what}: {plain(path)}"))


def evidence(console: Console, value: Evidence) -> None:
    """Print all that one bundle proves."""
    _evidence(console, value)


def _evidence(console: Console, value: Evidence) -> None:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    table.add_row("signer", plain(value.signer.san))
    table.add_row("issuer", plain(value.signer.issuer))
    for name, claim in value.signer.claims.present().items():
        table.add_row(name.replace("_", " "), Text(plain(claim)))
    for time in value.times:
        table.add_row("time", f"{documents.time(time.at)} ({time.source}, {plain(time.authority)})")
    entry = f"entry {value.log_index} of {value.log}" if value.log_index is not None else value.log
    table.add_row("log", plain(entry))
    console.print(table)
    for note in value.notes:
        finding(console, note)


def finding(console: Console, value: Finding) -> None:
    """Print a finding, and what to do about it."""
    severity = value.code.severity
    style = {Severity.ERROR: "red", Severity.UNKNOWN: "yellow", Severity.WARNING: "yellow"}.get(severity, "dim")
    console.print(Text.assemble((f"  {value.code}", style), f": {sentence(value)}"))
    next_step = advice(value)
    if next_step:
        console.print(Text(f"    next: {next_step}", style="dim"))


def _parts(verdict: Verdict) -> tuple[str, str | None, Sequence[Evidence], Sequence[Finding]]:
    match verdict:
        case Accepted(rule=rule, evidence=found, notes=notes):
            return "accepted", rule, found, notes
        case Rejected(findings=findings, seen=seen):
            return "rejected", None, seen, findings
        case Undecided(findings=findings, seen=seen):
            return "undecided", None, seen, findings


def _when(value: Evidence) -> str:
    return f"{documents.time(value.earliest.at)} ({value.earliest.source})"
