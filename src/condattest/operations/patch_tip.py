"""Where the next generation goes on: after every generation that is there, from the state of the newest that counts.

Owns `Tip` and `tip`. A generation that the author (or the policy) voids keeps its number and its line in the log, and
its payload is the next one's `previous`: to a client that does not know of the revocation the chain is whole. Nothing
else of it is believed, and its signers need not be allowed any more: the payload's digest is what was voided.

Spec: ceps-drafts/cep-patch-provenance.md
"""

from dataclasses import dataclass

from condattest.errors import Malformed
from condattest.model.artifact import Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.patch_chain import Chain, Generation
from condattest.operations.patch_head import point
from condattest.transport.store import Store


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


def tip(chain: Chain, store: Store) -> Tip:
    """Find the end: what `head.json` names, or a generation after it whose writer did not come to name it.

    Args:
        chain: The generations, with the payloads that are voided.
        store: Where they are kept; `head.json` is brought up to date.

    Raises:
        Malformed: ROLLBACK: a generation does not follow the one before it; or one that counts is not sound.
        Conflict: Others kept on being faster with `head.json`.
        Unavailable, LocalFailure: Something could not be read or written.
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
                void = frozenset(at for at, each in enumerate(payloads, start=1) if each in chain.void)
                return Tip(newest, payloads, void)
            previous, found = payloads[-1] if payloads else None, generation.said.previous
            if found != previous:
                where = f"{store.name}/{chain.place(f'{number}.sigs')}: previous"
                raise Malformed(Finding.of(Code.ROLLBACK, where, expected=previous or "none", found=found))
            newest, following = generation, generation.payload
        point(store, chain.place("head.json"), number)
        payloads = (*payloads, following)
