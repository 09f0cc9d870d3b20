"""`condattest patch` as an author and a reader run it: options, exit codes, documents, and what is said."""

import hashlib
import json
import shutil
from datetime import timedelta

import pytest

from condattest.sandbox import github
from condattest.transport.store import open_store
from tests import channels
from tests.operations.test_publish import files
from tests.patched_channel import CHANGES, CHANNEL, NAME, START, TEAMS, a_patch_package, fix, trust
from tests.rehearsal import REPOSITORY, a_package, signed

SUBDIR = ("--subdir", "noarch")
OURS = (*SUBDIR, "--channel", CHANNEL.url)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
WORDS = "words-1.0-0.conda"
VERBS = [("log",), ("blame", NAME), ("verify",)]


@pytest.fixture
def author(run, sigstore, world, tmp_path):
    """Attests a channel, with an identity of its own."""
    world.index(fix(depends=["python >=3"]))

    def call(*arguments, place=world.root, who=("--repository", REPOSITORY), env=None):
        identity = {"SIGSTORE_ID_TOKEN": sigstore.sandbox.token(github(REPOSITORY))}
        return run(
            "patch", "attest", place, *OURS, *who, "--trust-config", sigstore.config, *arguments,
            env=identity if env is None else env,
        )  # fmt: skip

    return call


@pytest.fixture
def reader(run, history, tmp_path):
    """Reads a channel of three generations."""
    root = tmp_path / "root.json"
    root.write_bytes(trust().json)

    def call(verb, *arguments, place=history.root, channel=("--channel", CHANNEL.url), who=("--any-signer",)):
        first, *rest = verb if isinstance(verb, tuple) else (verb,)
        return run("--trusted-root", root, "patch", first, place, *rest, *SUBDIR, *channel, *who, *arguments)

    return call


def policy(keys="", channel=CHANNEL.url, more="", max_age="3650d"):
    signers = "\n".join(
        f"""
[signer.{team.replace("/", "-")}]
kind = "github"
repository = "{team}"
repository-id = {github(team).claims["repository_id"]}
workflow = ".github/workflows/release.yml"
ref = "refs/heads/main"
"""
        for team in TEAMS
    )
    return f"""
version = 1
{signers}
[[patch]]
channel = "{channel}"
signers = {json.dumps([team.replace("/", "-") for team in TEAMS])}
max-age = "{max_age}"
{keys}
{more}
"""


