"""Count what the packages of an audit add up to, and pick the worst of them, in one walk that holds no list of all.

Owns `Figures`, `Found`, `Signed` and the order of what is worse. Memory is bounded by the number of subdirs, codes and
weeks, by `SIGNERS` identities, and by the limit of what is picked.
"""

import hashlib
import heapq
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from condattest.model.artifact import Sha256
from condattest.model.audit import Audit, Audited, Status
from condattest.model.finding import Code, Finding, Severity
from condattest.reports.plain import short

SIGNERS: Final = 20_000
"""How many identities are told apart; those that come after are counted together."""
CHANGES: Final = 200
"""How many changes of signers are kept."""
TOLD: Final = frozenset(Severity) - {Severity.NOTE}
"""The severities that are a reason to look: all but notes."""
_IDENTITY: Final = 300
_SINCE: Final = date(2000, 1, 1)
_SEVERITIES: Final = tuple(Severity)
# What there is one of for every package that nobody attested: it stands behind what is rarer.
_COMMON: Final = frozenset({Code.AUDIT_UNATTESTED, Code.MISSING_ATTESTATION})


@dataclass(frozen=True, slots=True)
class Found:
    """One finding with the package that it is about; `file` is empty where it is about a subdir or the whole."""

    finding: Finding
    subdir: str = ""
    file: str = ""
    sha256: Sha256 | None = None

    @property
    def place(self) -> str:
        """The subdir and file, as far as there are any."""
        return "/".join(part for part in (self.subdir, self.file) if part)


@dataclass(slots=True)
class Signed:
    """How many packages an identity signed, and from when to when."""

    identity: str
    issuer: str
    first: datetime
    last: datetime
    packages: int = 0


@dataclass(slots=True)
class Figures:
    """What was counted so far; whole once `watch` was walked to its end.

    Attributes:
        by_subdir: How many packages of each status, by subdir.
        by_code: How many findings of each code, those of the target and of its patches included.
        signers: Who signed, by a key of no meaning.
        other_signers: How many signatures are of identities beyond `SIGNERS`.
        weeks: How many packages of each status, by the Monday (UTC) of the week of their upload.
        undated: Those without a time, or with one before 2000 or after the audit, by status.
        places: For each code, where it was found first.
        changes: Packages whose signer changed, the first `CHANGES` of them.
    """

    by_subdir: dict[str, Counter[Status]] = field(default_factory=dict)
    by_code: Counter[Code] = field(default_factory=Counter)
    signers: dict[str, Signed] = field(default_factory=dict)
    other_signers: int = 0
    weeks: dict[date, Counter[Status]] = field(default_factory=dict)
    undated: Counter[Status] = field(default_factory=Counter)
    places: dict[Code, str] = field(default_factory=dict)
    changes: list[Found] = field(default_factory=list)

    def top_signers(self, limit: int) -> list[Signed]:
        """Those who signed most, in an order that does not depend on that of the packages."""
        return heapq.nsmallest(limit, self.signers.values(), key=lambda each: (-each.packages, each.identity))

    def codes(self) -> list[tuple[Code, int]]:
        """The codes that were found, worst and then most frequent first."""
        return sorted(self.by_code.items(), key=lambda item: (rank(item[0]), -item[1], item[0].value))

    def count(self, found: Found) -> None:
        """Count one finding."""
        code = found.finding.code
        self.by_code[code] += 1
        if code is Code.AUDIT_SIGNER_CHANGED and len(self.changes) < CHANGES:
            self.changes.append(found)
        if code not in self.places:
            self.places[code] = short(found.place or found.finding.where, _IDENTITY)

    def watch(self, audit: Audit) -> Iterator[Audited]:
        """Yield the packages, each counted; findings of packages alone."""
        end = audit.finished.astimezone(UTC).date() + timedelta(days=1)
        for subdir in audit.subdirs:
            self.by_subdir.setdefault(subdir, Counter())
        for package in audit.results:
            self.by_subdir.setdefault(package.subdir, Counter())[package.status] += 1
            for found in of_package(package):
                self.count(found)
            self._sign(package)
            day = uploaded(package)
            if day is None or not _SINCE <= day <= end:
                self.undated[package.status] += 1
            else:
                self.weeks.setdefault(day - timedelta(days=day.weekday()), Counter())[package.status] += 1
            yield package

    def _sign(self, package: Audited) -> None:
        counted = set()
        for signature in package.signatures:
            key = _key(signature.identity, signature.issuer)
            known = self.signers.get(key)
            if known is None:
                if len(self.signers) >= SIGNERS:
                    self.other_signers += 1
                    continue
                who, issuer = named(signature.identity), short(signature.issuer, _IDENTITY)
                known = self.signers[key] = Signed(who, issuer, signature.at, signature.at)
            known.first, known.last = min(known.first, signature.at), max(known.last, signature.at)
            if key not in counted:
                known.packages += 1
                counted.add(key)


