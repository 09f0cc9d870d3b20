"""A package in a store: its digest by its own bytes, and its upload so that only the judged bytes get in.

Owns `digest_of`, `unchanged` and `is_subdir`.
"""

import hashlib
import io
import os
import re
from typing import IO, BinaryIO, Final, cast

from condattest.errors import LocalFailure, NotFound
from condattest.formats.package import MAX_PACKAGE
from condattest.model.artifact import Sha256
from condattest.transport import files
from condattest.transport.store import Store

_SUBDIR: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)


def is_subdir(name: str) -> bool:
    """Whether a text can name a subdir, such as `noarch` or `linux-64`: one folder, which leads nowhere else."""
    return _SUBDIR.fullmatch(name) is not None


def digest_of(store: Store, path: str) -> Sha256 | None:
    """The digest of a package that the store has; None where it has none. No index is asked.

    Raises:
        Unavailable, LocalFailure: The store cannot be read.
    """
    try:
        with store.stream(path, MAX_PACKAGE) as chunks:
            return files.hash_parts(chunks)
    except NotFound:
        return None


def unchanged(opened: IO[bytes], expected: Sha256, name: str) -> BinaryIO:
    """A package's open file that fails at its end if its bytes are not those that were judged.

    Args:
        opened: The file, at any place.
        expected: The digest that was judged.
        name: What the file is called, for the error: LocalFailure, on the read that reaches the end.
    """
    return cast(BinaryIO, _Unchanged(opened, expected, name))


class _Unchanged(io.RawIOBase):
    """A package's open file that fails at its end if its bytes are not those that were judged."""

    def __init__(self, opened: IO[bytes], expected: Sha256, name: str) -> None:
        super().__init__()
        self._opened = opened
        self._expected = expected
        self._name = name
        self._digest = hashlib.sha256()
        self._left = opened.seek(0, os.SEEK_END)
        opened.seek(0)

    def readable(self) -> bool:
        """It can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read on; the last bytes are given only if all are as they should be."""
        data = self._opened.read(size)
        self._digest.update(data)
        self._left -= len(data)
        # A reader may stop at the length that the file had, and need not ask once more.
        ended = self._left <= 0 or (not data and size != 0)
        if ended and self._digest.hexdigest() != self._expected:
            raise LocalFailure(
                f"{self._name}: the package changed while it was published: expected the digest {self._expected}, "
                f"found {self._digest.hexdigest()}",
                hint="publish it again when nothing writes to it",
            )
        return data
