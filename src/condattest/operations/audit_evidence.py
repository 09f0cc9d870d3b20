"""What the sidecars of many packages prove: fetched several at a time, verified in processes.

Owns `Wanted`, `Had`, `Begun`, `Proofs` and `chunks`. What an evidence store knows of a sidecar, by its digest, is not
fetched and not verified again. What goes wrong with one sidecar is said of that one.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from condattest.errors import LocalFailure
from condattest.formats import evidence as codec
from condattest.model.artifact import Sha256
from condattest.model.evidence import Evidence
from condattest.model.finding import Finding
from condattest.operations.audit_processes import Verifying
from condattest.operations.audit_workers import Outcome, Unverified, read
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.closing import Closing
from condattest.transport.evidence_store import EvidenceStore
from condattest.transport.origin import Origin

CHUNK: Final = 256
"""Packages that are looked up at a time."""
_TASK: Final = 128
"""Sidecars in one task: a process verifies them in some 100 ms."""
_FETCHED: Final = 32
"""The same where they are fetched, one after the other, before; and in the last tasks."""
_FETCHES: Final = 16
"""Requests at a time."""
_AHEAD: Final = 6
"""Chunks that are begun, at the least, before the first of them is taken."""


_T = TypeVar("_T")


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


@dataclass(frozen=True, slots=True)
class _Task:
    """Sidecars that are being verified: fetched first, and then given to whoever verifies."""

    task: list[Wanted]
    verified: Callable[[], Future[list[Outcome]]]


@dataclass(frozen=True, slots=True)
class Begun:
    """Sidecars of which some are known, by their places, and the others are being verified."""

    wanted: Sequence[Wanted]
    known: Mapping[int, Had]
    tasks: Mapping[int, _Task]

    @property
    def is_known(self) -> bool:
        """Whether nothing is to be waited for."""
        return not self.tasks


class Proofs(Closing):
    """Gets sidecars and verifies them. To be used by `with`.

    Args:
        origin: The channel.
        roots: Every trust root that may apply.
        store: What was proved before; None where nothing is kept.
        jobs: How many processes verify; with 1 it is this one alone.

    Attributes:
        ahead: So often it is worth to `begin` before what was begun first is taken.
    """

    def __init__(self, origin: Origin, roots: Sequence[TrustRoot], store: EvidenceStore | None, *, jobs: int) -> None:
        self._origin = origin
        self._store = store
        self._cancelled = False
        self._threads = ThreadPoolExecutor(_FETCHES, thread_name_prefix="condattest-fetch")
        self.ahead = max(_AHEAD, jobs)
        self._verifying = Verifying(origin, roots, store, jobs=jobs)

    def close(self) -> None:
        """End, whatever is not begun, and write down what was proved."""
        self.cancel()
        self._threads.shutdown(cancel_futures=True)
        self._verifying.close()
        if self._store is not None:
            self._store.save()

    def cancel(self) -> None:
        """Begin nothing more: what is not fetched yet is not fetched. Nothing is to be taken after that."""
        self._cancelled = True

    def begin(self, wanted: Sequence[Wanted], *, last: bool = False) -> Begun:
        """Begin to fetch and to verify what is not known.

        Args:
            wanted: Sidecars; `CHUNK` of them at the most.
            last: Whether all that is begun is waited for after that: then no process is to have much more than others.

        Raises:
            LocalFailure: A process that verifies ended.
        """
        known = self._known(wanted)
        missing = [at for at in range(len(wanted)) if at not in known]
        tasks = {}
        self._verifying.expect(len(missing))
        size = _TASK if self._verifying.reads and not last else _FETCHED
        with _told():
            for start in range(0, len(missing), size):
                places = missing[start : start + size]
                task = [wanted[at] for at in places]
                if not self._cancelled:
                    tasks[places[0]] = _Task(task, self._begin(task))
        return Begun(wanted, known, tasks)

    def had(self, begun: Begun) -> Iterator[Had]:
        """Yield what each sidecar proves, in order.

        Raises:
            LocalFailure: A process that verifies ended, or what was proved cannot be told.
        """
        got: deque[Had] = deque()
        with _told():
            for at in range(len(begun.wanted)):
                if at in begun.tasks:
                    got.extend(self._outcomes(begun.tasks[at]))
                yield begun.known[at] if at in begun.known else got.popleft()

    def _begin(self, task: list[Wanted]) -> Callable[[], Future[list[Outcome]]]:
        if not self._verifying.reads:
            return self._threads.submit(self._verified, task).result
        outcomes = self._verified(task)  # No thread is needed: nothing is fetched.
        return lambda: outcomes

    def _known(self, wanted: Sequence[Wanted]) -> dict[int, Had]:
        if self._store is None:
            return {}
        found: dict[int, Had] = {}
        # With several roots the first that verifies counts, so that all before it would have to be known to fail.
        for root in {each.roots[0] for each in wanted}:
            places = {at: each for at, each in enumerate(wanted) if each.roots[0] == root}
            kept = self._store.known(list({each.sidecar for each in places.values()}), root)
            found.update({at: Had(kept[each.sidecar]) for at, each in places.items() if each.sidecar in kept})
        return found

    def _verified(self, task: list[Wanted]) -> Future[list[Outcome]]:
        """Have sidecars verified, fetched before where that is not done there."""
        work = []
        for each in task:
            if self._cancelled:
                break
            data = None if self._verifying.reads else read(self._origin, each.path)
            work.append(Unverified(each.path, each.sidecar, each.roots, data))
        return self._verifying.submit(work)

    def _outcomes(self, task: _Task) -> Iterator[Had]:
        outcomes = task.verified().result()
        for wanted, (dumped, failures, problem) in zip(task.task, outcomes, strict=True):
            evidence = tuple(codec.parse(each) for each in dumped)
            if self._store is not None and evidence:
                for each, data in zip(evidence, dumped, strict=True):
                    self._store.put(each, data)
                if not failures and len({each.trust_root_sha256 for each in evidence}) == 1:
                    bundles = [each.bundle_sha256 for each in evidence]
                    self._store.put_sidecar(wanted.sidecar, evidence[0].trust_root_sha256, bundles)
            yield Had(evidence, failures, problem)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool:
        raise LocalFailure("a process that verifies ended", hint="try --jobs 1; is there enough memory?") from None


def chunks(items: Iterable[_T]) -> Iterator[list[_T]]:
    """Yield `CHUNK` of them at a time."""
    chunk: list[_T] = []
    for each in items:
        chunk.append(each)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
