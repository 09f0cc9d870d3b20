"""`condattest sandbox`: two processes, as a user runs it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.rehearsal import REPOSITORY, a_package

CHANNEL = "https://conda.example/channel"


@pytest.fixture
def served(tmp_path):
    """A sandbox in a process of its own; yields its folder."""
    folder = tmp_path / "sandbox"
    environment = {**os.environ, "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "condattest", "sandbox", "serve", "--dir", str(folder), "--exit-after", "60"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while not (folder / "sandbox.key.json").exists() and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.02)
        yield folder
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 0


def test_a_whole_rehearsal_over_the_command_line(run, served, tmp_path):
    token = run("sandbox", "token", "--dir", served, "--repository", REPOSITORY)
    shown = run("sandbox", "token", "--dir", served, "--repository", REPOSITORY, "--json")
    assert shown.json["token"].count(".") == token.out.count(".") == 2
    assert token.code == 0
    package = a_package(tmp_path)
    trust = ("--trust-config", served / "trust_config.json")
    environment = {"SIGSTORE_ID_TOKEN": token.out.strip()}
    assert run("attest", package, "--channel", CHANNEL, *trust, env=environment).code == 0
    ran = run("verify", package, "--channel", CHANNEL, *trust, "--repository", REPOSITORY, "--json")
    assert ran.code == 0
    assert {time["source"] for time in ran.json["results"][0]["evidence"][0]["times"]} == {"log", "tsa"}


def test_the_key_of_the_issuer_is_for_its_owner_alone(served):
    """Whoever reads the key can sign as anybody, in this sandbox."""
    assert (served / "sandbox.key.json").stat().st_mode & 0o077 == 0
    assert json.loads((served / "trust_config.json").read_text())["trustedRoot"]


@pytest.mark.parametrize(
    "arguments",
    [[], ["--repository", "a/b", "--email", "x@y.z"], ["--repository", "no-slash"], ["--email", "x@y.z"]],
)
def test_a_token_needs_one_identity_and_a_sandbox(run, tmp_path, arguments):
    ran = run("sandbox", "token", "--dir", tmp_path / "nowhere", *arguments, "--json")
    assert ran.code in (2, 3)
    assert ran.json["error"]["message"]
