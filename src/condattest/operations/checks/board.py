"""All checks together: each row is shown to each of them.

Owns `Board` and `Results`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from condattest.model.audit import CHECKS, STATUSES, Audited, CheckRun, Patched, Status
from condattest.model.finding import Code, Finding
from condattest.operations.audit_spool import Row, Spool
from condattest.operations.checks.attested_late import AttestedLate
from condattest.operations.checks.check import Check, Scope
from condattest.operations.checks.downgrade import Downgrade
from condattest.operations.checks.indexed_time import IndexedTime
from condattest.operations.checks.orphans import Orphans
from condattest.operations.checks.patches import Patches
from condattest.operations.checks.rejected import Rejected
from condattest.operations.checks.revoked import Revoked
from condattest.operations.checks.seen_once import SeenOnce
from condattest.operations.checks.sidecars import Sidecars
from condattest.operations.checks.signer_changed import SignerChanged
from condattest.operations.checks.unattested import Unattested
from condattest.operations.checks.undecided import Undecided

_OF_RECORDS: Final = ("unattested", "rejected", "downgrade", "sidecars", "indexed-time")
"""The checks that find something in records alone."""
_OF_STATUS: Final = ("unattested", "rejected", "undecided")
"""The checks that count the status that they are named for."""
_OF_FINDINGS: Final = ("sidecars", "orphans", "patches", "revoked")
"""The checks that count what has a finding of theirs."""
_UNATTESTED: Final = Code.AUDIT_UNATTESTED.value


class Board:
    """Every check of an audit, in the order of `CHECKS`."""

    def __init__(self, scope: Scope) -> None:
        self._sidecars, self._orphans, self._patches = Sidecars(scope), Orphans(scope), Patches(scope)
        checks: list[Check] = [
            self._sidecars,
            self._orphans,
            Unattested(scope),
            Rejected(scope),
            Undecided(scope),
            SignerChanged(scope),
            Downgrade(scope),
            AttestedLate(scope),
            IndexedTime(scope),
            self._patches,
            SeenOnce(scope),
            Revoked(scope),
        ]
        by_name = {check.name: check for check in checks}
        self._checks = [by_name[name] for name in CHECKS]
        # A million records are shown in seconds where only those look that can find something.
        names = _OF_RECORDS if scope.mode == "index-only" else tuple(by_name)
        self._all = {status: self._observing(names, status) for status in STATUSES}
        plain = [name for name in names if name not in _OF_FINDINGS]
        self._plain = {status: self._observing(plain, status) for status in STATUSES}

    def _observing(self, names: Sequence[str], status: Status) -> list[Callable[[Row], None]]:
        return [
            check.observe
            for check in self._checks
            if check.name in names and (check.name not in _OF_STATUS or check.name == status)
        ]

    def observe(self, row: Row) -> None:
        """Show a row to each that can find something in it."""
        found = row.found
        plain = not found or (len(found) == 1 and found[0][0] == _UNATTESTED)
        for observe in (self._plain if plain else self._all)[row.status]:  # type: ignore[index]
            observe(row)

    def news(self, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """Take what a look at a store as a whole found; gives what no row says already."""
        self._orphans.news(findings)
        return self._sidecars.news(findings)

    def generations(self, steps: Iterable[Patched], findings: Iterable[Finding]) -> None:
        """Take what a look at the generations of a subdir found."""
        self._patches.generations(steps, findings)

    def findings(self, row: Row) -> tuple[Finding, ...]:
        """What they have to say of a row, beside its own findings."""
        return tuple(finding for check in self._checks for finding in check.findings(row))

    def runs(self) -> Iterator[CheckRun]:
        """How each of them fared."""
        for check in self._checks:
            ran = check.ran()
            yield CheckRun(check.name, ran.ran, check.found() if ran.ran else 0, ran.reason)


@dataclass(frozen=True, slots=True)
class Results:
    """The packages of an audit, with what checks that compare them have to say."""

    spool: Spool
    board: Board

    def __len__(self) -> int:
        """How many there are."""
        return len(self.spool)

    def __iter__(self) -> Iterator[Audited]:
        """Walk through them; as often as needed."""
        for row in self.spool:
            yield row.audited(self.board.findings(row))
