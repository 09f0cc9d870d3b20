"""The JSON document of an audit: written as it is walked through, and read back for a merge or as a baseline.

Owns `SCHEMA`, `write` and `parse`. The results come last, one on each line, and neither side holds them: what is read
is checked as a whole, and each result is taken from the bytes when it is asked for. Refuses unknown fields, codes and
schemas, and totals that do not add up: parts of an audit that somebody cut short are no audit.

    {"schema": "condattest/audit/1", "version": "...", "exitCode": 1, "complete": true, "target": "https://...", ...,
     "results": [
    {"subdir": "noarch", "file": "x-1-0.conda", "name": "x", "sha256": "<hex>", "status": "accepted", ...}
    ]}
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, TextIO

import msgspec

from condattest._version import __version__
from condattest.errors import Malformed
from condattest.model.artifact import Sha256
from condattest.model.audit import CHECKS, STATUSES, Audit, Audited, CheckRun, Mode, Patched, Signature, Status
from condattest.model.evidence import TimeSource
from condattest.model.finding import CODES, Code, Finding

SCHEMA: Final = "condattest/audit/1"

Say = Callable[[Finding], Mapping[str, Any]]
Show = Callable[[str], str]
_Time = Annotated[datetime, msgspec.Meta(tz=True)]
_Hex = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Strict(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    pass


class _Finding(_Strict, kw_only=True):
    code: str
    severity: str
    where: str
    facts: dict[str, str]
    message: str | None = None
    advice: str | None = None


class _Signature(_Strict):
    identity: str
    issuer: str
    at: _Time
    source: TimeSource


class _Result(_Strict):
    subdir: str
    file: str
    name: str
    sha256: _Hex | None
    status: Status
    rule: str | None
    indexed_at: _Time | None
    signatures: list[_Signature]
    findings: list[_Finding]


class _Check(_Strict):
    name: str
    ran: bool
    found: _Count
    reason: str


class _Patched(_Strict):
    subdir: str
    generation: int
    at: _Time | None
    source: TimeSource | None
    signer: str | None
    changed: _Count
    removed: _Count
    findings: list[_Finding]


class _Policy(_Strict):
    source: str
    sha256: _Hex | None


class _Report(_Strict):
    schema: str
    version: str
    exit_code: int
    complete: bool
    target: str
    subdirs: list[str]
    mode: Mode
    limit: str
    part: tuple[int, int] | None
    policy: _Policy | None
    trust_roots: Annotated[list[_Hex], msgspec.Meta(min_length=1)]
    started: _Time
    finished: _Time
    totals: dict[str, _Count]
    checks: list[_Check]
    findings: list[_Finding]
    patches: list[_Patched]
    unexplained: dict[str, _Count]
    results: list[msgspec.Raw]


def plainly(finding: Finding) -> dict[str, Any]:
    """A finding without a sentence."""
    return {
        "code": finding.code.value,
        "severity": finding.code.severity.value,
        "where": finding.where,
        "facts": dict(finding.facts),
    }


def write(audit: Audit, out: TextIO, *, exit_code: int, say: Say = plainly, show: Show = str) -> None:
    """Write the document of an audit; its results are walked through once.

    Args:
        audit: What was found.
        out: Where to.
        exit_code: How the command ends.
        say: Gives the members of a finding.
        show: Makes foreign text safe to show.
    """
    head: dict[str, Any] = {
        "schema": SCHEMA,
        "version": __version__,
        "exitCode": int(exit_code),
        "complete": audit.complete,
        "target": show(audit.target),
        "subdirs": [show(each) for each in audit.subdirs],
        "mode": audit.mode,
        "limit": audit.limit,
        "part": audit.part,
        "policy": None
        if audit.policy is None
        else {
            "source": show(audit.policy),
            "sha256": None if audit.policy_sha256 is None else str(audit.policy_sha256),
        },
        "trustRoots": [str(each) for each in audit.trust_roots],
        "started": audit.started,
        "finished": audit.finished,
        "totals": {"packages": len(audit.results), **audit.totals},
        "checks": [
            {"name": run.name, "ran": run.ran, "found": run.found, "reason": run.reason} for run in audit.checks
        ],
        "findings": [say(each) for each in audit.findings],
        "patches": [_patched(each, say, show) for each in audit.patches],
        "unexplained": dict(audit.unexplained),
    }
    encode = msgspec.json.Encoder().encode
    lines = [f"{encode(name).decode()}: {encode(value).decode()}" for name, value in head.items()]
    out.write("{" + ",\n ".join(lines) + ',\n "results": [')
    separator = "\n"
    for each in audit.results:
        out.write(separator + encode(_result(each, say, show)).decode())
        separator = ",\n"
    out.write("\n]}\n")


def _result(each: Audited, say: Say, show: Show) -> dict[str, Any]:
    return {
        "subdir": show(each.subdir),
        "file": show(each.file),
        "name": show(each.name),
        "sha256": None if each.sha256 is None else str(each.sha256),
        "status": each.status,
        "rule": None if each.rule is None else show(each.rule),
        "indexedAt": each.indexed_at,
        "signatures": [
            {"identity": show(one.identity), "issuer": show(one.issuer), "at": one.at, "source": one.source}
            for one in each.signatures
        ],
        "findings": [say(one) for one in each.findings],
    }


def _patched(each: Patched, say: Say, show: Show) -> dict[str, Any]:
    return {
        "subdir": show(each.subdir),
        "generation": each.generation,
        "at": each.at,
        "source": each.source,
        "signer": None if each.signer is None else show(each.signer),
        "changed": each.changed,
        "removed": each.removed,
        "findings": [say(one) for one in each.findings],
    }


@dataclass(frozen=True, slots=True)
class _Results:
    """Results that are taken from the bytes of a document when they are asked for."""

    raws: Sequence[msgspec.Raw]
    where: str

    def __len__(self) -> int:
        return len(self.raws)

    def __iter__(self) -> Iterator[Audited]:
        for number, raw in enumerate(self.raws):
            yield _audited(raw, f"{self.where}: results[{number}]")


def parse(data: "bytes | memoryview", *, where: str) -> Audit:
    """Read the document of an audit.

    Args:
        data: Its bytes; they are kept as long as the results are.
        where: What it is, for findings.

    Raises:
        Malformed: NET-FILE: it is none, or not whole; also from its results, when they are walked through.
    """
    try:
        found = msgspec.json.decode(data, type=_Report)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(where, f"a JSON report of condattest audit ({SCHEMA})", f"{error!s:.300}") from None
    if found.schema != SCHEMA:
        raise _refused(f"{where}: schema", SCHEMA, f"{found.schema:.100}")
    totals: dict[Status, int] = {status: found.totals.get(status, 0) for status in STATUSES}
    if found.totals.keys() != {"packages", *STATUSES} or not (
        sum(totals.values()) == found.totals["packages"] == len(found.results)
    ):
        raise _refused(f"{where}: totals", f"totals of {len(found.results)} results", f"{found.totals}")
    unknown = [run.name for run in found.checks if run.name not in CHECKS]
    if unknown:
        raise _refused(f"{where}: checks", ", ".join(CHECKS), f"{unknown[0]:.100}")
    if found.part is not None and not 1 <= found.part[0] <= found.part[1]:
        raise _refused(f"{where}: part", "a part of so many", f"{found.part}")
    return Audit(
        target=found.target,
        subdirs=tuple(found.subdirs),
        mode=found.mode,
        limit=found.limit,
        part=found.part,
        policy=None if found.policy is None else found.policy.source,
        policy_sha256=None if found.policy is None or found.policy.sha256 is None else Sha256(found.policy.sha256),
        trust_roots=tuple(map(Sha256, found.trust_roots)),
        started=found.started,
        finished=found.finished,
        complete=found.complete,
        results=_Results(found.results, where),
        totals=totals,
        findings=_findings(found.findings, where),
        checks=tuple(CheckRun(run.name, run.ran, run.found, run.reason) for run in found.checks),
        patches=tuple(
            Patched(
                subdir=each.subdir,
                generation=each.generation,
                at=each.at,
                source=each.source,
                signer=each.signer,
                changed=each.changed,
                removed=each.removed,
                findings=_findings(each.findings, where),
            )
            for each in found.patches
        ),
        unexplained=found.unexplained,
    )


_RESULT: Final = msgspec.json.Decoder(_Result)


def _audited(raw: msgspec.Raw, where: str) -> Audited:
    try:
        found = _RESULT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refused(where, "a result of an audit", f"{error!s:.300}") from None
    return Audited(
        subdir=found.subdir,
        file=found.file,
        name=found.name,
        sha256=None if found.sha256 is None else Sha256(found.sha256),
        status=found.status,
        signatures=tuple(Signature(each.identity, each.issuer, each.at, each.source) for each in found.signatures),
        indexed_at=found.indexed_at,
        rule=found.rule,
        findings=_findings(found.findings, where),
    )


def _findings(found: Iterable[_Finding], where: str) -> tuple[Finding, ...]:
    made = []
    for each in found:
        code = CODES.get(each.code)
        if code is None:
            raise _refused(where, "a code of this version", f"{each.code:.100}")
        made.append(Finding(code, each.where, each.facts))
    return tuple(made)


def _refused(where: str, expected: str, found: str) -> Malformed:
    return Malformed(Finding.of(Code.NET_FILE, where, expected=expected, found=found))
