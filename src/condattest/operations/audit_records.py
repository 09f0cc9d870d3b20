"""Which packages a channel lists: the index of each subdir, read as it comes.

Owns `Selection`, `Found`, `read`, `subdirs_of` and `chosen`. A subdir's monolith is read (compressed before plain, as
conda does), and its shards where it has none. Only one subdir's index is in memory at a time: its bytes, and no record
that was taken apart. What cannot be had is an error, and never an index without packages.
"""

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from condattest.errors import Malformed, Misuse, NotFound
from condattest.formats import compression, listings, repodata
from condattest.formats.listings import Listing
from condattest.model.finding import Code, Finding
from condattest.operations.advertise import shard_path
from condattest.operations.audit_spool import moment
from condattest.transport.origin import Origin

SUBDIRS: Final = (
    "emscripten-wasm32",
    "freebsd-64",
    "linux-32",
    "linux-64",
    "linux-aarch64",
    "linux-armv6l",
    "linux-armv7l",
    "linux-ppc64",
    "linux-ppc64le",
    "linux-riscv32",
    "linux-riscv64",
    "linux-s390x",
    "noarch",
    "osx-64",
    "osx-arm64",
    "wasi-wasm32",
    "win-32",
    "win-64",
    "win-arm64",
    "zos-z",
)
"""The platforms that conda knows, sorted. A web server does not list its folders: each is asked for."""
_MONOLITHS: Final = (("repodata.json.zst", True), ("repodata.json", False))
_SHARDS: Final = "repodata_shards.msgpack.zst"
_THREADS: Final = 16
SEED: Final = "condattest-audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which of the listed packages are looked at.

    Attributes:
        since: Those that were indexed since; those whose record does not say when are among them.
        sample: So many, chosen by a hash of their place, the same each time for the same `seed`.
        part: Those of the n-th of so many parts: packages of one name are in one part.
    """

    since: datetime | None = None
    sample: int | None = None
    seed: str = SEED
    part: tuple[int, int] | None = None

    def holds(self, listing: Listing) -> bool:
        """Whether a package is looked at, but for the sample."""
        if self.part is not None and part_of(listing, self.part[1]) != self.part[0]:
            return False
        at = moment(listing.indexed) if self.since is not None else None
        return self.since is None or at is None or at >= self.since

    def of(
        self, listings: Iterable[Listing], subdir: str, chosen: frozenset[tuple[str, str]] | None = None
    ) -> Iterable[Listing]:
        """Those of a subdir that are looked at; `chosen` are the sample's."""
        if self.since is None and self.part is None and chosen is None:
            return listings
        return (each for each in listings if self.holds(each) and (chosen is None or (subdir, each.key) in chosen))


def part_of(listing: Listing, count: int) -> int:
    """The part, from 1, that a package belongs to."""
    name = listing.key if listing.file is None else listing.file.name
    return int.from_bytes(hashlib.sha256(name.encode(errors="surrogatepass")).digest()[:8], "big") % count + 1


@dataclass(frozen=True, slots=True)
class Found:
    """The index of a subdir: where it was read from, and its records, which can be walked through once."""

    where: str
    listings: Iterator[Listing]


def read(origin: Origin, subdir: str) -> Found | None:
    """Read the index of a subdir; None where it has none.

    Raises:
        Malformed: NET-UNAVAILABLE, INDEX-SHARDS: it is no index; also between records of a sharded one.
        Unavailable, LocalFailure: It could not be read.
    """
    for name, packed in _MONOLITHS:
        path = f"{subdir}/{name}"
        place = f"{origin.name}/{path}"
        try:
            data = origin.read(path, repodata.MAX_REPODATA)
        except NotFound:
            continue
        if packed:
            data = compression.unzstd(data, limit=repodata.MAX_REPODATA, code=Code.NET_UNAVAILABLE, where=place)
        return Found(place, listings.of_monolith(data, subdir, where=place))
    path = f"{subdir}/{_SHARDS}"
    try:
        data = origin.read(path, repodata.MAX_SHARD_INDEX)
    except NotFound:
        return None
    return Found(f"{origin.name}/{path}", iter(_of_shards(origin, subdir, path, data)))


def _of_shards(origin: Origin, subdir: str, path: str, data: bytes) -> list[Listing]:
    index = repodata.parse_shard_index(data, where=f"{origin.name}/{path}")

    def one(item: tuple[str, bytes]) -> list[Listing]:
        name, digest = item
        place = shard_path(path, index.shards_base_url, digest)
        try:
            shard = origin.read(place, repodata.MAX_SHARD)
        except NotFound:
            where = f"{origin.name}/{place}"
            raise Malformed(Finding.of(Code.INDEX_SHARDS, where, expected=name, found="nothing")) from None
        found = hashlib.sha256(shard).hexdigest()
        if found != digest.hex():
            finding = Finding.of(Code.INDEX_SHARDS, f"{origin.name}/{place}", expected=digest.hex(), found=found)
            raise Malformed(finding)
        return list(listings.of_shard(shard, subdir, where=f"{origin.name}/{place}", name=name))

    with ThreadPoolExecutor(_THREADS) as pool:
        rows = [row for rows in pool.map(one, index.shards.items()) for row in rows]
    return sorted(rows, key=lambda row: row.key)


def subdirs_of(origin: Origin, wanted: Sequence[str]) -> tuple[str, ...]:
    """The subdirs to look at, sorted: those that are asked for, or those that a store has, or all that conda knows.

    Raises:
        Misuse: A subdir that is asked for is none of the store's.
    """
    there = origin.folders()
    if there is None:
        return tuple(sorted(set(wanted or SUBDIRS)))
    missing = sorted(set(wanted) - set(there))
    if missing:
        hint = f"it has: {', '.join(there) or 'no subdir'}"
        raise Misuse(f"{origin.name}: it has no subdir {', '.join(missing)}", hint=hint)
    return tuple(sorted(set(wanted or there)))


def chosen(rows: Iterator[tuple[str, Listing]], selection: Selection) -> tuple[frozenset[tuple[str, str]], int]:
    """The sample's packages, as (subdir, file), and of how many they were chosen."""
    count = 0

    def ranked() -> Iterator[tuple[bytes, str, str]]:
        nonlocal count
        for subdir, row in rows:
            count += 1
            text = f"{selection.seed}\0{subdir}/{row.key}".encode(errors="surrogatepass")
            yield hashlib.sha256(text).digest(), subdir, row.key

    best = heapq.nsmallest(selection.sample or 0, ranked())
    return frozenset((subdir, key) for _, subdir, key in best), count
