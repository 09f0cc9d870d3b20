"""Records that no generation of patches explains, or whose patches the policy forbids, or finds stale or stripped.

Owns `Patches`. Each record is judged when its package is; here they are counted, and generations that are not sound.
"""

from collections.abc import Iterable
from typing import Final

from condattest.model.audit import Patched
from condattest.model.finding import Code, Finding, Severity
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

    def generations(self, steps: Iterable[Patched], findings: Iterable[Finding]) -> None:
        """Count generations that are not sound, and what is wrong with the chain of a subdir as a whole."""
        self._count += sum(any(map(is_fault, step.findings)) for step in steps) + sum(map(is_fault, findings))


def is_fault(finding: Finding) -> bool:
    """Whether something is wrong with a generation; that a policy revokes it is not: nobody goes by it any more."""
    return finding.code.severity is Severity.ERROR and finding.code is not Code.IDENTITY_REVOKED
