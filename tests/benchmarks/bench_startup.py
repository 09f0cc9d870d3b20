"""Whole processes: --help against importing click, verify of one file against importing sigstore.verify."""

import subprocess
import sys
import tempfile
from pathlib import Path

from condattest.formats import publish, statement
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.sandbox import Sandbox, github
from condattest.sandbox.packages import make_package
from tests.benchmarks.timing import compare

CHANNEL = "https://conda.example/channel"


def _process(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run() -> list[tuple[str, float, str]]:
    import hashlib

    rows = []
    mine, floor = compare(
        lambda: _process("-m", "condattest", "--help"), lambda: _process("-c", "import click"), number=3
    )
    rows.append(("condattest --help against `import click`", mine / floor, f"x; {mine * 1e3:.0f} ms"))
    with tempfile.TemporaryDirectory() as folder:
        package = make_package(Path(folder), "numbers", "1.0")
        sandbox = Sandbox()
        root = Path(folder) / "trusted_root.json"
        root.write_text(sandbox.trusted_root_json())
        artifact = Artifact(PackageFile.parse(package.name), Sha256(hashlib.sha256(package.read_bytes()).hexdigest()))
        payload = statement.dump(publish.statement(artifact, Channel(CHANNEL)))
        bundle = sandbox.sign_statement(payload, github("me/numbers"))
        Path(f"{package}.sigstore.json").write_bytes(bundle)
        arguments = ("verify", "--offline", "--trusted-root", str(root), str(package), "--channel", CHANNEL)
        mine, floor = compare(
            lambda: _process("-m", "condattest", *arguments, "--repository", "me/numbers", "--no-state"),
            lambda: _process("-c", "import sigstore.verify"),
            number=3,
        )
        rows.append(("condattest verify against `import sigstore.verify`", mine / floor, f"x; {mine * 1e3:.0f} ms"))
    return rows
