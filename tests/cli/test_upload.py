"""`condattest publish --to https://prefix.dev/NAME`, as a maintainer or a CI job runs it."""

import json
import os

import pytest
import stamina

from condattest.cli.upload import Destination
from condattest.errors import Misuse
from condattest.model.channel import Channel
from condattest.sandbox import Sandbox, github
from tests.prefix_dev_server import TOKEN, serving
from tests.rehearsal import REPOSITORY, a_package, attacker, sandbox, signed

KEY = {"PREFIX_API_KEY": TOKEN}


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    for name in ("PREFIX_API_KEY", "BUILDKITE", "CIRCLECI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    with serving() as running, stamina.set_testing(True, attempts=2):
        yield running


@pytest.fixture
def publish(run, server, tmp_path):
    """Run `condattest publish` to the server's channel, with a requirement that the sandbox's bundles satisfy."""
    root = tmp_path / "trusted_root.json"
    root.write_text(sandbox().trusted_root_json())

    def call(*arguments, env=KEY, to="/my-channel", who=("--repository", REPOSITORY)):
        place = to if "://" in to else server.url + to
        return run("publish", *arguments, "--to", place, "--trusted-root", root, *who, env=env)

    return call


@pytest.fixture
def package(server, tmp_path):
    made = a_package(tmp_path / "dist")
    signed(made, channel=Channel(f"{server.url}/my-channel"))
    return made


def test_a_package_is_uploaded_with_its_bundle(publish, server, package):
    ran = publish(package)
    assert ran.code == 0, ran.err
    assert "1 package: 1 uploaded, 0 already there, 0 failed" in ran.out
    [taken] = server.taken
    assert (taken.target, taken.authorization) == ("/api/v1/upload/my-channel", f"Bearer {TOKEN}")
    bundle = package.with_name(f"{package.name}.sigstore.json").read_bytes()
    assert [content for _, content in taken.parts] == [package.read_bytes(), bundle]


def test_json_says_what_was_uploaded(publish, package):
    ran = publish(package, "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["schema"], ran.json["exitCode"]) == ("condattest/publish/1", 0)
    assert (ran.json["dryRun"], ran.json["anySigner"]) == (False, False)
    assert ran.json["totals"] == {"packages": 1, "uploaded": 1, "alreadyThere": 0, "failed": 0}
    [result] = ran.json["results"]
    assert (result["package"], result["status"], result["said"]) == (str(package), "uploaded", "HTTP 201")
    [bundle] = result["bundles"]
    assert bundle["evidence"]["signer"]["claims"]["source_repository_uri"] == f"https://github.com/{REPOSITORY}"


def test_a_slash_at_the_end_of_the_channel_is_nothing(publish, server, package):
    assert publish(package, to="/my-channel/").code == 0
    assert server.taken[0].target == "/api/v1/upload/my-channel"


@pytest.mark.parametrize("options", [[], ["--json"], ["--dry-run"], ["--dry-run", "--json"]])
@pytest.mark.parametrize("case", ["unsigned", "two", "other channel", "stranger", "attacker", "another's"])
def test_what_is_refused_uploads_nothing(publish, server, tmp_path, package, case, options):
    """Not even the packages that are fine: they are put right together, or not at all."""
    channel = Channel(f"{server.url}/my-channel")
    bad = a_package(tmp_path / "dist", "letters")
    given = []
    match case:
        case "two":
            given = [tmp_path / "one.json", tmp_path / "two.json"]
            for path in given:
                path.write_bytes(signed(bad, channel=channel))
        case "other channel":
            signed(bad, channel=Channel("https://prefix.dev/other"))
        case "stranger":
            signed(bad, github("mallory/letters"), channel=channel)
        case "attacker":
            signed(bad, channel=channel, by=attacker())
        case "another's":
            bundle = package.with_name(f"{package.name}.sigstore.json").read_bytes()
            bad.with_name(f"{bad.name}.sigstore.json").write_bytes(bundle)
    packages = [bad] if given else [package, bad]
    ran = publish(*packages, *(f"--bundle={path}" for path in given), *options)
    code = {
        "unsigned": "MISSING-ATTESTATION", "two": "MISSING-PUBLISH", "other channel": "CHANNEL-MISMATCH",
        "stranger": "IDENTITY-MISMATCH", "attacker": "CRYPTO", "another's": "BIND-NAME",
    }[case]  # fmt: skip
    assert ran.code == 1
    assert server.connections == 0
    assert "nothing was uploaded" in ran.err
    if "--json" in options:
        assert ran.json["exitCode"] == 1
        assert [finding["code"] for finding in ran.json["results"][-1]["findings"]] == [code]
        assert ran.json["totals"] == {"packages": len(packages), "refused": 1}
    else:
        assert code in ran.out
        assert f"{bad}: refused" in ran.out


def test_a_channel_that_statements_name_otherwise_can_be_said(publish, server, tmp_path):
    """The upload goes to one host, and installers know the channel by another."""
    package = a_package(tmp_path)
    signed(package, channel=Channel("https://repo.prefix.dev/my-channel"))
    assert publish(package).code == 1
    ran = publish(package, "--channel", "https://repo.prefix.dev/my-channel")
    assert ran.code == 0, ran.err
    assert len(server.taken) == 1


@pytest.mark.parametrize("offline", [[], ["--offline"]])
def test_a_dry_run_needs_no_token_and_no_network(publish, server, package, offline):
    ran = publish(package, "--dry-run", "--json", *offline, env={})
    assert ran.code == 0, ran.err
    assert (ran.json["dryRun"], ran.json["totals"]) == (True, {"packages": 1, "refused": 0})
    assert f"{package}: to upload" in publish(package, "--dry-run", env={}).out
    assert server.connections == 0


def test_offline_uploads_nothing(publish, server, package):
    ran = publish(package, "--offline", "--json")
    assert ran.code == 2
    assert "--offline forbids" in ran.json["error"]["message"]
    assert server.connections == 0


def test_what_is_there_already_is_an_error_or_skipped(publish, server, package):
    server.answers = [(409, b"exists")]
    ran = publish(package, "--json")
    assert ran.code == 3
    [result] = ran.json["results"]
    assert (result["status"], result["said"]) == ("failed", None)
    assert "is there already" in result["error"]["message"]
    assert "build number" in result["error"]["hint"]
    ran = publish(package, "--skip-existing", "--json")
    assert ran.code == 0
    assert ran.json["results"][0]["status"] == "already-there"
    assert ran.json["totals"]["alreadyThere"] == 1
    assert "already there" in publish(package, "--skip-existing").out


@pytest.mark.parametrize(("status", "attempts"), [(401, 1), (403, 1), (404, 1), (422, 1), (500, 2)])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_server_that_refuses_is_exit_3_with_what_to_do(publish, server, package, status, attempts, options):
    server.answers = [(status, b"because")]
    ran = publish(package, *options)
    assert ran.code == 3
    assert len(server.taken) == attempts
    if options:
        assert ran.json["exitCode"] == 3
        assert ran.json["totals"]["failed"] == 1
        assert f"HTTP {status}: because" in ran.json["results"][0]["error"]["message"]
    else:
        assert f"HTTP {status}: because" in ran.out
        assert "0 uploaded, 0 already there, 1 failed" in ran.out


def test_a_server_that_cannot_be_had_is_exit_3(publish, package):
    ran = publish(package, "--json", "--channel", "https://conda.example/x", to="http://127.0.0.1:9/my-channel",
                  who=("--any-signer",))  # fmt: skip
    assert ran.code == 1  # The bundle is for another channel, whoever signed.
    signed(package, channel=Channel("http://127.0.0.1:9/my-channel"))
    ran = publish(package, "--json", to="http://127.0.0.1:9/my-channel")
    assert ran.code == 3
    assert ran.json["results"][0]["error"]["kind"] == "Unavailable"


def test_one_failure_leaves_the_others_done(publish, server, tmp_path, package):
    other = a_package(tmp_path / "dist", "letters")
    signed(other, channel=Channel(f"{server.url}/my-channel"))
    server.answers = [(422, b"no"), (201, b"")]
    ran = publish(other, package, "--json")
    assert ran.code == 3
    assert [result["status"] for result in ran.json["results"]] == ["failed", "uploaded"]


@pytest.mark.parametrize("who", [(), ("--any-signer", "--repository", REPOSITORY)])
def test_who_may_sign_must_be_said_once(publish, server, package, who):
    ran = publish(package, "--json", who=who)
    assert ran.code == 2
    assert server.connections == 0


def test_any_signer_is_told(publish, server, package):
    signed(package, github("mallory/numbers"), channel=Channel(f"{server.url}/my-channel"))
    ran = publish(package, "--json", who=("--any-signer",))
    assert ran.code == 0, ran.err
    assert ran.json["anySigner"] is True
    assert "PUBLISH-ANYONE" in ran.err


def test_the_policy_of_the_environment_says_who_may_sign(publish, server, tmp_path, package):
    policy = tmp_path / "policy.toml"
    owner = github(REPOSITORY).claims["repository_owner_id"]
    text = f"""
        version = 1
        [signer.us]
        kind = "github"
        repository = "{REPOSITORY}"
        owner-id = {owner}
        ref = "refs/heads/main"
        [[rule]]
        channel = "{server.url}/my-channel"
        package = "*"
        signers = ["us"]
    """
    policy.write_text(text)
    environment = {**KEY, "CONDATTEST_POLICY": str(policy)}
    ran = publish(package, who=(), env=environment)
    assert ran.code == 0, ran.err
    policy.write_text(text.replace(REPOSITORY, "somebody/else"))
    assert publish(package, who=(), env=environment).code == 1
    assert publish(package, env=environment).code == 0  # What is typed stands before the environment.
    assert len(server.taken) == 2


@pytest.mark.parametrize(
    "place",
    [
        "https://prefix.dev",
        "https://prefix.dev/",
        "https://prefix.dev/a/b",
        "https://prefix.dev/a%2Fb",
        "https://prefix.dev/..",
        "https://prefix.dev/t/secret/a",
        "https://user:secret@prefix.dev/a",
        "https://secret@prefix.dev/a",
        "https://prefix.dev/a?token=secret",
        "https://prefix.dev/a#b",
        "https://prefix.dev:port/a",
        "https://prefix.dev:99999/a",
        "https://[prefix.dev/a",
        "https://[::1/a",
        "https:///a",
        "https://prefix.dev/a\nb",
        "https://prefix.dev/a b",
        "http://prefix.dev/a",
        "http://127.0.0.1.evil.example/a",
    ],
)
@pytest.mark.parametrize("channel", [[], ["--channel", "https://prefix.dev/a"]])
def test_a_destination_that_is_none_is_exit_2_whatever_the_channel(publish, package, place, channel):
    """An API key goes to the server that is named, and is not sent over plain http to another machine."""
    for options in ([], ["--dry-run"]):
        ran = publish(package, "--json", *channel, *options, to=place)
        assert ran.code == 2
        assert ran.json["exitCode"] == 2
        assert ran.json["error"]["message"]
        assert "secret" not in ran.out + ran.err
        assert "--channel" not in ran.json["error"]["message"]


def test_a_destination_is_a_server_and_a_name():
    assert Destination.parse("https://prefix.dev/my-channel/") == Destination("https://prefix.dev", "my-channel")
    assert str(Destination.parse("http://localhost:8000/x")) == "http://localhost:8000/x"
    with pytest.raises(Misuse, match="expected a channel such as"):
        Destination.parse("https://prefix.dev/a/b")


@pytest.mark.parametrize(
    "arguments",
    [
        ["PACKAGE", "--subdir", "noarch"],
        ["PACKAGE", "--channel", "https://prefix.dev/a?b"],
        ["PACKAGE", "PACKAGE"],
        ["no-such-1.0-0.conda"],
        ["noarch/numbers-1.0-0.conda"],
        ["FOLDER"],
        ["https://user:secret@prefix.dev/x/noarch/numbers-1.0-0.conda?token=secret"],
        ["https://user:secret@prefix.dev/x/noarch/numbers-1.0-0.conda"],
        ["https://prefix.dev/t/secret/x/noarch/numbers-1.0-0.conda"],
        ["PACKAGE", "--bundle", "nowhere.json"],
        ["PACKAGE", "OTHER", "--bundle", "nowhere.json"],
        [],
    ],
)
@pytest.mark.parametrize("options", [["--json"], ["-q", "--json"], ["-v"]])
def test_wrong_use_is_exit_2_and_opens_no_connection(publish, server, tmp_path, package, arguments, options):
    folder = tmp_path / "folder-1.0-0.conda"
    folder.mkdir()
    words = {"PACKAGE": package, "OTHER": a_package(tmp_path, "letters"), "FOLDER": folder}
    ran = publish(*(words.get(word, word) for word in arguments), *options)
    assert ran.code == 2, ran.err
    assert server.connections == 0
    assert "secret" not in ran.out + ran.err
    if "--json" in options:
        assert ran.json["error"]["message"]


def test_a_malformed_package_or_bundle_is_exit_1_with_a_document(publish, server, package):
    bundle = package.with_name(f"{package.name}.sigstore.json")
    for path in (bundle, package):
        path.write_bytes(b"junk")
        ran = publish(package, "--json")
        assert ran.code == 1
        assert path.name in ran.json["error"]["message"]
    assert server.connections == 0


def test_skipping_is_for_servers(run, tmp_path):
    ran = run("publish", a_package(tmp_path), "--to", tmp_path, "--skip-existing", "--any-signer", "--json")
    assert ran.code == 2
    assert "--skip-existing" in ran.json["error"]["message"]


@pytest.fixture(scope="module")
def job():
    """The environment of a GitHub job that may ask for identity tokens."""
    with Sandbox().serve(ambient=github(REPOSITORY)) as running:
        yield {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{running.url}/ambient/github?version=1",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token",
        }


def test_a_job_that_the_channel_trusts_needs_no_key(publish, server, package, job):
    server.answers = [(200, b"pfx-jwt.minted"), (201, b"")]
    ran = publish(package, "--json", env=job)
    assert ran.code == 0, ran.err
    minted, taken = server.taken
    token = json.loads(minted.parts[0][1])["token"]
    assert minted.target == "/api/oidc/mint_token"
    assert taken.authorization == "Bearer pfx-jwt.minted"
    for secret in (token, token.split(".")[1], "pfx-jwt.minted", "request-token"):
        assert secret not in ran.out + ran.err


def test_one_minted_token_serves_all_packages(publish, server, tmp_path, package, job):
    other = a_package(tmp_path / "dist", "letters")
    signed(other, channel=Channel(f"{server.url}/my-channel"))
    server.answers = [(200, b"pfx-jwt.minted"), (201, b"")]
    assert publish(package, other, env=job).code == 0
    assert [taken.target.rpartition("/")[2] for taken in server.taken] == ["mint_token", "my-channel", "my-channel"]


def test_a_key_comes_before_the_jobs_identity(publish, server, package, job):
    assert publish(package, env={**job, **KEY}).code == 0
    assert [taken.authorization for taken in server.taken] == [f"Bearer {TOKEN}"]


def test_an_empty_key_is_none(publish, server, package, job):
    """A secret that the repository does not have is an empty text in its workflows."""
    server.answers = [(200, b"pfx-jwt.minted"), (201, b"")]
    assert publish(package, env={**job, "PREFIX_API_KEY": ""}).code == 0
    assert server.taken[1].authorization == "Bearer pfx-jwt.minted"


def test_a_job_that_the_channel_does_not_trust_is_told_so(publish, server, package, job):
    server.answers = [(403, b"no publisher")]
    ran = publish(package, "--json", env=job)
    assert ran.code == 3
    assert "HTTP 403: no publisher" in ran.json["error"]["message"]
    assert "trusted publishers" in ran.json["error"]["hint"]
    assert len(server.taken) == 1


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "export PREFIX_API_KEY"),
        ({"CI": "true"}, "export PREFIX_API_KEY"),
        ({"GITHUB_ACTIONS": "true"}, "id-token: write"),
        ({"GITLAB_CI": "true"}, "_27_0_0_1_ID_TOKEN:\n        aud: 127.0.0.1"),
    ],
)
def test_without_key_and_identity_the_exit_is_4_with_what_to_add(publish, server, package, environment, words):
    ran = publish(package, "--json", env=environment)
    assert ran.code == 4
    assert words in ran.json["error"]["hint"]
    assert words.splitlines()[0] in ran.err
    assert server.connections == 0


