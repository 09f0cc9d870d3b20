"""The GitHub Action, run as the runner runs it: each step's script under bash, against a sandbox that plays GitHub."""

import functools
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from condattest.sandbox import Sandbox, github
from tests.channels import conda_index, put, served
from tests.prefix_dev_server import TOKEN, serving
from tests.rehearsal import REPOSITORY, a_package, condattest
from tests.warm import Warm

ROOT = Path(__file__).parent.parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
STEPS = ACTION["runs"]["steps"]
CHANNEL = "https://conda.example/channel"
SIGNER = f"https://github.com/{REPOSITORY}/.github/workflows/release.yml@refs/heads/main"
EXPRESSION = re.compile(r"\$\{\{ (inputs|steps)\.([a-z-]+)(?:\.outputs\.([a-z-]+))? \}\}")

CONDATTEST = """
import os, sys
from condattest.cli import main
if os.environ.get("SIGNS_NOTHING") and "attest" in sys.argv:
    print('{"results": []}')
    print("::error::from attest", file=sys.stderr)
    sys.exit()
if sys.argv[1] == "publish" and not os.environ.get("PUBLISHES"):
    with open(os.environ["PUBLISHED"], "w") as file:
        file.write("\\0".join(sys.argv[1:]))
    print("::error::from publish", file=sys.stderr)
    sys.exit(int(os.environ.get("PUBLISH_EXIT", "0")))
main.main()
"""


@dataclass
class Job:
    """How a job ended: what the runner saw, and what the action left."""

    code: int = 0
    ran: list[str] = field(default_factory=list)
    log: str = ""
    commands: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    published: list[str] | None = None


def outputs_of(text):
    """Read a GITHUB_OUTPUT file, as the runner does."""
    found = {}
    lines = iter(text.split("\n"))
    for line in lines:
        if match := re.fullmatch(r"([A-Za-z_-]+)<<([0-9a-f]{32})", line):
            value = []
            while (each := next(lines)) != match[2]:
                value.append(each)
            found[match[1]] = "\n".join(value)
        elif line:
            name, equals, value = line.partition("=")
            assert equals, line
            found[name] = value
    return found


def commands_of(log):
    """The workflow commands that the runner takes from a log: `::name::` first in a line, or `##[name]` anywhere."""
    found, stopped = [], None
    for line in log.split("\n"):
        if stopped is not None:
            stopped = None if line.strip() == f"::{stopped}::" else stopped
        elif match := re.match(r"\s*::stop-commands::(.+)", line):
            stopped = match[1]
        elif line.lstrip().startswith("::") or "##[" in line:
            found.append(line)
    assert stopped is None
    return found


def filled(value, inputs, steps):
    """Fill in an expression of an `env` or an `outputs`."""

    def one(match):
        kind, name, output = match.groups()
        return inputs[name] if kind == "inputs" else steps.get(name, {}).get(output, "")

    text = EXPRESSION.sub(one, value)
    assert EXPRESSION.search(value) is None or EXPRESSION.fullmatch(value)
    return text


def wanted(step, job, inputs, steps):
    """Judge a step's `if`; the conditions that are known are those that the action has."""
    match step.get("if"):
        case None:
            return job.code == 0
        case "inputs.publish-to != ''":
            return job.code == 0 and inputs["publish-to"] != ""
        case "always() && steps.attest.outputs.report != ''":
            return steps.get("attest", {}).get("report", "") != ""
    raise AssertionError(f"not known: {step['if']}")


@pytest.fixture(scope="module")
def sigstore(tmp_path_factory):
    with Sandbox(rekor=1).serve(ambient=github(REPOSITORY)) as running:
        yield running, running.write(tmp_path_factory.mktemp("sigstore"))


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """This environment's condattest; what it imports is imported once."""
    path = tmp_path_factory.mktemp("program") / "condattest.py"
    path.write_text(CONDATTEST)
    modules = ("cli.main", "cli.attest", "cli.publish", "cli.verify", "operations.attest", "operations.publish_plan",
               "operations.publish", "operations.index", "operations.verify", "signatures.sign", "signatures.refresh",
               "transport.directory", "transport.post", "reports.terminal", "formats.statement")  # fmt: skip
    warm = Warm(path, "in_toto_attestation.v1.statement", *(f"condattest.{each}" for each in modules))
    yield warm
    warm.close()


