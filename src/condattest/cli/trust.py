"""`condattest trust`: which roots are believed."""

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from condattest.cli.session import Session
from condattest.cli.settings import Group, Settings, pass_settings
from condattest.reports import documents
from condattest.reports.plain import exact, plain


@click.group(
    "trust", cls=Group, examples=["condattest trust show", "condattest trust fetch --output trusted_root.json"]
)
def command() -> None:
    """Show the trust root that verification uses, or keep a copy of it."""


@command.command("show", examples=["condattest trust show", "condattest trust show --offline --json"])
@pass_settings
def show(settings: Settings, /) -> int:
    """Show the trust root: its digest, its authorities and logs, and their windows."""
    session = Session(settings)
    trust = session.trust
    found = trust.authorities
    rows = [
        *(("certificate authority", each.name, each.window) for each in found.certificate),
        *(("transparency log", each.name, each.window) for each in found.logs.values()),
        *(("CT log", each.name, each.window) for each in found.ct_logs.values()),
        *(("time-stamp authority", each.name, each.window) for each in found.time_stamp),
    ]

    def terminal(console: Console) -> None:
        table = Table(box=None, pad_edge=False)
        for heading in ("what", "who", "trusted"):
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*(Text(plain(cell)) for cell in row))
        console.print(Text(f"trust root: {plain(trust.name)}, sha256 {trust.sha256}"))
        console.print(Text(f"can sign: {'yes' if trust.can_sign else 'no'}"))
        console.print(table)

    content = documents.document(
        "trust",
        0,
        name=exact(trust.name),
        sha256=trust.sha256,
        canSign=trust.can_sign,
        authorities=[
            {
                "kind": kind,
                "name": plain(name),
                "from": documents.time(window.start),
                "until": None if window.end is None else documents.time(window.end),
            }
            for kind, name, window in rows
        ],
        notes=[documents.finding(note) for note in trust.notes],
    )
    session.render(content, terminal)
    return 0


@command.command(
    "fetch",
    examples=[
        "condattest trust fetch --output trusted_root.json",
        "condattest trust fetch --staging --output root.json",
    ],
)
@click.option(
    "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="Where the copy is written."
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@pass_settings
def fetch(settings: Settings, /, output: Path, force: bool) -> int:
    """Write the trust root to a file, to carry it to a machine without network (use it with --trusted-root)."""
    from condattest.transport import files

    session = Session(settings)
    trust = session.trust
    files.write_new(output, trust.json, replace=force)
    content = documents.document(
        "trust",
        0,
        path=exact(output),
        sha256=trust.sha256,
        notes=[documents.finding(note) for note in trust.notes],
    )
    text = Text(f"wrote {plain(output)}, sha256 {trust.sha256}")
    session.render(content, lambda console: console.print(text))
    return 0
