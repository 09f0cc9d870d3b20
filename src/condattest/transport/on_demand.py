"""An HTTP reader that is made when something is to be fetched, and not before.

Owns `Source` and `OnDemand`. Verifying local files asks nobody for anything; the HTTP library would cost a quarter of
such a command's time.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from condattest.transport.fetch import Fetched, Fetcher, NotModified


class Source(Protocol):
    """What operations need of a `Fetcher`."""

    def __call__(self, url: str, limit: int) -> bytes:
        """Return the body of a URL, of at most `limit` bytes."""
        ...

    def stream(self, url: str, limit: int) -> AbstractContextManager[Iterator[bytes]]:
        """Yield the parts of a body as they come."""
        ...

    def conditional(
        self, url: str, limit: int, *, etag: str | None = None, last_modified: str | None = None
    ) -> "Fetched | NotModified":
        """Return the body of a URL unless it is still the one of `etag` and `last_modified`."""
        ...


class OnDemand:
    """A `Source` that makes its `Fetcher` at the first request. Close it, or use it as a context manager."""

    def __init__(self, make: "Callable[[], Fetcher]") -> None:
        self._make = make
        self._made: Fetcher | None = None
        self._lock = threading.Lock()

    def __call__(self, url: str, limit: int) -> bytes:
        """As `Fetcher` does."""
        return self._fetcher()(url, limit)

    def stream(self, url: str, limit: int) -> AbstractContextManager[Iterator[bytes]]:
        """As `Fetcher.stream` does."""
        return self._fetcher().stream(url, limit)

    def conditional(
        self, url: str, limit: int, *, etag: str | None = None, last_modified: str | None = None
    ) -> "Fetched | NotModified":
        """As `Fetcher.conditional` does."""
        return self._fetcher().conditional(url, limit, etag=etag, last_modified=last_modified)

    def _fetcher(self) -> "Fetcher":
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._made is not None:
            self._made.close()
