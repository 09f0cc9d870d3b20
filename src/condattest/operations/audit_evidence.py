"""What the sidecars of many packages prove: fetched several at a time, verified in processes.

Owns `Wanted`, `Had` and `Proofs`. Verifying is arithmetic: threads gain nothing there, processes do. Each process makes
its trust roots once. What an evidence store knows of a sidecar, by its digest, is neither fetched nor verified again.
What goes wrong with one sidecar is said of that one.
"""

import gc
import logging
import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from condattest.errors import LocalFailure, Malformed, Unavailable
from condattest.formats import evidence as codec
from condattest.formats.sidecar import MAX_SIDECAR
from condattest.model.artifact import Sha256
from condattest.model.evidence import Evidence
from condattest.model.finding import Code, Finding
from condattest.operations.attestations import Collected, advertised_sidecar, digest_of
from condattest.operations.judgement import authenticate_all, of_outage
from condattest.signatures.authenticate import authenticate_parsed
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.evidence_store import EvidenceStore
from condattest.transport.origin import Origin

CHUNK: Final = 256
"""Packages that are looked up at a time."""
_TASK: Final = 16
"""Sidecars in one task: a process verifies them in some 30 ms."""
_FETCHES: Final = 16
"""Requests at a time."""
_AHEAD: Final = 6
"""Chunks that are worked on before the first of them is taken."""
_WORTH: Final = 128
"""Sidecars that are verified in this process before it is worth to start others, which takes about a second."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A sidecar: its path in the channel, its digest, and the trust roots that may apply, by their digests."""

    path: str
    sidecar: Sha256
    roots: tuple[Sha256, ...]


@dataclass(frozen=True, slots=True)
class Had:
    """What a sidecar proves: evidence, why bundles were not authenticated, or why there is nothing at all."""

    evidence: tuple[Evidence, ...] = ()
    failures: tuple[Finding, ...] = ()
    problem: Finding | None = None


NOTHING: Final = Had()
_Task = list[tuple[str, str, bytes, tuple[str, ...]]]
_Outcome = tuple[list[bytes], tuple[Finding, ...], Finding | None]


