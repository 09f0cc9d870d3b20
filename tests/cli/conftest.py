"""Run the command line as a user does, in this process where that is enough."""

import json
import os
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from condattest.cli import main
from condattest.sandbox import Sandbox, github
from tests.rehearsal import REPOSITORY, a_package


@dataclass(frozen=True)
class Ran:
    """How a run ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run `condattest ARGUMENTS` in an environment without anything of the machine's."""
    for name in list(os.environ):
        if name.startswith(("CONDATTEST_", "SIGSTORE_", "GITHUB_", "GITLAB_", "ACTIONS_")) or name in (
            "CI",
            "TF_BUILD",
        ):
            monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def call(*arguments, env=None):
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        code = main.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return call


@pytest.fixture
def sigstore(tmp_path):
    """A sandbox that is served: yields it with its files and a token."""
    with Sandbox(rekor=1, tsa=True).serve() as running:
        folder = tmp_path / "sigstore"
        folder.mkdir()
        yield SimpleNamespace(
            sandbox=running.sandbox,
            url=running.url,
            config=running.write(folder),
            root=folder / "trusted_root.json",
            secret=running.sandbox.token(github(REPOSITORY)),
        )


@pytest.fixture
def attested(run, sigstore, tmp_path):
    """A package that was attested over the command line."""
    package = a_package(tmp_path / "packages")
    ran = run(
        "attest", package, "--channel", "https://conda.example/channel", "--trust-config", sigstore.config,
        env={"SIGSTORE_ID_TOKEN": sigstore.secret},
    )  # fmt: skip
    assert ran.code == 0, ran.err
    return package
