"""`condattest publish`: sidecars beside the index, then the index."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from condattest.cli import exits
from condattest.cli.requirement import requirement, requirement_options
from condattest.cli.session import Session
from condattest.cli.settings import Command, Settings, pass_settings
from condattest.cli.verify import channel_of
from condattest.errors import Misuse
from condattest.model.channel import redact
from condattest.model.finding import Code, Finding

if TYPE_CHECKING:
    from condattest.operations.admission import Terms


@click.command(
    "publish",
    cls=Command,
    examples=[
        "condattest publish dist/*.conda --to /srv/channel --repository OWNER/NAME",
        "condattest publish noarch/PKG-1.0-0.conda --to s3://bucket/channel --bundle audit.sigstore.json --any-signer",
    ],
)
@click.argument("packages", nargs=-1, metavar="PKG...")
@click.option(
    "--to",
    "place",
    required=True,
    metavar="CHANNEL",
    help="The channel: a directory, s3://, gs:// or az://, or https://prefix.dev/NAME.",
)
@click.option("--channel", metavar="URL", help="The channel's canonical URL, which statements name.")
@requirement_options
@click.option("--any-signer", is_flag=True, help="Take any authentic signer; the report says so.")
@click.option(
    "--bundle",
    "bundles",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A bundle to publish instead of those beside the packages; may be repeated.",
)
@click.option("--subdir", metavar="NAME", help="The packages' subdir; by default the one that they name.")
@click.option("--replace", "replacing", is_flag=True, help="Let packages take the place of other bytes of their name.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and write nothing.")
@click.option("--skip-existing", is_flag=True, help="With https://: a package of this name on the server is no error.")
@pass_settings
def command(
    settings: Settings,
    /,
    packages: tuple[str, ...],
    place: str,
    channel: str | None,
    any_signer: bool,
    bundles: tuple[Path, ...],
    subdir: str | None,
    replacing: bool,
    dry_run: bool,
    skip_existing: bool,
    **who: Any,
) -> int:
    """Publish packages with their attestations: packages, sidecars, index, in that order.

    A PKG is a package file, or the name of a package that the channel has (SUBDIR/FILE), to attach a later attestation
    to it. Each bundle is verified against its package, and against who may sign, before anything is written. Run it
    again after a crash: the outcome is the same. With --replace a package may take the place of other bytes under its
    name; what was attested of those stays valid until policies revoke it.
    """
    from condattest.operations import publish, publish_plan
    from condattest.reports import documents, publishing
    from condattest.transport.store import open_store

    session = Session(settings)
    if not packages:
        raise Misuse("nothing to publish", hint="give package files, or names of packages that the channel has")
    for package in packages:
        if "://" in package:
            raise Misuse(f"{redact(package)}: expected a package file, found a URL", hint="download it first")
    if place.startswith(("https://", "http://")):
        from condattest.cli.upload import Destination, upload_packages

        if replacing:
            raise Misuse("--replace does not go with an upload: the server keeps what it has", hint="delete it there")
        if subdir is not None:
            raise Misuse("--subdir does not go with an upload: the server reads it from the package")
        destination = Destination.parse(place)
        terms = terms_of(session, who, channel or str(destination), any_signer=any_signer)
        return upload_packages(
            session, packages, destination, terms, bundles=bundles, dry_run=dry_run, skip_existing=skip_existing
        )
    if skip_existing:
        raise Misuse("--skip-existing goes with an upload to https://: elsewhere, what is there is compared")
    terms = terms_of(session, who, channel, any_signer=any_signer)
    if terms.channel is None:
        session.note(Finding.of(Code.CHANNEL_FROM_STATEMENT))
    store = open_store(place)
    size = sum(path.stat().st_size for path in map(Path, packages) if path.is_file()) or None
    with session.progress("verifying", size, "bytes") as advance:
        plans = publish_plan.plan(
            packages, store, terms, bundles=bundles, subdir=subdir, replacing=replacing, on_bytes=advance
        )
    refused = [finding for each in plans for finding in each.findings]
    if refused or dry_run:
        code = exits.of_findings(refused)
        session.render(
            documents.document("publish", code, dryRun=dry_run, anySigner=any_signer, **publishing.plans(plans)),
            lambda console: publishing.show_plans(console, plans),
        )
        if refused:
            session.say("nothing was written")
        return code
    with session.progress("publishing", len(plans), "packages") as advance:
        outcomes, changed = publish.publish(plans, store, terms, on_done=advance)
    problems = [each.problem for each in outcomes if each.problem is not None]
    code = max((exits.of_error(problem) for problem in problems), default=exits.Exit.ACCEPTED)
    session.render(
        documents.document(
            "publish", code, dryRun=False, anySigner=any_signer, **publishing.published(outcomes, changed)
        ),
        lambda console: publishing.show_published(console, outcomes, changed),
    )
    unlisted = [each for each in outcomes if each.problem is None and not each.listed]
    for each in unlisted:
        session.note(Finding.of(Code.PUBLISH_STALE if each.stale else Code.PUBLISH_UNINDEXED, each.plan.path))
    if unlisted:
        session.say(f"hint: run your indexer, and then: condattest index {store.name}")
    return code


def terms_of(session: Session, who: dict[str, Any], channel: str | None, *, any_signer: bool) -> "Terms":
    """Take the options that say who may sign as terms.

    Raises:
        Misuse: They contradict each other, or nobody is required and --any-signer does not say that this is meant.
        PolicyInvalid: The policy file is not valid.
    """
    from condattest.operations.admission import Terms

    url = channel_of(channel)
    if any_signer:
        given = [name for name, value in who.items() if value is not None]
        if given:
            option = given[0].removesuffix("_file")
            raise Misuse(f"--any-signer and --{option} exclude each other")
        session.note(Finding.of(Code.PUBLISH_ANYONE))
        return Terms(trust=session.trust, policy=None, channel=url)
    required = requirement(session, who)
    if not required.policy.signers and not any(rule.signers for rule in required.policy.rules):
        raise Misuse(
            "nobody was required: who must have signed?",
            hint="add --repository OWNER/NAME, --identity with --issuer, --policy FILE, or --any-signer",
        )
    return Terms(trust=session.trust, policy=required.policy, roots=required.loaded.roots, channel=url)