class TestAttest:
    def test_it_signs_and_says_so(self, author, world):
        ran = author()
        assert ran.code == 0, ran.err
        assert "noarch: generation 1 signed" in ran.out
        assert "1 record changed; 1 patched and 0 removed of 3" in ran.out
        again = author()
        assert again.code == 0
        assert "noarch: nothing changed since generation 1" in again.out
        world.index(fix(depends=["python >=3.9"]))
        assert "generation 2 signed" in author().out

    def test_the_document_has_it_all(self, author, world, tmp_path):
        state = tmp_path / "state.json"
        source = f"git+https://github.com/{REPOSITORY}@{COMMIT}"
        ran = author("--json", "--source", source, "--engine-version", "0.13.0", "--state", state)
        document = ran.json
        [result] = document["results"]
        assert (document["schema"], document["exitCode"]) == ("condattest/patch-attest/1", 0)
        assert document["totals"] == {"subdirs": 1, "new": 1}
        assert (result["new"], result["changed"], result["asBuilt"]) == (True, [f"packages.conda/{NAME}"], "archive")
        assert result["engine"] == {"name": "conda-index", "version": "0.13.0"}
        assert (result["source"]["uri"], result["source"]["commit"], result["source"]["statedBy"]) == (
            f"git+https://github.com/{REPOSITORY}",
            COMMIT,
            "author",
        )
        assert (result["role"], result["channel"], result["subdir"]) == ("author", CHANNEL.url, "noarch")
        assert result["evidence"][0]["signer"]["identity"].startswith(f"https://github.com/{REPOSITORY}")
        assert sorted(result["written"]) == sorted(path.name for path in world.patches("") if path.name[0] != ".")
        [remembered] = json.loads(state.read_bytes()).values()
        assert remembered == {"generation": 1, "payload": result["payloadSha256"]}

    def test_the_package_of_a_deployment_has_the_instructions(self, author, world, tmp_path):
        instructions = world.root / "noarch" / "patch_instructions.json"
        package = a_patch_package(tmp_path / "built", {"noarch": json.loads(instructions.read_bytes())})
        instructions.unlink()
        ran = author("--instructions", package, "--json")
        assert ran.code == 0, ran.err
        [result] = ran.json["results"]
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        assert result["inputs"][-1] == {"name": package.name, "sha256": digest, "signers": []}
        assert result["source"] is None
        assert "PATCH-REPLAY" in author().err

    def test_a_generation_that_is_voided_is_followed_by_one_that_says_its_changes_anew(self, author, world):
        assert author().code == 0
        world.index(fix(depends=["python >=3.9"]))
        payload = author("--json").json["results"][0]["payloadSha256"]
        assert "nothing changed" in author().out
        [result] = author("--json", "--void", payload).json["results"]
        assert (result["generation"], result["previous"], result["changed"]) == (3, payload, [f"packages.conda/{NAME}"])
        ran = author("--void", "x")
        assert (ran.code, "--void" in ran.err) == (2, True)

    def test_another_archive_is_refused_until_it_is_said_to_be_a_replacement(self, author, world, tmp_path):
        assert author().code == 0
        other = a_package(tmp_path / "new", "numbers", payload=b"other", depends=["python"])
        channels.put(world.root, "noarch", other)
        world.index()
        ran = author()
        assert ran.code == 1
        assert "PATCH-REPLACED" in ran.err
        assert "--replaced" in ran.err
        assert "generation 2 signed" in author("--replaced", NAME).out
        assert "nothing changed" in author("--replaced", NAME).out
        for wrong in ("numbers", "nowhere-1.0-0.conda"):
            ran = author("--replaced", wrong)
            assert (ran.code, "--replaced" in ran.err) == (2, True)

    def test_a_package_is_the_source_unless_another_is_given(self, author, world, tmp_path):
        given = json.loads((world.root / "noarch" / "patch_instructions.json").read_bytes())
        extra = {"sha": COMMIT, "remote_url": "https://github.com/example/patches", "flow_run_id": "github_1"}
        package = a_patch_package(tmp_path / "built", {"noarch": given}, extra=extra)
        ran = author("--instructions", package, "--json")
        assert ran.json["results"][0]["source"] == {
            "uri": "git+https://github.com/example/patches",
            "commit": COMMIT,
            "statedBy": "package",
            "flowRunId": "github_1",
        }
        shutil.rmtree(world.root / "noarch" / "patches")
        ran = author(
            "--instructions", package, "--json", "--source", f"git+https://github.com/example/patches@{COMMIT}"
        )
        assert "PATCH-SOURCE" not in ran.err
        shutil.rmtree(world.root / "noarch" / "patches")
        ran = author("--instructions", package, "--json", "--source", f"git+https://x.example/other@{COMMIT}")
        assert "PATCH-SOURCE" in ran.err
        source = ran.json["results"][0]["source"]
        assert (source["uri"], source["statedBy"]) == ("git+https://x.example/other", "author")

    def test_who_attested_the_package_is_recorded_and_who_forged_it_refused(self, author, sigstore, world, tmp_path):
        given = json.loads((world.root / "noarch" / "patch_instructions.json").read_bytes())
        package = a_patch_package(tmp_path / "built", {"noarch": given})
        signed(package)
        ran = author("--instructions", package)
        assert (ran.code, world.patches("")) == (1, [])
        assert "CRYPTO" in ran.err
        assert "do not attest from this package" in ran.err
        signed(package, by=sigstore.sandbox)
        ran = author("--instructions", package, "--json")
        assert ran.code == 0, ran.err
        recorded = ran.json["results"][0]["inputs"][-1]
        assert recorded["name"] == f"{package.name}.sigstore.json"
        assert recorded["signers"][0]["identity"].startswith(f"https://github.com/{REPOSITORY}/")

    def test_a_heartbeat_that_is_not_due(self, author):
        author()
        assert "nothing changed" in author("--refresh-after", "7d").out

    def test_in_a_bucket(self, author, world, bucket):
        store = open_store(bucket)
        for name, data in files(world.root).items():
            store.create(name, data)
        ran = author(place=bucket)
        assert ran.code == 0, ran.err
        assert {entry.name for entry in store.list("noarch/patches")} >= {"head.json", "1.sigs"}
        assert "nothing changed" in author(place=bucket).out

    def test_whom_the_options_do_not_name_signs_nothing(self, author, world):
        """Else the next author would find a generation that they cannot believe, and cannot pass."""
        ran = author(who=("--repository", "patches/one"))
        assert ran.code == 1
        assert "IDENTITY-MISMATCH" in ran.err
        assert world.patches("") == []

    def test_what_is_served_otherwise_is_not_signed(self, author, world):
        world.edit("repodata.json", lambda document: document["packages.conda"][NAME].update(depends=[]))
        ran = author("--json")
        assert (ran.code, ran.json["schema"]) == (1, "condattest/patch-attest/1")
        assert ran.json["error"]["kind"] == "Malformed"
        assert ran.json["error"]["message"].startswith("PATCH-REPLAY")
        assert world.patches("") == []

    def test_what_is_served_otherwise_is_signed_if_the_option_says_so(self, author, run, sigstore, world):
        world.edit("repodata.json", lambda document: document["packages.conda"][NAME].update(depends=[]))
        assert author(env={"CONDATTEST_ALLOW_UNATTRIBUTED": "1"}).code == 1
        ran = author("--allow-unattributed")
        assert ran.code == 0, ran.err
        assert "PATCH-ALLOWED" in ran.err
        listed = f"  1 difference to what is served:\n    packages.conda/{NAME} (depends)\n"
        assert listed in ran.out
        log = (
            "patch", "log", world.root, *OURS, "--repository", REPOSITORY, "--trust-config", sigstore.config,
        )  # fmt: skip
        assert listed in run(*log).out
        [result] = run(*log, "--json").json["results"]
        first = [{"section": "packages.conda", "file": NAME, "keys": ["depends"]}]
        assert result["generation"]["unattributed"] == {"count": 1, "first": first}
        assert "PATCH-ALLOWED" in author("--allow-unattributed").err

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--source", "git+https://x.example"), "URI@COMMIT"),
            (("--source", "git+https://x.example@main"), "URI@COMMIT"),
            (("--source", f"@{COMMIT}"), "URI@COMMIT"),
            (("--refresh-after", "tomorrow"), "--refresh-after"),
            (("--engine", "quetz"), "--engine"),
            (("--instructions", "nowhere-1-0.conda"), "no such file"),
            (("--instructions", "nowhere"), "expected"),
            (("--state", "nowhere/state.json"), "no such folder"),
            (("--any-signer",), "exclude"),
        ],
    )
    def test_what_cannot_be_is_usage(self, author, world, arguments, message):
        ran = author(*arguments)
        assert ran.code == 2, ran.err
        assert message in ran.err
        assert world.patches("") == []

    def test_nobody_required_is_usage(self, author):
        ran = author(who=())
        assert ran.code == 2
        assert "--any-signer" in ran.err

    def test_any_signer_is_told(self, author):
        ran = author(who=("--any-signer",))
        assert ran.code == 0
        assert "PUBLISH-ANYONE" in ran.err

    @pytest.mark.parametrize("place", ["nowhere", "ftp://x/y"])
    def test_a_place_that_is_no_store_is_usage(self, author, place):
        assert author(place=place).code == 2

    def test_a_subdir_that_is_none_is_usage_with_a_document(self, author):
        ran = author("--subdir", "../noarch", "--json")
        assert (ran.code, ran.json["error"]["kind"]) == (2, "Misuse")
        assert ran.json["error"]["message"].startswith("--subdir: ")

    def test_a_subdir_without_an_index_is_usage(self, author):
        ran = author("--subdir", "win-64")
        assert ran.code == 2
        assert "repodata_from_packages.json" in ran.err

    def test_without_an_identity_it_is_exit_4(self, author, world, monkeypatch):
        monkeypatch.setenv("SIGSTORE_ID_TOKEN", "")
        ran = author(env={})
        assert ran.code == 4
        assert world.patches("") == []

    def test_offline_nothing_is_signed(self, author, world):
        assert author("--offline").code == 2
        assert world.patches("") == []

    def test_without_a_channel_it_is_usage(self, run, world, sigstore):
        ran = run("patch", "attest", world.root, *SUBDIR, "--any-signer", "--trust-config", sigstore.config)
        assert ran.code == 2
        assert "--channel" in ran.err
        ran = run("patch", "attest", world.root, *SUBDIR, "--any-signer", "--channel", "conda-forge")
        assert ran.code == 2


