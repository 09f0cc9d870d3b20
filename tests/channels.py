"""Channels as operators have them: packages in folders, indexed by conda-index or py-rattler itself, and served."""

import asyncio
import atexit
import contextlib
import functools
import http.server
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condattest.errors import Malformed
from condattest.model.finding import Code
from tests.warm import Warm

RUNNER = Path(__file__).with_name("run_conda_index.py")
WITHOUT_CONDA = ("--write-shards", "--zst", "--bz2", "--no-current-repodata", "--threads", "1")


@functools.cache
def _conda_index() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="conda-index"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Warm(RUNNER, "tests.warm_conda_index").program(folder / "conda-index")


def conda_index(channel: Path, *arguments: str, python: str = sys.executable) -> None:
    """Index a folder with conda-index, in a process of its own."""
    program = [str(_conda_index())] if python == sys.executable else [python, str(RUNNER)]
    command = [*program, *(arguments or WITHOUT_CONDA), str(channel)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def rattler_index(channel: Path) -> None:
    """Index a folder with py-rattler's indexer."""
    from rattler.index import index_fs

    asyncio.run(index_fs(channel, write_zst=True, write_shards=True, force=True))


def put(channel: Path, subdir: str, *packages: Path) -> list[Path]:
    """Copy packages into a channel."""
    folder = channel / subdir
    folder.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copy(package, folder / package.name)) for package in packages]


def record(channel: Path, subdir: str, name: str, base: str = "repodata.json") -> dict[str, Any]:
    """What a JSON index file of a channel says of a package."""
    document = json.loads((channel / subdir / base).read_bytes())
    return (document["packages"] | document["packages.conda"])[name]


def until_refused(rows: Iterable[Any]) -> tuple[list[Any], Code | None]:
    """What comes before an error, and the error's code; None if there is none."""
    found: list[Any] = []
    try:
        for each in rows:
            found.append(each)
    except Malformed as error:
        return found, error.finding.code
    return found, None


@dataclass
class Asked:
    """A request that a server got: its path, the answer's status, and how many bytes of a body were sent."""

    path: str
    status: int
    sent: int = 0


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *arguments: Any, seen: list[Asked], **how: Any) -> None:
        self._seen = seen
        super().__init__(*arguments, **how)

    def log_message(self, format, *arguments):
        pass

    def log_request(self, code="-", size="-"):
        self._seen.append(Asked(self.path, int(code)))

    def copyfile(self, source, outputfile):
        data = source.read()
        self._seen[-1].sent += len(data)
        outputfile.write(data)


@contextlib.contextmanager
def served(folder: Path, seen: list[Asked] | None = None) -> Iterator[str]:
    """Serve a folder over HTTP on loopback, with `Last-Modified`; yields its URL, and notes in `seen` what is asked."""
    with serving(functools.partial(_Quiet, directory=folder, seen=[] if seen is None else seen)) as url:
        yield url


@contextlib.contextmanager
def serving(handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer HTTP on loopback; yields the URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
