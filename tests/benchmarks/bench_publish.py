"""publish and index in large channels: by size, and against json.load and json.dump of the same repodata."""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from condattest.formats import compression
from condattest.formats import sidecar as sidecars
from condattest.model.channel import Channel
from condattest.operations import index, publish, publish_plan
from condattest.operations.admission import Terms
from condattest.policy import rules
from condattest.sandbox import Sandbox, github
from condattest.sandbox.packages import make_package
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.directory import Directory
from tests.rehearsal import artifact_of, payload_for

CHANNEL = Channel("https://conda.example/channel")
REPOSITORY = "me/numbers"
MANY, FEW, SIDECARS, RECORDS_OF_A_NAME = 200_000, 1_000, 10_000, 10
# A process of its own for each, so that its peak is its own.
# VmHWM begins anew with a program; ru_maxrss also counts the process that it was forked from.
_PEAK = """
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
"""
_BASELINE = (
    _PEAK
    + """
import json, sys
with open(sys.argv[1]) as file: document = json.load(file)
with open(sys.argv[2], "w") as file: json.dump(document, file, separators=(",", ":"))
print(peak())
"""
)
_SPLICE = (
    _PEAK
    + """
import sys
from condattest.formats import monolith
from condattest.formats.index_changes import Changes
from condattest.model.artifact import PackageFile, Sha256
from condattest.transport.directory import Directory
idle = peak()
store = Directory(__import__("pathlib").Path(sys.argv[1]))
old = store.read("noarch/repodata.json", 2**30)
changes = Changes({PackageFile.parse(sys.argv[2]): Sha256("a" * 64)})
store.replace("noarch/repodata.json", monolith.apply(old.data, changes, where="x").data, old.version)
print(peak() - idle)
"""
)


def record(name: str, sha256: str) -> dict[str, object]:
    """A record with the keys, and of about the size, that public channels have."""
    return {
        "build": "h7b6447c_3", "build_number": 3, "depends": [f"dep-{n} >=1.{n},<2.0a0" for n in range(6)],
        "license": "Zlib", "license_family": "Other", "md5": sha256[:32], "name": name, "noarch": "generic",
        "sha256": sha256, "size": 123456, "subdir": "noarch", "timestamp": 1593116000000, "version": "1.2.11",
    }  # fmt: skip


def _best(work: Callable[[], object], times: int = 3) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took)


class _Channel:
    """A generated channel with one real package in it."""

    def __init__(self, folder: Path, count: int, box: Sandbox, *, shards: bool) -> None:
        self.root = folder / f"channel{count}{'s' if shards else ''}"
        (self.root / "noarch").mkdir(parents=True)
        self.package = make_package(self.root / "noarch", "numbers", "1.0")
        self.names = [f"p{number:06}" for number in range(count)]
        self.box = box
        trust = TrustRoot.from_json(box.trusted_root_json().encode(), name="sandbox")
        self.terms = Terms(trust=trust, policy=rules.for_repository(REPOSITORY), channel=CHANNEL)
        real = record("numbers", hashlib.sha256(self.package.read_bytes()).hexdigest())
        records = {self.package.name: real}
        for name in self.names:
            records[f"{name}-1.2.11-h7b6447c_3.conda"] = record(name, hashlib.sha256(name.encode()).hexdigest())
        if shards:
            self._write_shards(records)
        else:
            document = {"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": records, "repodata_version": 1}
            (self.root / "noarch" / "repodata.json").write_text(json.dumps(document, separators=(",", ":")))

    def _write_shards(self, records: dict[str, dict[str, object]]) -> None:
        digests = {}
        for file, each in records.items():
            # Only the one that is edited has to be there.
            data = msgspec.msgpack.encode({"packages": {}, "packages.conda": {file: each}})
            packed = compression.zstd_small(data) if each["name"] == "numbers" else data
            digest = hashlib.sha256(packed)
            digests[each["name"]] = digest.digest()
            if each["name"] == "numbers":
                (self.root / "noarch" / f"{digest.hexdigest()}.msgpack.zst").write_bytes(packed)
        info = {"base_url": "", "shards_base_url": "./", "subdir": "noarch"}
        document = msgspec.msgpack.encode({"version": 1, "info": info, "shards": digests})
        (self.root / "noarch" / "repodata_shards.msgpack.zst").write_bytes(compression.zstd_small(document))

    def publish(self, signer: int) -> float:
        """Seconds to publish one more bundle of the package."""
        bundle = self.root.parent / "bundle.json"
        payload = payload_for(artifact_of(self.package), CHANNEL)
        bundle.write_bytes(self.box.sign_statement(payload, github(REPOSITORY), rekor=1 + signer % 2, tsa=signer > 0))
        store = Directory(self.root)
        began = time.perf_counter()
        plans = publish_plan.plan([f"noarch/{self.package.name}"], store, self.terms, bundles=[bundle])
        [outcome], _ = publish.publish(plans, store, self.terms)
        took = time.perf_counter() - began
        if not outcome.listed or outcome.problem is not None:
            raise RuntimeError(f"not published: {outcome}")
        return took


