"""What tests sign with: one sandbox for the whole run, an attacker's second one, and real packages."""

import hashlib
import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from condattest.formats import publish, statement
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.sandbox import Identity, Sandbox, github
from condattest.sandbox.packages import make_package
from condattest.signatures.trust_root import TrustRoot

CHANNEL = Channel("https://conda.example/channel")
REPOSITORY = "me/numbers"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@cache
def sandbox() -> Sandbox:
    """The sandbox whose root the tests trust; its time stands still."""
    return Sandbox(now=lambda: NOW)


@cache
def attacker() -> Sandbox:
    """Another sandbox, which nobody trusts."""
    return Sandbox(now=lambda: NOW)


@cache
def trust() -> TrustRoot:
    return TrustRoot.from_json(sandbox().trusted_root_json().encode(), name="sandbox")


def payload_for(artifact: Artifact, channel: Channel | None = CHANNEL) -> bytes:
    return statement.dump(publish.statement(artifact, channel))


def artifact_of(package: Path) -> Artifact:
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    return Artifact(PackageFile.parse(package.name), Sha256(digest))


def signed(package: Path, identity: Identity | None = None, channel: Channel | None = CHANNEL, **how) -> bytes:
    """Sign a package, and write the bundle beside it."""
    by = how.pop("by", None) or sandbox()
    bundle = by.sign_statement(payload_for(artifact_of(package), channel), identity or github(REPOSITORY), **how)
    package.with_name(package.name + ".sigstore.json").write_bytes(bundle)
    return bundle


def a_package(folder: Path, name: str = "numbers", version: str = "1.0", **how) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return make_package(folder, name, version, **how)


@dataclass(frozen=True)
class Ran:
    """How a run of the command line ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        return json.loads(self.out)


def condattest(program: Path, *arguments: object, cwd: Path) -> Ran:
    """Run the command line as a user does, in a process of its own with a clean environment."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(cwd)}
    command = [str(program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, timeout=120)
    return Ran(done.returncode, done.stdout, done.stderr)


DAY = timedelta(days=1)
