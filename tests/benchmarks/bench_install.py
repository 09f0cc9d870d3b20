"""conda create of 100 packages with the gate in front, against the same without it; where conda is given.

CONDATTEST_CONDA_PYTHON names the python of an environment with conda, conda-index and condattest.
"""

import hashlib
import os
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from condattest.model.channel import Channel
from condattest.sandbox import Sandbox
from tests import channels, conda_installs
from tests.conda_installs import FULL, Conda, policy
from tests.rehearsal import a_package, signed

PACKAGES, PAYLOAD, ROUNDS, LISTS = 100, 500_000, 3, 10


def _payload(number: int) -> bytes:
    """Half a megabyte that compresses as programs do: to about a third."""
    words = [hashlib.sha256(str(each).encode()).digest()[:8] for each in range(500)]
    chosen = random.Random(number)
    return b"".join(chosen.choice(words) for _ in range(PAYLOAD // 8))


def _seconds(conda: Conda, prefix: str, *what: object) -> float:
    began = time.perf_counter()
    done = conda.create(prefix, *what)
    took = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(done.stderr)
    shutil.rmtree(conda.home / prefix)
    return took


def _list(python: str, prefix: Path, **environment: str) -> float:
    began = time.perf_counter()
    command = [python, "-m", "conda", "list", "--prefix", str(prefix)]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | environment)
    return time.perf_counter() - began


def run() -> list[tuple[str, float, str]]:
    python = os.environ.get("CONDATTEST_CONDA_PYTHON")
    if not python:
        print("  skipped: CONDATTEST_CONDA_PYTHON is not set")
        return []
    rows: list[tuple[str, float, str]] = []
    with tempfile.TemporaryDirectory() as name:
        folder, box = Path(name), Sandbox()
        with channels.served(folder) as url:
            home = Channel(f"{url}/channel")
            packages = [
                a_package(folder / "built", f"p{number}", payload=_payload(number)) for number in range(PACKAGES)
            ]
            channels.put(folder / "channel", "noarch", *packages)
            channels.conda_index(folder / "channel", *FULL, python=python)
            for package in packages:
                signed(package, channel=home, by=box)
            conda_installs.publish_all(folder / "channel", home, packages, box)
            what = ("--channel", home.url, "--override-channels", *(f"p{number}" for number in range(PACKAGES)))
            took: dict[tuple[str, str], list[float]] = {}
            for each in range(ROUNDS):
                for mode in ("off", "require"):
                    conda = Conda(python, folder / f"{mode}{each}", "rattler", box)
                    conda.configure(mode, policy(home.url))
                    took.setdefault((mode, "cold"), []).append(_seconds(conda, "env", *what))
                    took.setdefault((mode, "warm"), []).append(_seconds(conda, "env", *what))
            for state in ("cold", "warm"):
                plain, gated = (min(took[mode, state]) for mode in ("off", "require"))
                rows.append((f"conda create of {PACKAGES} packages, {state} caches, without the gate", plain, "s"))
                rows.append(("  with it", gated, "s"))
                rows.append(("  added for each package", (gated - plain) / PACKAGES * 1000, "ms"))
                rows.append(("  against the plain install", gated / plain, "x"))
        (folder / "empty" / "conda-meta").mkdir(parents=True)
        (folder / "empty" / "conda-meta" / "history").touch()
        lists: dict[str, list[float]] = {"with": [], "without": []}
        for _ in range(LISTS):
            lists["with"].append(_list(python, folder / "empty"))
            lists["without"].append(_list(python, folder / "empty", CONDA_NO_PLUGINS="true"))
        rows.append(("conda list with its plugins, this one among them", min(lists["with"]) * 1000, "ms"))
        rows.append(("  without any", min(lists["without"]) * 1000, "ms"))
    return rows
