"""May these signers sign a generation of patches for a channel?

Owns `Authority`, `authority` and `allowed`. Each bundle of a generation is held against the rule's signers at its own
earliest verified time; as many distinct ones as the threshold have to match.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from condattest.model.artifact import Sha256
from condattest.model.channel import Channel
from condattest.model.evidence import Evidence
from condattest.model.finding import Code, Finding
from condattest.policy.match import distinct, mismatches
from condattest.policy.rules import PatchRule, Policy, Role

_ANY_AGE = timedelta(days=365_000)


@dataclass(frozen=True, slots=True)
class Authority:
    """Who may sign generations, and what they may change.

    Attributes:
        rule: The rule; None takes any signer.
        root: The digest of the trust root that counts.
        keys: The keys that may be patched; None for any, where no `[[patch]]` says which.
    """

    rule: PatchRule | None
    root: Sha256
    keys: frozenset[str] | None = None

    @property
    def wanted(self) -> int:
        """How many distinct signers a generation needs."""
        return 1 if self.rule is None else self.rule.threshold

    def with_one_signer(self) -> "Authority":
        """The same, where one of the rule's signers is enough."""
        return self if self.rule is None else replace(self, rule=replace(self.rule, threshold=1))

    def allowed(self, evidence: Sequence[Evidence], *, where: str) -> tuple[Evidence, ...] | Finding:
        """The evidence that counts, or why there is not enough of it."""
        counting = [each for each in evidence if each.trust_root_sha256 == self.root]
        if self.rule is None or not counting:
            if counting:
                return tuple(counting)
            return Finding.of(Code.CRYPTO, where, expected=f"a bundle under trust root {self.root}", found="none")
        good: dict[tuple[str, str], Evidence] = {}
        refused = None
        for each in counting:
            tried = [(signer, mismatches(signer, each.signer, at=each.earliest.at)) for signer in self.rule.signers]
            nearest, wrong = min(tried, key=lambda pair: len(pair[1]))
            if not wrong:
                good.setdefault(distinct(each.signer), each)
            elif refused is None:
                refused = Finding.of(
                    Code.IDENTITY_MISMATCH,
                    where,
                    field=wrong[0].field,
                    expected=wrong[0].expected,
                    found=wrong[0].found or "nothing",
                    signer=nearest.name,
                    identity=each.signer.san,
                )
        if len(good) >= self.rule.threshold:
            return tuple(good.values())
        if not good and refused is not None:
            return refused
        return Finding.of(Code.MISSING_THRESHOLD, where, expected=self.rule.threshold, found=len(good))


def authority(policy: Policy | None, channel: Channel, role: Role, *, root: Sha256) -> Authority | Finding:
    """Who may sign generations of a channel in a role.

    Args:
        policy: The policy; None takes any signer. One that the command line made has no `[[patch]]`: its only rule
            says who.
        channel: The canonical channel.
        role: Author or observer.
        root: The digest of the trust root, where the rule names none.
    """
    if policy is None:
        return Authority(None, root)
    rule = policy.patch_for(channel, role)
    keys = None if rule is None else rule.keys
    if rule is None and not policy.patches and len(policy.rules) == 1 and policy.rules[0].channel is None:
        only = policy.rules[0]
        rule = PatchRule(name=only.name, channel=channel, signers=only.signers, max_age=_ANY_AGE, role=role)
    if rule is None or not rule.signers:
        return Finding.of(Code.POLICY_NO_PATCH_RULE, policy.source, channel=channel, role=role)
    if rule.trusted_root is not None:
        own = policy.trust_roots.get(rule.trusted_root)
        if own is None:
            return Finding.of(Code.NET_TRUST_ROOT, rule.name, expected=rule.trusted_root, found="not read")
        root = own
    return Authority(rule, root, keys)
