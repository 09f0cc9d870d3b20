"""An HTTP reader that is made when something is to be fetched, and not before.

Owns `Source`, `Closeable` and `OnDemand`. Verifying local files asks nobody for anything; the HTTP library would cost a
quarter of such a command's time.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from condattest.transport.closing import Closing

if TYPE_CHECKING:
    from condattest.transport.fetch import Fetched, NotModified


class Source(Protocol):
    """What operations need of a `Fetcher`."""

    def __call__(self, url: str, limit: int) -> bytes:
        """Return the body of a URL, of at most `limit` bytes."""
        ...

    def fresh(self, url: str, limit: int) -> bytes:
        """The same, past the caches on the way."""
        ...

    def stream(self, url: str, limit: int) -> AbstractContextManager[Iterator[bytes]]:
        """Yield the parts of a body as they come."""
        ...

    def conditional(
        self, url: str, limit: int, *, etag: str | None = None, last_modified: str | None = None
    ) -> "Fetched | NotModified":
        """Return the body of a URL unless it is still the one of `etag` and `last_modified`."""
        ...


class Closeable(Source, Protocol):
    """A `Source` that holds connections."""

    def close(self) -> None:
        """Close them."""
        ...


class OnDemand(Closing):
    """A `Source` that makes another, such as a `Fetcher`, at the first request. Close it, or use it by `with`."""

    def __init__(self, make: Callable[[], Closeable]) -> None:
        self._make = make
        self._made: Closeable | None = None
        self._lock = threading.Lock()

    def __call__(self, url: str, limit: int) -> bytes:
        """As `Fetcher` does."""
        return self._source()(url, limit)

    def fresh(self, url: str, limit: int) -> bytes:
        """As `Fetcher.fresh` does."""
        return self._source().fresh(url, limit)

    def stream(self, url: str, limit: int) -> AbstractContextManager[Iterator[bytes]]:
        """As `Fetcher.stream` does."""
        return self._source().stream(url, limit)

    def conditional(
        self, url: str, limit: int, *, etag: str | None = None, last_modified: str | None = None
    ) -> "Fetched | NotModified":
        """As `Fetcher.conditional` does."""
        return self._source().conditional(url, limit, etag=etag, last_modified=last_modified)

    def _source(self) -> Closeable:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def close(self) -> None:
        """Close what was made, if anything was."""
        with self._lock:
            if self._made is not None:
                self._made.close()
