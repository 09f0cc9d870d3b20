"""Audits of any size, made up: every status, finding, check and patch generation, the same ones at every run."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from condattest.model.artifact import Sha256
from condattest.model.audit import CHECKS, STATUSES, Audit, Audited, CheckRun, Patched, Signature, Status, check_of
from condattest.model.finding import Code, Finding

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SUBDIRS = ("linux-64", "noarch", "osx-arm64", "win-64")
ISSUER = "https://token.actions.githubusercontent.com"
CHANNEL = "https://conda.example/channel"
# Every code appears once there are as many rejected packages as there are codes.
_FAULTS = [code for code in Code if code.severity == "error" and check_of(code) != "unattested"]
_DOUBTS = [code for code in Code if code.severity == "unknown"]
_REMARKS = [
    code for code in Code if code.severity in ("warning", "note") and check_of(code) not in ("unattested", "downgrade")
]
_KINDS: tuple[Status, ...] = (*["accepted"] * 13, *["unattested"] * 4, "rejected", "undecided", "accepted")

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe",
    "line\nbreak\r\n::error::forged",
    "::stop-commands::x",
    "a|b`c`*d*_e_[f](javascript:g)@everyone #1",
    "%25%0A,:",
    "\u2028\u2029",
    "\ud800",
    "x" * 10_000,
    "",
)


def signer(number: int) -> str:
    """A workflow of one of many repositories."""
    return f"https://github.com/conda-example/feedstock-{number}/.github/workflows/release.yml@refs/heads/main"


@dataclass(frozen=True)
class Packages:
    """So many packages, made when they are walked through. `text` replaces names and texts, one after another."""

    count: int
    texts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Audited]:
        each = self.count // len(SUBDIRS) + 1
        for number in range(self.count):
            yield _package(number, SUBDIRS[number // each], self.texts)


def _package(number: int, subdir: str, texts: tuple[str, ...]) -> Audited:
    status = _KINDS[number % len(_KINDS)]
    turn = number // len(_KINDS)
    name = f"package-{number // 5:05}"
    file = f"{name}-1.{number % 5}-h{number % 7}_0.conda"
    at = NOW - timedelta(days=(number * 37) % 700, seconds=number % 86_400)
    sha256 = Sha256(hashlib.sha256(str(number).encode()).hexdigest())
    by = signer((number // 5) ** 2 % 97 % 23)
    text = texts[number % len(texts)] if texts else None
    signed = status == "accepted" or (status == "rejected" and turn % 2 == 0)
    signatures = (Signature(text if text is not None else by, ISSUER, at, "tsa" if number % 3 else "log"),)
    found: list[Finding] = []
    place = f"{file}.sigs"
    if status == "rejected":
        found.append(Finding.of(_FAULTS[turn % len(_FAULTS)], place, expected=by, found=text or signer(404)))
    elif status == "undecided":
        found.append(Finding.of(_DOUBTS[turn % len(_DOUBTS)], place, reason=text or "503 Service Unavailable"))
    elif status == "unattested":
        found.append(Finding.of(Code.AUDIT_UNATTESTED, file))
        if turn % 9 == 0:
            found.append(Finding.of(Code.AUDIT_DOWNGRADE, file, expected=by))
    elif number % 20 == 19:
        found.append(Finding.of(_REMARKS[turn % len(_REMARKS)], text or place, expected=signer(1), found=text or by))
    return Audited(
        subdir=subdir,
        file=file if text is None else f"{file}{text}",
        name=name if text is None else text,
        sha256=None if number % 101 == 100 else sha256,
        status=status,
        signatures=signatures if signed else (),
        indexed_at=None if number % 11 == 10 else at + timedelta(minutes=5),
        rule=None if status == "unattested" else text or "conda-example",
        findings=tuple(found),
    )


def _patches(generations: int) -> tuple[Patched, ...]:
    made = []
    for subdir in SUBDIRS[:2]:
        for number in range(generations, 0, -1):
            made.append(
                Patched(
                    subdir=subdir,
                    generation=number,
                    at=NOW - timedelta(days=9 * (generations - number)),
                    source="tsa",
                    signer=signer(0),
                    changed=(number * 31) % 250,
                    removed=number % 3,
                )
            )
    broken = Finding.of(Code.PATCH_MISSING, "noarch/patches/2.sigs", reason="404 Not Found")
    return tuple(
        replace(each, at=None, source=None, signer=None, findings=(broken,))
        if each.subdir == "noarch" and each.generation == 2
        else each
        for each in made
    )


def audit(count: int = 200, *, texts: tuple[str, ...] = (), generations: int = 12, **changes: object) -> Audit:
    """An audit of so many packages; `texts` stand in for names, identities and facts."""
    packages = Packages(count, texts)
    totals = Counter(package.status for package in packages)
    found = Counter(check_of(each.code) for package in packages for each in package.findings)
    target = (
        Finding.of(Code.INDEX_ORPHAN, "noarch/gone-1.0-0.conda.sigs", found=texts[0] if texts else None),
        Finding.of(Code.INDEX_SHARDS, "osx-arm64/repodata_shards.msgpack.zst"),
    )
    checks = tuple(
        CheckRun(name, name != "orphans", found[name] if name != "orphans" else 0, reason)
        for name, reason in dict.fromkeys(CHECKS, "").items()
        for reason in ["over HTTP, files that no index lists cannot be listed" if name == "orphans" else reason]
    )
    values = {
        "target": CHANNEL,
        "subdirs": SUBDIRS,
        "mode": "full",
        "policy": "policy.toml",
        "policy_sha256": Sha256("ab" * 32),
        "trust_roots": (Sha256("cd" * 32),),
        "started": NOW - timedelta(minutes=3),
        "finished": NOW,
        "complete": True,
        "results": packages,
        "totals": {status: totals[status] for status in STATUSES},
        "findings": target,
        "checks": checks,
        "patches": _patches(generations) if generations else (),
        "unexplained": {"linux-64": 0, "noarch": 3},
    }
    return Audit(**{**values, **changes})
