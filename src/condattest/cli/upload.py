"""`condattest publish --to https://prefix.dev/NAME`: an upload to a server that keeps the channel itself.

Owns `Destination` and `upload_packages`. The token is an API key in PREFIX_API_KEY; without it, a CI job's identity is
exchanged for a short-lived one, where the channel names the workflow as a trusted publisher.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from condattest.cli import exits
from condattest.cli.session import Session
from condattest.errors import CondattestError, Misuse, NoIdentity
from condattest.model.channel import redact

if TYPE_CHECKING:
    from condattest.operations.admission import Terms

_KEY: Final = "PREFIX_API_KEY"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where packages are uploaded to: a server, and a channel by its name there."""

    server: str
    channel: str

    @classmethod
    def parse(cls, place: str) -> Self:
        """Read `https://SERVER/NAME`.

        Raises:
            Misuse: It is anything else, or plain http to another machine.
        """
        from condattest.transport import prefix_dev

        try:
            parts = urlsplit(place)
        except ValueError:
            raise _no_destination(place) from None
        channel = parts.path.strip("/")
        if (
            not place.isprintable()
            or parts.query
            or parts.fragment
            or "@" in parts.netloc
            or not prefix_dev.is_channel(channel)
        ):
            raise _no_destination(place)
        made = cls(f"{parts.scheme}://{parts.netloc}", channel)
        prefix_dev.audience(made.server)  # It refuses what cannot be a server.
        return made

    def __str__(self) -> str:
        return f"{self.server}/{self.channel}"


def _no_destination(place: str) -> Misuse:
    return Misuse(
        f"--to {redact(place)}: expected a channel such as https://prefix.dev/my-channel",
        hint="other channels are written where they are kept: a directory, s3://, gs:// or az://",
    )


def upload_packages(
    session: Session,
    packages: Sequence[str],
    destination: Destination,
    terms: "Terms",
    *,
    bundles: Sequence[Path],
    dry_run: bool,
    skip_existing: bool,
) -> int:
    """Upload packages with their attestations; the exit code."""
    from condattest.operations import upload
    from condattest.reports import documents, uploads

    if session.settings.offline and not dry_run:
        raise Misuse("an upload needs the network, and --offline forbids it", hint="--dry-run judges without it")
    paths = [Path(each) for each in packages]
    size = sum(path.stat().st_size for path in paths if path.is_file()) or None
    with session.progress("verifying", size, "bytes") as advance:
        plans = upload.plan(paths, terms, bundles=bundles, on_bytes=advance)
    anybody = terms.policy is None
    if dry_run or any(each.findings for each in plans):
        code = exits.of_findings([finding for each in plans for finding in each.findings])
        session.render(
            documents.document("publish", code, dryRun=dry_run, anySigner=anybody, **uploads.plans(plans)),
            lambda console: uploads.show_plans(console, plans),
        )
        if code:
            session.say("nothing was uploaded")
        return code
    token = _token(destination.server)
    outcomes: list[upload.Uploaded] = []
    with session.progress("uploading", len(plans), "packages") as advance:
        for each in upload.upload(
            plans, destination.server, destination.channel, token=token, skip_existing=skip_existing
        ):
            outcomes.append(each)
            advance(1)
    problems = [each.outcome for each in outcomes if isinstance(each.outcome, CondattestError)]
    code = max((exits.of_error(problem) for problem in problems), default=exits.Exit.ACCEPTED)
    session.render(
        documents.document("publish", code, dryRun=False, anySigner=anybody, **uploads.uploaded(outcomes)),
        lambda console: uploads.show_uploaded(console, outcomes),
    )
    return code


def _token(server: str) -> str:
    from condattest.signatures import identity
    from condattest.transport import post, prefix_dev

    key = os.environ.get(_KEY)
    if key:
        post.check_token(key, _KEY, "")
        return key
    try:
        credential = identity.ambient(os.environ, prefix_dev.audience(server))
    except NoIdentity as error:
        raise NoIdentity("no API key, and no identity to be exchanged for one", hint=error.hint) from None
    if credential is None:
        raise NoIdentity(
            f"{server} wants an API key, and {_KEY} is not set",
            hint=f"export {_KEY}=...; or run it in a CI job that the channel names as a trusted publisher",
        )
    return prefix_dev.mint(server, credential)
