"""Patch generations of a channel of conda-forge's size: a million records, a hundred thousand of them patched."""

import hashlib
import http.server
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from condattest.formats import patch_instructions
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.operations import patch_attest, patch_blame, patch_inputs
from condattest.operations.patch_chain import Chain
from condattest.operations.patch_judgement import Asked, judge
from condattest.operations.revisit import Revisit
from condattest.patches.conda_index_engine import CondaIndex
from condattest.policy import rules
from condattest.policy.patch_signers import authority
from condattest.policy.rules import PatchRule
from condattest.sandbox import Sandbox, github
from condattest.signatures.identity import Token
from condattest.signatures.sign import Signing
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.directory import Directory
from condattest.transport.fetch import Fetcher
from condattest.transport.memory import NoMemory
from condattest.transport.origin import HttpOrigin, StoreOrigin

CHANNEL = Channel("https://conda.example/large")
RECORDS, NAMES, PATCHED, FEW = 1_000_000, 20_000, 100_000, 50
REPOSITORY = "large/patches"
_ATTEST = """
import sys
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
from tests.benchmarks import bench_patches
bench_patches.attest(sys.argv[1], sys.argv[2])
print(peak())
"""


def attest(root: str, config: str) -> None:
    """Make the next generation, as `condattest patch attest` does."""
    folder = Path(config)
    trust = TrustRoot.from_file(folder / "trust_config.json")
    token = (folder / "token").read_text()
    signing = Signing(trust, lambda: Token(token, source="the sandbox"))
    store = Directory(Path(root))
    origin = StoreOrigin(store)
    order = patch_attest.Order(
        store=store,
        chain=_chain(origin, trust),
        packages=origin,
        inputs=patch_inputs.read(origin, "noarch"),
        engine=CondaIndex(),
        engine_version="0.13.0",
        trust_as_built=True,
    )

    def sign(payload: bytes) -> bytes:
        [signed] = signing.sign([payload], jobs=1)
        if not isinstance(signed.outcome, bytes):
            raise signed.outcome
        return signed.outcome

    patch_attest.attest(order, sign, now=datetime.now(UTC))


def _chain(origin: object, trust: TrustRoot) -> Chain:
    allowed = authority(rules.for_repository(REPOSITORY), CHANNEL, "author", root=trust.sha256)
    return Chain(origin, CHANNEL, "noarch", "author", allowed, [trust])  # type: ignore[arg-type]


def _as_built() -> dict[str, dict[str, object]]:
    chosen = random.Random(1)
    records = {}
    for number in range(RECORDS):
        name, version = f"package-{number % NAMES:05}", f"{number // NAMES}.{number % 7}.0"
        file = f"{name}-{version}-h{number % 9973:04x}_0.conda"
        sha256 = hashlib.sha256(file.encode()).hexdigest()
        records[file] = {
            "build": f"h{number % 9973:04x}_0", "build_number": 0, "license": "MIT", "md5": sha256[:32], "name": name,
            "depends": [f"package-{chosen.randrange(NAMES):05} >=1.{n}" for n in range(4)], "sha256": sha256,
            "size": 12345 + number, "subdir": "noarch", "timestamp": 1593116000000 + number, "version": version,
        }  # fmt: skip
    return records


def _instruct(records: dict[str, dict[str, object]], files: list[str], bound: str) -> bytes:
    fixes = {
        file: {
            "depends": [f"{each},<{bound}" for each in records[file]["depends"]],  # type: ignore[attr-defined]
            "constrains": [f"package-{number:05} <{bound}" for number in range(12)],
            "license_family": "MIT",
        }
        for file in files
    }
    told = {"patch_instructions_version": 1, "packages": {}, "packages.conda": fixes, "remove": [], "revoke": []}
    return json.dumps(told, separators=(",", ":")).encode()


def _index(folder: Path, records: dict[str, dict[str, object]], instructions: bytes) -> None:
    as_built = {"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": records, "repodata_version": 1}
    served = CondaIndex().apply(as_built, patch_instructions.parse(instructions, where="x")).document
    (folder / "patch_instructions.json").write_bytes(instructions)
    for name, document in (("repodata_from_packages.json", as_built), ("repodata.json", served)):
        (folder / name).write_text(json.dumps(document, separators=(",", ":")))


class _Counting(http.server.SimpleHTTPRequestHandler):
    sent = 0

    def log_message(self, format, *arguments):
        pass

    def copyfile(self, source, outputfile):
        data = source.read()
        type(self).sent += len(data)
        outputfile.write(data)


