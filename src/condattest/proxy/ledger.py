"""What was left out of indexes, and which requests were refused, for the report.

Owns `Ledger`. It is bounded: index files are as many as were asked for, each with some of its records; of refusals the
latest are kept.
"""

import threading
from collections import deque
from datetime import datetime
from typing import Final

from condattest.model.finding import Finding
from condattest.operations.screening import Refusal, Sheet

_REFUSALS: Final = 200
_INDEXES: Final = 1000


class Ledger:
    """What happened since the proxy began. Several threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sheets: dict[str, Sheet] = {}
        self._refusals: deque[Refusal] = deque(maxlen=_REFUSALS)
        self._served = 0
        self._refused = 0

    def index(self, path: str, sheet: Sheet) -> None:
        """Note what a filtered index file lacks."""
        with self._lock:
            if path in self._sheets or len(self._sheets) < _INDEXES:
                self._sheets[path] = sheet

    def served(self) -> None:
        """Count a package that was served whole."""
        with self._lock:
            self._served += 1

    def refused(self, path: str, status: int, findings: tuple[Finding, ...], *, now: datetime) -> None:
        """Note a request that was refused."""
        with self._lock:
            self._refused += 1
            self._refusals.append(Refusal(now, path, status, findings))

    def sheets(self) -> dict[str, Sheet]:
        """By path, what each index file lacks."""
        with self._lock:
            return dict(sorted(self._sheets.items()))

    def refusals(self) -> tuple[Refusal, ...]:
        """The latest refusals, the newest first."""
        with self._lock:
            return tuple(reversed(self._refusals))

    def totals(self) -> tuple[int, int]:
        """How many packages were served, and how many requests were refused."""
        with self._lock:
            return self._served, self._refused
