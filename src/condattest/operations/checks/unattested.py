"""Packages that the index lists without an attestation.

Owns `Unattested`.
"""

from condattest.operations.audit_spool import Row
from condattest.operations.checks.check import Counting, Ran


class Unattested(Counting):
    """Counts them; what is to be said of each is among the row's own findings."""

    name = "unattested"

    def ran(self) -> Ran:
        """It always runs."""
        return Ran(True, self._scope.limited)

    def observe(self, row: Row) -> None:
        """Count a row that is unattested."""
        self._count += row.status == "unattested"
