"""Keep what was fetched on disk: less to fetch the next time, and something to go by without a network.

Owns `Cached`, a `Source`. What is kept is asked for again on condition, by its ETag (a Last-Modified counts whole
seconds, and an index may be written twice in one), and is used without asking only where its name is its digest.
Offline it is used as it is, and so is the server's word that something does not exist. An outage is an outage: what is
kept never stands in for an answer. Every entry is hashed when it is read; one that is damaged, a symbolic link, or
longer than allowed is fetched anew. Packages (`stream`) are not kept here.

    <folder>/<sha256 of the URL>    {"etag": ..., "sha256": ..., "size": ...} LF, then the body
                                    {"missing": true} LF                                       a server's 404

Neither the URL nor its credentials are written down. A cache is no place for what somebody else could have put there:
callers leave it out where `CI` is set.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

import msgspec

from condattest.errors import LocalFailure, Misuse, NotFound, Offline
from condattest.transport import files
from condattest.transport.closing import Closing
from condattest.transport.room import Room

if TYPE_CHECKING:
    from condattest.transport.fetch import Fetched, NotModified

LIMIT: Final = 2 * 1024**3
"""Bytes that a cache keeps, unless told."""
_HEADER: Final = 4096
_LEAST: Final = 1024
"""Bytes that an entry counts for at the least, so that small ones are bounded in number, too."""
_DIGEST: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


class Conditional(Protocol):
    """What a cache needs of a `Fetcher`."""

    def conditional(
        self, url: str, limit: int, *, etag: str | None = None, last_modified: str | None = None
    ) -> "Fetched | NotModified":
        """Return a body, or that it did not change."""
        ...

    def fresh(self, url: str, limit: int) -> bytes:
        """Return a body past every cache on the way."""
        ...

    def stream(self, url: str, limit: int) -> AbstractContextManager[Iterator[bytes]]:
        """Yield the parts of a body."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


class _Header(msgspec.Struct, omit_defaults=True):
    sha256: str = ""
    size: int = 0
    etag: str | None = None
    missing: bool = False


class Cached(Closing):
    """A `Source` that keeps bodies in a folder. Several threads and processes may share the folder.

    Args:
        fetcher: Gets what is not kept.
        folder: Where; it need not be there yet. Where it cannot be written, nothing is kept.
        limit: The most bytes to keep; the entries that were not used for longest go first.
        offline: Ask nobody.
    """

    def __init__(self, fetcher: Conditional, folder: Path, *, limit: int = LIMIT, offline: bool = False) -> None:
        self._fetcher = fetcher
        self._folder = folder
        self._limit = limit
        self._offline = offline
        self._room = Room(folder, limit, least=_LEAST)

    def __call__(self, url: str, limit: int) -> bytes:
        """Return the body of a URL; raises as a `Fetcher` does."""
        path = self._folder / hashlib.sha256(url.encode()).hexdigest()
        header, body = self._kept(path, limit)
        if self._offline:
            if header is not None and header.missing:
                raise NotFound(_shown(url), "the server did not have it when it was last asked")
            if body is None:
                raise Offline(_shown(url), "it is not in the cache, and --offline forbids to fetch it")
            return body
        if header is not None and body is not None and header.sha256 in _digests(url):
            return body
        if header is None or body is None:
            header = _Header()
        try:
            answer = self._fetcher.conditional(url, limit, etag=header.etag)
        except NotFound:
            self._keep(path, _Header(missing=True), b"")
            raise
        got = getattr(answer, "body", None)
        if got is None:
            assert body is not None  # noqa: S101 - 304 is refused where nothing was asked on condition
            return body
        fetched: Fetched = answer  # type: ignore[assignment]
        digest = hashlib.sha256(fetched.body).hexdigest()
        self._keep(path, _Header(digest, len(fetched.body), fetched.etag), fetched.body)
        return fetched.body

    def fresh(self, url: str, limit: int) -> bytes:
        """Return the body of a URL past every cache; offline there is nothing fresher than what is kept."""
        return self(url, limit) if self._offline else self._fetcher.fresh(url, limit)

    def conditional(
        self, url: str, limit: int, *, etag: str | None = None, last_modified: str | None = None
    ) -> "Fetched | NotModified":
        """Return the body of a URL unless it is still the one that the caller knows; what is kept is not asked."""
        return self._fetcher.conditional(url, limit, etag=etag, last_modified=last_modified)

    def stream(self, url: str, limit: int) -> AbstractContextManager[Iterator[bytes]]:
        """Yield the parts of a body as they come; they are not kept."""
        return self._fetcher.stream(url, limit)

    def close(self) -> None:
        """Close every connection."""
        self._fetcher.close()

    def _kept(self, path: Path, limit: int) -> tuple[_Header | None, bytes | None]:
        """What is kept: its header, and its body if there is one. Nothing where it is not what was written."""
        try:
            if path.is_symlink():
                return None, None
            data = files.read_bounded(path, _HEADER + limit)
            line, _, body = data.partition(b"\n")
            header = msgspec.json.decode(line, type=_Header)
        except (Misuse, LocalFailure, OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None, None
        if header.missing:
            return header, None
        if len(body) > limit or hashlib.sha256(body).hexdigest() != header.sha256:
            return None, None
        with contextlib.suppress(OSError):
            os.utime(path)
        return header, body

    def _keep(self, path: Path, header: _Header, body: bytes) -> None:
        line = msgspec.json.encode(header) + b"\n"
        if len(line) > _HEADER or len(body) > self._limit:
            return
        with contextlib.suppress(OSError, LocalFailure):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            files.write_new(path, line + body, replace=True, mode=0o600)
            self._room.take(len(line) + len(body))


def _digests(url: str) -> frozenset[str]:
    """The digests in a URL's last part, such as `x.conda.sigs.<sha256>`: what has it for a name does not change."""
    return frozenset(_DIGEST.findall(urlsplit(url).path.rpartition("/")[2]))


def _shown(url: str) -> str:
    from condattest.transport.redirects import shown

    return shown(url)
