"""What generations count, held against their files.

Owns `miscounts`. How many records a generation changed is told by its delta, which stays for good; how many are patched
and removed, by its map, which is asked of the newest generation alone, since older maps are dropped; how many there are
at all, by the index that it names, as long as that is the one at hand. Of a revoked generation nothing is asked.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from condattest.errors import Malformed
from condattest.formats.patch_files import Entry, Shard
from condattest.model.finding import Code, Finding
from condattest.operations.patch_chain import Chain, Generation
from condattest.operations.patch_inputs import Inputs
from condattest.operations.patch_log import Step
from condattest.patches.index_sections import records_of

_AS_BUILT: Final = "repodata_from_packages.json"


def miscounts(chain: Chain, steps: Sequence[Step], listed: Sequence[Entry], inputs: Inputs) -> Iterator[Finding]:
    """Yield PATCH-COUNTS for each generation that counts otherwise; PATCH-FILE, PATCH-MISSING for what cannot be read.

    Args:
        chain: The generations.
        steps: All of them, newest first.
        listed: The entries of the newest map.
        inputs: What the channel has.

    Raises:
        Unavailable, LocalFailure: Something could not be read.
    """
    before: dict[str, Shard] = {}
    is_known = True
    for step in reversed(steps):
        generation = step.generation
        asked = generation is not None and not step.findings and not step.void
        shards = None
        try:
            shards = None if generation is None else _shards(chain, generation)
        except Malformed as error:
            if asked:
                yield error.finding
        if generation is None or shards is None:
            is_known = False  # What later ones take back of it cannot be told.
            continue
        if asked:
            said = generation.said.counts
            certain, possible = _changed(step.number, shards, before if is_known else None)
            found = {"changed": said["changed"] if certain <= said["changed"] <= possible else certain}
            if step is steps[0]:
                found["patched"] = sum(entry.served not in (None, entry.as_built) for entry in listed)
                found["removed"] = sum(entry.removed for entry in listed)
                if _is_of(generation, inputs):
                    found["records"] = sum(1 for _ in records_of(inputs.as_built))
            wrong = {name: said[name] for name in found}
            if wrong != found:
                where = f"{chain.origin.name}/{chain.place(f'{step.number}.sigs')}: counts"
                yield Finding.of(Code.PATCH_COUNTS, where, expected=_shown(found), found=_shown(wrong))
        before |= shards


def _shards(chain: Chain, generation: Generation) -> dict[str, Shard]:
    return {name: chain.shard(name, digest) for name, digest in chain.delta(generation).items()}


def _changed(number: int, shards: Mapping[str, Shard], before: Mapping[str, Shard] | None) -> tuple[int, int]:
    """How many records a generation changed, at least and at most.

    It counts what it takes back of revoked generations, too. Their changes are gone from the histories then; but that
    may also be since it was made from an older map, and then it does not count them.
    """
    certain = back = 0
    for name, shard in shards.items():
        for place, entry in shard.files.items():
            if entry.newest == number:
                certain += 1
                continue
            known = before[name].files.get(place) if before is not None and name in before else None
            back += before is None or (known is not None and len(entry.history) < len(known.history))
    return certain, certain + back


def _is_of(generation: Generation, inputs: Inputs) -> bool:
    """Whether a generation was made from the very index as built that is at hand; packages are added without one."""
    said = {each.name: each.sha256 for each in generation.said.inputs}
    here = {each.name: each.sha256 for each in inputs.digests if f"/{_AS_BUILT}" in each.name}
    return bool(here) and all(said.get(path) == digest for path, digest in here.items())


def _shown(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
