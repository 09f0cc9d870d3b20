"""An audit of 20,000 packages with every kind of fault finds exactly those, in every format; else this is an error.

The number of packages can be given, and how often each fault is planted:
`FAULTED=2000 EACH=4 python -m tests.benchmarks faults`. The real command line runs as a process, over HTTP on loopback
and over the store, without a policy and with one. Only the first of the four runs has nothing that was proved before.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests import channels
from tests.audit_proof import Proof
from tests.audited_faults import EVERY

_COUNT = int(os.environ.get("FAULTED", "20000"))
_EACH = int(os.environ.get("EACH", "20"))
_SHOWN = 40


def run() -> Iterator[tuple[str, float, str]]:
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        began = time.perf_counter()
        # A quarter is attested by nobody: then there are more findings than SARIF and the page have room for.
        unattested = _COUNT // 20
        proof = Proof.made(Path(temporary), packages=_COUNT, each=_EACH, unattested=unattested)
        planted = proof.planted
        label = f"{planted.packages:,} packages with {len(EVERY)} kinds of faults made and signed"
        yield label, time.perf_counter() - began, f"s; each kind {_EACH} times"
        for over in ("HTTP", "store"):
            for ruled in (False, True):
                served = channels.served(planted.root) if over == "HTTP" else contextlib.nullcontext(str(planted.root))
                with served as target:
                    found = list(proof.differences(target, ruled=ruled, cache=proof.folder / "cache"))
                problems.extend(found)
                name, seconds = list(proof.seconds.items())[-1]
                yield f"audit over {name}", seconds, f"s; {len(found)} differences in 7 reports from what was planted"
                expected = proof.expected(ruled=ruled, stored=over == "store")
                yield "  findings that were planted", float(len(expected.pairs)), f"of {len(expected.counts)} codes"
    if problems:
        raise SystemExit("\n".join(problems[:_SHOWN]))
