"""`condattest patch cosign`: a further signer for the newest generation.

A verb of its own, and no option of `patch attest`: it takes none of what shapes a generation (engine, source, refresh),
and whoever runs it should see that nothing is made but a signature.
"""

from pathlib import Path
from typing import Any

import click

from condattest.cli import exits
from condattest.cli.generations import chain_of, inputs_of, signer_of
from condattest.cli.patch_options import replaced_of, signing_options
from condattest.cli.session import Session
from condattest.cli.settings import Command, Settings, pass_settings


@click.command(
    "cosign",
    cls=Command,
    examples=[
        "condattest patch cosign staging --subdir noarch --channel https://conda.example/channel --policy policy.toml",
        "condattest patch cosign s3://bucket/staging --subdir linux-64 --channel URL --repository OWNER/NAME "
        "--state state.json",
    ],
)
@click.argument("place", metavar="STORE")
@click.option("--subdir", metavar="NAME", required=True, help="The subdir.")
@click.option("--channel", metavar="URL", required=True, help="The channel's canonical URL, which statements name.")
@click.option("--replaced", metavar="FILE", multiple=True, help="A package file that was replaced; may be repeated.")
@click.option(
    "--allow-unattributed",
    is_flag=True,
    help="Sign a statement that lists what STORE serves otherwise, if it lists just what is found here.",
)
@click.option(
    "--trust-as-built",
    is_flag=True,
    help="Sign without a proof by archives what the first signer believed of the index, and vouch for it, too.",
)
@signing_options
@pass_settings
def command(
    settings: Settings,
    /,
    place: str,
    subdir: str,
    channel: str,
    replaced: tuple[str, ...],
    allow_unattributed: bool,
    trust_as_built: bool,
    instructions: Path | None,
    state: Path | None,
    identity_token_file: Path | None,
    void: tuple[str, ...],
    any_signer: bool,
    **who: Any,
) -> int:
    """Sign the newest generation too, if a replay here gives just what it says.

    For policies whose [[patch]] has a threshold. Checks who signed it so far and that it descends from --state, replays
    the instructions with the engine that it names, proves by their archives the records that it lists first, and
    appends a bundle over the same bytes. A second call by the same signer changes nothing. --repository and its kin, or
    the policy, say who may have signed and may sign. Whoever cosigns has to name what the author voided or replaced,
    too. Run it on the staging copy, before publishing.
    """
    from condattest.operations import patch_cosign
    from condattest.reports import documents, patches
    from condattest.transport.origin import StoreOrigin
    from condattest.transport.store import open_store

    session = Session(settings)
    store = open_store(place)
    origin = StoreOrigin(store)
    chain = chain_of(session, origin, subdir, channel, "author", who, any_signer=any_signer, void=void)
    order = patch_cosign.Order(
        store=store,
        chain=chain,
        packages=origin,
        inputs=inputs_of(session, origin, chain, instructions),
        state=state,
        replaced=replaced_of(replaced),
        allow_unattributed=allow_unattributed,
        trust_as_built=trust_as_built,
    )
    done = patch_cosign.cosign(order, signer_of(session, identity_token_file))
    session.render(
        documents.document("patch-cosign", exits.Exit.ACCEPTED, **patches.cosigned([done])),
        lambda console: patches.show_cosigned(console, [done]),
    )
    return exits.Exit.ACCEPTED
