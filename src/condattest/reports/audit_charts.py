"""Lay out the charts of an audit's page: numbers in, places in an SVG's own units out.

Owns `coverage` (packages by week of upload, stacked by status) and `timeline` (generations of patches). An SVG is
stretched to its column, so nothing here is text; each chart has a table of the same numbers beside it.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import log10
from typing import Final

from condattest.model.audit import STATUSES, Patched, Status

WIDTH: Final = 1000
HEIGHT: Final = 100
BARS: Final = 160
"""How many bars fit; a longer time is shown by month, quarter or year."""
STACK: Final[tuple[Status, ...]] = ("accepted", "unattested", "undecided", "rejected")
"""From the ground up."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The part of a bar that one status has."""

    status: Status
    count: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """The packages of one span of time."""

    label: str
    x: float
    width: float
    counts: Mapping[Status, int]
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """A stacked chart; `span` says what a bar stands for, `top` what the full height does."""

    span: str
    top: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """One generation of patches at its time; its height grows with the logarithm of what it changed."""

    patch: Patched
    x: float
    height: float


@dataclass(frozen=True, slots=True)
class Lane:
    """The generations of one subdir; `unplaced` have no time that can be believed, `unexplained` none at all."""

    subdir: str
    marks: tuple[Mark, ...]
    unplaced: int
    unexplained: int | None
    unexplained_height: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """Lanes over one span of time."""

    first: datetime
    last: datetime
    top: int
    lanes: tuple[Lane, ...]


def coverage(weeks: Mapping[date, Counter[Status]]) -> Coverage:
    """Stack packages by week, or by the shortest longer span of which no more than `BARS` are needed."""
    if not weeks:
        return Coverage("week", 0, ())
    spans: tuple[tuple[str, Callable[[date], date], Callable[[date], date]], ...] = (
        ("week", lambda day: day, lambda day: day + timedelta(days=7)),
        ("month", lambda day: day.replace(day=1), lambda day: _months(day, 1)),
        ("quarter", lambda day: day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1), lambda day: _months(day, 3)),
        ("year", lambda day: day.replace(month=1, day=1), lambda day: _months(day, 12)),
    )
    span, starts = "year", [min(weeks)]
    start = spans[-1][1]
    for span, start, step in spans:  # noqa: B007 - the last one tried is the one that is used
        starts = [start(min(weeks))]
        while len(starts) <= BARS and starts[-1] < start(max(weeks)):
            starts.append(step(starts[-1]))
        if len(starts) <= BARS:
            break
    counts: dict[date, Counter[Status]] = {day: Counter() for day in starts}
    for week, counted in weeks.items():
        counts[start(week)].update(counted)
    top = max(each.total() for each in counts.values())
    width = WIDTH / len(starts)
    bars = tuple(
        Bar(_label(day, span), round(number * width, 2), round(width * 0.86, 2), counts[day], _stack(counts[day], top))
        for number, day in enumerate(starts)
    )
    return Coverage(span, top, bars)


def _months(day: date, count: int) -> date:
    month = day.month - 1 + count
    return day.replace(year=day.year + month // 12, month=month % 12 + 1)


def _label(day: date, span: str) -> str:
    match span:
        case "year":
            return f"{day:%Y}"
        case "quarter":
            return f"{day:%Y} Q{(day.month + 2) // 3}"
        case "month":
            return f"{day:%Y-%m}"
        case _:
            return f"{day:%Y-%m-%d}"


def _stack(counts: Mapping[Status, int], top: int) -> tuple[Segment, ...]:
    segments = []
    ground = float(HEIGHT)
    for status in STACK:
        count = counts.get(status, 0)
        if count:
            height = HEIGHT * count / top
            ground -= height
            segments.append(Segment(status, count, round(ground, 2), round(height, 2)))
    return tuple(segments)


def shares(counts: Mapping[Status, int]) -> tuple[tuple[Status, float, float], ...]:
    """A bar that lies: each status with where it begins and how wide it is."""
    whole = sum(counts.values())
    laid, at = [], 0.0
    for status in STATUSES if whole else ():
        width = WIDTH * counts.get(status, 0) / whole
        if width:
            laid.append((status, round(at, 2), round(width, 2)))
        at += width
    return tuple(laid)


def timeline(patches: Sequence[Patched], unexplained: Mapping[str, int], limit: int) -> Timeline | None:
    """Place generations on lanes by subdir; at most `limit` of each lane, the newest. None where nothing has a time."""
    times = [each.at for each in patches if each.at is not None]
    if not times:
        return None
    first, last = min(times), max(times)
    top = max([1, *(each.changed + each.removed for each in patches), *unexplained.values()])
    whole = (last - first) / timedelta(seconds=1) or 1.0

    def height(count: int) -> float:
        return round(6 + (HEIGHT - 6) * log10(1 + count) / log10(1 + top), 2)

    def mark(patch: Patched, at: datetime) -> Mark:
        x = WIDTH * (0.01 + 0.93 * ((at - first) / timedelta(seconds=1)) / whole)
        return Mark(patch, round(x, 2), height(patch.changed + patch.removed))

    lanes = []
    for subdir in dict.fromkeys([*(each.subdir for each in patches), *unexplained]):
        own = [each for each in patches if each.subdir == subdir]
        marks = tuple(mark(each, each.at) for each in own[:limit] if each.at is not None)
        count = unexplained.get(subdir)
        lanes.append(Lane(subdir, marks, sum(each.at is None for each in own), count, height(count) if count else 0.0))
    return Timeline(first, last, top, tuple(lanes))
