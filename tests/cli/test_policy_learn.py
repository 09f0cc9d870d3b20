"""`condattest policy learn --lock`, and `verify --lock-identities`: who signed stays who signs, or it is told."""

import shutil
import tomllib

import pytest

from tests.cli.test_listed import advertise, channel, codes, edit, lock_of, made, path_of, verify  # noqa: F401
from tests.locks import explicit
from tests.rehearsal import REPOSITORY, sandbox

OPEN = """
version = 1
[signer.anybody]
kind = "github"
repository = "me/*"
owner-id = {owner}
ref = "refs/heads/main"
workflow = ".github/workflows/release.yml"
[[rule]]
channel = "{channel}"
package = "*"
signers = ["anybody"]
"""


@pytest.fixture
def learn(run, channel, tmp_path):  # noqa: F811
    (tmp_path / "root.json").write_text(sandbox().trusted_root_json())
    (tmp_path / "lock").write_bytes(lock_of(channel, "explicit"))

    def call(*arguments):
        return run("policy", "learn", "--trusted-root", "root.json", *arguments)

    return call


@pytest.fixture
def everybody(learn, channel, tmp_path):  # noqa: F811
    """A policy that allows every repository of one owner."""
    learn("--lock", "lock", "--output", "first.toml")
    [signer] = tomllib.loads((tmp_path / "first.toml").read_text())["signer"].values()
    text = OPEN.format(owner=signer["owner-id"], channel=channel.url)
    (tmp_path / "policy.toml").write_text(text)
    return ("--policy", "policy.toml")


def test_the_identity_of_each_package_is_written_beside_the_lock(learn, tmp_path):
    ran = learn("--lock", "lock")
    assert ran.code == 0, ran.err
    written = tomllib.loads((tmp_path / "lock.attest.toml").read_text())
    [signer] = written["signer"].values()
    assert signer["repository"] == REPOSITORY
    assert signer["repository-id"]
    assert [rule["package"] for rule in written["rule"]] == ["numbers", "letters", "words"]
    assert set(written) == {"version", "signer", "rule"}
    again = learn("--lock", "lock", "--json")
    assert again.code == 2
    assert learn("--lock", "lock", "--force").code == 0


def test_the_same_signers_pass_and_a_file_that_is_not_named_is_not_read(learn, verify, everybody, channel, tmp_path):  # noqa: F811
    learn("--lock", "lock")
    ran = verify("--lock", "lock", "--lock-identities", "lock.attest.toml", "--json", who=everybody)
    assert ran.code == 0, ran.out
    (tmp_path / "lock.attest.toml").write_text("nonsense")
    assert verify("--lock", "lock", who=everybody).code == 0
    assert verify("--lock", "lock", "--lock-identities", "lock.attest.toml", who=everybody).code == 2


def test_another_signer_that_the_policy_allows_is_rejected(learn, verify, everybody, channel):  # noqa: F811
    """One repository of an owner is taken over, and signs for another one's package."""
    learn("--lock", "lock")
    advertise(path_of(channel, "numbers"), channel.url, "me/taken")
    plain = verify("--lock", "lock", "--no-state", "--json", who=everybody)
    assert plain.code == 0, plain.out
    ran = verify("--lock", "lock", "--no-state", "--lock-identities", "lock.attest.toml", "--json", who=everybody)
    assert ran.code == 1
    assert codes(ran)[0] == ["IDENTITY-PINNED"]
    assert [result["verdict"] for result in ran.json["results"]] == ["rejected", "accepted", "accepted"]
    [finding] = ran.json["results"][0]["findings"]
    assert REPOSITORY in finding["facts"]["expected"]
    assert "me/taken" in finding["facts"]["found"]


def test_identities_never_widen_a_policy(learn, verify, channel):  # noqa: F811
    """Whoever can edit a repository adds itself to the identities: the policy still decides."""
    learn("--lock", "lock")
    ran = verify("--lock", "lock", "--lock-identities", "lock.attest.toml", "--json", who=("--repository", "me/other"))
    assert ran.code == 1
    assert codes(ran) == [["IDENTITY-MISMATCH"]] * 3


def test_what_is_wrong_with_one_package_teaches_nothing(learn, channel, tmp_path):  # noqa: F811
    edit(path_of(channel, "numbers").parent, "numbers-1.0-0.conda", sha256="ab" * 32)
    ran = learn("--lock", "lock", "--json")
    assert ran.code == 0
    [told] = [each for each in ran.json["changes"] if each["change"] == "NotLearned"]
    assert (told["package"], told["finding"]["code"]) == ("numbers", "BIND-DIGEST")
    written = tomllib.loads((tmp_path / "lock.attest.toml").read_text())
    assert [rule["package"] for rule in written["rule"]] == ["letters", "words"]


def test_an_index_that_cannot_be_had_is_exit_3_and_nothing_is_written(learn, channel, tmp_path):  # noqa: F811
    shutil.copy(path_of(channel, "numbers").parent / "repodata.json", tmp_path / "kept.json")
    (tmp_path / "gone").write_bytes(explicit(f"{channel.url}/linux-64/x-1-0.conda#{'ab' * 32}"))
    assert learn("--lock", "gone").code == 3
    assert not (tmp_path / "gone.attest.toml").exists()


@pytest.mark.parametrize(
    "more", [["x-1-0.conda"], ["--policy", "p.toml"], ["--whole-channel"], ["--subdir", "noarch"], ["--lock", "none"]]
)
def test_what_does_not_go_together_is_exit_2(learn, more):
    assert learn("--lock", "lock", *more, "--json").code == 2
