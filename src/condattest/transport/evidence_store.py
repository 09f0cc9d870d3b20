"""Keep what bundles proved, so that the next run need not verify their signatures again.

Owns `EvidenceStore`. What is kept is what `authenticate` gave, by the digest of the bundle's bytes, the digest of the
trust root, and the version of the program and of sigstore: none of the three changes under the same key. Beside it
stands which bundles a sidecar holds, by the sidecar's digest, so that it need not be read again either. Verdicts are
never kept: binding, time, policy and patches are judged each time. A store that is damaged or cannot be written is
none.

Who can write to the file can put evidence there: it lies in the user's own cache folder, readable and writable by the
user alone, is not used if others own it or its folder, or can write to them, and callers leave it out where `CI` is
set, unless they are asked for it. The folder counts as the file does: beside a database SQLite looks for a journal, and
writes into the database what that says.
"""

import contextlib
import os
import sqlite3
import stat
import threading
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from condattest._version import __version__
from condattest.formats import evidence as codec
from condattest.model.artifact import Sha256
from condattest.model.evidence import Evidence

_BATCH: Final = 4000
"""Rows that are written at a time. Their keys are random, so that each comes to another page of the short index."""
_PAGE: Final = 16384
"""Bytes of a page of a new file: SQLite's own 4096 take two for every evidence."""
# With rowids, evidence is appended, and stands in the order in which it will be asked for: by key, every batch would
# write the whole file anew.
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS evidence (
    bundle BLOB NOT NULL, root BLOB NOT NULL, version TEXT NOT NULL, evidence BLOB NOT NULL,
    PRIMARY KEY (bundle, root, version)
)
"""
_SIDECARS: Final = """
CREATE TABLE IF NOT EXISTS sidecars (
    sidecar BLOB NOT NULL, version TEXT NOT NULL, position INTEGER NOT NULL, bundle BLOB NOT NULL,
    PRIMARY KEY (sidecar, version, position)
) WITHOUT ROWID
"""
_KNOWN: Final = """
SELECT sidecars.sidecar, sidecars.bundle, evidence.evidence FROM sidecars
LEFT JOIN evidence ON evidence.bundle = sidecars.bundle AND evidence.root = ? AND evidence.version = sidecars.version
WHERE sidecars.version = ? AND sidecars.sidecar IN ({}) ORDER BY sidecars.sidecar, sidecars.position
"""


class EvidenceStore:
    """Evidence in an SQLite file. Several threads may share it, and several processes the file.

    Args:
        path: The file; it and its folder need not be there yet.

    Attributes:
        path: The same.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._unsaved: list[tuple[bytes, bytes, str, bytes]] = []
        self._sidecars: list[tuple[bytes, str, int, bytes]] = []
        self.path = path
        self._version = f"{__version__} {version('sigstore')}"
        self._database = _opened(path)

    @property
    def is_kept(self) -> bool:
        """Whether there is a file that evidence is kept in."""
        return self._database is not None

    @property
    def holds_any(self) -> bool:
        """Whether anything at all was saved."""
        if self._database is None:
            return False
        try:
            with self._lock:
                return self._database.execute("SELECT 1 FROM evidence LIMIT 1").fetchone() is not None
        except sqlite3.Error:
            return False

    def get(self, bundle: Sha256, root: Sha256) -> Evidence | None:
        """Return what a bundle proved under a trust root; None where that is not known."""
        if self._database is None:
            return None
        key = (bytes.fromhex(bundle), bytes.fromhex(root), self._version)
        try:
            with self._lock:
                row = self._database.execute(
                    "SELECT evidence FROM evidence WHERE bundle = ? AND root = ? AND version = ?", key
                ).fetchone()
            found = None if row is None else codec.parse(row[0])
        except (sqlite3.Error, ValueError):
            return None
        # A row that was put under another key proves nothing of this bundle.
        if found is None or (found.bundle_sha256, found.trust_root_sha256) != (bundle, root):
            return None
        return found

    def several(self, bundles: Sequence[Sha256], root: Sha256) -> dict[Sha256, Evidence]:
        """What is known of bundles under a trust root, as `get` tells it of one."""
        if self._database is None or not bundles:
            return {}
        keys = [bytes.fromhex(each) for each in bundles]
        query = f"SELECT bundle, evidence FROM evidence WHERE root = ? AND version = ? AND bundle IN ({_marks(keys)})"  # noqa: S608
        try:
            with self._lock:
                rows = self._database.execute(query, (bytes.fromhex(root), self._version, *keys)).fetchall()
            found = [_proof(kept, bundle, root) for bundle, kept in rows]
        except (sqlite3.Error, TypeError, AttributeError):
            return {}
        return {each.bundle_sha256: each for each in found if each is not None}

    def put(self, value: Evidence, data: bytes | None = None) -> None:
        """Keep what a bundle proved; `data` is what `formats.evidence` makes of it, if that is there already."""
        if self._database is None:
            return
        root = bytes.fromhex(value.trust_root_sha256)
        row = (bytes.fromhex(value.bundle_sha256), root, self._version, data or codec.dump(value))
        with self._lock:
            self._unsaved.append(row)
            full = len(self._unsaved) >= _BATCH
        if full:
            self.save()

    def put_sidecar(self, sidecar: Sha256, bundles: Sequence[Sha256]) -> None:
        """Keep which bundles a sidecar holds; what each proved is put by itself."""
        if self._database is not None:
            key = bytes.fromhex(sidecar)
            rows = [(key, self._version, position, bytes.fromhex(each)) for position, each in enumerate(bundles)]
            with self._lock:
                self._sidecars.extend(rows)

    def known(self, sidecars: Sequence[Sha256], root: Sha256) -> dict[Sha256, tuple[Evidence, ...]]:
        """By sidecar, what its bundles proved under a trust root; only where that is known of every bundle."""
        if self._database is None or not sidecars:
            return {}
        keys = [bytes.fromhex(each) for each in sidecars]
        query = _KNOWN.format(_marks(keys))
        try:
            with self._lock:
                rows = self._database.execute(query, (bytes.fromhex(root), self._version, *keys)).fetchall()
            found: dict[bytes, list[Evidence | None]] = {}
            for sidecar, bundle, kept in rows:
                found.setdefault(sidecar, []).append(_proof(kept, bundle, root))
        except (sqlite3.Error, TypeError, AttributeError):
            return {}
        whole = {}
        for sidecar, proofs in found.items():
            evidence = tuple(each for each in proofs if each is not None)
            if len(evidence) == len(proofs):
                whole[Sha256.of_bytes(sidecar)] = evidence
        return whole

    def save(self) -> None:
        """Write down what was put since."""
        with self._lock:
            rows, self._unsaved = self._unsaved, []
            sidecars, self._sidecars = sorted(self._sidecars), []
            if self._database is not None and (rows or sidecars):
                with contextlib.suppress(sqlite3.Error), self._database:
                    self._database.executemany("INSERT OR REPLACE INTO evidence VALUES (?, ?, ?, ?)", rows)
                    self._database.executemany("INSERT OR REPLACE INTO sidecars VALUES (?, ?, ?, ?)", sidecars)

    def close(self) -> None:
        """Write down what was put, and close the file."""
        self.save()
        with self._lock:
            if self._database is not None:
                self._database.close()
            self._database = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _marks(keys: Sequence[bytes]) -> str:
    return ", ".join("?" * len(keys))


