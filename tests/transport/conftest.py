"""Servers on this machine: honest ones over `http.server`, and peers that send exactly the bytes they are told to."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For tests without TLS: to load the real authorities takes longer than such a test."""


@dataclass
class Asked:
    """One request, as it came in."""

    connection: int
    path: str
    headers: dict[str, str]


@dataclass
class Peer:
    """A server: where it is, and what it was asked."""

    port: int
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]


Script = Callable[[Asked], Iterable[bytes]]
StartPeer = Callable[..., Peer]


def http(status: str, body: bytes = b"", *headers: str) -> bytes:
    """An honest answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def _request(connection: socket.socket, buffered: bytearray, number: int) -> Asked | None:
    while b"\r\n\r\n" not in buffered:
        data = connection.recv(65536)
        if not data:
            return None
        buffered += data
    head, _, rest = bytes(buffered).partition(b"\r\n\r\n")
    buffered[:] = rest
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Asked(number, first.split(" ")[1], headers)


@pytest.fixture
def start_peer() -> Iterator[StartPeer]:
    """Start a peer that runs a script for each request; the connection stays open until the script ends with b''."""
    stop = threading.Event()
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def talk(connection: socket.socket, script: Script, peer: Peer, number: int, tls: ssl.SSLContext | None) -> None:
        buffered = bytearray()
        with connection, contextlib.suppress(OSError):
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            with connection:
                while (asked := _request(connection, buffered, number)) is not None:
                    peer.asked.append(asked)
                    for part in script(asked):
                        if stop.is_set() or part == b"":
                            return
                        connection.sendall(part)

    def accept(listener: socket.socket, script: Script, peer: Peer, tls: ssl.SSLContext | None) -> None:
        for number in range(10_000):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(5)
            thread = threading.Thread(target=talk, args=(connection, script, peer, number, tls))
            threads.append(thread)
            thread.start()

    def start(script: Script, tls: ssl.SSLContext | None = None) -> Peer:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        peer = Peer(listener.getsockname()[1])
        thread = threading.Thread(target=accept, args=(listener, script, peer, tls))
        threads.append(thread)
        thread.start()
        return peer

    yield start
    stop.set()
    for listener in listeners:
        # Closing alone does not wake a thread that waits in `accept`.
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(6)
        assert not thread.is_alive()


class _Files(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: dict[str, bytes]

    def do_GET(self) -> None:
        body = self.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        etag = f'"{len(body)}"'
        if self.headers.get("If-None-Match") == etag:
            self.send_response(304)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", etag)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def serve_files() -> Iterator[Callable[[dict[str, bytes]], str]]:
    """Start an honest threaded HTTP server over a dictionary of files; returns its URL."""
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(files: dict[str, bytes]) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Files", (_Files,), {"files": files}))
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()
