"""A channel to write to: what a directory and an object store have in common.

Owns `Store`, what it gives (`Stored`, `Entry`), `checked` for its paths, and `open_store`. Paths are relative to the
channel and separated by `/`: `noarch/x-1-0.conda.sigs`. Refuses paths that are absolute, climb (`..`), or read
differently on another system (a backslash, a colon, control characters).

Two rules make writers safe from each other, and from crashes:

    immutable names   are created and never touched again: `create` says whether it was the first
    mutable names     are replaced if they are still what was read: `replace` raises `Conflict` otherwise

A file is there whole or not at all. Names that begin with a dot are the store's own and are not listed.
"""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from condattest.errors import Misuse
from condattest.model.channel import redact

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_OBJECTS: Final = frozenset({"s3", "gs", "az"})
# A colon names a drive or a stream on Windows. Surrogates cannot be sent to an object store.
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f\\:\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Stored:
    """What was read.

    Attributes:
        data: The bytes.
        version: Which version it was; opaque, for `replace` of the same store.
    """

    data: bytes
    version: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A file directly in a folder: its name there, and its size in bytes."""

    name: str
    size: int


class Store(Protocol):
    """A channel to write to. Threads may share it.

    Every method raises `ValueError` for a path that `checked` refuses, `Unavailable` if an object store fails, and
    `LocalFailure` if a file system does; a file that was to be written is then as it was before.
    """

    @property
    def name(self) -> str:
        """The store as shown to people, without credentials or a slash at the end."""

    @property
    def parallel(self) -> int:
        """How many requests at a time pay off: one where no network is waited for."""

    def read(self, path: str, limit: int) -> Stored:
        """Read a file of at most `limit` bytes.

        Raises:
            NotFound: There is none.
            TooLarge: It has more bytes than that.
        """

    def stream(self, path: str, limit: int) -> AbstractContextManager[Iterator[bytes]]:
        """Read a file of at most `limit` bytes in parts of about a mebibyte; raises as `read`, also between parts."""

    def create(self, path: str, data: bytes) -> bool:
        """Write a file unless there is one; False if something of that name is there already, which stays as it is."""

    def create_from(self, path: str, source: BinaryIO) -> bool:
        """As `create`, from an open file's current position to its end, in bounded memory."""

    def replace(self, path: str, data: bytes, version: str | None) -> str:
        """Write a file if what is there is still `version`, or if nothing is there and it is None.

        Returns:
            The version written.

        Raises:
            Conflict: Something else is there; it stays as it is.
        """

    def version(self, path: str) -> str | None:
        """Which version of a file is there, for `replace` and `replace_from`; None where there is none."""

    def replace_from(self, path: str, source: BinaryIO, version: str | None) -> None:
        """As `replace`, from an open file's current position to its end, in bounded memory."""

    def folders(self) -> list[str]:
        """The names of the folders at the top, sorted: a channel's subdirs."""

    def list(self, folder: str, prefix: str = "") -> list[Entry]:
        """The files directly in a folder whose names begin with `prefix`, sorted by name; none if there is no folder.

        With a prefix it costs little in a large folder, where the store can.
        """

    def delete(self, path: str) -> None:
        """Delete a file; nothing happens if there is none."""

    def hold(self, folder: str) -> AbstractContextManager[None]:
        """Keep other writers out of a folder that ask to hold it, too, where the store can. Not to be nested."""


def checked(path: str) -> str:
    """Return the path of a file or a folder in a store, if it is one.

    Raises:
        ValueError: It is absolute, climbs, has an empty segment, or a character that is unsafe in a path.
    """
    if _UNSAFE.search(path) or any(segment in ("", ".", "..") for segment in path.split("/")):
        raise ValueError(f"expected a path inside the channel such as noarch/x-1-0.conda, found {path!r:.200}")
    return path


def is_listed(name: str) -> bool:
    """Whether a folder's listing shows a name: it is no name of the store's own, and can be asked for."""
    return not name.startswith(".") and "/" not in name and name != "" and not _UNSAFE.search(name)


def open_store(place: str) -> Store:
    """Open a channel for writing.

    Args:
        place: A directory, its `file://` URL, or `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`.

    Raises:
        Misuse: It is none of these, there is no such directory, or what object stores need is not installed.
    """
    # Each kind is imported when it is asked for: they import this module, and obstore is an extra.
    found = _SCHEME.match(place)
    scheme = found.group(1).lower() if found else ""
    if scheme in _OBJECTS:
        try:
            from condattest.transport.objects import Objects
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "obstore":
                raise
            raise Misuse(
                f"{scheme}:// needs obstore, which is not installed", hint="pip install 'condattest[s3]'"
            ) from None
        return Objects(place)
    if scheme not in ("", "file"):
        raise Misuse(
            f"{redact(place)}: expected a directory, or a URL with file://, s3://, gs:// or az://",
            hint="name the place where the channel's files are kept, not the one where they are served",
        )
    from condattest.transport.directory import Directory

    return Directory(_local(place) if scheme else Path(place))


def _local(url: str) -> Path:
    try:
        parts = urlsplit(url)
        path = url2pathname(parts.path)
    except ValueError as error:
        raise Misuse(f"{redact(url)}: expected a file URL: {error}") from None
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment or not path:
        raise Misuse(f"{redact(url)}: expected a file URL such as file:///srv/channel")
    return Path(path)
