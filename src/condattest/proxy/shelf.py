"""What was verified or made, kept on disk by its digest: packages that were accepted, indexes that were filtered.

Owns `Shelf`, `Kept` and `Incoming`. What is kept is hashed each time before it is used, through the descriptor that is
used then: an entry that was damaged, swapped or put there by somebody else is no entry. A verdict is never kept.

    <folder>/<sha256 of the bytes>
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, Final

from condattest.errors import LocalFailure, Misuse
from condattest.model.artifact import Sha256
from condattest.transport import files
from condattest.transport.room import Room

_PART: Final = 256 * 1024
_STAGED: Final = ".incoming-"


@dataclass(frozen=True, slots=True)
class Kept:
    """An open file that holds the bytes of a digest. Close it, or read `parts` to the end."""

    opened: BinaryIO
    size: int

    def parts(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` up to `end`, and close the file."""
        with self.opened as opened:
            opened.seek(start)
            left = (self.size if end is None else end) - start
            while left > 0 and (part := opened.read(min(_PART, left))):
                left -= len(part)
                yield part

    def close(self) -> None:
        """Close the file."""
        self.opened.close()


@dataclass(slots=True)
class Incoming:
    """A file that is being written, and hashed on the way."""

    opened: IO[bytes]
    path: Path
    size: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def write(self, part: bytes) -> None:
        """Append some bytes.

        Raises:
            LocalFailure: They cannot be written.
        """
        self.digest.update(part)
        self.size += len(part)
        try:
            self.opened.write(part)
        except OSError as error:
            raise _cannot(self.path.parent, error) from None

    def again(self) -> BinaryIO:
        """Another descriptor of the very file that was written, from its beginning: its name may name another by now.

        Raises:
            LocalFailure: It cannot be read.
        """
        try:
            self.opened.flush()
            again = os.fdopen(os.dup(self.opened.fileno()), "rb")
            again.seek(0)
            return again
        except OSError as error:
            raise _cannot(self.path.parent, error) from None

    @property
    def sha256(self) -> Sha256:
        """The digest of what was written so far."""
        return Sha256(self.digest.hexdigest())


class Shelf:
    """Files by their digest, in a folder. Several threads and processes may share it.

    Args:
        folder: Where; it need not be there yet.
        limit: The most bytes to keep; the entries that were not used for longest go first.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._room = Room(folder, limit, passed_over=_STAGED)

    def open(self, sha256: Sha256) -> Kept | None:
        """Open the bytes of a digest; None where they are not kept."""
        path = self._folder / sha256
        try:
            if path.is_symlink():
                return None
            opened = files.open_once(path)
        except (Misuse, LocalFailure, OSError):
            return None
        try:
            if files.hash_file(opened) == sha256:
                size = opened.tell()
                with contextlib.suppress(OSError):
                    os.utime(path)
                return Kept(opened, size)
        except (LocalFailure, OSError):
            pass
        opened.close()
        with contextlib.suppress(OSError):
            path.unlink()
        return None

    def holds(self, size: int) -> bool:
        """Whether so many bytes can be kept at all."""
        return size <= self._limit

    def put(self, data: bytes) -> Sha256:
        """Keep some bytes, if there is room for them.

        Raises:
            LocalFailure: They cannot be written.
        """
        sha256 = Sha256(hashlib.sha256(data).hexdigest())
        if self.holds(len(data)):
            with self.incoming() as incoming:
                incoming.write(data)
                self.keep(incoming)
        return sha256

    @contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """Give a file to write to; it is gone afterwards unless it was kept.

        Raises:
            LocalFailure: There can be none.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=_STAGED, dir=self._folder)
        except OSError as error:
            raise _cannot(self._folder, error) from None
        path = Path(name)
        try:
            with os.fdopen(descriptor, "w+b") as opened:
                yield Incoming(opened, path)
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def keep(self, incoming: Incoming) -> None:
        """Give a file its digest for a name. Nothing is synced: it is hashed before it is used.

        Raises:
            LocalFailure: It cannot be written.
        """
        try:
            incoming.opened.flush()
            if self.holds(incoming.size):
                os.replace(incoming.path, self._folder / incoming.sha256)
                self._room.take(incoming.size)
        except OSError as error:
            raise _cannot(self._folder, error) from None


def _cannot(folder: Path, error: OSError) -> LocalFailure:
    return LocalFailure(f"{folder}: cannot be written: {error.strerror}", hint="make room, or name another --cache")
