"""`condattest audit`, as a security team runs it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests import audited_channel, channels

CHANNEL = audited_channel.CHANNEL.url


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audited")
    (folder / "root.json").write_text(audited_channel.sandbox().trusted_root_json())
    return audited_channel.make(folder / "channel", packages=40, each=1, faults=["unattested", "other-bytes"])


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return audited_channel.make(tmp_path_factory.mktemp("sound") / "channel", packages=40, faults=())


@pytest.fixture
def audit(run, planted):
    def call(*arguments, **options):
        return run("audit", "--trusted-root", planted.root.parent / "root.json", "--jobs", "1", *arguments, **options)

    return call


def test_a_channel_is_audited_and_what_fails_is_said(audit, planted):
    ran = audit(planted.root, "--channel", CHANNEL)
    assert ran.code == 1, ran.err
    assert "40 packages" in ran.out
    assert "failed: rejected: 1" in ran.err


def test_a_sound_channel_passes(audit, sound):
    ran = audit(sound.root, "--channel", CHANNEL)
    assert ran.code == 0, ran.err


def test_json_is_one_document(audit, planted):
    ran = audit(planted.root, "--channel", CHANNEL, "--json")
    assert ran.json["schema"] == "condattest/audit/1"
    assert ran.json["exitCode"] == ran.code == 1
    assert ran.json["totals"]["packages"] == len(ran.json["results"]) == 40
    assert audit(planted.root, "--channel", CHANNEL, "--report", "json").json["totals"] == ran.json["totals"]


def test_several_reports_at_once(audit, planted, tmp_path):
    ran = audit(planted.root, "--channel", CHANNEL, "--report", "table", "--report", f"json={tmp_path / 'a.json'}")
    assert "40 packages" in ran.out
    assert json.loads((tmp_path / "a.json").read_text())["exitCode"] == ran.code


def test_every_format_is_written_and_github_s_summary_with_it(audit, planted, tmp_path):
    formats = ("table", "json", "jsonl", "markdown", "github", "sarif", "html")
    reports = [word for each in formats for word in ("--report", f"{each}={tmp_path / each}")]
    summary = tmp_path / "summary.md"
    audit(planted.root, "--channel", CHANNEL, *reports, env={"GITHUB_STEP_SUMMARY": str(summary)})
    [place] = planted.places["other-bytes"]
    file = place.rpartition("/")[2]
    assert [each for each in formats if "BIND-DIGEST" not in (tmp_path / each).read_text("utf-8")] == []
    assert [each for each in formats if file not in (tmp_path / each).read_text("utf-8")] == []
    assert "BIND-DIGEST" in summary.read_text("utf-8")


def test_over_http(audit, sound):
    with channels.served(sound.root) as url:
        ran = audit(url, "--channel", CHANNEL, "--subdir", "noarch", "--json")
        assert ran.code == 0, ran.err
        assert ran.json["target"] == url
        assert audit(url, "--channel", CHANNEL, "--subdir", "noarch", "--fail-on", "orphans").code == 3
        # Without --subdir all that conda knows are asked for, and those that are there are audited.
        assert set(audit(url, "--channel", CHANNEL, "--json").json["subdirs"]) == set(audited_channel.SUBDIRS)


def test_a_policy_file_decides(audit, planted, tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text(
        f"""version = 1
        [signer.nobody]
        kind = "email"
        email = "nobody@example.org"
        issuer = "https://issuer.example"
        [[rule]]
        channel = "{CHANNEL}"
        package = "*"
        signers = ["nobody"]
        """
    )
    ran = audit(planted.root, "--channel", CHANNEL, "--policy", policy, "--no-state", "--json")
    assert ran.code == 1
    assert ran.json["totals"]["accepted"] == 0
    assert ran.json["totals"]["unattested"] == 5
    assert ran.json["policy"]["source"] == str(policy)


def test_a_baseline_lets_old_problems_be(audit, planted, tmp_path):
    report = tmp_path / "a.json"
    audit(planted.root, "--channel", CHANNEL, "--report", f"json={report}")
    assert audit(planted.root, "--channel", CHANNEL, "--baseline", report).code == 0


def test_parts_are_merged(audit, planted, tmp_path):
    for number in (1, 2):
        audit(
            planted.root, "--channel", CHANNEL, "--shard", f"{number}/2", "--report", f"json={tmp_path / str(number)}"
        )
    merged = audit("merge", tmp_path / "1", tmp_path / "2", "--json")
    whole = audit(planted.root, "--channel", CHANNEL, "--json")
    assert merged.code == whole.code == 1
    for key in ("results", "totals", "checks", "findings", "subdirs", "part"):
        assert merged.json[key] == whole.json[key]
    assert audit("merge", tmp_path / "1").code == 2


def test_index_only_verifies_nothing_and_is_no_pass(audit, sound):
    ran = audit(sound.root, "--index-only")
    assert ran.code == 3
    assert "nothing was verified" in ran.err


def test_what_a_lock_file_lists_is_audited(audit, sound, tmp_path):
    lock = tmp_path / "explicit.txt"
    with channels.served(sound.root) as url:
        listed = audited_channel.listed(sound.root, "noarch")
        lock.write_text("@EXPLICIT\n" + "".join(f"{url}/noarch/{file}#{sha256}\n" for file, sha256 in listed))
        ran = audit("--lock", lock, "--channel", CHANNEL, "--no-state", "--json")
        assert ran.code == 0, ran.err
        assert ran.json["totals"]["accepted"] == len(listed) > 5
        assert audit("--lock", lock, "--shard", "1/2").code == 2
        assert audit("--lock", lock, sound.root).code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["PLACE"],
        ["PLACE", "PLACE", "--channel", CHANNEL],
        ["PLACE", "--channel", CHANNEL, "--report", "none"],
        ["PLACE", "--channel", CHANNEL, "--report", "json="],
        ["PLACE", "--channel", CHANNEL, "--report", "json", "--report", "table"],
        ["PLACE", "--channel", CHANNEL, "--fail-on", "everything"],
        ["PLACE", "--channel", CHANNEL, "--shard", "5/4"],
        ["PLACE", "--channel", CHANNEL, "--sample", "5", "--index-only"],
        ["PLACE", "--channel", CHANNEL, "--since", "yesterday"],
        ["PLACE", "--channel", CHANNEL, "--late-after", "soon"],
        ["PLACE", "--channel", CHANNEL, "--subdir", "linux-32"],
        ["PLACE", "--channel", CHANNEL, "--baseline", "none.json"],
        ["PLACE", "--channel", CHANNEL, "--report", "json=no-such-folder/audit.json"],
        ["merge"],
        ["merge", "none.json"],
        ["/no/such/folder", "--channel", CHANNEL],
    ],
)
def test_wrong_use_is_exit_2(audit, sound, arguments):
    assert audit(*(sound.root if each == "PLACE" else each for each in arguments)).code == 2


def test_an_interrupt_leaves_a_partial_report_and_a_way_to_go_on(tmp_path, planted, sound):
    """Hours of work must not be lost to Ctrl-C."""
    large = audited_channel.make(tmp_path / "large", packages=250, faults=())
    environment = {**os.environ, "HOME": str(tmp_path), "CONDATTEST_CACHE": str(tmp_path / "cache")}
    report, state = tmp_path / "a.json", tmp_path / "state"
    command = [sys.executable, "-m", "condattest", "audit", str(large.root), "--channel", CHANNEL, "--jobs", "1",
               "--trusted-root", str(planted.root.parent / "root.json"), "--no-cache",
               "--report", f"json={report}", "--resume", str(state)]  # fmt: skip
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (state.exists() and state.stat().st_size > 10_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 3, told
    document = json.loads(report.read_text())
    assert document["complete"] is False
    assert 0 < document["totals"]["packages"] < 250
    assert str(state) in told.decode()
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    document = json.loads(report.read_text())
    assert (document["complete"], document["totals"]["accepted"]) == (True, 250)
    assert not state.exists()
