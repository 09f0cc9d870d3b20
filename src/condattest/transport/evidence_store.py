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
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal

from condattest._version import __version__
from condattest.formats import evidence as codec
from condattest.formats.evidence import Facts
from condattest.model.artifact import Sha256
from condattest.model.evidence import Evidence
from condattest.transport.closing import Closing

_BATCH: Final = 4000
"""Rows that are written at a time; those with random keys sorted, so that a page is written once for several."""
_PAGE: Final = 16384
"""Bytes of a page of a new file: SQLite's own 4096 take two for every evidence."""
_CACHED: Final = 16_000
"""Kilobytes of the file that SQLite may hold: what tells where evidence stands is asked for in random order."""
_LAYOUT: Final = 4
"""A file with another layout is begun anew."""
_TABLES: Final = """
DROP TABLE IF EXISTS sidecars;
DROP TABLE IF EXISTS facts;
DROP TABLE IF EXISTS evidence;
CREATE TABLE evidence (
    id INTEGER PRIMARY KEY, bundle BLOB NOT NULL, root BLOB NOT NULL, version TEXT NOT NULL, evidence BLOB NOT NULL,
    UNIQUE (bundle, root, version)
);
CREATE TABLE facts (id INTEGER PRIMARY KEY, facts BLOB);
CREATE TABLE sidecars (
    sidecar BLOB NOT NULL, root BLOB NOT NULL, version TEXT NOT NULL, position INTEGER NOT NULL,
    bundle BLOB NOT NULL, evidence INTEGER,
    PRIMARY KEY (sidecar, root, version, position)
) WITHOUT ROWID;
"""
"""Evidence stands in the order in which it was put: an audit asks for it in that order, page after page. Facts of it
stand apart, many to a page."""
_PUT: Final = """
INSERT INTO evidence (bundle, root, version, evidence) VALUES (?, ?, ?, ?)
ON CONFLICT (bundle, root, version) DO UPDATE SET evidence = excluded.evidence
"""
_PUT_FACTS: Final = """
INSERT OR REPLACE INTO facts SELECT id, ?5 FROM evidence WHERE bundle = ?1 AND root = ?2 AND version = ?3
"""
_PUT_SIDECAR: Final = """
INSERT OR REPLACE INTO sidecars VALUES (?1, ?2, ?3, ?4, ?5,
    (SELECT id FROM evidence WHERE bundle = ?5 AND root = ?2 AND version = ?3))
"""
_KNOWN: Final = """
SELECT sidecars.sidecar, sidecars.bundle, {table}.{table} FROM sidecars
LEFT JOIN {table} ON {table}.id = sidecars.evidence
WHERE sidecars.sidecar IN ({keys}) AND sidecars.root = ? AND sidecars.version = ?
ORDER BY sidecars.sidecar, sidecars.position
"""


