"""Reading a package's metadata against zipfile + zstd + tarfile on the same bytes."""

import bz2
import io
import json
import random
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from condattest.formats import package
from condattest.formats.package import Extent
from condattest.model.artifact import PackageFile
from condattest.sandbox.packages import make_package
from tests.benchmarks.timing import best, compare

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STEM = "numbers-1.0-0"
_PACKAGE = 1_000_000
_MANY = 20_000


def _plain_conda(data: bytes) -> object:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        info = zstd.decompress(archive.read(f"info-{STEM}.tar.zst"))
    with tarfile.open(fileobj=io.BytesIO(info)) as tar:
        return json.load(tar.extractfile("info/index.json"))


def _plain_tar_bz2(data: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:bz2") as tar:
        return tar.getnames()


def _library(files: int, size: int) -> bytes:
    """A `.tar.bz2` of files that compress to about a third, as libraries do."""
    source = random.Random(0)
    words = [source.randbytes(6) for _ in range(4000)]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:bz2") as tar:
        index = json.dumps({"name": "numbers", "version": "1.0", "build": "0"}).encode()
        for number in range(-1, files):
            data = index if number < 0 else b"".join(source.choices(words, k=size // 6))
            member = tarfile.TarInfo("info/index.json" if number < 0 else f"lib/numbers/file{number}.so")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def run() -> list[tuple[str, float, str]]:
    rows = []
    conda, bzip2 = PackageFile.parse(f"{STEM}.conda"), PackageFile.parse(f"{STEM}.tar.bz2")
    with tempfile.TemporaryDirectory() as folder:
        payload = random.Random(0).randbytes(_PACKAGE)
        small = make_package(Path(folder), "numbers", "1.0", payload=payload).read_bytes()
    mine, floor = compare(lambda: package.read(io.BytesIO(small), conda), lambda: _plain_conda(small), number=100)
    rows.append((".conda of 1 MB: read", mine * 1e3, f"ms; zipfile, zstd and tarfile {floor * 1e3:.2f} ms"))
    rows.append((".conda of 1 MB: read, ratio", mine / floor, "x"))
    for label, data in (
        (f"{_MANY} empty files", _library(_MANY, 0)),
        ("20 MB in 200 files", _library(200, 100_000)),
    ):
        mine, floor = compare(
            lambda data=data: package.read(io.BytesIO(data), bzip2), lambda data=data: _plain_tar_bz2(data),
            number=1, rounds=3,
        )  # fmt: skip
        rows.append((f".tar.bz2, {label}: read whole, ratio to tarfile's listing", mine / floor, f"x; {mine:.2f} s"))
        bare = best(lambda data=data: bz2.decompress(data), number=1)
        rows.append((f".tar.bz2, {label}: bzip2 alone, share of it", bare / mine * 100, "%"))
        first = best(lambda data=data: package.read(io.BytesIO(data), bzip2, extent=Extent.FIRST), number=3)
        rows.append((f".tar.bz2, {label}: only to the first info/index.json", first * 1e3, "ms"))
    return rows
