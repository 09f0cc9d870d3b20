"""A signer matches a rule's signer if every field holds, whole and exact; what does not is named."""

from dataclasses import fields as dataclass_fields
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.model import signer as signers
from condattest.model.signer import GITHUB_ISSUER, Claims, Signer
from condattest.policy.match import distinct, mismatches
from condattest.policy.rules import EmailSigner, GenericSigner, GitHubSigner, GitLabSigner, Window
from tests.policy.made_evidence import SIGNED, email, github, gitlab, with_claims

ALLOWED = GitHubSigner(
    name="octo",
    repository="hunger/octoconda",
    repository_id="1092908474",
    owner_id="48331",
    workflow=".github/workflows/octoconda.yaml",
    ref="refs/heads/main",
    triggers=("schedule",),
    environment="release",
)
SEEN = github(deployment_environment="release")
LAB = GitLabSigner(
    name="lab",
    issuer="https://gitlab.corp.example",
    repository="platform/packages/conda",
    repository_id="4711",
    workflow=".gitlab-ci.yml",
    ref="refs/heads/main",
    runner="self-hosted",
)
REUSABLE = "https://github.com/trusted/ci/.github/workflows/publish.yml@refs/tags/v1"


def wrong(allowed, signer, at=SIGNED):
    return [each.field for each in mismatches(allowed, signer, at=at)]


def test_the_signer_that_is_named_matches():
    assert wrong(ALLOWED, SEEN) == []


def test_fields_that_a_rule_does_not_name_are_not_asked_for():
    loose = GitHubSigner(name="octo", repository="hunger/octoconda", triggers=("schedule",))
    assert wrong(loose, SEEN) == []


@pytest.mark.parametrize(
    ("signer", "field"),
    [
        (github("hunger/octocond"), "repository"),
        (github("hunger/octoconda2"), "repository"),
        (github("Hunger/octoconda"), "repository"),
        (github(repository_id="1"), "repository-id"),
        (github(owner_id="1"), "owner-id"),
        (github(ref="refs/heads/main-evil"), "ref"),
        (github(ref="refs/heads/Main"), "ref"),
        (github(workflow=".github/workflows/octoconda.yaml2"), "workflow"),
        (github(workflow=".github/workflows/other.yaml"), "workflow"),
        (github(trigger="push"), "trigger"),
        (github(runner_environment="self-hosted"), "runner"),
        (github(deployment_environment="staging"), "environment"),
        (github(), "environment"),
    ],
)
def test_a_field_that_differs_is_named(signer, field):
    if field != "environment":
        signer = with_claims(signer, deployment_environment="release")
    assert field in wrong(ALLOWED, signer)


def test_a_mismatch_says_what_was_expected_and_found():
    (mismatch,) = mismatches(ALLOWED, replace(SEEN, claims=replace(SEEN.claims, build_trigger="push")), at=SIGNED)
    assert (mismatch.field, mismatch.expected, mismatch.found) == ("trigger", "schedule", "push")


def test_a_repository_with_a_similar_name_is_another():
    """`flask-cors` for `flask`: a prefix of a name is not the name."""
    allowed = GitHubSigner(name="flask", repository="pallets/flask", triggers=("push",))
    assert wrong(allowed, github("pallets/flask", trigger="push")) == []
    assert "repository" in wrong(allowed, github("pallets/flask-cors", trigger="push"))
    assert "repository" in wrong(allowed, github("evil/flask", trigger="push"))


def test_a_workflow_with_a_longer_name_is_another():
    """`release.yml2` beside `release.yml`: the path ends where the ref begins."""
    allowed = GitHubSigner(name="x", repository="o/r", workflow=".github/workflows/release.yml", triggers=("push",))
    good = github("o/r", workflow=".github/workflows/release.yml", trigger="push")
    assert wrong(allowed, good) == []
    assert "workflow" in wrong(allowed, github("o/r", workflow=".github/workflows/release.yml2", trigger="push"))
    # A branch whose name continues the path does not become part of it either.
    assert "workflow" in wrong(
        allowed, github("o/r", workflow=".github/workflows/release.yml@refs/heads/x", trigger="push")
    )


