"""What is to be verified: a package file, a package's URL, a name with its digest, or what a client lists.

Owns `Target` and its kinds, `parse` and `listed`. Refuses a target that is none of them, and says which forms there
are.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from condattest.errors import Misuse
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.channel import Channel, canonical, redact
from condattest.model.finding import Finding

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_SUBDIR = re.compile(r"noarch|[a-z0-9]+-[a-z0-9_]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileTarget:
    """A package on this machine; `sha256` is what a lock file says of it, where one does."""

    path: Path
    file: PackageFile
    sha256: Sha256 | None = None

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class UrlTarget:
    """A package in a channel: `url` is what is fetched, `channel` and `subdir` are what it says."""

    url: str = field(repr=False)
    channel: Channel
    subdir: str
    file: PackageFile

    def __str__(self) -> str:
        return redact(self.url)


@dataclass(frozen=True, slots=True)
class DigestTarget:
    """A package that is known by name and digest alone; nothing is downloaded but its attestations."""

    artifact: Artifact

    @property
    def file(self) -> PackageFile:
        """The artifact's file name."""
        return self.artifact.file

    def __str__(self) -> str:
        return str(self.artifact)


@dataclass(frozen=True, slots=True)
class ListedTarget:
    """A package that a lock file, an environment or a solver lists. Only index and attestations are fetched for it.

    Attributes:
        url: Where it is from.
        channel: The channel in that URL.
        subdir: The subdir in that URL.
        file: The file name in that URL.
        sha256: Its digest, as it is listed; None where the list has none, which is a reason to reject.
        held: The record as the client holds it, to be compared with the channel's; None where it holds none.
        locked: Whether that record was taken some time ago, so that it may be an earlier state of the channel's.
        index: The info/index.json of an archive with this digest, where a client has one.
    """

    url: str = field(repr=False)
    channel: Channel
    subdir: str
    file: PackageFile
    sha256: Sha256 | None
    held: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    locked: bool = False
    index: Mapping[str, object] | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return redact(self.url)


@dataclass(frozen=True, slots=True)
class RefusedTarget:
    """Something that is listed or installed, and not told well enough to be verified: rejected for `finding`."""

    name: str
    finding: Finding
    file: PackageFile | None = None

    def __str__(self) -> str:
        return redact(self.name)


Target = FileTarget | UrlTarget | DigestTarget | ListedTarget | RefusedTarget


def listed(
    url: str, sha256: Sha256 | None, held: Mapping[str, Any] | None = None, *, locked: bool = False
) -> ListedTarget:
    """Make a target of a package that a client lists.

    Raises:
        Misuse: The URL is not one of a package in a channel.
    """
    parts = _url(url)
    return ListedTarget(parts.url, parts.channel, parts.subdir, parts.file, sha256, held, locked)


def parse(text: str) -> Target:
    """Read a target as it stands on the command line.

    Raises:
        Misuse: It is none of the forms, or the file is not there.
    """
    if _SCHEME.match(text):
        return _url(text)
    if "@sha256:" in text:
        try:
            return DigestTarget(Artifact.parse(text))
        except ValueError as error:
            raise Misuse(f"{text}: {error}", hint="for example zlib-1.3.1-hb9d3cd8_2.conda@sha256:<64 hex>") from None
    path = Path(text)
    if not path.is_file():
        found = "a directory" if path.is_dir() else "no such file"
        raise Misuse(
            f"{text}: expected a conda package, found {found}",
            hint="give a .conda or .tar.bz2 file, its URL in a channel, or NAME@sha256:HEX",
        )
    try:
        return FileTarget(path, PackageFile.parse(path.name))
    except ValueError as error:
        raise Misuse(f"{text}: {error}", hint="a package keeps the file name that it was built with") from None


def _url(text: str) -> UrlTarget:
    base, _, name = text.rpartition("/")
    base, _, subdir = base.rpartition("/")
    hint = "for example https://conda.anaconda.org/conda-forge/linux-64/zlib-1.3.1-hb9d3cd8_2.conda"
    # Neither is shown: a query may be a signature, and what follows /t/ is a token.
    if "?" in name or "#" in name or base.endswith("/t"):
        found = "a token and no subdir" if base.endswith("/t") else "a query or a fragment behind the file"
        raise Misuse(f"{redact(text.partition('#')[0])}: expected <channel>/<subdir>/<file>, found {found}", hint=hint)
    try:
        # `!` and `+` stand in version numbers, and some clients escape them.
        file = PackageFile.parse(unquote(name, errors="strict"))
        channel = canonical(base)
    except (ValueError, UnicodeDecodeError) as error:
        raise Misuse(f"{redact(text)}: {error}", hint=hint) from None
    if not _SUBDIR.fullmatch(subdir):
        raise Misuse(f"{redact(text)}: expected <channel>/<subdir>/<file>, found the subdir {subdir!r}", hint=hint)
    return UrlTarget(text, channel, subdir, file)
