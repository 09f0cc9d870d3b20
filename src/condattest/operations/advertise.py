"""Name each artifact's current sidecar in every file of a subdir's index.

Owns `advertise`, `Indexed` and the names of the index's files. The index is every file that carries records: three JSON
files, each with its compressed twins, and two indexes of CEP 16 shards. A twin is edited by its own content, since an
indexer may have written one and not yet the other. Everything is written conditionally: a file that changed under our
hands is read again. A record that names a version which is not the one to be named has that version joined first, so
that a slow writer never takes back what a faster one advertised.

Order: shards before their index, twins before the JSON file, as clients read them.
"""

import hashlib
import posixpath
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import stamina

from condattest.errors import Malformed, NotFound
from condattest.formats import compression, monolith, repodata, shards
from condattest.formats.index_changes import Applied, Changes
from condattest.formats.shards import ShardIndex
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.sidecars import SCHEDULE
from condattest.transport.store import Store, Stored, checked

SERVED: Final = ("repodata.json", "repodata_shards.msgpack.zst")
"""The index that clients solve with, in both of its forms."""
MONOLITHS: Final = ("repodata.json", "current_repodata.json", "repodata_from_packages.json")
SHARD_INDEXES: Final = ("repodata_shards.msgpack.zst", "repodata_shards_from_packages.msgpack.zst")

Heads = Mapping[PackageFile, Sha256 | None]
"""The digest of each artifact's current sidecar; None for a record that shall name none."""
Join = Callable[[PackageFile, Sha256], Sha256 | None]
"""Joins the version that a record names into the artifact's sidecar; returns the digest of the current one, or None
where that version cannot be had: what the record names then stays, as the only trace of it."""


@dataclass(slots=True)
class Indexed:
    """What became of a subdir's index.

    Attributes:
        listed: The artifacts that a file of the index lists.
        stale: Those that a file of the index lists with other bytes.
        changed: By path, how many records changed.
    """

    listed: set[PackageFile] = field(default_factory=set)
    stale: set[PackageFile] = field(default_factory=set)
    changed: dict[str, int] = field(default_factory=dict)


def advertise(
    store: Store,
    subdir: str,
    heads: Heads,
    join: Join,
    insert: Mapping[PackageFile, bytes] | None = None,
    about: Mapping[PackageFile, Sha256] | None = None,
) -> Indexed:
    """Bring the records of a subdir's index in line with the sidecars.

    Args:
        store: Where the index is.
        subdir: Its folder.
        heads: What the records shall name.
        join: Called where a record names another version than that.
        insert: JSON of whole records, for artifacts that the served index does not list. What was built
            (`repodata_from_packages.json`) and what an indexer chose (`current_repodata.json`) take none.
        about: The bytes of artifacts that were replaced: records of others shall name no sidecar.

    Raises:
        Malformed: A file is no index, INDEX-SHARDS, or a version that a record names is broken.
        Conflict: Others kept on being faster.
        Unavailable, LocalFailure: The store cannot be read or written; files that were not written are as they were.
    """
    heads, indexed = dict(heads), Indexed()
    while True:
        before = dict(heads)
        for name in (*SHARD_INDEXES, *MONOLITHS):
            new = (insert or {}) if name in SERVED else {}
            writer = _Writer(store, heads, join, new, indexed, about or {})
            write = writer.shards if name in SHARD_INDEXES else writer.monolith
            for attempt in stamina.retry_context(**SCHEDULE):
                with attempt:
                    write(f"{subdir}/{name}")
        # A version that one of the last files named was joined: the first ones name what was current before that.
        if heads == before:
            return indexed


def read(store: Store, path: str, limit: int = repodata.MAX_REPODATA) -> Stored | None:
    """Read a file of the index; None where there is none."""
    try:
        return store.read(path, limit)
    except NotFound:
        return None


def shard_path(index_path: str, base_url: str, digest: bytes) -> str:
    """The path of a shard in the store.

    Raises:
        Malformed: INDEX-SHARDS: the shards are kept elsewhere.
    """
    path = posixpath.normpath(posixpath.join(posixpath.dirname(index_path), base_url, f"{digest.hex()}.msgpack.zst"))
    try:
        return checked(path)
    except ValueError:
        finding = Finding.of(
            Code.INDEX_SHARDS, index_path, expected="a folder of the channel", found=f"{base_url:.200}"
        )
        raise Malformed(finding) from None


