"""`condattest attest`, as a maintainer runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rehearsal import REPOSITORY, a_package

CHANNEL = "https://conda.example/channel"


def test_packages_are_attested_and_told_in_a_table(run, sigstore, tmp_path):
    packages = [a_package(tmp_path, f"numbers{number}") for number in range(3)]
    ran = run(
        "attest", *packages, "--channel", CHANNEL, "--trust-config", sigstore.config,
        env={"SIGSTORE_ID_TOKEN": sigstore.secret},
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "3 packages: 3 attested, 0 failed" in ran.out
    for package in packages:
        assert json.loads((tmp_path / f"{package.name}.sigstore.json").read_bytes())["dsseEnvelope"]


def test_json_says_what_was_made(run, sigstore, tmp_path):
    package = a_package(tmp_path)
    ran = run(
        "--json", "attest", package, "--no-target-channel", "--trust-config", sigstore.config,
        env={"SIGSTORE_IDENTITY_TOKEN": sigstore.secret},
    )  # fmt: skip
    assert ran.code == 0
    assert ran.json["schema"] == "condattest/attest/1"
    assert ran.json["totals"] == {"packages": 1, "attested": 1, "failed": 0}
    [result] = ran.json["results"]
    assert result["evidence"]["signer"]["claims"]["source_repository_uri"] == f"https://github.com/{REPOSITORY}"


def test_paths_in_json_are_those_of_the_files(run, sigstore, tmp_path):
    """A script takes the bundles from the report; what looks like a token of anaconda.org is a folder here."""
    package = a_package(tmp_path / "t" / "a\x1bb\u202e" / "who@there")
    ran = run(
        "--json", "attest", package, "--channel", CHANNEL, "--trust-config", sigstore.config,
        env={"SIGSTORE_ID_TOKEN": sigstore.secret},
    )  # fmt: skip
    [result] = ran.json["results"]
    assert result["package"] == str(package)
    assert json.loads(Path(result["bundle"]).read_bytes())["dsseEnvelope"]
    assert "\x1b" not in ran.out + ran.err
    assert "\u202e" not in ran.out + ran.err


def test_credentials_in_what_is_no_path_are_not_shown(run, tmp_path):
    """A URL that is given for a package loses a slash on its way to a path."""
    ran = run("attest", "https://user:secret@prefix.dev/x/numbers-1.0-0.conda", "--channel", CHANNEL, "--json")
    assert ran.code == 2
    assert "secret" not in ran.out + ran.err


def test_a_token_file_is_taken_before_the_environment(run, sigstore, tmp_path):
    package = a_package(tmp_path)
    token = tmp_path / "token.jwt"
    token.write_text(sigstore.secret + "\n")
    ran = run(
        "attest", package, "--channel", CHANNEL, "--trust-config", sigstore.config, "--identity-token-file", token,
        env={"SIGSTORE_ID_TOKEN": "not a token"},
    )  # fmt: skip
    assert ran.code == 0, ran.err


def test_the_ambient_identity_of_github_is_used(run, tmp_path):
    from condattest.sandbox import Sandbox, github

    package = a_package(tmp_path)
    with Sandbox(rekor=1).serve(ambient=github(REPOSITORY)) as running:
        config = running.write(tmp_path)
        environment = {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{running.url}/ambient/github?version=1",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token",
        }
        ran = run("attest", package, "--channel", CHANNEL, "--trust-config", config, "--json", env=environment)
    assert ran.code == 0, ran.err
    [result] = ran.json["results"]
    assert result["evidence"]["signer"]["claims"]["source_repository_uri"] == f"https://github.com/{REPOSITORY}"


@pytest.mark.parametrize(
    ("environment", "lines"),
    [
        ({"GITHUB_ACTIONS": "true"}, "id-token: write"),
        ({"GITLAB_CI": "true"}, "SIGSTORE_ID_TOKEN:"),
        ({"TF_BUILD": "True"}, "Azure Pipelines"),
        ({"CI": "true"}, "export SIGSTORE_ID_TOKEN"),
        ({}, "--identity-token-file"),
    ],
)
def test_without_an_identity_the_lines_to_add_are_told(run, sigstore, tmp_path, environment, lines):
    package = a_package(tmp_path)
    ran = run("attest", package, "--channel", CHANNEL, "--trust-config", sigstore.config, "--json", env=environment)
    assert ran.code == 4
    assert lines in ran.json["error"]["hint"]
    assert lines in ran.err
    assert not (tmp_path / f"{package.name}.sigstore.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no-such-1-0.conda", "--channel", CHANNEL],
        ["PACKAGE"],
        ["PACKAGE", "--channel", CHANNEL, "--no-target-channel"],
        ["PACKAGE", "--channel", "not a url"],
        ["PACKAGE", "--channel", "https://u:secret@host/x?y"],
        ["PACKAGE", "--channel", CHANNEL, "--jobs", "0"],
        ["PACKAGE", "--channel", CHANNEL, "--output-dir", "no/such/folder"],
        ["PACKAGE", "--channel", CHANNEL, "--offline"],
    ],
)
def test_wrong_use_is_exit_2_with_a_document(run, tmp_path, arguments):
    package = a_package(tmp_path)
    ran = run("--json", "attest", *(package if word == "PACKAGE" else word for word in arguments))
    assert ran.code == 2
    assert ran.json["exitCode"] == 2
    assert ran.json["error"]["message"]
    assert "secret" not in ran.out + ran.err


def test_a_malformed_archive_is_exit_1_and_named(run, tmp_path):
    package = a_package(tmp_path)
    package.write_bytes(b"junk")
    ran = run("attest", package, "--channel", CHANNEL)
    assert ran.code == 1
    assert package.name in ran.err
    assert "ARCHIVE-FORMAT" in ran.err


def test_a_trust_root_that_cannot_sign_is_told_before_a_token_is_asked_for(run, sigstore, tmp_path):
    ran = run("attest", a_package(tmp_path), "--channel", CHANNEL, "--trusted-root", sigstore.root)
    assert ran.code == 2
    assert "says nothing about where to sign" in ran.err


@pytest.mark.parametrize("verbosity", ["-q", "-v", "-vv", "-vvv"])
@pytest.mark.parametrize("fault", [None, "fulcio_refuses", "rekor_down"])
def test_a_token_is_never_shown(run, sigstore, tmp_path, verbosity, fault):
    """Logs of CI are public; a token in one of them signs for the project."""
    if fault == "fulcio_refuses":
        sigstore.sandbox.faults.fulcio_refuses = "no"
    elif fault:
        sigstore.sandbox.faults.rekor_down = True
    ran = run(
        "attest", a_package(tmp_path), "--channel", CHANNEL, "--trust-config", sigstore.config, verbosity,
        env={"SIGSTORE_ID_TOKEN": sigstore.secret},
    )  # fmt: skip
    assert (ran.code == 0) is (fault is None)
    _header, claims, signature = sigstore.secret.split(".")
    for part in (claims, signature):
        assert part not in ran.out + ran.err


@pytest.mark.parametrize("token", ["", "junk", "a.b.c"])
def test_a_token_that_is_none_is_exit_4_and_not_shown(run, sigstore, tmp_path, token):
    path = tmp_path / "token"
    path.write_text(token)
    ran = run(
        "attest", a_package(tmp_path), "--channel", CHANNEL, "--trust-config", sigstore.config,
        "--identity-token-file", path,
    )  # fmt: skip
    assert ran.code == 4
    assert str(path) in ran.err


def test_no_browser_is_opened_where_nobody_sits(sigstore, tmp_path):
    """A job without a terminal must end, not wait for a browser."""
    package = a_package(tmp_path)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "BROWSER": "touch opened"}
    done = subprocess.run(
        [sys.executable, "-m", "condattest", "attest", str(package), "--channel", CHANNEL,
         "--trust-config", str(sigstore.config)],
        env=environment, cwd=tmp_path, capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 4
    assert not (tmp_path / "opened").exists()
