"""`condattest policy`: written, learned, checked, explained; and used by verify."""

import json
import re
import shutil

import pytest

from condattest.sandbox import github
from tests.rehearsal import REPOSITORY, a_package, signed

CHANNEL = "https://conda.example/channel"


@pytest.fixture
def trust(sigstore):
    return ("--trusted-root", sigstore.root, "--offline")


@pytest.fixture
def learned(run, trust, attested, tmp_path):
    """A policy that was learned from an attested package: yields its path."""
    path = tmp_path / "policy.toml"
    ran = run("policy", "learn", attested, *trust, "--output", path)
    assert ran.code == 0, ran.err
    return path


def test_a_learned_policy_accepts_what_it_was_learned_from(run, trust, attested, learned):
    ran = run("verify", attested, *trust, "--policy", learned)
    assert ran.code == 0, ran.out
    assert "CHANNEL-FROM-STATEMENT" in ran.out
    assert str(learned) in ran.err
    assert "sha256" in ran.err
    assert "used 1 times" in ran.err


@pytest.mark.parametrize(
    ("field", "old", "new"),
    [
        ("repository-id", "repository-id = ", "repository-id = 9"),
        ("owner-id", "owner-id = ", "owner-id = 9"),
        ("repository", f'repository = "{REPOSITORY}"', 'repository = "me/other"'),
        ("workflow", ".github/workflows/release.yml", ".github/workflows/other.yml"),
        ("ref", "refs/heads/main", "refs/heads/other"),
        ("trigger", 'triggers = ["push"]', 'triggers = ["schedule"]'),
    ],
)
def test_any_other_field_is_named_with_expected_and_found(run, trust, attested, learned, field, old, new):
    """One field of the signer is not what the policy says."""
    text = learned.read_text()
    assert old in text
    learned.write_text(text.replace(old, new))
    ran = run("verify", attested, *trust, "--policy", learned, "--channel", CHANNEL, "--json")
    assert ran.code == 1
    finding = ran.json["results"][0]["findings"][0]
    assert finding["code"] == "IDENTITY-MISMATCH"
    assert finding["facts"]["field"].startswith(field)
    assert finding["facts"]["expected"] != finding["facts"]["found"]


def test_json_tells_rules_and_how_often_they_were_used(run, trust, attested, learned):
    unused = '\n[[rule]]\nchannel = "https://conda.example/channel"\npackage = "unused"\nsigners = ["me-numbers"]\n'
    learned.write_text(learned.read_text() + unused)
    ran = run("verify", attested, *trust, "--policy", learned, "--channel", CHANNEL, "--json")
    assert ran.code == 0, ran.out
    assert sorted(rule["used"] for rule in ran.json["rules"]) == [0, 1]
    assert ran.json["policy"]["source"] == str(learned)
    assert "never" in run("verify", attested, *trust, "--policy", learned, "--channel", CHANNEL).err


def test_a_package_without_a_rule_is_rejected(run, trust, learned, sigstore, tmp_path):
    other = a_package(tmp_path / "other", "other")
    signed(other, by=sigstore.sandbox)
    ran = run("verify", other, *trust, "--policy", learned, "--channel", CHANNEL, "--json")
    assert ran.code == 1
    assert ran.json["results"][0]["findings"][0]["code"] == "POLICY-NONE"


def test_explain_tells_each_signer_and_field(run, trust, attested, learned):
    learned.write_text(learned.read_text().replace("release.yml", "other.yml"))
    ran = run("policy", "explain", attested, *trust, "--policy", learned)
    assert ran.code == 1
    assert "signer me-numbers: workflow: expected" in ran.out
    assert "other.yml" in ran.out
    [bundle] = run("policy", "explain", attested, *trust, "--policy", learned, "--json").json["explanation"]["bundles"]
    assert bundle["counts"] is False
    assert bundle["signers"][0]["mismatches"][0]["field"] == "workflow"


def test_another_signer_is_a_regression_and_not_applied(run, trust, learned, sigstore, tmp_path):
    """The next release is signed by somebody else."""
    package = a_package(tmp_path / "new", version="2.0")
    signed(package, github("mallory/numbers"), by=sigstore.sandbox)
    before = learned.read_text()
    ran = run("policy", "learn", package, *trust, "--policy", learned, "--json")
    assert ran.code == 1
    [change] = [change for change in ran.json["changes"] if change["change"] == "SignerChanged"]
    assert change["applied"] is False
    assert learned.read_text() == before
    assert ran.json["text"] == before
    accepted = run("policy", "learn", package, *trust, "--policy", learned, "--accept", "--json")
    assert accepted.code == 0
    assert "mallory/numbers" in accepted.json["diff"]


