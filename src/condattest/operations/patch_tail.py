"""The end of a chain that is written to: its newest generation, and what the one after it builds on.

Owns `newest` and `before`.

Spec: ceps-drafts/cep-patch-provenance.md
"""

from collections.abc import Mapping, Sequence
from typing import Any

from condattest.errors import Malformed
from condattest.formats import patch_files
from condattest.formats.patch_files import Place
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.patch_chain import Chain, Generation
from condattest.patches.generation import Before


def newest(chain: Chain) -> Generation | None:
    """The newest generation: what `head.json` names, or one after it whose writer did not come to name it.

    The hint is not touched: whoever has checked that the generation is whole sets it.

    Raises:
        Malformed: ROLLBACK: a generation after it does not follow it; or one is not sound.
        Unavailable, LocalFailure: Something could not be read.
    """
    found = chain.newest()
    while True:
        number = 1 if found is None else found.said.generation + 1
        try:
            following = chain.generation(number)
        except Malformed as error:
            if error.finding.code is Code.PATCH_MISSING:
                return found
            raise
        previous = None if found is None else found.payload
        if following.said.previous != previous:
            where = f"{chain.origin.name}/{chain.place(f'{number}.sigs')}"
            said = following.said.previous
            raise Malformed(Finding.of(Code.ROLLBACK, f"{where}: previous", expected=previous or "none", found=said))
        found = following


def before(chain: Chain, generation: Generation, log: Sequence[Sha256]) -> Before:
    """What the generation after one builds on.

    Args:
        chain: The generations.
        generation: The one before.
        log: The payload digests of all before that.

    Raises:
        Malformed: PATCH-FILE, PATCH-MISSING: its map.
    """
    full = (*log, generation.payload)

    def value(place: Place, entry: patch_files.Entry, record: Mapping[str, Any]) -> Mapping[str, Any]:
        return chain.value(PackageFile.parse(place[1]).name, place, entry, record, full)

    return Before(
        generation=generation.said.generation,
        payload=generation.payload,
        payloads=tuple(log),
        shards=chain.map(generation),
        shard=chain.shard,
        value=value,
    )
