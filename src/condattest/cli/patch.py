"""`condattest patch`: who changed a package's record, from what, and when."""

from pathlib import Path
from typing import Any

import click

from condattest.cli import cosign, exits, observe
from condattest.cli.generations import Opened, inputs_of, is_remote, make
from condattest.cli.moments import duration_of, time_of
from condattest.cli.patch_options import (
    FILE,
    making_options,
    package_of,
    reading_options,
    replaced_of,
    source_of,
)
from condattest.cli.session import Session
from condattest.cli.settings import Group, Settings, pass_settings


@click.group(
    "patch",
    cls=Group,
    examples=[
        "condattest patch blame https://conda.example/channel PKG-1.0-0.conda --subdir noarch --policy policy.toml",
        "condattest patch attest /srv/channel --subdir noarch --channel https://conda.example/channel",
    ],
)
def command() -> None:
    """Say who changed a package's record, from what, and when: signed, timestamped, checkable."""


@command.command(
    "attest",
    examples=[
        "condattest patch attest staging --subdir noarch --channel https://conda.example/channel --state state.json "
        "--repository OWNER/NAME",
        "condattest patch attest staging --subdir linux-64 --channel URL --instructions patches-1-0.conda --any-signer",
    ],
)
@click.argument("place", metavar="STORE")
@click.option("--subdir", metavar="NAME", required=True, help="The subdir.")
@click.option("--channel", metavar="URL", required=True, help="The channel's canonical URL, which statements name.")
@click.option("--source", metavar="URI@COMMIT", help="Where the instructions come from.")
@click.option("--trust-as-built", is_flag=True, help="Believe the index where no archive proves a record as built.")
@click.option("--replaced", metavar="FILE", multiple=True, help="A package file that was replaced; may be repeated.")
@click.option(
    "--allow-unattributed",
    is_flag=True,
    help="Sign what the instructions give though STORE serves something else; the statement lists where.",
)
@making_options
@pass_settings
def attest(
    settings: Settings,
    /,
    place: str,
    subdir: str,
    channel: str,
    source: str | None,
    trust_as_built: bool,
    replaced: tuple[str, ...],
    allow_unattributed: bool,
    **how: Any,
) -> int:
    """Sign a generation of a subdir's patches, if they changed anything.

    Reads records as built, instructions and the served index of a store; refuses to sign where the replay does not give
    what is served. Run it on a staging copy, after the indexer and before publishing. --repository and its kin say who
    signed the generation before. What revoked generations changed last (--void, or [revoked] of the policy) is told
    anew; a listed package with another archive is refused unless --replaced names it. A patch package may have
    attestations beside it (PKG.sigs, PKG.sigstore.json): they are verified, and recorded. Where the policy has a
    threshold, condattest patch cosign adds the other signers.
    """
    from condattest.transport.origin import StoreOrigin
    from condattest.transport.store import open_store

    store = open_store(place)
    return make(
        Session(settings), "patch-attest", store, StoreOrigin(store), subdir, channel, "author", how,
        trust_as_built=trust_as_built, source=source_of(source), replaced=replaced_of(replaced),
        allow_unattributed=allow_unattributed,
    )  # fmt: skip


@command.command(
    "log",
    examples=[
        "condattest patch log https://conda.example/channel --subdir noarch --repository OWNER/NAME",
        "condattest patch log /srv/channel --subdir noarch --channel https://conda.example/channel --any-signer",
    ],
)
@reading_options
@click.option("--limit", type=click.IntRange(1), help="At most so many generations.")
@pass_settings
def log(settings: Settings, /, limit: int | None, **where: Any) -> int:
    """Show the generations of a subdir's patches: when, by whom, from which source, how many records.

    A gap, a generation that does not follow the one before it, and times that run backwards are findings.
    """
    from condattest.operations import patch_log
    from condattest.reports import documents, patches

    session = Session(settings)
    with Opened(session, where) as (_, chain):
        steps = list(patch_log.log(chain, limit=limit))
    code = exits.of_findings([finding for step in steps for finding in step.findings])
    session.render(
        documents.document("patch-log", code, **patches.steps(steps)),
        lambda console: patches.show_steps(console, steps),
    )
    return code