class TestLog:
    def test_a_revoked_generation_keeps_its_place(self, reader, history, tmp_path):
        (tmp_path / "policy.toml").write_text(policy(more=f'[revoked]\npatch = ["{history.payload(2)}"]'))
        who = ("--policy", tmp_path / "policy.toml")
        ran = reader("log", who=who)
        assert (ran.code, ran.out.count("revoked")) == (0, 1)
        document = reader("log", "--json", who=who).json
        assert [each["void"] for each in document["results"]] == [False, True, False]
        assert reader("blame", NAME, who=who).code == 0
        (tmp_path / "policy.toml").write_text(policy(more=f'[revoked]\npatch = ["{history.payload(3)}"]'))
        for verb in (("log",), ("blame", NAME), ("verify",)):
            ran = reader(*verb, who=who)
            assert ran.code == 1
            assert "IDENTITY-REVOKED" in ran.out

    def test_it_lists_generations(self, reader):
        ran = reader("log")
        assert ran.code == 0, ran.err
        assert "3 generations: 0 with findings" in ran.out
        for team in TEAMS:
            assert f"https://github.com/{team}" in ran.out

    def test_the_document(self, reader):
        document = reader("log", "--json", "--limit", "2").json
        assert (document["schema"], document["exitCode"]) == ("condattest/patch-log/1", 0)
        assert document["totals"] == {"generations": 2, "withFindings": 0}
        assert [result["number"] for result in document["results"]] == [3, 2]
        newest, before = (result["generation"] for result in document["results"])
        assert newest["previous"] == before["payloadSha256"]
        assert newest["time"]["at"].startswith("2026-03-03T12:0")

    @pytest.mark.parametrize(("lie", "code"), [("unlink", 3), ("another", 1)])
    def test_a_gap_is_undecided_and_a_lie_rejected(self, reader, history, lie, code):
        sigs = history.root / "noarch" / "patches" / "2.sigs"
        if lie == "unlink":
            sigs.unlink()
        else:
            shutil.copy(sigs.with_name("1.sigs"), sigs)
        ran = reader("log")
        assert ran.code == code
        assert "not to be believed" in ran.out
        assert reader("log", "--json").json["totals"]["withFindings"] == 1

    @pytest.mark.parametrize("limit", ["0", "-1", "x"])
    def test_a_limit_is_a_number(self, reader, limit):
        assert reader("log", "--limit", limit).code == 2


