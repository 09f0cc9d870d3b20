"""Bound what a peer below HTTP can do: total time, addresses tried, bytes that follow an answer.

Owns `Allowance` (the time that a request has left) and `guard`, which puts this floor under an `httpx.Client`. httpx's
own timeouts are for each read: a peer that sends one byte before each of them passes holds a client for ever. And h11
keeps bytes that come after an answer for the next one, so a server could answer a request that was not yet made.

Spec: https://www.encode.io/httpcore/network-backends/
"""

import math
import re
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import httpcore
import httpx

MAX_ADDRESSES: Final = 6
"""Addresses of one host that are tried; each may take the whole connect timeout."""
MAX_HEAD: Final = 256 * 1024
"""Bytes kept of an answer's head; h11 gives up at 100 KiB for each of its heads."""
_END_OF_HEAD = re.compile(rb"\n\r?\n")
_SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class DeadlinePassed(Exception):
    """The time of the request is used up."""


class Allowance:
    """The time that one request may still take, in seconds; what is read within `in_force` is held to it."""

    __slots__ = ("_until",)

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that remain; not positive when the time is up."""
        return self._until - time.monotonic()

    def extend(self, seconds: float) -> None:
        """Add time: for bytes that came, or that somebody else spent."""
        self._until += seconds

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Hold this thread's connects, reads and writes to the allowance."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[Allowance | None] = ContextVar("allowance", default=None)


def time_left() -> float:
    """Seconds that remain to the allowance in force; endless without one."""
    allowance = _current.get()
    return math.inf if allowance is None else allowance.left()


@contextmanager
def _bounded(timeout: float | None) -> Iterator[float | None]:
    """Yield the timeout of one operation: the caller's, or what the allowance in force has left."""
    allowance = _current.get()
    if allowance is None:
        yield timeout
        return
    left = allowance.left()
    if left <= 0:
        raise DeadlinePassed
    try:
        yield left if timeout is None else min(timeout, left)
    except httpcore.TimeoutException:
        if allowance.left() <= 0:
            raise DeadlinePassed from None
        raise


class Stream(httpcore.NetworkStream):
    """One connection, its reads and writes held to the current allowance; counts the bytes of each answer."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._received = 0
        self._head = bytearray()
        self._head_ended = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there, at most `max_bytes`."""
        with _bounded(timeout) as seconds:
            data = self._inner.read(max_bytes, seconds)
        self._received += len(data)
        if not self._head_ended:
            self._head += data
            self._head_ended = self._end_of_head() is not None
            if not self._head_ended and len(self._head) > MAX_HEAD:
                raise httpcore.RemoteProtocolError("the answer's headers do not end")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write the buffer. Requests have no body, so the first bytes after an answer start the next request."""
        if buffer:
            self._received, self._head_ended = 0, False
            self._head.clear()
        with _bounded(timeout) as seconds:
            self._inner.write(buffer, seconds)

    def close(self) -> None:
        """Close the connection; the pool drops it then."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Return the connection with TLS on top."""
        with _bounded(timeout) as seconds:
            return Stream(self._inner.start_tls(ssl_context, server_hostname, seconds))

    def get_extra_info(self, info: str) -> Any:
        """What the connection knows of itself."""
        return self._inner.get_extra_info(info)

    def surplus(self, length: int) -> int:
        """Bytes that were read behind an answer whose body has `length` bytes; 0 if nothing followed."""
        end = self._end_of_head()
        return 0 if end is None else self._received - end - length

    def _end_of_head(self) -> int | None:
        # Informational answers (1xx) come before the answer, each with a head of its own: `HTTP/1.1 103 Early Hints`.
        at = 0
        while (match := _END_OF_HEAD.search(self._head, at)) is not None:
            if self._head[at + 8 : at + 10] != b" 1":
                return match.end()
            at = match.end()
        return None


class _Backend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        # `socket.create_connection` gives every address of a name the whole timeout, and a name can have hundreds. The
        # look-up itself cannot be interrupted; the resolver's own timeouts bound it.
        try:
            with _bounded(timeout):
                found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the host's name has no address: {error}") from None
        failure: Exception = httpcore.ConnectError("the host's name has no address")
        for address in dict.fromkeys(str(info[4][0]) for info in found[:MAX_ADDRESSES]):
            try:
                with _bounded(timeout) as seconds:
                    return Stream(self._inner.connect_tcp(address, port, seconds, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[_SocketOption] | None = None
    ) -> httpcore.NetworkStream:
        with _bounded(timeout) as seconds:
            return Stream(self._inner.connect_unix_socket(path, seconds, socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


def guard(client: httpx.Client) -> httpx.Client:
    """Put this floor under every connection that a fresh client will make, proxied or not; return the client.

    httpcore takes a network backend as an argument, but httpx has no argument that passes one on, and its own reading
    of the proxy settings is worth keeping. So the attributes are set from outside, before the first connection; a
    release that renames them fails here, loudly, and not by losing the deadline.
    """
    for transport in (client._transport, *client._mounts.values()):
        if transport is None:
            continue  # A host that the environment exempts from its proxy goes through the first transport.
        if not isinstance(transport, httpx.HTTPTransport):
            raise TypeError(f"expected httpx.HTTPTransport, found {type(transport).__name__}")
        pool = transport._pool
        pool._network_backend = _Backend(pool._network_backend)
    return client
