"""HTTP in, bytes out, bounded in bytes, time and trust.

Owns `Fetcher` and the type `Fetch`. A server is not believed: its answer is refused when it is compressed (a body that
expands is a bomb: 10 MB become 10 GB), when its length is not as announced, when it does not say where it ends, when it
is too large, and when it takes longer than the deadline. Redirects are followed by hand, see `redirects`; cookies are
never kept; a failure's text holds no credentials.

HTTP/1.1 with kept connections, and not HTTP/2: httpcore's HTTP/2 connections are not safe in several threads (two of
them can get the same stream, and one the other's answer: pydantic/httpx2 pull request 1153), and workers share this.

Spec: https://www.rfc-editor.org/rfc/rfc9110, https://www.rfc-editor.org/rfc/rfc9112
"""

import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, TypeVar

import httpx
import stamina

from condattest._version import __version__
from condattest.errors import LocalFailure, Misuse, Offline, TooLarge, Unavailable
from condattest.transport import answers, redirects, wire
from condattest.transport.answers import Passing, Unconnected
from condattest.transport.closing import Closing
from condattest.transport.redirects import Refused, plain, shown

Fetch = Callable[[str, int], bytes]
"""Takes a URL and a limit in bytes; raises NotFound, TooLarge, Offline or Unavailable. A `Fetcher` is one."""

_T = TypeVar("_T")

USER_AGENT: Final = f"condattest/{__version__}"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RETRY_AFTER_CAP: Final = 30.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """A body, and what to ask with the next time. `etag` and `last_modified` are the server's words, as they came."""

    body: bytes
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class NotModified:
    """The server says that what the caller has is what there is."""


