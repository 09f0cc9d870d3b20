"""Packages for which something could not be had.

Owns `Undecided`.
"""

from condattest.operations.audit_spool import Row
from condattest.operations.checks.check import Counting, Ran


class Undecided(Counting):
    """Counts them; the reasons are among the rows' own findings."""

    name = "undecided"

    def ran(self) -> Ran:
        """It does not run where nothing was asked for."""
        if self._scope.mode == "index-only":
            return Ran(False, "index-only: no sidecar was asked for, so every attested package is undecided")
        return Ran(True, self._scope.limited)

    def observe(self, row: Row) -> None:
        """Count a row that is undecided."""
        self._count += row.status == "undecided"