class Proofs:
    """Gets sidecars and verifies them. To be used by `with`.

    Args:
        origin: The channel.
        roots: Every trust root that may apply.
        store: What was proved before; None where nothing is kept.
        jobs: How many processes verify; with 1 it is this one alone.
    """

    def __init__(self, origin: Origin, roots: Sequence[TrustRoot], store: EvidenceStore | None, *, jobs: int) -> None:
        self._origin = origin
        self._roots = {root.sha256: root for root in roots}
        self._store = store
        self._jobs = jobs
        self._begun = 0
        self._cancelled = False
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_FETCHES, thread_name_prefix="condattest-fetch")
        self._processes: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
        self._threads.shutdown(cancel_futures=True)
        if self._processes is not None:
            self._processes.shutdown(cancel_futures=True)
        if self._store is not None:
            self._store.save()

    def cancel(self) -> None:
        """Begin nothing more: what is not fetched yet is not fetched. Nothing is to be taken from `of` after that."""
        self._cancelled = True

    def of(self, wanted: Iterable[Wanted | None]) -> Iterator[Had]:
        """Yield what each sidecar proves, in order; `NOTHING` for None.

        Raises:
            LocalFailure: A process that verifies ended, or what was proved cannot be told.
        """
        ahead: deque[tuple[list[Wanted | None], dict[int, Future[list[Had]]], dict[int, Had]]] = deque()
        for chunk in _chunks(wanted):
            ahead.append(self._started(chunk))
            if len(ahead) > _AHEAD:
                yield from self._settled(*ahead.popleft())
        while ahead:
            yield from self._settled(*ahead.popleft())

    def _started(
        self, chunk: list[Wanted | None]
    ) -> tuple[list[Wanted | None], dict[int, Future[list[Had]]], dict[int, Had]]:
        known = self._known(chunk)
        missing = [at for at, each in enumerate(chunk) if each is not None and at not in known]
        futures = {}
        for start in range(0, len(missing), _TASK):
            places = missing[start : start + _TASK]
            task = [each for at in places if (each := chunk[at]) is not None]
            futures[places[0]] = self._threads.submit(self._obtained, task)
        return chunk, futures, known

    def _settled(
        self, chunk: list[Wanted | None], futures: dict[int, Future[list[Had]]], known: dict[int, Had]
    ) -> Iterator[Had]:
        got: deque[Had] = deque()
        for at, each in enumerate(chunk):
            if at in futures:
                got.extend(futures[at].result())
            if each is None:
                yield NOTHING
            else:
                yield known[at] if at in known else got.popleft()

    def _known(self, chunk: Sequence[Wanted | None]) -> dict[int, Had]:
        if self._store is None:
            return {}
        found: dict[int, Had] = {}
        # With several roots the first that verifies counts, so that all before it would have to be known to fail.
        for root in {each.roots[0] for each in chunk if each is not None}:
            places = {at: each for at, each in enumerate(chunk) if each is not None and each.roots[0] == root}
            kept = self._store.known(list({each.sidecar for each in places.values()}), root)
            found.update({at: Had(kept[each.sidecar]) for at, each in places.items() if each.sidecar in kept})
        return found

    def _obtained(self, task: list[Wanted]) -> list[Had]:
        """Fetch some sidecars, and have them verified; runs in a thread."""
        got: list[Had | None] = []
        work: _Task = []
        for each in task:
            if self._cancelled:
                return []
            try:
                data = self._origin.read(each.path, MAX_SIDECAR)
            except Unavailable as error:
                got.append(Had(problem=of_outage(error).findings[0]))  # type: ignore[union-attr]
            except LocalFailure as error:
                got.append(Had(problem=Finding.of(Code.NET_FILE, each.path, reason=error, hint=error.hint or None)))
            else:
                got.append(None)
                work.append((f"{self._origin.name}/{each.path}", each.sidecar, data, each.roots))
        outcomes = iter(self._verified(work))
        return [next(outcomes) if each is None else each for each in got]

    def _verified(self, work: _Task) -> list[Had]:
        processes = self._workers(len(work))
        try:
            if processes is None:
                outcomes = _verify(work, self._roots, self._store)
            else:
                outcomes = processes.submit(_in_process, work).result()
        except BrokenProcessPool:
            raise LocalFailure("a process that verifies ended", hint="try --jobs 1; is there enough memory?") from None
        found = []
        for (_, sidecar, _, _), (dumped, failures, problem) in zip(work, outcomes, strict=True):
            evidence = tuple(codec.parse(each) for each in dumped)
            if self._store is not None:
                for each in evidence:
                    self._store.put(each)
                if evidence and not failures:
                    self._store.put_sidecar(Sha256(sidecar), [each.bundle_sha256 for each in evidence])
            found.append(Had(evidence, failures, problem))
        return found

    def _workers(self, count: int) -> ProcessPoolExecutor | None:
        with self._lock:
            self._begun += count
            if self._processes is None and self._jobs > 1 and self._begun > _WORTH:
                roots = [(root.json, root.name) for root in self._roots.values()]
                path = self._store.path if self._store is not None and self._store.is_kept else None
                self._processes = ProcessPoolExecutor(
                    self._jobs, mp_context=_context(), initializer=_begin, initargs=(roots, path)
                )
            return self._processes


def _chunks(wanted: Iterable[Wanted | None]) -> Iterator[list[Wanted | None]]:
    chunk: list[Wanted | None] = []
    for each in wanted:
        chunk.append(each)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _context() -> Any:
    """How processes are made: not by fork, which copies locks that threads of this one hold."""
    methods = multiprocessing.get_all_start_methods()
    if "forkserver" not in methods:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


_roots: dict[Sha256, TrustRoot] = {}
_store: list[EvidenceStore] = []


def _begin(roots: Sequence[tuple[bytes, str]], store: Path | None) -> None:
    """Make what a process verifies with, once."""
    # Ctrl-C is sent to all of them, and is the parent's to deal with; libraries log what is judged here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger().addHandler(logging.NullHandler())
    # Importing sigstore makes half a million objects that stay: collecting garbage need not go over them each time.
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)
    for data, name in roots:
        root = TrustRoot(data, name=name)
        _roots[root.sha256] = root
    if store is not None:
        _store.append(EvidenceStore(store))


def _in_process(work: _Task) -> list[_Outcome]:
    return _verify(work, _roots, _store[0] if _store else None)


def _verify(work: _Task, roots: dict[Sha256, TrustRoot], store: EvidenceStore | None) -> list[_Outcome]:
    """Verify sidecars; evidence comes back as bytes, as another process needs it. Only the parent keeps it."""

    def authenticate(bundle: Any, root: TrustRoot) -> Evidence:
        known = None if store is None else store.get(digest_of(bundle), root.sha256)
        return known or authenticate_parsed(bundle, root)

    outcomes: list[_Outcome] = []
    for where, sidecar, data, names in work:
        try:
            found = advertised_sidecar(data, Sha256(sidecar), where=where)
        except Malformed as error:
            outcomes.append(([], (), error.finding))
            continue
        under = [roots[Sha256(name)] for name in names]
        evidence, failures = authenticate_all(Collected(found.bundles, (where,)), under, authenticate)
        outcomes.append(([codec.dump(each) for each in evidence], failures, None))
    return outcomes