def test_an_attestation_that_is_gone_is_a_regression(run, trust, learned, tmp_path):
    """The next release comes without any attestation."""
    package = a_package(tmp_path / "new", version="2.0")
    ran = run("policy", "learn", package, *trust, "--policy", learned, "--channel", CHANNEL)
    assert ran.code == 1
    assert "REGRESSION" in ran.err


def test_nothing_learned_is_not_success(run, trust, tmp_path):
    ran = run("policy", "learn", a_package(tmp_path), *trust, "--channel", CHANNEL, "--output", tmp_path / "p.toml")
    assert ran.code == 3
    assert not (tmp_path / "p.toml").exists()


def test_check_tells_every_error_with_its_line(run, tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text(
        'version = 1\n[signer.x]\nkind = "github"\nrepositry = "a/b"\n[[rule]]\nchannel = "x"\nsigners = []\n'
    )
    ran = run("policy", "check", path, "--json")
    assert ran.code == 2
    message = ran.json["error"]["message"]
    assert "repositry" in message
    assert "signers" in message
    assert "channel" in message
    assert "line 4" in message


def test_check_of_a_good_policy_lists_its_rules(run, learned):
    ran = run("policy", "check", learned)
    assert ran.code == 0
    assert "rule 1" in ran.out


def test_check_lists_who_may_patch(run, learned):
    signer = re.search(r"\[signer\.(.+)\]", learned.read_text())[1]
    rule = f'[[patch]]\nchannel = "https://conda.example/x"\nsigners = ["{signer}"]\nmax-age = "7d"\n'
    learned.write_text(learned.read_text() + rule)
    assert f"channel https://conda.example/x role author: 1 of {signer}\n" in run("policy", "check", learned).out


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_policy_that_is_not_there_is_exit_2(run, attested, name):
    assert run("verify", attested, "--policy", name, "--offline").code == 2
    assert run("policy", "check", name).code == 2


def test_a_policy_that_everybody_may_write_is_exit_2(run, trust, attested, learned):
    """Another user of the machine adds a signer."""
    learned.chmod(0o666)
    ran = run("verify", attested, *trust, "--policy", learned)
    assert ran.code == 2
    assert "may write" in ran.err


def test_a_policy_in_the_current_folder_is_not_read(run, trust, attested, learned, tmp_path):
    """Whoever wrote the project that is looked at must not say what is trusted."""
    assert learned.parent == tmp_path
    ran = run("verify", attested, *trust, "--channel", CHANNEL)
    assert ran.code == 3
    assert "IDENTITY-NOT-REQUIRED" in ran.out


def test_the_user_s_policy_and_the_variable_are_read(run, trust, attested, learned, tmp_path):
    ran = run("verify", attested, *trust, "--channel", CHANNEL, env={"CONDATTEST_POLICY": str(learned)})
    assert ran.code == 0
    home = tmp_path / "home" / "condattest"
    home.mkdir(parents=True)
    shutil.copy(learned, home / "policy.toml")
    ran = run("verify", attested, *trust, "--channel", CHANNEL, "--json", env={"CONDATTEST_POLICY": ""})
    assert ran.code == 0
    assert ran.json["policy"]["source"] == str(home / "policy.toml")


def test_a_rule_s_own_trust_root_is_used(run, sigstore, attested, learned):
    """A private Sigstore for one channel, beside the public one for the rest."""
    shutil.copy(sigstore.root, learned.parent / "own_root.json")
    learned.write_text(learned.read_text().replace("[[rule]]\n", '[[rule]]\ntrusted-root = "own_root.json"\n'))
    ran = run("verify", attested, "--offline", "--policy", learned, "--channel", CHANNEL, "--json")
    assert ran.code == 0, ran.out
    (learned.parent / "own_root.json").write_text("{}")
    assert run("verify", attested, "--offline", "--policy", learned, "--channel", CHANNEL).code == 2


def test_init_writes_a_policy_that_loads_and_accepts_nothing(run, trust, attested, tmp_path):
    path = tmp_path / "policy.toml"
    assert run("policy", "init", CHANNEL, "--output", path).code == 0
    assert run("policy", "check", path).code == 0
    assert run("verify", attested, *trust, "--policy", path, "--channel", CHANNEL).code == 1
    assert run("policy", "init", CHANNEL, "--output", path).code == 2
    assert "version = 1" in run("policy", "init", CHANNEL).out


@pytest.mark.parametrize("arguments", [["no url"], [CHANNEL, "--repository", "o/r"], [CHANNEL, "--repository-id", "5"]])
def test_init_with_half_a_signer_is_exit_2(run, arguments):
    assert run("policy", "init", *arguments).code == 2


def test_the_schema_is_json(run):
    schema = json.loads(run("policy", "schema").out)
    assert "rule" in schema["properties"]
