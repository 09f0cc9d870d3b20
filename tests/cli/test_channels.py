"""`publish`, `index` and `mirror` as an operator runs them: options, exit codes, documents, and what is said."""

import json
import shutil
import tomllib

import pytest

from condattest.sandbox import github
from tests import channels
from tests.operations.test_publish import files
from tests.publishers import digest_of
from tests.rehearsal import CHANNEL, REPOSITORY, a_package, attacker, sandbox, signed

NAME = "numbers-1.0-0.conda"
OURS = ("--repository", REPOSITORY, "--channel", CHANNEL.url)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with an indexed channel, and a signed package beside it."""
    folder = tmp_path_factory.mktemp("made")
    package = a_package(folder / "dist")
    signed(package)
    channels.put(folder / "channel", "noarch", package)
    channels.conda_index(folder / "channel")
    (folder / "root.json").write_text(sandbox().trusted_root_json())
    return folder


@pytest.fixture
def operator(run, made, tmp_path):
    """Runs a command in a copy of that folder, under the sandbox's root."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    root = tmp_path / "root.json"

    def call(*arguments, **how):
        return run("--trusted-root", root, *arguments, **how)

    return call


class TestPublish:
    def test_it_publishes_and_says_so(self, operator, tmp_path):
        ran = operator("publish", f"dist/{NAME}", "--to", "channel", *OURS)
        assert ran.code == 0, ran.err
        assert "1 package: 1 published, 0 failed; 0 files uploaded, 1 bundle appended, 0 already there" in ran.out
        assert "noarch/repodata.json: 1 record changed" in ran.out
        assert operator("index", "channel", "--check").code == 0
        again = operator("publish", f"dist/{NAME}", "--to", "channel", *OURS)
        assert "0 bundles appended, 1 already there" in again.out

    def test_the_document_has_it_all(self, operator, tmp_path):
        ran = operator("publish", f"dist/{NAME}", "--to", "channel", *OURS, "--json")
        document = ran.json
        [result] = document["results"]
        digest = channels.record(tmp_path / "channel", "noarch", NAME)["attestations_sha256"]
        assert (document["schema"], document["exitCode"], document["anySigner"]) == ("condattest/publish/1", 0, False)
        assert (result["path"], result["sidecar"], result["appended"], result["indexed"]) == (
            f"noarch/{NAME}", digest, 1, True,
        )  # fmt: skip
        assert result["bundles"][0]["evidence"]["signer"]["identity"].startswith(f"https://github.com/{REPOSITORY}")
        assert document["index"]["noarch/repodata.json"] == 1
        assert document["totals"] == {
            "packages": 1, "published": 1, "failed": 0, "uploaded": 0, "appended": 1, "alreadyThere": 0,
            "notIndexed": 0,
        }  # fmt: skip

    def test_a_dry_run_writes_nothing(self, operator, tmp_path):
        before = files(tmp_path / "channel")
        ran = operator("publish", f"dist/{NAME}", "--to", "channel", *OURS, "--dry-run")
        assert ran.code == 0
        assert "1 package: 1 to publish, 0 refused" in ran.out
        assert files(tmp_path / "channel") == before
        document = operator("publish", f"dist/{NAME}", "--to", "channel", *OURS, "--dry-run", "--json").json
        assert (document["dryRun"], document["results"][0]["lacking"]) == (True, 1)

    @pytest.mark.parametrize("extra", [(), ("--dry-run",), ("--json",)])
    def test_one_refused_package_stops_them_all(self, operator, tmp_path, extra):
        other = a_package(tmp_path / "dist", "letters")
        signed(other, by=attacker())
        before = files(tmp_path / "channel")
        ran = operator("publish", f"dist/{NAME}", other, "--to", "channel", *OURS, *extra)
        assert ran.code == 1
        assert "CRYPTO" in ran.out
        assert files(tmp_path / "channel") == before
        if extra == ("--json",):
            assert ran.json["totals"] == {"packages": 2, "refused": 1}
            assert [bool(each["findings"]) for each in ran.json["results"]] == [False, True]

    def test_another_package_of_the_same_name_takes_its_place_if_that_is_said(self, operator, tmp_path):
        assert operator("publish", f"dist/{NAME}", "--to", "channel", *OURS).code == 0
        other = a_package(tmp_path / "other", payload=b"other")
        signed(other)
        before, old = files(tmp_path / "channel"), digest_of(tmp_path / "dist" / NAME)
        for how in ({}, {"env": {"CONDATTEST_REPLACE": "1", "CONDATTEST_REPLACING": "1"}}):
            ran = operator("publish", other, "--to", "channel", *OURS, **how)
            assert ran.code == 1
            assert "PUBLISH-BYTES" in ran.out
        line = f'[revoked]\nsha256 = ["{old}"]'
        ran = operator("publish", other, "--to", "channel", *OURS, "--replace", "--dry-run")
        assert ran.code == 0
        assert "to replace" in ran.out
        assert line in ran.out
        assert files(tmp_path / "channel") == before
        ran = operator("publish", other, "--to", "channel", *OURS, "--replace", "--json")
        [result] = ran.json["results"]
        assert (ran.code, result["uploaded"], result["replaced"], result["stale"]) == (0, True, old, True)
        assert result["revoke"] == {"sha256": [old], "toml": line}
        assert tomllib.loads(line)["revoked"]["sha256"] == [old]
        assert "PUBLISH-STALE" in ran.err
        assert "hint: run your indexer" in ran.err
        ran = operator("publish", other, "--to", "channel", *OURS, "--replace")
        assert (ran.code, line in ran.out, "lists other bytes" in ran.out) == (0, True, True)
        channels.conda_index(tmp_path / "channel")
        assert operator("index", "channel").code == 0
        assert operator("index", "channel", "--check").code == 0

    def test_an_upload_replaces_nothing(self, operator):
        ran = operator("publish", f"dist/{NAME}", "--to", "https://prefix.dev/me", "--any-signer", "--replace")
        assert ran.code == 2
        assert "--replace" in ran.err

    def test_without_anybody_required_it_is_usage(self, operator):
        ran = operator("publish", f"dist/{NAME}", "--to", "channel")
        assert ran.code == 2
        assert "--any-signer" in ran.err

    def test_without_a_channel_it_is_said_that_statements_name_it(self, operator):
        ran = operator("publish", f"dist/{NAME}", "--to", "channel", *OURS[:2])
        assert ran.code == 0
        assert "CHANNEL-FROM-STATEMENT" in ran.err

    def test_any_signer_is_told(self, operator):
        ran = operator("publish", f"dist/{NAME}", "--to", "channel", "--any-signer", "--json")
        assert (ran.code, ran.json["anySigner"]) == (0, True)
        assert "PUBLISH-ANYONE" in ran.err
        assert operator("publish", f"dist/{NAME}", "--to", "channel", "--any-signer", *OURS).code == 2

    @pytest.mark.parametrize("who", [("--issuer", "x"), ("--workflow", "x", "--ref", "y"), ("--ref", "y")])
    def test_any_signer_does_not_silently_drop_what_narrows(self, operator, who):
        ran = operator("publish", f"dist/{NAME}", "--to", "channel", "--any-signer", *who)
        assert ran.code == 2
        assert f"--any-signer and {who[0]} exclude" in ran.err

    @pytest.mark.parametrize("arguments", [("publish", NAME, "--to", "channel"), ("mirror", "channel", "dist")])
    def test_a_subdir_that_is_none_is_usage_with_a_document(self, operator, arguments):
        ran = operator(*arguments, "--any-signer", "--subdir", "../x", "--json")
        assert (ran.code, ran.json["error"]["kind"]) == (2, "Misuse")
        assert ran.json["error"]["message"].startswith("--subdir: ")

    def test_a_policy_decides(self, operator, tmp_path):
        identity = github(REPOSITORY).claims
        (tmp_path / "policy.toml").write_text(
            f"""
version = 1
[signer.me]
kind = "github"
repository = "{REPOSITORY}"
repository-id = {identity["repository_id"]}
workflow = ".github/workflows/release.yml"
ref = "refs/heads/main"
[[rule]]
channel = "{CHANNEL}"
package = "numbers"
signers = ["me"]
"""
        )
        with_policy = ("--to", "channel", "--policy", "policy.toml")
        assert operator("publish", f"dist/{NAME}", *with_policy, "--channel", CHANNEL.url).code == 0
        other = a_package(tmp_path / "dist", "letters")
        signed(other)
        ran = operator("publish", other, *with_policy, "--channel", CHANNEL.url)
        assert ran.code == 1
        assert "POLICY-NONE" in ran.out

    def test_an_auditor_s_attestation_is_attached_by_name(self, operator, tmp_path):
        operator("publish", f"dist/{NAME}", "--to", "channel", *OURS)
        shutil.copy(tmp_path / "dist" / NAME, tmp_path / "audited.conda")
        (tmp_path / "audit.json").write_bytes(signed(tmp_path / "dist" / NAME, github("auditors/reviews")))
        by = ("--repository", "auditors/reviews", "--channel", CHANNEL.url)
        ran = operator("publish", f"noarch/{NAME}", "--to", "channel", "--bundle", "audit.json", *by)
        assert ran.code == 0, ran.err
        sidecar = json.loads((tmp_path / "channel" / "noarch" / f"{NAME}.sigs").read_bytes())
        assert len(sidecar) == 2

    def test_a_package_that_no_index_lists_is_told_with_the_next_step(self, operator, tmp_path):
        new = a_package(tmp_path / "dist", "fresh")
        signed(new)
        ran = operator("publish", new, "--to", "channel", *OURS)
        assert ran.code == 0
        assert "PUBLISH-UNINDEXED" in ran.err
        assert "condattest index channel" in ran.err

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((), "nothing to publish"),
            (("nowhere-1.0-0.conda",), "no such file"),
            ((f"dist/{NAME}", "--subdir", "linux-64"), "BIND-METADATA"),
            ((f"dist/{NAME}", "--skip-existing"), "--skip-existing"),
        ],
    )
    def test_what_cannot_be_is_said(self, operator, arguments, message):
        ran = operator("publish", *arguments, "--to", "channel", *OURS)
        assert ran.code in (1, 2)
        assert message in ran.err

    @pytest.mark.parametrize("place", ["nowhere", "ftp://x/y", "dist/numbers-1.0-0.conda"])
    def test_a_place_that_is_no_store_is_usage(self, operator, place):
        ran = operator("publish", f"dist/{NAME}", "--to", place, *OURS)
        assert ran.code == 2, ran.err

    def test_a_store_that_fails_is_exit_3(self, operator, tmp_path, monkeypatch):
        from condattest.errors import LocalFailure
        from condattest.transport.directory import Directory

        def full(self, path, data, version):
            raise LocalFailure(f"{path}: cannot be written: No space left on device")

        monkeypatch.setattr(Directory, "replace", full)
        ran = operator("publish", f"dist/{NAME}", "--to", "channel", *OURS)
        assert ran.code == 3
        assert "No space left on device" in ran.out
        assert "1 package: 0 published, 1 failed" in ran.out

    def test_in_a_bucket(self, operator, tmp_path, bucket):
        from condattest.transport.store import open_store

        store = open_store(bucket)
        for name, data in files(tmp_path / "channel").items():
            store.create(name, data)
        assert operator("publish", f"dist/{NAME}", "--to", bucket, *OURS).code == 0
        assert operator("index", bucket, "--check").code == 0


