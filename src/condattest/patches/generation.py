"""Make the files of a generation: shards, map, delta and log, from records as built and as served.

Owns `Before`, `Built` and `build`. Entries are never dropped: a file that the index no longer lists keeps
its entry as it is. As built never changes for the same archive; another archive under the same name begins a history of
its own, even if it is not patched. A file that was never patched has no entry, so a generation costs what it changes;
only records that the engine touched are digested.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from condattest.errors import Malformed
from condattest.formats import patch_files
from condattest.formats.held_records import Held, opened
from condattest.formats.patch_files import Change, Entry, Place, Shard
from condattest.model.artifact import Sha256
from condattest.model.finding import Code, Finding
from condattest.patches.changes import differences
from condattest.patches.digests import record_digest
from condattest.patches.index_sections import KINDS, file_of, sections_of

_Record = Mapping[str, Any]
_NONE: Final = Sha256("0" * 64)


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
    """

    generation: int
    payload: Sha256
    payloads: tuple[Sha256, ...]
    shards: Mapping[str, Sha256]
    shard: Callable[[str, Sha256], Shard]
    value: Callable[[Place, Entry, _Record], _Record]


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
    """

    generation: int
    files: dict[str, bytes] = field(default_factory=dict)
    map: Sha256 = _NONE
    delta: Sha256 = _NONE
    log: Sha256 = _NONE
    counts: dict[str, int] = field(default_factory=dict)
    changed: dict[Place, Mapping[str, Change]] = field(default_factory=dict)
    listed: set[Place] = field(default_factory=set)


def build(as_built: _Record, served: _Record, before: Before | None) -> Built:
    """Make the next generation.

    Args:
        as_built: `repodata_from_packages.json`.
        served: What the engine makes of it; records that it did not touch may be the same objects.
        before: The generation before; None for the first.

    Raises:
        Malformed: PATCH-RECORD: a record cannot be digested; PATCH-AS-BUILT: a record as built changed, though its
            archive did not; BIND-NO-DIGEST; BIND-NAME: a file stands in a section of another kind.
    """
    number = 1 if before is None else before.generation + 1
    built = Built(number)
    known = before.shards if before is not None else {}
    touched, count = _touched(as_built, served, before)
    shards = dict(known)
    delta = {}
    totals = {"patched": 0, "removed": 0}
    for name in sorted(touched.keys() | known.keys()):
        old = before.shard(name, known[name]) if before is not None and name in known else Shard(name, {})
        new = _shard(number, old, touched.get(name, {}), before, built)
        totals["patched"] += sum(entry.served not in (None, entry.as_built) for entry in new.files.values())
        totals["removed"] += sum(entry.removed for entry in new.files.values())
        if any(entry.newest == number for entry in new.files.values()):
            digest = _keep(built, patch_files.dump_shard(new), ".shard.json.zst")
            shards[name] = delta[name] = digest
    built.delta = _keep(built, patch_files.dump_map(delta), ".delta.json.zst")
    built.map = _keep(built, patch_files.dump_map(shards), ".map.json.zst")
    payloads = () if before is None else (*before.payloads, before.payload)
    built.log = _keep(built, patch_files.dump_log(payloads), ".log")
    built.counts = {"records": count, **totals, "changed": len(built.changed)}
    return built


_Touched = Mapping[str, Mapping[Place, tuple[Held, Held | None]]]


def _touched(as_built: _Record, served: _Record, before: Before | None) -> tuple[_Touched, int]:
    """By package name, the records that the engine touched, or that the generation before lists; how many there are."""
    after = {section: records for section, _, records in sections_of(served)}
    gone = frozenset(served.get("removed") or ())
    known = before.shards if before is not None else {}
    touched: dict[str, dict[Place, tuple[Held, Held | None]]] = {}
    count = 0
    for section, suffix, records in sections_of(as_built):
        here = after.get(section, {})
        for key, held in records.items():
            name = key + suffix
            file = file_of(name)
            if file is None:
                continue
            count += 1
            now = None if name in gone else here.get(key)
            if now is held and file.name not in known:
                continue
            place = (section, name)
            if KINDS[section] != file.kind:
                raise Malformed(Finding.of(Code.BIND_NAME, "/".join(place), expected=KINDS[section], found=file.kind))
            listed = before is not None and now is held and place in before.shard(file.name, known[file.name]).files
            if listed or now is not held:
                touched.setdefault(file.name, {})[place] = (held, now)
    return touched, count


def _keep(built: Built, data: bytes, suffix: str) -> Sha256:
    digest = Sha256(hashlib.sha256(data).hexdigest())
    built.files[f"{digest}{suffix}"] = data
    return digest


def _shard(
    number: int,
    old: Shard,
    touched: Mapping[Place, tuple[Held, Held | None]],
    before: Before | None,
    built: Built,
) -> Shard:
    entries = {place: Entry(**{**_fields(entry), "changed": {}}) for place, entry in old.files.items()}
    for place, (held, held_now) in touched.items():
        where = "/".join(place)
        entry = old.files.get(place)
        record: _Record = opened(held)
        now: _Record | None = record if held_now is held else opened(held_now)
        sha256 = _sha256(record, where)
        replaced = entry is not None and entry.sha256 != sha256
        if replaced:
            entry = None  # Another archive under the same name: its history begins anew.
        as_built = record_digest(record, where=where)
        if entry is not None and entry.as_built != as_built:
            raise Malformed(Finding.of(Code.PATCH_AS_BUILT, where, expected=entry.as_built, found=as_built))
        served = as_built if now is record else None if now is None else record_digest(now, where=where)
        if entry is None and served == as_built and not replaced:
            continue
        if entry is not None and entry.served == served:
            continue
        was = record if entry is None or before is None else before.value(place, entry, record)
        changed = {} if now is None else differences(was, now)
        history = (*(entry.history if entry is not None else ()), (number, served))
        entries[place] = Entry(sha256=sha256, as_built=as_built, served=served, history=history, changed=changed)
        built.changed[place] = changed
        if entry is None:
            built.listed.add(place)
    return Shard(old.name, entries)


_FIELDS: Final = ("sha256", "as_built", "served", "history")


def _fields(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in _FIELDS}


def _sha256(record: _Record, where: str) -> Sha256:
    try:
        return Sha256(record.get("sha256", ""))
    except (ValueError, TypeError) as error:
        raise Malformed(Finding.of(Code.BIND_NO_DIGEST, where, reason=error)) from None