def _key(identity: str, issuer: str) -> str:
    key = f"{identity}\n{issuer}"
    return key if len(key) <= _IDENTITY else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def named(identity: str) -> str:
    """An identity as it is shown: cut where it is long, and never blank."""
    return short(identity, _IDENTITY) or "(empty)"


def uploaded(package: Audited) -> date | None:
    """The day on which a package came: the server's time, else its earliest signature; None where neither is known."""
    if package.indexed_at is not None:
        return package.indexed_at.astimezone(UTC).date()
    if package.signatures:
        return min(each.at for each in package.signatures).astimezone(UTC).date()
    return None


def rank(code: Code) -> int:
    """How bad a code is: 0 for the worst severity."""
    return _SEVERITIES.index(code.severity)


def of_package(package: Audited) -> Iterator[Found]:
    """The findings of one package."""
    for finding in package.findings:
        yield Found(finding, package.subdir, package.file, package.sha256)


def of_target(audit: Audit) -> Iterator[Found]:
    """The findings that are of no package: the target's own, and those of generations of patches."""
    for finding in audit.findings:
        yield Found(finding)
    for patch in audit.patches:
        for finding in patch.findings:
            yield Found(finding, patch.subdir, f"patches/{patch.generation}.sigs")


def figures(audit: Audit) -> Figures:
    """Count an audit, and pick nothing."""
    counted = _started(audit)
    for _ in counted.watch(audit):
        pass
    return counted


def worst_findings(audit: Audit, limit: int, of: Collection[Severity] = TOLD) -> tuple[Figures, list[Found]]:
    """Count an audit, and pick its worst findings of some severities: by severity, then by subdir and file."""
    counted = _started(audit)

    def every() -> Iterator[Found]:
        yield from of_target(audit)
        for package in counted.watch(audit):
            yield from of_package(package)

    chosen = (each for each in every() if each.finding.code.severity in of)
    return counted, heapq.nsmallest(limit, chosen, key=_weight)


def _weight(found: Found) -> tuple[int, bool]:
    return rank(found.finding.code), found.finding.code in _COMMON


def worst_packages(audit: Audit, limit: int) -> tuple[Figures, list[Audited]]:
    """Count an audit, and pick its worst packages: rejected, undecided, otherwise conspicuous, unattested, accepted."""
    counted = _started(audit)
    return counted, heapq.nsmallest(limit, counted.watch(audit), key=_badness)


def _started(audit: Audit) -> Figures:
    counted = Figures()
    for found in of_target(audit):
        counted.count(found)
    return counted


def _badness(package: Audited) -> int:
    if package.status == "rejected":
        return 0
    if package.status == "undecided":
        return 1
    told = {each.code for each in package.findings if each.code.severity is not Severity.NOTE}
    if told - _COMMON:
        return 2
    return 3 if package.status == "unattested" else 4