class EvidenceStore(Closing):
    """Evidence in an SQLite file. Several threads may share it, and several processes the file.

    Args:
        path: The file; it and its folder need not be there yet.

    Attributes:
        path: The same.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._unsaved: list[tuple[bytes, bytes, str, bytes, bytes | None]] = []
        self._sidecars: list[tuple[bytes, bytes, str, int, bytes]] = []
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
        return self.several([bundle], root).get(bundle)

    def several(self, bundles: Sequence[Sha256], root: Sha256) -> dict[Sha256, Evidence]:
        """What is known of bundles under a trust root; a row that was put under another key proves nothing."""
        if self._database is None or not bundles:
            return {}
        keys = [bytes.fromhex(each) for each in bundles]
        query = f"SELECT bundle, evidence FROM evidence WHERE root = ? AND version = ? AND bundle IN ({_marks(keys)})"  # noqa: S608
        try:
            with self._lock:
                rows = self._database.execute(query, (bytes.fromhex(root), self._version, *keys)).fetchall()
        except sqlite3.Error:
            return {}
        found = [_proof(kept, bundle, root) for bundle, kept in rows]
        return {each.bundle_sha256: each for each in found if each is not None}

    def put(self, value: Evidence, data: bytes | None = None) -> None:
        """Keep what a bundle proved; `data` is what `formats.evidence` makes of it, if that is there already."""
        if self._database is None:
            return
        root = bytes.fromhex(value.trust_root_sha256)
        facts, data = codec.dump_facts(value), data or codec.dump(value)
        row = (bytes.fromhex(value.bundle_sha256), root, self._version, data, facts)
        with self._lock:
            self._unsaved.append(row)
            full = len(self._unsaved) >= _BATCH
        if full:
            self.save()

    def put_sidecar(self, sidecar: Sha256, root: Sha256, bundles: Sequence[Sha256]) -> None:
        """Keep which bundles a sidecar holds; what each proved under the trust root is put by itself, before."""
        if self._database is not None:
            key = (bytes.fromhex(sidecar), bytes.fromhex(root), self._version)
            rows = [(*key, position, bytes.fromhex(each)) for position, each in enumerate(bundles)]
            with self._lock:
                self._sidecars.extend(rows)

    def known(self, sidecars: Sequence[Sha256], root: Sha256) -> dict[Sha256, tuple[Evidence, ...]]:
        """By sidecar, what its bundles proved under a trust root; only where that is known of every bundle."""
        found: dict[Sha256, list[Evidence | None]] = {}
        for sidecar, bundle, kept in self._held(sidecars, root, "evidence"):
            found.setdefault(sidecar, []).append(_proof(kept, bundle, root))
        whole = {}
        for sidecar, proofs in found.items():
            evidence = tuple(each for each in proofs if each is not None)
            if len(evidence) == len(proofs):
                whole[sidecar] = evidence
        return whole

    def facts(self, sidecars: Sequence[Sha256], root: Sha256) -> dict[Sha256, Facts]:
        """By sidecar with a single bundle, a plain publish attestation, the facts of it under a trust root."""
        key = bytes.fromhex(root)
        found: dict[Sha256, Facts | None] = {}
        for sidecar, bundle, kept in self._held(sidecars, root, "facts"):
            found[sidecar] = None if sidecar in found else _facts(kept, bundle, key)
        return {sidecar: facts for sidecar, facts in found.items() if facts is not None}

    def _held(
        self, sidecars: Sequence[Sha256], root: Sha256, table: Literal["facts", "evidence"]
    ) -> Iterator[tuple[Sha256, bytes, bytes | None]]:
        """Yield the bundles of sidecars, in order: the sidecar, the bundle's digest, and what is kept of it."""
        if self._database is None or not sidecars:
            return
        keys = {bytes.fromhex(each): each for each in sidecars}
        query = _KNOWN.format(table=table, keys=_marks(list(keys)))
        try:
            with self._lock:
                rows = self._database.execute(query, (*keys, bytes.fromhex(root), self._version)).fetchall()
        except sqlite3.Error:
            return
        for sidecar, bundle, kept in rows:
            yield keys[sidecar], bundle, kept

    def save(self) -> None:
        """Write down what was put since."""
        with self._lock:
            rows, self._unsaved = self._unsaved, []
            sidecars, self._sidecars = sorted(self._sidecars), []
            if self._database is not None and (rows or sidecars):
                with contextlib.suppress(sqlite3.Error), self._database:
                    self._database.executemany(_PUT, [row[:4] for row in rows])
                    self._database.executemany(_PUT_FACTS, [row for row in rows if row[4] is not None])
                    self._database.executemany(_PUT_SIDECAR, sidecars)

    def close(self) -> None:
        """Write down what was put, and close the file."""
        self.save()
        with self._lock:
            if self._database is not None:
                self._database.close()
            self._database = None


def _marks(keys: Sequence[bytes]) -> str:
    return ", ".join("?" * len(keys))


def _proof(kept: bytes | None, bundle: bytes, root: Sha256) -> Evidence | None:
    """What is kept of a bundle, if it is what the key says."""
    if kept is None:
        return None
    try:
        found = codec.parse(kept)
        return found if (found.bundle_sha256, found.trust_root_sha256) == (bundle.hex(), root) else None
    except (ValueError, TypeError, AttributeError):  # Something else stands there.
        return None


def _facts(kept: bytes | None, bundle: bytes, root: bytes) -> Facts | None:
    """What is kept of a bundle, if it is what the key says."""
    if kept is None:
        return None
    try:
        found = codec.parse_facts(kept)
    except (ValueError, TypeError):
        return None
    return found if (found.bundle, found.root) == (bundle, root) else None


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
        database.execute(f"PRAGMA cache_size = -{_CACHED}")
        if not _laid_out(database):
            with database:
                database.execute("BEGIN IMMEDIATE")
                if not _laid_out(database):  # Nobody else did in the meantime.
                    for statement in (*_TABLES.split(";"), f"PRAGMA user_version = {_LAYOUT}"):
                        database.execute(statement)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _laid_out(database: sqlite3.Connection) -> bool:
    found: object = database.execute("PRAGMA user_version").fetchone()
    return found == (_LAYOUT,)


def _own(path: Path) -> bool:
    """Whether nobody else can write to a file or a folder; systems without owners are taken at their word."""
    if not hasattr(os, "getuid"):
        return True
    state = path.stat()
    return state.st_uid == os.getuid() and not stat.S_IMODE(state.st_mode) & 0o022
