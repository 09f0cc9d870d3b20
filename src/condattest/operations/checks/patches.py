"""Records that no generation of patches explains, or whose patches the policy forbids, or finds stale or stripped.

Owns `Patches`. Each record is judged when its package is; here they are counted.
"""

from typing import Final

from condattest.operations.audit_spool import Row
from condattest.operations.checks.check import Counting, Ran, found_in

_UNPROVEN: Final = "records that no generation lists were not held against their archives"


class Patches(Counting):
    """Counts them; the reasons are among the rows' own findings."""

    name = "patches"

    def ran(self) -> Ran:
        """It runs where a policy says who may patch the channel."""
        if self._scope.patches:
            return Ran(False, self._scope.patches)
        return Ran(True, "; ".join(filter(None, (self._scope.limited, _UNPROVEN))))

    def observe(self, row: Row) -> None:
        """Count a row whose patches are not in order."""
        self._count += bool(row.found) and found_in(row, self.name)
