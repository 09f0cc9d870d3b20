"""Verify sidecars in processes of their own, and in this one until those are there.

Owns `Unverified`, `Outcome`, `Verifying` and `read`. Verifying is arithmetic: threads gain nothing there, processes do.
They take about a second to start, in which this process verifies by itself, one sidecar at a time. Each process makes
its trust roots once, and reads the sidecars of a directory by itself. What goes wrong with one sidecar is said of that
one.
"""

import contextlib
import functools
import gc
import logging
import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

from condattest.errors import LocalFailure, Malformed, Unavailable
from condattest.formats import evidence as codec
from condattest.formats.bundle import Bundle
from condattest.formats.sidecar import MAX_SIDECAR
from condattest.model.artifact import Sha256
from condattest.model.evidence import Evidence
from condattest.model.finding import Code, Finding
from condattest.operations.attestations import Collected, advertised_sidecar, digest_of
from condattest.operations.judgement import authenticate_all, of_outage
from condattest.signatures.authenticate import authenticate_parsed
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.directory import Directory
from condattest.transport.evidence_store import EvidenceStore
from condattest.transport.origin import Origin, StoreOrigin

_WORTH: Final = 128
_HELD: Final = 8 * 1024**2


class Unverified(NamedTuple):
    """A sidecar that is to be verified.

    Attributes:
        path: Its path in the channel.
        sidecar: Its digest, as hex digits.
        roots: The digests of the trust roots that may apply.
        data: Its bytes, or why they could not be had; None where they are to be read.
    """

    path: str
    sidecar: str
    roots: tuple[str, ...]
    data: bytes | Finding | None


class Outcome(NamedTuple):
    """What a sidecar proves.

    Attributes:
        evidence: As bytes, as another process and a store need it.
        failures: Why bundles were not authenticated.
        problem: Why there is nothing at all.
    """

    evidence: list[bytes]
    failures: tuple[Finding, ...] = ()
    problem: Finding | None = None


_Task = Sequence[Unverified]
_Done = Future[list[Outcome]]


