"""Who signed what when a lock file was made: identities that must stay, beside whatever a policy says.

Owns `Pins` and `parse`. The file has the form of a policy that can do one thing only: name signers for a package of a
channel.

    version = 1
    [signer.me-numbers]
    kind = "github"
    repository = "me/numbers"
    repository-id = 42
    ...
    [[rule]]
    channel = "https://conda.example/channel"
    package = "numbers"
    signers = ["me-numbers"]

Refuses all that could let something pass or that has no meaning here: `*`, baselines, report mode, thresholds, patches,
mirrors, trust roots. Pins are held against a verdict that a policy has given, so they can only ever narrow it.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from condattest.errors import Malformed, PolicyInvalid
from condattest.formats import publish, statement
from condattest.model.artifact import PackageFile
from condattest.model.channel import Channel
from condattest.model.evidence import Evidence
from condattest.model.finding import Code, Finding
from condattest.policy import load
from condattest.policy.documents import PolicyDocument, RuleDocument
from condattest.policy.identities import identity
from condattest.policy.match import mismatches
from condattest.policy.rules import ANY_PACKAGE, Policy, Rule

SUFFIX: Final = ".attest.toml"
_TOP: Final = frozenset({"version", "signer", "rule"})
_RULE: Final = frozenset({"channel", "package", "signers"})


@dataclass(frozen=True, slots=True)
class Pins:
    """The identities of the packages of one lock file."""

    policy: Policy

    def finding(self, file: PackageFile, channel: Channel | None, evidence: Sequence[Evidence]) -> Finding | None:
        """What speaks against a package that a policy accepts, or a note where nothing is pinned for it.

        Args:
            file: The package.
            channel: Its channel; None if nobody says.
            evidence: What the policy accepted it on.
        """
        named = [rule for rule in self.policy.rules if rule.package == file.name]
        if not named:
            return Finding.of(Code.IDENTITY_UNPINNED, file, identities=self.policy.source)
        here = [rule for rule in named if channel is None or rule.channel == channel]
        if not here:
            expected = ", ".join(str(rule.channel) for rule in named)
            return Finding.of(Code.IDENTITY_PINNED, file, field="channel", expected=expected, found=channel)
        # Who built it, say, is another question than who published it.
        evidence = [each for each in evidence if _publishes(each)]
        if any(_holds(rule, each) for rule in here for each in evidence):
            return None
        expected = " or ".join(f"{identity(signer)}, {signer.issuer}" for rule in here for signer in rule.signers)
        found = ", ".join(each.signer.san for each in evidence) or "no attestation that counts"
        return Finding.of(Code.IDENTITY_PINNED, file, expected=expected, found=found, **_nearest(here, evidence))


def parse(data: bytes, *, where: str, now: datetime) -> Pins:
    """Read the identities of a lock file.

    Raises:
        PolicyInvalid: It is no such file; `problems` holds everything that is wrong.
    """
    found = list(_beyond(data))
    try:
        policy = load.parse(data, where=where, now=now)
    except PolicyInvalid as error:
        raise PolicyInvalid(where, [*error.problems, *found]) from None
    if found:
        raise PolicyInvalid(where, found)
    return Pins(policy)


def _beyond(data: bytes) -> Iterator[str]:
    """What a policy may say, and pins may not."""
    try:
        raw = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        return  # The policy's own reader says it better.
    for key in sorted(raw.keys() & _known(PolicyDocument) - _TOP):
        yield f"{key}: a lock file's identities have only signers and rules"
    rules = raw.get("rule", [])
    for number, rule in enumerate(rules if isinstance(rules, list) else [], start=1):
        if isinstance(rule, dict):
            yield from _beyond_rule(rule, f"rule {number}")


def _beyond_rule(rule: Mapping[str, Any], where: str) -> Iterator[str]:
    if rule.get("package") == ANY_PACKAGE:
        yield f"{where}: package: expected the name of one package, found '*'"
    for key in sorted(rule.keys() & _known(RuleDocument) - _RULE):
        yield f"{where}: {key}: a rule of a lock file's identities has only channel, package and signers"


def _known(document: type[PolicyDocument] | type[RuleDocument]) -> set[str]:
    """The keys that a policy knows; others are told as such by its reader."""
    return {field.alias or name for name, field in document.model_fields.items()}


def _publishes(evidence: Evidence) -> bool:
    try:
        return statement.parse(evidence.payload_type, evidence.payload).predicate_type == publish.PREDICATE_TYPE
    except Malformed:
        return False


def _holds(rule: Rule, evidence: Evidence) -> bool:
    return any(not mismatches(signer, evidence.signer, at=evidence.earliest.at) for signer in rule.signers)


def _nearest(rules: Sequence[Rule], evidence: Sequence[Evidence]) -> dict[str, str]:
    """The field that differs, where a single one of the nearest signer does."""
    tried = [
        mismatches(signer, each.signer, at=each.earliest.at)
        for rule in rules
        for signer in rule.signers
        for each in evidence
    ]
    nearest = min(tried, key=len, default=())
    return {"differs": ", ".join(each.field for each in nearest)} if nearest else {}