@pytest.mark.parametrize(
    ("ref", "matches"),
    [
        ("refs/tags/v1", True),
        ("refs/tags/a/b", True),
        ("refs/tags/", False),
        ("refs/tags", False),
        ("refs/heads/refs/tags/v1", False),
        ("refs/heads/main", False),
        ("xrefs/tags/v1", False),
    ],
)
def test_a_branch_called_like_a_tag_is_no_tag(ref, matches):
    """Whoever may push branches, not tags, names one `refs/tags/v1`; its full ref still says that it is a branch."""
    allowed = GitHubSigner(name="x", repository="o/r", ref="refs/tags/*", triggers=("push",))
    assert ("ref" not in wrong(allowed, github("o/r", ref=ref, trigger="push"))) is matches


def test_the_same_name_of_another_issuer_is_another_signer():
    """An own OIDC issuer that a private Fulcio would take states any SAN it likes."""
    assert wrong(ALLOWED, replace(SEEN, issuer="https://evil.example")) == ["issuer"]
    person = EmailSigner(name="a", email="a@b.example", issuer="https://accounts.google.com")
    assert wrong(person, email("a@b.example", "https://github.com/login/oauth")) == ["issuer"]


def test_a_resurrected_account_is_another_owner():
    """An account is deleted, its name is taken by somebody else, and repository and workflow are called as before."""
    owner_alone = replace(ALLOWED, repository_id=None)
    assert wrong(owner_alone, with_claims(SEEN, source_repository_owner_id="999")) == ["owner-id"]
    repository_alone = replace(ALLOWED, owner_id=None)
    assert wrong(repository_alone, with_claims(SEEN, source_repository_id="999")) == ["repository-id"]


@pytest.mark.parametrize("trigger", ["pull_request_target", "workflow_run", "pull_request", "issue_comment"])
def test_an_event_that_strangers_start_is_not_among_the_default_triggers(trigger):
    """CVE-2026-45321: malware with valid provenance, since `pull_request_target` ran a stranger's code."""
    allowed = replace(ALLOWED, triggers=GitHubSigner(name="", repository="o/r").triggers)
    assert wrong(allowed, with_claims(SEEN, build_trigger=trigger)) == ["trigger"]


def test_a_self_hosted_runner_is_another_machine():
    """A runner that the attacker left something on signs what the attacker wants."""
    assert wrong(ALLOWED, with_claims(SEEN, runner_environment="self-hosted")) == ["runner"]
    allowed = replace(ALLOWED, runner="self-hosted")
    assert wrong(allowed, with_claims(SEEN, runner_environment="self-hosted")) == []


def test_a_trusted_reusable_workflow_does_not_vouch_for_its_caller():
    """An untrusted repository calls the reusable workflow that the policy trusts: the SAN is the trusted one's."""
    allowed = GitHubSigner(name="x", repository="o/r", build_signer=REUSABLE, triggers=("push",))
    assert wrong(allowed, github("o/r", trigger="push", reusable=REUSABLE)) == []
    assert "repository" in wrong(allowed, github("evil/r", trigger="push", reusable=REUSABLE))


def test_a_reusable_workflow_has_to_be_named():
    """A workflow of the trusted repository hands the signing to a stranger's reusable workflow."""
    allowed = GitHubSigner(name="x", repository="o/r", triggers=("push",))
    assert wrong(allowed, github("o/r", trigger="push", reusable=REUSABLE)) == ["build-signer"]
    named = replace(allowed, build_signer=REUSABLE)
    other = REUSABLE.replace("v1", "v2")
    assert wrong(named, github("o/r", trigger="push", reusable=other)) == ["build-signer"]
    assert wrong(named, github("o/r", trigger="push")) == ["build-signer"]