class TestBlame:
    def test_it_says_who_changed_what(self, reader):
        ran = reader(("blame", NAME))
        assert ran.code == 0, ran.err
        lines = [line.strip() for line in ran.out.splitlines()]
        at = lines.index("license")
        assert lines[at + 2] == '+ "MIT"'
        assert lines[at + 3].startswith("generation 2, 2026-03-02T12:0")
        assert f"https://github.com/{TEAMS[1]}" in lines[at + 3]

    def test_the_whole_history_of_a_key(self, reader):
        assert '"python >=3"' not in reader(("blame", NAME)).out
        assert '"python >=3"' in reader(("blame", NAME), "--history").out

    def test_the_document(self, reader):
        document = reader(("blame", NAME), "--json").json
        assert (document["schema"], document["exitCode"]) == ("condattest/patch-blame/1", 0)
        assert (document["patched"], document["removed"], document["newest"]) == (True, False, 3)
        keys = {key["key"]: key for key in document["keys"]}
        assert {key: value["generation"] for key, value in keys.items()} == {
            "depends": 3, "license": 2, "constrains": 3,
        }  # fmt: skip
        assert [change["generation"] for change in keys["depends"]["history"]] == [1, 3]
        assert keys["depends"]["served"] == {"present": True, "value": CHANGES[-1]["depends"]}

    def test_as_of_a_time(self, reader):
        at = (START + timedelta(hours=30)).isoformat()
        document = reader(("blame", NAME), "--at", at, "--json").json
        assert (document["newest"], [key["key"] for key in document["keys"]]) == (2, ["depends", "license"])
        assert "as of generation 2" in reader(("blame", NAME), "--at", "2026-03-02T18:00:00Z").out
        ran = reader(("blame", NAME), "--at", "2026-02-01")
        assert ran.code == 1
        assert "PATCH-NONE" in ran.err

    def test_what_was_never_patched(self, reader):
        ran = reader(("blame", "words-1.0-0.conda"))
        assert (ran.code, ran.out) == (0, "words-1.0-0.conda: no generation ever changed a record of this name\n")
        document = reader(("blame", "words-1.0-0.conda"), "--json").json
        assert (document["patched"], document["keys"], document["subdir"]) == (False, [], "noarch")
        assert document.keys() == reader(("blame", NAME), "--json").json.keys()

    @pytest.mark.parametrize("at", ["yesterday", "2026-13-01", "12"])
    def test_a_time_is_a_time(self, reader, at):
        ran = reader(("blame", NAME), "--at", at)
        assert ran.code == 2
        assert "--at" in ran.err

    @pytest.mark.parametrize("package", ["numbers", "../numbers-1.0-0.conda", ""])
    def test_a_package_is_a_file_s_name(self, reader, package):
        assert reader(("blame", package)).code == 2


