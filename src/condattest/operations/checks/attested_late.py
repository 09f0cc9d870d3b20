"""Packages that were attested long after they were indexed.

Owns `AttestedLate`. What was attested later than it was served was not made by the run that built it, or not then:
somebody who has the file can still sign it. The trusted time is compared with the server's `indexed_timestamp`.
"""

from condattest.model.finding import Code, Finding
from condattest.operations.audit_spool import Row, moment
from condattest.operations.checks.check import Counting, Ran, Scope


class AttestedLate(Counting):
    """Finds them, each by its own row."""

    name = "attested-late"

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._timed = 0
        self._late = scope.late_after.total_seconds() * 1000

    def ran(self) -> Ran:
        """It needs signatures, and records that say when they were indexed."""
        if self._scope.mode == "index-only":
            return Ran(False, "index-only: no signature was looked at")
        if not self._timed:
            return Ran(False, "no attested package has an indexed_timestamp")
        return Ran(True, self._scope.limited)

    def observe(self, row: Row) -> None:
        """Count a row that is late."""
        if row.signed and row.indexed is not None:
            self._timed += 1
            # In milliseconds first: dates are made for the few that may be late.
            if any([each.at.timestamp() * 1000 - row.indexed >= self._late for each in row.signed]):
                self._count += bool(self.findings(row))

    def findings(self, row: Row) -> tuple[Finding, ...]:
        """AUDIT-LATE, with both times."""
        if not row.signed or row.indexed is None:
            return ()
        indexed, signed = moment(row.indexed), min(each.at for each in row.signed)
        if indexed is None or signed - indexed <= self._scope.late_after:
            return ()
        facts = {"indexed": indexed.isoformat(), "signed": signed.isoformat()}
        return (Finding(Code.AUDIT_LATE, row.place, facts),)
