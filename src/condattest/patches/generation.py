"""Make the files of a generation: shards, map, delta and log, from records as built and as served.

Owns `Before`, `Built`, `build` and `records_of`. Entries are never dropped: a file that the index no longer lists keeps
its entry as it is. As built never changes for the same archive; another archive under the same name begins a history of
its own, even if it is not patched. What revoked generations changed last is told anew, from the state before. A file
that was never patched has no entry, so a generation costs what it changes; only records that the engine touched are
digested.
"""

import hashlib
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from condattest.errors import Malformed
from condattest.formats import patch_files
from condattest.formats.index_changes import SECTIONS, V3_SECTIONS
from condattest.formats.patch_files import Change, Entry, Place, Shard
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding
from condattest.patches.changes import differences
from condattest.patches.digests import record_digest

_Record = Mapping[str, Any]
_NONE: Final = Sha256("0" * 64)
_KINDS: Final = {**SECTIONS, **{f"v3.{section}": suffix for section, suffix in V3_SECTIONS.items()}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The generation before.

    Attributes:
        generation: Its number.
        payload: The digest of its payload.
        payloads: Those of all before it, as its log has them.
        shards: Its map.
        shard: Reads the shard of a name, by its digest.
        value: What a record was as served by it, given the record as built: the sum of all changes to it.
        void: The numbers of generations that are revoked.
    """

    generation: int
    payload: Sha256
    payloads: tuple[Sha256, ...]
    shards: Mapping[str, Sha256]
    shard: Callable[[str, Sha256], Shard]
    value: Callable[[Place, Entry, _Record], _Record]
    void: frozenset[int] = frozenset()


@dataclass(slots=True)
class Built:
    """A generation.

    Attributes:
        generation: Its number.
        files: Its files by name, in the order of writing: shards, delta, map, log.
        map: The digest of the map.
        delta: The digest of the delta.
        log: The digest of the log.
        counts: Of records: all, patched, removed, and changed by this generation.
        changed: By place, what it changed.
        listed: The places that it is the first to list.
        replaced: By place, the archive that was listed and the one that took its name.
    """

    generation: int
    files: dict[str, bytes] = field(default_factory=dict)
    map: Sha256 = _NONE
    delta: Sha256 = _NONE
    log: Sha256 = _NONE
    counts: dict[str, int] = field(default_factory=dict)
    changed: dict[Place, Mapping[str, Change]] = field(default_factory=dict)
    listed: set[Place] = field(default_factory=set)
    replaced: dict[Place, tuple[Sha256, Sha256]] = field(default_factory=dict)


def records_of(document: _Record) -> Iterator[tuple[Place, PackageFile, _Record]]:
    """Every record of an index: its place, its file, itself. Sections of v3 are called `v3.conda` and `v3.tar.bz2`."""
    for section in SECTIONS:
        for name, record in (document.get(section) or {}).items():
            file = _file(name)
            if file is not None:
                yield (section, name), file, record
    for section, suffix in V3_SECTIONS.items():
        for stem, record in ((document.get("v3") or {}).get(section) or {}).items():
            file = _file(stem + suffix)
            if file is not None:
                yield (f"v3.{section}", stem + suffix), file, record


def _file(name: str) -> PackageFile | None:
    try:
        return PackageFile.parse(name)
    except ValueError:
        return None


def build(as_built: _Record, served: _Record, before: Before | None, replaced: Container[str] = frozenset()) -> Built:
    """Make the next generation.

    Args:
        as_built: `repodata_from_packages.json`.
        served: What the engine makes of it; records that it did not touch may be the same objects.
        before: The generation before; None for the first.
        replaced: Names of files whose archive was replaced: they are listed from now on, patched or not.

    Raises:
        Malformed: PATCH-RECORD: a record cannot be digested; PATCH-AS-BUILT: a record as built changed, though its
            archive did not; BIND-NO-DIGEST; BIND-NAME: a file stands in a section of another kind.
    """
    number = 1 if before is None else before.generation + 1
    built = Built(number)
    after = {place: record for place, _, record in records_of(served)}
    gone = frozenset(served.get("removed") or ())
    touched: dict[str, dict[Place, tuple[_Record, _Record | None]]] = {}
    known = before.shards if before is not None else {}
    count = 0
    for place, file, record in records_of(as_built):
        count += 1
        now = None if place[1] in gone else after.get(place)
        if file.name in known or now is not record or place[1] in replaced:
            if _KINDS[place[0]] != file.kind:
                raise Malformed(Finding.of(Code.BIND_NAME, "/".join(place), expected=_KINDS[place[0]], found=file.kind))
            touched.setdefault(file.name, {})[place] = (record, now)
    shards = dict(known)
    delta = {}
    totals = {"patched": 0, "removed": 0}
    for name in sorted(touched.keys() | known.keys()):
        old = before.shard(name, known[name]) if before is not None and name in known else Shard(name, {})
        already = len(built.changed)
        new = _shard(number, old, touched.get(name, {}), before, built, replaced)
        totals["patched"] += sum(entry.served not in (None, entry.as_built) for entry in new.files.values())
        totals["removed"] += sum(entry.removed for entry in new.files.values())
        if len(built.changed) > already:
            digest = _keep(built, patch_files.dump_shard(new), ".shard.json.zst")
            shards[name] = delta[name] = digest
    built.delta = _keep(built, patch_files.dump_map(delta), ".delta.json.zst")
    built.map = _keep(built, patch_files.dump_map(shards), ".map.json.zst")
    payloads = () if before is None else (*before.payloads, before.payload)
    built.log = _keep(built, patch_files.dump_log(payloads), ".log")
    built.counts = {"records": count, **totals, "changed": len(built.changed)}
    return built


def _keep(built: Built, data: bytes, suffix: str) -> Sha256:
    digest = Sha256(hashlib.sha256(data).hexdigest())
    built.files[f"{digest}{suffix}"] = data
    return digest


def _shard(
    number: int,
    old: Shard,
    touched: Mapping[Place, tuple[_Record, _Record | None]],
    before: Before | None,
    built: Built,
    forced: Container[str],
) -> Shard:
    entries = {place: Entry(**{**_fields(entry), "changed": {}}) for place, entry in old.files.items()}
    for place, (record, now) in touched.items():
        where = "/".join(place)
        known = old.files.get(place)
        if known is None and now is record and place[1] not in forced:
            continue  # Neither patched now nor ever before: nothing of it is digested.
        sha256 = _sha256(record, where)
        entry = None if known is None else _standing(known, before)
        if entry is not None and entry.sha256 != sha256:
            built.replaced[place] = (entry.sha256, sha256)
            entry = None  # Another archive under the same name: its history begins anew.
        as_built = record_digest(record, where=where)
        if entry is not None and entry.as_built != as_built:
            raise Malformed(Finding.of(Code.PATCH_AS_BUILT, where, expected=entry.as_built, found=as_built))
        served = as_built if now is record else None if now is None else record_digest(now, where=where)
        if entry is None and known is None and served == as_built and place[1] not in forced:
            continue
        if entry is not None and entry.served == served:
            if entry is not known:  # What was revoked changed it, and that is taken back.
                entries[place] = entry
                built.changed[place] = {}
            continue
        was = record if entry is None or before is None else before.value(place, entry, record)
        changed = {} if now is None else differences(was, now)
        history = (*(entry.history if entry is not None else ()), (number, served))
        entries[place] = Entry(sha256=sha256, as_built=as_built, served=served, history=history, changed=changed)
        built.changed[place] = changed
        if entry is None:
            built.listed.add(place)
    return Shard(old.name, entries)


def _standing(entry: Entry, before: Before | None) -> Entry | None:
    """An entry without the revoked generations that changed it last; None if nobody else ever did."""
    void = before.void if before is not None else frozenset()
    history = entry.history
    while history and history[-1][0] in void:
        history = history[:-1]
    if history == entry.history:
        return entry
    if not history:
        return None
    served = history[-1][1]
    return Entry(sha256=entry.sha256, as_built=entry.as_built, served=served, history=history)


_FIELDS: Final = ("sha256", "as_built", "served", "history")


def _fields(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in _FIELDS}


def _sha256(record: _Record, where: str) -> Sha256:
    try:
        return Sha256(record.get("sha256", ""))
    except (ValueError, TypeError) as error:
        raise Malformed(Finding.of(Code.BIND_NO_DIGEST, where, reason=error)) from None
