"""Run the proxy: a socket, uvicorn, and an end that is no failure.

Owns `Proxy`, `Listen`, `listening` and `PATIENCE`. SIGTERM and SIGINT end it gracefully: what is being sent is sent,
for some seconds. Refuses to wait for long: a connection is closed that does not bring its next request whole.
"""

import asyncio
import contextlib
import ipaddress
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from condattest.errors import Misuse
from condattest.proxy.app import App

_GRACE: Final = 10
"""Seconds for what is being sent when the end comes."""
PATIENCE: Final = 15.0
"""Seconds for the head of a request, and for what is left of one that was answered."""
_BACKLOG: Final = 512
_CONNECTIONS: Final = 1024


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen: an IP address and a port, 0 for any free one."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `127.0.0.1:8080` or `[::1]:8080`.

        Raises:
            ValueError: Another form.
        """
        host, colon, port = text.rpartition(":")
        if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"expected ADDRESS:PORT, such as 127.0.0.1:8080, found {text!r:.80}")
        host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
        return cls(ipaddress.ip_address(host), int(port))

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        return self.address.is_loopback

    def url(self, port: int) -> str:
        """The URL of a port there."""
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"http://{host}:{port}"


def listening(listen: Listen) -> socket.socket:
    """Return a socket that listens.

    Raises:
        Misuse: The address is not this machine's, or the port is taken.
    """
    family = socket.AF_INET6 if listen.address.version == 6 else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((str(listen.address), listen.port))
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise Misuse(
            f"--listen {listen.url(listen.port).removeprefix('http://')}: {error.strerror}",
            hint="name another port, or 0 for any free one",
        ) from None
    return made


class _Impatient(H11Protocol):
    """A connection that is closed where no request comes.

    uvicorn itself waits for ever for the first, and for each that has begun: as many silent clients as there may be
    connections would shut out everybody else.
    """

    patience = PATIENCE
    _until: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Count the time in which nothing is answered; what trickles in meanwhile buys no more of it."""
        if not getattr(self.cycle, "response_complete", True):  # There is none before the first request.
            self._stop()
        elif self._until is None:
            self._until = self.loop.call_later(self.patience, self.transport.close)

    def _stop(self) -> None:
        if self._until is not None:
            self._until.cancel()
            self._until = None


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on a signal, and do not raise it again: being told to stop is no failure."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


@dataclass(slots=True)
class Proxy:
    """An application on a socket.

    Attributes:
        app: Answers.
        socket: Listens.
        patience: Seconds that a connection may take to bring its next request.
    """

    app: App
    socket: socket.socket
    patience: float = PATIENCE
    _server: _Server = field(init=False)

    def __post_init__(self) -> None:
        config = uvicorn.Config(
            self.app,
            http=type("_Connection", (_Impatient,), {"patience": self.patience}),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_GRACE,
            h11_max_incomplete_event_size=32 * 1024,
        )
        self._server = _Server(config)

    def run(self) -> None:
        """Serve until a signal comes, or `stop` is called in another thread."""
        asyncio.run(self._server.serve(sockets=[self.socket]))

    def stop(self) -> None:
        """End it gracefully."""
        self._server.should_exit = True
