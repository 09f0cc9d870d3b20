"""Say in words what an audit is and how far it reaches: what every format for people tells before its figures.

Owns `summary`, `caveats`, `check_result` and the words for statuses.
"""

from typing import Final

from condattest.model.audit import CHECKS, STATUSES, Audit, CheckRun, Status
from condattest.reports.documents import time
from condattest.reports.plain import short

MARKS: Final = {"accepted": "✓", "rejected": "✕", "unattested": "\u2013", "undecided": "?"}
"""A sign for each status, so that none is told by its colour alone."""
LINE: Final = 300
"""How long a foreign text may be in a report for people."""
README: Final = "https://github.com/condattest/condattest"
"""Where the findings are explained, by anchor."""


def many(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def share(count: int, whole: int) -> str:
    """A percentage that never says 100 % where something is missing, nor 0 % where something is there."""
    if not whole:
        return "-"
    percent = 100 * count / whole
    if 0 < percent < 0.1:
        return "<0.1 %"
    if 99.9 < percent < 100:
        return ">99.9 %"
    return f"{percent:.1f} %" if 0 < percent < 100 else f"{percent:.0f} %"


def status(name: Status, audit: Audit) -> str:
    """A status as it is shown: without a policy nobody was required, and nothing was accepted."""
    return "authenticated" if name == "accepted" and audit.policy is None else name


def summary(audit: Audit) -> str:
    """The totals, which add up to the packages."""
    counts = ", ".join(f"{audit.totals.get(name, 0):,} {status(name, audit)}" for name in STATUSES)
    return f"{many(len(audit.results), 'package')}: {counts}"


def period(audit: Audit) -> str:
    """When the audit was made."""
    return f"{time(audit.started.replace(microsecond=0))} to {time(audit.finished.replace(microsecond=0))}"


def caveats(audit: Audit) -> list[str]:
    """What a reader must know before believing the figures; none of these may be left out."""
    told = []
    limit = short(audit.limit, LINE)
    if not audit.complete:
        told.append("The audit was interrupted: what was not looked at is missing here.")
    if not len(audit.results):
        told.append("No package was looked at: this audit says nothing.")
    if audit.part is not None:
        told.append(f"This is part {audit.part[0]} of {audit.part[1]}; condattest audit merge joins the parts.")
    match audit.mode:
        case "index-only":
            told.append("Only the index was read: no attestation was fetched or verified.")
        case "sample":
            told.append(f"This is a sample of {limit} packages: what it does not name was not looked at.")
        case "since":
            told.append(f"Only packages since {limit} were looked at, and those without a time.")
        case "full":
            pass
    if audit.policy is None:
        told.append("No policy was given: authenticated means signed by somebody, not by somebody who may.")
    missing = [check.name for check in audit.checks if not check.ran]
    if missing:
        told.append(f"{many(len(missing), 'check')} did not run: {', '.join(missing)}.")
    return told


def check_result(check: CheckRun) -> str:
    """What a check found, or that it did not run."""
    return many(check.found, "finding") if check.ran else "did not run"


def policy(audit: Audit) -> str:
    """Which policy was applied."""
    if audit.policy is None:
        return "none"
    digest = "" if audit.policy_sha256 is None else f" (sha256 {audit.policy_sha256[:12]})"
    return short(audit.policy, LINE) + digest


def check_meaning(check: CheckRun) -> str:
    """What a check looks for."""
    return CHECKS.get(check.name, "")
