"""What trust on first use looks at, and what it proposes, as values.

Owns `Observed`, the kinds of `Change`, and `Proposal`. Making one is `learn`.
"""

from dataclasses import dataclass

from condattest.model.artifact import Artifact
from condattest.model.channel import Channel
from condattest.model.evidence import Evidence
from condattest.model.finding import Finding
from condattest.policy.match import Mismatch


@dataclass(frozen=True, slots=True)
class Observed:
    """One package as it was found: where, and what was authenticated about it; nothing if it is unattested."""

    artifact: Artifact
    channel: Channel
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class SignerAdded:
    """A signer is written into the policy."""

    name: str
    identity: str


@dataclass(frozen=True, slots=True)
class RuleAdded:
    """A rule is written for a package, or for `*`, that no rule was about."""

    channel: Channel
    package: str
    signers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """An existing rule allows what was seen."""

    channel: Channel
    package: str
    rule: str


@dataclass(frozen=True, slots=True)
class SignerChanged:
    """A regression: a rule is about the package, and it was signed by somebody else.

    `mismatches` are those of the rule's nearest signer; `applied` says whether the new signer was added to the rule.
    """

    channel: Channel
    package: str
    rule: str
    identity: str
    mismatches: tuple[Mismatch, ...]
    applied: bool


@dataclass(frozen=True, slots=True)
class AttestationLost:
    """A regression: a rule requires attestations of the package, and this file has none. Never applied."""

    channel: Channel
    package: str
    rule: str
    artifact: Artifact


@dataclass(frozen=True, slots=True)
class SeveralSigners:
    """A package that no rule is about was signed by several; `applied` says whether all of them were written."""

    channel: Channel
    package: str
    identities: tuple[str, ...]
    applied: bool


@dataclass(frozen=True, slots=True)
class NotLearned:
    """Something that teaches nothing: no attestation, one of another package, or a signer that cannot be pinned."""

    channel: Channel | None
    package: str
    finding: Finding


Change = SignerAdded | RuleAdded | Unchanged | SignerChanged | AttestationLost | SeveralSigners | NotLearned


@dataclass(frozen=True, slots=True)
class Proposal:
    """The policy's text as it would be, what changes in it, and the same as a unified diff."""

    text: str
    changes: tuple[Change, ...]
    diff: str

    @property
    def regressions(self) -> tuple[Change, ...]:
        """The changes that a person has to look at."""
        return tuple(each for each in self.changes if isinstance(each, SignerChanged | AttestationLost))
