"""A proxy as it runs: uvicorn on loopback, in front of a channel that is served on loopback and can misbehave."""

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from condattest.model.channel import Channel
from condattest.operations.judgement import kept_in
from condattest.operations.question import Question
from condattest.policy import rules
from condattest.proxy.app import App
from condattest.proxy.gate import Gate
from condattest.proxy.index_files import IndexFiles
from condattest.proxy.ledger import Ledger
from condattest.proxy.packages import Packages
from condattest.proxy.screens import Screens
from condattest.proxy.server import Listen, Proxy, listening
from condattest.proxy.shard_files import ShardFiles
from condattest.proxy.shelf import Shelf
from condattest.transport.cache import Cached
from condattest.transport.evidence_store import EvidenceStore
from condattest.transport.fetch import Fetcher
from condattest.transport.memory import NoMemory
from tests.rehearsal import NOW, REPOSITORY, trust

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class Upstream:
    """A folder that is served; `instead` answers some paths, `asked` lists all of them."""

    folder: Path
    url: str = ""
    instead: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


def status(code: int) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        handler.send_header("content-length", "0")
        handler.end_headers()

    return answer


@contextlib.contextmanager
def upstream() -> Iterator[Upstream]:
    """Serve whatever folder a test names, with the answers that it puts in its place."""
    made = Upstream(Path("/nonexistent"))

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __init__(self, *arguments):
            super().__init__(*arguments, directory=made.folder)

        def do_GET(self):
            self.directory = str(made.folder)  # A connection may be kept from one test to the next.
            made.asked.append(self.path)
            instead = made.instead.get(self.path.rpartition("/")[2])
            if instead is not None:
                instead(self)
                return
            super().do_GET()

        def log_message(self, format, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Switch:
    """An application that is whatever a test makes it: starting and stopping a server takes longer than most tests."""

    app: App | None = None
    url = ""

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


@contextlib.contextmanager
def serving() -> Iterator[Switch]:
    """Run uvicorn as the proxy does."""
    switch = Switch()
    with listening(Listen.parse("127.0.0.1:0")) as opened:
        proxy = Proxy(switch, opened)
        thread = threading.Thread(target=proxy.run)
        thread.start()
        switch.url = f"http://127.0.0.1:{opened.getsockname()[1]}"
        try:
            yield switch
        finally:
            proxy.stop()
            thread.join()


@contextlib.contextmanager
def proxied(
    switch: Switch,
    channels: dict[str, Channel],
    folder: Path,
    *,
    mode="index",
    policy=None,
    memory=None,
    root=None,
    clock=lambda: NOW,
    size=1 << 30,
    patience=20.0,
    deadline=30.0,
) -> Iterator[SimpleNamespace]:
    """Put a proxy of its own where a server runs; yields its url and its parts."""
    question = Question(policy=policy or rules.for_repository(REPOSITORY))
    with contextlib.ExitStack() as stack:
        fetcher = stack.enter_context(Cached(Fetcher(deadline=deadline, attempts=1), folder / "http", limit=size))
        evidence = stack.enter_context(EvidenceStore(folder / "evidence.sqlite"))
        gate = Gate(
            question,
            lambda now: root or trust(),
            fetcher,
            memory or NoMemory(),
            kept_in(evidence),
            clock=clock,
            on_save=evidence.save,
        )
        shelf, ledger = Shelf(folder / "served", size), Ledger()
        screens = Screens(gate, mode)
        shard_files = ShardFiles(screens, shelf, ledger, patience=patience)
        stack.callback(shard_files.close)
        switch.app = App(
            channels, Packages(gate, shelf), IndexFiles(screens, shelf, ledger), shard_files, ledger, "a policy"
        )
        yield SimpleNamespace(url=switch.url, gate=gate, shelf=shelf, ledger=ledger, app=switch.app, folder=folder)