class TestVerify:
    def test_what_is_in_order(self, reader):
        ran = reader("verify")
        assert ran.code == 0, ran.err
        assert "noarch: generation 3" in ran.out
        assert "3 records: all of it is attested" in ran.out

    def test_the_document_names_what_is_wrong(self, reader, history):
        history.edit("repodata.json", lambda document: document["packages.conda"][NAME].update(depends=["evil"]))
        ran = reader("verify", "--json")
        assert (ran.code, ran.json["schema"], ran.json["exitCode"]) == (1, "condattest/patch-verify/1", 1)
        assert ran.json["totals"] == {"subdirs": 1, "findings": 1}
        [finding] = ran.json["results"][0]["findings"]
        assert (finding["code"], finding["where"]) == ("PATCH-UNATTRIBUTED", NAME)
        assert "1 finding\n" in reader("verify").out

    def test_archives_prove_the_records_as_built(self, reader, history):
        ran = reader("verify", "--json")
        assert ran.json["results"][0]["asBuilt"] == {
            "totals": {"records": 1, "proved": 1},
            "records": [{"record": f"packages.conda/{NAME}", "proved": True, "reason": None}],
        }
        assert "archives proved 1 of 1 record" in reader("verify").out

    def test_without_them_it_is_undecided_unless_the_index_is_believed(self, reader, history):
        (history.root / "noarch" / NAME).unlink()
        ran = reader("verify")
        assert ran.code == 3, ran.err
        assert "PATCH-UNPROVEN" in ran.out
        ran = reader("verify", "--trust-as-built", "--json")
        assert ran.code == 0, ran.err
        assert ran.json["results"][0]["asBuilt"]["totals"] == {"records": 1, "proved": 0}

    @pytest.mark.parametrize(
        ("arguments", "code", "fetched"),
        [((), 0, {NAME}), ((WORDS,), 0, {WORDS}), (("--trust-as-built",), 0, set()),
         (("--trust-as-built", NAME), 0, {NAME}), (("nowhere-1-0.conda",), 2, set())],
    )  # fmt: skip
    def test_of_a_web_server_only_the_archives_that_are_asked_for_are_fetched(
        self, reader, history, arguments, code, fetched
    ):
        seen = []
        with channels.served(history.root, seen) as url:
            assert reader(("verify", *arguments), place=url).code == code
        assert {asked.path.rpartition("/")[2] for asked in seen if asked.path.endswith(".conda")} == fetched

    @pytest.mark.parametrize("name", ["x", "../x-1-0.conda"])
    def test_what_names_no_package_is_usage(self, reader, name):
        assert reader(("verify", name)).code == 2

    def test_an_age_that_is_asked_for(self, reader):
        ran = reader("verify", "--max-age", "7d")
        assert (ran.code, "FRESH-STALE" in ran.out) == (1, True)
        assert reader("verify", "--max-age", "3650d").code == 0
        assert reader("verify", "--max-age", "a week").code == 2

    def test_a_file_that_is_missing_is_undecided(self, reader, history):
        for path in history.patches(".delta.json.zst"):
            path.unlink()
        assert reader("verify").code == 3


