"""repodata.json and its like, plain or compressed, without the records that the policy rejects.

Owns `IndexFiles` and `Body`. Each form is made of the same form of the channel: what the channel does not have, the
proxy does not have either. A form is filtered once for the bytes that the channel serves, and kept on the shelf.
"""

import hashlib
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from condattest.formats import compression, filtered
from condattest.formats.repodata import MAX_REPODATA
from condattest.model.artifact import Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.screening import Sheet, sheet
from condattest.proxy.ledger import Ledger
from condattest.proxy.paths import Coding, IndexFile
from condattest.proxy.refused import Refused
from condattest.proxy.screens import Screens, held_in, unless_unknown
from condattest.proxy.shelf import Kept, Shelf

_FRESH: Final = 5.0
"""Seconds for which the channel is not asked again."""
_TURNS: Final = 1000
PATIENCE: Final = 20.0
"""Seconds for which a request waits for what another one is making."""


@dataclass(frozen=True, slots=True)
class Body:
    """An index file as the proxy serves it: its bytes, on the shelf or in memory, and what they lack."""

    sha256: Sha256
    content: Kept | bytes
    sheet: Sheet | None = None


@dataclass(slots=True)
class _Made:
    """What was made of the channel's bytes. `spare` holds it where the shelf has no room."""

    source: bytes
    epoch: Hashable
    sha256: Sha256
    sheet: Sheet
    asked: float
    until: float
    spare: bytes | None

    def holds(self, epoch: Hashable) -> bool:
        """Whether it may be gone by."""
        return self.epoch == epoch and time.monotonic() < self.until


@dataclass(slots=True)
class IndexFiles:
    """The JSON indexes of channels. Several threads may share it."""

    screens: Screens
    shelf: Shelf
    ledger: Ledger
    patience: float = PATIENCE
    _made: dict[IndexFile, _Made] = field(default_factory=dict)
    _turns: dict[IndexFile, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, at: IndexFile) -> Body:
        """Return a filtered index file.

        Raises:
            Malformed: NET-UNAVAILABLE: the channel's is none.
            Unavailable: The channel's cannot be had.
            Refused: Nothing could be decided; or others have been waiting for it for long, too.
            LocalFailure: It cannot be kept.
        """
        with self._lock:
            if len(self._turns) > _TURNS:  # Clients may ask for any subdir, there or not.
                self._turns = {each: turn for each, turn in self._turns.items() if turn.locked()}
            turn = self._turns.setdefault(at, threading.Lock())
        # Who comes second takes what the first one made; but not all threads wait for what takes minutes.
        if not turn.acquire(timeout=self.patience):
            raise Refused(503, (Finding.of(Code.NET_UNAVAILABLE, at, reason="its records are still being verified"),))
        try:
            return self._get(at)
        finally:
            turn.release()

    def _get(self, at: IndexFile) -> Body:
        gate = self.screens.gate
        now = gate.clock()
        epoch = self.screens.epoch(now)
        made = self._made.get(at)
        if made is not None and made.holds(epoch) and time.monotonic() - made.asked < _FRESH:
            body = self._body(made)
            if body is not None:
                return body
        data = gate.fetcher(at.url, MAX_REPODATA)
        source = hashlib.sha256(data).digest()
        if made is not None and made.holds(epoch) and made.source == source:
            made.asked = time.monotonic()
            body = self._body(made)
            if body is not None:
                return body
        self._made.pop(at, None)
        began = time.monotonic()
        plain = _unpacked(data, at.coding, at.url)
        screened = self.screens.put(
            self.screens.by_index(at.channel, now),
            at.channel,
            at.subdir,
            lambda screen: filtered.monolith(plain, screen, where=at.url),
            held_in(plain, at.url, is_shard=False, wanted=gate.judges_patches(at.channel)),
        )
        unless_unknown([screened])
        left = screened.filtered
        packed = data if left.data is plain else _packed(left.data, at.coding)
        summed = sheet([left])
        self.ledger.index(str(at), summed)
        sha256 = self.shelf.put(packed)
        if screened.lasts:
            spare = None if self.shelf.holds(len(packed)) else packed
            asked = time.monotonic()
            until = asked + self.screens.lasting(asked - began)
            self._made[at] = _Made(source, epoch, sha256, summed, asked, until, spare)
        return Body(sha256, packed, summed)

    def _body(self, made: _Made) -> Body | None:
        content = made.spare if made.spare is not None else self.shelf.open(made.sha256)
        return None if content is None else Body(made.sha256, content, made.sheet)


def _unpacked(data: bytes, coding: Coding, where: str) -> bytes:
    match coding:
        case ".zst":
            return compression.unzstd(data, limit=MAX_REPODATA, code=Code.NET_UNAVAILABLE, where=where)
        case ".bz2":
            return compression.unbz2(data, limit=MAX_REPODATA, code=Code.NET_UNAVAILABLE, where=where)
        case "":
            return data


def _packed(data: bytes, coding: Coding) -> bytes:
    match coding:
        case ".zst":
            return compression.zstd_small(data)
        case ".bz2":
            return compression.bzip2(data)
        case "":
            return data
