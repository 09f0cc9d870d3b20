"""What is asked of packages, and what is answered: the values of `verify`.

Owns `Question` and `Verification`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from condattest.model.artifact import PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.model.verdict import Verdict
from condattest.operations.attestations import Style
from condattest.operations.judgement import Judged
from condattest.operations.patch_verdict import Demand
from condattest.policy.rules import Policy, Rule
from condattest.signatures.trust_root import TrustRoot


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of every target.

    Attributes:
        policy: What must hold.
        channel: The channel that the packages are expected to come from; None: as the target says, if it does.
        subdir: The subdir of targets that are known by digest alone.
        bundles: Bundles or sidecars to use instead of those found beside the target or through the index.
        sigs_url: A sidecar or bundle to fetch instead.
        style: Which sidecars are looked for.
        roots: The trust roots that rules of the policy name, by their path there.
        patches: Whether the patches of index records are judged.
    """

    policy: Policy
    channel: Channel | None = None
    subdir: str | None = None
    bundles: tuple[Path, ...] = ()
    sigs_url: str | None = None
    style: Style = "cep50"
    roots: Mapping[str, TrustRoot] = field(default_factory=dict)
    patches: Demand = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The answer for one target.

    Attributes:
        target: The target as it was given, without credentials.
        file: Its file name; None where not even that is told.
        sha256: The digest of its bytes, where they were had.
        channel: The channel that it was judged for.
        attestations: Where attestations were found.
        judged: How the policy judged it; None where it did not come to that.
        verdict: Accepted, Rejected or Undecided.
    """

    target: str
    file: PackageFile | None
    sha256: Sha256 | None
    channel: Channel | None
    attestations: tuple[str, ...]
    judged: Judged | None
    verdict: Verdict

    @property
    def rule(self) -> Rule | None:
        """The policy's rule that applied, if one did."""
        return None if self.judged is None else self.judged.judgement.rule
