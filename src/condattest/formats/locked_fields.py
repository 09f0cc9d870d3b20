"""Fields of lock files, read strictly: a field that is not what it should be is told with its place.

Owns `Fields`, `location` and `is_archive`. What a field may hold is the same in every format: digests are lowercase
hexadecimal, a location is a URL or a path.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from condattest.formats.lockfile import WrongLock
from condattest.model.artifact import Sha256
from condattest.model.channel import redact

_MD5 = re.compile(r"[0-9a-f]{32}", re.ASCII)
_ARCHIVES: Final = (".conda", ".tar.bz2")
MAX_LOCATION: Final = 4096
"""Characters of a URL or a path."""


@dataclass(frozen=True, slots=True)
class Fields:
    """One mapping of a lock file, and what it is called in errors."""

    values: Mapping[str, Any]
    where: str

    @classmethod
    def of(cls, value: Any, where: str) -> "Fields":
        """Take a value that must be a mapping.

        Raises:
            WrongLock: It is none.
        """
        if not isinstance(value, dict):
            raise WrongLock(f"{where}: expected keys and values, found {_shown(value)}")
        return cls(value, where)

    def text(self, key: str) -> str:
        """A text that must be there.

        Raises:
            WrongLock: There is none.
        """
        found = self.values.get(key)
        if not isinstance(found, str) or not found:
            raise self.wrong(key, "a text")
        return found

    def mapping(self, key: str) -> "Fields":
        """A mapping that must be there; raises as `text` does."""
        found = self.values.get(key)
        if not isinstance(found, dict):
            raise self.wrong(key, "keys and values")
        return Fields(found, f"{self.where}.{key}")

    def rows(self, key: str) -> list["Fields"]:
        """A list of mappings that must be there; raises as `text` does."""
        found = self.values.get(key)
        if not isinstance(found, list):
            raise self.wrong(key, "a list")
        return [Fields.of(row, f"{self.where}.{key}[{number}]") for number, row in enumerate(found)]

    def sha256(self, key: str = "sha256") -> Sha256 | None:
        """A digest, if it is there; raises as `text` does."""
        found = self.values.get(key)
        if found is None:
            return None
        try:
            return Sha256(found if isinstance(found, str) else "")
        except ValueError:
            raise self.wrong(key, "64 lowercase hex digits") from None

    def md5(self, key: str = "md5") -> str | None:
        """An older digest, if it is there; raises as `text` does."""
        found = self.values.get(key)
        if found is not None and not (isinstance(found, str) and _MD5.fullmatch(found)):
            raise self.wrong(key, "32 lowercase hex digits")
        return found

    def wrong(self, key: str, expected: str) -> WrongLock:
        """The error for a field."""
        found = _shown(self.values[key]) if key in self.values else "no such key"
        return WrongLock(f"{self.where}: {key}: expected {expected}, found {found}")


def location(text: str, where: str) -> str:
    """Take a URL or a path.

    Raises:
        WrongLock: It has control characters or spaces at its ends, or is too long.
    """
    if not text or len(text) > MAX_LOCATION or any(character < " " or character == "\x7f" for character in text):
        raise WrongLock(f"{where}: expected a URL or a path, found {ascii(redact(text))[:120]}")
    return text


def is_archive(text: str) -> bool:
    """Whether a location is one of a conda archive. A query or a fragment does not make it another thing."""
    path = text
    if "://" in text:
        try:
            path = urlsplit(text).path
        except ValueError:
            return True  # No URL: whoever reads it as one has to say so.
    return any(name.lower().endswith(_ARCHIVES) for name in (text, path, unquote(path)))


def is_path(text: str) -> bool:
    """Whether a location is a path, and no URL."""
    return "://" not in text


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str | int):
        return ascii(redact(str(value)))[:100]
    return "a list" if isinstance(value, list) else "keys and values"
