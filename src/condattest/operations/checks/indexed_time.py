"""Packages whose indexed_timestamp cannot be true.

Owns `IndexedTime`. Few things contradict a server's time for certain. A package may be indexed before it is attested
(then it is late) or long after. But a server cannot have indexed anything later than now, nor at a time that is no
date.
"""

from datetime import timedelta
from typing import Final

from condattest.model.finding import Code, Finding
from condattest.operations.audit_spool import Row, moment
from condattest.operations.checks.check import Counting, Ran, Scope

SKEW: Final = timedelta(minutes=10)
"""By how much the server's clock and ours may differ."""


class IndexedTime(Counting):
    """Finds them, each by its own row."""

    name = "indexed-time"

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._timed = 0
        self._now = int(scope.now.timestamp() * 1000)

    def ran(self) -> Ran:
        """It needs records that say when they were indexed."""
        if not self._timed:
            return Ran(False, "no record has an indexed_timestamp")
        return Ran(True, self._scope.limited)

    def observe(self, row: Row) -> None:
        """Count a row whose time cannot be true."""
        if row.indexed is not None:
            self._timed += 1
            if not 0 <= row.indexed <= self._now:  # No date is made of the others.
                self._count += bool(self.findings(row))

    def findings(self, row: Row) -> tuple[Finding, ...]:
        """AUDIT-INDEXED-TIME, with the time."""
        if row.indexed is None:
            return ()
        at = moment(row.indexed)
        if at is not None and at <= self._scope.now + SKEW:
            return ()
        found = f"{row.indexed} ms, which is no date" if at is None else at.isoformat()
        expected = "no time in the future"
        signed = min((each.at for each in row.signed), default=None)
        trusted = None if signed is None else signed.isoformat()
        return (Finding.of(Code.AUDIT_INDEXED_TIME, row.place, expected=expected, found=found, signed=trusted),)
