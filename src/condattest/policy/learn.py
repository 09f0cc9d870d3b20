"""Trust on first use: propose a policy from what was authenticated, or what would change in one.

Owns `learn`. Text and values in, text and typed changes out. Refuses to widen silently: what an existing rule does not
allow (another signer, no attestation any more) is a regression that is shown, and changes the text only with `accept`;
so does a package with several signers at first sight, since any channel may carry a stranger's bundle beside the
publisher's. What is not bound to its package and channel teaches nothing.
"""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from condattest.model.channel import Channel
from condattest.model.evidence import Evidence
from condattest.model.finding import Code, Finding
from condattest.policy import load
from condattest.policy.bind import Bound, Unbound, bind, channel_finding
from condattest.policy.drafts import Draft
from condattest.policy.identities import essence, identity, join, narrowest, suggest_name
from condattest.policy.match import Mismatch, mismatches
from condattest.policy.proposals import (
    AttestationLost,
    Change,
    NotLearned,
    Observed,
    Proposal,
    RuleAdded,
    SeveralSigners,
    SignerAdded,
    SignerChanged,
    Unchanged,
)
from condattest.policy.rules import ANY_PACKAGE, AllowedSigner, Policy, Rule


def learn(
    observed: Sequence[Observed],
    existing: str | None = None,
    *,
    where: str,
    now: datetime,
    accept: bool = False,
    whole_channel: bool = False,
) -> Proposal:
    """Propose a policy under which what was observed is accepted.

    Args:
        observed: The packages.
        existing: The text of the policy to extend; None for a new one.
        where: What to call the policy.
        now: The time by which the existing policy is read.
        accept: Whether to apply changes that allow more signers to a package than before.
        whole_channel: Whether to write one rule for `*` where all packages of a channel have the same signers.

    Raises:
        PolicyInvalid: The existing text is no policy, or cannot be extended as it is laid out.
    """
    policy = Policy(source=where) if existing is None else load.parse(existing.encode(), where=where, now=now)
    lesson = _Lesson(policy, Draft(existing), where, accept)
    lesson.take(observed, whole_channel=whole_channel)
    text = lesson.draft.text
    if text != existing and lesson.draft_has_rules:
        load.parse(text.encode(), where=f"{where}, as proposed", now=now)
    before = [] if existing is None else existing.splitlines(keepends=True)
    diff = "".join(difflib.unified_diff(before, text.splitlines(keepends=True), where, f"{where}, as proposed"))
    return Proposal(text, tuple(lesson.changes), diff)


