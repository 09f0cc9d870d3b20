"""The history of a subdir's patches, newest generation first, each step checked against the one after it.

Owns `log`, `Step`, `newest_of`, `stale` and `revoked`. What is wrong with a step is said of it, and the walk goes on as
far as there is something to read. A revoked generation has to keep its place, and nothing else is asked of it, unless
it is the newest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from condattest.errors import Malformed
from condattest.model.artifact import Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.patch_chain import Chain, Generation
from condattest.policy import durations


@dataclass(frozen=True, slots=True)
class Step:
    """One generation: what it says, and what is wrong with it; `generation` is None where it cannot be believed.

    Of one that is `void`, because its payload is revoked, nothing is believed whoever signed it.
    """

    number: int
    generation: Generation | None
    findings: tuple[Finding, ...] = ()
    void: bool = False


def log(chain: Chain, *, limit: int | None = None) -> Iterator[Step]:
    """Yield generations from the newest on.

    Args:
        chain: The generations.
        limit: At most so many.

    Raises:
        Malformed: PATCH-NONE: there is none; or the newest, or its log, is not sound.
        Unavailable, LocalFailure: Something could not be read.
    """
    newest = newest_of(chain)
    payloads = (*chain.log(newest), newest.payload)
    later: Generation | None = None
    for number in range(newest.said.generation, 0, -1):
        if limit is not None and newest.said.generation - number >= limit:
            return
        step = _step(chain, number, payloads, later)
        yield step
        if not step.void:
            later = step.generation


def newest_of(chain: Chain, *, fresh: bool = False) -> Generation:
    """The newest generation; `fresh` as for `Chain.newest`.

    Raises:
        Malformed: PATCH-NONE: there is none; or it is not sound.
    """
    newest = chain.newest(fresh=fresh)
    if newest is None:
        where = f"{chain.origin.name}/{chain.place('head.json')}"
        raise Malformed(Finding.of(Code.PATCH_NONE, where, channel=chain.channel, subdir=chain.subdir))
    return newest


def stale(chain: Chain, newest: Generation, max_age: timedelta, *, now: datetime) -> Finding | None:
    """FRESH-STALE if the newest generation is older than that; by its verified time, not by what it says."""
    if now - newest.time.at <= max_age:
        return None
    where = f"{chain.origin.name}/{chain.place(f'{newest.said.generation}.sigs')}"
    expected = f"at most {durations.show(max_age)} of age"
    return Finding.of(Code.FRESH_STALE, where, expected=expected, found=newest.time.at.isoformat())


def _step(chain: Chain, number: int, payloads: tuple[Sha256, ...], later: Generation | None) -> Step:
    void = payloads[number - 1] in chain.void
    try:
        generation = chain.generation(number)
    except Malformed as error:
        return Step(number, None, () if void else (error.finding,), void)
    where = f"{chain.origin.name}/{chain.place(f'{number}.sigs')}"
    findings = []
    if void and number == len(payloads):
        findings.append(revoked(chain, generation.payload, where))
    if generation.payload != payloads[number - 1]:
        findings.append(Finding.of(Code.ROLLBACK, where, expected=payloads[number - 1], found=generation.payload))
    previous = payloads[number - 2] if number > 1 else None
    if generation.said.previous != previous and not void:
        found = generation.said.previous
        findings.append(Finding.of(Code.ROLLBACK, f"{where}: previous", expected=previous or "none", found=found))
    if later is not None and not void and later.time.at < generation.time.at:
        expected = f"no later than generation {later.said.generation}, {later.time.at.isoformat()}"
        found_time = generation.time.at.isoformat()
        findings.append(Finding.of(Code.PATCH_BACKWARDS, where, expected=expected, found=found_time))
    return Step(number, generation, tuple(findings), void)


def revoked(chain: Chain, payload: Sha256, where: str) -> Finding:
    """The finding for what was said by a revoked generation, and by none since."""
    return Finding.of(Code.IDENTITY_REVOKED, where, payload=payload, role=chain.role)
