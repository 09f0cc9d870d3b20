"""Packages and signers that the policy revokes.

Owns `Revoked`.
"""

from condattest.model.finding import Finding
from condattest.operations.audit_spool import Row
from condattest.operations.checks.check import Ran, Scope, found_in


class Revoked:
    """Counts them; the reasons are among the rows' own findings."""

    name = "revoked"

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._count = 0

    def ran(self) -> Ran:
        """Only a policy revokes."""
        if not self._scope.has_policy:
            return Ran(False, "no policy: nothing is revoked")
        if self._scope.mode == "index-only":
            return Ran(False, "index-only: the policy was not asked")
        return Ran(True, self._scope.limited)

    def observe(self, row: Row) -> None:
        """Count a row that is revoked."""
        self._count += bool(row.found) and found_in(row, self.name)

    def found(self) -> int:
        """How many there are."""
        return self._count

    def findings(self, row: Row) -> tuple[Finding, ...]:
        """Nothing more."""
        return ()
