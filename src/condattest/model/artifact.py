"""Name one conda artifact exactly: its file name, its digest, where it belongs.

Owns `Sha256`, `PackageFile` and `Artifact`. Refuses everything that two tools could read differently: upper-case
digests, path separators, control characters, non-ASCII look-alikes, upper-case extensions.

File names: CEP 26, `<name>-<version>-<build>.<conda|tar.bz2>`; a name may hold dashes, version and build may not.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Final, Literal, NamedTuple, Self

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII).fullmatch
# CEP 26: a name starts with a letter, digit or underscore; epochs (`1!2.0`) and local versions (`1.0+abc`) are legal.
_FILE_NAME = re.compile(
    r"([A-Za-z0-9_][A-Za-z0-9_.-]*)-([A-Za-z0-9_.!+]++)-([A-Za-z0-9_.+]+)(\.conda|\.tar\.bz2)", re.ASCII
).fullmatch
MAX_FILE_NAME: Final = 255
"""Bytes in a file name, the limit of common file systems."""

PackageKind = Literal[".conda", ".tar.bz2"]


class Sha256(str):
    """A SHA-256 digest as 64 lowercase hex digits.

    Raises:
        ValueError: The text is anything else; the message says what was found.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check and keep the text."""
        if type(text) is cls:
            return text  # It was checked when it was made.
        if not _SHA256(text):
            raise ValueError(f"expected 64 lowercase hex digits, found {text!r:.80}")
        return str.__new__(cls, text)

    @classmethod
    def of_bytes(cls, digest: bytes) -> Self:
        """Take the 32 raw bytes of a digest."""
        return cls(digest.hex())

    @classmethod
    def of_texts(cls, texts: Sequence[str]) -> Iterable[Self]:
        """Check and keep many, in a third of the time that they take one by one.

        Raises:
            ValueError: Not each of them is a digest.
            TypeError: Not each of them is text.
        """
        joined = "".join(texts)
        # Nothing but lowercase hex digits comes back as it was.
        if set(map(len, texts)) - {64} or bytes.fromhex(joined).hex() != joined:
            raise ValueError("expected 64 lowercase hex digits each")
        return map(str.__new__, repeat(cls), texts)


class PackageFile(NamedTuple):
    """The file name of a conda package, split as CEP 26 says."""

    name: str
    version: str
    build: str
    kind: PackageKind

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split a file name such as `zlib-1.2.11-h7b6447c_3.conda`.

        Raises:
            ValueError: Not a conda package's file name; the message says why.
        """
        match = _FILE_NAME(text)
        if match is not None and len(text) <= MAX_FILE_NAME:
            return tuple.__new__(cls, match.groups())  # As `_make` does, in half the time.
        for kind in (".conda", ".tar.bz2"):
            if text.endswith(kind):
                raise ValueError(f"expected <name>-<version>-<build>{kind}, found {text!r:.120}")
        raise ValueError(f"expected a name that ends in .conda or .tar.bz2, found {text!r:.120}")

    @property
    def stem(self) -> str:
        """The file name without its extension."""
        return f"{self.name}-{self.version}-{self.build}"

    def __str__(self) -> str:
        return self.stem + self.kind


@dataclass(frozen=True, slots=True)
class Artifact:
    """One package file: the name it goes by and the digest of its bytes."""

    file: PackageFile
    sha256: Sha256
    subdir: str | None = None

    def __str__(self) -> str:
        return f"{self.file}@sha256:{self.sha256}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `NAME@sha256:HEX`, where NAME is a package's file name.

        Raises:
            ValueError: Another form; the message says what was expected.
        """
        name, found, digest = text.partition("@sha256:")
        if not found:
            raise ValueError(f"expected NAME@sha256:HEX, found {text!r:.120}")
        return cls(PackageFile.parse(name), Sha256(digest))
