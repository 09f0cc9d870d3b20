"""Verify sidecars in processes of their own, and in this one until those are there.

Owns `Verifying`; what each process does is in `audit_workers`. Verifying is arithmetic: threads gain nothing there,
processes do. Where they take long to start, this process verifies what is waited for meanwhile.
"""

import contextlib
import functools
import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, Final

from condattest.operations import audit_workers
from condattest.operations.audit_workers import Outcome, Unverified, Verifier
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.directory import Directory
from condattest.transport.evidence_store import EvidenceStore
from condattest.transport.origin import Origin, StoreOrigin

_WORTH: Final = 128
_HELD: Final = 8 * 1024**2
_Task = Sequence[Unverified]
_Done = Future[list[Outcome]]


class Verifying:
    """Verifies sidecars.

    Args:
        origin: The channel.
        roots: Every trust root that may apply.
        store: What was proved before; None where nothing is kept. It is only asked.
        jobs: How many processes verify; with 1 it is this one alone.
        worth: Processes are started for more sidecars than that.
        held: So many bytes of sidecars a process holds at a time, but for the last one.

    Attributes:
        reads: Whether it reads sidecars by itself, so that they need not be read before.
    """

    def __init__(
        self,
        origin: Origin,
        roots: Sequence[TrustRoot],
        store: EvidenceStore | None,
        *,
        jobs: int,
        worth: int = _WORTH,
        held: int = _HELD,
    ) -> None:
        self.reads = isinstance(origin, StoreOrigin) and isinstance(origin.store, Directory)
        asked = store if store is not None and store.holds_any else None
        self._here = Verifier(origin.name, origin, {root.sha256: root for root in roots}, asked, held)
        self._jobs, self._worth = jobs, worth
        self._expected = 0
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._starting: ProcessPoolExecutor | None = None
        self._started: ProcessPoolExecutor | None = None
        self._starter: threading.Thread | None = None

    def expect(self, count: int) -> None:
        """Prepare for so many sidecars more. To be called before any thread is started, if that is possible."""
        self._expected += count
        if self._starting is None and self._jobs > 1 and self._expected > self._worth:
            self._start()

    def submit(self, task: _Task) -> _Done:
        """Verify sidecars, at some time; the outcomes are in their order.

        What no process was given until then is verified by whoever asks for the outcomes.

        Raises:
            BrokenProcessPool: A process ended; also by the future.
        """
        with self._lock:
            if self._started is not None:
                return self._started.submit(audit_workers.verify, task)
            waiting = _Waiting(task, self._taken)
            self._waiting.append(waiting)
        return waiting

    def close(self) -> None:
        """End, whatever is not begun."""
        with self._lock:
            self._waiting.clear()
        if self._starting is not None:
            self._starting.shutdown(cancel_futures=True)
        if self._starter is not None:
            self._starter.join()

    def _taken(self, waiting: "_Waiting") -> None:
        """Verify what is waited for, if it was given to no process."""
        with self._lock:
            if waiting not in self._waiting:
                return
            self._waiting.remove(waiting)
        try:
            waiting.set_result(self._here.outcomes(waiting.task))
        except BaseException as error:  # Whoever waits is to know.
            waiting.set_exception(error)

    def _start(self) -> None:
        here = self._here
        context = _context()
        self._starting = ProcessPoolExecutor(
            self._jobs,
            mp_context=context,
            initializer=audit_workers.begin,
            initargs=(
                here.name,
                here.origin if self.reads else None,
                [(root.json, root.name) for root in here.roots.values()],
                None if here.store is None else here.store.path,
                here.held,
            ),
        )
        # Processes are made for the first task, and not before.
        ready = self._starting.submit(audit_workers.verify, ())
        if context.get_start_method() == "fork":
            self._hand_over(self._starting)
        else:
            self._starter = threading.Thread(target=self._hand_over, args=(self._starting, ready), daemon=True)
            self._starter.start()

    def _hand_over(self, processes: ProcessPoolExecutor, ready: _Done | None = None) -> None:
        """As soon as a process is there, give the processes what waits, and all that comes."""
        with contextlib.suppress(Exception):  # Cancelled, or ended: whoever submits next is told.
            if ready is not None:
                ready.result()
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
            self._started = processes
        for each in waiting:
            try:
                processes.submit(audit_workers.verify, each.task).add_done_callback(functools.partial(_tell, each))
            except RuntimeError as error:  # It is over, or broken.
                each.set_exception(error)


class _Waiting(_Done):
    """A task that no process was given yet: it is done when it is asked for."""

    def __init__(self, task: _Task, taken: Callable[["_Waiting"], None]) -> None:
        super().__init__()
        self.task, self._taken = task, taken

    def result(self, timeout: float | None = None) -> list[Outcome]:
        """The outcomes."""
        self._taken(self)
        return super().result(timeout)


def _tell(done: _Done, other: _Done) -> None:
    if other.cancelled():
        done.cancel()
    elif (error := other.exception()) is not None:
        done.set_exception(error)
    else:
        done.set_result(other.result())


def _context() -> Any:
    """How processes are made.

    By fork, a process has at once all that was imported here, which otherwise takes it a second. But it also has a copy
    of the locks that other threads hold, and nobody to release them: so this is done where there is no other thread,
    not even one of a library's.
    """
    methods = multiprocessing.get_all_start_methods()
    if "fork" in methods and _is_alone():
        return multiprocessing.get_context("fork")
    if "forkserver" not in methods:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([audit_workers.__name__])
    return context


def _is_alone() -> bool:
    """Whether this process has one thread; False where that cannot be told, or forks break what the system does."""
    try:
        return sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False
