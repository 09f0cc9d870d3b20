"""Each report of an audit of 100,000 packages, and the memory that it takes at 1,000 and at 10,000."""

import io
import tracemalloc

from condattest.reports.audits import FORMATS, write
from tests import audits
from tests.benchmarks.timing import best

_PACKAGES = 100_000
_FEW = 1_000


class _Nowhere(io.StringIO):
    """Where nothing stays, so that the report's own size is not measured."""

    def write(self, text: str) -> int:
        return len(text)


def run() -> list[tuple[str, float, str]]:
    """Seconds beside those of walking through the packages alone, and the peak of memory for both sizes."""
    audit, few = audits.audit(_PACKAGES), audits.audit(_FEW)
    walk = best(lambda: sum(1 for _ in audit.results), number=1)
    measured = [(f"walking through {_PACKAGES:,} packages", walk, "s")]
    for name in FORMATS:
        seconds = best(lambda name=name: write(name, audit, _Nowhere()), number=1)
        measured.append((f"{name}, the walk included", seconds, "s"))
        measured.append((f"{name}, peak memory for {_FEW:,} packages", _peak(name, few), "MB"))
        measured.append((f"{name}, peak memory for {10 * _FEW:,}", _peak(name, audits.audit(10 * _FEW)), "MB"))
    return measured


def _peak(name: str, audit: object) -> float:
    tracemalloc.start()
    try:
        write(name, audit, _Nowhere())
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
