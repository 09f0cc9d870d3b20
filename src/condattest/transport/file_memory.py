"""Remember in files: one for each channel, in the user's state folder.

Owns `FileMemory`. A state is read once, when its channel is first asked about, and written by `save`: under a lock,
joined with what other processes wrote meanwhile. A run that is killed before `save` forgets what it saw, and nothing
else. The file's form is `remembered`'s.
"""

import hashlib
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import filelock

from condattest.errors import LocalFailure, Misuse
from condattest.model.artifact import Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding
from condattest.transport import files, remembered
from condattest.transport.memory import Attested, Generation, NotRemembered, Served
from condattest.transport.remembered import State

LOCK_TIMEOUT: Final = 10.0
"""Seconds to wait for another process that is saving."""


class FileMemory:
    """A `Memory` in `folder`, which need not be there yet; several threads and processes may share it.

    Args:
        folder: Where the state files are.
        lock_timeout: Seconds to wait for another process that is saving.
    """

    def __init__(self, folder: Path, *, lock_timeout: float = LOCK_TIMEOUT) -> None:
        self._folder = folder
        self._lock_timeout = lock_timeout
        self._lock = threading.RLock()
        self._known: dict[Channel, State] = {}
        self._unsaved: dict[Channel, State] = {}

    def path(self, channel: Channel) -> Path:
        """The channel's state file."""
        return self._folder / f"{hashlib.sha256(channel.url.encode()).hexdigest()}.json"

    def judge(self, channel: Channel, served: Served) -> tuple[Finding, ...]:
        """Return ROLLBACK or ROLLBACK-UNATTESTED where `served` is behind what was seen; see `Memory.judge`."""
        state = self._state(channel)
        where = f"{channel}/{_key(served)}"
        file = state.files.get(_key(served), {})
        mine = file.get(served.artifact)
        newest = max(file, key=lambda artifact: file[artifact].place, default=None)
        # (1) These bytes are not those that replaced them.
        if mine is not None and newest is not None and mine.place < file[newest].place:
            seen = _shown(file[newest].seen)
            return (Finding.of(Code.ROLLBACK, where, expected=newest, found=served.artifact, seen=seen),)
        # (2) What was attested is not served bare.
        if not served.elements:
            return self._unattested(state, served, where)
        # (3) A sidecar only ever grows, so one that lost a bundle is an older one.
        lost = sorted(set(mine.elements) - served.elements) if mine is not None else []
        if mine is not None and lost:
            facts = {"expected": f"the bundle {lost[0]}", "found": "a sidecar without it", "lost": len(lost)}
            return (Finding.of(Code.ROLLBACK, where, **facts, seen=_shown(mine.seen), sidecar=mine.sidecar),)
        return ()

    def remember(
        self, channel: Channel, served: Served, accepted: Iterable[Sha256], signer: str, *, now: datetime
    ) -> None:
        """Record an accepted file; see `Memory.remember`. Bundles that are not in `served.elements` do not count."""
        at = _utc(now)
        # Plain `str` from here on: msgspec encodes no subclass of it.
        artifact, sidecar = str(served.artifact), None if served.sidecar is None else str(served.sidecar)
        counted = tuple(sorted(map(str, served.elements.intersection(accepted))))
        if not counted:
            return  # Accepted by digest alone: that says nothing about attestations.
        with self._lock:
            file = self._state(channel).files.get(_key(served), {})
            last = max((seen.place for seen in file.values()), default=0)
            place = file[artifact].place if artifact in file else last + 1
            seen = remembered.Seen(place, at, sidecar, counted)
            name = remembered.Name(at, signer[: remembered.MAX_TEXT], str(served.file))
            self._record(
                channel,
                State(
                    remembered.SCHEMA,
                    channel.url,
                    names={served.file.name: name},
                    files={_key(served): {artifact: seen}},
                ),
            )

    def attested(self, channel: Channel, name: str) -> Attested | None:
        """Return since when a package name is attested here, if it is."""
        known = self._state(channel).names.get(name)
        return None if known is None else Attested(known.since, known.signer, known.file)

    def first_seen(self, channel: Channel, artifact: Sha256, *, now: datetime) -> datetime | None:
        """Return when an artifact was first seen: `now` if this is the first time. A later time counts as now."""
        at = _utc(now)
        with self._lock:
            known = self._state(channel).artifacts.get(artifact)
            if known is None or at < known:
                self._record(channel, State(remembered.SCHEMA, channel.url, artifacts={str(artifact): at}))
                return at
            return known

    def newest(self, channel: Channel, chain: str) -> Generation | None:
        """Return the newest generation seen of a chain."""
        known = self._state(channel).generations.get(chain)
        return None if known is None else Generation(known.number, Sha256(known.payload))

    def judge_generation(self, channel: Channel, chain: str, served: Generation) -> tuple[Finding, ...]:
        """Return ROLLBACK where a smaller number is served than was seen, or the same with another payload."""
        known = self.newest(channel, chain)
        if known is None or served == known or served.number > known.number:
            return ()
        where = f"{channel}: {chain}"
        return (Finding.of(Code.ROLLBACK, where, expected=_generation(known), found=_generation(served)),)

    def remember_generation(self, channel: Channel, chain: str, served: Generation, *, now: datetime) -> None:
        """Record a generation; a smaller number than the newest changes nothing."""
        made = remembered.Generation(served.number, str(served.payload), _utc(now))
        with self._lock:
            self._record(channel, State(remembered.SCHEMA, channel.url, generations={chain: made}))

    def save(self) -> tuple[NotRemembered, ...]:
        """Write down what was recorded since; what could not be written is returned, and tried again the next time.

        Raises:
            LocalFailure: A state was damaged since it was read.
        """
        with self._lock:
            failed = []
            for channel, unsaved in sorted(self._unsaved.items()):
                try:
                    self._known[channel] = self._save(channel, unsaved)
                except _NotSaved as error:
                    failed.append(NotRemembered(channel, str(error)))
                else:
                    del self._unsaved[channel]
            return tuple(failed)

    def _unattested(self, state: State, served: Served, where: str) -> tuple[Finding, ...]:
        file = state.files.get(_key(served))
        name = state.names.get(served.file.name)
        if not file and name is None:
            return ()
        facts = {"scope": "file" if file else "name", "expected": "an attestation", "found": "none"}
        if name is not None:
            facts |= {"since": _shown(name.since), "signer": name.signer, "file": name.file}
        return (Finding.of(Code.ROLLBACK_UNATTESTED, where, **facts),)

    def _state(self, channel: Channel) -> State:
        with self._lock:
            if channel not in self._known:
                self._known[channel] = self._read(channel)
            return self._known[channel]

    def _record(self, channel: Channel, more: State) -> None:
        remembered.learn(self._unsaved.setdefault(channel, remembered.empty(channel.url)), more)
        remembered.learn(self._state(channel), more)

    def _read(self, channel: Channel) -> State:
        path = self.path(channel)
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return remembered.empty(channel.url)
        except OSError as error:
            raise LocalFailure(f"{path}: cannot be read: {error.strerror}", hint=_reset(path)) from None
        try:
            return remembered.parse(files.read_bounded(path, remembered.MAX_BYTES), channel.url)
        except (Misuse, LocalFailure, ValueError) as error:
            raise LocalFailure(
                f"{path}: what this machine remembers of {channel} is damaged: {error}", hint=_reset(path)
            ) from None

    def _save(self, channel: Channel, unsaved: State) -> State:
        path = self.path(channel)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with filelock.FileLock(path.with_suffix(".lock"), timeout=self._lock_timeout):
                joined = remembered.join(self._read(channel), unsaved)
                data = remembered.dump(joined)
                # What could not be read again must not be written: it would stop every later run.
                remembered.parse(data[: remembered.MAX_BYTES + 1], channel.url)
                _write(path, data)
        except filelock.Timeout:
            raise _NotSaved(f"{path}: another process has been saving for {self._lock_timeout:g} seconds") from None
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise _NotSaved(f"{self._folder}: cannot be written: {reason}") from None
        except ValueError as error:
            raise _NotSaved(f"{path}: the state cannot be written: {error}") from None
        return joined


class _NotSaved(Exception):
    pass


def _write(path: Path, data: bytes) -> None:
    try:
        files.write_new(path, data, replace=True, mode=0o600)
    except LocalFailure as error:
        raise _NotSaved(str(error)) from None


def _reset(path: Path) -> str:
    return f"delete {path} to start afresh; what was rolled back before then goes unnoticed"


def _key(served: Served) -> str:
    return f"{served.subdir}/{served.file}"


def _generation(generation: Generation) -> str:
    return f"generation {generation.number} with the payload {generation.payload}"


def _shown(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _utc(now: datetime) -> datetime:
    if now.tzinfo is None:
        raise ValueError("expected an aware time")
    return now.astimezone(UTC)