def _measured(root: Path, config: Path) -> tuple[float, float]:
    began = time.perf_counter()
    command = [sys.executable, "-c", _ATTEST, str(root), str(config)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - began, int(done.stdout) / 1024


def run() -> list[tuple[str, float, str]]:
    rows: list[tuple[str, float, str]] = []
    with tempfile.TemporaryDirectory() as name, Sandbox(rekor=1, tsa=True).serve() as running:
        root, config = Path(name) / "channel", Path(name) / "sigstore"
        folder = root / "noarch"
        for each in (folder, config):
            each.mkdir(parents=True)
        running.write(config)
        (config / "token").write_text(running.sandbox.token(github(REPOSITORY)))
        records = _as_built()
        files = random.Random(2).sample(sorted(records), PATCHED)
        instructions = _instruct(records, files, "9.0")
        _index(folder, records, instructions)
        rows.append((f"repodata.json of {RECORDS:,} records", (folder / "repodata.json").stat().st_size / 1e6, "MB"))
        rows.append((f"patch_instructions.json of {PATCHED:,} records", len(instructions) / 1e6, "MB"))
        took, peak = _measured(root, config)
        rows += [("  the first generation", took, "s"), ("  its peak memory", peak, "MB")]
        told = json.loads(instructions)
        for file in files[:FEW]:
            told["packages.conda"][file]["license"] = "BSD"
        _index(folder, records, json.dumps(told, separators=(",", ":")).encode())
        before = {path.name for path in (folder / "patches").iterdir()}
        took, peak = _measured(root, config)
        written = sum(path.stat().st_size for path in (folder / "patches").iterdir() if path.name not in before)
        rows += [
            (f"  a generation that changes {FEW} records", took, "s"),
            ("  its peak memory", peak, "MB"),
            ("  what it writes", written / 1e6, "MB"),
        ]
        rows += _read(root, running.sandbox, records, files)
    return rows


def _read(
    root: Path, sandbox: Sandbox, records: dict[str, dict[str, object]], files: list[str]
) -> list[tuple[str, float, str]]:
    trust = TrustRoot.from_json(sandbox.trusted_root_json().encode(), name="sandbox")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Counting, directory=root))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    file = PackageFile.parse(files[0])
    served = json.loads((root / "noarch" / "repodata.json").read_bytes())["packages.conda"][files[0]]
    signers = rules.for_repository(REPOSITORY).rules[0].signers
    rule = PatchRule(name="rule", channel=CHANNEL, signers=signers, max_age=timedelta(days=7))
    artifact = Artifact(file, Sha256(str(records[files[0]]["sha256"])), "noarch")
    rows: list[tuple[str, float, str]] = []
    with Fetcher() as fetcher:

        def check() -> None:
            asked = Asked(artifact=artifact, record=served, index=records[files[0]])
            chain = _chain(HttpOrigin(url, fetcher), trust)
            outcome = judge(asked, chain, rule, frozenset(), NoMemory(), now=datetime.now(UTC))
            if outcome.findings:
                raise RuntimeError(str(outcome.findings))

        def blame() -> None:
            found = patch_blame.blame(_chain(HttpOrigin(url, fetcher), trust), file)
            if found is None or len(found.generations) != 2:
                raise RuntimeError("two generations changed it")

        for label, work in (("an install-time check of one record", check), ("blame of one record", blame)):
            work()
            _Counting.sent, began = 0, time.perf_counter()
            work()
            rows.append((f"{label}, over HTTP", (time.perf_counter() - began) * 1000, "ms"))
            rows.append(("  what it reads", _Counting.sent / 1e6, "MB"))
        rows += _observed(root, HttpOrigin(url, fetcher), trust)
    server.shutdown()
    server.server_close()
    return rows


def _observed(root: Path, origin: HttpOrigin, trust: TrustRoot) -> list[tuple[str, float, str]]:
    """What an observer reads: at first, and again where nothing changed."""
    store = Directory(root)
    chain = _chain(StoreOrigin(store), trust)
    for path in (root / "noarch").glob("*.json"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    rows = []
    for label in ("an observer's first reading", "  and again"):
        _Counting.sent, began = 0, time.perf_counter()
        revisit = Revisit(origin, store, chain, None, "conda-index", datetime.now(UTC))
        if revisit.unchanged(None) is None:
            patch_inputs.read(revisit, "noarch")
            newest = chain.newest()
            assert newest is not None
            revisit.note(newest)
        rows.append((f"{label}, over HTTP", (time.perf_counter() - began) * 1000, "ms"))
        rows.append(("  what it reads", _Counting.sent / 1e6, "MB"))
    return rows
