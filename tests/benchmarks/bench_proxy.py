"""The proxy: filtering an index of 200,000 records, and 50 clients with 2,000 requests against a plain file server."""

import hashlib
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from condattest.formats import filtered
from condattest.model.artifact import Sha256
from condattest.model.channel import Channel
from condattest.operations.screening import ByIndex
from condattest.policy import rules
from condattest.sandbox import Sandbox, github
from tests.benchmarks.bench_index import _repodata
from tests.benchmarks.timing import compare
from tests.rehearsal import REPOSITORY, a_package, artifact_of, payload_for

_RECORDS, _PACKAGES, _CLIENTS, _REQUESTS, _PAYLOAD = 200_000, 200, 50, 2_000, 200_000
_IDLE = 7
"""Seconds after which clients' connections are closed; those to the channel, at most 32, are kept for longer."""


def _filter() -> list[tuple[str, float, str]]:
    document = json.loads(_repodata(_RECORDS))
    for number, record in enumerate(document["packages.conda"].values()):
        if number % 2:
            record["attestations_sha256"] = record["sha256"]
    data = json.dumps(document, separators=(",", ":")).encode()
    policy = rules.for_repository(REPOSITORY)

    def ours() -> filtered.Filtered:
        screen = ByIndex(policy, Channel("https://c.example"), datetime.now(UTC))
        return filtered.monolith(data, screen, where="index")

    assert ours().kept == _RECORDS // 2
    rows = []
    for name, theirs in (("json.loads", json.loads), ("msgspec.json.decode", msgspec.json.decode)):
        mine, floor = compare(ours, lambda theirs=theirs: theirs(data), number=1, rounds=3)
        note = f"x; {mine:.2f} s, {len(data) / 1e6:.0f} MB"
        rows.append((f"half of {_RECORDS:,} records left out: ratio to {name}", mine / floor, note))
    return rows


@dataclass
class _Made:
    folder: Path
    expected: dict[str, tuple[int, str]]


def _channel(folder: Path, channel: Channel, box: Sandbox) -> _Made:
    """Packages of which each second one is attested, and what the proxy is to answer for each."""
    subdir = folder / "noarch"
    expected, records = {}, {}
    for number in range(_PACKAGES):
        payload = random.Random(number).randbytes(_PAYLOAD)
        package = a_package(subdir, f"package{number:03}", payload=payload)
        artifact = artifact_of(package)
        record = {"name": f"package{number:03}", "version": "1.0", "build": "0", "build_number": 0, "depends": []}
        record |= {"sha256": artifact.sha256, "size": package.stat().st_size, "subdir": "noarch"}
        expected[package.name] = (403, "")
        if number % 2:
            sidecar = b"[" + box.sign_statement(payload_for(artifact, channel), github(REPOSITORY)) + b"]"
            digest = Sha256(hashlib.sha256(sidecar).hexdigest())
            (subdir / f"{package.name}.sigs.{digest}").write_bytes(sidecar)
            record["attestations_sha256"] = digest
            expected[package.name] = (200, artifact.sha256)
        records[package.name] = record
    index = {"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": records}
    (subdir / "repodata.json").write_text(json.dumps(index))
    return _Made(folder, expected)


def _free() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def _running(command: list[str], port: int) -> Iterator[subprocess.Popen]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(600):
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield process
        finally:
            process.terminate()
            process.wait(20)


def _ask(port: int, prefix: str, names: list[str]) -> tuple[float, Counter, list[str]]:
    """Seconds for all requests by all clients, the statuses, and what was not as expected (by name)."""
    statuses: Counter = Counter()
    answers: list[str] = []
    turns = [names[each::_CLIENTS] for each in range(_CLIENTS)]

    def client(mine: list[str]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for name in mine:
            connection.request("GET", f"{prefix}/noarch/{name}")
            answer = connection.getresponse()
            body = answer.read()
            statuses[answer.status] += 1
            answers.append(f"{name} {answer.status} {hashlib.sha256(body).hexdigest()}")
        connection.close()

    threads = [threading.Thread(target=client, args=(mine,)) for mine in turns]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began, statuses, answers


def _wrong(made: _Made, answers: list[str]) -> int:
    count = 0
    for answer in answers:
        name, status, digest = answer.split()
        wanted, sha256 = made.expected[name]
        count += int(status) != wanted or (wanted == 200 and digest != sha256)
    return count


def _open_files(process: subprocess.Popen) -> int:
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def _memory(process: subprocess.Popen, key: str) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition(f"{key}:")[2].split()[0]) / 1024


def _load(folder: Path) -> list[tuple[str, float, str]]:
    upstream, port = _free(), _free()
    box = Sandbox()
    (folder / "root.json").write_text(box.trusted_root_json())
    made = _channel(folder / "channel", Channel(f"http://127.0.0.1:{upstream}"), box)
    names = random.Random(0).sample(list(made.expected) * (_REQUESTS // _PACKAGES), _REQUESTS)
    good = [name for name in names if made.expected[name][0] == 200]
    serve = [sys.executable, "-m", "http.server", str(upstream), "--bind", "127.0.0.1", "--protocol", "HTTP/1.1"]
    serve += ["--directory", str(made.folder)]
    proxy = [sys.executable, "-m", "condattest", "proxy", "--listen", f"127.0.0.1:{port}", "--no-state"]
    proxy += ["--channel", f"mine=http://127.0.0.1:{upstream}", "--repository", REPOSITORY]
    proxy += ["--trusted-root", str(folder / "root.json"), "--cache", str(folder / "cache")]
    with _running(serve, upstream), _running(proxy, port) as process:
        begin = _memory(process, "VmRSS")
        first, statuses, answers = _ask(port, "/mine", names)
        wrong = _wrong(made, answers)
        after_first = _memory(process, "VmRSS")
        time.sleep(_IDLE)
        before = _open_files(process)
        again, _, answers = _ask(port, "/mine", names)
        wrong += _wrong(made, answers)
        kept, _, answers = _ask(port, "/mine", good)
        plain, _, _ = _ask(upstream, "", good)
        time.sleep(_IDLE)
        leaked = _open_files(process) - before
        end, peak = _memory(process, "VmRSS"), _memory(process, "VmHWM")
    seen = f"of {2 * _REQUESTS:,}; {statuses[200]} served and {statuses[403]} refused in the first round"
    return [
        (f"{_CLIENTS} clients, {_REQUESTS:,} requests, twice: wrong verdicts", float(wrong), seen),
        ("the same: file handles more than after the first round", float(leaked), f"({before} then)"),
        ("the same: memory at first, after one round, in the end, at the most", peak,
         f"MB at the most; {begin:.0f}, {after_first:.0f}, {end:.0f}"),
        ("the first round, with fetching and verifying", _REQUESTS / first, "requests/s"),
        ("the second round, judged again", _REQUESTS / again, "requests/s"),
        (f"{len(good):,} accepted packages of {_PAYLOAD // 1000} kB, against http.server", kept / plain,
         f"x its time; {len(good) / kept:.0f} and {len(good) / plain:.0f} requests/s"),
    ]  # fmt: skip


def run() -> list[tuple[str, float, str]]:
    with tempfile.TemporaryDirectory() as folder:
        return [*_load(Path(folder)), *_filter()]