@command.command(
    "blame",
    examples=[
        "condattest patch blame https://conda.example/channel PKG-1.0-0.conda --subdir noarch --repository OWNER/NAME",
        "condattest patch blame /srv/channel PKG-1.0-0.conda --subdir noarch --channel URL --any-signer --history",
    ],
)
@reading_options
@click.argument("package", metavar="PKG")
@click.option("--history", is_flag=True, help="Every change of a key, and not only the last.")
@click.option("--at", metavar="TIME", help="The record as attested at a time: 2026-11-01T00:00:00Z.")
@pass_settings
def blame(settings: Settings, /, package: str, history: bool, at: str | None, **where: Any) -> int:
    """Say who changed a package's record, key by key: old and new value, generation, trusted time, signer, source."""
    from condattest.operations import patch_blame
    from condattest.reports import documents, patches

    session = Session(settings)
    file = package_of(package)
    with Opened(session, where) as (_, chain):
        found = patch_blame.blame(chain, file, at=time_of(at, "--at"))
    code = exits.of_findings(list(found.findings) if found is not None else [])
    content = patches.not_blamed(file, chain.subdir) if found is None else patches.blame(found, chain.subdir)
    session.render(
        documents.document("patch-blame", code, patched=found is not None, **content),
        lambda console: (
            console.print(f"{file}: no generation ever changed a record of this name", markup=False)
            if found is None
            else patches.show_blame(console, found, history=history)
        ),
    )
    return code


@command.command(
    "verify",
    examples=[
        "condattest patch verify https://conda.example/channel --subdir noarch --repository OWNER/NAME",
        "condattest patch verify /srv/channel --subdir noarch --channel https://conda.example/channel --any-signer",
        "condattest patch verify https://conda.example/channel PKG-1.0-0.conda --subdir noarch --policy policy.toml "
        "--max-age 2d",
    ],
)
@reading_options
@click.argument("packages", metavar="[PKG]...", nargs=-1)
@click.option("--instructions", type=FILE, help="A patch package with the instructions, instead of the channel's.")
@click.option("--trust-as-built", is_flag=True, help="Believe the index where no archive proves a record as built.")
@click.option("--max-age", metavar="DURATION", help="How old the newest generation may be: 7d, say; outranks a policy.")
@pass_settings
def verify(
    settings: Settings,
    /,
    packages: tuple[str, ...],
    instructions: Path | None,
    trust_as_built: bool,
    max_age: str | None,
    **where: Any,
) -> int:
    """Check a subdir's patches whole: the chain, the replay of the instructions, and what is served.

    Finds changes that no generation explains, patches that were taken away, and keys that the policy does not allow.
    The archives of PKG, or of every record that was ever patched, are read to prove the records as built; with
    --trust-as-built a web server is asked for those of PKG alone.
    """
    from condattest.operations import patch_verify
    from condattest.operations.as_built import Archives
    from condattest.reports import documents, patches

    session = Session(settings)
    with Opened(session, where) as (origin, chain):
        only = frozenset(package_of(name) for name in packages)
        age, rule = duration_of(max_age, "--max-age"), chain.authority.rule
        inputs = inputs_of(session, origin, chain, instructions)
        with session.progress("proving records as built", len(only) or None, "archives") as advance:
            checked = patch_verify.verify(
                chain,
                inputs,
                now=session.now,
                keys=chain.authority.keys,
                max_age=age if age is not None or rule is None else rule.max_age,
                archives=Archives(
                    origin=origin,
                    only=only,
                    skipped=trust_as_built and is_remote(where["place"]),
                    trusted=trust_as_built,
                    on_done=advance,
                ),
            )
    code = exits.of_findings(list(checked.findings))
    session.render(
        documents.document("patch-verify", code, **patches.checked([checked])),
        lambda console: patches.show_checked(console, [checked]),
    )
    return code


command.add_command(cosign.command)
command.add_command(observe.command)