def _proof(kept: bytes | None, bundle: bytes, root: Sha256) -> Evidence | None:
    """What is kept of a bundle, if it is what the key says."""
    if kept is None:
        return None
    try:
        found = codec.parse(kept)
    except ValueError:
        return None
    return found if (found.bundle_sha256, found.trust_root_sha256) == (bundle.hex(), root) else None


def _opened(path: Path) -> sqlite3.Connection | None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _own(path.parent):
            return None
        # Made here, and not by SQLite, whose umask would decide who may write.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
        if not _own(path):
            return None
    except OSError:
        return None
    try:
        return _connected(path)
    except sqlite3.OperationalError:
        return None  # Busy, or on a full disk.
    except sqlite3.DatabaseError:
        # Damaged: a cache is begun anew.
        with contextlib.suppress(OSError, sqlite3.Error):
            path.write_bytes(b"")
            return _connected(path)
    return None


def _connected(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=10, check_same_thread=False)
    try:
        database.execute(f"PRAGMA page_size = {_PAGE}")
        database.execute(_TABLE)
        database.execute(_SIDECARS)
        database.commit()
    except sqlite3.Error:
        database.close()
        raise
    return database


def _own(path: Path) -> bool:
    """Whether nobody else can write to a file or a folder; systems without owners are taken at their word."""
    if not hasattr(os, "getuid"):
        return True
    state = path.stat()
    return state.st_uid == os.getuid() and not stat.S_IMODE(state.st_mode) & 0o022
