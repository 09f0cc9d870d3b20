"""Every package of a channel: attested? by whom? when? its record patched by whom?

Owns `audit`. For each subdir: (1) its index is read; (2) sidecars are had and verified, several at a time
(`audit_evidence`); (3) each package is judged by itself (`audit_verdicts`) and written down (`audit_spool`); (4) checks
that compare packages see each row as it passes (`checks`). At the end: (5) what belongs to no package, the files of a
store and the generations of patches. Memory does not grow with the channel, but for what checks say they keep.

An audit that is stopped yields what it has, as incomplete; one that is given a file to resume from goes on there.
"""

import contextlib
import functools
import itertools
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from condattest.errors import LocalFailure, Malformed, Misuse, Unavailable
from condattest.formats.listings import Listing
from condattest.model.audit import STATUSES, Audit, CheckRun, Patched, Status, check_of
from condattest.model.finding import Code, Finding, Severity
from condattest.operations import audit_records, audit_verdicts, audit_whole
from condattest.operations.audit_alike import Alike
from condattest.operations.audit_evidence import CHUNK, NOTHING, Begun, Had, Proofs, Wanted, chunks
from condattest.operations.audit_order import Order
from condattest.operations.audit_patches import PatchJudge
from condattest.operations.audit_spool import Kept, Row, Spool
from condattest.operations.audit_verdicts import Deciding
from condattest.operations.audit_whole import Whole
from condattest.operations.checks.board import Board, Results
from condattest.operations.checks.check import Scope
from condattest.operations.judgement import of_outage

RESUMED: Final = timedelta(days=1)
"""What was decided so long ago, or longer, is decided again: an audit that is resumed is still that audit."""
_STOPPED_EVERY: Final = 64
_Entry = tuple[Listing, Row | None, Wanted | None, bool]
"""A package, its row where that is decided, the sidecar that is wanted for that, whether an earlier run decided it."""


@contextmanager
def audit(
    order: Order,
    *,
    now: datetime,
    clock: Callable[[], datetime] | None = None,
    stop: Callable[[], bool] = lambda: False,
    on_done: Callable[[int], None] = lambda count: None,
) -> Iterator[Audit]:
    """Audit a channel; the results can be walked through while the context lasts.

    Args:
        order: What is audited.
        now: The time at which it begins, and at which policy is judged.
        clock: Tells when it ends; by default at `now`.
        stop: Asked now and then whether to end before the end.
        on_done: Told how many packages were done.

    Raises:
        Misuse: The channel has no such subdir, no index at all, or nothing that is selected.
        LocalFailure: What is decided cannot be written down.
    """
    running = _Running(order, now, stop, on_done)
    try:
        running.run()
        yield running.audit((clock or (lambda: now))())
    finally:
        running.close()


