"""`condattest patch cosign` as a second maintainer runs it."""

import hashlib
import json

import pytest

from condattest.formats import sidecar
from condattest.sandbox import github
from tests import channels
from tests.patched_channel import CHANNEL, NAME, fix
from tests.rehearsal import a_package, signed

FIRST, SECOND = "patches/first", "patches/second"
SUBDIR = ("--subdir", "noarch", "--channel", CHANNEL.url)


@pytest.fixture
def policy(tmp_path):
    signers = "".join(
        f"""
[signer.{name}]
kind = "github"
repository = "patches/{name}"
repository-id = {github(f"patches/{name}").claims["repository_id"]}
workflow = ".github/workflows/release.yml"
ref = "refs/heads/main"
"""
        for name in ("first", "second")
    )
    path = tmp_path / "policy.toml"
    path.write_text(f"""
version = 1
{signers}
[[patch]]
channel = "{CHANNEL.url}"
signers = ["first", "second"]
threshold = 2
max-age = "7d"
""")
    return path


@pytest.fixture
def patch(run, sigstore, world, policy):
    """Runs a verb of `condattest patch` on the channel, with an identity and under the policy."""
    world.index(fix(depends=["python >=3"]))

    def call(verb, *arguments, by=FIRST, who=("--policy", policy), place=world.root):
        identity = {"SIGSTORE_ID_TOKEN": sigstore.sandbox.token(github(by))}
        return run("patch", verb, place, *SUBDIR, *who, "--trust-config", sigstore.config, *arguments, env=identity)

    return call


def test_two_sign_what_a_policy_of_two_demands(patch, world):
    ran = patch("attest")
    assert ran.code == 0, ran.err
    assert "1 of 2 signers: head.json does not name it until another one runs condattest patch cosign" in ran.out
    for verb in ("log", "verify"):
        assert "PATCH-NONE" in (ran := patch(verb)).err + ran.out
        assert ran.code == 1
    world.index(fix(depends=["python >=3.9"]))
    ran = patch("attest")
    assert (ran.code, "MISSING-THRESHOLD" in ran.err) == (1, True)
    assert "condattest patch cosign" in ran.err
    world.index(fix(depends=["python >=3"]))
    ran = patch("cosign", by=SECOND)
    assert ran.code == 0, ran.err
    assert ran.out.startswith("noarch: generation 1 cosigned: https://github.com/patches/first/")
    assert "signers" not in ran.out
    for verb in ("log", "verify"):
        assert patch(verb).code == 0
    assert "was signed by this signer already" in patch("cosign", by=SECOND).out
    world.index(fix(depends=["python >=3.9"]))
    assert "generation 2 signed" in patch("attest", by=SECOND).out


def test_what_the_author_voided_or_replaced_the_second_signer_names_too(patch, world, tmp_path):
    payload = patch("attest", "--json").json["results"][0]["payloadSha256"]
    channels.put(world.root, "noarch", a_package(tmp_path / "new", "numbers", payload=b"other", depends=["python"]))
    world.index()
    named = ("--void", payload, "--replaced", NAME)
    ran = patch("attest", *named)
    assert "generation 2 signed" in ran.out, ran.err
    assert patch("cosign", by=SECOND).code == 1
    ran = patch("cosign", *named, by=SECOND)
    assert (ran.code, "generation 2 cosigned" in ran.out) == (0, True), ran.err
    for option in ("--void", "--replaced"):
        ran = patch("cosign", option, "x", by=SECOND)
        assert (ran.code, option in ran.err) == (2, True)


def test_an_installer_who_requires_both_rejects_before_and_accepts_after(run, patch, policy, world, sigstore, tmp_path):
    """Of a package that one of them attested, whose record was patched; the index is published too early."""
    package = world.root / "noarch" / NAME
    data = sidecar.dump([signed(package, github(FIRST), CHANNEL, by=sigstore.sandbox).strip()])
    for suffix in (".sigs", f".sigs.{hashlib.sha256(data).hexdigest()}"):
        package.with_name(NAME + suffix).write_bytes(data)
    assert run("index", world.root, "--subdir", "noarch").code == 0
    with channels.served(world.root) as url:
        policy.write_text(f"""{policy.read_text()}
[[rule]]
channel = "{CHANNEL.url}"
package = "*"
signers = ["first"]

[[channel]]
url = "{CHANNEL.url}"
mirrors = ["{url}"]
""")

        # In CI nothing is cached: all of this happens in one second of Last-Modified.
        def install():
            return run(
                "verify", f"{url}/noarch/{NAME}", "--policy", policy, "--patches", "require", "--json",
                "--trusted-root", sigstore.root, env={"CI": "true"},
            )  # fmt: skip

        def codes(ran):
            return [finding["code"] for finding in ran.json["results"][0]["findings"]]

        ran = install()
        assert (ran.code, codes(ran)) == (1, ["PATCH-NONE"])
        assert patch("attest").code == 0
        ran = install()
        assert (ran.code, codes(ran)) == (1, ["PATCH-NONE"])
        # Whoever writes to the host names it all the same.
        world.point(1)
        ran = install()
        assert (ran.code, codes(ran)) == (1, ["MISSING-THRESHOLD"])
        assert patch("cosign", by=SECOND).code == 0
        ran = install()
        assert (ran.code, codes(ran)) == (0, []), ran.err


def test_the_document(patch, tmp_path):
    patch("attest")
    state = tmp_path / "state.json"
    document = patch("cosign", "--json", "--state", state, by=SECOND).json
    assert (document["schema"], document["exitCode"]) == ("condattest/patch-cosign/1", 0)
    assert document["totals"] == {"subdirs": 1, "new": 1}
    [result] = document["results"]
    assert (result["new"], result["signers"]) == (True, {"found": 2, "wanted": 2})
    assert [each["signer"]["identity"].split("/")[4] for each in result["evidence"]] == ["first", "second"]
    [known] = json.loads(state.read_bytes()).values()
    assert known == {"generation": 1, "payload": result["payloadSha256"]}


def test_what_does_not_come_to_the_same_is_not_signed(patch, world):
    patch("attest")
    before = (world.root / "noarch" / "patches" / "1.sigs").read_bytes()
    world.index(fix(depends=["python >=2"]))
    ran = patch("cosign", "--json", by=SECOND)
    assert (ran.code, ran.json["schema"]) == (1, "condattest/patch-cosign/1")
    assert ran.json["error"]["message"].startswith("PATCH-COSIGN")
    world.edit("repodata.json", lambda document: document["packages.conda"][NAME].update(depends=[]))
    assert patch("cosign", by=SECOND).code == 1
    assert (world.root / "noarch" / "patches" / "1.sigs").read_bytes() == before


def test_a_stranger_signs_nothing(patch, world):
    patch("attest")
    before = (world.root / "noarch" / "patches" / "1.sigs").read_bytes()
    ran = patch("cosign", by="evil/patches")
    assert (ran.code, "IDENTITY-MISMATCH" in ran.err) == (1, True)
    assert (world.root / "noarch" / "patches" / "1.sigs").read_bytes() == before


def test_where_there_is_no_generation_it_says_so(patch):
    ran = patch("cosign")
    assert (ran.code, "PATCH-NONE" in ran.err) == (1, True)


@pytest.mark.parametrize("how", [{"who": ()}, {"place": "nowhere"}])
def test_what_cannot_be_is_usage(patch, how):
    assert patch("cosign", **how).code == 2


def test_offline_nothing_is_signed(patch):
    patch("attest")
    assert patch("cosign", "--offline", by=SECOND).code == 2
