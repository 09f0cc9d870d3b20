"""Packages that the policy rejects, or whose attestation or record is not sound.

Owns `Rejected`.
"""

from condattest.operations.audit_spool import Row
from condattest.operations.checks.check import Counting, Ran


class Rejected(Counting):
    """Counts them; the reasons are among the rows' own findings."""

    name = "rejected"

    def ran(self) -> Ran:
        """It always runs; without sidecars only records are judged."""
        if self._scope.mode == "index-only":
            return Ran(True, "index-only: records alone were judged, no sidecar was looked at")
        return Ran(True, self._scope.limited)

    def observe(self, row: Row) -> None:
        """Count a row that is rejected."""
        self._count += row.status == "rejected"
