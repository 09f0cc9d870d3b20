"""Bring a channel's index in line with its sidecars, after an indexer has run; or only say where it is not.

Owns `index`, `check` and `SubdirReport`. An indexer that knows nothing of attestations writes records without
`attestations_sha256`: `index` puts it back, and mends sidecars of which a copy was lost. It takes nothing away: a
record that names a sidecar which is not there keeps its field, since a client that finds it missing will not take the
package for unsigned, and says so; with `drop` it names what is there instead, or nothing.

Spec: https://github.com/conda/ceps/blob/main/cep-0050.md
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from condattest.errors import Malformed, Misuse
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding, Severity
from condattest.operations import index_records, index_views
from condattest.operations.advertise import advertise
from condattest.operations.examination import Examined, examine
from condattest.operations.index_records import Said
from condattest.operations.sidecars import Names, Shelf, listing
from condattest.transport.store import Store

_MENDED: Final = (Code.SIDECAR_HASHED, Code.SIDECAR_MUTABLE, Code.SIDECAR_LOST)
OnDone = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class SubdirReport:
    """What was done, or is to be done, in one subdir.

    Attributes:
        subdir: The subdir.
        sidecars: How many artifacts have a sidecar.
        changed: By path of an index file, how many of its records (for a shard index: shards) changed.
        written: The paths of sidecars that were written.
        findings: What is wrong. After `index`, what is still wrong.
        mended: What was wrong and is not any more.
    """

    subdir: str
    sidecars: int = 0
    changed: dict[str, int] = field(default_factory=dict)
    written: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    mended: tuple[Finding, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong but notes."""
        return all(finding.code.severity is Severity.NOTE for finding in self.findings)

    @property
    def errors(self) -> int:
        """How many findings are errors: an orphan, say, is none."""
        return sum(finding.code.severity in (Severity.ERROR, Severity.UNKNOWN) for finding in self.findings)


def index(
    store: Store, *, subdir: str | None = None, drop: bool = False, on_done: OnDone = lambda count: None
) -> Iterator[SubdirReport]:
    """Bring each subdir's index in line; yields a report for each.

    Args:
        store: The channel.
        subdir: Only this one.
        drop: Give up sidecars that are named and not there: records name what is there, or nothing.
        on_done: Told how many artifacts were looked at.

    Raises:
        Misuse: The channel has no such subdir, or none at all.
        Malformed: A file of the index is none; what was written before is whole.
        Conflict: Others kept on being faster.
        Unavailable, LocalFailure: The store cannot be read or written.
    """
    for each in subdirs(store, subdir):
        with store.hold(each):
            yield _index(store, each, drop, on_done)


def check(store: Store, *, subdir: str | None = None, on_done: OnDone = lambda count: None) -> Iterator[SubdirReport]:
    """Say for each subdir where index and sidecars are not in line; writes nothing. Arguments and errors as `index`."""
    for each in subdirs(store, subdir):
        shelf = Shelf(store, each)
        found = listing(entry.name for entry in store.list(each))
        said = index_records.read(index_views.views(store, each), found)
        examined = _examine(shelf, found, said, on_done)
        findings = [finding for state in examined for finding in state.findings]
        findings.extend(said.findings)
        findings.extend(said.differences({state.file: state.expected for state in examined}))
        yield SubdirReport(each, len(examined), findings=tuple(findings))


def subdirs(store: Store, subdir: str | None) -> list[str]:
    """The subdirs to look at.

    Raises:
        Misuse: The channel has no such subdir, or none at all.
    """
    there = [each for each in store.folders() if index_views.views(store, each)]
    if subdir is not None and subdir not in there:
        raise Misuse(f"{store.name}: it has no index in {subdir}", hint=f"it has: {', '.join(there) or 'no subdir'}")
    if not there:
        raise Misuse(f"{store.name}: no channel: no folder in it has an index", hint="run your indexer first")
    return [subdir] if subdir is not None else there


def _index(store: Store, subdir: str, drop: bool, on_done: OnDone) -> SubdirReport:
    shelf = Shelf(store, subdir)
    views = index_views.views(store, subdir, twins=False)
    plain = [view for view in views if not view.path.endswith(".msgpack.zst")]
    found = listing(entry.name for entry in store.list(subdir))
    said = index_records.read(plain or views, found)
    examined = _examine(shelf, found, said, on_done)
    # (1) Sidecars first: hashed, mutable.
    heads: dict[PackageFile, Sha256 | None] = {}
    written: list[str] = []
    left: list[Finding] = list(said.findings)
    mended: list[Finding] = []
    states = {state.file: state for state in examined}
    for state in examined:
        broken = [finding for finding in state.findings if not _can_be_mended(finding, state, drop)]
        if state.expected is not None and state.findings and not _above_caps(broken):
            head = shelf.bring(state.file, lambda elements: (), state.versions, without=state.others, mend=True)
            if head is not None:
                written.extend(head.written)
                heads[state.file] = head.sha256
                mended.extend(finding for finding in state.findings if finding not in broken)
                left.extend(broken)
                continue
        if state.expected is not None:
            heads[state.file] = state.expected
        left.extend(state.findings)
    # (2) Records whose sidecar is not there.
    for file, alone in said.alone(heads).items():
        if drop:
            heads[file] = None
            mended.append(alone)
        else:
            left.append(alone)

    # (3) The index.
    def join(file: PackageFile, named: Sha256) -> Sha256 | None:
        known, state = heads[file], states[file]
        assert known is not None  # noqa: S101 (only records that shall name a sidecar are joined)
        if named in state.gone:
            return known if drop else None
        try:
            head = shelf.bring(file, lambda elements: (), (named,), without=state.others, mend=True)
        except Malformed:
            return known  # That version is broken, and was told.
        return known if head is None else head.sha256

    indexed = advertise(store, subdir, heads, join)
    left.extend(_orphan(shelf, file) for file in heads if file not in indexed.listed and not said.advertised(file))
    return SubdirReport(subdir, len(examined), indexed.changed, tuple(written), tuple(left), tuple(mended))


def _can_be_mended(finding: Finding, state: Examined, drop: bool) -> bool:
    """Whether the bytes are there to mend it; a sidecar that is gone can only be given up."""
    return finding.code in _MENDED and (drop or not finding.where.endswith(state.gone or ("\0",)))


def _above_caps(findings: Sequence[Finding]) -> bool:
    return any(finding.code is Code.SIDECAR_SIZE for finding in findings)


def _examine(shelf: Shelf, found: dict[PackageFile, Names], said: Said, on_done: OnDone) -> list[Examined]:
    def one(item: tuple[PackageFile, Names]) -> Examined:
        file, names = item
        state = examine(shelf, file, names, said.sha256(file), said.advertised(file))
        on_done(1)
        return state

    with ThreadPoolExecutor(shelf.store.parallel) as pool:
        return list(pool.map(one, sorted(found.items(), key=lambda item: str(item[0]))))


def _orphan(shelf: Shelf, file: PackageFile) -> Finding:
    return Finding.of(Code.INDEX_ORPHAN, f"{shelf.store.name}/{shelf.path(file)}")
