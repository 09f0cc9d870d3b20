"""`condattest mirror`: packages with their attestations from one channel to another."""

from typing import Any

import click

from condattest.cli import exits
from condattest.cli.publish import terms_of
from condattest.cli.requirement import requirement_options
from condattest.cli.session import Session
from condattest.cli.settings import Command, Settings, jobs_option, pass_settings
from condattest.model.channel import canonical


@click.command(
    "mirror",
    cls=Command,
    examples=[
        "condattest mirror https://prefix.dev/CHANNEL /srv/mirror --subdir noarch --policy policy.toml",
        "condattest mirror /srv/staging s3://bucket/channel --channel https://conda.example/channel --any-signer",
    ],
)
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="DST")
@click.option("--package", "packages", multiple=True, metavar="NAME", help="A package or file name; may be repeated.")
@click.option(
    "--subdir",
    "subdirs",
    multiple=True,
    metavar="NAME",
    help="A subdir; may be repeated. By default all of them, which a URL's channeldata.json has to list.",
)
@click.option("--channel", metavar="URL", help="The source's canonical URL, where SRC is not it.")
@requirement_options
@click.option("--any-signer", is_flag=True, help="Take any authentic signer, and packages without attestations too.")
@jobs_option("Packages copied")
@pass_settings
def command(
    settings: Settings,
    /,
    source: str,
    destination: str,
    packages: tuple[str, ...],
    subdirs: tuple[str, ...],
    channel: str | None,
    any_signer: bool,
    jobs: int,
    **who: Any,
) -> int:
    """Copy packages with their attestations, by CEP 50's rules: hashed sidecar, verified, mutable sidecar, index.

    SRC is a channel's URL or a store, DST a store: a directory, s3://, gs:// or az://. A package that the policy does
    not accept is not copied. Records are copied as the source serves them; records that DST has are kept.
    """
    from condattest.errors import Misuse
    from condattest.operations import mirror
    from condattest.reports import documents, publishing
    from condattest.transport.origin import HttpOrigin, Origin, StoreOrigin
    from condattest.transport.store import open_store

    session = Session(settings)
    remote = source.startswith(("https://", "http://"))
    if remote and channel is None:
        try:
            channel = canonical(source).url
        except ValueError as error:
            raise Misuse(f"SRC: {error}") from None
    terms = terms_of(session, who, channel, any_signer=any_signer)
    store = open_store(destination)
    selection = mirror.Selection(packages=frozenset(packages), subdirs=subdirs)
    with session.fetcher() as fetcher, session.progress("copying", None, "packages") as advance:
        origin: Origin = HttpOrigin(source, fetcher) if remote else StoreOrigin(open_store(source))
        copied = mirror.mirror(origin, store, selection, terms, now=session.now, jobs=jobs, on_done=advance)
        outcomes = list(copied)
    code = exits.Exit.ACCEPTED
    if any(each.problem is not None for each in outcomes):
        code = max(exits.of_error(each.problem) for each in outcomes if each.problem is not None)
    if any(each.findings for each in outcomes):
        code = exits.Exit.REJECTED
    session.render(
        documents.document("mirror", code, anySigner=any_signer, **publishing.mirrored(outcomes)),
        lambda console: publishing.show_mirrored(console, outcomes, verbose=settings.verbose > 0),
    )
    return code
