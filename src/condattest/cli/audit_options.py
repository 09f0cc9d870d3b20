"""The options of `condattest audit`, and what their texts mean.

Owns `audit_options`, `report_options`, and readers of single options.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from condattest.cli.requirement import requirement_options
from condattest.errors import Misuse

_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_PART: Final = re.compile(r"([0-9]{1,6})/([0-9]{1,6})", re.ASCII)


def audit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what says which packages are looked at, and what they are held against."""
    options: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
        click.option("--channel", metavar="URL", help="The channel's canonical URL, where CHANNEL is not it."),
        click.option("--subdir", "subdirs", metavar="NAME", multiple=True, help="Only this subdir; may be repeated."),
        requirement_options,
        click.option("--index-only", is_flag=True, help="Fetch no sidecar: who is attested at all. Verifies nothing."),
        click.option("--sample", metavar="N", type=click.IntRange(1), help="Look at N packages, the same each time."),
        click.option("--since", metavar="TIME", help="Only what was indexed since TIME, or at no stated time."),
        click.option("--shard", metavar="I/N", help="Only the I-th of N parts, for audit merge."),
        click.option("--late-after", metavar="DURATION", default="7d", show_default=True,
                     help="How long after it was indexed a package may be attested."),
        click.option("--patches", type=click.Choice(["policy", "require", "report", "off"]), default="policy",
                     show_default=True, envvar="CONDATTEST_PATCHES",
                     help="Judge the patches of records, as verify does."),
        click.option("--resume", type=_FILE, metavar="FILE", help="Keep what is decided there, and go on from it."),
        click.option("--jobs", type=click.IntRange(1, 256), envvar="CONDATTEST_JOBS",
                     help="Processes that verify; by default one for each core."),
        click.option("--cache/--no-cache", default=True, help="Use and keep what was fetched and proved before."),
        click.option("--no-state", is_flag=True, envvar="CONDATTEST_NO_STATE",
                     help="Neither read nor write what this machine has seen of patches; for CI."),
    ]  # fmt: skip
    for decorate in reversed(options):
        function = decorate(function)
    return function


def report_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what says how the outcome is shown, and when it is a failure."""
    options: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
        click.option("--report", "reports", metavar="FORMAT[=PATH]", multiple=True,
                     help="A report, to a file or to stdout; may be repeated, with one to stdout at most."),
        click.option("--fail-on", metavar="CHECK,...",
                     help="The checks that lead to exit code 1, and to 3 where they did not run; what is rejected "
                     "always does. By default revoked, sidecars, downgrade, patches, and with a policy unattested, as "
                     "far as they ran."),
        click.option("--baseline", type=_FILE, metavar="REPORT.json", help="Fail only on what is not in this report."),
    ]  # fmt: skip
    for decorate in reversed(options):
        function = decorate(function)
    return function


def reports_of(texts: Sequence[str], *, json: bool) -> list[tuple[str, Path | None]]:
    """Read --report: formats, each with its path, or None for stdout.

    Raises:
        Misuse: There is no such format, no folder for one, or more than one goes to stdout.
    """
    from condattest.reports import audits

    formats = sorted({"json", *audits.FORMATS})
    found: list[tuple[str, Path | None]] = []
    for text in texts:
        name, equals, path = text.partition("=")
        if name not in formats or (equals and not path):
            raise Misuse(
                f"--report {text}: expected FORMAT or FORMAT=PATH", hint=f"the formats are {', '.join(formats)}"
            )
        if equals and not Path(path).parent.is_dir():
            raise Misuse(f"--report {text}: there is no folder {Path(path).parent}", hint="make it first")
        found.append((name, Path(path) if equals else None))
    if json and ("json", None) not in found:
        found.append(("json", None))
    if sum(path is None for _, path in found) > 1:
        raise Misuse("more than one report to stdout", hint="write the others to files: --report json=audit.json")
    return found or [("table", None)]


def part_of(text: str | None) -> tuple[int, int] | None:
    """Read --shard.

    Raises:
        Misuse: It is no part of so many.
    """
    if text is None:
        return None
    match = _PART.fullmatch(text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise Misuse(f"--shard {text}: expected I/N, such as 1/4 for the first of four parts")
    return int(match[1]), int(match[2])
