"""What generations count, held against their files.

Owns `miscounts`. How many records a generation changed is told by its delta, which stays for good; how many are patched
and removed, by its map, which is asked of the newest generation alone, since older maps are dropped; how many there are
at all, by the index that it names, as long as that is the one at hand.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from condattest.errors import Malformed
from condattest.formats.patch_files import Entry
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
    for step in steps:
        generation = step.generation
        if generation is None or step.findings:
            continue  # It is not the chain's.
        try:
            found = {"changed": _changed(chain, generation)}
        except Malformed as error:
            yield error.finding
            continue
        if step is steps[0]:
            found["patched"] = sum(entry.served not in (None, entry.as_built) for entry in listed)
            found["removed"] = sum(entry.removed for entry in listed)
            if _is_of(generation, inputs):
                found["records"] = sum(1 for _ in records_of(inputs.as_built))
        said = {name: generation.said.counts[name] for name in found}
        if said != found:
            where = f"{chain.origin.name}/{chain.place(f'{step.number}.sigs')}: counts"
            yield Finding.of(Code.PATCH_COUNTS, where, expected=_shown(found), found=_shown(said))


def _changed(chain: Chain, generation: Generation) -> int:
    number = generation.said.generation
    shards = (chain.shard(name, digest) for name, digest in chain.delta(generation).items())
    return sum(entry.newest == number for shard in shards for entry in shard.files.values())


def _is_of(generation: Generation, inputs: Inputs) -> bool:
    """Whether a generation was made from the very index as built that is at hand; packages are added without one."""
    said = dict(generation.said.inputs)
    here = {path: digest for path, digest in inputs.digests if f"/{_AS_BUILT}" in path}
    return bool(here) and all(said.get(path) == digest for path, digest in here.items())


def _shown(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