@dataclass(frozen=True, slots=True)
class _Writer:
    store: Store
    heads: dict[PackageFile, Sha256 | None]
    join: Join
    insert: Mapping[PackageFile, bytes]
    indexed: Indexed
    about: Mapping[PackageFile, Sha256]

    def monolith(self, path: str) -> None:
        # (1) Every version first: what changes after this is found out when it is written.
        twins = {suffix: self._read(path + suffix) for suffix in (".zst", ".bz2")}
        plain = self._read(path)
        # (2) The file itself. Only its digest is kept, to tell whether a twin has the same content: it may be large.
        edited, before, version = None, b"", None
        if plain is not None:
            before, version = hashlib.sha256(plain.data).digest(), plain.version
            edited = self._edit(partial(monolith.apply, plain.data, where=path))
            del plain
        # (3) Its twins, each from its own content.
        for suffix, stored in twins.items():
            if stored is not None:
                self._twin(path + suffix, stored, before, edited)
        if edited is not None and edited.changed:
            self.store.replace(path, edited.data, version)
            self.indexed.changed[path] = len(edited.changed)

    def _twin(self, path: str, stored: Stored, before: bytes, plain: Applied | None) -> None:
        content = unpacked(path, stored.data)
        if plain is not None and hashlib.sha256(content).digest() == before:
            edited = plain
        else:
            edited = self._edit(partial(monolith.apply, content, where=path))
        del content
        if edited.changed:
            self.store.replace(path, _packed(path, edited.data), stored.version)
            self.indexed.changed[path] = len(edited.changed)

    def shards(self, path: str) -> None:
        stored = self._read(path, repodata.MAX_SHARD_INDEX)
        if stored is None:
            return
        index = shards.read_index(stored.data, where=path)
        names: dict[str, set[PackageFile]] = {}
        for file in (*self.heads, *self.insert):
            names.setdefault(file.name, set()).add(file)
        with ThreadPoolExecutor(self.store.parallel) as pool:
            done = list(pool.map(lambda name: self._shard(path, index, name, names[name]), sorted(names)))
        replaced = {name: digest for name, digest in done if digest is not None}
        if replaced:
            self.store.replace(path, shards.with_shards(index, replaced), stored.version)
            self.indexed.changed[path] = len(replaced)

    def _shard(
        self, path: str, index: ShardIndex, name: str, files: Collection[PackageFile]
    ) -> tuple[str, bytes | None]:
        """Edit the shard of one name; the digest of the new one, or None if nothing changed."""
        digest = index.shards.get(name)
        if digest is None:
            if not any(file in self.insert for file in files):
                return name, None
            data = shards.empty_shard()
        else:
            place = shard_path(path, index.shards_base_url, digest)
            data = self.store.read(place, repodata.MAX_SHARD).data
            found = hashlib.sha256(data).digest()
            if found != digest:
                raise Malformed(Finding.of(Code.INDEX_SHARDS, place, expected=digest.hex(), found=found.hex()))
        edited = self._edit(partial(shards.apply, data, where=f"{path}: {name}"), files)
        if edited.data is data:
            return name, None
        new = hashlib.sha256(edited.data).digest()
        self.store.create(shard_path(path, index.shards_base_url, new), edited.data)
        return name, new

    def _edit(self, apply: Callable[[Changes], Applied], only: Collection[PackageFile] | None = None) -> Applied:
        """Apply what is to be named; where a record names another version, join that one first."""
        files = self.heads.keys() | self.insert.keys() if only is None else only
        while True:
            heads = {file: self.heads[file] for file in files if file in self.heads}
            insert = {file: self.insert[file] for file in files if file in self.insert}
            applied = apply(Changes(heads, insert, self.about))
            moved = False
            for file, named in applied.before.items():
                head = heads.get(file)
                if head is not None and named not in (None, head) and file not in applied.stale:
                    joined = self.join(file, named)
                    moved = moved or joined != head
                    if joined is None:
                        del self.heads[file]
                    else:
                        self.heads[file] = joined
            if not moved:
                self.indexed.listed.update(applied.present)
                self.indexed.stale.update(applied.stale)
                return applied

    def _read(self, path: str, limit: int = repodata.MAX_REPODATA) -> Stored | None:
        return read(self.store, path, limit)


def unpacked(path: str, data: bytes) -> bytes:
    """The content of a compressed twin.

    Raises:
        Malformed: NET-UNAVAILABLE: it is damaged, or larger than an index may be.
    """
    unpack = compression.unzstd if path.endswith(".zst") else compression.unbz2
    return unpack(data, limit=repodata.MAX_REPODATA, code=Code.NET_UNAVAILABLE, where=path)


def _packed(path: str, data: bytes) -> bytes:
    return compression.zstd_index(data) if path.endswith(".zst") else compression.bzip2(data)
