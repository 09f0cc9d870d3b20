"""Packages that are alike in all that rules look at, but for what each has for itself, are decided by one of them.

Owns `Alike`. A second audit meets what it has evidence of: for most packages one plain publish attestation, by the same
workflow as for a hundred others. What differs among those is held against each package here: its name and digest
against the statement's, its digest against those that the policy names, its times against the youngest age that any
rule asks for. All else is one question, which `Deciding` answers for the first of them, by its whole evidence. Only the
answer "accepted, and nothing to be said of it" holds for the others; they are decided one by one where it is another,
where a policy has signers that are valid for a time, or where patches are judged. Nothing of this outlives the audit.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from condattest.formats.evidence import Facts
from condattest.formats.listings import Listing
from condattest.model.artifact import Sha256
from condattest.operations.audit_evidence import Had
from condattest.operations.audit_spool import Row, Signed, moment
from condattest.operations.audit_verdicts import Deciding, wanted_of
from condattest.policy.rules import ALWAYS, Policy, Rule
from condattest.transport.evidence_store import EvidenceStore

_MOST: Final = 50_000
"""Answers that are kept at a time."""

_Question = tuple[int, bytes]
_Asked = tuple[Listing, Facts, _Question]


class Alike:
    """Decides on packages that are like others.

    Args:
        deciding: Decides on a package by itself.
        store: What was proved before.
    """

    def __init__(self, deciding: Deciding, store: EvidenceStore) -> None:
        self._deciding, self._store = deciding, store
        terms, policy = deciding.terms, deciding.terms.applied
        self._policy, self._home = policy, policy.home(terms.channel)
        self._named = policy.revoked.sha256.union(*(rule.baseline for rule in policy.rules))
        self._age = max((rule.min_age for rule in policy.rules), default=timedelta())
        self._answers: dict[_Question, Signed | None] = {}
        self._can_be = deciding.patches is None and not _is_dated(policy)

    def rows(self, listings: Sequence[Listing], subdir: str) -> list[Row | None]:
        """Decide on packages; None for each that is to be decided by itself."""
        rows: list[Row | None] = [None] * len(listings)
        asked = self._asked(listings, subdir) if self._can_be else {}
        if len(self._answers) > _MOST:
            self._answers.clear()
        self._answer({each[2]: each for each in asked.values() if each[2] not in self._answers}, subdir)
        for at, (listing, facts, question) in asked.items():
            first = self._answers.get(question)
            if first is not None:
                rows[at] = self._row(listing, subdir, facts, first)
        return rows

    def _asked(self, listings: Sequence[Listing], subdir: str) -> dict[int, _Asked]:
        """By place, those of which facts are known that need nobody else's judgement."""
        wanted = [wanted_of(each, subdir, self._deciding.terms) for each in listings]
        sidecars: dict[Sha256, list[Sha256]] = {}
        for each in wanted:
            if each is not None:
                sidecars.setdefault(each.roots[0], []).append(each.sidecar)
        known = {root: self._store.facts(digests, root) for root, digests in sidecars.items()}
        asked: dict[int, _Asked] = {}
        for at, (listing, each) in enumerate(zip(listings, wanted, strict=True)):
            facts = known[each.roots[0]].get(each.sidecar) if each is not None else None
            if facts is None or not self._holds(listing, facts):
                continue
            rule = self._rule(listing)
            if rule is not None:
                asked[at] = listing, facts, (id(rule), facts.common)
        return asked

    def _holds(self, listing: Listing, facts: Facts) -> bool:
        """Whether a package meets what is asked of it by itself."""
        if facts.name != listing.key or facts.sha256 != listing.sha256 or listing.sha256 in self._named:
            return False
        if not self._age:
            return True
        since = max(facts.at, moment(listing.indexed) or facts.at)
        return since <= self._deciding.now - self._age

    def _rule(self, listing: Listing) -> Rule | None:
        return None if listing.file is None else self._policy.rule_for(listing.file.name, self._home)

    def _answer(self, asked: dict[_Question, _Asked], subdir: str) -> None:
        """Decide on the first of each kind, by its evidence; where that is gone, on all of them one by one."""
        for question, (listing, facts, _) in asked.items():
            if listing.sidecar is None:
                continue
            proofs = self._store.known([listing.sidecar], Sha256.of_bytes(facts.root)).get(listing.sidecar)
            row = None if proofs is None else self._deciding.row(listing, subdir, Had(proofs))
            good = row is not None and row.status == "accepted" and not row.found and len(row.signed) == 1
            self._answers[question] = row.signed[0] if row is not None and good else None

    def _row(self, listing: Listing, subdir: str, facts: Facts, first: Signed) -> Row | None:
        file, rule = listing.file, self._rule(listing)
        if file is None or rule is None:
            return None
        return Row(
            subdir=subdir,
            file=listing.key,
            name=file.name,
            version=file.version,
            sha256=listing.sha256,
            sidecar=listing.sidecar,
            status="accepted",
            indexed=listing.indexed,
            rule=rule.name if self._deciding.terms.policy is not None else None,
            signed=[Signed(first.identity, first.issuer, facts.at, facts.source, first.who)],
            found=[],
        )


def _is_dated(policy: Policy) -> bool:
    """Whether a signer of a policy is valid for a time only."""
    return any(signer.valid != ALWAYS for rule in policy.rules for signer in rule.signers)
