"""The options that the verbs of `condattest patch` share: what there is, and what their text means.

Owns `reading_options`, `signing_options` and `making_options`, and readers of single options.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from condattest.cli.requirement import requirement_options
from condattest.errors import Misuse
from condattest.model.artifact import PackageFile, Sha256

if TYPE_CHECKING:
    from condattest.formats.patch_descriptors import Source
    from condattest.patches.engines import Engine

FILE: Final = click.Path(path_type=Path, dir_okay=False)


def reading_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what every verb that reads generations takes."""
    options: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
        click.argument("place", metavar="CHANNEL"),
        click.option("--subdir", metavar="NAME", required=True, help="The subdir."),
        click.option("--channel", metavar="URL", help="The channel's canonical URL, where CHANNEL is not it."),
        click.option("--role", type=click.Choice(["author", "observer"]), default="author", show_default=True,
                     help="Whose generations: the author's, or an observer's."),
        click.option("--provenance", metavar="PLACE",
                     help="Where the generations are, if not in the channel or where the policy says."),
        requirement_options,
        click.option("--any-signer", is_flag=True, help="Take any authentic signer; the report says so."),
    ]  # fmt: skip
    for decorate in reversed(options):
        function = decorate(function)
    return function


def signing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what every verb that signs generations takes."""
    options: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
        click.option("--instructions", type=FILE, help="A patch package with the instructions, not the channel's."),
        click.option("--state", type=FILE, help="A file that keeps the newest generation, outside STORE."),
        click.option("--identity-token-file", type=FILE, envvar="CONDATTEST_IDENTITY_TOKEN_FILE",
                     help="A file with the OIDC identity token; - is stdin."),
        click.option("--void", metavar="PAYLOAD", multiple=True,
                     help="The payload of a generation that is revoked, beside those of the policy; may be repeated."),
        requirement_options,
        click.option("--any-signer", is_flag=True, help="Take any authentic signer of the generations that are there."),
    ]  # fmt: skip
    for decorate in reversed(options):
        function = decorate(function)
    return function


def making_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what every verb that makes generations takes; `make` reads it."""
    options: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
        click.option("--engine", type=click.Choice(["conda-index", "rattler-index"]), default="conda-index",
                     show_default=True, help="The indexer that applied the instructions."),
        click.option("--engine-version", metavar="TEXT", help="Its version, as the statement shall name it."),
        click.option("--refresh-after", metavar="DURATION", help="Sign again, even if nothing changed, after 7d, say."),
        signing_options,
    ]  # fmt: skip
    for decorate in reversed(options):
        function = decorate(function)
    return function


def engine_of(name: str) -> "Engine":
    """The engine of that name, of those that the options offer."""
    from condattest.patches import engines

    engine = engines.engine(name)
    if engine is None:
        raise Misuse(f"--engine {name}: there is no such engine")
    return engine


def source_of(text: str | None) -> "Source | None":
    """Read --source.

    Raises:
        Misuse: It is not URI@COMMIT.
    """
    from condattest.formats.patch_descriptors import Source

    if text is None:
        return None
    uri, separator, commit = text.rpartition("@")
    if not separator or not uri or len(commit) not in (40, 64) or set(commit) - set("0123456789abcdef"):
        raise Misuse(f"--source {text}: expected URI@COMMIT, with the full commit in lowercase hex")
    return Source(uri, commit)


def replaced_of(names: Sequence[str]) -> frozenset[PackageFile]:
    """Read --replaced.

    Raises:
        Misuse: One is no package's file name.
    """
    try:
        return frozenset(map(PackageFile.parse, names))
    except ValueError as error:
        raise Misuse(f"--replaced: {error}") from None


def payloads_of(texts: Sequence[str]) -> frozenset[Sha256]:
    """Read --void.

    Raises:
        Misuse: One is no digest.
    """
    try:
        return frozenset(map(Sha256, texts))
    except ValueError as error:
        raise Misuse(f"--void: {error}", hint="condattest patch log --json has each generation's payload") from None


def package_of(text: str) -> PackageFile:
    """Read PKG.

    Raises:
        Misuse: It is no package's file name.
    """
    try:
        return PackageFile.parse(text)
    except ValueError as error:
        raise Misuse(f"{text}: {error}") from None
