"""attest and verify whole packages over the sandbox: many against one, and memory for a package of 1 GB."""

import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from condattest.sandbox import Sandbox, github
from condattest.sandbox.packages import make_package

CHANNEL = "https://conda.example/channel"
_GIGABYTE = 1024**3
# The peak of a child is counted from its fork on, so the parent that measures it has to be small itself.
_MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def _run(*arguments: object, token: str = "") -> tuple[float, float]:
    """Seconds and peak MB of one command."""
    environment = {"PATH": "/usr/bin:/bin", "SIGSTORE_ID_TOKEN": token, "HOME": tempfile.gettempdir()}
    command = [sys.executable, "-c", _MEASURE, sys.executable, "-m", "condattest", *map(str, arguments)]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    return time.perf_counter() - began, int(done.stdout) / 1024


def _large(folder: Path) -> Path:
    """A package of 1 GB: real metadata, and a payload part that nobody unpacks to verify it."""
    small = make_package(folder, "large", "1.0")
    large = folder / "large" / small.name
    large.parent.mkdir()
    with zipfile.ZipFile(small) as source, zipfile.ZipFile(large, "w", zipfile.ZIP_STORED) as target:
        for name in source.namelist():
            if not name.startswith("pkg-"):
                target.writestr(name, source.read(name))
        with target.open(f"pkg-{small.stem}.tar.zst", "w", force_zip64=False) as part:
            block = bytes(range(256)) * 4096
            for _ in range(_GIGABYTE // len(block)):
                part.write(block)
    return large


def run() -> list[tuple[str, float, str]]:
    rows = []
    with tempfile.TemporaryDirectory() as name, Sandbox(rekor=1, tsa=True).serve() as running:
        folder = Path(name)
        token = running.sandbox.token(github("me/numbers"))
        attest = ("attest", "--channel", CHANNEL, "--trust-config", running.write(folder), "--force")
        small = [make_package(folder, f"small{number}", "1.0") for number in range(100)]
        together, _ = _run(*attest, *small, token=token)
        alone = sum(_run(*attest, package, token=token)[0] for package in small[:10]) * 10
        rows.append(("attest of 100 small packages in one call", together, "s"))
        rows.append(("the same in 100 calls (10 measured)", alone / together, "x"))
        verify = ("verify", "--repository", "me/numbers", "--channel", CHANNEL, "--offline", "--no-state",
                  "--trusted-root", folder / "trusted_root.json")  # fmt: skip
        _, floor = _run("trust", "show", "--offline")
        rows.append(("peak memory of `trust show`, which loads the same libraries", floor, "MB"))
        large = _large(folder)
        for verb, arguments in (("attest", attest), ("verify", verify)):
            seconds, peak = _run(*arguments, large, token=token)
            rows.append((f"{verb} of a package of 1 GB", seconds, "s"))
            rows.append((f"{verb} of a package of 1 GB, peak memory", peak, "MB"))
    return rows