@pytest.fixture
def act(sigstore, program, tmp_path):
    """Run the action with some inputs, in a workspace; `install` is replaced by this environment's condattest."""
    running, config = sigstore
    workspace = tmp_path / "work space"
    workspace.mkdir()
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "python").symlink_to(sys.executable)
    program.program(bin_folder / "condattest")

    def run(inputs, **environment):
        job = Job()
        given = {name: str(about.get("default", "")) for name, about in ACTION["inputs"].items()} | inputs
        files = {name: tmp_path / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        base = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path / "home"),
            "GITHUB_ACTIONS": "true",
            "CI": "true",
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_WORKSPACE": str(workspace),
            "GITHUB_ACTION_PATH": str(ROOT),
            "RUNNER_TEMP": str(tmp_path),
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{running.url}/ambient/github?version=1",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token",
            "CONDATTEST_TRUST_CONFIG": str(config),
            "PUBLISHED": str(tmp_path / "published"),
            **{name: str(path) for name, path in files.items()},
        }
        base = {name: value for name, value in (base | environment).items() if value is not None}
        steps: dict[str, dict[str, str]] = {}
        for step in STEPS:
            if not wanted(step, job, given, steps):
                continue
            job.ran.append(step["name"])
            if step.get("id") == "install":
                steps["install"] = {"bin": str(bin_folder)}
                continue
            files["GITHUB_OUTPUT"].write_text("")
            env = base | {name: filled(value, given, steps) for name, value in step["env"].items()}
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                env=env, cwd=workspace, capture_output=True, timeout=120,
            )  # fmt: skip
            # The runner reads two streams, in no order that can be relied on: each must be harmless by itself.
            job.commands += commands_of(done.stdout.decode()) + commands_of(done.stderr.decode())
            job.log += done.stdout.decode() + done.stderr.decode()
            job.code = job.code or done.returncode
            if "id" in step:
                steps[step["id"]] = outputs_of(files["GITHUB_OUTPUT"].read_bytes().decode())
        job.outputs = {name: filled(about["value"], given, steps) for name, about in ACTION["outputs"].items()}
        summary, published = files["GITHUB_STEP_SUMMARY"], tmp_path / "published"
        job.summary = summary.read_text() if summary.exists() else ""
        job.published = published.read_text().split("\0") if published.exists() else None
        assert not list(tmp_path.rglob("pwned"))
        return job

    run.workspace = workspace
    return run


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_packages_are_signed_and_told(act):
    one = a_package(act.workspace / "dist", "numbers", "1.0")
    two = a_package(act.workspace / "more of it", "letters", "2.0")
    job = act({"packages": "dist/*.conda\n\n  more of it/letters-2.0-0.conda  \n", "channel": CHANNEL})
    assert job.code == 0, job.log
    assert job.commands == []
    bundles = ["dist/numbers-1.0-0.conda.sigstore.json", "more of it/letters-2.0-0.conda.sigstore.json"]
    assert job.outputs["bundles"].split("\n") == bundles
    report = json.loads(Path(job.outputs["report"]).read_text())
    assert report["schema"] == "condattest/attest/1"
    assert report["totals"] == {"packages": 2, "attested": 2, "failed": 0}
    signer = SIGNER.replace("@", "&#64;")
    rows = []
    for path, shown, result in zip((one, two), ("dist/numbers", "more of it/letters"), report["results"], strict=True):
        evidence = result["evidence"]
        log, [time] = evidence["log"], evidence["times"]
        entry, at = f"{log['index']} of {log['url']}", f"{time['at']} (log)".replace("(", "&#40;").replace(")", "&#41;")
        name = shown + ("-1.0-0.conda" if path is one else "-2.0-0.conda")
        rows.append(f"| {name} | {digest_of(path)} | {signer} | {entry} | {at} |")
    assert job.summary.splitlines() == [
        "### condattest", "", "2 of 2 packages signed.", "",
        "| package | sha256 | signer | log entry | time |", "|---|---|---|---|---|", *rows,
    ]  # fmt: skip
    assert job.published is None
    assert job.ran == ["Check permissions and inputs", "Install condattest", "Sign", "Summarize"]
    for bundle in bundles:
        assert json.loads((act.workspace / bundle).read_text())["dsseEnvelope"]


