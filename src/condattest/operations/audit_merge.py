"""Join the parts of an audit that several machines made: what comes out is what one of them would have found.

Owns `merge` and `opened`. Refuses parts of different audits, a part that is missing or there twice, and what is no
part. The results of the parts are walked through together, and never held.
"""

import heapq
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from condattest.errors import LocalFailure, Malformed, Misuse
from condattest.formats import audit_report
from condattest.model.audit import CHECKS, STATUSES, Audit, Audited, CheckRun, Status
from condattest.model.finding import Finding, Severity
from condattest.operations.audit_verdicts import LATE
from condattest.operations.checks.check import Scope, counts
from condattest.operations.checks.orphans import Orphans
from condattest.operations.checks.seen_once import SeenOnce
from condattest.operations.checks.sidecars import Sidecars

_ONE_ROOT: Final = "condattest trust fetch --output FILE keeps one root; run every part with --trusted-root FILE"


def opened(path: Path) -> Audit:
    """Read the JSON report of an audit, as a part or as a baseline; its results stay in the file.

    Raises:
        Misuse: There is no such file, or it is none.
        LocalFailure: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            # Mapped, so that a report of a million packages takes no memory of its own.
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise Misuse(
            f"{path}: no such file", hint="give a report that condattest audit --report json=PATH wrote"
        ) from None
    except ValueError:
        raise Misuse(f"{path}: expected a JSON report of condattest audit, found an empty file") from None
    except OSError as error:
        raise LocalFailure(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return audit_report.parse(memoryview(data), where=str(path))
    except Malformed as error:
        facts = error.finding.facts
        raise Misuse(
            f"{error.finding.where}: expected {facts['expected']}, found {facts['found']}",
            hint="give a report that condattest audit --report json=PATH wrote, by this version",
        ) from None


def merge(parts: Sequence[Audit]) -> Audit:
    """Join all parts of an audit.

    Raises:
        Misuse: They are not all the parts of one audit.
    """
    if not parts:
        raise Misuse("nothing to merge", hint="condattest audit merge PART.json...")
    numbers = [part.part for part in parts]
    count = len(parts)
    if sorted(each or (0, 0) for each in numbers) != [(number, count) for number in range(1, count + 1)]:
        found = ", ".join("the whole" if each is None else f"{each[0]}/{each[1]}" for each in numbers)
        raise Misuse(
            f"expected every part of one audit, each once, found {found}",
            hint="run condattest audit with --shard 1/N to N/N, and give all N reports",
        )
    ordered = sorted(parts, key=lambda part: part.part or (0, 0))
    first = ordered[0]
    for part in ordered[1:]:
        for what, one, other in (
            ("channel", first.target, part.target),
            ("mode", (first.mode, first.limit), (part.mode, part.limit)),
            ("policy", first.policy_sha256, part.policy_sha256),
            ("trust roots", ", ".join(first.trust_roots), ", ".join(part.trust_roots)),
            ("checks", _ran(first), _ran(part)),
        ):
            if one != other:
                raise Misuse(
                    f"the parts are of different audits: one has the {what} {one}, another has {other}",
                    hint=_ONE_ROOT if what == "trust roots" else "",
                )
    _same_subdirs(ordered)
    once, told = SeenOnce(Scope(mode=first.mode, late_after=LATE, now=first.started)), set[Finding]()
    for part in ordered:
        counted = dict.fromkeys(STATUSES, 0)
        for each in part.results:
            counted[each.status] += 1
            if once.ran().ran:
                once.seen(f"{each.subdir}/{each.file}", [(one.identity, one.issuer) for one in each.signatures])
            told.update(finding for finding in each.findings if counts(finding, Sidecars.name))
        if counted != {status: part.totals[status] for status in STATUSES}:
            raise Misuse(f"part {_number(part)}: its totals are not those of its results: it was changed")
    totals: dict[Status, int] = {status: sum(part.totals[status] for part in ordered) for status in STATUSES}
    # Part 1 looked at all sidecars, and did not know what the packages of other parts say of theirs.
    said = dict.fromkeys(finding for part in ordered for finding in part.findings)
    findings = tuple(finding for finding in said if finding not in told)
    twice = sum(finding in told for finding in said)
    return Audit(
        target=first.target,
        subdirs=tuple(sorted({subdir for part in ordered for subdir in part.subdirs})),
        mode=first.mode,
        limit=first.limit,
        policy=first.policy,
        policy_sha256=first.policy_sha256,
        trust_roots=first.trust_roots,
        started=min(part.started for part in ordered),
        finished=max(part.finished for part in ordered),
        complete=all(part.complete for part in ordered),
        results=_Joined(tuple(ordered), once),
        totals=totals,
        findings=findings,
        checks=tuple(_run(name, ordered, once, totals, findings, twice) for name in CHECKS),
        patches=tuple(each for part in ordered for each in part.patches),
        unexplained={subdir: found for part in ordered for subdir, found in part.unexplained.items()},
    )


def _same_subdirs(parts: Sequence[Audit]) -> None:
    """Refuse parts that looked at different subdirs, unless a part says itself that it did not get to one."""
    everywhere = {subdir for part in parts for subdir in part.subdirs}
    for part in parts:
        unknown = any(each.code.severity is Severity.UNKNOWN for each in part.findings)
        if part.complete and not unknown and everywhere - set(part.subdirs):
            lacks = ", ".join(sorted(everywhere - set(part.subdirs)))
            raise Misuse(
                f"the parts are of different audits: part {_number(part)} did not look at {lacks}, and another did",
                hint="run every part with the same --subdir",
            )


def _ran(part: Audit) -> str:
    """The checks that ran, but for the one that part 1 alone has."""
    return ", ".join(sorted(run.name for run in part.checks if run.ran and run.name != Orphans.name))


def _number(part: Audit) -> int:
    return (part.part or (0, 0))[0]


@dataclass(frozen=True, slots=True)
class _Joined:
    parts: tuple[Audit, ...]
    once: SeenOnce

    def __len__(self) -> int:
        return sum(len(part.results) for part in self.parts)

    def __iter__(self) -> Iterator[Audited]:
        for each in heapq.merge(*(part.results for part in self.parts), key=lambda each: (each.subdir, each.file)):
            more = self.once.of(f"{each.subdir}/{each.file}")
            yield replace(each, findings=(*each.findings, *more)) if more else each


def _run(
    name: str,
    parts: Sequence[Audit],
    once: SeenOnce,
    totals: dict[Status, int],
    findings: tuple[Finding, ...],
    twice: int,
) -> CheckRun:
    if name == once.name:
        ran = once.ran()
        return CheckRun(name, ran.ran, once.found() if ran.ran else 0, ran.reason)
    runs = [run for part in parts for run in part.checks if run.name == name]
    if not runs:
        return CheckRun(name, False, 0, "the parts do not say")
    shown = next((run for run in runs if run.ran), runs[0])
    found = sum(run.found for run in runs) - (twice if name == Sidecars.name else 0)
    if name == "undecided" and shown.ran:
        # An index that could not be had was missed by every part, and is one outage.
        found = totals["undecided"] + sum(each.code.severity is Severity.UNKNOWN for each in findings)
    if name == "rejected":
        found = max(found, totals["rejected"])
    return CheckRun(name, shown.ran, found, shown.reason)