def _with_sidecars(folder: Path, box: Sandbox) -> tuple[float, float]:
    """Seconds of the first `index` of 10,000 sidecars, and of the next one, which finds nothing to do."""
    root = folder / "attested"
    (root / "noarch").mkdir(parents=True)
    # One bundle of a real package; each sidecar has its own digest by white space, and is about its record's digest.
    package = make_package(folder, "numbers", "1.0")
    bundle = box.sign_statement(payload_for(artifact_of(package), CHANNEL), github(REPOSITORY))
    sha256 = artifact_of(package).sha256
    records = {}
    for number in range(SIDECARS):
        file = f"p{number:06}-1.2.11-h7b6447c_3.conda"
        records[file] = record(f"p{number:06}", sha256)
        data = sidecars.dump([bundle]).replace(b"[", b"[" + b" " * number, 1)
        (root / "noarch" / f"{file}.sigs").write_bytes(data)
        (root / "noarch" / f"{file}.sigs.{hashlib.sha256(data).hexdigest()}").write_bytes(data)
    document = {"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": records}
    (root / "noarch" / "repodata.json").write_text(json.dumps(document, separators=(",", ":")))
    took = []
    for _ in range(2):
        began = time.perf_counter()
        [report] = index.index(Directory(root))
        took.append(time.perf_counter() - began)
        if report.findings or report.sidecars != SIDECARS:
            raise RuntimeError("the index is not in line")
    return took[0], took[1]


def run() -> list[tuple[str, float, str]]:
    rows = []
    box = Sandbox()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large = _Channel(folder, MANY, box, shards=False)
        path = large.root / "noarch" / "repodata.json"
        size = path.stat().st_size
        rows.append((f"repodata.json of {MANY:,} records", size / 1e6, "MB"))

        def measured(code: str, *arguments: object) -> tuple[float, float]:
            began = time.perf_counter()
            command = [sys.executable, "-c", code, *map(str, arguments)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            return time.perf_counter() - began, int(done.stdout) * 1024

        baseline, peak = min(measured(_BASELINE, path, folder / "copy.json") for _ in range(2))
        rows.append(("  json.load and json.dump, a process", baseline, "s"))
        rows.append(("  its peak memory, by the file's size", peak / size, "x"))
        copy = shutil.copytree(large.root, folder / "spliced")
        spliced, peak = min(measured(_SPLICE, copy, large.package.name) for _ in range(3))
        rows.append(("  one field read, spliced, written and synced, a process", spliced, "s"))
        rows.append(("  how much faster", baseline / spliced, "x"))
        rows.append(("  its peak memory above idle, by the file's size", peak / size, "x"))
        took = large.publish(0)
        rows.append(("  publish of one package into it, with all checks", took, "s"))
        rows.append(("  how much faster than json.load and json.dump", baseline / took, "x"))
        times = {}
        for count in (FEW, MANY):
            # Public channels have some ten to twenty records of a name.
            sharded = _Channel(folder, count // RECORDS_OF_A_NAME, box, shards=True)
            times[count] = min(sharded.publish(signer) for signer in range(3))
            rows.append((f"publish of one package, shards alone, {count:,} records", times[count] * 1000, "ms"))
        rows.append(("  the larger channel against the smaller", times[MANY] / times[FEW], "x"))
        first, second = _with_sidecars(folder, box)
        rows.append((f"index of {SIDECARS:,} sidecars", first, "s"))
        rows.append(("  again, with nothing to do", second, "s"))
    return rows
