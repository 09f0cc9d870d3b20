"""Audit what an environment or a lock file lists: each package judged as `verify` does, and shown to the same checks.

Owns `audit_listed`. What is listed may be from several channels. Nothing is known here of packages that are not listed,
so checks that compare the versions of a name have little to say.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from condattest.errors import Misuse
from condattest.model.audit import STATUSES, Audit, Status
from condattest.model.finding import Code, Finding
from condattest.operations.audit_spool import Row, Spool
from condattest.operations.audit_verdicts import LATE, authentic, settle, trust_roots
from condattest.operations.checks.board import Board, Results
from condattest.operations.checks.check import Scope
from condattest.operations.judgement import Authenticate
from condattest.operations.question import Question, Verification
from condattest.operations.targets import ListedTarget, Target, UrlTarget
from condattest.operations.verify import verify
from condattest.signatures.authenticate import authenticate_parsed
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.memory import Memory
from condattest.transport.on_demand import Source


@contextmanager
def audit_listed(
    target: str,
    targets: Sequence[Target],
    question: Question,
    *,
    required: bool,
    trust: TrustRoot,
    fetcher: Source,
    now: datetime,
    clock: Callable[[], datetime] | None = None,
    memory: Memory | None = None,
    jobs: int = 4,
    late_after: timedelta = LATE,
    authenticate: Authenticate = authenticate_parsed,
    narrow: Callable[[Iterable[Verification]], Iterator[Verification]] = iter,
    stop: Callable[[], bool] = lambda: False,
    on_done: Callable[[int], None] = lambda count: None,
) -> Iterator[Audit]:
    """Audit listed packages; the results can be walked through while the context lasts.

    Args:
        target: The environment or the lock file, as it is to be shown.
        targets: What it lists.
        question: What is asked of each package.
        required: Whether the question's policy is one; without it, what is authentic is accepted.
        trust: The trust root, where no rule names another.
        fetcher: For indexes and sidecars.
        now: The time at which it begins, and at which policy is judged.
        clock: Tells when it ends; by default at `now`.
        memory: What this machine has seen of channels.
        jobs: How many packages are looked at at a time.
        late_after: How long after it was indexed a package may be attested.
        authenticate: What authenticates a bundle.
        narrow: Holds answers against what a lock file pins, one for one.
        stop: Asked now and then whether to end before the end.
        on_done: Told how many packages were done.

    Raises:
        Misuse: Nothing is listed.
        LocalFailure: What is decided cannot be written down.
    """
    if not targets:
        raise Misuse(f"{target}: nothing to audit: no package is listed")
    ordered = sorted(targets, key=lambda each: (*_place(each), str(each)))
    policy = question.policy if required else None
    judges = question.patches == "require" or bool(question.policy.patches)
    scope = Scope(
        mode="full",
        has_policy=required,
        patches="" if judges and question.patches != "off" else "no [[patch]] says who may patch the channels",
        late_after=late_after,
        now=now,
    )
    spool, board = Spool(None, b"listed"), Board(scope)
    totals: dict[Status, int] = dict.fromkeys(STATUSES, 0)
    complete = True
    answers = verify(
        ordered, question, trust=trust, fetcher=fetcher, now=now, memory=memory, jobs=jobs, authenticate=authenticate
    )
    try:
        for listed, answer in zip(ordered, narrow(answers), strict=False):
            if stop():
                complete = False
                break
            row = _row(listed, answer, required=required)
            totals[row.status] += 1  # type: ignore[index]
            board.observe(row)
            spool.put(row)
            on_done(1)
        spool.flush()
        yield Audit(
            target=target,
            subdirs=tuple(sorted({_place(each)[0] for each in ordered} - {""})),
            mode="full",
            policy=None if policy is None else policy.source,
            policy_sha256=None if policy is None else policy.sha256,
            trust_roots=trust_roots(trust, question.roots),
            started=now,
            finished=(clock or (lambda: now))(),
            complete=complete,
            results=Results(spool, board),
            totals=totals,
            checks=tuple(board.runs()),
        )
    finally:
        spool.close()


def _place(listed: Target) -> tuple[str, str]:
    """The subdir, empty where nobody says, and the file name, or whatever stands in its place."""
    subdir = listed.subdir if isinstance(listed, UrlTarget | ListedTarget) else None
    return subdir or "", str(listed.file or listed)


def _row(listed: Target, answer: Verification, *, required: bool) -> Row:
    subdir, file = _place(listed)
    row = Row(
        subdir=subdir,
        file=file,
        name=file if listed.file is None else listed.file.name,
        version="" if listed.file is None else listed.file.version,
        sha256=answer.sha256,
        sidecar=None,
        status="unattested",
        found=[],
    )
    row.add(Finding(Code.AUDIT_UNATTESTED, row.place))
    judgement, failures = (answer.judged.judgement, answer.judged.failures) if answer.judged is not None else (None, ())
    verdict = answer.verdict if required else authentic(answer.verdict, judgement, failures)
    settle(row, verdict, judgement, required=required, claimed=bool(answer.attestations))
    return row
