"""`condattest index`: the index in line with the sidecars."""

import click

from condattest.cli import exits
from condattest.cli.session import Session
from condattest.cli.settings import Command, Settings, pass_settings


@click.command(
    "index",
    cls=Command,
    examples=["condattest index /srv/channel", "condattest index s3://bucket/channel --check"],
)
@click.argument("place", metavar="CHANNEL")
@click.option("--subdir", metavar="NAME", help="Only this subdir.")
@click.option("--check", "only_check", is_flag=True, help="Write nothing; report what is not in line, and exit 1.")
@click.option(
    "--drop",
    is_flag=True,
    help="Give up sidecars that are gone: records name what is left, or nothing, and then are unattested.",
)
@pass_settings
def command(settings: Settings, /, place: str, subdir: str | None, only_check: bool, drop: bool) -> int:
    """Bring attestations_sha256 in line with the sidecars, in every file of a channel's index.

    Run it after conda-index or rattler-index, which may not know sidecars. CHANNEL is a directory, s3://, gs:// or
    az://. Only records whose field changes are touched. A lost .sigs is made again from the newest hashed sidecar.
    """
    from condattest.errors import Misuse
    from condattest.operations import index
    from condattest.reports import documents, publishing
    from condattest.transport.store import open_store

    if only_check and drop:
        raise Misuse("--check and --drop exclude each other")
    session = Session(settings)
    store = open_store(place)
    with session.progress("reading sidecars", None, "artifacts") as advance:
        if only_check:
            reports = list(index.check(store, subdir=subdir, on_done=advance))
        else:
            reports = list(index.index(store, subdir=subdir, drop=drop, on_done=advance))
    sound = all(each.sound for each in reports) if only_check else not any(each.errors for each in reports)
    code = exits.Exit.ACCEPTED if sound else exits.Exit.REJECTED
    session.render(
        documents.document("index", code, check=only_check, **publishing.indexed(reports)),
        lambda console: publishing.show_indexed(console, reports, checked=only_check),
    )
    return code
