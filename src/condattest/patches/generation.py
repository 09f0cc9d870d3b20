"""Make the files of a generation: shards, map, delta and log, from records as built and as served.

Owns `Before`, `Built` and `build`. Entries are never dropped: a file that the index no longer lists keeps its entry as
it is. As built never changes for the same archive; another archive under the same name begins a history of its own,
even if it is not patched. What revoked generations changed last is told anew, from the state before. A file that was
never patched has no entry, so a generation costs what it changes; only records that the engine touched are digested.
"""

import hashlib
from collections.abc import Callable, Container, Mapping
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
        kept: By place that was said to be replaced and is not, the generation since which its archive is listed. The
            newest one may have listed it at the same call before: that is no contradiction.
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
    kept: dict[Place, int] = field(default_factory=dict)


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
    known = before.shards if before is not None else {}
    touched, count = _touched(as_built, served, before, replaced)
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


_Touched = Mapping[str, Mapping[Place, tuple[Held, Held | None]]]


def _touched(
    as_built: _Record, served: _Record, before: Before | None, replaced: Container[str]
) -> tuple[_Touched, int]:
    """By package name, what is to be looked at, and how many records there are.

    That is what the engine touched, what the generation before lists, and what is to be listed.
    """
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
            forced = name in replaced
            if now is held and file.name not in known and not forced:
                continue
            place = (section, name)
            if KINDS[section] != file.kind:
                raise Malformed(Finding.of(Code.BIND_NAME, "/".join(place), expected=KINDS[section], found=file.kind))
            if now is not held or forced or (before is not None and _lists(before, file.name, place)):
                touched.setdefault(file.name, {})[place] = (held, now)
    return touched, count


def _lists(before: Before, name: str, place: Place) -> bool:
    return name in before.shards and place in before.shard(name, before.shards[name]).files


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
    forced: Container[str],
) -> Shard:
    entries = {place: Entry(**{**_fields(entry), "changed": {}}) for place, entry in old.files.items()}
    for place, (held, held_now) in touched.items():
        where = "/".join(place)
        known = old.files.get(place)
        record: _Record = opened(held)
        now: _Record | None = record if held_now is held else opened(held_now)
        sha256 = _sha256(record, where)
        entry = None if known is None else _standing(known, before)
        if entry is not None and entry.sha256 != sha256:
            built.replaced[place] = (entry.sha256, sha256)
            entry = None  # Another archive under the same name: its history begins anew.
        if entry is not None and place[1] in forced and entry.history[0][0] < number - 1:
            built.kept[place] = entry.history[0][0]
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
