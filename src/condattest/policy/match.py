"""Is this signer the one that a rule names? Every field that is not, with what was expected and what was found.

Owns `mismatches` and `distinct`. All fields must hold, each as a whole text, case-sensitive; a claim that the
certificate lacks never matches. Claims come from Fulcio's extensions (1.3.6.1.4.1.57264.1.N, the number in brackets
below), never from a token's `sub`, whose form each repository can change:

    repository     [12]  https://github.com/<repository>         ref        [14]
    repository-id  [15]                                          trigger    [20]
    owner-id       [17]                                          runner     [11]
    workflow       [18]  <[12]>/<workflow>@<[14]>                environment [23]
    build-signer   [9]   the SAN, and equal to [18] unless the rule names a reusable workflow

So a workflow file of another repository or of another branch is a mismatch even if the rule names no workflow, and a
trusted reusable workflow says nothing about a caller whose own repository [12] is not the rule's.

Table: https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from condattest.model.signer import Signer
from condattest.policy import grammar
from condattest.policy.rules import AllowedSigner, EmailSigner, GenericSigner, GitHubSigner, GitLabSigner


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One field of a rule's signer that does not hold; `found` is None where the certificate says nothing."""

    field: str
    expected: str
    found: str | None


def mismatches(allowed: AllowedSigner, signer: Signer, *, at: datetime) -> tuple[Mismatch, ...]:
    """The fields of `allowed` that `signer` does not meet; none means that it matches.

    Args:
        allowed: What the rule asks for.
        signer: Who signed.
        at: The verified time of the signature, by which the signer's validity is judged.
    """
    return tuple(_mismatches(allowed, signer, at))


def distinct(signer: Signer) -> tuple[str, str]:
    """What makes two signers different persons to a threshold: the issuer with the repository's id, or with the SAN."""
    return signer.issuer, signer.claims.source_repository_id or signer.san


def _mismatches(allowed: AllowedSigner, signer: Signer, at: datetime) -> Iterator[Mismatch]:
    if signer.issuer != allowed.issuer:
        yield Mismatch("issuer", allowed.issuer, signer.issuer)
    match allowed:
        case GitHubSigner() | GitLabSigner():
            yield from _workflow(allowed, signer)
        case EmailSigner(email=email):
            if signer.san_kind != "email" or signer.san != email:
                yield Mismatch("email", email, signer.san)
        case GenericSigner(san=san):
            if signer.san != san:
                yield Mismatch("identity", san, signer.san)
    if not allowed.valid.holds(at):
        yield Mismatch("valid", str(allowed.valid), at.isoformat())


def _workflow(allowed: GitHubSigner | GitLabSigner, signer: Signer) -> Iterator[Mismatch]:
    claims = signer.claims
    # (1) Whose code it is: the repository by name, and by the ids that a successor to the name does not have.
    if not _is_repository(allowed, claims.source_repository_uri):
        yield Mismatch("repository", f"{allowed.host}/{allowed.repository}", claims.source_repository_uri)
    if allowed.repository_id is not None and claims.source_repository_id != allowed.repository_id:
        yield Mismatch("repository-id", allowed.repository_id, claims.source_repository_id)
    if allowed.owner_id is not None and claims.source_repository_owner_id != allowed.owner_id:
        yield Mismatch("owner-id", allowed.owner_id, claims.source_repository_owner_id)
    # (2) Which state of it ran.
    if allowed.ref is not None and not _is_ref(allowed.ref, claims.source_repository_ref):
        yield Mismatch("ref", allowed.ref, claims.source_repository_ref)
    # (3) Which file said what to run, and that it was this repository's at this ref.
    yield from _build_config(allowed, signer)
    # (4) Which file did the signing, which the SAN names too.
    yield from _build_signer(allowed, signer)
    # (5) What started it, and where it ran.
    if claims.build_trigger not in allowed.triggers:
        yield Mismatch("trigger", " or ".join(allowed.triggers), claims.build_trigger)
    if claims.runner_environment != allowed.runner:
        yield Mismatch("runner", allowed.runner, claims.runner_environment)
    if allowed.environment is not None and claims.deployment_environment != allowed.environment:
        yield Mismatch("environment", allowed.environment, claims.deployment_environment)


def _is_repository(allowed: GitHubSigner | GitLabSigner, uri: str | None) -> bool:
    if uri is None:
        return False
    whole = f"{allowed.host}/{allowed.repository}"
    if not whole.endswith("/" + grammar.ANY):
        return uri == whole
    prefix = whole.removesuffix(grammar.ANY)
    return uri.startswith(prefix) and len(uri) > len(prefix) and "/" not in uri[len(prefix) :]


def _is_ref(allowed: str, ref: str | None) -> bool:
    if ref is None:
        return False
    if allowed != grammar.TAGS:
        return ref == allowed
    # A branch that is called refs/tags/v1 is refs/heads/refs/tags/v1 here.
    prefix = allowed.removesuffix(grammar.ANY)
    return ref.startswith(prefix) and len(ref) > len(prefix)


def _build_config(allowed: GitHubSigner | GitLabSigner, signer: Signer) -> Iterator[Mismatch]:
    claims = signer.claims
    config = claims.build_config_uri
    if isinstance(allowed, GitLabSigner) and allowed.build_signer is not None:
        return  # GitLab says the same in [18] as in [9]; (4) compares it with the rule's build-signer.
    repository, ref = claims.source_repository_uri or "?", claims.source_repository_ref or "?"
    # GitLab separates the project's path from the file's by a double slash.
    start = f"{repository}//" if isinstance(allowed, GitLabSigner) else f"{repository}/"
    if allowed.workflow is not None:
        expected = f"{start}{allowed.workflow}@{ref}"
        if config != expected:
            yield Mismatch("workflow", expected, config)
    elif config is None or not (config.startswith(start) and config.endswith(f"@{ref}")):
        yield Mismatch("workflow", f"a file of {repository} at {ref}", config)


def _build_signer(allowed: GitHubSigner | GitLabSigner, signer: Signer) -> Iterator[Mismatch]:
    claims = signer.claims
    expected = allowed.build_signer
    if isinstance(allowed, GitLabSigner) and expected is not None and claims.build_config_uri != expected:
        yield Mismatch("build-config", expected, claims.build_config_uri)
    if expected is None:
        expected = claims.build_config_uri
    if expected is None or claims.build_signer_uri != expected:
        yield Mismatch("build-signer", expected or "the workflow itself", claims.build_signer_uri)
    if signer.san_kind != "uri" or signer.san != claims.build_signer_uri:
        yield Mismatch("identity", claims.build_signer_uri or expected or "the workflow itself", signer.san)
