"""A channel to read from by path, be it a web server or a store.

Owns `Origin`, `HttpOrigin` and `StoreOrigin`.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from condattest.model.channel import redact
from condattest.transport.on_demand import Source
from condattest.transport.store import Store

if TYPE_CHECKING:
    from condattest.transport.fetch import Fetched, NotModified


class Origin(Protocol):
    """What is read of a channel. Paths are relative to it, such as `noarch/repodata.json`, and not escaped.

    All that read raise NotFound, TooLarge, Offline, Unavailable or LocalFailure.
    """

    @property
    def name(self) -> str:
        """What the channel is called, without credentials."""
        ...

    def read(self, path: str, limit: int) -> bytes:
        """Return a file of at most `limit` bytes."""
        ...

    def read_fresh(self, path: str, limit: int) -> bytes:
        """Return a file as it is now, past the caches on the way."""
        ...

    def stream(self, path: str, limit: int) -> AbstractContextManager[Iterator[bytes]]:
        """Yield the parts of a file as they come."""
        ...

    def folders(self) -> list[str] | None:
        """The names of its folders; None where that cannot be told."""
        ...


@dataclass(frozen=True, slots=True)
class HttpOrigin:
    """A channel behind a URL, which may hold credentials."""

    url: str
    source: Source

    @property
    def name(self) -> str:
        """The URL without credentials."""
        return redact(self.url)

    def read(self, path: str, limit: int) -> bytes:
        """As `Origin.read`."""
        return self.source(self._url(path), limit)

    def read_fresh(self, path: str, limit: int) -> bytes:
        """As `Origin.read_fresh`."""
        return self.source.fresh(self._url(path), limit)

    def stream(self, path: str, limit: int) -> AbstractContextManager[Iterator[bytes]]:
        """As `Origin.stream`."""
        return self.source.stream(self._url(path), limit)

    def conditional(
        self, path: str, limit: int, *, etag: str | None = None, last_modified: str | None = None
    ) -> "Fetched | NotModified":
        """Return a file unless it is still the one of `etag` and `last_modified`; raises as `Origin.read`."""
        return self.source.conditional(self._url(path), limit, etag=etag, last_modified=last_modified)

    def folders(self) -> list[str] | None:
        """A web server does not list folders."""
        return None

    def _url(self, path: str) -> str:
        return f"{self.url.rstrip('/')}/{quote(path)}"


@dataclass(frozen=True, slots=True)
class StoreOrigin:
    """A channel that is a store."""

    store: Store

    @property
    def name(self) -> str:
        """The store's name."""
        return self.store.name

    def read(self, path: str, limit: int) -> bytes:
        """As `Origin.read`."""
        return self.store.read(path, limit).data

    def read_fresh(self, path: str, limit: int) -> bytes:
        """As `Origin.read_fresh`: no cache stands before a store."""
        return self.read(path, limit)

    def stream(self, path: str, limit: int) -> AbstractContextManager[Iterator[bytes]]:
        """As `Origin.stream`."""
        return self.store.stream(path, limit)

    def folders(self) -> list[str] | None:
        """The store's folders."""
        return self.store.folders()