def test_without_the_permission_nothing_runs_and_the_lines_to_add_are_told(act):
    a_package(act.workspace)
    job = act({"packages": "*.conda", "channel": CHANNEL}, ACTIONS_ID_TOKEN_REQUEST_URL=None)
    assert job.code == 4
    assert job.ran == ["Check permissions and inputs"]
    [command] = job.commands
    assert command.startswith("::error title=condattest::the job may not ask for an identity token")
    assert command.endswith("%0A    permissions:%0A      id-token: write%0A      contents: read")
    assert job.summary == ""


def test_a_token_of_another_source_does_instead(act, sigstore):
    a_package(act.workspace)
    token = sigstore[0].sandbox.token(github("you/other"))
    job = act({"packages": "*.conda", "no-target-channel": "true"}, ACTIONS_ID_TOKEN_REQUEST_URL=None,
              SIGSTORE_ID_TOKEN=token)  # fmt: skip
    assert job.code == 0, job.log
    assert "github.com/you/other/" in job.summary
    assert token.split(".")[1] not in job.log


def test_a_pattern_that_matches_nothing_is_an_error(act):
    a_package(act.workspace)
    job = act({"packages": "*.conda\ndist/*.conda", "channel": CHANNEL, "publish-to": "there"})
    assert job.code == 2
    assert job.commands == ["::error title=condattest::packages: no file matches 'dist/*.conda'"]
    assert job.outputs == {"bundles": "", "report": ""}
    assert not list(act.workspace.rglob("*.sigstore.json"))
    assert job.published is None


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"packages": " \n\n"}, "packages is empty"),
        ({"channel": ""}, "expected either channel, a URL, or no-target-channel: true"),
        ({"no-target-channel": "true"}, "exclude each other"),
        ({"channel": "", "no-target-channel": "yes"}, "expected true or false, found yes"),
        ({"policy": "p.toml"}, "go with publish-to"),
        ({"publish-to": "there", "identity": "me"}, "identity and issuer go together"),
        ({"publish-to": "there", "issuer": "me"}, "identity and issuer go together"),
        ({"publish-to": "there", "policy": "p", "repository": "a/b"}, "exclude each other"),
        ({"publish-to": "there", "identity": "i", "issuer": "j", "repository": "a/b"}, "exclude each other"),
        ({"version": "1.0; touch pwned"}, "version: expected"),
        ({"version": "$(touch pwned)"}, "version: expected"),
        ({"version": "--index-url=https://evil.example"}, "version: expected"),
        (
            {"no-target-channel": "a\n::set-output name=bundles::evil\n%0A"},
            "a%0A::set-output name=bundles::evil%0A%250A",
        ),
    ],
)
def test_wrong_inputs_are_told_before_anything_is_installed(act, inputs, told):
    a_package(act.workspace)
    job = act({"packages": "*.conda", "channel": CHANNEL} | inputs)
    assert job.code == 2
    assert job.ran == ["Check permissions and inputs"]
    [command] = job.commands
    assert command.startswith("::error title=condattest::")
    assert told in command


HOSTILE = [
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "${IFS}x",
    "a[1]*?",
    "-rf",
    "%0A::error::x",
]


COMMANDS = ["::set-output name=bundles::evil", "##[set-output name=bundles;]evil"]


@pytest.mark.parametrize("way", ["named", "found"])
def test_a_hostile_folder_name_is_a_name(act, way):
    """A pull request that adds a folder whose name is a script, or a command to the runner."""
    paths = []
    for number, folder in enumerate(sorted([*HOSTILE, *COMMANDS])):
        made = a_package(act.workspace / folder, f"numbers{number}")
        paths.append(str(made.relative_to(act.workspace)))
    job = act(
        {"packages": "\n".join(paths) if way == "named" else "*/*.conda", "channel": CHANNEL, "publish-to": "there"}
    )
    assert job.code == 0, job.log
    assert job.commands == []
    assert job.outputs["bundles"].split("\n") == [f"{path}.sigstore.json" for path in paths]
    assert job.published[-len(paths) - 1 :] == ["--", *paths]
    for row in job.summary.splitlines()[-len(paths) :]:
        assert row.count("|") == 6
        assert not re.search(r"[`*\[\]<>$_!]", row)