class Verifying:
    """Verifies sidecars.

    Args:
        origin: The channel.
        roots: Every trust root that may apply.
        store: What was proved before; None where nothing is kept. It is only asked.
        jobs: How many processes verify; with 1 it is this one alone.
        worth: So many sidecars are verified in this process before others are started.
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
        self._here = _Verifier(origin.name, origin, {root.sha256: root for root in roots}, store, held)
        self._jobs, self._worth = jobs, worth
        self._begun = 0
        self._lock = threading.Lock()
        self._waiting: deque[tuple[_Task, _Done]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="condattest-verify")
        self._starting: ProcessPoolExecutor | None = None
        self._started: ProcessPoolExecutor | None = None
        self._starter: threading.Thread | None = None

    def submit(self, task: _Task) -> _Done:
        """Verify sidecars, at some time; the outcomes are in their order.

        Raises:
            BrokenProcessPool: A process ended; also by the future.
        """
        with self._lock:
            self._begun += len(task)
            if self._started is not None:
                return self._started.submit(_in_process, task)
            if self._starting is None and self._jobs > 1 and self._begun > self._worth:
                self._start()
            done: _Done = Future()
            self._waiting.append((task, done))
        self._thread.submit(self._one)
        return done

    def close(self) -> None:
        """End, whatever is not begun."""
        with self._lock:
            self._waiting.clear()
        self._thread.shutdown(cancel_futures=True)
        if self._starting is not None:
            self._starting.shutdown(cancel_futures=True)
        if self._starter is not None:
            self._starter.join()

    def _one(self) -> None:
        """Verify what waits longest, if the processes were not given it."""
        with self._lock:
            if not self._waiting:
                return
            task, done = self._waiting.popleft()
        try:
            done.set_result(self._here.outcomes(task))
        except BaseException as error:  # Whoever waits is to know.
            done.set_exception(error)

    def _start(self) -> None:
        here = self._here
        roots = [(root.json, root.name) for root in here.roots.values()]
        path = here.store.path if here.store is not None and here.store.is_kept else None
        self._starting = ProcessPoolExecutor(
            self._jobs,
            mp_context=_context(),
            initializer=_begin,
            initargs=(here.name, here.origin if self.reads else None, roots, path, here.held),
        )
        self._starter = threading.Thread(target=self._hand_over, args=(self._starting,), daemon=True)
        self._starter.start()

    def _hand_over(self, processes: ProcessPoolExecutor) -> None:
        """As soon as a process is there, give the processes what waits, and all that comes."""
        with contextlib.suppress(Exception):  # Cancelled, or ended: whoever submits next is told.
            processes.submit(_in_process, ()).result()
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
            self._started = processes
        for task, done in waiting:
            try:
                processes.submit(_in_process, task).add_done_callback(functools.partial(_tell, done))
            except RuntimeError as error:  # It is over, or broken.
                done.set_exception(error)


def _tell(done: _Done, other: _Done) -> None:
    if other.cancelled():
        done.cancel()
    elif (error := other.exception()) is not None:
        done.set_exception(error)
    else:
        done.set_result(other.result())


def read(origin: Origin, path: str) -> bytes | Finding:
    """The bytes of a sidecar, or why they could not be had."""
    try:
        return origin.read(path, MAX_SIDECAR)
    except Unavailable as error:
        return of_outage(error).findings[0]  # type: ignore[union-attr]
    except LocalFailure as error:
        return Finding.of(Code.NET_FILE, path, reason=error, hint=error.hint or None)


class _Verifier:
    """What one process verifies with."""

    def __init__(
        self,
        name: str,
        origin: Origin | None,
        roots: Mapping[Sha256, TrustRoot],
        store: EvidenceStore | None,
        held: int,
    ) -> None:
        self.name, self.origin, self.roots, self.store, self.held = name, origin, roots, store, held

    def outcomes(self, task: _Task) -> list[Outcome]:
        """Verify sidecars."""
        outcomes: list[Outcome] = []
        while len(outcomes) < len(task):
            # Many are read, then parsed, then verified: to go from one work to another each time takes a quarter more.
            there, size = [], 0
            for each in task[len(outcomes) :]:
                there.append(data := each.data if each.data is not None else self._read(each.path))
                size += 0 if isinstance(data, Finding) else len(data)
                if size > self.held:
                    break
            now = task[len(outcomes) :][: len(there)]
            found = [self._parsed(each, data) for each, data in zip(now, there, strict=True)]
            known = self._known(now, found)
            outcomes.extend(self._outcome(each, parsed, known) for each, parsed in zip(now, found, strict=True))
        return outcomes

    def _read(self, path: str) -> bytes | Finding:
        assert self.origin is not None  # noqa: S101 (whoever gives no bytes gives a place to read them)
        return read(self.origin, path)

    def _parsed(self, each: Unverified, data: bytes | Finding) -> Collected | Finding:
        if isinstance(data, Finding):
            return data
        where = f"{self.name}/{each.path}"
        try:
            return Collected(advertised_sidecar(data, Sha256(each.sidecar), where=where).bundles, (where,))
        except Malformed as error:
            return error.finding

    def _known(self, task: _Task, found: Sequence[Collected | Finding]) -> dict[tuple[Sha256, Sha256], Evidence]:
        """What is known of bundles, by their digests and by those of roots: a sidecar may have grown since."""
        if self.store is None:
            return {}
        wanted: dict[Sha256, list[Sha256]] = {}
        for each, parsed in zip(task, found, strict=True):
            if isinstance(parsed, Collected):
                digests = [digest_of(bundle) for bundle in parsed.bundles]
                for root in each.roots:
                    wanted.setdefault(Sha256(root), []).extend(digests)
        return {
            (bundle, root): evidence
            for root, bundles in wanted.items()
            for bundle, evidence in self.store.several(list(dict.fromkeys(bundles)), root).items()
        }

    def _outcome(
        self, each: Unverified, parsed: Collected | Finding, known: Mapping[tuple[Sha256, Sha256], Evidence]
    ) -> Outcome:
        if isinstance(parsed, Finding):
            return Outcome([], (), parsed)

        def authenticate(bundle: Bundle, root: TrustRoot) -> Evidence:
            kept = known.get((digest_of(bundle), root.sha256)) if known else None
            return kept or authenticate_parsed(bundle, root)

        under = [self.roots[Sha256(name)] for name in each.roots]
        evidence, failures = authenticate_all(parsed, under, authenticate)
        return Outcome([codec.dump(proof) for proof in evidence], failures)


def _context() -> Any:
    """How processes are made: not by fork, which copies locks that threads of this one hold."""
    methods = multiprocessing.get_all_start_methods()
    if "forkserver" not in methods:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


_verifier: list[_Verifier] = []


def _begin(name: str, origin: Origin | None, roots: Sequence[tuple[bytes, str]], store: Path | None, held: int) -> None:
    """Make what a process verifies with, once."""
    # Ctrl-C is sent to all of them, and is the parent's to deal with; libraries log what is judged here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger().addHandler(logging.NullHandler())
    made = [TrustRoot(data, name=called) for data, called in roots]
    kept = None if store is None else EvidenceStore(store)
    _verifier.append(_Verifier(name, origin, {root.sha256: root for root in made}, kept, held))
    # Importing sigstore makes half a million objects that stay: collecting garbage need not go over them each time.
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)


def _in_process(task: _Task) -> list[Outcome]:
    return _verifier[0].outcomes(task)
