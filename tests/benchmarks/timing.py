"""Measure the same way everywhere: interleaved rounds, the best of each, so that a busy machine disturbs both sides."""

import time
from collections.abc import Callable


def best(call: Callable[[], object], *, number: int) -> float:
    """Seconds of one call, the mean of `number` calls."""
    began = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - began) / number


def compare(
    ours: Callable[[], object], floor: Callable[[], object], *, number: int, rounds: int = 5
) -> tuple[float, float]:
    """Seconds of one call of each, the best of some rounds that alternate."""
    mine, theirs = [], []
    for _ in range(rounds):
        theirs.append(best(floor, number=number))
        mine.append(best(ours, number=number))
    return min(mine), min(theirs)
