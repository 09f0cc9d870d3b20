"""Where a chain ends for those who write to it, and what the next generation goes on from.

Owns `Tip`, `tip`, `earlier` and `before`. The end is found whatever `head.json` says, which is only read here: whoever
writes sets it, once a generation has all its signers. A generation that the author (or the policy) voids keeps its
number and its line in the log, and its payload is the next one's `previous`: to a client that does not know of the
revocation the chain is whole. Nothing else of it is believed, and its signers need not be allowed any more, nor be as
many as the policy demands: the payload's digest is what was voided.

Spec: ceps-drafts/cep-patch-provenance.md
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from condattest.errors import Malformed
from condattest.formats.patch_files import Entry, Place
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.patch_chain import Chain, Generation
from condattest.patches.generation import Before


@dataclass(frozen=True, slots=True)
class Tip:
    """The end of a chain.

    Attributes:
        newest: The newest generation that counts; None where none does.
        payloads: The payloads of all that are there, oldest first. Those after `newest` are voided.
        void: The numbers of those that are voided.
    """

    newest: Generation | None
    payloads: tuple[Sha256, ...]
    void: frozenset[int]

    @property
    def is_void(self) -> bool:
        """Whether what readers take for the newest generation is voided."""
        return len(self.payloads) in self.void

    @property
    def previous(self) -> Sha256 | None:
        """What the next generation has to name as the one before it."""
        return self.payloads[-1] if self.payloads else None


def tip(chain: Chain) -> Tip:
    """Find the end: what `head.json` names, or a generation after it whose writer did not come to name it.

    Args:
        chain: The generations, with the payloads that are voided.

    Raises:
        Malformed: ROLLBACK: a generation does not follow the one before it; or one that counts is not sound, or lacks
            signers.
        Unavailable, LocalFailure: Something could not be read.
    """
    number = chain.head() or 0
    # (1) Back from the head to the newest that counts.
    voided: list[Sha256] = []
    while number and (payload := chain.voided(number)) is not None:
        voided.insert(0, payload)
        number -= 1
    newest = chain.generation(number) if number else None
    payloads = (*(() if newest is None else (*chain.log(newest), newest.payload)), *voided)
    # (2) On from there to what no head names yet.
    while True:
        number = len(payloads) + 1
        following = chain.voided(number)
        if following is None:
            try:
                generation = chain.generation(number)
            except Malformed as error:
                if error.finding.code is not Code.PATCH_MISSING:
                    raise
                return Tip(newest, payloads, _void(chain, payloads))
            _follows(chain, number, payloads[-1] if payloads else None, generation.said.previous)
            newest, following = generation, generation.payload
        payloads = (*payloads, following)


def earlier(chain: Chain, end: Tip) -> Tip:
    """The end as it was before the newest generation, for those who ask what its author went on from.

    Raises:
        Malformed: ROLLBACK: the one that counts before it is not the one in the log; or it is not sound.
        Unavailable, LocalFailure: Something could not be read.
    """
    payloads = end.payloads[:-1]
    void = _void(chain, payloads)
    number = len(payloads)
    while number in void:
        number -= 1
    if not number:
        return Tip(None, payloads, void)
    newest = chain.generation(number)
    _follows(chain, number + 1, payloads[number - 1], newest.payload)
    return Tip(newest, payloads, void)


def before(chain: Chain, end: Tip) -> Before | None:
    """What the next generation goes on from; None where there is no generation at all.

    Raises:
        Malformed: PATCH-FILE, PATCH-MISSING: the map of the newest one that counts.
        Unavailable, LocalFailure: It could not be read.
    """
    if not end.payloads:
        return None

    def value(place: Place, entry: Entry, record: Mapping[str, Any]) -> Mapping[str, Any]:
        return chain.value(PackageFile.parse(place[1]).name, place, entry, record, end.payloads)

    return Before(
        generation=len(end.payloads),
        payload=end.payloads[-1],
        payloads=end.payloads[:-1],
        shards={} if end.newest is None else chain.map(end.newest),
        shard=chain.shard,
        value=value,
        void=end.void,
    )


def _void(chain: Chain, payloads: tuple[Sha256, ...]) -> frozenset[int]:
    return frozenset(number for number, payload in enumerate(payloads, start=1) if payload in chain.void)


def _follows(chain: Chain, number: int, expected: Sha256 | None, found: Sha256 | None) -> None:
    if found != expected:
        where = f"{chain.origin.name}/{chain.place(f'{number}.sigs')}: previous"
        raise Malformed(Finding.of(Code.ROLLBACK, where, expected=expected or "none", found=found))
