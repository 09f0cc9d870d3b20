"""Packages that are alike in all that rules look at, but for what each has for itself, are decided by one of them.

Owns `Alike`. A second audit meets what it has evidence of: for most packages one plain publish attestation, by the same
workflow as for a hundred others. What differs among those is held against each package here: its name and digest
against the statement's, its digest against those that the policy names, its times against the youngest age that any
rule asks for. All else is one question, which `Deciding` answers by the whole evidence of one of them, as soon as there
is a second one. Only the answer "accepted, and nothing to be said of it" holds for the others; they are decided one by
one where it is another, where a policy has signers that are valid for a time, or where patches are judged. Nothing of
this outlives the audit.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from condattest.formats.evidence import Facts
from condattest.formats.listings import Listing
from condattest.model.artifact import Sha256
from condattest.operations.audit_evidence import Had
from condattest.operations.audit_spool import Row, Signed, moment
from condattest.operations.audit_verdicts import Deciding, listed
from condattest.operations.judgement import root_of
from condattest.policy.rules import ALWAYS, Policy, Rule
from condattest.transport.evidence_store import EvidenceStore

_MOST: Final = 50_000
"""Questions that are kept at a time, with their answers."""

_Asked = tuple[Listing, Facts, Rule]


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
        self._met: set[tuple[int, bytes]] = set()
        self._answers: dict[tuple[int, bytes], Signed | None] = {}
        self._can_be = deciding.patches is None and not _is_dated(policy)

    def rows(self, listings: Sequence[Listing], subdir: str) -> list[Row | None]:
        """Decide on packages; None for each that is to be decided by itself, such as the first of its kind."""
        rows: list[Row | None] = [None] * len(listings)
        if not self._can_be:
            return rows
        if len(self._met) > _MOST:
            self._met.clear()
            self._answers.clear()
        for at, (listing, facts, rule) in self._asked(listings).items():
            question = id(rule), facts.common
            if question not in self._met:
                self._met.add(question)  # It may be the only one of its kind, and would be decided on twice.
                continue
            if question not in self._answers:
                self._answers[question] = self._answer(listing, subdir, facts)
            first = self._answers[question]
            if first is not None:
                rows[at] = self._row(listing, subdir, facts, rule, first)
        return rows

    def _asked(self, listings: Sequence[Listing]) -> dict[int, _Asked]:
        """By place, those that meet what is asked of them alone, so that the rest is one question for all alike."""
        ruled: list[tuple[int, Listing, Sha256, Rule, Sha256]] = []
        sidecars: dict[Sha256, list[Sha256]] = {}
        for at, listing in enumerate(listings):
            if listing.sidecar is None or listing.file is None or listing.finding is not None:
                continue
            rule = self._policy.rule_for(listing.file.name, self._home)
            if rule is not None:
                root = root_of(rule, self._deciding.terms.trust, self._deciding.terms.roots).sha256
                ruled.append((at, listing, listing.sidecar, rule, root))
                sidecars.setdefault(root, []).append(listing.sidecar)
        known = {root: self._store.facts(digests, root) for root, digests in sidecars.items()}
        asked: dict[int, _Asked] = {}
        for at, listing, sidecar, rule, root in ruled:
            facts = known[root].get(sidecar)
            if facts is not None and self._holds(listing, facts):
                asked[at] = listing, facts, rule
        return asked

    def _holds(self, listing: Listing, facts: Facts) -> bool:
        """Whether a package meets what is asked of it by itself."""
        if facts.name != listing.key or facts.sha256 != listing.sha256 or listing.sha256 in self._named:
            return False
        if not self._age:
            return True
        since = max(facts.at, moment(listing.indexed) or facts.at)
        return since <= self._deciding.now - self._age

    def _answer(self, listing: Listing, subdir: str, facts: Facts) -> Signed | None:
        """Decide on one of its kind, by its whole evidence: who signed it, where it is accepted."""
        proofs = self._store.get(Sha256.of_bytes(facts.bundle), Sha256.of_bytes(facts.root))
        if proofs is None:
            return None
        row = self._deciding.row(listing, subdir, Had((proofs,)))
        return row.signed[0] if row.status == "accepted" and not row.found and len(row.signed) == 1 else None

    def _row(self, listing: Listing, subdir: str, facts: Facts, rule: Rule, first: Signed) -> Row:
        row = listed(listing, subdir)
        row.status, row.rule = "accepted", rule.name if self._deciding.terms.policy is not None else None
        row.signed = [Signed(first.identity, first.issuer, facts.at, facts.source, first.who)]
        return row


def _is_dated(policy: Policy) -> bool:
    """Whether a signer of a policy is valid for a time only."""
    return any(signer.valid != ALWAYS for rule in policy.rules for signer in rule.signers)
