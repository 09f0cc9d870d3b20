"""An audit for the terminal: figures, coverage, checks, signers, the worst findings, generations of patches.

Every line begins with words of condattest's own and is cut, not folded, where it would hold foreign text: a CI system
that reads commands from what is printed (`::error::` at the beginning of a line, `##[error]` anywhere) finds none in
the name of a package.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, TextIO

from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from condattest.model.audit import STATUSES, Audit, Status
from condattest.model.finding import Severity
from condattest.reports import audit_words as words
from condattest.reports.audit_figures import Figures, Found, worst_findings
from condattest.reports.documents import time
from condattest.reports.plain import short
from condattest.reports.sentences import sentence

FINDINGS: Final = 25
SIGNERS: Final = 10
GENERATIONS: Final = 10
SUBDIRS: Final = 40
_FILE: Final = 160
_NARROW: Final = 12
_GAP: Final = 3
_STATUS: Final = {"accepted": "green", "rejected": "bold red", "unattested": "", "undecided": "yellow"}
_SEVERITY: Final = {Severity.ERROR: "red", Severity.UNKNOWN: "yellow", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


def write(audit: Audit, out: TextIO) -> None:
    """Write the tables to a stream: in colour on a terminal, as plain text elsewhere."""
    show(Console(file=out, highlight=False, width=None if out.isatty() else _FILE), audit)


def show(console: Console, audit: Audit) -> None:
    """Print the tables."""
    figures, worst = worst_findings(audit, FINDINGS)
    _line(console, f"Audit of {_foreign(audit.target)}", "bold")
    _line(console, f"  policy: {words.policy(audit)}; {words.period(audit)}", "dim")
    for caveat in words.caveats(audit):
        _line(console, f"note: {caveat}", "yellow")
    _coverage(console, audit, figures)
    _checks(console, audit)
    _signers(console, figures)
    _patches(console, audit)
    _findings(console, figures, worst)
    console.print()
    _line(console, words.summary(audit), "bold")


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style), soft_wrap=True)


def _foreign(text: object, limit: int = words.LINE) -> str:
    return short(text, limit).replace("##[", "##\\x5b")


def _show(
    console: Console, headings: Sequence[str], rows: Iterable[Sequence[Text]], *, right: Sequence[int] = ()
) -> None:
    """Print a table whose last column alone gives way where a terminal is narrow."""
    cells = list(rows)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    room = console.width - 2
    for number, heading in enumerate(headings):
        justify: JustifyMethod = "right" if number in right else "left"
        table.add_column(heading, no_wrap=True, overflow="ellipsis", justify=justify)
        if number < len(headings) - 1:
            room -= max(len(heading), *(row[number].cell_len for row in cells)) + _GAP
    for row in cells:
        row[-1].truncate(max(room, _NARROW), overflow="ellipsis")
        table.add_row(*row)
    console.print(table)


def _coverage(console: Console, audit: Audit, figures: Figures) -> None:
    headings = ("subdir", "packages", *(words.status(status, audit) for status in STATUSES))
    rows = [
        [Text(f"in {_foreign(subdir, 40)}"), _count(counts.total()), *(_count(counts[s], s) for s in STATUSES)]
        for subdir, counts in sorted(figures.by_subdir.items())[:SUBDIRS]
    ]
    whole, totals = len(audit.results), audit.totals
    rows.append([Text("in all"), _count(whole), *(_count(totals.get(s, 0), s) for s in STATUSES)])
    shares = (Text(words.share(totals.get(s, 0), whole), "dim") for s in STATUSES)
    rows.append([Text(), Text(), *shares])
    _show(console, headings, rows, right=range(1, len(headings)))
    if len(figures.by_subdir) > SUBDIRS:
        _line(console, f"{words.many(len(figures.by_subdir) - SUBDIRS, 'further subdir')} not shown", "dim")


def _count(count: int, status: Status | None = None) -> Text:
    style = "" if status is None else _STATUS[status]
    return Text(f"{count:,}", style if count else "dim")


def _checks(console: Console, audit: Audit) -> None:
    rows = [
        [
            Text(check.name),
            Text(words.check_result(check), "yellow" if not check.ran else "" if check.found else "dim"),
            Text(_foreign(check.reason) or words.check_meaning(check), "dim"),
        ]
        for check in audit.checks
    ]
    if rows:
        _show(console, ("check", "result", "what it looks for, or how far, or why it did not run"), rows)


def _signers(console: Console, figures: Figures) -> None:
    rows = [
        [_count(each.packages), _day(each.first), _day(each.last), Text(_foreign(each.identity))]
        for each in figures.top_signers(SIGNERS)
    ]
    if rows:
        _show(console, ("signed", "first", "last", "signer"), rows, right=(0,))
    rest = len(figures.signers) - SIGNERS
    if rest > 0:
        more = " or more" if figures.other_signers else ""
        _line(console, f"{rest:,}{more} further signers not shown", "dim")


def _patches(console: Console, audit: Audit) -> None:
    rows = [
        [
            Text(f"generation {each.generation} of {_foreign(each.subdir, 40)}"),
            Text("not to be believed", "red") if each.at is None else Text(f"{_second(each.at)} ({each.source})"),
            _count(each.changed),
            _count(each.removed),
            Text(_foreign(each.signer or "-")),
        ]
        for each in audit.patches[:GENERATIONS]
    ]
    if rows:
        _show(console, ("patches", "trusted time", "changed", "removed", "signer"), rows, right=(2, 3))
    if len(audit.patches) > GENERATIONS:
        _line(console, f"{words.many(len(audit.patches) - GENERATIONS, 'further generation')} not shown", "dim")
    for subdir, count in audit.unexplained.items():
        if count:
            records = words.many(count, "changed record")
            _line(console, f"unexplained in {_foreign(subdir, 40)}: {records}", "red")


def _findings(console: Console, figures: Figures, worst: list[Found]) -> None:
    if not figures.by_code:
        return
    rows = [
        [
            Text(code.value, _SEVERITY[code.severity]),
            Text(code.severity.value, _SEVERITY[code.severity]),
            _count(count),
            Text(code.meaning),
        ]
        for code, count in figures.codes()
    ]
    _show(console, ("finding", "severity", "count", "meaning"), rows, right=(2,))
    for found in worst:
        code = found.finding.code
        place = _foreign(found.place)
        told = _foreign(sentence(found.finding), 2 * words.LINE)
        text = Text.assemble((code.value, _SEVERITY[code.severity]), f" {place}: " if place else " ", (told, "dim"))
        console.print(text, soft_wrap=True)
    told_of = sum(count for code, count in figures.by_code.items() if code.severity is not Severity.NOTE)
    if told_of > len(worst):
        left = told_of - len(worst)
        _line(console, f"{words.many(left, 'further finding')} not shown: --report jsonl=FILE has every one", "dim")


def _day(at: datetime) -> Text:
    return Text(f"{at:%Y-%m-%d}")


def _second(at: datetime) -> str:
    return time(at.replace(microsecond=0))
