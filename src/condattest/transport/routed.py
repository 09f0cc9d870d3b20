"""Read each channel the way that its client reads it: with its credentials, or from a folder.

Owns `Route`, `Routed` and `Folders`. Everything above names a package by its channel's canonical URL, which has no
credentials; here they come back, for the requests to this channel alone. A `file:` URL is read only
below a channel that is a folder: an index that was fetched cannot point into this machine.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from condattest.errors import Misuse, NotFound, TooLarge, Unavailable
from condattest.transport import files
from condattest.transport.cache import Conditional
from condattest.transport.closing import Closing
from condattest.transport.fetch import Fetched, NotModified
from condattest.transport.on_demand import Closeable


@dataclass(frozen=True, slots=True)
class Route:
    """How a channel is read: `at` is its URL with what its server asks for, `by` makes the requests."""

    at: str
    by: Conditional


class Routed(Closing):
    """A reader that sends each URL by the route of its channel; close it, or use it as a context manager.

    Args:
        routes: By canonical channel URL.
        otherwise: For everything else.
    """

    def __init__(self, routes: Mapping[str, Route], otherwise: Conditional) -> None:
        self._routes = sorted(routes.items(), key=lambda each: -len(each[0]))
        self._otherwise = otherwise

    def __call__(self, url: str, limit: int) -> bytes:
        """Return the body of a URL; raises as `Fetcher` does."""
        answer = self.conditional(url, limit)
        assert isinstance(answer, Fetched)  # noqa: S101 - nothing was asked on condition
        return answer.body

    def fresh(self, url: str, limit: int) -> bytes:
        """Return the body of a URL past the caches on the way; raises as `Fetcher` does."""
        at, by = self._route(url)
        return by.fresh(at, limit)

    def conditional(
        self, url: str, limit: int, *, etag: str | None = None, last_modified: str | None = None
    ) -> Fetched | NotModified:
        """Return the body of a URL unless it did not change; raises as `Fetcher` does."""
        at, by = self._route(url)
        return by.conditional(at, limit, etag=etag, last_modified=last_modified)

    def stream(self, url: str, limit: int) -> AbstractContextManager[Iterator[bytes]]:
        """Yield the parts of a body as they come; raises as `Fetcher` does."""
        at, by = self._route(url)
        return by.stream(at, limit)

    def close(self) -> None:
        """Close every connection."""
        for each in {id(by): by for by in (*(route.by for _, route in self._routes), self._otherwise)}.values():
            each.close()

    def _route(self, url: str) -> tuple[str, Conditional]:
        for channel, route in self._routes:
            if url.startswith(f"{channel}/"):
                return route.at.rstrip("/") + url[len(channel) :], route.by
        return url, self._otherwise


class Folders(Closing):
    """A `Source` that reads channels in folders itself; close it, or use it as a context manager.

    Args:
        channels: Their `file:` URLs.
        otherwise: For everything else.
    """

    def __init__(self, channels: Iterable[str], otherwise: Closeable) -> None:
        self._folders = {channel: _path(channel).resolve() for channel in channels}
        self._otherwise = otherwise

    def __call__(self, url: str, limit: int) -> bytes:
        """Return the bytes of a URL; raises as `Fetcher` does."""
        path = self._path(url)
        return self._otherwise(url, limit) if path is None else _bytes(url, path, limit)

    def fresh(self, url: str, limit: int) -> bytes:
        """The same; a folder is always as it is."""
        path = self._path(url)
        return self._otherwise.fresh(url, limit) if path is None else _bytes(url, path, limit)

    def conditional(
        self, url: str, limit: int, *, etag: str | None = None, last_modified: str | None = None
    ) -> "Fetched | NotModified":
        """Return the bytes of a URL; a folder has no tags, so what is in one is always returned whole."""
        path = self._path(url)
        if path is None:
            return self._otherwise.conditional(url, limit, etag=etag, last_modified=last_modified)
        from condattest.transport.fetch import Fetched

        return Fetched(_bytes(url, path, limit))

    def stream(self, url: str, limit: int) -> AbstractContextManager[Iterator[bytes]]:
        """Yield the parts of a body as they come; raises as `Fetcher` does."""
        path = self._path(url)
        return self._otherwise.stream(url, limit) if path is None else _parts(url, path)

    def close(self) -> None:
        """Close every connection."""
        self._otherwise.close()

    def _path(self, url: str) -> Path | None:
        """The file of a URL in one of the folders; None for other URLs. No link leads out of the folder."""
        for channel, folder in self._folders.items():
            if url.startswith(f"{channel}/"):
                path = _path(url).resolve()
                if not path.is_relative_to(folder):
                    raise Unavailable(url, "it is outside of the channel's folder")
                return path
        return None


def _bytes(url: str, path: Path, limit: int) -> bytes:
    with _as_fetched(url):
        if path.is_file() and path.stat().st_size > limit:
            raise TooLarge(url, f"more than {limit} bytes")
        return files.read_bounded(path, limit)


@contextmanager
def _parts(url: str, path: Path) -> Iterator[Iterator[bytes]]:
    with _as_fetched(url):
        opened = files.open_once(path)
    with opened:
        yield files.parts(opened)


@contextmanager
def _as_fetched(url: str) -> Iterator[None]:
    """Say what goes wrong with a file as a server would: that it is not there is no mistake of the caller's."""
    try:
        yield
    except Misuse as error:
        raise NotFound(url, str(error)) from None


def _path(url: str) -> Path:
    return Path(url2pathname(urlsplit(url).path))