@pytest.mark.parametrize("key", ["pfx_secret with blank", "pfx_secret\n", '"pfx_secret"', "pfx_s\u00e9cret"])
def test_a_key_that_cannot_be_one_is_exit_2_and_not_shown(publish, server, package, key):
    ran = publish(package, "--json", env={"PREFIX_API_KEY": key})
    assert ran.code == 2
    assert "PREFIX_API_KEY has characters" in ran.json["error"]["message"]
    assert "pfx_" not in ran.out + ran.err
    assert server.connections == 0


ECHOES = [(201, b""), (401, f"no: {TOKEN}".encode()), (500, f"oops {TOKEN}".encode()), (302, TOKEN.encode())]


@pytest.mark.parametrize("answer", ECHOES, ids=lambda answer: str(answer[0]))
@pytest.mark.parametrize("verbosity", ["-q", "-v", "-vv", "-vvv", "--json"])
def test_a_token_is_never_shown_even_by_a_server_that_repeats_it(publish, server, package, verbosity, answer):
    """Logs of CI are public; a key in one of them publishes for the project."""
    server.answers = [answer]
    server.headers = {"Location": f"https://evil.example/{TOKEN}", "WWW-Authenticate": f"Bearer {TOKEN}"}
    ran = publish(package, verbosity)
    assert (ran.code == 0) is (answer[0] == 201)
    assert TOKEN not in ran.out + ran.err
    assert len(server.taken) == (2 if answer[0] == 500 else 1)


@pytest.mark.parametrize("answer", [(201, b""), (401, b"no: pfx-jwt.minted"), (403, b"no: IDENTITY")])
@pytest.mark.parametrize("verbosity", ["-v", "-vvv", "--json"])
def test_no_token_of_a_job_is_shown(publish, server, package, job, verbosity, answer):
    server.answers = [(200, b"pfx-jwt.minted"), answer]
    server.headers = {"X-Echo": "pfx-jwt.minted"}
    ran = publish(package, verbosity, env=job)
    identity = json.loads(server.taken[0].parts[0][1])["token"]
    for secret in ("pfx-jwt.minted", "request-token", *identity.split(".")[1:]):
        assert secret not in ran.out + ran.err


def test_control_characters_of_a_server_do_not_reach_the_terminal(publish, server, package):
    server.answers = [(422, b"\x1b[2J\x1b[32muploaded")]
    ran = publish(package)
    assert ran.code == 3
    assert "\x1b" not in ran.out + ran.err
    assert os.environ["PREFIX_API_KEY"] == TOKEN
