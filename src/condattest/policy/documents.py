"""A policy's text as documents: which keys there are, and what each holds.

Owns the pydantic models of the TOML file and the JSON schema that editors use. Refuses unknown keys, other types and
empty lists. What no single key can say (mandatory pairs, names that must exist, ties) is `coherence`.

Keys are written with dashes: `min-age` is `min_age` here.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from condattest.policy import fields
from condattest.policy.rules import GITHUB_TRIGGERS, GITLAB_TRIGGERS, PATCH_KEYS, Action, Kind, Role, TargetChannel

_NON_EMPTY: Final = Field(min_length=1)


class _Document(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        arbitrary_types_allowed=True,
    )


class WindowDocument(_Document):
    """When a signer is valid."""

    from_: fields.Moment | None = Field(default=None, alias="from", description="From when, inclusive.")
    until: fields.Moment | None = Field(default=None, description="Until when, exclusive.")


class GitHubDocument(_Document):
    """A GitHub Actions workflow; all fields must hold, and repository-id or owner-id is mandatory."""

    kind: Literal["github"] = Field(description="What kind of signer this is.")
    repository: fields.GitHubRepository = Field(description='"owner/name", or "owner/*" together with owner-id.')
    repository_id: fields.Identifier | None = Field(
        default=None, description="The repository's id: names move, ids do not."
    )
    owner_id: fields.Identifier | None = Field(default=None, description="The owner's id.")
    workflow: fields.Workflow | None = Field(default=None, description='The workflow, ".github/workflows/release.yml".')
    ref: fields.Ref = Field(description='The full ref, such as "refs/heads/main", or "refs/tags/*".')
    triggers: Annotated[list[fields.Trigger], _NON_EMPTY] = Field(
        default=list(GITHUB_TRIGGERS), description="The events that may have started the run."
    )
    runner: fields.Runner = Field(default="github-hosted", description="The runner environment.")
    environment: fields.OneLine | None = Field(default=None, description="The deployment environment.")
    build_signer: fields.BuildSigner | None = Field(default=None, description="The URI and ref of a reusable workflow.")
    valid: WindowDocument | None = Field(default=None, description="When the signer is valid.")


class GitLabDocument(_Document):
    """A GitLab pipeline; all fields must hold, and repository-id or owner-id is mandatory."""

    kind: Literal["gitlab"] = Field(description="What kind of signer this is.")
    issuer: fields.Issuer = Field(default="https://gitlab.com", description="The GitLab's URL, if self-hosted.")
    repository: fields.GitLabRepository = Field(description='The project, "group/project", or "group/*" with owner-id.')
    repository_id: fields.Identifier | None = Field(default=None, description="The project's id.")
    owner_id: fields.Identifier | None = Field(default=None, description="The namespace's id.")
    workflow: fields.Config | None = Field(default=None, description='The CI configuration, ".gitlab-ci.yml".')
    ref: fields.Ref = Field(description='The full ref, such as "refs/heads/main", or "refs/tags/*".')
    triggers: Annotated[list[fields.Trigger], _NON_EMPTY] = Field(
        default=list(GITLAB_TRIGGERS), description="The pipeline sources that may have started the run."
    )
    runner: fields.Runner = Field(default="gitlab-hosted", description="The runner environment.")
    environment: fields.OneLine | None = Field(default=None, description="The deployment environment.")
    build_signer: fields.BuildSigner | None = Field(
        default=None, description="The URI and ref of a CI configuration in another project; then without workflow."
    )
    valid: WindowDocument | None = Field(default=None, description="When the signer is valid.")


class EmailDocument(_Document):
    """A person, by an email address that an issuer vouches for."""

    kind: Literal["email"] = Field(description="What kind of signer this is.")
    email: fields.Email = Field(description="The address, exactly.")
    issuer: fields.Issuer = Field(description="The OIDC issuer that vouches for it.")
    valid: WindowDocument | None = Field(default=None, description="When the signer is valid.")


class GenericDocument(_Document):
    """Any other identity: an issuer and the certificate's exact SAN."""

    kind: Literal["generic"] = Field(description="What kind of signer this is.")
    san: fields.ExactName = Field(description="The certificate's subject alternative name, exactly.")
    issuer: fields.Issuer = Field(description="The OIDC issuer that vouches for it.")
    valid: WindowDocument | None = Field(default=None, description="When the signer is valid.")


SignerDocument = Annotated[
    GitHubDocument | GitLabDocument | EmailDocument | GenericDocument, Field(discriminator="kind")
]
SIGNERS: Final[dict[str, type[_Document]]] = {
    "github": GitHubDocument,
    "gitlab": GitLabDocument,
    "email": EmailDocument,
    "generic": GenericDocument,
}


