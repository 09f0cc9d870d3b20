"""Which records of an index may clients see?

Owns `ByIndex`, `Gathering`, `Decided`, `Sheet` and `Refusal`. By the index alone, a record goes where the policy would
reject its package with no attestation, and the record names none. Whether an attestation holds is for `verify` to say:
`Gathering` collects what is to be verified, and `Decided` leaves out what was not accepted.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final

from condattest.formats.filtered import Filtered, Screen
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding
from condattest.model.verdict import Accepted
from condattest.policy.decide import decide
from condattest.policy.rules import Policy, Rule

SHOWN: Final = 200
"""Records of an index that a sheet names; the others are counted."""


class ByIndex:
    """A screen that goes by the index alone. Several threads may share it.

    Args:
        policy: What must hold.
        channel: Where the index is from.
        now: The time of the judgement.
    """

    def __init__(self, policy: Policy, channel: Channel, now: datetime) -> None:
        self._policy = policy
        self._home = policy.home(channel)
        self._now = now
        self._baselines: dict[str, frozenset[Sha256]] = {}
        self._unattested: dict[str, Finding | None] = {}
        self._without_rule: dict[str, Finding | None] = {}

    def __call__(self, name: str, file: str, sha256: str, sidecar: str | None) -> Finding | None:
        """Say why a record must go, or None."""
        if sha256 in self._policy.revoked.sha256:
            return Finding.of(Code.IDENTITY_REVOKED, self._policy.source, sha256=sha256)
        if name not in self._unattested:
            self._learn(name, file)
        if sidecar is not None:
            return self._without_rule[name]
        return None if sha256 in self._baselines[name] else self._unattested[name]

    def _learn(self, name: str, file: str) -> None:
        """Ask the policy once for each name; only the digest could make a difference, and that is looked at above."""
        rule = self._policy.rule_for(name, self._home)
        nobody = Sha256("0" * 64)  # In no baseline that anybody could have written for a package's bytes.
        artifact = Artifact(PackageFile.parse(file), nobody)
        verdict = decide(self._policy, artifact, self._home, (), (), now=self._now)
        finding = None if isinstance(verdict, Accepted) else _about(name, verdict.findings)
        self._without_rule[name] = finding if rule is None else None
        self._baselines[name] = frozenset() if rule is None else rule.baseline
        self._unattested[name] = finding


def epoch(policy: Policy, now: datetime) -> Hashable:
    """What of the time makes a difference to `ByIndex`: which exceptions are still open."""

    def is_open(rule: Rule) -> bool:
        return rule.action == "report" and rule.expires is not None and now < rule.expires

    return frozenset(rule.name for rule in policy.rules if is_open(rule))


def _about(name: str, findings: Sequence[Finding]) -> Finding:
    first = findings[0]
    return Finding(first.code, name if first.code is Code.MISSING_ATTESTATION else first.where, first.facts)


@dataclass(slots=True)
class Gathering:
    """A screen that gathers the digests of the files that another one lets pass."""

    screen: Screen
    passed: dict[str, Sha256] = field(default_factory=dict)

    def __call__(self, name: str, file: str, sha256: str, sidecar: str | None) -> Finding | None:
        """As the other one."""
        finding = self.screen(name, file, sha256, sidecar)
        if finding is None:
            self.passed[file] = Sha256(sha256)
        return finding


@dataclass(frozen=True, slots=True)
class Decided:
    """A screen that leaves out what another one does, and the files that were not accepted."""

    screen: Screen
    refused: Mapping[str, Finding]

    def __call__(self, name: str, file: str, sha256: str, sidecar: str | None) -> Finding | None:
        """As the other one; or why the file was not accepted."""
        return self.refused.get(file) or self.screen(name, file, sha256, sidecar)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a screen did to an index file.

    Attributes:
        kept: How many records stay.
        counts: By code, how many records do not.
        shown: Some of these, by file name.
        emptied: What holds no conda packages or leads to other channels, and did hold something.
    """

    kept: int
    counts: Mapping[Code, int]
    shown: Mapping[str, Finding]
    emptied: tuple[str, ...] = ()

    @property
    def left_out(self) -> int:
        """How many records do not stay."""
        return sum(self.counts.values())


def sheet(filtered: Sequence[Filtered]) -> Sheet:
    """Sum up what was left out of an index file, or out of its shards."""
    counts = Counter(finding.code for each in filtered for finding in each.left_out.values())
    left_out = (pair for each in filtered for pair in each.left_out.items())
    emptied = dict.fromkeys(name for each in filtered for name in each.emptied)
    return Sheet(sum(each.kept for each in filtered), counts, dict(islice(left_out, SHOWN)), tuple(emptied))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was refused: when, for what, with which status and findings."""

    at: datetime
    path: str
    status: int
    findings: tuple[Finding, ...]
