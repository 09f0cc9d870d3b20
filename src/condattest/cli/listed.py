"""What `--lock` and `--prefix` list: the options, and the targets that they amount to.

Owns `listing_options`, `Listed` and `read`. A file is read because it is named, never because it lies in a folder.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from condattest.cli.session import Session
from condattest.errors import Misuse
from condattest.reports.plain import exact, plain

if TYPE_CHECKING:
    from condattest.operations.listings import Listing
    from condattest.operations.targets import Target
    from condattest.policy.pins import Pins

_PATH = click.Path(path_type=Path)


def listing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name lock files and environments."""
    options = [
        click.option(
            "--lock",
            "locks",
            multiple=True,
            type=_PATH,
            help="A lock file: an @EXPLICIT list, conda-lock.yml or pixi.lock; verified without downloading packages.",
        ),
        click.option(
            "--prefix",
            "prefixes",
            multiple=True,
            type=_PATH,
            help="An installed environment, by its conda-meta; the installed files are not hashed again.",
        ),
        click.option(
            "--environment", "environments", multiple=True, metavar="NAME", help="With --lock: only this environment."
        ),
        click.option("--platform", "platforms", multiple=True, metavar="NAME", help="With --lock: only this platform."),
        click.option(
            "--lock-identities",
            "identities",
            multiple=True,
            type=_PATH,
            help="Identities that must have stayed, beside the policy: what policy learn --lock wrote.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@dataclass(frozen=True, slots=True)
class Listed:
    """What the options name: the lists that were read, and the identities that are pinned."""

    listings: "tuple[Listing, ...]"
    pins: "tuple[Pins, ...]"

    @property
    def targets(self) -> "list[Target]":
        """What is to be verified, in the order of the lists."""
        return [target for listing in self.listings for target in listing.targets]

    def documents(self) -> list[dict[str, Any]]:
        """One object for each list; what it lists adds up."""
        return [
            {
                "kind": each.kind,
                "source": exact(str(each.source)),
                "format": each.format,
                "listed": each.listed,
                "targets": len(each.targets),
                "repeated": each.repeated,
                "pypi": each.pypi,
                "sourceBuilds": each.source_builds,
                "unselected": each.unselected,
            }
            for each in self.listings
        ]

    def tell(self, session: Session) -> None:
        """Say of each list what is verified of it, and what is not."""
        for each in self.listings:
            session.say(_sentence(each))


def read(session: Session, options: dict[str, Any]) -> Listed:
    """Take the options of `listing_options` out of `options`, and read what they name.

    Raises:
        Misuse: A file is not what it should be, a selection has nothing to select from, or nothing is listed at all.
    """
    locks, prefixes = options.pop("locks"), options.pop("prefixes")
    environments, platforms = options.pop("environments"), options.pop("platforms")
    identities = options.pop("identities")
    if (environments or platforms) and not locks:
        raise Misuse("--environment and --platform select from a lock file", hint="name it with --lock FILE")
    if not locks and not prefixes and not identities:
        return Listed((), ())
    from condattest.operations import listings, pinned

    found = tuple(
        [*(listings.of_lock(path, environments, platforms) for path in locks), *map(listings.of_prefix, prefixes)]
    )
    for listing in found:
        if not listing.targets:
            raise Misuse(f"{_sentence(listing)}: nothing to verify", hint="no conda package is listed there")
    return Listed(found, tuple(pinned.read(path, now=session.now) for path in identities))


def _sentence(listing: "Listing") -> str:
    parts = [f"{len(listing.targets)} to verify"]
    for count, what in (
        (listing.repeated, "listed again"),
        (listing.pypi, "not verified: from PyPI"),
        (listing.source_builds, "not verified: built from source"),
        (listing.unselected, "not selected"),
    ):
        if count:
            parts.append(f"{count} {what}")
    return f"{plain(listing.source)} ({listing.format}): {listing.listed} listed, {', '.join(parts)}"