class RuleDocument(_Document):
    """What must hold for a package, or for all packages, of a channel."""

    channel: fields.ChannelUrl = Field(description="The channel's canonical URL.")
    package: fields.Package = Field(description='An exact package name, which beats "*", or "*".')
    signers: Annotated[list[fields.SignerName], _NON_EMPTY] = Field(description="Names of signers, any of them.")
    threshold: fields.Count = Field(default=1, description="How many distinct signers are needed.")
    min_age: fields.Duration | None = Field(default=None, description="Cool-down, on verified time.")
    action: Action = Field(default="require", description='"report" lets pass what fails, until expires.')
    reason: fields.OneLine | None = Field(default=None, description="Why the rule only reports.")
    expires: fields.Moment | None = Field(default=None, description="Until when the rule only reports.")
    baseline: Annotated[list[fields.Digest], _NON_EMPTY] | None = Field(
        default=None, description="Digests of packages that predate signing; they are accepted as they are."
    )
    target_channel: TargetChannel = Field(default="required", description="Whether a statement must name its channel.")
    attestations: Annotated[list[Kind], _NON_EMPTY] = Field(
        default=["publish"], description="The kinds of attestation that are demanded, all of them."
    )
    builder: fields.ExactName | None = Field(default=None, description="The exact builder id of SLSA provenance.")
    trusted_root: fields.OneLine | None = Field(default=None, description="The file of a trust root of its own.")


class CheckpointDocument(_Document):
    """A patch generation that the policy vouches for."""

    generation: fields.Generation = Field(description="The generation's number.")
    payload: fields.Digest = Field(description="The SHA-256 of its signed payload.")


class PatchDocument(_Document):
    """Who may sign changes of index records of a channel."""

    channel: fields.ChannelUrl = Field(description="The channel's canonical URL.")
    signers: Annotated[list[fields.SignerName], _NON_EMPTY] = Field(description="Names of signers, any of them.")
    role: Role = Field(default="author", description='"observer" for one who only watches the channel.')
    threshold: fields.Count = Field(default=1, description="How many distinct signers are needed.")
    max_age: fields.Duration = Field(description='How old the newest generation may be, such as "7d".')
    min_age: fields.Duration | None = Field(default=None, description="Cool-down; mandatory for observers.")
    index_lag: fields.Duration | None = Field(default=None, description="How long the index may lag behind.")
    keys: Annotated[list[fields.RecordKey], _NON_EMPTY] = Field(
        default=list(PATCH_KEYS), description="The record keys that patches may change."
    )
    provenance: fields.ProvenanceUrl | None = Field(
        default=None, description="Where the generations are, if elsewhere."
    )
    checkpoint: CheckpointDocument | None = Field(default=None, description="A generation to start from.")
    trusted_root: fields.OneLine | None = Field(default=None, description="The file of a trust root of its own.")


class ChannelDocument(_Document):
    """Other names of a channel."""

    url: fields.ChannelUrl = Field(description="The channel's canonical URL.")
    mirrors: list[fields.ChannelUrl] = Field(default=[], description="Where the same packages are fetched from.")
    target_channels: list[fields.ChannelUrl] = Field(
        default=[], description="Further targetChannel claims that are accepted, such as a staging channel."
    )


class RevokedDocument(_Document):
    """What is never accepted."""

    sha256: list[fields.Digest] = Field(default=[], description="Digests of packages.")
    patch: list[fields.Digest] = Field(default=[], description="Digests of payloads of patch generations.")


class PolicyDocument(_Document):
    """Who may sign what."""

    version: fields.Version = Field(description="1, the version of this format.")
    signer: dict[str, SignerDocument] = Field(default={}, description="Signers by name: [signer.NAME].")
    rule: list[RuleDocument] = Field(default=[], description="Rules about packages: [[rule]].")
    patch: list[PatchDocument] = Field(default=[], description="Rules about patches: [[patch]].")
    channel: list[ChannelDocument] = Field(default=[], description="Names of channels: [[channel]].")
    revoked: RevokedDocument = Field(default=RevokedDocument(), description="What is never accepted: [revoked].")


LISTS: Final[dict[str, type[_Document]]] = {"rule": RuleDocument, "patch": PatchDocument, "channel": ChannelDocument}

INNER: Final[dict[str, type[_Document]]] = {"valid": WindowDocument, "checkpoint": CheckpointDocument}


def document_at(path: tuple[str | int, ...], kind: object) -> type[BaseModel] | None:
    """The model of the table at a path; `kind` is the signer's where the path leads to one."""
    match path:
        case ():
            return PolicyDocument
        case ("signer", str(), *rest):
            at: type[BaseModel] | None = SIGNERS.get(kind) if isinstance(kind, str) else None
        case (str(name), int(), *rest):
            at = LISTS.get(name)
        case ("revoked", *rest):
            at = RevokedDocument
        case _:
            return None
    for key in rest:
        at = INNER.get(str(key)) if at else None
    return at


def keys_of(model: type[BaseModel]) -> dict[str, str]:
    """The keys that a table may have, as written, each with its description."""
    return {field.alias or name: field.description or "" for name, field in model.model_fields.items()}


def json_schema() -> dict[str, Any]:
    """The JSON schema of a policy, for editors that check TOML against one."""
    schema = PolicyDocument.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "condattest policy, version 1",
        **{key: value for key, value in schema.items() if key != "title"},
    }