class TestIndex:
    def test_after_a_reindex_the_field_comes_back(self, operator, tmp_path):
        operator("publish", f"dist/{NAME}", "--to", "channel", *OURS)
        before = files(tmp_path / "channel")
        channels.conda_index(tmp_path / "channel")
        checked = operator("index", "channel", "--check")
        assert checked.code == 1
        assert "INDEX-FIELD" in checked.out
        assert operator("index", "channel").code == 0
        after = files(tmp_path / "channel")
        assert after["noarch/repodata.json"] == before["noarch/repodata.json"]
        assert "in line" in operator("index", "channel", "--check").out

    def test_the_document_names_what_changed_and_what_is_wrong(self, operator, tmp_path):
        operator("publish", f"dist/{NAME}", "--to", "channel", *OURS)
        channels.conda_index(tmp_path / "channel")
        document = operator("index", "channel", "--check", "--json").json
        assert (document["schema"], document["exitCode"], document["check"]) == ("condattest/index/1", 1, True)
        codes = {finding["code"] for result in document["results"] for finding in result["findings"]}
        assert codes == {"INDEX-FIELD"}
        document = operator("index", "channel", "--json").json
        assert document["exitCode"] == 0
        assert document["results"][0]["changed"]["noarch/repodata.json"] == 1

    def test_a_lost_sidecar_is_exit_1_until_it_is_dropped(self, operator, tmp_path):
        operator("publish", f"dist/{NAME}", "--to", "channel", *OURS)
        for file in (tmp_path / "channel" / "noarch").glob("*.sigs*"):
            file.unlink()
        ran = operator("index", "channel")
        assert ran.code == 1
        assert "INDEX-FIELD-ALONE" in ran.out
        assert operator("index", "channel", "--drop", "--check").code == 2
        assert operator("index", "channel", "--drop").code == 0
        assert "attestations_sha256" not in channels.record(tmp_path / "channel", "noarch", NAME)

    @pytest.mark.parametrize("arguments", [("nowhere",), ("dist",), ("channel", "--subdir", "win-64")])
    def test_what_is_no_channel_is_usage(self, operator, arguments):
        assert operator("index", *arguments).code == 2


