"""Where the members of a JSON object stand in the bytes of a document, and how to change one and nothing else.

Owns `Member`, `members`, `some_members`, `places`, `check_once`, `shortest`, `Splice`, `spliced`, `setting`, `removal`,
`insertions`, `relaid`. Values are measured by msgspec, which skips them at C speed; only keys and what stands between
members are looked at here. Refuses an object with a key twice: two readers would read two things.

Spec: https://www.rfc-editor.org/rfc/rfc8259
"""

import json
import re
from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

_KEY = re.compile(rb'[ \t\n\r]*("[^"\\]*(?:\\.[^"\\]*)*")[ \t\n\r]*:[ \t\n\r]*', re.DOTALL)
_AFTER = re.compile(rb"[ \t\n\r]*([,}])")
_OPEN = re.compile(rb"[ \t\n\r]*\{")
_TOKEN = re.compile(rb'("[^"\\]*(?:\\.[^"\\]*)*")|([,:])|[ \t\n\r]+', re.DOTALL)
_STEP: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an object: its key, and where key and value stand (`start` is the key's opening quote)."""

    key: str
    start: int
    value: int
    end: int


@dataclass(frozen=True, slots=True)
class Splice:
    """Bytes to put where others stand."""

    start: int
    end: int
    data: bytes


def members(data: bytes, at: int, values: dict[str, msgspec.Raw]) -> list[Member]:
    """Find the members of the object that begins at `at` or after white space.

    Args:
        data: The document.
        at: Where the object begins.
        values: The object as msgspec decoded it from these bytes.

    Raises:
        ValueError: A key stands there twice, or the bytes are not those that were decoded.
    """
    return [Member(*each) for each in _walk(data, at, values)]


def some_members(data: bytes, whole: Member, values: dict[str, msgspec.Raw], wanted: Container[str]) -> list[Member]:
    """Find some members of a large object; otherwise as `members`.

    Args:
        data: The document.
        whole: The member whose value the object is.
        values: The object as msgspec decoded it from these bytes.
        wanted: The keys to find.
    """
    found = []
    for key, start, end in places(data, whole, values):
        if key in wanted:
            raw = memoryview(values[key])
            found.append(Member(key, start, end - len(raw), end))
    return found


def places(data: bytes, whole: Member, values: dict[str, msgspec.Raw]) -> Iterator[tuple[str, int, int]]:
    """Yield each member of a large object: its key, where the key begins and where the value ends.

    Args:
        data: The document.
        whole: The member whose value the object is.
        values: The object as msgspec decoded it from these bytes.

    Raises:
        ValueError: As `members` does.
    """
    if not _is_compact(whole, values):
        for key, start, _, end in _walk(data, whole.value, values):
            yield key, start, end
        return
    start = whole.value + 1
    for key, raw in values.items():
        length = len(key) + 3 + len(raw)
        yield key, start, start + length
        start += length + 1


def check_once(data: bytes, whole: Member, values: dict[str, msgspec.Raw]) -> None:
    """Refuse a large object with a key twice; arguments and errors as `places`."""
    if not _is_compact(whole, values):
        deque(_walk(data, whole.value, values), maxlen=0)


def _is_compact(whole: Member, values: dict[str, msgspec.Raw]) -> bool:
    """Whether an object has each key once, no escapes in keys, and no white space between its members.

    One that is as short as it can be is so: where its members stand follows from their lengths.
    """
    return whole.value + shortest(values, sum([len(raw) for raw in values.values()])) == whole.end


def shortest(keys: Collection[str], values: int) -> int:
    """The fewest bytes that an object with these keys can have, whose values have so many.

    No object can be shorter than one without white space, without escapes in keys, without a key twice; and one that is
    as short has none of these.
    """
    return 1 + sum(map(len, keys)) + 3 * len(keys) + max(len(keys), 1) + values


def _walk(data: bytes, at: int, values: dict[str, msgspec.Raw]) -> Iterator[tuple[str, int, int, int]]:
    opening = _OPEN.match(data, at)
    if opening is None:
        raise ValueError("expected an object")
    place = opening.end()
    for key, raw in values.items():
        match = _KEY.match(data, place)
        if match is None or msgspec.json.decode(match[1], type=str) != key:
            raise ValueError(f"the key {key!r:.80} or the one before it stands there twice")
        view = memoryview(raw)
        start, end = match.end(), match.end() + len(view)
        # Not its length alone: a string of another length could hold what looks like the next member.
        if not _stands(data, start, view):
            raise ValueError(f"the key {key!r:.80} stands there twice")
        after = _AFTER.match(data, end)
        if after is None:
            raise ValueError(f"the member {key!r:.80} has no end")
        place = after.end()
        yield key, match.start(1), start, end
    if values and data[place - 1 : place] != b"}":
        raise ValueError("a key stands there twice")


def _stands(data: bytes, at: int, view: memoryview) -> bool:
    # In pieces, as bytes: memory views are compared one item at a time, and a section may be the whole file.
    if len(view) <= _STEP:
        return data[at : at + len(view)] == view.tobytes()
    return all(
        data[at + step : at + min(step + _STEP, len(view))] == view[step : step + _STEP].tobytes()
        for step in range(0, len(view), _STEP)
    )


def spliced(data: bytes, splices: Iterable[Splice]) -> bytes:
    """Put splices into a document; they do not overlap, and those at the same place follow each other as given."""
    parts: list[bytes | memoryview] = []
    place, view = 0, memoryview(data)
    for splice in sorted(splices, key=lambda each: each.start):
        parts.extend((view[place : splice.start], splice.data))
        place = splice.end
    parts.append(view[place:])
    return b"".join(parts)


def setting(member: Member, value: bytes) -> Splice:
    """Replace a member's value."""
    return Splice(member.value, member.end, value)


def removal(inside: Sequence[Member], member: Member) -> Splice:
    """Take a member out, with the comma before it, or the one after it if it is the first."""
    at = inside.index(member)
    if at > 0:
        return Splice(inside[at - 1].end, member.end, b"")
    if len(inside) > 1:
        return Splice(member.start, inside[1].start, b"")
    return Splice(member.start, member.end, b"")


def insertions(data: bytes, at: int, inside: Sequence[Member], new: dict[str, bytes]) -> list[Splice]:
    """Put members into an object: at their places if its keys are sorted, else at its end, in its own layout.

    Args:
        data: The document.
        at: Where the object begins.
        inside: Its members.
        new: By key that it does not have, the bytes of the value.
    """
    keys = [member.key for member in inside]
    ordered = sorted(keys) == keys
    fresh = sorted(new) if ordered else list(new)
    if not inside:
        opening = _OPEN.match(data, at)
        place = opening.end() if opening is not None else at
        return [Splice(place, place, b",".join(_quoted(key) + b":" + new[key] for key in fresh))]
    first = inside[0]
    colon = data[first.start + len(data[first.start : first.value].rstrip(b" \t\n\r:")) : first.value]
    splices = []
    for key in fresh:
        text = _quoted(key) + colon + new[key]
        following = bisect_right(keys, key) if ordered else len(keys)
        if following == len(keys):
            comma = _between(data, at, inside, following - 1, colon)
            splices.append(Splice(inside[-1].end, inside[-1].end, comma + text))
        else:
            comma = _between(data, at, inside, max(following, 1), colon)
            splices.append(Splice(inside[following].start, inside[following].start, text + comma))
    return splices


def relaid(value: bytes, *, spaced: bool) -> bytes:
    """Put a value on one line, compact or with a space after each comma and colon; its tokens keep their bytes."""
    between = {b",": b", ", b":": b": "} if spaced else {b",": b",", b":": b":"}
    return _TOKEN.sub(lambda match: match[1] or between.get(match[2], b""), value)


def _between(data: bytes, at: int, inside: Sequence[Member], which: int, colon: bytes) -> bytes:
    """What stands between a member and the one before it; for a lone member, what would by its own layout."""
    if 0 < which < len(inside):
        return data[inside[which - 1].end : inside[which].start]
    opening = _OPEN.match(data, at)
    space = data[opening.end() : inside[0].start] if opening is not None else b""
    return b"," + (space or (b" " if colon.endswith(b" ") else b""))


def _quoted(key: str) -> bytes:
    return json.dumps(key).encode()