class _Running:
    """One audit."""

    def __init__(self, order: Order, now: datetime, stop: Callable[[], bool], on_done: Callable[[int], None]) -> None:
        self._order, self._now, self._stop, self._on_done = order, now, stop, on_done
        self._selection, terms = order.selection, order.terms
        self._scope = Scope(
            mode=order.mode,
            part=order.selection.part,
            is_store=order.store is not None,
            has_policy=terms.policy is not None,
            patches=order.judges_patches,
            late_after=order.late_after,
            now=now,
        )
        self._board = Board(self._scope)
        self._judge = self._patch_judge()
        self._deciding = Deciding(terms, now, self._judge)
        kept = order.evidence
        self._alike = Alike(self._deciding, kept) if kept is not None and kept.holds_any else None
        self._subdirs = audit_records.subdirs_of(order.origin, order.subdirs)
        self._places = {subdir: at for at, subdir in enumerate(self._subdirs)}
        self._present: list[str] = []
        self._findings: list[Finding] = []
        self._broken: list[Finding] = []
        self._patched: list[Patched] = []
        self._unexplained: dict[str, int] = {}
        self._totals: dict[Status, int] = dict.fromkeys(STATUSES, 0)
        self._complete = True
        self._limit = ""
        self._owed = 0
        self._kept, self._spool, self._part = self._opened(order.resume)

    def _opened(self, resume: Path | None) -> tuple[Kept | None, Spool, Path | None]:
        if resume is None:
            return None, Spool(None, self._order.key()), None
        kept = Kept(resume, self._order.key())
        # Until all that was decided is in it, the new file has another name: the old one is not lost by a kill.
        part = resume.with_name(f"{resume.name}.part") if not kept.is_over else None
        return kept, Spool(part or resume, self._order.key()), part

    def _patch_judge(self) -> PatchJudge | None:
        order, terms = self._order, self._order.terms
        if order.judges_patches or terms.policy is None:
            return None
        return PatchJudge(
            terms.channel,
            terms.policy,
            terms.trust,
            terms.roots,
            order.origin,
            order.fetcher,
            order.memory,
            demand=order.patches,
            now=self._now,
        )

    def run(self) -> None:
        """Go through the subdirs."""
        order = self._order
        chosen = self._sample()
        with Proofs(order.origin, order.terms.every_root, order.evidence, jobs=order.jobs) as proofs:
            for subdir in self._subdirs:
                if not self._complete:
                    break
                with self._telling(subdir):
                    found = audit_records.read(order.origin, subdir)
                    if found is None:
                        self._absent(subdir)
                        continue
                    self._present.append(subdir)
                    self._subdir(subdir, self._selection.of(found.listings, subdir, chosen), proofs)
        self._spool.flush()
        self._replace()
        if self._present or self._findings:
            if self._complete:
                for subdir in self._present:
                    with self._telling(subdir):
                        put = functools.partial(self._put_whole, subdir)
                        audit_whole.look(order, self._scope, subdir, self._judge, put)
        else:
            raise Misuse(
                f"{order.origin.name}: no channel: it has no index in {', '.join(self._subdirs) or 'any folder'}",
                hint="give the URL or the folder that has noarch/repodata.json below it",
            )

    @contextmanager
    def _telling(self, subdir: str) -> Iterator[None]:
        """What goes wrong with a subdir as a whole is said of it."""
        try:
            yield
        except Malformed as error:
            self._findings.append(error.finding)
            if error.finding.code.severity is not Severity.UNKNOWN:
                # What comes after it was not looked at: that is no pass, whatever else is found.
                self._broken.append(error.finding)
                facts = {"expected": "all of it", "found": error.finding.code}
                self._findings.append(Finding.of(Code.NET_UNAVAILABLE, subdir, **facts))
        except Unavailable as error:
            self._findings.extend(of_outage(error).findings)  # type: ignore[union-attr]
        except LocalFailure as error:
            if str(self._order.resume or "\0") in str(error):
                raise  # Nothing can be written down.
            finding = Finding.of(Code.NET_FILE, subdir, reason=error, hint=error.hint or None)
            self._findings.append(finding)

    def _put_whole(self, subdir: str, whole: Whole) -> None:
        self._findings.extend((*self._board.news(whole.stored), *whole.findings))
        self._board.generations(whole.patches, whole.findings)
        self._patched.extend(whole.patches)
        if whole.unexplained is not None:
            self._unexplained[subdir] = whole.unexplained

    def _absent(self, subdir: str) -> None:
        if subdir in self._order.subdirs:
            where = f"{self._order.origin.name}/{subdir}"
            self._findings.append(Finding.of(Code.NET_NOT_FOUND, where, expected="an index", found="none"))

    def _sample(self) -> frozenset[tuple[str, str]] | None:
        size = self._selection.sample
        if self._selection.since is not None:
            self._limit = self._selection.since.isoformat()
        if size is None or self._order.index_only:
            return None

        def rows() -> Iterator[tuple[str, Listing]]:
            for subdir in self._subdirs:
                # What is wrong with an index is told when it is read for its records.
                with contextlib.suppress(Malformed, Unavailable, LocalFailure):
                    found = audit_records.read(self._order.origin, subdir)
                    yield from ((subdir, each) for each in (found.listings if found is not None else ()))

        chosen, of = audit_records.chosen(rows(), self._selection)
        self._limit = f"{len(chosen)} of {of}"
        return chosen

    def _subdir(self, subdir: str, listings: Iterable[Listing], proofs: Proofs) -> None:
        rows = map(audit_verdicts.listed, listings, itertools.repeat(subdir)) if self._order.index_only else None
        for count, row in enumerate(rows or self._judged(subdir, listings, proofs)):
            if count % _STOPPED_EVERY == 0:
                self._replace()
                if self._stop():
                    self._complete = False
                    proofs.cancel()
                    return
            self._totals[row.status] += 1  # type: ignore[index]
            self._board.observe(row)
            self._spool.put(row)
            self._on_done(1)

    def _judged(self, subdir: str, listings: Iterable[Listing], proofs: Proofs) -> Iterator[Row]:
        ahead: deque[tuple[list[_Entry], Begun]] = deque()
        for chunk in chunks(listings):
            entries = self._entries(chunk, subdir)
            wanted = [wanted for _, _, wanted, _ in entries if wanted is not None]
            ahead.append((entries, proofs.begin(wanted, last=len(chunk) < CHUNK)))
            # Where nothing is to be waited for, what is known helps to decide what comes next.
            while ahead and (len(ahead) > proofs.ahead or ahead[0][1].is_known):
                entries, begun = ahead.popleft()
                yield from self._settled(subdir, entries, proofs.had(begun))
        for entries, begun in ahead:
            yield from self._settled(subdir, entries, proofs.had(begun))

    def _entries(self, chunk: list[Listing], subdir: str) -> list[_Entry]:
        rows = self._alike.rows(chunk, subdir) if self._alike is not None else [None] * len(chunk)
        entries: list[_Entry] = []
        for listing, alike in zip(chunk, rows, strict=True):
            kept = self._decided(subdir, listing)
            row = kept or alike
            wanted = None if row is not None else audit_verdicts.wanted_of(listing, subdir, self._order.terms)
            entries.append((listing, row, wanted, kept is not None))
        return entries

    def _settled(self, subdir: str, entries: Iterable[_Entry], had: Iterator[Had]) -> Iterator[Row]:
        for listing, decided, wanted, is_kept in entries:
            row = decided or self._deciding.row(listing, subdir, NOTHING if wanted is None else next(had))
            if self._order.resume is not None and not is_kept:
                row.record, row.decided = listing.fingerprint(), self._now.timestamp()
            yield row
            self._owed -= is_kept  # Whoever took it has put it into the new file.

    def _decided(self, subdir: str, listing: Listing) -> Row | None:
        """What an earlier run decided of late, unless the record changed since, or something could not be had then."""
        if self._kept is None or self._kept.is_over:
            return None
        row = self._kept.row(subdir, listing.key, self._places.__getitem__)
        if row is None or row.status == "undecided":
            return None
        # What was decided is no verdict that lasts: keys are revoked, and packages come of age.
        is_recent = 0 <= self._now.timestamp() - row.decided < RESUMED.total_seconds()
        same = is_recent and row.record == listing.fingerprint()
        self._owed += same
        return row if same else None

    def _replace(self) -> None:
        """Give the new file its name as soon as all that the old one had is in it."""
        if self._part is None or self._order.resume is None or self._kept is None:
            return
        if self._kept.is_over and not self._owed:
            self._spool.flush()
            with contextlib.suppress(OSError):  # Windows renames no open file: `close` does it then.
                os.replace(self._part, self._order.resume)
                self._part = None

    def audit(self, finished: datetime) -> Audit:
        """The outcome."""
        order, policy = self._order, self._order.terms.policy
        runs = tuple(self._board.runs())
        if not (len(self._spool) or self._findings or order.selection.part) and self._complete:
            raise Misuse(
                f"{order.origin.name}: nothing to audit: no package is listed, or none is selected",
                hint="look at --subdir, --since and --shard",
            )
        return Audit(
            target=order.origin.name,
            subdirs=tuple(self._present),
            mode=order.mode,
            limit=self._limit,
            part=order.selection.part,
            policy=None if policy is None else policy.source,
            policy_sha256=None if policy is None else policy.sha256,
            trust_roots=audit_verdicts.trust_roots(order.terms.trust, order.terms.roots),
            started=self._now,
            finished=finished,
            complete=self._complete,
            results=Results(self._spool, self._board),
            totals=self._totals,
            findings=tuple(self._findings),
            checks=_with_outages(runs, self._findings, self._broken),
            patches=tuple(self._patched),
            unexplained=self._unexplained,
        )

    def close(self) -> None:
        """Let go of files; what was decided is kept where something is left to be done."""
        if self._kept is not None:
            self._kept.close()
        self._spool.close()
        resume = self._order.resume
        if resume is None:
            return
        with contextlib.suppress(OSError):
            if self._part is not None and self._complete:
                os.replace(self._part, resume)
            unknown = any(each.code.severity is Severity.UNKNOWN for each in self._findings)
            if self._complete and not self._totals["undecided"] and not unknown:
                resume.unlink(missing_ok=True)


def _with_outages(
    runs: tuple[CheckRun, ...], findings: Iterable[Finding], broken: Sequence[Finding]
) -> tuple[CheckRun, ...]:
    """Count what is wrong with a subdir as a whole, and what could not be had is among what is undecided."""
    more = Counter(check_of(each.code) for each in broken)
    more["undecided"] += sum(each.code.severity is Severity.UNKNOWN for each in findings)
    return tuple(replace(run, found=run.found + more[run.name]) if run.ran else run for run in runs)