class TestMirror:
    def test_it_copies_what_the_policy_accepts(self, operator, tmp_path):
        operator("publish", f"dist/{NAME}", "--to", "channel", *OURS)
        (tmp_path / "mirror").mkdir()
        ran = operator("mirror", "channel", "mirror", *OURS)
        assert ran.code == 0, ran.err
        assert "1 package: 1 copied (1 with attestations, 1 new), 0 refused, 0 failed" in ran.out
        with channels.served(tmp_path / "mirror") as url:
            verified = operator("verify", f"{url}/noarch/{NAME}", *OURS)
        assert verified.code == 0, verified.err + verified.out

    def test_from_a_url(self, operator, tmp_path):
        with channels.served(tmp_path / "channel") as url:
            (tmp_path / "dist" / f"{NAME}.sigstore.json").unlink()
            from condattest.model.channel import Channel

            signed(tmp_path / "dist" / NAME, channel=Channel(url))
            operator("publish", f"dist/{NAME}", "--to", "channel", "--any-signer")
            (tmp_path / "mirror").mkdir()
            ran = operator("mirror", url, "mirror", "--subdir", "noarch", "--repository", REPOSITORY, "--json")
        assert ran.code == 0, ran.err
        assert ran.json["totals"] == {
            "packages": 1, "copied": 1, "refused": 0, "failed": 0, "uploaded": 1, "attested": 1,
        }  # fmt: skip

    def test_what_is_refused_is_exit_1_and_named(self, operator, tmp_path):
        (tmp_path / "mirror").mkdir()
        ran = operator("mirror", "channel", "mirror", *OURS)
        assert ran.code == 1
        assert "MISSING-ATTESTATION" in ran.out
        ran = operator("mirror", "channel", "mirror", "--any-signer", "-v")
        assert ran.code == 0
        assert "PUBLISH-UNATTESTED" in ran.out

    def test_offline_a_url_is_exit_3(self, operator, tmp_path):
        (tmp_path / "mirror").mkdir()
        ran = operator(
            "--offline", "mirror", "https://conda.example/channel", "mirror", "--subdir", "noarch", *OURS[:2]
        )
        assert ran.code == 3
