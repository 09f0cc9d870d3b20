"""What a policy says, as values: who may sign which packages of which channel, from when.

Owns `Policy` and all that it holds, the choice of the rule for a package, and the policies that the command line makes
without a file. Refuses two rules of equal specificity. Reading a file is `load`; numeric ids and refs are mandatory
there, and optional here, because `--repository` is a policy too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from condattest.errors import Misuse
from condattest.model.artifact import Sha256
from condattest.model.channel import Channel
from condattest.model.signer import GITHUB_ISSUER, GITLAB_ISSUER
from condattest.policy import grammar

Action = Literal["require", "report"]
Kind = Literal["publish", "slsa-provenance"]
Role = Literal["author", "observer"]
TargetChannel = Literal["required", "optional"]

ANY_PACKAGE: Final = grammar.ANY
GITHUB_TRIGGERS: Final = ("push", "release", "workflow_dispatch", "schedule")
"""Events that run a repository's own code. `pull_request_target` and `workflow_run` run for strangers
(CVE-2026-45321), so a policy has to name them."""
GITLAB_TRIGGERS: Final = ("push", "web", "schedule")
"""GitLab's pipeline sources for the same: a push, a person at the web page, a schedule."""
PATCH_KEYS: Final = (
    "constrains",
    "depends",
    "features",
    "license",
    "license_family",
    "purls",
    "revoked",
    "run_exports",
    "track_features",
)
INDEX_LAG: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Window:
    """When a signer is valid: `start` inclusive, `end` exclusive, either may be open."""

    start: datetime | None = None
    end: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Whether `at` lies in the window."""
        return (self.start is None or self.start <= at) and (self.end is None or at < self.end)

    def __str__(self) -> str:
        parts = [f"from {self.start.isoformat()}"] if self.start else []
        return " ".join([*parts, f"until {self.end.isoformat()}"] if self.end else parts) or "always"


ALWAYS: Final = Window()


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubSigner:
    """A GitHub Actions workflow. A field that is None is not asked for; all others must hold.

    `repository` is `owner/name` or `owner/*`; the ids are the decimal texts of Fulcio's claims.
    """

    name: str
    repository: str
    repository_id: str | None = None
    owner_id: str | None = None
    workflow: str | None = None
    ref: str | None = None
    triggers: tuple[str, ...] = GITHUB_TRIGGERS
    runner: str = "github-hosted"
    environment: str | None = None
    build_signer: str | None = None
    valid: Window = ALWAYS

    @property
    def issuer(self) -> str:
        """GitHub's token issuer."""
        return GITHUB_ISSUER

    @property
    def host(self) -> str:
        """What the repository's URI begins with."""
        return "https://github.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitLabSigner:
    """A GitLab pipeline. `repository` is the project's path, `workflow` the path of its CI configuration.

    `issuer` is the GitLab's own URL; another than gitlab.com is a self-hosted one.
    """

    name: str
    repository: str
    issuer: str = GITLAB_ISSUER
    repository_id: str | None = None
    owner_id: str | None = None
    workflow: str | None = None
    ref: str | None = None
    triggers: tuple[str, ...] = GITLAB_TRIGGERS
    runner: str = "gitlab-hosted"
    environment: str | None = None
    build_signer: str | None = None
    valid: Window = ALWAYS

    @property
    def host(self) -> str:
        """What the project's URI begins with."""
        return self.issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailSigner:
    """A person, by the email address that an issuer vouches for."""

    name: str
    email: str
    issuer: str
    valid: Window = ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericSigner:
    """Any other identity: an issuer and the certificate's exact SAN (Buildkite, CircleCI, Google, a private Fulcio)."""

    name: str
    san: str
    issuer: str
    valid: Window = ALWAYS


AllowedSigner = GitHubSigner | GitLabSigner | EmailSigner | GenericSigner


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What must hold for a package of a channel. `name` is shown to people.

    Attributes:
        channel: The canonical channel; None for any, which only the command line can say.
        package: An exact package name, or `*`.
        signers: Any of them; none at all means that nobody is required, and then nothing is ever accepted.
        threshold: How many distinct signers each demanded kind of attestation needs.
        attestations: The kinds that are demanded, each of them.
        builder: The exact builder id that SLSA provenance must state.
        trusted_root: The path of a trust root's file, as written; None for the caller's.
    """

    name: str
    channel: Channel | None = None
    package: str = ANY_PACKAGE
    signers: tuple[AllowedSigner, ...]
    threshold: int = 1
    min_age: timedelta = timedelta()
    action: Action = "require"
    reason: str | None = None
    expires: datetime | None = None
    baseline: frozenset[Sha256] = frozenset()
    target_channel: TargetChannel = "required"
    attestations: tuple[Kind, ...] = ("publish",)
    builder: str | None = None
    trusted_root: str | None = None

    def __post_init__(self) -> None:
        if self.threshold < 1 or not self.attestations:
            raise ValueError("a rule demands at least one attestation")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A patch generation that a policy vouches for; it outranks what a machine remembers."""

    generation: int
    payload: Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchRule:
    """Who may sign patch generations of a channel, how fresh the newest must be, which keys they may change."""

    name: str
    channel: Channel
    signers: tuple[AllowedSigner, ...]
    max_age: timedelta
    role: Role = "author"
    threshold: int = 1
    min_age: timedelta = timedelta()
    index_lag: timedelta = INDEX_LAG
    keys: frozenset[str] = frozenset(PATCH_KEYS)
    provenance: Channel | None = None
    checkpoint: Checkpoint | None = None
    trusted_root: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEntry:
    """A channel, the mirrors that it is fetched from, and further targetChannel claims that are accepted for it."""

    url: Channel
    mirrors: tuple[Channel, ...] = ()
    target_channels: tuple[Channel, ...] = ()


