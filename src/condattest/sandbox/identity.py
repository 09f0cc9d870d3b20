"""Whom a token names: the OIDC claims that GitHub, GitLab and an email provider really send.

Owns `Identity`, `github`, `gitlab` and `email`. Numeric ids are derived from the names, so that they stay the same from
run to run. What a CA makes of the claims is `extensions`.

GitHub: https://docs.github.com/en/actions/reference/security/oidc
GitLab: https://docs.gitlab.com/ci/secrets/id_token_authentication/
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from condattest.model.signer import GITHUB_ISSUER, GITLAB_ISSUER

EMAIL_ISSUER: Final = "https://oauth2.sigstore.dev/auth"


@dataclass(frozen=True, slots=True)
class Identity:
    """An issuer's URL, and the claims that it would put into a token (without times and audience)."""

    issuer: str
    claims: Mapping[str, Any] = field(hash=False)


def _number(text: str) -> str:
    return str(int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big"))


def _commit(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def github(
    repository: str,
    workflow: str = ".github/workflows/release.yml",
    ref: str = "refs/heads/main",
    *,
    trigger: str = "push",
    repository_id: str | None = None,
    owner_id: str | None = None,
    sha: str | None = None,
    runner_environment: str = "github-hosted",
    environment: str | None = None,
    build_signer: str | None = None,
    visibility: str = "public",
    run_id: str = "1",
) -> Identity:
    """A job of a GitHub workflow.

    Args:
        repository: `owner/name`.
        workflow: The workflow file's path in the repository.
        ref: The full ref that ran.
        trigger: The event that started the run.
        repository_id: The repository's number; by default derived from its name, as the owner's is.
        owner_id: The owner's number.
        sha: The commit.
        runner_environment: `github-hosted` or `self-hosted`.
        environment: The deployment environment, if there is one.
        build_signer: The full URI with ref of a reusable workflow that the job calls.
        visibility: The repository's visibility.
        run_id: The run's number.
    """
    owner = repository.partition("/")[0]
    called = f"{repository}/{workflow}@{ref}"
    commit = sha or _commit(repository + ref)
    subject = f"environment:{environment}" if environment else f"ref:{ref}"
    claims = {
        "sub": f"repo:{repository}:{subject}",
        "repository": repository,
        "repository_id": repository_id or _number(repository),
        "repository_owner": owner,
        "repository_owner_id": owner_id or _number(owner),
        "repository_visibility": visibility,
        "ref": ref,
        "sha": commit,
        "workflow": "Release",
        "workflow_ref": called,
        "workflow_sha": commit,
        "job_workflow_ref": (build_signer or called).removeprefix("https://github.com/"),
        "job_workflow_sha": commit,
        "event_name": trigger,
        "runner_environment": runner_environment,
        "run_id": run_id,
        "run_attempt": "1",
    }
    if environment:
        claims["environment"] = environment
    return Identity(GITHUB_ISSUER, claims)


def gitlab(
    project: str, config: str = ".gitlab-ci.yml", ref: str = "refs/heads/main", *, trigger: str = "push"
) -> Identity:
    """A job of a GitLab pipeline; `project` is its full path, `config` the path of its CI configuration."""
    namespace = project.rpartition("/")[0]
    commit = _commit(project + ref)
    kind, name = ("tag" if ref.startswith("refs/tags/") else "branch"), ref.split("/", 2)[-1]
    claims = {
        "sub": f"project_path:{project}:ref_type:{kind}:ref:{name}",
        "project_path": project,
        "project_id": _number(project),
        "namespace_path": namespace,
        "namespace_id": _number(namespace),
        "project_visibility": "public",
        "ref": name,
        "ref_type": kind,
        "ref_path": ref,
        "sha": commit,
        "ci_config_ref_uri": f"gitlab.com/{project}//{config}@{ref}",
        "ci_config_sha": commit,
        "pipeline_source": trigger,
        "runner_environment": "gitlab-hosted",
        "job_id": "1",
    }
    return Identity(GITLAB_ISSUER, claims)


def email(address: str, *, issuer: str = EMAIL_ISSUER, connector: str | None = None) -> Identity:
    """A person, by an address that an issuer has verified.

    Args:
        address: The address.
        issuer: Who made the token; by default Sigstore's Dex.
        connector: Where Dex let the person log in, such as `https://github.com/login/oauth`. Certificates name it as
            the issuer then. The public Dex always tells one.
    """
    claims: dict[str, Any] = {"sub": address, "email": address, "email_verified": True}
    if connector is not None:
        claims["federated_claims"] = {"connector_id": connector, "user_id": _number(address)}
    return Identity(issuer, claims)