class TestReading:
    """What every verb that reads has in common."""

    @pytest.mark.parametrize("verb", VERBS)
    def test_over_http(self, reader, history, verb):
        with channels.served(history.root) as url:
            ran = reader(verb, place=url)
            assert ran.code == 0, ran.err
            # Without --channel it is the channel that is read, and these statements are not about that.
            ran = reader(verb, "--json", place=url, channel=())
        assert (ran.code, ran.json["schema"]) == (1, f"condattest/patch-{verb[0]}/1")
        assert ran.json["error"]["message"].startswith("CHANNEL-MISMATCH")

    @pytest.mark.parametrize("verb", VERBS)
    def test_from_a_bucket(self, reader, history, bucket, verb):
        store = open_store(bucket)
        for name, data in files(history.root).items():
            store.create(name, data)
        assert reader(verb, place=bucket).code == 0

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_store_needs_the_channel_s_url(self, reader, verb):
        ran = reader(verb, channel=())
        assert ran.code == 2
        assert "--channel" in ran.err

    @pytest.mark.parametrize("verb", VERBS)
    def test_nobody_required_is_usage(self, reader, verb):
        ran = reader(verb, who=())
        assert ran.code == 2
        assert "--any-signer" in ran.err

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_channel_without_generations_is_rejected(self, reader, world, verb):
        ran = reader(verb, place=world.root)
        assert ran.code == 1
        assert "PATCH-NONE" in ran.err

    @pytest.mark.parametrize("verb", VERBS)
    def test_who_is_required_must_have_signed(self, reader, verb):
        ran = reader(verb, who=("--repository", TEAMS[0]))
        assert ran.code == 1
        assert "IDENTITY-MISMATCH" in ran.err

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_subdir_that_is_none_is_usage(self, reader, verb):
        ran = reader(verb, "--subdir", "../x", "--json")
        assert (ran.code, ran.json["error"]["kind"]) == (2, "Misuse")

    @pytest.mark.parametrize("verb", VERBS)
    def test_offline_a_url_is_undecided(self, reader, verb):
        ran = reader(verb, "--offline", place="https://conda.example/patched")
        assert ran.code == 3

    @pytest.mark.parametrize("verb", VERBS)
    def test_another_role_is_another_chain(self, reader, verb):
        ran = reader(verb, "--role", "observer")
        assert ran.code == 1
        assert "PATCH-GENERATION" in ran.err

    @pytest.mark.parametrize("verb", VERBS)
    def test_generations_can_be_kept_elsewhere(self, reader, history, tmp_path, verb):
        kept = tmp_path / "kept" / "noarch"
        kept.mkdir(parents=True)
        (history.root / "noarch" / "patches").rename(kept / "patches")
        assert reader(verb).code == 1
        assert reader(verb, "--provenance", kept.parent).code == 0

    def test_misspelt_verbs_are_usage(self, run):
        ran = run("patch", "blam", "--json")
        assert (ran.code, ran.json["schema"]) == (2, "condattest/patch/1")


class TestPolicy:
    @pytest.fixture
    def judged(self, reader, tmp_path):
        def call(verb, text, *arguments, **how):
            (tmp_path / "policy.toml").write_text(text)
            return reader(verb, *arguments, who=("--policy", tmp_path / "policy.toml"), **how)

        return call

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_policy_s_signers_count(self, judged, verb):
        ran = judged(verb, policy('keys = ["constrains", "depends", "license"]'))
        assert ran.code == 0, ran.err

    def test_its_keys_are_judged(self, judged):
        ran = judged("verify", policy('keys = ["depends", "constrains"]'))
        assert ran.code == 1
        assert "PATCH-KEY" in ran.out

    def test_its_age_counts_and_an_option_outranks_it(self, judged):
        ran = judged("verify", policy(max_age="7d"))
        assert (ran.code, "FRESH-STALE" in ran.out) == (1, True)
        assert "FRESH-STALE" not in judged("verify", policy(max_age="7d"), "--max-age", "3650d").out

    @pytest.mark.parametrize("verb", VERBS)
    def test_one_without_a_rule_for_the_channel_is_usage(self, judged, verb):
        ran = judged(verb, policy(channel="https://conda.example/other"))
        assert ran.code == 2
        assert "[[patch]]" in ran.err

    def test_its_provenance_is_where_they_are_read(self, judged, history, tmp_path):
        kept = tmp_path / "kept" / "noarch"
        kept.mkdir(parents=True)
        (history.root / "noarch" / "patches").rename(kept / "patches")
        with channels.served(kept.parent) as url:
            text = policy(f'provenance = "{url}"')
            ran = judged("log", text)
            assert ran.code == 0, ran.err + ran.out
            ran = judged("log", text, "--provenance", history.root)
            assert (ran.code, "PATCH-NONE" in ran.err) == (1, True)

    def test_a_mirror_that_it_names_is_the_channel(self, judged, history):
        with channels.served(history.root) as url:
            more = f'[[channel]]\nurl = "{CHANNEL.url}"\nmirrors = ["{url}"]'
            ran = judged("log", policy(more=more), place=url, channel=())
        assert ran.code == 0, ran.err