@dataclass(frozen=True, slots=True)
class Revoked:
    """Digests that are never accepted: packages, and payloads of patch generations."""

    sha256: frozenset[Sha256] = frozenset()
    patch: frozenset[Sha256] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A whole policy. `source` is its path or what else it was made of, `sha256` the digest of its text.

    `signers` are all that the file defines, used or not. `trust_roots` gives, for each `trusted_root` path of a rule,
    the digest of the trust root that was read from it.
    """

    source: str
    rules: tuple[Rule, ...] = ()
    patches: tuple[PatchRule, ...] = ()
    channels: tuple[ChannelEntry, ...] = ()
    revoked: Revoked = Revoked()
    signers: tuple[AllowedSigner, ...] = ()
    sha256: Sha256 | None = None
    trust_roots: Mapping[str, Sha256] = field(default_factory=dict, hash=False)
    _by_place: Mapping[tuple[str | None, str], Rule] = field(init=False, repr=False, compare=False)
    _entries: Mapping[str, ChannelEntry] = field(init=False, repr=False, compare=False)
    _claimed: Mapping[str, tuple[Channel, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_place = {(rule.channel and rule.channel.url, rule.package): rule for rule in self.rules}
        if len(by_place) != len(self.rules):
            raise ValueError("two rules are equally specific")
        entries = {url.url: entry for entry in self.channels for url in (entry.url, *entry.mirrors)}
        claimed: dict[str, tuple[Channel, ...]] = {}
        for entry in self.channels:
            for url in (*entry.mirrors, *entry.target_channels):
                claimed[url.url] = (*claimed.get(url.url, ()), entry.url)
        object.__setattr__(self, "_by_place", by_place)
        object.__setattr__(self, "_entries", entries)
        object.__setattr__(self, "_claimed", claimed)

    def home(self, channel: Channel) -> Channel:
        """The canonical channel that `channel` is, or is a mirror of."""
        entry = self._entries.get(channel.url)
        return channel if entry is None else entry.url

    def accepted_claims(self, channel: Channel) -> frozenset[Channel]:
        """Every targetChannel that a statement may name for a canonical channel."""
        entry = self._entries.get(channel.url)
        return frozenset((channel,) if entry is None else (entry.url, *entry.mirrors, *entry.target_channels))

    def claimed_by(self, target: Channel) -> tuple[Channel, ...]:
        """The canonical channels for which a statement with this targetChannel may be meant, itself first."""
        return tuple(dict.fromkeys((target, *self._claimed.get(target.url, ()))))

    def rule_for(self, package: str, channel: Channel | None) -> Rule | None:
        """The one rule about a package of a canonical channel: its exact name, or `*`."""
        by_place = self._by_place
        rule = None
        if channel is not None:
            rule = by_place.get((channel.url, package)) or by_place.get((channel.url, ANY_PACKAGE))
        return rule or by_place.get((None, package)) or by_place.get((None, ANY_PACKAGE))

    def patch_for(self, channel: Channel, role: Role = "author") -> PatchRule | None:
        """The `[[patch]]` of a canonical channel for a role."""
        return next((patch for patch in self.patches if patch.channel == channel and patch.role == role), None)


def with_trust_roots(policy: Policy, digests: Mapping[str, Sha256]) -> Policy:
    """The policy with the digests of the trust roots that its rules name by path."""
    return replace(policy, trust_roots=dict(digests))


def for_repository(repository: str, *, workflow: str | None = None, ref: str | None = None) -> Policy:
    """A policy that asks for one GitHub repository, for any package of any channel.

    Raises:
        Misuse: Not `owner/name`, or not a workflow's path or a full ref.
    """
    option = f"--repository {repository}"
    if repository.endswith("/" + ANY_PACKAGE):
        # A name can be taken over; only a policy file can give the owner's id that makes a wildcard safe.
        raise Misuse(f'{option}: expected "owner/name"', hint="a wildcard needs owner-id, which only a policy file has")
    try:
        grammar.github_repository(repository)
        if workflow is not None:
            grammar.workflow(workflow)
        if ref is not None:
            grammar.ref(ref)
    except ValueError as error:
        raise Misuse(f"{option}: expected {error}") from None
    signer = GitHubSigner(name=repository, repository=repository, workflow=workflow, ref=ref)
    return Policy(source=option, rules=(Rule(name=option, signers=(signer,)),))


def for_identity(identity: str, issuer: str) -> Policy:
    """A policy that asks for one exact SAN of one issuer, for any package of any channel."""
    option = f"--identity {identity}"
    signer = GenericSigner(name=identity, san=identity, issuer=issuer)
    return Policy(source=f"{option} --issuer {issuer}", rules=(Rule(name=option, signers=(signer,)),))


def nobody_required() -> Policy:
    """A policy that requires nobody: statements are bound, signers are reported, and nothing is accepted."""
    return Policy(source="no policy", rules=(Rule(name="nobody required", signers=()),))
