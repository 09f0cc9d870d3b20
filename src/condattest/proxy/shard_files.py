"""CEP 16 shards without the records that the policy rejects, and an index that names what became of them.

Owns `ShardFiles`. The index holds the digest of each shard, so all of them are filtered before it is served. That is
done in the background; whoever asks waits for some seconds, and is then told that there is no such index: clients go
by repodata.json then, and find the shards later. A shard is filtered once for its digest.

Spec: https://github.com/conda/ceps/blob/main/cep-0016.md
"""

import hashlib
import threading
import time
from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from urllib.parse import urljoin

from condattest.errors import Malformed, NotFound
from condattest.formats import filtered, shards
from condattest.formats.filtered import Filtered
from condattest.formats.repodata import MAX_SHARD, MAX_SHARD_INDEX
from condattest.model.artifact import Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.screening import ByIndex, Sheet, sheet
from condattest.proxy.index_files import PATIENCE, Body
from condattest.proxy.ledger import Ledger
from condattest.proxy.paths import ShardFile, ShardIndexFile
from condattest.proxy.screens import Screened, Screens, held_in, unless_unknown
from condattest.proxy.shelf import Shelf

_KNOWN: Final = 200_000
"""Shards whose outcome is remembered."""


@dataclass(frozen=True, slots=True)
class _Shard:
    """What became of a channel's shard: its new digest, None if no record is left; and what it lacks (without data)."""

    url: str
    source: bytes
    digest: bytes | None
    screened: Screened
    until: float

    @property
    def lacks(self) -> Filtered:
        return self.screened.filtered


@dataclass(frozen=True, slots=True)
class _Index:
    data: bytes
    sheet: Sheet
    lasts: bool
    until: float