def test_a_workflow_file_of_another_repository_is_none_of_the_repository_s():
    """The build configuration is not the repository's own: required workflows of an organization, say."""
    loose = GitHubSigner(name="x", repository="o/r", triggers=("push",))
    config = "https://github.com/evil/r/.github/workflows/x.yml@refs/heads/main"
    seen = github("o/r", trigger="push", reusable=config, build_config_uri=config)
    assert wrong(loose, seen) == ["workflow"]


def test_a_workflow_file_of_another_branch_is_not_that_of_the_ref():
    """The ref is the trusted one, and the file that said what to do came from another."""
    config = "https://github.com/o/r/.github/workflows/x.yml@refs/heads/evil"
    allowed = GitHubSigner(name="x", repository="o/r", ref="refs/heads/main", triggers=("push",))
    seen = github("o/r", trigger="push", reusable=config, build_config_uri=config)
    assert wrong(allowed, seen) == ["workflow"]
    longer = "https://github.com/o/r/.github/workflows/x.yml@refs/heads/main-evil"
    seen = github("o/r", trigger="push", reusable=longer, build_config_uri=longer)
    assert wrong(replace(allowed, workflow=".github/workflows/x.yml"), seen) == ["workflow"]


def test_a_san_unlike_the_build_signer_is_a_mismatch():
    """A certificate that contradicts itself names two signers; one of them would pass."""
    assert wrong(ALLOWED, replace(SEEN, san=SEEN.san + "2")) == ["identity"]
    assert wrong(ALLOWED, replace(SEEN, san_kind="email")) == ["identity"]


def test_a_wildcard_stands_for_one_segment_of_one_owner():
    """`conda-forge/*` must not match `conda-forge-evil/x`, `conda-forge/` or a deeper path."""
    allowed = GitHubSigner(name="x", repository="conda-forge/*", owner_id="48331", triggers=("push",))
    assert wrong(allowed, github("conda-forge/zlib-feedstock", trigger="push")) == []
    for repository in ("conda-forge-evil/x", "conda-forge/", "conda-forge/a/b", "conda-forge"):
        assert "repository" in wrong(allowed, github(repository, trigger="push"))
    assert wrong(allowed, github("conda-forge/zlib-feedstock", owner_id="1", trigger="push")) == ["owner-id"]


def test_gitlab_pipelines_match_by_their_double_slash():
    assert wrong(LAB, gitlab()) == []
    assert "repository" in wrong(LAB, gitlab("platform/packages"))
    assert "workflow" in wrong(LAB, gitlab(config="other.yml"))
    assert wrong(LAB, gitlab(repository_id="1")) == ["repository-id"]
    assert wrong(LAB, gitlab(trigger="merge_request_event")) == ["trigger"]
    assert wrong(LAB, gitlab(runner="gitlab-hosted")) == ["runner"]
    assert "ref" in wrong(LAB, gitlab(ref="refs/heads/evil"))


def test_another_gitlab_is_another_issuer():
    """A project of the same path on another GitLab."""
    assert wrong(LAB, gitlab(host="https://gitlab.com"))[:2] == ["issuer", "repository"]


def test_a_gitlab_configuration_of_another_project_has_to_be_named():
    """A pipeline whose configuration is included whole from another project."""
    config = "https://gitlab.corp.example/platform/ci//release.yml@refs/heads/main"
    seen = replace(with_claims(gitlab(), build_config_uri=config, build_signer_uri=config), san=config)
    assert "workflow" in wrong(LAB, seen)
    assert wrong(replace(LAB, workflow=None, build_signer=config), seen) == []
    assert wrong(replace(LAB, workflow=None, build_signer=config), gitlab()) == ["build-config", "build-signer"]


def test_an_email_is_compared_whole_and_as_an_email():
    """An issuer that lets users choose a URL as their name, or a longer domain."""
    person = EmailSigner(name="a", email="a@b.example", issuer="https://i.example")
    assert wrong(person, email("a@b.example", "https://i.example")) == []
    assert wrong(person, email("a@b.example.evil", "https://i.example")) == ["email"]
    assert wrong(person, email("A@b.example", "https://i.example")) == ["email"]
    uri = Signer(san="a@b.example", san_kind="other", issuer="https://i.example")
    assert wrong(person, uri) == ["email"]


