"""How often each rule of a policy was used: a rule that never was is a rule that may be about nothing.

Owns `Uses`. Counts judgements, accepted or not; a package that no rule is about is counted apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from condattest.policy.rules import Policy, Rule


@dataclass(slots=True)
class Uses:
    """A count of the judgements by rule; it grows with `count`."""

    policy: Policy
    without_rule: int = 0
    _counts: dict[str, int] = field(default_factory=dict)

    def count(self, rule: Rule | None) -> None:
        """Count one judgement: by this rule, or by none."""
        if rule is None:
            self.without_rule += 1
        else:
            self._counts[rule.name] = self._counts.get(rule.name, 0) + 1

    def by_rule(self) -> Iterator[tuple[Rule, int]]:
        """Each rule in the policy's order, with how often it was used."""
        return ((rule, self._counts.get(rule.name, 0)) for rule in self.policy.rules)

    def never(self) -> list[Rule]:
        """The rules that were not used at all."""
        return [rule for rule, count in self.by_rule() if count == 0]