@pytest.mark.parametrize("text", [*HOSTILE, "\n::set-output name=bundles::evil"])
def test_hostile_packages_do_nothing(act, text):
    a_package(act.workspace)
    job = act({"packages": text, "channel": CHANNEL})
    assert job.code == 2
    [command] = job.commands
    shown = ascii(text.strip()).replace("%", "%25")
    assert command == f"::error title=condattest::packages: no file matches {shown}"


@pytest.mark.parametrize("text", ["$(touch pwned)", "\n::set-output name=bundles::evil\n##[set-output name=a;]b"])
def test_a_hostile_channel_does_nothing(act, text):
    a_package(act.workspace)
    job = act({"packages": "*.conda", "channel": "https://conda.example/ " + text})
    assert job.code == 2
    [command] = job.commands
    assert command.startswith("::error title=condattest::")
    assert job.summary.startswith("### condattest\n\nNothing signed: ")
    assert job.outputs["bundles"] == ""


@pytest.mark.parametrize("name", ["a\nbundles=evil", "a\rb", "a\x1b[2Jb", "a\u202eb", "a\u2028b"])
def test_a_path_that_cannot_be_shown_is_refused(act, name):
    """A line break in a file's name would make two lines of the output."""
    a_package(act.workspace / name)
    job = act({"packages": "**/*.conda", "channel": CHANNEL})
    assert job.code == 2
    [command] = job.commands
    assert "printable" in command
    assert command.isprintable()


def test_what_cannot_be_signed_fails_the_job_and_stands_in_the_summary(act):
    (act.workspace / "numbers-1.0-0.conda").write_bytes(b"junk")
    job = act({"packages": "*.conda", "channel": CHANNEL, "publish-to": "there"})
    assert job.code == 1
    [command] = job.commands
    assert command.startswith("::error title=condattest::ARCHIVE-FORMAT")
    assert job.summary.startswith("### condattest\n\nNothing signed: ARCHIVE-FORMAT")
    assert job.published is None


def test_a_service_that_refuses_is_told_for_each_package(act, sigstore):
    faults = sigstore[0].sandbox.faults
    a_package(act.workspace)
    faults.rekor_down = True
    try:
        job = act({"packages": "*.conda", "channel": CHANNEL, "publish-to": "there"})
    finally:
        faults.rekor_down = False
    assert job.code == 3
    assert len(job.commands) == 1
    assert "0 of 1 packages signed." in job.summary
    assert "| not signed: " in job.summary
    assert job.outputs["bundles"] == ""
    assert job.published is None


@pytest.mark.parametrize(
    ("inputs", "environment", "options"),
    [
        ({"channel": CHANNEL}, {}, [f"--channel={CHANNEL}", f"--repository={REPOSITORY}"]),
        ({"no-target-channel": "true"}, {}, [f"--repository={REPOSITORY}"]),
        ({"channel": CHANNEL, "repository": "a/b"}, {}, [f"--channel={CHANNEL}", "--repository=a/b"]),
        ({"channel": CHANNEL, "policy": "a b.toml"}, {}, [f"--channel={CHANNEL}", "--policy=a b.toml"]),
        (
            {"channel": CHANNEL, "identity": SIGNER, "issuer": "https://i"},
            {},
            [f"--channel={CHANNEL}", f"--identity={SIGNER}", "--issuer=https://i"],
        ),
        ({"channel": CHANNEL}, {"CONDATTEST_POLICY": "p.toml"}, [f"--channel={CHANNEL}"]),
    ],
)
def test_packages_are_published_with_a_requirement(act, inputs, environment, options):
    a_package(act.workspace, "letters")
    a_package(act.workspace, "numbers")
    job = act({"packages": "*.conda\nnumbers-1.0-0.conda", "publish-to": "s3://my bucket/$(touch pwned)"} | inputs,
              SIGNS_NOTHING="1", **environment)  # fmt: skip
    assert job.code == 0, job.log
    assert job.published == [
        "publish", "--to=s3://my bucket/$(touch pwned)", *options, "--", "letters-1.0-0.conda", "numbers-1.0-0.conda",
    ]  # fmt: skip
    assert "::error::from attest" in job.log
    assert "::error::from publish" in job.log
    assert job.commands == []  # They came between `stop-commands`, so they are text.


