"""Packages whose signer is another than those of the versions before.

Owns `SignerChanged`. Versions are put in the order of their trusted times, which are authenticated, and not of their
version numbers or of `indexed_timestamp`, which anybody who writes the index chooses. The first package of a name by a
signer who signed none of the earlier ones is found; later ones by the same signer are not, so that two signers who take
turns (one for each platform, say) make no noise. A signer is an issuer with the repository's id, or else with the SAN:
a new tag is no new signer, and a repository of the same name by somebody else is one.

It keeps, for each package name, the earliest package of each signer.
"""

from datetime import datetime

from condattest.model.finding import Code, Finding
from condattest.operations.audit_spool import Row
from condattest.operations.checks.check import Ran, Scope

_SHOWN = 3
_First = tuple[datetime, str, str, frozenset[str]]


class SignerChanged:
    """Finds them."""

    name = "signer-changed"

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._firsts: dict[str, dict[str, _First]] = {}
        self._changed: dict[str, tuple[str, str]] | None = None

    def ran(self) -> Ran:
        """It needs signatures."""
        if self._scope.mode == "index-only":
            return Ran(False, "index-only: no signature was looked at")
        return Ran(True, self._scope.limited)

    def observe(self, row: Row) -> None:
        """Keep a row that is the earliest of its signer so far."""
        if not row.signed:
            return
        signers = self._firsts.setdefault(row.name, {})
        everyone = None
        for each in row.signed:
            known = signers.get(each.who)
            if known is not None and known[0] < each.at:
                continue
            everyone = everyone or frozenset([each.who for each in row.signed])
            first = (each.at, row.place, each.identity, everyone)
            if known is None or first[:2] < known[:2]:
                signers[each.who] = first

    def found(self) -> int:
        """How many packages are the first by a signer who is new to their name."""
        return len(self._places())

    def findings(self, row: Row) -> tuple[Finding, ...]:
        """AUDIT-SIGNER-CHANGED, with who signed before."""
        change = self._places().get(row.place) if row.signed else None
        if change is None:
            return ()
        before, now = change
        return (Finding.of(Code.AUDIT_SIGNER_CHANGED, row.place, expected=before, found=now),)

    def _places(self) -> dict[str, tuple[str, str]]:
        if self._changed is None:
            self._changed = {}
            for signers in self._firsts.values():
                if len(signers) > 1:
                    self._compare(signers, self._changed)
            self._firsts = {}
        return self._changed

    def _compare(self, signers: dict[str, _First], changed: dict[str, tuple[str, str]]) -> None:
        seen: set[str] = set()
        before: list[str] = []
        for who, (_, place, identity, everyone) in sorted(signers.items(), key=lambda item: (item[1][:2], item[0])):
            if seen and not seen & everyone:
                changed[place] = (", ".join(before[-_SHOWN:]), identity)
            seen |= everyone
            seen.add(who)
            before.append(identity)
