"""`condattest patch observe`: a witness for the patches of a channel that does not sign them."""

from pathlib import Path
from typing import Any

import click

from condattest.cli import exits
from condattest.cli.generations import chain_of, duration_of, engine_of, is_remote, origin_of, signer_of
from condattest.cli.requirement import requirement_options
from condattest.cli.session import Session
from condattest.cli.settings import Command, Settings, pass_settings

_FILE = click.Path(path_type=Path, dir_okay=False)


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
@click.option("--instructions", type=_FILE, help="A patch package with the instructions, instead of the channel's.")
@click.option(
    "--engine",
    type=click.Choice(["conda-index", "rattler-index"]),
    default="conda-index",
    show_default=True,
    help="The indexer that applied the instructions.",
)
@click.option("--engine-version", metavar="TEXT", help="Its version, as the statement shall name it.")
@click.option("--prove-as-built", is_flag=True, help="Download the archives of what is newly listed, to prove records.")
@click.option("--state", type=_FILE, help="A file that keeps the newest generation, outside the store.")
@click.option("--refresh-after", metavar="DURATION", help="Sign again, even if nothing changed, after 7d, say.")
@click.option(
    "--identity-token-file",
    type=_FILE,
    envvar="CONDATTEST_IDENTITY_TOKEN_FILE",
    help="A file with the OIDC identity token; - is stdin.",
)
@requirement_options
@click.option("--any-signer", is_flag=True, help="Take any authentic signer of the generation before.")
@pass_settings
def command(
    settings: Settings,
    /,
    place: str,
    destination: str,
    subdir: str,
    channel: str | None,
    instructions: Path | None,
    engine: str,
    engine_version: str | None,
    prove_as_built: bool,
    state: Path | None,
    refresh_after: str | None,
    identity_token_file: Path | None,
    any_signer: bool,
    **who: Any,
) -> int:
    """Sign what a channel serves now, as a witness: no later than the signature's trusted time.

    Reads the channel's records as built, instructions and index, compares with the last generation in the store, and
    signs a new one, with the role observer, if something changed. Made for cron: one run for each call.
    """
    from condattest.errors import Misuse
    from condattest.operations import patch_attest, patch_inputs
    from condattest.reports import documents, patches
    from condattest.transport.origin import StoreOrigin
    from condattest.transport.store import open_store

    session = Session(settings)
    if channel is None:
        if not is_remote(place):
            raise Misuse("expected --channel URL: statements name the channel's canonical URL")
        channel = place
    store = open_store(destination)
    chain = chain_of(session, StoreOrigin(store), subdir, channel, "observer", who, any_signer=any_signer)
    with session.fetcher() as fetcher:
        origin = origin_of(place, fetcher)
        with session.progress("reading", None, "files"):
            inputs = patch_inputs.read(origin, subdir, instructions)
        order = patch_attest.Order(
            store=store,
            chain=chain,
            packages=origin,
            inputs=inputs,
            engine=engine_of(engine),
            engine_version=engine_version or "unknown",
            state=state,
            trust_as_built=not prove_as_built,
            refresh_after=duration_of(refresh_after),
        )
        made = patch_attest.attest(order, signer_of(session, identity_token_file), now=session.now)
    session.render(
        documents.document("patch-observe", exits.Exit.ACCEPTED, **patches.made([made])),
        lambda console: patches.show_made(console, [made]),
    )
    return exits.Exit.ACCEPTED
