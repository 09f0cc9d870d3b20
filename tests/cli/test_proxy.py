import json
import os
import signal
import subprocess
import sys
import tomllib

import httpx
import pytest

from tests.rehearsal import REPOSITORY, sandbox

URL = "https://conda.anaconda.org/conda-forge"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no channel to serve"),
        (["--channel", "x"], "expected NAME=URL"),
        (["--channel", f"-={URL}"], "expected NAME=URL"),
        (["--channel", f"a/b={URL}"], "expected NAME=URL"),
        (["--channel", f"a={URL}", "--channel", f"a={URL}"], "named twice"),
        (["--channel", "a=https://user:secret@conda.example/c"], "without credentials"),
        (["--channel", "a=file:///srv/channel"], "expected an http or https URL"),
        (["--channel", f"a={URL}", "--listen", "8080"], "expected ADDRESS:PORT"),
        (["--channel", f"a={URL}", "--print-config", "pixi"], "a port that stays"),
        (["--channel", f"a={URL}"], "nothing says who must have signed"),
        (["--channel", f"a={URL}", "--identity", "x"], "--issuer is missing"),
    ],
)
def test_what_cannot_be_served_is_a_usage_error(run, arguments, said):
    ran = run("proxy", *arguments, "--exit-after", 0.1)
    assert ran.code == 2
    assert said in ran.err
    assert "secret" not in ran.err + ran.out
    assert run("proxy", *arguments, "--exit-after", 0.1, "--json").json["exitCode"] == 2


def test_settings_are_printed_and_nothing_is_served(run):
    arguments = ("proxy", "--listen", "127.0.0.1:8080", "--channel", f"forge={URL}", "--print-config", "pixi")
    assert tomllib.loads(run(*arguments).out) == {"mirrors": {URL: ["http://127.0.0.1:8080/forge"]}}
    document = run(*arguments, "--json").json
    assert document["schema"] == "condattest/proxy/1"
    assert tomllib.loads(document["settings"])["mirrors"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_comes_and_that_is_no_failure(tmp_path, number):
    root = tmp_path / "root.json"
    root.write_text(sandbox().trusted_root_json())
    command = [
        sys.executable, "-m", "condattest", "proxy", "--json", "--channel", "mine=http://127.0.0.1:9/c",
        "--repository", REPOSITORY, "--trusted-root", str(root), "--cache", str(tmp_path / "cache"),
    ]  # fmt: skip
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONWARNINGS": "error::ResourceWarning"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line == "}\n":
                break
        document = json.loads("".join(lines))
        assert document["channels"] == [
            {"name": "mine", "channel": "http://127.0.0.1:9/c", "url": f"{document['url']}/mine"}
        ]
        assert document["filter"] == "index"
        report = httpx.get(f"{document['report']}.json", trust_env=False).json()
        assert report["channels"] == {"mine": "http://127.0.0.1:9/c"}
        assert httpx.get(f"{document['url']}/mine/noarch/repodata.json", trust_env=False).status_code == 502
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, "", "")
    assert oct((tmp_path / "cache" / "evidence.sqlite").stat().st_mode)[-3:] == "600"


def test_an_address_that_others_can_reach_gets_a_warning(run, tmp_path):
    root = tmp_path / "root.json"
    root.write_text(sandbox().trusted_root_json())
    arguments = ("proxy", "--channel", f"a={URL}", "--repository", REPOSITORY, "--trusted-root", root)
    ran = run(*arguments, "--listen", "0.0.0.0:0", "--exit-after", 0.2)
    assert ran.code == 0, ran.err
    assert "warning: 0.0.0.0 can be reached from other machines" in ran.err
    assert "proxy at http://0.0.0.0:" in ran.out


def test_a_policy_that_judges_patches_verifies_records(run, tmp_path):
    root = tmp_path / "root.json"
    root.write_text(sandbox().trusted_root_json())
    policy = tmp_path / "policy.toml"
    policy.write_text(f"""version = 1
[signer.me]
kind = "github"
repository = "me/numbers"
repository-id = 1
ref = "refs/heads/main"
workflow = ".github/workflows/release.yml"
[[rule]]
channel = "{URL}"
package = "*"
signers = ["me"]
[[patch]]
channel = "{URL}"
signers = ["me"]
max-age = "7d"
""")
    policy.chmod(0o600)
    arguments = ("proxy", "--channel", f"a={URL}", "--policy", policy, "--trusted-root", root, "--exit-after", 0.2)
    assert run(*arguments, "--json").json["filter"] == "verify"
    assert "patches unjudged" in run(*arguments, "--filter", "index").err


def test_without_its_libraries_it_says_what_to_install(tmp_path):
    code = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "from condattest.cli.main import run\n"
        f"sys.exit(run(['proxy', '--channel', 'a={URL}']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "pip install 'condattest[proxy]'" in done.stderr
