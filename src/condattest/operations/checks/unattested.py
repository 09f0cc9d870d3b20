"""Packages that the index lists without an attestation.

Owns `Unattested`.
"""

from condattest.model.finding import Finding
from condattest.operations.audit_spool import Row
from condattest.operations.checks.check import Ran, Scope


class Unattested:
    """Counts them; what is to be said of each is among the row's own findings."""

    name = "unattested"

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._count = 0

    def ran(self) -> Ran:
        """It always runs."""
        return Ran(True, self._scope.limited)

    def observe(self, row: Row) -> None:
        """Count a row that is unattested."""
        self._count += row.status == "unattested"

    def found(self) -> int:
        """How many there are."""
        return self._count

    def findings(self, row: Row) -> tuple[Finding, ...]:
        """Nothing more."""
        return ()
