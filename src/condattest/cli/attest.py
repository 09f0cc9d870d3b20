"""`condattest attest`: sign a statement for each package."""

import os
from pathlib import Path

import click

from condattest.cli import exits
from condattest.cli.session import Session
from condattest.cli.settings import Command, Settings, jobs_option, pass_settings
from condattest.cli.verify import channel_of
from condattest.errors import CondattestError, Misuse


@click.command(
    "attest",
    cls=Command,
    examples=[
        "condattest attest dist/*.conda --channel https://prefix.dev/my-channel",
        "condattest attest PKG.conda --no-target-channel --identity-token-file token.jwt",
    ],
)
@click.argument("packages", nargs=-1, type=click.Path(path_type=Path), metavar="PKG...")
@click.option("--channel", metavar="URL", help="The channel that the packages are published to: the statement's claim.")
@click.option("--no-target-channel", is_flag=True, help="Name no channel in the statement.")
@click.option("--force", is_flag=True, help="Replace bundles that are there already.")
@click.option(
    "--output-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the bundles go; by default beside each package.",
)
@click.option(
    "--identity-token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="CONDATTEST_IDENTITY_TOKEN_FILE",
    help="A file with the OIDC identity token to sign with; - reads it from stdin.",
)
@jobs_option("Signatures made")
@pass_settings
def command(
    settings: Settings,
    /,
    packages: tuple[Path, ...],
    channel: str | None,
    no_target_channel: bool,
    force: bool,
    output_dir: Path | None,
    identity_token_file: Path | None,
    jobs: int,
) -> int:
    """Sign a CEP 27 statement for each package, and write PKG.sigstore.json beside it.

    One certificate serves all packages. The identity comes from --identity-token-file, SIGSTORE_ID_TOKEN or
    SIGSTORE_IDENTITY_TOKEN, the CI platform, or a browser where a person sits at a terminal.
    """
    from condattest.model.evidence import Evidence
    from condattest.operations import attest
    from condattest.reports import documents, terminal
    from condattest.signatures import identity

    session = Session(settings)
    if (channel is None) != no_target_channel:
        raise Misuse(
            "expected either --channel URL or --no-target-channel",
            hint="installers compare the channel that a package comes from with the one that was signed",
        )
    target = channel_of(channel)
    size = sum(path.stat().st_size for path in packages if path.is_file())
    with session.progress("hashing", size, "bytes") as advance:
        orders = attest.prepare(packages, force=force, output_dir=output_dir, on_bytes=advance)
    if settings.offline:
        raise Misuse("signing needs the network, and --offline forbids it")
    trust = session.trust
    trust.trust_config  # noqa: B018 (a root that cannot sign is said before a token is asked for)
    surroundings = identity.Surroundings(os.environ, session.is_interactive)
    given = None if identity_token_file is None else identity.from_file(identity_token_file)

    def source() -> identity.Token:
        return identity.find(given, surroundings, trust)

    outcomes: list[attest.Attested] = []
    with session.progress("signing", len(orders), "packages") as advance:
        made = attest.attest(
            orders, channel=target, trust=trust, source=source, now=session.now, jobs=jobs, force=force
        )
        for outcome in made:
            outcomes.append(outcome)
            advance(1)
    outcomes.sort(key=lambda each: orders.index(each.order))
    errors = [each.outcome for each in outcomes if not isinstance(each.outcome, Evidence)]
    code = _code(errors)
    session.render(
        documents.document("attest", code, **documents.attested(outcomes)),
        lambda console: terminal.attested(console, outcomes),
    )
    return code


def _code(errors: list[CondattestError]) -> int:
    return max((exits.of_error(error) for error in errors), default=exits.Exit.ACCEPTED)
