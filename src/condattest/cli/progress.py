"""Progress: a bar on a terminal, and one line every ten seconds elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console

INTERVAL: Final = 10.0
"""Seconds between two lines where there is no terminal."""


@contextmanager
def show(
    console: Console,
    label: str,
    total: int | None,
    unit: str,
    *,
    interval: float = INTERVAL,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Callable[[int], None]]:
    """Yield a function that advances the progress by a count of `unit` (`bytes` are shown as such)."""
    if console.is_terminal:
        # Imported here: elsewhere it would only cost start-up time.
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        amount = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
        columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(label, total=total)
            yield lambda count: bar.advance(task, count)
        return
    state = {"done": 0, "told": clock()}

    def advance(count: int) -> None:
        state["done"] += count
        if clock() - state["told"] >= interval:
            state["told"] = clock()
            of = f" of {total}" if total else ""
            console.print(f"{label}: {int(state['done'])}{of} {unit}")

    yield advance
