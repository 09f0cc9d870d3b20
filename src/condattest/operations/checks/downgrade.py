"""Packages without an attestation, after an attested version.

Owns `Downgrade`. "After" is conda's order of versions: a solver prefers the higher one, so this is how somebody who
cannot sign would bring a package in. Times would not do: an unattested package has none but `indexed_timestamp`, which
the server chooses, and many records lack it. All subdirs count together.

It keeps, for each package name, its attested versions with one package of each, and how many unattested packages each
version has.
"""

import functools
from collections import defaultdict

from condattest.formats.version_order import Order, order
from condattest.model.finding import Code, Finding
from condattest.operations.audit_spool import Row
from condattest.operations.checks.check import Counting, Ran, Scope


class Downgrade(Counting):
    """Finds them."""

    name = "downgrade"

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._attested: dict[str, dict[str, str]] = {}
        self._unattested: defaultdict[str, defaultdict[str, int]] = _nested()
        self._lowest: dict[str, tuple[Order, str]] | None = None

    def ran(self) -> Ran:
        """It always runs; without sidecars, what is advertised counts as attested."""
        if self._scope.mode == "index-only":
            return Ran(True, "index-only: what the index advertises counts as attested")
        return Ran(True, self._scope.limited)

    def observe(self, row: Row) -> None:
        """Keep what a row says of its name."""
        if row.status == "unattested":
            self._unattested[row.name][row.version] += 1
        elif row.signed or (self._scope.mode == "index-only" and row.sidecar is not None):
            places = self._attested.setdefault(row.name, {})
            if row.version not in places:
                places[row.version] = row.place

    def found(self) -> int:
        """How many there are."""
        self._judge()
        return self._count

    def findings(self, row: Row) -> tuple[Finding, ...]:
        """AUDIT-DOWNGRADE, with the attested version before."""
        if row.status != "unattested":
            return ()
        lowest = self._judge().get(row.name)
        if lowest is None or not lowest[0] < order(row.version):
            return ()
        return (Finding.of(Code.AUDIT_DOWNGRADE, row.place, attested=lowest[1]),)

    def _judge(self) -> dict[str, tuple[Order, str]]:
        if self._lowest is None:
            both = self._attested.keys() & self._unattested.keys()
            self._lowest = {name: _lowest(self._attested[name]) for name in both}
            self._count = sum(
                count
                for name, (lowest, _) in self._lowest.items()
                for version, count in self._unattested[name].items()
                if lowest < order(version)
            )
            self._attested, self._unattested = {}, _nested()
        return self._lowest


def _nested() -> defaultdict[str, defaultdict[str, int]]:
    return defaultdict(functools.partial(defaultdict[str, int], int))


def _lowest(places: dict[str, str]) -> tuple[Order, str]:
    version = min(places, key=order)
    return order(version), places[version]