class _Lesson:
    def __init__(self, policy: Policy, draft: Draft, where: str, accept: bool) -> None:
        self.policy = policy
        self.draft = draft
        self.where = where
        self.accept = accept
        self.changes: list[Change] = []
        self.names: dict[AllowedSigner, str] = {replace(signer, name=""): signer.name for signer in policy.signers}
        self.draft_has_rules = bool(policy.rules or policy.patches)

    def take(self, observed: Sequence[Observed], *, whole_channel: bool) -> None:
        """Learn from all of it."""
        groups: dict[tuple[Channel, str], list[Observed]] = {}
        for each in observed:
            groups.setdefault((self.policy.home(each.channel), each.artifact.file.name), []).append(each)
        fresh: dict[Channel, dict[str, list[AllowedSigner]]] = {}
        for (channel, package), seen in groups.items():
            rule = self.policy.rule_for(package, channel)
            if rule is not None:
                self._against(rule, channel, package, seen)
            elif signers := self._first_sight(channel, package, seen):
                fresh.setdefault(channel, {})[package] = signers
        for channel, packages in fresh.items():
            self._add_rules(channel, packages, whole_channel=whole_channel)

    def _add_rules(self, channel: Channel, packages: dict[str, list[AllowedSigner]], *, whole_channel: bool) -> None:
        # Signers that many packages share are joined before they are written: their events and tags differ.
        joined = join([signer for signers in packages.values() for signer in signers])
        whole = {essence(signer): signer for signer in joined}
        allowed = {package: [whole[essence(signer)] for signer in signers] for package, signers in packages.items()}
        sets = {tuple(signers) for signers in allowed.values()}
        if whole_channel and len(sets) == 1 and self.policy.rule_for(ANY_PACKAGE, channel) is None:
            self._add_rule(channel, ANY_PACKAGE, list(sets.pop()), f"{len(packages)} packages, all with these signers")
            return
        for package, signers in allowed.items():
            self._add_rule(
                channel, package, signers, "seen with this signer" if len(signers) == 1 else "seen with these"
            )

    def _add_rule(self, channel: Channel, package: str, signers: list[AllowedSigner], comment: str) -> None:
        names = tuple(self._name(signer) for signer in signers)
        self.draft.add_rule({"channel": channel.url, "package": package, "signers": list(names)}, comment)
        self.draft_has_rules = True
        self.changes.append(RuleAdded(channel, package, names))

    def _name(self, signer: AllowedSigner) -> str:
        """The name of the signer in the policy, which has it from then on."""
        key = replace(signer, name="")
        if key not in self.names:
            taken = {signer.name for signer in self.policy.signers} | set(self.names.values())
            wanted = suggest_name(signer)
            name = next(
                each for each in (wanted, *(f"{wanted}-{n}" for n in range(2, len(taken) + 3))) if each not in taken
            )
            self.names[key] = name
            self.draft.add_signer(name, signer, _described(signer))
            self.changes.append(SignerAdded(name, _described(signer)))
        return self.names[key]

    def _first_sight(self, channel: Channel, package: str, seen: list[Observed]) -> list[AllowedSigner]:
        """The signers to pin for a package that no rule is about; none if a person has to decide first."""
        found: list[AllowedSigner] = []
        for each in seen:
            bound = list(self._bound(each, channel))
            for evidence in bound:
                signer = narrowest(evidence)
                if signer is None:
                    finding = Finding.of(Code.IDENTITY_CERTIFICATE, each.artifact, identity=evidence.signer.san)
                    self.changes.append(NotLearned(channel, package, finding))
                else:
                    found.append(signer)
            if not bound:
                missing = Code.MISSING_PUBLISH if each.evidence else Code.MISSING_ATTESTATION
                self.changes.append(NotLearned(channel, package, Finding.of(missing, each.artifact)))
        signers = join(found)
        if len(signers) > 1:
            identities = tuple(_described(signer) for signer in signers)
            self.changes.append(SeveralSigners(channel, package, identities, self.accept))
            return signers if self.accept else []
        return signers

    def _against(self, rule: Rule, channel: Channel, package: str, seen: list[Observed]) -> None:
        """Compare what was seen with the rule that is about it."""
        strangers: list[Evidence] = []
        regressed = False
        for each in seen:
            if each.artifact.sha256 in rule.baseline:
                continue
            bound = list(self._bound(each, channel, rule))
            if not bound:
                self.changes.append(AttestationLost(channel, package, rule.name, each.artifact))
                regressed = True
            elif not any(_allowed(rule, evidence) for evidence in bound):
                strangers.extend(bound)
        if strangers:
            self._strangers(rule, channel, package, strangers)
        elif not regressed:
            self.changes.append(Unchanged(channel, package, rule.name))

    def _strangers(self, rule: Rule, channel: Channel, package: str, evidence: list[Evidence]) -> None:
        pinned = [(each, narrowest(each)) for each in evidence]
        signers = join([signer for _, signer in pinned if signer is not None])
        applied = self.accept and bool(signers)
        reported: set[str] = set()
        for each, _ in pinned:
            if each.signer.san not in reported:
                reported.add(each.signer.san)
                wrong = _nearest(rule, each)
                self.changes.append(SignerChanged(channel, package, rule.name, each.signer.san, wrong, applied))
        if not applied:
            return
        index = self.policy.rules.index(rule)
        names = [self._name(signer) for signer in signers]
        if rule.package != ANY_PACKAGE:
            self.draft.join_signers(index, names, self.where)
            return
        # The rule for `*` stays as it is: the package gets one of its own, equal in all but its signers.
        fields: dict[str, Any] = self.draft.fields_of_rule(index)
        fields.update(package=package, signers=[*(signer.name for signer in rule.signers), *names])
        fields.pop("baseline", None)
        self.draft.add_rule(fields, f"was {rule.name}; another signer was accepted")
        self.changes.append(RuleAdded(channel, package, tuple(fields["signers"])))

    def _bound(self, each: Observed, channel: Channel, rule: Rule | None = None) -> Iterator[Evidence]:
        """The evidence that is a publish attestation of the package for the channel; the rest is noted."""
        asked = rule or Rule(name="", signers=())
        for evidence in each.evidence:
            outcome = bind(evidence, each.artifact)
            finding: Finding | None = None
            if isinstance(outcome, Bound) and outcome.kind == "publish":
                finding = channel_finding(outcome, channel, asked, self.policy)
                if finding is None:
                    yield evidence
            elif isinstance(outcome, Unbound):
                finding = outcome.finding
            if finding is not None:
                self.changes.append(NotLearned(channel, each.artifact.file.name, finding.at(each.artifact)))


def _allowed(rule: Rule, evidence: Evidence) -> bool:
    return any(not mismatches(signer, evidence.signer, at=evidence.earliest.at) for signer in rule.signers)


def _nearest(rule: Rule, evidence: Evidence) -> tuple[Mismatch, ...]:
    return min((mismatches(signer, evidence.signer, at=evidence.earliest.at) for signer in rule.signers), key=len)


def _described(signer: AllowedSigner) -> str:
    return f"{identity(signer)}, {signer.issuer}"
