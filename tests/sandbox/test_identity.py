"""Identities carry the claims that their issuers really send, the same in each run."""

from condattest.sandbox import email, github, gitlab


def test_github_s_claims_name_repository_workflow_and_run():
    claims = github("o/r", ".github/workflows/x.yml", "refs/tags/v1", trigger="release", environment="prod").claims
    assert claims["workflow_ref"] == claims["job_workflow_ref"] == "o/r/.github/workflows/x.yml@refs/tags/v1"
    assert claims["event_name"] == "release"
    assert claims["sub"] == "repo:o/r:environment:prod"


def test_a_reusable_workflow_is_the_job_s_and_not_the_run_s():
    claims = github("o/r", build_signer="https://github.com/shared/ci/.github/workflows/b.yml@refs/heads/main").claims
    assert claims["job_workflow_ref"].startswith("shared/ci/")
    assert claims["workflow_ref"].startswith("o/r/")


def test_ids_stay_the_same_and_differ_by_name():
    assert github("o/r").claims["repository_id"] == github("o/r").claims["repository_id"]
    assert github("o/r").claims["repository_id"] != github("o/s").claims["repository_id"]
    assert github("o/r", owner_id="7").claims["repository_owner_id"] == "7"


def test_gitlab_and_email_have_their_issuers():
    assert gitlab("g/p").issuer == "https://gitlab.com"
    assert gitlab("g/p").claims["ci_config_ref_uri"] == "gitlab.com/g/p//.gitlab-ci.yml@refs/heads/main"
    assert email("me@example.org", issuer="https://i.example").issuer == "https://i.example"


def test_gitlab_tells_tags_from_branches():
    tag, branch = gitlab("g/p", ref="refs/tags/v1").claims, gitlab("g/p", ref="refs/heads/a/b").claims
    assert (tag["ref_type"], tag["ref"], branch["ref_type"], branch["ref"]) == ("tag", "v1", "branch", "a/b")
    assert tag["sub"] == "project_path:g/p:ref_type:tag:ref:v1"
    assert branch["sub"] == "project_path:g/p:ref_type:branch:ref:a/b"


def test_dex_tells_where_a_person_logged_in():
    person = email("me@example.org", connector="https://github.com/login/oauth")
    assert person.issuer == "https://oauth2.sigstore.dev/auth"
    assert person.claims["federated_claims"]["connector_id"] == "https://github.com/login/oauth"
    assert "federated_claims" not in email("me@example.org").claims