def test_a_generic_signer_is_an_issuer_and_a_name():
    allowed = GenericSigner(name="a", san="https://x/y", issuer="https://i.example")
    seen = Signer(san="https://x/y", san_kind="uri", issuer="https://i.example")
    assert wrong(allowed, seen) == []
    assert wrong(allowed, replace(seen, san="https://x/y2")) == ["identity"]


def test_a_signer_is_valid_in_its_window_alone():
    """A key or a repository is given up at a date; what is signed with it later is not its owner's."""
    window = Window(None, SIGNED)
    assert wrong(replace(ALLOWED, valid=window), SEEN) == ["valid"]
    assert wrong(replace(ALLOWED, valid=Window(SIGNED, None)), SEEN) == []


def test_distinct_signers_differ_by_repository_or_name():
    assert distinct(github(workflow="a.yml")) == distinct(github(workflow="b.yml"))
    assert distinct(github()) != distinct(github(repository_id="2"))
    assert distinct(email()) != distinct(email("other@corp.example"))


_CLAIMS = {
    "build_signer_uri": "build-signer",
    "runner_environment": "runner",
    "source_repository_uri": "repository",
    "source_repository_ref": "ref",
    "source_repository_id": "repository-id",
    "source_repository_owner_id": "owner-id",
    "build_config_uri": "workflow",
    "build_trigger": "trigger",
    "deployment_environment": "environment",
}


@pytest.mark.parametrize(("claim", "field"), _CLAIMS.items())
def test_a_claim_that_is_missing_is_a_mismatch(claim, field):
    """A certificate that says less must not pass for one that says what is asked."""
    found = {each.field: each.found for each in mismatches(ALLOWED, with_claims(SEEN, **{claim: None}), at=SIGNED)}
    assert found[field] is None


@settings(max_examples=200, deadline=None)
@given(st.sets(st.sampled_from(sorted(_CLAIMS)), min_size=1), st.sampled_from([ALLOWED, LAB]))
def test_a_certificate_without_claims_that_are_named_never_matches(missing, allowed):
    seen = SEEN if allowed is ALLOWED else gitlab(deployment_environment="x")
    named = set(_CLAIMS) - (set() if allowed is ALLOWED else {"source_repository_owner_id", "deployment_environment"})
    found = wrong(allowed, with_claims(seen, **dict.fromkeys(missing)))
    assert bool(found) is bool(missing & named)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([each.name for each in dataclass_fields(Claims)]), st.text(max_size=20), st.sampled_from(["-", "+"])
)
def test_a_claim_with_anything_added_or_put_before_never_matches(claim, extra, side):
    value = getattr(SEEN.claims, claim)
    if value is None or not extra or claim not in _CLAIMS:
        return
    text = extra + value if side == "-" else value + extra
    assert wrong(ALLOWED, with_claims(SEEN, **{claim: text}))


def test_the_issuer_of_github_is_github_s():
    assert ALLOWED.issuer == GITHUB_ISSUER


@given(claims=st.fixed_dictionaries({name: st.none() | st.text(max_size=5) for name in signers._OF_A_RUN}))
@pytest.mark.parametrize(
    ("allowed", "seen"),
    [
        pytest.param(ALLOWED, SEEN, id="github"),
        pytest.param(replace(ALLOWED, build_signer=REUSABLE), SEEN, id="a reusable workflow"),
        pytest.param(LAB, gitlab(), id="gitlab"),
        pytest.param(LAB, github(), id="another's"),
        pytest.param(GenericSigner(name="g", san=SEEN.san, issuer=GITHUB_ISSUER), SEEN, id="any other"),
    ],
)
def test_no_rule_looks_at_what_a_single_run_has_for_itself(allowed, seen, claims):
    """Audits decide on packages of one workflow together: runs and commits must not matter."""
    other = with_claims(seen, **claims)
    assert mismatches(allowed, other, at=SIGNED) == mismatches(allowed, seen, at=SIGNED)
    assert distinct(other) == distinct(seen)
    assert other.lasting() == seen.lasting()