@pytest.mark.parametrize("indexed", ["before", "after"])
def test_packages_are_published_to_a_channel_that_an_indexer_made(act, sigstore, program, tmp_path, indexed):
    """From a built package to one that anybody can verify by its URL; the index is made by the real conda-index."""
    channel = tmp_path / "channel"
    package = a_package(act.workspace / "dist")
    put(channel, "noarch", a_package(tmp_path, "letters"), *([package] if indexed == "before" else []))
    conda_index(channel)
    trust = ("--trust-config", sigstore[1])
    run = functools.partial(condattest, program.program(tmp_path / "condattest"), cwd=tmp_path)
    with served(channel) as url:
        job = act({"packages": "dist/*.conda", "channel": url, "publish-to": str(channel)}, PUBLISHES="1")
        assert job.code == 0, job.log
        assert job.commands == []
        assert "1 package: 1 published, 0 failed" in job.log
        if indexed == "after":
            assert "PUBLISH-UNINDEXED" in job.log
            conda_index(channel)
            assert (done := run("index", channel)).code == 0, done.err
        assert (checked := run("index", channel, "--check")).code == 0, checked.out
        target = f"{url}/noarch/{package.name}"
        for repository, code in ((REPOSITORY, 0), ("somebody/else", 1)):
            asked = run("verify", target, "--repository", repository, "--no-state", *trust)
            assert asked.code == code, asked.out + asked.err
    assert (channel / "noarch" / package.name).read_bytes() == package.read_bytes()
    # A second run of the same job has nothing to do but to sign again.
    (act.workspace / "dist" / f"{package.name}.sigstore.json").unlink()
    again = act({"packages": "dist/*.conda", "channel": url, "publish-to": str(channel)}, PUBLISHES="1")
    assert again.code == 0, again.log
    assert "0 bundles appended, 1 already there" in again.log


def test_a_channel_keeps_what_another_signer_is_not_allowed_to_publish(act, tmp_path):
    channel = tmp_path / "channel"
    put(channel, "noarch", a_package(act.workspace))
    conda_index(channel)
    before = {path: path.read_bytes() for path in channel.rglob("*") if path.is_file()}
    inputs = {"packages": "*.conda", "channel": CHANNEL, "publish-to": str(channel), "repository": "somebody/else"}
    job = act(inputs, PUBLISHES="1")
    assert job.code == 1
    assert job.commands == ["::error title=condattest::signed, but condattest publish ended with exit code 1"]
    assert "IDENTITY-MISMATCH" in job.log
    assert {path: path.read_bytes() for path in channel.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("key", [TOKEN, "", None])
def test_packages_are_uploaded_to_prefix_dev(act, key):
    """With a key in the environment; without one, as a trusted publisher, by the job's own identity."""
    package = a_package(act.workspace / "dist")
    with serving() as server:
        server.answers = [(201, b"")] if key else [(200, b"pfx-jwt.minted"), (201, b"")]
        place = f"{server.url}/my-channel"
        inputs = {"packages": "dist/*.conda", "channel": place, "publish-to": place}
        job = act(inputs, PUBLISHES="1", PREFIX_API_KEY=key)
    assert job.code == 0, job.log
    assert job.commands == []
    *minted, taken = server.taken
    assert [each.target for each in minted] == ([] if key else ["/api/oidc/mint_token"])
    assert taken.target == "/api/v1/upload/my-channel"
    assert taken.authorization == f"Bearer {key or 'pfx-jwt.minted'}"
    bundle = (act.workspace / job.outputs["bundles"]).read_bytes().strip()
    assert [content for _, content in taken.parts] == [package.read_bytes(), bundle]
    identities = [json.loads(each.parts[0][1])["token"].split(".")[1] for each in minted]
    for secret in (TOKEN, "pfx-jwt.minted", "request-token", *identities):
        assert secret not in job.log + job.summary


def test_the_policy_of_the_environment_says_who_may_publish(act):
    a_package(act.workspace)
    policy = act.workspace / "policy.toml"
    with serving() as server:
        place = f"{server.url}/my-channel"
        policy.write_text(
            f'version = 1\n[signer.us]\nkind = "github"\nrepository = "somebody/else"\nref = "refs/heads/main"\n'
            f'owner-id = 1\n[[rule]]\nchannel = "{place}"\npackage = "*"\nsigners = ["us"]\n'
        )
        inputs = {"packages": "*.conda", "channel": place, "publish-to": place}
        job = act(inputs, PUBLISHES="1", PREFIX_API_KEY=TOKEN, CONDATTEST_POLICY="policy.toml")
    assert job.code == 1, job.log
    assert "IDENTITY-MISMATCH" in job.log
    assert server.connections == 0


def test_a_failed_publication_fails_the_job(act):
    a_package(act.workspace)
    job = act({"packages": "*.conda", "channel": CHANNEL, "publish-to": "there"}, PUBLISH_EXIT="3")
    assert job.code == 3
    assert job.commands == ["::error title=condattest::signed, but condattest publish ended with exit code 3"]
    assert "1 of 1 packages signed." in job.summary


def test_a_module_in_the_workspace_is_not_run(act):
    """A pull request that adds a json.py, which Python would find before its own."""
    a_package(act.workspace)
    for name in ("json", "glob", "secrets", "venv", "pip", "os"):
        (act.workspace / f"{name}.py").write_text("open('pwned', 'w')\nraise SystemExit(99)\n")
    job = act({"packages": "*.conda", "channel": CHANNEL})
    assert job.code == 0, job.log


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step["name"])
def test_a_script_holds_no_expression_and_stops_at_the_first_failure(step):
    """An expression in a script is replaced before bash reads it: whoever chooses its value writes the script."""
    assert "${{" not in step["run"]
    assert step["run"].startswith("set -euo pipefail\n")
    assert step["shell"] == "bash"
    assert "eval" not in step["run"]
    for value in step["env"].values():
        assert EXPRESSION.fullmatch(value)
    done = subprocess.run(["bash", "-n"], input=step["run"].encode(), capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    # Later than bash 3.2, which macOS has.
    assert not re.search(r"\b(mapfile|readarray|declare -A)\b|\$\{\w+[,^@]", step["run"])


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step["name"])
def test_each_snippet_is_python_of_the_oldest_version(step):
    for snippet in re.findall(r"<<'PYTHON'\n(.*?)\nPYTHON\n", step["run"], re.DOTALL):
        compile(snippet, step["name"], "exec")
    floor = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    if step.get("id") == "install":
        assert f"sys.version_info < ({floor.removeprefix('>=').replace('.', ', ')})" in step["run"]
        assert f"Python {floor.removeprefix('>=')} or newer" in step["run"]


