"""What was uploaded to a server that keeps a channel, as JSON documents and for people.

Owns one function per result of each kind.
"""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from condattest.errors import CondattestError
from condattest.operations.upload import Upload, Uploaded
from condattest.reports import documents, publishing, terminal
from condattest.reports.plain import exact, plain


def plans(values: Sequence[Upload]) -> dict[str, Any]:
    """What is to be uploaded, or why it cannot be."""
    results = [
        {**_place(each), "findings": [documents.finding(finding) for finding in each.findings]} for each in values
    ]
    refused = sum(bool(each.findings) for each in values)
    return {"totals": {"packages": len(values), "refused": refused}, "results": results}


def _place(each: Upload) -> dict[str, Any]:
    return {
        "package": exact(each.path),
        "sha256": each.artifact.sha256,
        "bundles": [publishing.offer(offer) for offer in each.offers],
    }


def uploaded(values: Sequence[Uploaded]) -> dict[str, Any]:
    """What became of each package."""
    results = []
    for each in values:
        failed = each.outcome if isinstance(each.outcome, CondattestError) else None
        done = None if isinstance(each.outcome, CondattestError) else each.outcome
        results.append(
            {
                **_place(each.upload),
                "status": "failed" if done is None else done.status,
                "said": None if done is None else plain(done.detail),
                "error": None if failed is None else documents.error(failed),
            }
        )
    statuses = [result["status"] for result in results]
    totals = {
        "packages": len(values),
        "uploaded": statuses.count("uploaded"),
        "alreadyThere": statuses.count("already-there"),
        "failed": statuses.count("failed"),
    }
    return {"totals": totals, "results": results}


def show_plans(console: Console, values: Sequence[Upload]) -> None:
    """Print what is to be uploaded, and what stands against it."""
    for each in values:
        console.print(Text(f"{plain(each.path)}: {'refused' if each.findings else 'to upload'}"))
        for finding in each.findings:
            terminal.finding(console, finding)


def show_uploaded(console: Console, values: Sequence[Uploaded]) -> None:
    """Print what became of each package."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("package", "outcome", "sha256"):
        table.add_column(heading, overflow="fold")
    for each in values:
        if not isinstance(each.outcome, CondattestError):
            name = Text(plain(each.upload.path.name))
            table.add_row(name, each.outcome.status.replace("-", " "), each.upload.artifact.sha256)
    if table.row_count:
        console.print(table)
    for each in values:
        if isinstance(each.outcome, CondattestError):
            terminal.problem(console, f"{each.upload.path}: {each.outcome}", each.outcome.hint)
    totals = uploaded(values)["totals"]
    console.print(
        Text(
            f"{totals['packages']} package{'s' if len(values) != 1 else ''}: {totals['uploaded']} uploaded, "
            f"{totals['alreadyThere']} already there, {totals['failed']} failed"
        )
    )