@dataclass(slots=True)
class ShardFiles:
    """The sharded indexes of channels. Several threads may share it; close it."""

    screens: Screens
    shelf: Shelf
    ledger: Ledger
    patience: float = PATIENCE
    jobs: int = 16
    _shards: dict[tuple[bytes, str, Hashable], _Shard] = field(default_factory=dict)
    _by_digest: dict[tuple[str, str, Sha256], _Shard] = field(default_factory=dict)
    _indexes: dict[ShardIndexFile, tuple[Hashable, Future[_Index]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pool: ThreadPoolExecutor = field(init=False)
    _builders: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(self.jobs, "shards")
        self._builders = ThreadPoolExecutor(8, "shard-index")

    def close(self) -> None:
        """Stop what is being done."""
        self._builders.shutdown(wait=False, cancel_futures=True)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._builders.shutdown(wait=True)

    def index(self, at: ShardIndexFile) -> Body:
        """Return the index of the filtered shards.

        Raises:
            Malformed: NET-UNAVAILABLE: the channel's index or a shard is none.
            NotFound: The channel has none, or its shards are still being filtered.
            Unavailable: The channel's cannot be had.
            Refused: Nothing could be decided.
        """
        gate = self.screens.gate
        now = gate.clock()
        data = gate.fetcher(at.url, MAX_SHARD_INDEX)
        key = (hashlib.sha256(data).digest(), self.screens.epoch(now))
        with self._lock:
            known = self._indexes.get(at)
            if known is None or known[0] != key or _is_over(known[1]):
                known = (key, self._builders.submit(self._build, at, data, now))
                self._indexes[at] = known
        try:
            made = known[1].result(self.patience)
        except NotYet:
            raise NotFound(at.url, "its shards are still being filtered; clients go by repodata.json") from None
        except BaseException:
            self._drop(at, known)
            raise
        if not made.lasts:
            self._drop(at, known)
        return Body(Sha256(hashlib.sha256(made.data).hexdigest()), made.data, made.sheet)

    def shard(self, at: ShardFile) -> Body:
        """Return a filtered shard.

        Raises:
            NotFound: No index that the proxy served names it.
            Malformed, Unavailable: The channel's shard cannot be had any more.
        """
        with self._lock:
            made = self._by_digest.get((at.channel.url, at.subdir, at.digest))
        if made is None:
            raise NotFound(str(at), "no index of shards names it")
        if made.source == bytes.fromhex(at.digest):
            return Body(at.digest, self._fetched(made.url, made.source))
        kept = self.shelf.open(at.digest)
        if kept is not None:
            return Body(at.digest, kept)
        stay = made.lacks.left_out

        def as_before(name: str, file: str, sha256: str, sidecar: str | None) -> Finding | None:
            return stay.get(file)

        again = filtered.shard(self._fetched(made.url, made.source), as_before, where=made.url)
        if hashlib.sha256(again.data).hexdigest() != at.digest:
            raise NotFound(str(at), "it is no longer kept; ask for the index of shards again")
        return Body(self.shelf.put(again.data), again.data)

    def _drop(self, at: ShardIndexFile, known: tuple[Hashable, Future[_Index]]) -> None:
        with self._lock:
            if self._indexes.get(at) is known:
                del self._indexes[at]

    def _build(self, at: ShardIndexFile, data: bytes, now: datetime) -> _Index:
        began = time.monotonic()
        index = shards.read_index(data, where=at.url)
        by_index = self.screens.by_index(at.channel, now)
        epoch = self.screens.epoch(now)
        base = urljoin(at.url, f"{index.shards_base_url.rstrip('/')}/" if index.shards_base_url else "./")
        pending = {
            name: self._pool.submit(self._shard, at, f"{base}{digest.hex()}.msgpack.zst", digest, by_index, epoch)
            for name, digest in index.shards.items()
        }
        made = {name: future.result() for name, future in pending.items()}
        unless_unknown(each.screened for each in made.values())
        digests = {name: each.digest for name, each in made.items() if each.digest is not None}
        summed = sheet([each.lacks for each in made.values()])
        self.ledger.index(str(at), summed)
        packed = filtered.shard_index(index, digests, shards_base_url="./shards/")
        until = time.monotonic() + self.screens.lasting(time.monotonic() - began)
        return _Index(packed, summed, all(each.screened.lasts for each in made.values()), until)

    def _shard(self, at: ShardIndexFile, url: str, digest: bytes, by_index: ByIndex, epoch: Hashable) -> _Shard:
        key = (digest, at.channel.url + "/" + at.subdir, epoch)
        with self._lock:
            known = self._shards.get(key)
        if known is not None and time.monotonic() < known.until:
            return known
        began = time.monotonic()
        data = self._fetched(url, digest)
        screened = self.screens.put(
            by_index,
            at.channel,
            at.subdir,
            lambda screen: filtered.shard(data, screen, where=url),
            held_in(data, url, is_shard=True, wanted=self.screens.gate.judges_patches(at.channel)),
            jobs=1,
        )
        left = screened.filtered
        new: bytes | None = None
        if left.kept or left.data is data:
            new = digest if left.data is data else bytes.fromhex(self.shelf.put(left.data))
        until = time.monotonic() + self.screens.lasting(time.monotonic() - began)
        made = _Shard(url, digest, new, replace(screened, filtered=replace(left, data=b"")), until)
        with self._lock:
            for known_by in (self._shards, self._by_digest):
                if len(known_by) > _KNOWN:
                    known_by.clear()
            if screened.lasts:
                self._shards[key] = made
            if new is not None:
                self._by_digest[at.channel.url, at.subdir, Sha256(new.hex())] = made
        return made

    def _fetched(self, url: str, digest: bytes) -> bytes:
        data = self.screens.gate.fetcher(url, MAX_SHARD)
        found = hashlib.sha256(data).digest()
        if found != digest:
            raise Malformed(Finding.of(Code.NET_UNAVAILABLE, url, expected=digest.hex(), found=found.hex()))
        return data


def _is_over(made: Future[_Index]) -> bool:
    """Whether an index was made, and is to be made anew."""
    return made.done() and made.exception() is None and time.monotonic() > made.result().until
