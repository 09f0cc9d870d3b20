"""`condattest verify`, as an installer runs it."""

import pytest

from tests.rehearsal import REPOSITORY, a_package

CHANNEL = "https://conda.example/channel"


@pytest.fixture
def verify(run, sigstore, attested):
    def call(*arguments, **options):
        return run("verify", "--offline", "--trusted-root", sigstore.root, *arguments, **options)

    return call


def test_an_attested_package_is_accepted(verify, attested):
    ran = verify(attested, "--repository", REPOSITORY, "--channel", CHANNEL)
    assert ran.code == 0, ran.err
    assert "accepted" in ran.out
    assert "1 target: 1 accepted, 0 rejected, 0 undecided" in ran.out
    assert f"https://github.com/{REPOSITORY}" in ran.out


def test_json_has_signer_claims_times_and_totals(verify, attested):
    ran = verify(attested, "--repository", REPOSITORY, "--channel", CHANNEL, "--json")
    assert ran.code == 0
    assert ran.json["schema"] == "condattest/verify/1"
    assert ran.json["totals"] == {"targets": 1, "accepted": 1, "rejected": 0, "undecided": 0}
    [result] = ran.json["results"]
    [evidence] = result["evidence"]
    assert {time["source"] for time in evidence["times"]} == {"log", "tsa"}
    assert evidence["signer"]["claims"]["build_trigger"] == "push"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--repository", "me/other", "--channel", CHANNEL], "IDENTITY-MISMATCH"),
        (["--repository", REPOSITORY, "--channel", "https://conda.example/other"], "CHANNEL-MISMATCH"),
        (["--repository", REPOSITORY, "--workflow", ".github/workflows/other.yml", "--channel", CHANNEL],
         "IDENTITY-MISMATCH"),
        (["--repository", REPOSITORY, "--ref", "refs/heads/other", "--channel", CHANNEL], "IDENTITY-MISMATCH"),
        (["--identity", "me@example.org", "--issuer", "https://x.example", "--channel", CHANNEL], "IDENTITY-MISMATCH"),
    ],
)  # fmt: skip
def test_a_rejection_has_its_code_and_what_was_expected_and_found(verify, attested, arguments, code):
    ran = verify(attested, *arguments, "--json")
    assert ran.code == 1
    [finding] = ran.json["results"][0]["findings"]
    assert finding["code"] == code
    assert finding["facts"]["expected"]
    assert finding["facts"]["found"]
    shown = verify(attested, *arguments)
    assert shown.code == 1
    assert code in shown.out
    assert "next:" in shown.out


def test_without_a_requirement_it_reports_the_signer_and_exits_3(verify, attested):
    ran = verify(attested, "--channel", CHANNEL)
    assert ran.code == 3
    assert "IDENTITY-NOT-REQUIRED" in ran.out
    assert REPOSITORY in ran.out


def test_many_targets_add_up_and_a_rejection_outweighs(verify, attested, tmp_path):
    unsigned = a_package(tmp_path / "unsigned", "other")
    ran = verify(attested, unsigned, "--repository", REPOSITORY, "--channel", CHANNEL, "--json")
    assert ran.code == 1
    assert ran.json["totals"] == {"targets": 2, "accepted": 1, "rejected": 1, "undecided": 0}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no-such-1-0.conda"],
        ["PACKAGE", "--identity", "me@example.org"],
        ["PACKAGE", "--issuer", "https://x.example"],
        ["PACKAGE", "--workflow", "x.yml"],
        ["PACKAGE", "--repository", "not-a-repository"],
        ["PACKAGE", "--repository", "a/b", "--identity", "x", "--issuer", "y"],
        ["PACKAGE", "--no-such-option"],
        ["PACKAGE", "--repository", "a/b", "--bundle", "missing.json"],
        ["PACKAGE", "PACKAGE", "--repository", "a/b", "--bundle", "missing.json"],
        ["PACKAGE", "--repository", "a/b", "--channel", "::"],
        [f"x-1-0.conda@sha256:{'a' * 64}", "--repository", "a/b"],
        ["x-1-0.conda@sha256:short", "--repository", "a/b"],
    ],
)
def test_wrong_use_is_exit_2_with_a_document(verify, attested, arguments):
    ran = verify(*(attested if word == "PACKAGE" else word for word in arguments), "--json")
    assert ran.code == 2
    assert ran.json["schema"] == "condattest/verify/1"
    assert ran.json["error"]["message"]


def test_a_trust_root_that_is_none_is_exit_2(run, attested, tmp_path):
    for text in ("", "[]", "{}", '{"mediaType": "x"}', "\x00"):
        path = tmp_path / "root.json"
        path.write_text(text)
        ran = run("verify", attested, "--trusted-root", path, "--repository", REPOSITORY)
        assert ran.code == 2, ran.err
        assert str(path) in ran.err
    assert run("verify", attested, "--trusted-root", tmp_path / "no.json", "--repository", "a/b").code == 2


def test_two_trust_roots_are_exit_2(run, attested, sigstore):
    ran = run("verify", attested, "--trusted-root", sigstore.root, "--staging", "--repository", REPOSITORY)
    assert ran.code == 2
    assert "more than one trust root" in ran.err


def test_the_production_root_rejects_what_the_sandbox_signed(run, attested):
    """The sandbox is for rehearsal: nothing trusts it by default."""
    ran = run("verify", "--offline", attested, "--repository", REPOSITORY, "--channel", CHANNEL, "--json")
    assert ran.code == 1
    assert ran.json["results"][0]["findings"][0]["code"] == "CRYPTO"


def test_offline_tells_the_age_of_the_root(run, attested):
    ran = run("verify", "--offline", attested, "--repository", REPOSITORY, "--channel", CHANNEL)
    assert "TRUST-ROOT-AGE" in ran.err


def test_hostile_names_cannot_paint_over_a_verdict(run, sigstore, tmp_path):
    """A statement whose subject name carries an escape sequence that would print "accepted"."""
    from condattest.formats import publish, statement
    from condattest.formats.statement import Statement, Subject
    from condattest.sandbox import github

    package = a_package(tmp_path)
    evil = Statement((Subject("\x1b[8m\x1b[32maccepted\u202e", {"sha256": "ab" * 32}),), publish.PREDICATE_TYPE, None)
    bundle = sigstore.sandbox.sign_statement(statement.dump(evil), github(REPOSITORY))
    package.with_name(f"{package.name}.sigstore.json").write_bytes(bundle)
    for flags in ([], ["--json"], ["--color", "always"]):
        ran = run("verify", package, "--offline", "--trusted-root", sigstore.root, "--repository", REPOSITORY, *flags)
        assert ran.code == 1
        assert "\x1b[8m" not in ran.out + ran.err
        assert "\u202e" not in ran.out + ran.err
    assert "\\x1b[8m" in ran.out
