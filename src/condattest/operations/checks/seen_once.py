"""Identities that signed one package alone.

Owns `SeenOnce` and `who`. A package is a file here: an identity that signed one file of the whole channel is new, or
was used for that one. Workflows are compared without the ref that they ran at: each release may have its own tag.

It keeps, for each identity, the one place where it was seen.
"""

from collections.abc import Iterable

from condattest.model.finding import Code, Finding
from condattest.operations.audit_spool import Row
from condattest.operations.checks.check import Ran, Scope

_SEVERAL = ""


def who(identity: str, issuer: str) -> tuple[str, str]:
    """An identity as it stays from one release to the next."""
    return issuer, identity.partition("@")[0] if identity.startswith("https://") else identity


class SeenOnce:
    """Finds them."""

    name = "seen-once"

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._keeps = self.ran().ran
        self._places: dict[tuple[str, str], str] = {}
        self._once: dict[str, list[tuple[str, str]]] | None = None

    def ran(self) -> Ran:
        """It needs signatures, and the whole channel."""
        if self._scope.mode == "index-only":
            return Ran(False, "index-only: no signature was looked at")
        if self._scope.mode != "full":
            return Ran(False, self._scope.limited)
        if self._scope.part is not None:
            return Ran(False, "a part does not know the others: condattest audit merge looks at the whole")
        return Ran(True)

    def observe(self, row: Row) -> None:
        """Keep who signed a row."""
        if row.signed and self._keeps:
            self.seen(row.place, [(each.identity, each.issuer) for each in row.signed])

    def seen(self, place: str, signers: Iterable[tuple[str, str]]) -> None:
        """Keep who signed what is at a place."""
        for identity, issuer in signers:
            key = who(identity, issuer)
            known = self._places.get(key)
            if known is None:
                self._places[key] = place
            elif known not in (place, _SEVERAL):
                self._places[key] = _SEVERAL

    def found(self) -> int:
        """How many packages have such a signer."""
        return len(self._judged())

    def findings(self, row: Row) -> tuple[Finding, ...]:
        """AUDIT-SEEN-ONCE for each such signer."""
        return self.of(row.place)

    def of(self, place: str) -> tuple[Finding, ...]:
        """What is to be said of a place."""
        return tuple(
            Finding.of(Code.AUDIT_SEEN_ONCE, place, identity=identity, issuer=issuer)
            for issuer, identity in self._judged().get(place, ())
        )

    def _judged(self) -> dict[str, list[tuple[str, str]]]:
        if self._once is None:
            self._once = {}
            for key, place in sorted(self._places.items()):
                if place != _SEVERAL:
                    self._once.setdefault(place, []).append(key)
            self._places = {}
        return self._once
