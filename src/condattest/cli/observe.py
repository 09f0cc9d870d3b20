"""`condattest patch observe`: a witness for the patches of a channel that does not sign them."""

from typing import Any

import click

from condattest.cli.generations import is_remote, make, origin_of
from condattest.cli.patch_options import making_options
from condattest.cli.session import Session
from condattest.cli.settings import Command, Settings, pass_settings
from condattest.errors import Misuse


@click.command(
    "observe",
    cls=Command,
    examples=[
        "condattest patch observe https://conda.example/channel --to /srv/witness --subdir noarch --any-signer",
        "condattest patch observe https://conda.example/channel --to s3://bucket/witness --subdir linux-64 "
        "--repository OWNER/NAME --state state.json",
    ],
)
@click.argument("place", metavar="CHANNEL")
@click.option("--to", "destination", required=True, metavar="STORE", help="Where the generations are kept: your own.")
@click.option("--subdir", metavar="NAME", required=True, help="The subdir.")
@click.option("--channel", metavar="URL", help="The channel's canonical URL, where CHANNEL is not it.")
@click.option("--prove-as-built", is_flag=True, help="Download the archives of what is newly listed, to prove records.")
@making_options
@pass_settings
def command(
    settings: Settings,
    /,
    place: str,
    destination: str,
    subdir: str,
    channel: str | None,
    prove_as_built: bool,
    **how: Any,
) -> int:
    """Sign what a channel serves now, as a witness: no later than the signature's trusted time.

    Reads the channel's records as built, instructions and index, compares with the last generation in the store, and
    signs a new one, with the role observer, if something changed. Made for cron: one run for each call, which fetches
    nothing where the server says that nothing changed since the last one.
    """
    from condattest.transport.store import open_store

    session = Session(settings)
    if channel is None:
        if not is_remote(place):
            raise Misuse("expected --channel URL: statements name the channel's canonical URL")
        channel = place
    store = open_store(destination)
    with session.fetcher() as fetcher:
        origin = origin_of(place, fetcher)
        return make(
            session, "patch-observe", store, origin, subdir, channel, "observer", how,
            trust_as_built=not prove_as_built,
        )  # fmt: skip
