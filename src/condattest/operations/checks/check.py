"""What every check of an audit is.

Owns `Check`, `Counting`, `Scope`, `Ran`, `found_in` and `counts`. A check sees each row once, in the order of the
audit, and keeps no rows; after the last one it says how many packages it found something about, and what, when it is
shown a row again. One that could not run says why, and is no pass.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from condattest.model.audit import Mode, check_of
from condattest.model.finding import CODES, Finding, Severity
from condattest.operations.audit_spool import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What an audit looks at, as far as checks depend on it.

    Attributes:
        mode: How much is looked at.
        part: Which part of how many; None for the whole.
        is_store: Whether the channel is a store, whose folders can be listed.
        has_policy: Whether there is a policy.
        patches: Why patches are not judged; empty where they are.
        late_after: How long after it was indexed a package may be attested.
        now: The time of the audit.
    """

    mode: Mode
    part: tuple[int, int] | None = None
    is_store: bool = False
    has_policy: bool = False
    patches: str = ""
    late_after: timedelta
    now: datetime

    @property
    def limited(self) -> str:
        """What the mode limits a check to; empty where it does not."""
        return {
            "sample": "only a sample was looked at",
            "since": "only what was indexed since then, or at no stated time, was looked at",
        }.get(self.mode, "")

    @property
    def lists_folders(self) -> bool:
        """Whether this audit, or this part of it, looks at all files of a store."""
        return self.is_store and self.mode == "full" and self.is_first

    @property
    def is_first(self) -> bool:
        """Whether this part, or the whole, looks at what belongs to no package."""
        return self.part is None or self.part[0] == 1


@dataclass(frozen=True, slots=True)
class Ran:
    """Whether a check runs in a scope, and what is to be said of that."""

    ran: bool
    reason: str = ""


class Check(Protocol):
    """One check."""

    @property
    def name(self) -> str:
        """Its name in `CHECKS`."""
        ...

    def ran(self) -> Ran:
        """Whether it runs at all, and why not or what it is limited to."""
        ...

    def observe(self, row: Row) -> None:
        """See a row, once, in the order of the audit."""
        ...

    def found(self) -> int:
        """How many packages it found something about; asked after the last row."""
        ...

    def findings(self, row: Row) -> tuple[Finding, ...]:
        """What it has to say of a row that is not among the row's own findings; asked after the last row."""
        ...


class Counting:
    """What checks share that count rows, and have nothing to say of them beyond the rows' own findings."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._count = 0

    def found(self) -> int:
        """How many there are."""
        return self._count

    def findings(self, row: Row) -> tuple[Finding, ...]:
        """Nothing more."""
        return ()


_CHECK_OF: Final = {
    code.value: check_of(code)
    for code in CODES.values()
    if code.severity is not Severity.NOTE or code.startswith("AUDIT-")
}


def found_in(row: Row, name: str) -> bool:
    """Whether a row has a finding of a check, notes aside."""
    return any([_CHECK_OF.get(code) == name for code, _, _ in row.found])


def counts(finding: Finding, name: str) -> bool:
    """Whether a finding is one of a check, notes aside."""
    return _CHECK_OF.get(finding.code.value) == name
