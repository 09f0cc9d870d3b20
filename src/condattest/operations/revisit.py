"""Look at a channel again, for the price of a few short answers where nothing changed.

Owns `Revisit`. What was read the last time is noted with its digest and the server's `ETag` and `Last-Modified`, beside
the generation that it was found to agree with: in the observer's state file, or in their own store. If the server
answers "not modified" to every one of them, there is nothing to sign, and nothing is signed: such an answer never
stands in a statement. Whatever is signed was read whole in the same run.

A note counts only for the newest generation, the same channel and the same engine. A `Last-Modified` counts only if it
was a minute old when it was read, since files can change twice in its second; a file without either is read whole.

    {"origin": "https://conda.example/channel", "engine": "conda-index", "payload": "<sha256>",
     "files": {"noarch/repodata.json": {"sha256": "...", "etag": "...", "lastModified": "..."},
               "noarch/patch_instructions.json": null}}

Spec: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.2.2, #section-13
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec

from condattest.errors import Conflict, NotFound
from condattest.formats.repodata import MAX_REPODATA
from condattest.operations import patch_state, patch_tip
from condattest.operations.patch_attest import is_due
from condattest.operations.patch_chain import Chain, Generation
from condattest.transport.fetch import Fetched, NotModified
from condattest.transport.origin import HttpOrigin
from condattest.transport.store import Store

_MAX_NOTE: Final = 64 * 1024
_SETTLED: Final = timedelta(minutes=1)
_Hex = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    sha256: _Hex
    etag: str | None = None
    last_modified: str | None = None


class _Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    origin: str
    engine: str
    payload: _Hex
    files: dict[str, _File | None]


@dataclass(slots=True)
class Revisit:
    """A channel that is read with an eye to the next time; an `Origin` for what is to be read whole.

    Attributes:
        origin: The channel.
        store: The observer's own store.
        chain: Their generations.
        state: The observer's state file; None where the store keeps the note.
        engine: The name of the engine that replays.
        now: The time of the run.
    """

    origin: HttpOrigin
    store: Store
    chain: Chain
    state: Path | None
    engine: str
    now: datetime
    _read: dict[str, _File | None] = field(default_factory=dict)
    _bodies: dict[str, bytes] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As `Origin.name`."""
        return self.origin.name

    def unchanged(self, refresh_after: timedelta | None) -> Generation | None:
        """The newest generation, if the server says that all is as it was when that was found to agree with it.

        Args:
            refresh_after: How old it may be until one is due that changes nothing; then all is read whole.

        Raises:
            Malformed: ROLLBACK: it does not descend from the state; or it is not sound.
            Unavailable, LocalFailure: The server, the store or the state could not be read.
        """
        note = self._noted()
        if note is None:
            return None
        end = patch_tip.tip(self.chain)
        newest = end.newest
        if newest is None or end.is_void or is_due(newest, refresh_after, self.now):
            return None
        if (note.origin, note.engine, note.payload) != (self.name, self.engine, newest.payload):
            return None
        if not note.files or any(file is not None and _asks_nothing(file) for file in note.files.values()):
            return None
        if not all(self._is_same(path, file) for path, file in note.files.items()):
            return None
        where = f"{self.store.name}/{self.chain.place('head.json')}"
        patch_state.descends(self.state, self.chain, end.payloads, where=where)
        return newest

    def _is_same(self, path: str, file: _File | None) -> bool:
        etag, last_modified = (None, None) if file is None else (file.etag, file.last_modified)
        try:
            answer = self.origin.conditional(path, MAX_REPODATA, etag=etag, last_modified=last_modified)
        except NotFound:
            return file is None
        if isinstance(answer, NotModified):
            return file is not None
        # Some servers always answer whole. What came is not asked for again.
        same = file is not None and hashlib.sha256(answer.body).hexdigest() == file.sha256
        if not same:
            self._keep(path, answer)
            self._bodies[path] = answer.body
        return same

    def read(self, path: str, limit: int) -> bytes:
        """As `Origin.read`."""
        if path in self._bodies and len(self._bodies[path]) <= limit:
            return self._bodies.pop(path)
        try:
            answer = self.origin.conditional(path, limit)
        except NotFound:
            self._read[path] = None
            raise
        assert isinstance(answer, Fetched)  # noqa: S101 - 304 is refused where nothing was asked on condition
        self._keep(path, answer)
        return answer.body

    def read_fresh(self, path: str, limit: int) -> bytes:
        """As `Origin.read_fresh`."""
        return self.origin.read_fresh(path, limit)

    def stream(self, path: str, limit: int) -> AbstractContextManager[Iterator[bytes]]:
        """As `Origin.stream`."""
        return self.origin.stream(path, limit)

    def folders(self) -> list[str] | None:
        """As `Origin.folders`."""
        return self.origin.folders()

    def note(self, agreed: Generation) -> None:
        """Write down what was read, which a generation agrees with.

        Raises:
            Unavailable, LocalFailure: The store or the state could not be written.
        """
        note = msgspec.to_builtins(_Note(self.name, self.engine, str(agreed.payload), self._read))
        if self.state is not None:
            patch_state.note(self.state, self.chain, note)
            return
        path = self.chain.place("seen.json")
        try:
            version: str | None = self.store.read(path, _MAX_NOTE).version
        except NotFound:
            version = None
        with suppress(Conflict):  # Another run of the observer was faster: its note is as good.
            self.store.replace(path, json.dumps(note, indent=1, sort_keys=True).encode() + b"\n", version)

    def _noted(self) -> _Note | None:
        try:
            if self.state is not None:
                return msgspec.convert(patch_state.noted(self.state, self.chain), _Note)
            return msgspec.json.decode(self.store.read(self.chain.place("seen.json"), _MAX_NOTE).data, type=_Note)
        except (NotFound, ValueError, RecursionError):
            return None  # Without a note all is read whole.

    def _keep(self, path: str, answer: Fetched) -> None:
        modified = answer.last_modified if _is_settled(answer.last_modified, self.now) else None
        self._read[path] = _File(hashlib.sha256(answer.body).hexdigest(), answer.etag, modified)


def _asks_nothing(file: _File) -> bool:
    return file.etag is None and file.last_modified is None


def _is_settled(last_modified: str | None, now: datetime) -> bool:
    try:
        return last_modified is not None and now - parsedate_to_datetime(last_modified) >= _SETTLED
    except (ValueError, TypeError, OverflowError):
        return False
