"""How each indexer applies patch instructions. They differ, so a record can be replayed for a named indexer alone.

Owns `Engine` and `engine`. An engine is pure: it reads neither archives nor files, and never changes its arguments.

| | conda-index | rattler-index |
|---|---|---|
| keys | any, `sha256` as well | nine, see `rattler_index_engine` |
| null | deletes; where the key is absent, it is inserted | clears five of them, passed over for four |
| objects | merge deeply | replaced whole |
| `revoke` | marks the record | passed over |
| `remove` | drops the record and lists it | lists it; the record stays |
| `v3` | passed over | the same keys; unknown sections by RFC 7396 |
| version 2 | refused | applied, without `run_exports` |
"""

from collections.abc import Mapping
from typing import Any, Protocol

from condattest.formats.patch_instructions import Instructions
from condattest.patches.conda_index_engine import CondaIndex
from condattest.patches.patched import Patched
from condattest.patches.rattler_index_engine import RattlerIndex

__all__ = ["Engine", "Patched", "engine"]


class Engine(Protocol):
    """An indexer, as far as patches are concerned."""

    @property
    def name(self) -> str:
        """Its name, as statements have it."""
        ...

    def apply(self, as_built: Mapping[str, Any], instructions: Instructions) -> Patched:
        """Make the index that is served of `repodata_from_packages.json` and instructions."""
        ...

    def as_built(self, index: Mapping[str, Any]) -> dict[str, Any]:
        """Make the record of an archive's info/index.json, without the keys that the server sets.

        Raises:
            Malformed: PATCH-CRASH: the indexer would not index such an archive.
        """
        ...


_ENGINES: Mapping[str, Engine] = {each.name: each for each in (CondaIndex(), RattlerIndex())}


def engine(name: str) -> Engine | None:
    """The engine of that name; None if there is none, and nothing can be said of what it does."""
    return _ENGINES.get(name)
