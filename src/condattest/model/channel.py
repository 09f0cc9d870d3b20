"""Name a channel by its canonical URL, and show URLs without their secrets.

Owns `Channel`, `canonical` and `redact`. A canonical channel URL has a lowercase scheme and host, no trailing slash, no
credentials (user info or `/t/TOKEN/`), no query or fragment, no `.`/`..`/empty path segments and no control characters.
CEP 27 compares `targetChannel` with the channel that a package came from as exact text; that only means something when
both sides are canonical.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self
from urllib.parse import urlsplit

_TOKEN = re.compile(r"/t/[^/\s]+")
# To the last @: a password may hold one, too. A URL that was taken for a path has one slash left; `C:/` is no scheme.
_USER = re.compile(r"(?<=://)[^/\s]*@|(?<=[A-Za-z0-9]{2}:/)(?!/)[^/\s]*@(?!/)")
_QUERY = re.compile(r"((?:://|(?<=[A-Za-z0-9]{2}):/)[^\s?#]*)\?[^\s#]+")
_CLEAN = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/\[\]-]+", re.ASCII)
_ESCAPE = re.compile(r"[0-9A-F]{2}")
_LABEL = re.compile(r"/label/[^/]+$")
MAX_URL: Final = 2048
"""Characters of a channel's URL."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


def redact(url: str) -> str:
    """Leave user info, anaconda.org tokens (`/t/TOKEN/`) and queries (signed URLs) out of a text shown to people."""
    # Every pattern needs a slash and a sign of its own: looking for those first is much faster in a long report.
    if "/" not in url:
        return url
    text = _USER.sub("", url) if "@" in url else url
    text = _QUERY.sub(r"\1?...", text) if "?" in text else text
    return _TOKEN.sub("", text) if "/t/" in text else text


@dataclass(frozen=True, slots=True, order=True)
class Channel:
    """A channel's canonical URL, such as `https://conda.anaconda.org/conda-forge`."""

    url: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take a URL that is already canonical, as a statement or a policy must state it.

        Raises:
            ValueError: The URL is not canonical; the message names the canonical form where there is one.
        """
        made = canonical(text)
        if made.url != text:
            raise ValueError(f"expected the canonical channel URL {made.url}, found {redact(text)!r:.200}")
        return cls(text)

    @property
    def is_label(self) -> bool:
        """Whether the URL selects a label (`/label/NAME`): other packages under the same host path, never a mirror."""
        return _LABEL.search(self.url) is not None

    def __str__(self) -> str:
        return self.url


@lru_cache(maxsize=1024)  # A run meets few channels, each many times; what raises is not kept.
def canonical(text: str) -> Channel:
    """Make the canonical channel of a URL that a person or a client's configuration gives.

    Strips credentials and trailing slashes, lowers scheme and host, drops a default port.

    Raises:
        ValueError: Not an http(s) or file URL, or one with `..`, a query, a fragment, control characters, or an escape
            of a character that needs none (a second spelling of the same URL).
    """
    shown = redact(text)
    if len(text) > MAX_URL or not _CLEAN.fullmatch(text):
        raise ValueError(f"expected a channel URL of plain URL characters, found {shown!r:.200}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"expected a channel URL, found {shown!r:.200}: {error}") from None
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https", "file"):
        raise ValueError(f"expected a channel URL (https://host/channel), found {shown!r:.200}")
    host = (parts.hostname or "").lower()
    if (not host) != (scheme == "file"):
        raise ValueError(f"expected a channel URL with a host, found {shown!r:.200}")
    if parts.path[:1] not in ("", "/"):
        raise ValueError(f"expected a channel URL with an absolute path, found {shown!r:.200}")
    if ":" in host:
        host = f"[{host}]"
    elif "[" in parts.netloc:
        raise ValueError(f"expected a channel URL with a host name or an IP address, found {shown!r:.200}")
    if port is not None and port != _DEFAULT_PORTS.get(scheme):
        host = f"{host}:{port}"
    path = _TOKEN.sub("", parts.path).rstrip("/")
    segments = path.split("/")[1:]
    if any(segment in ("", ".", "..") for segment in segments):
        raise ValueError(f"expected a channel URL without empty or dot segments, found {shown!r:.200}")
    if any(not _may_be_escaped(escape) for escape in path.split("%")[1:]):
        raise ValueError(f"expected a channel URL that escapes no plain characters, found {shown!r:.200}")
    return Channel(f"{scheme}://{host}{path}")


def _may_be_escaped(rest: str) -> bool:
    """Whether what follows a `%` is an escape, in upper case, of a character that could not stand there plainly."""
    if not _ESCAPE.match(rest):
        return False
    character = chr(int(rest[:2], 16))
    return not (character.isascii() and (character.isalnum() or character in "-._~/\\" or character < " "))
