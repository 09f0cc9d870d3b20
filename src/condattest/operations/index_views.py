"""Every file of a subdir's index as a list of records: the JSON files, their compressed twins, and the shards.

Owns `View` and `views`. A view is read as it is asked for, one at a time: an index can be hundreds of megabytes.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from condattest.errors import Malformed, NotFound
from condattest.formats import monolith, repodata, shards
from condattest.formats.index_changes import Listed
from condattest.model.finding import Code, Finding, Severity
from condattest.operations.advertise import MONOLITHS, SHARD_INDEXES, read, shard_path, unpacked
from condattest.transport.store import Store

_SUFFIXES: Final = ("", ".zst", ".bz2")
_PREFIXES: Final = ("repodata", "current_repodata")


@dataclass(frozen=True, slots=True)
class View:
    """One file of the index.

    Attributes:
        path: Its path in the store; for shards that of their index.
        base: Which index it is a form of: `repodata`, `current_repodata` or `repodata_from_packages`.
        store: Where it is.
    """

    path: str
    base: str
    store: Store

    def records(self) -> Iterator[Listed]:
        """Yield its records.

        Raises:
            Malformed: It is no index, or a record's digests are not well-formed.
            Unavailable, LocalFailure: The store cannot be read.
        """
        stored = read(self.store, self.path)
        if stored is None:
            return
        if self.path.endswith(".msgpack.zst"):
            yield from self._sharded(stored.data)
        elif self.path.endswith(_SUFFIXES[1:]):
            yield from monolith.listed(unpacked(self.path, stored.data), where=self.path)
        else:
            yield from monolith.listed(stored.data, where=self.path)

    def _sharded(self, data: bytes) -> Iterator[Listed]:
        index = shards.read_index(data, where=self.path)
        broken: Malformed | None = None
        for name, digest in index.shards.items():
            place = shard_path(self.path, index.shards_base_url, digest)
            try:
                shard = self.store.read(place, repodata.MAX_SHARD).data
            except NotFound:
                raise Malformed(Finding.of(Code.INDEX_SHARDS, place, expected=name, found="nothing")) from None
            found = hashlib.sha256(shard).hexdigest()
            if found != digest.hex():
                raise Malformed(Finding.of(Code.INDEX_SHARDS, place, expected=digest.hex(), found=found))
            try:
                yield from shards.listed(shard, where=f"{self.path}: {name}")
            except Malformed as error:
                if error.finding.code.severity is Severity.UNKNOWN:
                    raise
                broken = broken or error  # The packages of the other shards are listed all the same.
        if broken is not None:
            raise broken


def views(store: Store, subdir: str, *, twins: bool = True) -> list[View]:
    """The files of a subdir's index that are there; without `twins`, compressed ones only where there is no other."""
    # By prefix: a folder has as many packages and sidecars as it likes, and a bucket lists them a thousand at a time.
    present = {entry.name for prefix in _PREFIXES for entry in store.list(subdir, prefix)}
    found: list[View] = []
    for name in MONOLITHS:
        there = [name + suffix for suffix in _SUFFIXES if name + suffix in present]
        found.extend(
            View(f"{subdir}/{each}", name.removesuffix(".json"), store) for each in (there if twins else there[:1])
        )
    for name in SHARD_INDEXES:
        if name in present:
            base = "repodata_from_packages" if "from_packages" in name else "repodata"
            found.append(View(f"{subdir}/{name}", base, store))
    return found
