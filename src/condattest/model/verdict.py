"""Say whether an artifact may be installed: a closed union that must be taken apart by `match`.

No verdict has a truth value: `if verdict:` would pass a rejection, so it raises. Only `Accepted` lets anything in;
`Undecided` means a fact could not be had, and callers fail closed on it.
"""

from dataclasses import dataclass
from typing import NoReturn

from condattest.model.evidence import Evidence
from condattest.model.finding import Finding


class _NoTruthValue:
    __slots__ = ()

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict has no truth value; match on Accepted, Rejected, Undecided")


@dataclass(frozen=True, slots=True)
class Accepted(_NoTruthValue):
    """The policy allows the artifact: by which rule, on what evidence, with what notes.

    `evidence` is empty only where a rule accepts by digest alone (a baseline) or in report mode; a note says so then.
    """

    rule: str
    evidence: tuple[Evidence, ...]
    notes: tuple[Finding, ...] = ()

    def with_notes(self, *notes: Finding) -> "Accepted":
        """The same, with more to be said of it."""
        return Accepted(self.rule, self.evidence, (*self.notes, *notes))


@dataclass(frozen=True, slots=True)
class Rejected(_NoTruthValue):
    """Something is wrong; `findings` is never empty. `seen` is what was authenticated all the same, for the report."""

    findings: tuple[Finding, ...]
    seen: tuple[Evidence, ...] = ()

    def __post_init__(self) -> None:
        if not self.findings:
            raise ValueError("a rejection needs a finding")


@dataclass(frozen=True, slots=True)
class Undecided(_NoTruthValue):
    """A fact could not be had; `findings` is never empty. `seen` is what was authenticated all the same."""

    findings: tuple[Finding, ...]
    seen: tuple[Evidence, ...] = ()

    def __post_init__(self) -> None:
        if not self.findings:
            raise ValueError("an undecided verdict needs a finding")


Verdict = Accepted | Rejected | Undecided