@pytest.mark.parametrize(("version", "what"), [("", str(ROOT)), ("1.2.0", "condattest==1.2.0")])
def test_the_install_step_makes_an_environment_of_its_own(tmp_path, version, what):
    """With a Python that keeps account of what it is called with, and makes no environment."""
    fake = tmp_path / "fake" / "python3"
    fake.parent.mkdir()
    fake.write_text(
        '#!/bin/bash\nprintf "%s\\n" "$*" >> "$CALLS"\n'
        'if [[ "$3" == venv ]]; then mkdir "$4/bin"; cp "$0" "$4/bin/python"; fi\n'
    )
    fake.chmod(0o755)
    [step] = [step for step in STEPS if step.get("id") == "install"]
    env = {
        "PATH": f"{fake.parent}:/usr/bin:/bin", "VERSION": version, "RUNNER_TEMP": str(tmp_path),
        "CALLS": str(tmp_path / "calls"), "GITHUB_OUTPUT": str(tmp_path / "out"), "GITHUB_ACTION_PATH": str(ROOT),
    }  # fmt: skip
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", step["run"]], env=env, capture_output=True)
    assert done.returncode == 0, done.stderr
    folder = outputs_of((tmp_path / "out").read_text())["bin"]
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[1] == f"-I -m venv {Path(folder).parent}"
    assert calls[2] == f"-I -m pip install --quiet --disable-pip-version-check {what}"


def test_an_old_python_is_told(tmp_path):
    fake = tmp_path / "python3"
    fake.write_text("#!/bin/bash\nexit 1\n")
    fake.chmod(0o755)
    [step] = [step for step in STEPS if step.get("id") == "install"]
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "VERSION": "", "RUNNER_TEMP": str(tmp_path)}
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", step["run"]], env=env, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout.startswith("::error title=condattest::expected Python 3.11 or newer")


def test_every_input_and_output_is_described():
    for about in (*ACTION["inputs"].values(), *ACTION["outputs"].values()):
        assert about["description"]
    used = {match[2] for step in STEPS for value in step["env"].values() if (match := EXPRESSION.fullmatch(value))}
    assert set(ACTION["inputs"]) <= used
