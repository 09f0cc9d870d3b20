"""Hashing a package file against hashlib alone on the same 64 MB."""

import hashlib
import tempfile
from pathlib import Path

from condattest.transport import files
from tests.benchmarks.timing import compare

_SIZE = 64_000_000


def run() -> list[tuple[str, float, str]]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "package.conda"
        path.write_bytes(bytes(range(256)) * (_SIZE // 256))

        def bare() -> str:
            with path.open("rb") as opened:
                return hashlib.file_digest(opened, "sha256").hexdigest()

        def ours() -> str:
            with files.open_once(path) as opened:
                return files.hash_file(opened)

        def told() -> str:
            with files.open_once(path) as opened:
                return files.hash_file(opened, on_bytes=lambda count: None)

        for label, call in (("hash_file", ours), ("hash_file with a progress bar", told)):
            mine, floor = compare(call, bare, number=1)
            rows.append((f"{label}: ratio to hashlib", mine / floor, f"x; {_SIZE / mine / 1e6:.0f} MB/s"))
    return rows
