"""A server on this machine that takes prefix.dev's uploads, and keeps what it took."""

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "pfx_0123456789abcdef"


@dataclass
class Taken:
    """One upload, as the server read it."""

    target: str
    parts: list[tuple[dict[str, str], bytes]]
    authorization: str | None = None


@dataclass
class Server:
    """Answers in turn, the last answer for ever; keeps what it took.

    `headers` go with each answer; `connections` counts those that were opened, whatever was sent on them.
    """

    url: str = ""
    answers: list[tuple[int, bytes]] = field(default_factory=lambda: [(201, b"")])
    taken: list[Taken] = field(default_factory=list)
    broken_off: list[int] = field(default_factory=list)
    reads_bodies: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    connections: int = 0

    def next(self) -> tuple[int, bytes]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def parts_of(content_type, body):
    """Split multipart form data, strictly: RFC 7578 in the one spelling that is expected."""
    boundary = re.fullmatch(r"multipart/form-data; boundary=([A-Za-z0-9]{16,70})", content_type)[1].encode()
    assert body.startswith(b"--" + boundary + b"\r\n")
    assert body.endswith(b"\r\n--" + boundary + b"--\r\n")
    parts = []
    inner = body[len(boundary) + 4 : -len(boundary) - 8]
    for part in inner.split(b"\r\n--" + boundary + b"\r\n"):
        head, found, content = part.partition(b"\r\n\r\n")
        assert found
        lines = [line.split(": ", 1) for line in head.decode("ascii").split("\r\n")]
        parts.append(({name.lower(): value for name, value in lines}, content))
    return parts


def handler_for(server):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5

        def setup(self):
            server.connections += 1
            super().setup()

        def do_POST(self):
            assert "Transfer-Encoding" not in self.headers
            length = int(self.headers["Content-Length"])
            if not server.reads_bodies:
                self.close_connection = True
            else:
                body = self.rfile.read(length)
                if len(body) < length:
                    server.broken_off.append(len(body))
                    self.close_connection = True
                    return
                if self.path == "/api/oidc/mint_token":
                    server.taken.append(Taken(self.path, [({}, body)]))
                else:
                    parts = parts_of(self.headers["Content-Type"], body)
                    server.taken.append(Taken(self.path, parts, self.headers["Authorization"]))
            status, words = server.next()
            self.send_response(status)
            self.send_header("Content-Length", str(len(words)))
            for name, value in server.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(words)

        def log_message(self, format, *args):
            pass

    return Handler


@contextmanager
def serving():
    server = Server()
    listener = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(server))
    listener.daemon_threads = False
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    server.url = f"http://127.0.0.1:{listener.server_address[1]}"
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()
