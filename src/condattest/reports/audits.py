"""Reports of an audit, by name.

Owns `FORMATS` and `write`.
"""

from collections.abc import Callable, Mapping
from typing import Final, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from condattest.model.audit import CHECKS, STATUSES, Audit
from condattest.reports.plain import plain


def _table(audit: Audit, out: TextIO) -> None:
    console = Console(file=out, markup=False, highlight=False, emoji=False, soft_wrap=True, width=160)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("check", "found", "what it looks for"):
        table.add_column(heading, overflow="fold")
    for run in audit.checks:
        table.add_row(run.name, str(run.found) if run.ran else "not run", Text(plain(run.reason or CHECKS[run.name])))
    console.print(table)
    totals = ", ".join(f"{audit.totals[status]} {status}" for status in STATUSES)
    console.print(Text(f"{plain(audit.target)}: {len(audit.results)} packages: {totals}"))


FORMATS: Final[Mapping[str, Callable[[Audit, TextIO], None]]] = {"table": _table}


def write(format: str, audit: Audit, out: TextIO) -> None:
    """Write a report of an audit.

    Args:
        format: One of `FORMATS`.
        audit: What was found.
        out: Where to.
    """
    FORMATS[format](audit, out)
