"""Does an audit fail? By which checks, and on what is new.

Owns `Outcome`, `outcome` and `FAIL_ON`. Fails closed: a check that was asked for and did not run is no pass, and
neither is an audit that was interrupted, missed something, or verified nothing.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from condattest.errors import Misuse
from condattest.model.audit import CHECKS, Audit, Audited, Patched, check_of
from condattest.model.finding import Code, Finding, Severity
from condattest.operations.checks.patches import is_fault

FAIL_ON: Final = ("rejected", "revoked", "sidecars", "downgrade", "patches")
"""What an audit fails on unless told otherwise, as far as it ran. What is rejected fails always.

Under a policy `unattested` is among them: a package that the policy wants attested and is not would be rejected at
install time, too. What a policy lets pass without attestation (a baseline, a dated exception) counts as accepted.
"""
_OF_RECORDS: Final = (Code.ROLLBACK, Code.BIND_METADATA, Code.AUDIT_SIGNER_CHANGED)
"""Beside those of patches: findings about what may change while a package's bytes stay."""
_GENERATIONS: Final = "/patches/"
"""What every place of a generation of patches has in it."""
_STATES: Final = ("failed", "found", "key", "keys")
"""The facts of such a finding that say what it found."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an audit ends.

    Attributes:
        failed: By check, how much of what it found counts.
        not_run: Checks that were asked for by name and did not run.
        missing: Why it cannot be a pass, though nothing failed: sentences for people.
    """

    failed: dict[str, int] = field(default_factory=dict)
    not_run: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def checked(names: Sequence[str]) -> tuple[str, ...]:
    """The names of checks as the command line gives them.

    Raises:
        Misuse: One is none.
    """
    for name in names:
        if name not in CHECKS:
            raise Misuse(f"--fail-on {name}: there is no such check", hint=f"there are: {', '.join(CHECKS)}")
    return tuple(dict.fromkeys(names))


def outcome(audit: Audit, fail_on: Sequence[str] | None = None, baseline: Audit | None = None) -> Outcome:
    """Say how an audit ends.

    Args:
        audit: What was found.
        fail_on: The checks that make it fail; None for `FAIL_ON`, and under a policy `unattested`.
        baseline: An earlier audit: what it found, too, does not count.
    """
    by_default = FAIL_ON if audit.policy is None else (*FAIL_ON, "unattested")
    names = {"rejected", *(by_default if fail_on is None else fail_on)}
    found = {run.name: run.found for run in audit.checks if run.ran}
    if baseline is not None:
        found = _new(audit, baseline)
    failed = {name: found[name] for name in CHECKS if name in names and found.get(name)}
    ran = {run.name for run in audit.checks if run.ran}
    not_run = tuple(name for name in fail_on or () if name not in ran)
    return Outcome(failed, not_run, tuple(_missing(audit)))


def _missing(audit: Audit) -> Iterable[str]:
    if not audit.complete:
        yield "the audit was interrupted"
    if audit.mode == "index-only":
        yield "nothing was verified: --index-only looks at no attestation"
        return
    unknown = sum(finding.code.severity is Severity.UNKNOWN for finding in audit.findings)
    if audit.totals["undecided"] or unknown:
        yield f"{audit.totals['undecided'] + unknown} facts could not be had"
    if not audit.totals["accepted"]:
        yield "nothing was verified: no package has an attestation that holds"


def _new(audit: Audit, baseline: Audit) -> dict[str, int]:
    """By check, how many packages have something that the baseline has not."""
    known = {key for each in baseline.results for key in _keys(each)}
    known.update(_key("", finding.where, "", finding) for finding in baseline.findings)
    known.update(key for step in baseline.patches for key in _faults(step))
    found: dict[str, int] = {}

    def count(names: set[str]) -> None:
        for name in names:
            found[name] = found.get(name, 0) + 1

    for each in audit.results:
        fresh = [finding for key, finding in _keys(each).items() if key not in known]
        names = {check_of(finding.code) for finding in fresh if _counts(finding)}
        names -= {"rejected", "unattested", "undecided"}  # Those go by the package's status.
        count(names | ({each.status} if fresh else set()))
    judges_patches = any(run.ran for run in audit.checks if run.name == "patches")
    for finding in audit.findings:
        if _counts(finding) and _key("", finding.where, "", finding) not in known:
            is_of_patches = judges_patches and is_fault(finding) and _GENERATIONS in finding.where
            count({check_of(finding.code), *(("patches",) if is_of_patches else ())})
    for step in audit.patches if judges_patches else ():
        if not known.issuperset(_faults(step)):
            count({"patches"})
    return found


def _faults(step: Patched) -> list[bytes]:
    where = f"{step.subdir}{_GENERATIONS}{step.generation}"
    return [_key(step.subdir, where, "", finding) for finding in step.findings if is_fault(finding)]


def _counts(finding: Finding) -> bool:
    return finding.code.severity is not Severity.NOTE or finding.code.startswith("AUDIT-")


def _keys(each: Audited) -> dict[bytes, Finding]:
    return {_key(each.subdir, each.file, each.sha256 or "", finding): finding for finding in each.findings}


def _key(subdir: str, file: str, sha256: str, finding: Finding) -> bytes:
    # A record can be changed once more while its package stays, and so can a generation while its number stays: what
    # was known of it is not what it says now.
    may_change = finding.code in _OF_RECORDS or check_of(finding.code) == "patches" or _GENERATIONS in file
    now = [finding.facts.get(name, "") for name in _STATES] if may_change else []
    text = "\0".join((subdir, file, sha256, finding.code.value, *now))
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()[:16]
