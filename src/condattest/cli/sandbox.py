"""`condattest sandbox`: a local Sigstore to rehearse with."""

import signal
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from condattest.cli.session import Session
from condattest.cli.settings import Group, Settings, pass_settings
from condattest.errors import Misuse
from condattest.reports import documents

if TYPE_CHECKING:
    from condattest.sandbox import Identity

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group(
    "sandbox",
    cls=Group,
    examples=["condattest sandbox serve --dir sandbox", "condattest sandbox token --dir sandbox --repository me/pkg"],
)
def command() -> None:
    """Run a local Sigstore with real keys and real proofs, for rehearsal. Nobody trusts it by default."""


@command.command(
    "serve",
    examples=["condattest sandbox serve --dir sandbox", "condattest sandbox serve --dir sandbox --rekor 2 --port 8080"],
)
@click.option(
    "--dir", "folder", type=_FOLDER, default=Path("sandbox"), show_default=True, help="Where files are written."
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0: any free port.")
@click.option("--rekor", type=click.Choice(["1", "2"]), default="1", show_default=True, help="The log's API version.")
@click.option("--tsa/--no-tsa", default=True, show_default=True, help="Whether signers ask for time stamps, too.")
@click.option("--exit-after", type=float, metavar="SECONDS", help="Stop by itself; by default it runs until ^C.")
@pass_settings
def serve(settings: Settings, /, folder: Path, port: int, rekor: str, tsa: bool, exit_after: float | None) -> int:
    """Serve OIDC issuer, certificate authority, logs and time-stamp authority on 127.0.0.1.

    Writes trust_config.json and trusted_root.json, to give to --trust-config and --trusted-root, and the key that
    `condattest sandbox token` mints tokens with. All of it is worthless when the server stops.
    """
    from condattest.sandbox import Sandbox

    session = Session(settings)
    folder.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Sandbox(rekor=2 if rekor == "2" else 1, tsa=tsa).serve(port=port) as running:
        config = running.write(folder)
        running.write_issuer(folder)
        content = documents.document("sandbox", 0, url=running.url, trustConfig=str(config))

        def terminal(console: Console) -> None:
            console.print(Text(f"sandbox at {running.url}, trusted by nobody; stop it with ^C"))
            console.print(Text(f"export CONDATTEST_TRUST_CONFIG={config}"))
            console.print(
                Text(f"export SIGSTORE_ID_TOKEN=$(condattest sandbox token --dir {folder} --repository OWNER/NAME)")
            )

        session.render(content, terminal)
        session.out.file.flush()
        stop.wait(exit_after)
    return 0


@command.command(
    "token",
    examples=[
        "condattest sandbox token --dir sandbox --repository OWNER/NAME",
        "condattest sandbox token --dir sandbox --email me@example.org",
    ],
)
@click.option("--dir", "folder", type=_FOLDER, default=Path("sandbox"), show_default=True, help="As given to serve.")
@click.option("--repository", metavar="OWNER/NAME", help="A GitHub repository.")
@click.option("--workflow", metavar="PATH", default=".github/workflows/release.yml", show_default=True)
@click.option("--ref", metavar="REF", default="refs/heads/main", show_default=True)
@click.option("--trigger", metavar="EVENT", default="push", show_default=True, help="The event that started the run.")
@click.option("--email", metavar="ADDRESS", help="A person, instead of a repository.")
@click.option("--lifetime", type=click.IntRange(1, 3600), default=600, show_default=True, help="Seconds.")
@pass_settings
def token(
    settings: Settings,
    /,
    folder: Path,
    repository: str | None,
    workflow: str,
    ref: str,
    trigger: str,
    email: str | None,
    lifetime: int,
) -> int:
    """Print an identity token that the sandbox accepts, for whom you name. The one secret that is meant to be shown."""
    from condattest.sandbox import mint

    session = Session(settings)
    raw = mint(folder, _identity(repository, workflow, ref, trigger, email), lifetime=timedelta(seconds=lifetime))
    session.render(documents.document("sandbox", 0, token=raw), lambda console: click.echo(raw))
    return 0


def _identity(repository: str | None, workflow: str, ref: str, trigger: str, email: str | None) -> "Identity":
    from condattest import sandbox

    if (repository is None) == (email is None):
        raise Misuse("expected either --repository OWNER/NAME or --email ADDRESS")
    if email is not None:
        return sandbox.email(email)
    if repository is None or repository.count("/") != 1:
        raise Misuse(f"--repository: expected OWNER/NAME, found {repository!r}")
    return sandbox.github(repository, workflow=workflow, ref=ref, trigger=trigger)
