"""A client holds another record than the channel serves: is it one that the channel served before?

Owns `told_of`. A lock file and an installed environment keep the record of the day they were made, and the channel has
patched it since. Every state of a record is in the history that its patches' authors signed: the newest generation
that changed it says what each key was before, the one before that says the same of its own change, and so back to the
record as built. A held record that agrees with one of these states is told as superseded; one that agrees with none was
changed by nobody who says so.

The states are computed backwards from the record that is served, and each has to have the digest that the history says
for it. A state that a revoked generation made is none.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from condattest.errors import Malformed
from condattest.formats.patch_files import Change, Entry, Place
from condattest.model.artifact import Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.patch_chain import Chain, Generation
from condattest.operations.patch_judgement import Asked
from condattest.patches.changes import applied
from condattest.patches.digests import record_digest
from condattest.patches.held import disagreements


def told_of(
    held: Mapping[str, Any],
    asked: Asked,
    chain: Chain,
    newest: Generation,
    revoked: frozenset[Sha256],
    *,
    locked: bool,
) -> Finding | None:
    """Compare a held record with the one that was judged, and with its earlier states where those may be held.

    Args:
        held: The record as a client holds it.
        asked: The record as the channel serves it, judged and found right.
        chain: The generations.
        newest: The newest of them.
        revoked: Payloads of generations that are never believed.
        locked: Whether an earlier state may be held.

    Returns:
        None where they agree or there is no record, PATCH-SUPERSEDED with an earlier state, PATCH-HELD otherwise.

    Raises:
        Malformed: The history is not what it should be.
        Unavailable, LocalFailure: It could not be read.
    """
    record = asked.record
    other = () if record is None else disagreements(held, record)
    if record is None or not other:
        return None
    where = f"{chain.subdir}/{asked.artifact.file}"
    keys = ", ".join(other)
    for generation, state in _earlier(record, asked, chain, newest, revoked, where) if locked else ():
        if not disagreements(held, state):
            since = "as built" if generation is None else f"generation {generation}"
            return Finding.of(Code.PATCH_SUPERSEDED, where, keys=keys, held=since)
    return Finding.of(Code.PATCH_HELD, where, keys=keys)


def _earlier(
    record: Mapping[str, Any],
    asked: Asked,
    chain: Chain,
    newest: Generation,
    revoked: frozenset[Sha256],
    where: str,
) -> Iterator[tuple[int | None, Mapping[str, Any]]]:
    """Each state before the one that is served, newest first, with its generation; None for the record as built."""
    listed = _entry(asked, chain, newest)
    if listed is None:
        return
    place, entry = listed
    log = (*chain.log(newest), newest.payload)
    digest = record_digest(record, where=where)
    at = next((at for at in reversed(range(len(entry.history))) if entry.history[at][1] == digest), -1)
    for index in range(at, -1, -1):
        number, served = entry.history[index]
        _, state = chain.state(asked.artifact.file.name, place, entry.sha256, number, served, log)
        record = applied(record, _undone(state.changed), where=where)
        before = entry.history[index - 1] if index else (None, entry.as_built)
        if before[1] is None:
            continue  # It was removed then: nobody holds that state, and its change says what it was before.
        found = record_digest(record, where=where)
        if found != before[1]:
            raise Malformed(Finding.of(Code.PATCH_RECORD, where, expected=before[1], found=found))
        if before[0] is None or log[before[0] - 1] not in revoked:
            yield before[0], record


def _undone(changes: Mapping[str, Change]) -> dict[str, Change]:
    return {key: Change(change.new, change.old) for key, change in changes.items()}


def _entry(asked: Asked, chain: Chain, newest: Generation) -> tuple[Place, Entry] | None:
    name = asked.artifact.file.name
    digest = chain.map(newest).get(name)
    if digest is None:
        return None
    files = chain.shard(name, digest).files
    return next(((place, entry) for place, entry in files.items() if place[1] == str(asked.artifact.file)), None)
