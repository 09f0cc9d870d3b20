"""Run the proxy: a socket, uvicorn, and an end that is no failure.

Owns `Proxy`, `Listen` and `listening`. SIGTERM and SIGINT end it gracefully: what is being sent is sent, for some
seconds.
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

from condattest.errors import Misuse
from condattest.proxy.app import App

_GRACE: Final = 10
"""Seconds for what is being sent when the end comes."""
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
    """An application on a socket."""

    app: App
    socket: socket.socket
    _server: _Server = field(init=False)

    def __post_init__(self) -> None:
        config = uvicorn.Config(
            self.app,
            http="h11",
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
