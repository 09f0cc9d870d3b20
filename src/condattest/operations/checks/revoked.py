"""Packages and signers that the policy revokes.

Owns `Revoked`.
"""

from condattest.operations.audit_spool import Row
from condattest.operations.checks.check import Counting, Ran, found_in


class Revoked(Counting):
    """Counts them; the reasons are among the rows' own findings."""

    name = "revoked"

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
