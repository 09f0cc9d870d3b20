"""Every ending is an exit code and, with --json, a document."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from condattest.cli import main
from condattest.cli.main import cli
from tests.rehearsal import a_package

VERBS = list(cli.list_commands(click.Context(cli)))


def _commands(command, words=()):
    yield command, words
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from _commands(command.get_command(context, name), (*words, name))


ALL = {" ".join(words): command for command, words in _commands(cli)}


@pytest.mark.parametrize("name", ALL)
def test_help_says_what_the_command_does_and_shows_two_examples(run, name):
    ran = run(*name.split(), "--help")
    assert ran.code == 0
    assert ALL[name].help
    assert ran.out.count("  condattest ") >= 2, "two runnable examples"
    assert "--json" in ran.out


@pytest.mark.parametrize("name", VERBS)
def test_the_list_of_verbs_says_what_each_verb_s_own_help_says(name):
    assert main.summary(name)
    assert ALL[name].name == name


def test_a_misspelt_verb_is_suggested(run):
    ran = run("verfy", "--json")
    assert ran.code == 2
    assert "verify" in ran.json["error"]["message"]
    assert ran.json["schema"] == "condattest/usage/1"


def test_nothing_at_all_shows_the_help(run):
    ran = run()
    assert ran.code == 2
    assert "verify" in ran.out + ran.err


def test_options_stand_before_and_after_the_verb(run):
    for arguments in (["--json", "trust", "show", "--offline"], ["trust", "--offline", "show", "--json"]):
        ran = run(*arguments)
        assert ran.code == 0
        assert ran.json["name"] == "production"


def test_the_environment_gives_way_to_the_command_line(run, sigstore, tmp_path):
    missing = tmp_path / "missing.json"
    environment = {"CONDATTEST_TRUSTED_ROOT": str(missing)}
    assert run("trust", "show", env=environment).code == 2
    ran = run("--trusted-root", sigstore.root, "trust", "show", "--json", env=environment)
    assert ran.code == 0
    assert ran.json["name"] == str(sigstore.root)


def test_an_internal_error_is_70_and_a_document(run, monkeypatch):
    def explode(self, ctx, name):
        raise RuntimeError("broken \x1b[31m token eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.sig")

    monkeypatch.setattr(click.Group, "resolve_command", explode)
    ran = run("verify", "x", "--json")
    assert ran.code == 70
    assert ran.json["error"]["kind"] == "Internal"
    assert "eyJ" not in ran.out + ran.err
    assert "\x1b" not in ran.out + ran.err


def test_a_folder_that_cannot_be_made_is_undecided_and_not_internal(run):
    for arguments in (["demo", "--dir", "/proc/demo"], ["sandbox", "serve", "--dir", "/proc/sandbox"]):
        ran = run(*arguments, "--json")
        assert ran.code == 3
        assert ran.json["error"]["kind"] == "LocalFailure"


def test_a_closed_pipe_is_not_success(tmp_path):
    """`condattest ... | head` must not say that all is well when nothing was read, nor that something was rejected."""
    reading, writing = os.pipe()
    os.close(reading)
    for arguments in (["trust", "show", "--offline"], ["trust", "show", "--offline", "--json"], ["--help"]):
        done = subprocess.run(
            [sys.executable, "-m", "condattest", *arguments],
            stdout=writing, stderr=subprocess.PIPE, env={**os.environ, "HOME": str(tmp_path)}, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stderr.count(b"Traceback")) == (3, 0), done.stderr
    os.close(writing)


@pytest.mark.parametrize("arguments", [["--json"], []])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_disk_under_stdout_is_undecided(tmp_path, arguments):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "condattest", "trust", "show", "--offline", *arguments],
            stdout=full, stderr=subprocess.PIPE, env={**os.environ, "HOME": str(tmp_path)}, timeout=60,
        )  # fmt: skip
    assert done.returncode == 3
    assert b"\ncondattest: No space left on device\n" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
def test_a_stdout_that_is_closed_costs_the_text_alone(tmp_path):
    done = subprocess.run(
        ["sh", "-c", '"$0" -m condattest trust show --offline >&- 2>&-', sys.executable],
        env={**os.environ, "HOME": str(tmp_path)}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("FORCE_COLOR", "1")])
def test_colour_variables_are_kept(run, tmp_path, name, value):
    ran = run("verify", a_package(tmp_path), "--repository", "a/b", "--offline", env={name: value})
    assert ran.code == 1
    assert ("\x1b[" in ran.out) is (name == "FORCE_COLOR")


def test_color_never_outranks_force_color(run, tmp_path):
    ran = run(
        "verify", a_package(tmp_path), "--repository", "a/b", "--offline", "--color", "never", env={"FORCE_COLOR": "1"}
    )
    assert "\x1b[" not in ran.out


def test_no_verb_at_all_shows_the_help_and_is_exit_2(run):
    for arguments in ([], ["policy"]):
        ran = run(*arguments)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("Usage: condattest")
        assert run(*arguments, "--json").json["exitCode"] == 2


def test_version_is_told(run):
    assert "condattest" in run("--version").out
