"""The narrowest signer of a policy that a seen signer matches: what trust on first use pins.

Owns `narrowest` and `join`. Every claim that a policy can ask for is pinned as it was seen, ids included. Refuses
(None) a signer whose certificate does not say enough to be pinned, rather than to pin less.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from condattest.model.evidence import Evidence
from condattest.model.signer import GITHUB_ISSUER, Signer
from condattest.policy import grammar
from condattest.policy.match import mismatches
from condattest.policy.rules import AllowedSigner, EmailSigner, GenericSigner, GitHubSigner, GitLabSigner

_TAG: Final = "refs/tags/"
_UNNAMEABLE = re.compile(r"[^A-Za-z0-9_-]+")
_GITLAB_RUNNERS: Final = ("gitlab-hosted", "self-hosted")


def narrowest(evidence: Evidence) -> AllowedSigner | None:
    """The signer to write into a policy; None if the certificate does not say enough."""
    seen = evidence.signer
    try:
        made = _made(seen)
    except ValueError:
        return None  # A claim that no policy can state, such as a name with a wildcard in it.
    return made if made is not None and not mismatches(made, seen, at=evidence.earliest.at) else None


def join(signers: Sequence[AllowedSigner]) -> list[AllowedSigner]:
    """The distinct signers among several seen: events that started the same workflow are joined, and so are tags.

    Two releases from two tags show that tags differ each time; a single tag is kept as it is.
    """
    groups: dict[AllowedSigner, list[AllowedSigner]] = {}
    for signer in signers:
        groups.setdefault(essence(signer), []).append(signer)
    return [_joined(group) for group in groups.values()]


def essence(signer: AllowedSigner) -> AllowedSigner:
    """The signer without what differs between two runs of one workflow: the event, and the tag."""
    if isinstance(signer, GitHubSigner | GitLabSigner):
        tagged = signer.ref is not None and signer.ref.startswith(_TAG)
        return replace(signer, name="", triggers=(), ref=grammar.TAGS if tagged else signer.ref)
    return replace(signer, name="")


def suggest_name(signer: AllowedSigner) -> str:
    """A name for the signer's table."""
    text = identity(signer).partition("://")[2] or identity(signer)
    return _UNNAMEABLE.sub("-", text).strip("-")[:60].strip("-") or "signer"


def identity(signer: AllowedSigner) -> str:
    """What the signer is called by people: its repository, address or SAN."""
    match signer:
        case GitHubSigner(repository=repository) | GitLabSigner(repository=repository):
            return repository
        case EmailSigner(email=email):
            return email
        case GenericSigner(san=san):
            return san


def _made(seen: Signer) -> AllowedSigner | None:
    if seen.issuer == GITHUB_ISSUER:
        parts = _workflow(seen, "https://github.com", "/")
        if parts is None:
            return None
        grammar.github_repository(parts["repository"])
        grammar.workflow(parts["workflow"])
        return GitHubSigner(**parts)
    if seen.san_kind == "email":
        return EmailSigner(name="", email=grammar.email(seen.san), issuer=grammar.issuer(seen.issuer))
    if seen.claims.runner_environment in _GITLAB_RUNNERS and "//" in (seen.claims.build_config_uri or "")[8:]:
        parts = _workflow(seen, seen.issuer, "//")
        if parts is None:
            return None
        grammar.gitlab_repository(parts["repository"])
        grammar.config(parts["workflow"])
        return GitLabSigner(issuer=grammar.issuer(seen.issuer), **parts)
    return GenericSigner(name="", san=grammar.exact_name(seen.san), issuer=grammar.issuer(seen.issuer))


def _workflow(seen: Signer, host: str, separator: str) -> dict[str, Any] | None:
    claims = seen.claims
    uri, ref, config = claims.source_repository_uri, claims.source_repository_ref, claims.build_config_uri
    if uri is None or ref is None or config is None or claims.build_trigger is None:
        return None
    if claims.source_repository_id is None or claims.source_repository_owner_id is None:
        return None
    start, end = f"{uri}{separator}", f"@{grammar.ref(ref)}"
    if not uri.startswith(f"{host}/") or not config.startswith(start) or not config.endswith(end):
        return None
    reusable = claims.build_signer_uri if claims.build_signer_uri != config else None
    return {
        "name": "",
        "repository": uri.removeprefix(f"{host}/"),
        "repository_id": claims.source_repository_id,
        "owner_id": claims.source_repository_owner_id,
        "workflow": config[len(start) : -len(end)],
        "ref": ref,
        "triggers": (grammar.trigger(claims.build_trigger),),
        "runner": grammar.runner(claims.runner_environment or ""),
        "environment": claims.deployment_environment and grammar.one_line(claims.deployment_environment),
        "build_signer": reusable and grammar.build_signer(reusable),
    }


def _joined(group: list[AllowedSigner]) -> AllowedSigner:
    first = group[0]
    if not isinstance(first, GitHubSigner | GitLabSigner):
        return first
    others = [each for each in group if isinstance(each, GitHubSigner | GitLabSigner)]
    refs = {each.ref for each in others}
    triggers = tuple(sorted({trigger for each in others for trigger in each.triggers}))
    return replace(first, triggers=triggers, ref=first.ref if len(refs) == 1 else grammar.TAGS)
