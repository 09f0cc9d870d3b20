"""Editing an index of 200,000 records, against reading and writing it whole; and shards, against the channel's size."""

import hashlib
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from condattest.formats import compression, monolith, shards
from condattest.formats.index_changes import Changes
from condattest.model.artifact import PackageFile, Sha256
from tests.benchmarks.timing import best, compare

_RECORDS = 200_000
_NAMES = (1_000, 200_000)
_HEAD = Sha256("5a" * 32)
_DEPENDS = ["libgcc >=14", "libstdcxx >=14", "python >=3.11,<3.12.0a0", "python_abi 3.11.* *_cp311", "numpy >=1.21,<3"]


def _records(count: int) -> Iterator[tuple[str, dict[str, object]]]:
    """Records of the size and shape of conda-forge's, sorted."""
    for number in range(count):
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        name, version, build = f"package-{number // 20:05}", f"1.{number % 20:02}.0", f"py311h{digest[:7]}_0"
        yield (
            f"{name}-{version}-{build}.conda",
            {
                "build": build,
                "build_number": 0,
                "constrains": [],
                "depends": [*_DEPENDS[number % 3 :], f"package-{number % 997:05} >=1.2"],
                "license": "BSD-3-Clause",
                "license_family": "BSD",
                "md5": digest[:32],
                "name": name,
                "sha256": digest,
                "size": 10_000 + number,
                "subdir": "linux-64",
                "timestamp": 1_700_000_000_000 + number,
                "version": version,
            },
        )


def _repodata(count: int) -> bytes:
    rows = dict(_records(count))
    document = {"info": {"subdir": "linux-64"}, "packages": {}, "packages.conda": rows, "removed": []}
    return json.dumps({**document, "repodata_version": 1}, separators=(",", ":")).encode()


def _spliced(path: Path, name: str) -> None:
    applied = monolith.apply(path.read_bytes(), Changes({PackageFile.parse(name): _HEAD}), where="index")
    path.with_suffix(".new").write_bytes(applied.data)


def _applied(one: bytes, other: bytes, name: str) -> tuple[float, float]:
    changes = Changes({PackageFile.parse(name): _HEAD})
    return compare(
        lambda: monolith.apply(one, changes, where="index"),
        lambda: monolith.apply(other, changes, where="index"),
        number=1,
        rounds=3,
    )


def _whole(path: Path, name: str) -> None:
    with path.open() as opened:
        document = json.load(opened)
    document["packages.conda"][name]["attestations_sha256"] = _HEAD
    with path.with_suffix(".new").open("w") as opened:
        json.dump(document, opened, separators=(",", ":"))


def _peak(path: Path, name: str, what: str) -> int:
    """The peak memory, in bytes, of a process that edits the file; of one that does nothing if `what` is so."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_index", what, str(path), name]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True)
    return int(done.stdout)


def _sharded(names: int) -> tuple[bytes, bytes, PackageFile]:
    """An index of shards, and one of its shards with 20 records."""
    rows = dict(_records(20))
    shard = compression.zstd_small(msgspec.msgpack.encode({"packages": {}, "packages.conda": rows}))
    digests = {f"package-{number:06}": hashlib.sha256(str(number).encode()).digest() for number in range(names)}
    info = {"base_url": "", "shards_base_url": "./shards/", "created_at": "2026-01-01T00:00:00Z", "subdir": "linux-64"}
    index = compression.zstd_small(msgspec.msgpack.encode({"version": 1, "info": info, "shards": digests}))
    return index, shard, PackageFile.parse(next(iter(rows)))


def _shards_edited(index: bytes, shard: bytes, file: PackageFile) -> None:
    applied = shards.apply(shard, Changes({file: _HEAD}), where="shard")
    digest = hashlib.sha256(applied.data).digest()
    shards.with_shards(shards.read_index(index, where="index"), {"package-000500": digest})


def run() -> list[tuple[str, float, str]]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "repodata.json"
        path.write_bytes(_repodata(_RECORDS))
        size = path.stat().st_size
        name = f"{[key for key, _ in _records(_RECORDS // 2 + 1)][-1]}"
        mine, floor = compare(lambda: _spliced(path, name), lambda: _whole(path, name), number=1, rounds=3)
        note = f"x; {mine:.2f} s and {floor:.2f} s, {size / 1e6:.0f} MB"
        rows.append((f"one record of {_RECORDS:,}: json.load and json.dump take", floor / mine, note))
        data = path.read_bytes()
        loose, tight = _applied(data.replace(b'":', b'": ').replace(b',"', b', "'), data, name)
        rows.append(("the same without files, not compact: ratio to compact", loose / tight, f"x; {loose:.2f} s"))
        idle = _peak(path, name, "idle")
        for label, what in (("splice", "spliced"), ("json.load and json.dump", "whole")):
            used = (_peak(path, name, what) - idle) / size
            rows.append((f"one record of {_RECORDS:,}: peak memory, {label}", used, "x the file"))

        def ours() -> None:
            for _ in monolith.listed(data, where="index"):
                pass

        mine, floor = compare(ours, lambda: msgspec.json.decode(data), number=1, rounds=3)
        rows.append((f"listed, {_RECORDS:,} records: ratio to msgspec.json.decode", mine / floor, f"x; {mine:.2f} s"))
    times = []
    for names in _NAMES:
        index, shard, file = _sharded(names)
        times.append(min(best(lambda args=(index, shard, file): _shards_edited(*args), number=1) for _ in range(5)))
        rows.append((f"one shard and its index of {names:,} names", times[-1] * 1e3, "ms"))
    rows.append((f"the same: {_NAMES[1]:,} names to {_NAMES[0]:,}", times[1] / times[0], "x"))
    return rows


def _own_peak() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        # Not what getrusage says: on Linux that counts the process from which this one was started, too.
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    {"spliced": _spliced, "whole": _whole, "idle": lambda path, name: None}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
    print(_own_peak())
