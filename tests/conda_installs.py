"""A real conda in front of a channel that was signed in the sandbox: what the plugin's tests install with.

conda is on no registry: CONDATTEST_CONDA_PYTHON names the python of an environment with conda, conda-index and
condattest, and conda-rattler-solver if that solver is to be tested.
"""

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from condattest.model.channel import Channel
from condattest.operations import publish, publish_plan
from condattest.operations.admission import Terms
from condattest.sandbox import Sandbox, github
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.directory import Directory
from tests import channels
from tests.rehearsal import REPOSITORY, a_package, signed

FULL = ("--write-shards", "--zst", "--bz2", "--current-repodata", "--threads", "1")
NEEDED = "needs CONDATTEST_CONDA_PYTHON, the python of an environment with conda, conda-index and condattest"


def conda_python() -> str:
    """The python of an environment with conda and the plugin; the test is skipped where there is none."""
    named = os.environ.get("CONDATTEST_CONDA_PYTHON")
    if not named:
        pytest.skip(NEEDED)
    if run_python(named, "import conda, condattest.conda_plugin").returncode:
        pytest.skip(NEEDED)
    return named


def run_python(python: str, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60)


def signer(repository: str = REPOSITORY, name: str = "us") -> str:
    """A signer's table in a policy."""
    claims = github(repository).claims
    return (
        f'[signer.{name}]\nkind = "github"\nrepository = "{repository}"\nrepository-id = {claims["repository_id"]}\n'
        f'workflow = ".github/workflows/release.yml"\nref = "refs/heads/main"\n'
    )


def policy(*channels: str, more: str = "") -> str:
    """A policy for channels: everything has to be signed by us."""
    rules = "".join(f'[[rule]]\nchannel = "{channel}"\npackage = "*"\nsigners = ["us"]\n' for channel in channels)
    return f"version = 1\n{signer()}{rules}{more}"


def publish_all(root: Path, home: Channel, packages: list[Path], box: Sandbox) -> None:
    """Publish packages with the bundles beside them, whoever signed."""
    trust = TrustRoot.from_json(box.trusted_root_json().encode(), name="sandbox")
    store = Directory(root)
    terms = Terms(trust=trust, policy=None, channel=home)
    outcomes, _ = publish.publish(publish_plan.plan(list(map(str, packages)), store, terms), store, terms)
    assert all(each.listed and each.problem is None for each in outcomes), outcomes


def make_channel(root: Path, home: Channel, built: Path, box: Sandbox, python: str) -> dict[str, Path]:
    """`letters` and `numbers` (which needs it) signed by us, `forged` by somebody else, `words` by nobody."""
    packages = {name: a_package(built, name) for name in ("letters", "words", "forged", "tampered")}
    packages["numbers"] = a_package(built, "numbers", depends=["letters >=1"])
    channels.put(root, "noarch", *packages.values())
    channels.conda_index(root, *FULL, python=python)
    for name in ("letters", "numbers", "tampered"):
        signed(packages[name], channel=home, by=box)
    signed(packages["forged"], github("mallory/numbers"), channel=home, by=box)
    publish_all(root, home, [each for name, each in packages.items() if name != "words"], box)
    return packages


@dataclass
class Conda:
    """One user's conda: a home, a package cache, a `.condarc`."""

    python: str
    home: Path
    solver: str
    box: Sandbox
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "trusted_root.json").write_text(self.box.trusted_root_json())

    @property
    def packages(self) -> Path:
        return self.home / "pkgs"

    def configure(self, mode: str | None, policy: str | None = None) -> None:
        lines = [f"solver: {self.solver}", f"pkgs_dirs: [{self.packages}]", "plugins:"]
        lines += [f"  condattest_trusted_root: {self.home}/trusted_root.json"]
        lines += [f"  condattest_mode: {mode}"] if mode else []
        if policy is not None:
            (self.home / "policy.toml").write_text(policy)
            lines += [f"  condattest_policy: {self.home}/policy.toml"]
        (self.home / ".condarc").write_text("\n".join(lines) + "\n")

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        environment = {
            # PYTHONPATH says which condattest is tried, where the environment has another one.
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "HOME": str(self.home),
            "CONDATTEST_CACHE": str(self.home / "cache"),
            "XDG_STATE_HOME": str(self.home / "state"),
        } | self.environment
        command = [self.python, "-m", "conda", *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, cwd=self.home)

    def create(self, prefix: str, *what: object) -> subprocess.CompletedProcess[str]:
        return self.run("create", "--yes", "--quiet", "--prefix", self.home / prefix, *what)

    def installed(self, prefix: str) -> set[str]:
        meta = (self.home / prefix / "conda-meta").glob("*.json")
        return {json.loads(file.read_bytes())["name"] for file in meta}

    def fetched(self) -> set[str]:
        return {path.name for path in self.packages.glob("*-*-*")} if self.packages.is_dir() else set()
