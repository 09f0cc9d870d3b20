"""attest and verify whole packages over the sandbox: batches, memory, and the number of reads."""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from condattest.sandbox import Sandbox, github
from condattest.sandbox.packages import make_package

CHANNEL = "https://conda.example/channel"
_SIZE = 1024**3


def _attest(config: Path, token: str, packages: list[Path]) -> tuple[float, float]:
    """Seconds and peak MB of one `condattest attest`."""
    began = time.perf_counter()
    _run("attest", *map(str, packages), "--channel", CHANNEL, "--trust-config", str(config), "--force", token=token)
    return time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def _run(*arguments: str, token: str = "") -> None:
    environment = {"PATH": "/usr/bin:/bin", "SIGSTORE_ID_TOKEN": token, "HOME": tempfile.gettempdir()}
    command = [sys.executable, "-m", "condattest", *arguments]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run() -> list[tuple[str, float, str]]:
    rows = []
    with tempfile.TemporaryDirectory() as name, Sandbox(rekor=1, tsa=True).serve() as running:
        folder = Path(name)
        config = running.write(folder)
        token = running.sandbox.token(github("me/numbers"))
        small = [make_package(folder, f"small{number}", "1.0") for number in range(100)]
        together, _ = _attest(config, token, small)
        alone = sum(_attest(config, token, [package])[0] for package in small[:10]) * 10
        rows.append(("attest of 100 small packages in one call", together, "s"))
        rows.append(("the same in 100 calls (10 measured), ratio", alone / together, "x"))
        # One large package: sparse zeros compress to nothing, so the payload is random.
        large = make_package(folder, "large", "1.0", payload=__import__("os").urandom(64 * 1024**2))
        _, peak = _attest(config, token, [large])
        rows.append(("peak memory of attest, 64 MB package", peak, "MB"))
        root = folder / "trusted_root.json"
        _run("verify", str(large), "--repository", "me/numbers", "--channel", CHANNEL, "--offline",
             "--trusted-root", str(root), "--no-state")  # fmt: skip
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        rows.append(("peak memory of attest and verify", peak, "MB"))
    return rows
