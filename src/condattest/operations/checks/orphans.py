"""Sidecars for packages that no index lists.

Owns `Orphans`. They are found where a store's folders are listed; no web server can be asked for what it does not
name.
"""

from condattest.model.finding import Finding
from condattest.operations.audit_spool import Row
from condattest.operations.checks.check import Counting, Ran, counts


class Orphans(Counting):
    """Counts them; what is to be said of each is among the audit's own findings, since no row is about it."""

    name = "orphans"

    def ran(self) -> Ran:
        """It needs a store."""
        if self._scope.mode != "full":
            return Ran(False, f"{self._scope.mode}: no folder was listed")
        if not self._scope.is_store:
            return Ran(False, "a web server lists no folder: name the store itself")
        if not self._scope.is_first:
            return Ran(False, "part 1 looks at the folders of the store")
        return Ran(True)

    def observe(self, row: Row) -> None:
        """Nothing: a package that is listed is no orphan."""

    def news(self, findings: tuple[Finding, ...]) -> None:
        """Count what a look at the whole store found."""
        self._count += sum(counts(each, self.name) for each in findings)