class Fetcher(Closing):
    """Gets what URLs name. Several threads may share one; close it, or use it as a context manager.

    Args:
        offline: Open no socket; everything raises Offline.
        deadline: Seconds that a request may take in all, with its redirects, retries and waits.
        floor: Bytes that buy one more second: a large body may take longer than `deadline`, but not by trickling. A
            request takes at most `deadline + limit / floor` seconds (and the resolver's time to look a name up).
        connect: Seconds for one connection to be made.
        read: Seconds without a single byte.
        attempts: How often a request is made, if connections break or the server answers 429 or 5xx; once only where
            none of an earlier request's attempts could connect, until a request comes through again.
        first_wait: Seconds before the second attempt; they double, up to `longest_wait`.
        longest_wait: See `first_wait`. `Retry-After` outranks both, up to 30 seconds.
        headers: By origin (`https://host`), headers that only this origin gets, such as `Authorization`.
        ssl_context: Whom to trust; by default `SSL_CERT_FILE`, `SSL_CERT_DIR` or certifi, as httpx does.
        proxies: Proxies by what they are for: `http`, `https`, `all`, or `https://host`; the environment's are used
            for what is not named.
    """

    def __init__(
        self,
        *,
        offline: bool = False,
        deadline: float = 60.0,
        floor: float = 32 * 1024,
        connect: float = 10.0,
        read: float = 30.0,
        attempts: int = 3,
        first_wait: float = 0.25,
        longest_wait: float = 4.0,
        headers: Mapping[str, Mapping[str, str]] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> None:
        self._offline = offline
        self._deadline = deadline
        self._floor = floor
        self._attempts = attempts
        self._dead: set[str] = set()
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._timeout = httpx.Timeout(connect=connect, read=read, write=read, pool=deadline)
        self._headers = _by_origin(headers or {})
        self._verify: ssl.SSLContext | bool = True if ssl_context is None else ssl_context
        self._proxies = dict(proxies or {})
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None

    def __call__(self, url: str, limit: int) -> bytes:
        """Return the body of a URL.

        Args:
            url: An http or https URL.
            limit: The most bytes that the body may have.

        Raises:
            NotFound: The server says that it does not exist (404 or 410).
            TooLarge: The body has more than `limit` bytes.
            Offline: `offline` is set.
            Unavailable: Whatever else kept it from being had.
            LocalFailure: The environment's proxy or certificate settings cannot be used.
        """
        fetched = self._get(url, limit, {})
        assert isinstance(fetched, Fetched)  # noqa: S101 - 304 is refused where nothing was asked on condition
        return fetched.body

    def fresh(self, url: str, limit: int) -> bytes:
        """Return the body of a URL as its server has it now, past the caches on the way; raises as a call does."""
        fetched = self._get(url, limit, {}, {"cache-control": "no-cache"})
        assert isinstance(fetched, Fetched)  # noqa: S101 - 304 is refused where nothing was asked on condition
        return fetched.body

    def conditional(
        self, url: str, limit: int, *, etag: str | None = None, last_modified: str | None = None
    ) -> Fetched | NotModified:
        """Return the body of a URL unless it is still the one of `etag` and `last_modified`; raises as a call does."""
        asked = {"if-none-match": etag, "if-modified-since": last_modified}
        return self._get(
            url, limit, {name: value for name, value in asked.items() if value and answers.sendable(value)}
        )

    @contextmanager
    def stream(self, url: str, limit: int) -> Iterator[Iterator[bytes]]:
        """Yield the parts of a body as they come, to be hashed while they pass; nothing is kept.

        Only what comes before the first part is tried again. The time that the caller takes between parts is free. The
        errors of a call can come up at any part, at last behind the last one: use nothing before the end.
        """
        allowance = self._allowance(url)
        with allowance.in_force():
            response = self._retrying(url, lambda: self._answer(url, limit, {}))
        try:
            yield self._body(response, url, limit, allowance)
        finally:
            response.close()

    def _get(
        self, url: str, limit: int, asked: Mapping[str, str], said: Mapping[str, str] | None = None
    ) -> Fetched | NotModified:
        allowance = self._allowance(url)

        def attempt() -> Fetched | NotModified:
            response = self._answer(url, limit, asked, said)
            try:
                if response.status_code == httpx.codes.NOT_MODIFIED:
                    next(_parts(response), None)  # It has no body, and to have read that keeps the connection.
                    return NotModified()
                body = b"".join(self._body(response, url, limit, allowance))
                return Fetched(body, answers.field(response, "etag"), answers.field(response, "last-modified"))
            finally:
                response.close()

        with allowance.in_force():
            return self._retrying(url, attempt)

    def _allowance(self, url: str) -> wire.Allowance:
        if self._offline:
            raise Offline(shown(url), "it would have to be fetched, and --offline forbids that")
        return wire.Allowance(self._deadline)

    def _retrying(self, url: str, attempt: Callable[[], _T]) -> _T:
        """Make an attempt as often as it is worth it; of a dead server each new request is one more attempt."""
        server = "/".join(url.split("/", 3)[:3])
        is_dead = False
        try:
            return self._attempted(attempt, 1 if server in self._dead else self._attempts)
        except Unconnected:
            is_dead = True
            raise
        finally:
            (self._dead.add if is_dead else self._dead.discard)(server)

    def _attempted(self, attempt: Callable[[], _T], attempts: int) -> _T:
        def worth_another(error: Exception) -> bool | float:
            left = wire.time_left()
            if not isinstance(error, Passing):
                return False
            if error.wait is not None:
                return error.wait if error.wait <= min(_RETRY_AFTER_CAP, left) else False
            return left > self._longest_wait

        waits = stamina.retry_context(
            on=worth_another,
            attempts=attempts,
            timeout=None,
            wait_initial=self._first_wait,
            wait_max=self._longest_wait,
            wait_jitter=self._first_wait,
        )
        for made in waits:
            with made:
                return attempt()
        raise AssertionError("stamina gives a result or an exception")

    def _answer(
        self, url: str, limit: int, asked: Mapping[str, str], said: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Return the checked head of the answer at the end of all redirects; its body is not read yet.

        Conditions are `asked`; what is only `said` allows no other answer than without it.
        """
        with answers.failures(url, self._deadline):
            at = redirects.start(url)
            secrets = redirects.secrets_of(at)
            seen = {str(at)}
            while True:
                request = self._opened().build_request(
                    "GET", at, headers={**self._headers.get(redirects.origin(at), {}), **asked, **(said or {})}
                )
                response = self._opened().send(request, stream=True)
                try:
                    location = response.headers.get("location")
                    if response.status_code not in _REDIRECTS or location is None:
                        return answers.check(response, url, limit, asked)
                    if response.headers.get("content-length") == "0":
                        # Nothing is to be read, and so the connection can be kept. Other bodies are left unread.
                        next(_parts(response), None)
                    response.close()
                except BaseException:
                    response.close()
                    raise
                at = redirects.follow(at, location, secrets)
                secrets |= redirects.secrets_of(at)
                if str(at) in seen:
                    raise Refused("redirects in a circle")
                if len(seen) > redirects.MAX_REDIRECTS:
                    raise Refused(f"redirects more than {redirects.MAX_REDIRECTS} times")
                seen.add(str(at))

    def _body(self, response: httpx.Response, url: str, limit: int, allowance: wire.Allowance) -> Iterator[bytes]:
        # Not `iter_raw`: it gives the connection back before its last bytes can be judged.
        parts = _parts(response)
        received = 0
        while True:
            with answers.failures(url, self._deadline), allowance.in_force():
                part = next(parts, None)
            if part is None:
                break
            received += len(part)
            if received > limit:
                raise TooLarge(shown(url), f"more than {limit} bytes")
            allowance.extend(len(part) / self._floor)
            paused = time.monotonic()
            yield part
            allowance.extend(time.monotonic() - paused)
        connection = response.extensions["network_stream"]
        length = response.headers.get("content-length")
        if length is None:
            connection.close()  # What follows a chunked body cannot be told from the next answer.
        elif connection.surplus(int(length)) > 0:
            connection.close()
            raise Unavailable(shown(url), f"the server sends more than the {length} bytes that it announced")

    def _opened(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                self._client = self._new_client()
            return self._client

    def _new_client(self) -> httpx.Client:
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=30.0)
        try:
            mounts = {
                at if "://" in at else f"{at}://": httpx.HTTPTransport(proxy=proxy, verify=self._verify, limits=limits)
                for at, proxy in self._proxies.items()
            }
            return wire.guard(
                httpx.Client(
                    headers={"user-agent": USER_AGENT, "accept-encoding": "identity"},
                    cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                    timeout=self._timeout,
                    limits=limits,
                    verify=self._verify,
                    mounts=mounts,
                    follow_redirects=False,
                )
            )
        except (OSError, ImportError, ValueError, httpx.InvalidURL) as error:
            raise LocalFailure(
                f"the environment's proxy or certificate settings cannot be used: {plain(str(error))}",
                hint="look at HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR",
            ) from None


def _parts(response: httpx.Response) -> Iterator[bytes]:
    assert isinstance(response.stream, httpx.SyncByteStream)  # noqa: S101 - the client is a synchronous one
    return iter(response.stream)


def _by_origin(headers: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    try:
        return {redirects.origin(redirects.start(at)): dict(sent) for at, sent in headers.items()}
    except Refused as refused:
        raise Misuse(f"headers are given by origin: {refused}") from None


class _Redacting(logging.Filter):
    """Takes credentials out of what httpx and httpcore log: whole URLs, and the headers of answers."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = shown(record.getMessage()), ()
        return True


for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks"):
    logging.getLogger(_name).addFilter(_Redacting())
