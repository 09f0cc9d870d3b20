"""What trust on first use pins: every claim that was seen."""

import pytest

from condattest.model.signer import Claims, Signer
from condattest.policy.identities import essence, identity, join, narrowest, suggest_name
from condattest.policy.match import mismatches
from condattest.policy.rules import EmailSigner, GenericSigner, GitHubSigner, GitLabSigner
from tests.policy.made_evidence import SIGNED, email, github, gitlab, published, with_claims

BUILDKITE = Signer(san="https://buildkite.com/o/p", san_kind="uri", issuer="https://agent.buildkite.com")


def pinned(signer):
    return narrowest(published(signer=signer))


def test_a_workflow_is_pinned_by_every_claim():
    reusable = "https://github.com/trusted/ci/.github/workflows/publish.yml@refs/tags/v1"
    made = pinned(github(deployment_environment="release", reusable=reusable))
    assert made == GitHubSigner(
        name="",
        repository="hunger/octoconda",
        repository_id="1092908474",
        owner_id="48331",
        workflow=".github/workflows/octoconda.yaml",
        ref="refs/heads/main",
        triggers=("schedule",),
        runner="github-hosted",
        environment="release",
        build_signer=reusable,
    )


@pytest.mark.parametrize(
    "signer", [github(), gitlab(), email(), BUILDKITE, github(ref="refs/tags/v1", trigger="release")]
)
def test_what_is_pinned_matches_what_was_seen(signer):
    made = pinned(signer)
    assert mismatches(made, signer, at=SIGNED) == ()


def test_each_kind_is_told_apart():
    assert isinstance(pinned(gitlab()), GitLabSigner)
    assert isinstance(pinned(email()), EmailSigner)
    assert isinstance(pinned(BUILDKITE), GenericSigner)


@pytest.mark.parametrize(
    "signer",
    [
        with_claims(github(), source_repository_id=None),
        with_claims(github(), source_repository_owner_id=None),
        with_claims(github(), build_trigger=None),
        with_claims(github(), runner_environment=None),
        with_claims(github(), build_config_uri="https://github.com/evil/r/.github/workflows/x.yml@refs/heads/main"),
        github(ref="refs/pull/1/merge*"),
        Signer(san="https://x/*", san_kind="uri", issuer="https://agent.buildkite.com"),
        Signer(san="https://x/y", san_kind="uri", issuer="not a url"),
        Signer(san="o/r", san_kind="uri", issuer="https://token.actions.githubusercontent.com", claims=Claims()),
    ],
)
def test_a_certificate_that_says_too_little_is_not_pinned_by_less(signer):
    """A pin without ids would follow the name to whoever takes it over."""
    assert pinned(signer) is None


def test_runs_of_one_workflow_are_joined():
    some = [pinned(github(ref="refs/tags/v1", trigger=trigger)) for trigger in ("push", "release", "push")]
    (one,) = join(some)
    assert (one.triggers, one.ref) == (("push", "release"), "refs/tags/v1")
    (two,) = join([*some, pinned(github(ref="refs/tags/v2", trigger="push"))])
    assert two.ref == "refs/tags/*"


def test_branches_and_repositories_stay_apart():
    some = [pinned(github()), pinned(github(ref="refs/heads/dev")), pinned(github("o/r")), pinned(email())]
    assert len(join(some)) == 4
    assert essence(some[0]) != essence(some[1])


def test_signers_have_names_to_go_by():
    assert suggest_name(pinned(github())) == "hunger-octoconda"
    assert suggest_name(pinned(email())) == "release-corp-example"
    assert suggest_name(pinned(BUILDKITE)) == "buildkite-com-o-p"
    assert identity(pinned(gitlab())) == "platform/packages/conda"
