"""Sidecars and index fields that do not go together.

Owns `Sidecars`, and `of_store`, which looks at every sidecar of a store as `condattest index --check` does. A web
server lists no folder: of a channel behind a URL only the sidecars that the index names are looked at.
"""

from collections.abc import Callable

from condattest.model.finding import Code, Finding
from condattest.operations import index
from condattest.operations.audit_spool import Row
from condattest.operations.checks.check import Counting, Ran, Scope, counts, found_in
from condattest.transport.store import Store

_OF_RECORDS = (Code.SIDECAR_FIELD, Code.BIND_NO_DIGEST, Code.BIND_AMBIGUOUS)


class Sidecars(Counting):
    """Counts packages whose sidecar or field is broken, and what else is wrong with the sidecars of a store."""

    name = "sidecars"

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._told: set[Finding] = set()

    def ran(self) -> Ran:
        """It runs as far as it can be looked."""
        if self._scope.mode == "index-only":
            return Ran(True, "index-only: the fields of records alone were looked at")
        if not self._scope.is_store:
            return Ran(True, "a web server lists no folder: only the sidecars that the index names were looked at")
        if self._scope.mode != "full":
            return Ran(True, f"{self._scope.mode}: only the sidecars that these records name were looked at")
        if not self._scope.is_first:
            return Ran(True, "the files of the store as a whole are looked at in part 1")
        return Ran(True, self._scope.limited)

    def observe(self, row: Row) -> None:
        """Count a row whose sidecar is not in order."""
        if row.found and found_in(row, self.name):
            self._count += 1
            self._told.update(each for each in row.findings() if counts(each, self.name))

    def news(self, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """What a look at the whole store found, without what rows say already; it is counted."""
        fresh = tuple(each for each in findings if each.code not in _OF_RECORDS and each not in self._told)
        self._count += sum(counts(each, self.name) for each in fresh)
        return fresh


def of_store(store: Store, subdir: str, on_done: Callable[[int], None] = lambda count: None) -> tuple[Finding, ...]:
    """What is wrong with the sidecars of a subdir; orphans are among it.

    Raises:
        Malformed: A file of the index is none.
        Unavailable, LocalFailure: The store cannot be read.
    """
    return tuple(
        finding for report in index.check(store, subdir=subdir, on_done=on_done) for finding in report.findings
    )
