"""The state file of one channel: what this machine has seen of it.

Owns `State` and its parts, `parse`, `dump` and `join`. Refuses anything that `dump` would not have written: unknown
fields, another channel, duplicate keys, times without a zone. States form a lattice: `join` of two of them knows what
either knows, in any order and however often, so two processes that saw different things lose nothing.

    {"schema":"condattest/memory/1","channel":"https://conda.anaconda.org/conda-forge",
     "names":{"zlib":{"since":"2026-01-02T03:04:05Z","signer":"https://...","file":"zlib-1.3.1-h0_0.conda"}},
     "files":{"linux-64/zlib-1.3.1-h0_0.conda":{"<hex>":{"place":1,"seen":"...","sidecar":"<hex>",
                                                         "elements":["<hex>"]}}},
     "artifacts":{"<hex>":"2026-01-02T03:04:05Z"},
     "generations":{"linux-64 author":{"number":3,"payload":"<hex>","seen":"..."}}}

The JSON is compact, in this order of fields, with sorted keys.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

SCHEMA: Final = "condattest/memory/1"
MAX_BYTES: Final = 64 * 1024 * 1024
"""Bytes of a state file."""
MAX_TEXT: Final = 2048
"""Characters of one text."""
MAX_NAMES: Final = 50_000
MAX_ARTIFACTS: Final = 50_000
MAX_ELEMENTS: Final = 200_000
"""Digests of bundles, over all files of the channel."""
MAX_GENERATIONS: Final = 1_000
MAX_REPLACED: Final = 16
"""Artifacts that one file name had, one after the other."""

_Hex = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Text = Annotated[str, Meta(max_length=MAX_TEXT)]
_Time = Annotated[datetime, Meta(tz=True)]
_T = TypeVar("_T")


class Name(Struct, frozen=True, forbid_unknown_fields=True):
    """Since when a package name is attested, who signed it then, and in which file."""

    since: _Time
    signer: _Text
    file: _Text


class Seen(Struct, frozen=True, forbid_unknown_fields=True):
    """What was accepted for one artifact: its sidecar's digest, and its bundles'.

    `place` counts the artifacts that had the same file name, one after the other. It is not told by the clock, which
    may be off; an artifact with a smaller place than another's was replaced.
    """

    place: Annotated[int, Meta(ge=1, le=2**53)]
    seen: _Time
    sidecar: _Hex | None
    elements: tuple[_Hex, ...]


class Generation(Struct, frozen=True, forbid_unknown_fields=True):
    """The newest generation of a chain of patches: its number and the digest of its payload."""

    number: Annotated[int, Meta(ge=1, le=2**53)]
    payload: _Hex
    seen: _Time


class State(Struct, frozen=True, forbid_unknown_fields=True):
    """All that is remembered of one channel; by package name, `<subdir>/<file>` and digest, digest, chain."""

    schema: Literal["condattest/memory/1"]
    channel: _Text
    names: dict[_Text, Name] = {}
    files: dict[_Text, dict[_Hex, Seen]] = {}
    artifacts: dict[_Hex, _Time] = {}
    generations: dict[_Text, Generation] = {}


def empty(channel: str) -> State:
    """The state of a channel that was never seen."""
    return State(SCHEMA, channel)


def parse(data: bytes, channel: str) -> State:
    """Read the state of `channel`.

    Raises:
        ValueError: It is not what `dump` writes; the message says what was found.
    """
    try:
        state = msgspec.json.decode(data, type=State)
    except RecursionError:
        raise ValueError("nesting too deep") from None
    if state.channel != channel:
        raise ValueError(f"expected the channel {channel}, found {state.channel!r:.200}")
    if not all(state.files.values()) or dump(state) != data:
        raise ValueError("expected the exact form that condattest writes, found another")
    return state


def dump(state: State) -> bytes:
    """Return the only form of a state."""
    return msgspec.json.encode(state, order="deterministic")


def learn(state: State, more: State) -> None:
    """Add to a state, in place, what another knows; caps are left to `join`. Costs as much as `more` is large."""
    _merge(state.names, more.names, _earlier_name)
    _merge(state.files, more.files, _joined_file)
    _merge(state.artifacts, more.artifacts, min)
    _merge(state.generations, more.generations, _later_generation)


def join(one: State, other: State) -> State:
    """Return what either state knows, within the caps: of too many entries of a kind, the newest stay."""
    both = State(SCHEMA, one.channel, dict(one.names), dict(one.files), dict(one.artifacts), dict(one.generations))
    learn(both, other)
    return State(
        schema=SCHEMA,
        channel=one.channel,
        names=_newest(both.names, MAX_NAMES, lambda name: name.since),
        files=_fitting(both.files),
        artifacts=_newest(both.artifacts, MAX_ARTIFACTS, lambda first: first),
        generations=_newest(both.generations, MAX_GENERATIONS, lambda generation: generation.seen),
    )


def _merge(into: dict[str, _T], more: dict[str, _T], both: Callable[[_T, _T], _T]) -> None:
    for key, value in more.items():
        into[key] = both(into[key], value) if key in into else value


def _newest(entries: dict[str, _T], most: int, at: Callable[[_T], datetime]) -> dict[str, _T]:
    if len(entries) <= most:
        return entries
    return dict(sorted(entries.items(), key=lambda item: (at(item[1]), item[0]))[-most:])


def _fitting(files: dict[str, dict[str, Seen]]) -> dict[str, dict[str, Seen]]:
    def size(file: dict[str, Seen]) -> int:
        return sum(1 + len(seen.elements) for seen in file.values())

    total = sum(map(size, files.values()))
    if total <= MAX_ELEMENTS:
        return files
    kept = dict(files)
    for key, file in sorted(files.items(), key=lambda item: (max(seen.seen for seen in item[1].values()), item[0])):
        if total <= MAX_ELEMENTS:
            break
        total -= size(file)
        del kept[key]
    return kept


def _earlier_name(one: Name, other: Name) -> Name:
    return min(one, other, key=lambda name: (name.since, name.signer, name.file))


def _later_generation(one: Generation, other: Generation) -> Generation:
    return max(one, other, key=lambda generation: (generation.number, generation.seen, generation.payload))


def _joined_file(one: dict[str, Seen], other: dict[str, Seen]) -> dict[str, Seen]:
    merged = dict(one)
    _merge(merged, other, _joined_seen)
    newest = sorted(merged, key=lambda artifact: (merged[artifact].place, artifact))[-MAX_REPLACED:]
    return {artifact: merged[artifact] for artifact in newest}


def _joined_seen(one: Seen, other: Seen) -> Seen:
    newer = max(one, other, key=lambda seen: (seen.seen, seen.sidecar or ""))
    elements = tuple(sorted({*one.elements, *other.elements}))
    return Seen(max(one.place, other.place), newer.seen, newer.sidecar, elements)
