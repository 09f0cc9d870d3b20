"""What an audit of a channel, an environment or a lock file found: values that reports show and parts are joined from.

Owns `Audit`, `Audited`, `Signature`, `CheckRun`, `Patched` and `CHECKS`. An audit may be about millions of packages, so
its results are not held: `Audit.results` can be walked through several times, and yields them from where they are kept.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol

from condattest.model.artifact import Sha256
from condattest.model.evidence import TimeSource
from condattest.model.finding import Code, Finding

Status = Literal["accepted", "rejected", "unattested", "undecided"]
STATUSES: Final[tuple[Status, ...]] = ("accepted", "rejected", "unattested", "undecided")
"""In the order in which they are shown. Without a policy, `accepted` means authenticated, and the report says so."""
Mode = Literal["full", "index-only", "sample", "since"]

CHECKS: Final[Mapping[str, str]] = {
    "unattested": "packages that the index lists without an attestation",
    "rejected": "packages that the policy rejects, or whose attestation is not sound",
    "undecided": "packages for which something could not be had",
    "signer-changed": "packages whose signer is another than in the version before",
    "downgrade": "packages without an attestation, after an attested version",
    "sidecars": "sidecars and index fields that do not go together",
    "orphans": "sidecars for packages that no index lists",
    "attested-late": "packages that were attested long after they were indexed",
    "indexed-time": "packages whose indexed_timestamp contradicts their trusted time",
    "patches": "records that no generation of patches explains, or that policy forbids",
    "seen-once": "identities that signed one package alone",
    "revoked": "packages and signers that the policy revokes",
}
"""Every check, with what it looks for; `--fail-on` names them."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One authenticated publish attestation: who signed, who vouched for that, and since when at the latest.

    `source` says what gave the time: an RFC 3161 token or the log's own signed timestamp.
    """

    identity: str
    issuer: str
    at: datetime
    source: TimeSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One package of an audit.

    Attributes:
        subdir: Its subdir.
        file: Its file name, as the index has it.
        name: Its package name; the file name where that is none of a conda package.
        sha256: Its digest, as it is listed; None where there is none.
        status: How it stands.
        signatures: What was authenticated; empty under `index-only`.
        indexed_at: The server's own time for it (`indexed_timestamp`), unsigned; None where there is none.
        rule: The policy's rule that applied, if one did.
        findings: What was found, notes included, each under its code.
    """

    subdir: str
    file: str
    name: str
    sha256: Sha256 | None
    status: Status
    signatures: tuple[Signature, ...] = ()
    indexed_at: datetime | None = None
    rule: str | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckRun:
    """Whether a check ran: one that could not is no pass. `reason` says why not, or what it was limited to."""

    name: str
    ran: bool
    found: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patched:
    """One generation of patches of a subdir: when, by whom, and how many records it changed.

    `at` and `signer` are None where the generation cannot be believed; `findings` says why.
    """

    subdir: str
    generation: int
    at: datetime | None
    source: TimeSource | None
    signer: str | None
    changed: int
    removed: int
    findings: tuple[Finding, ...] = ()


class Results(Protocol):
    """The packages of an audit, in the order of subdir and file name."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __iter__(self) -> Iterator[Audited]:
        """Walk through them; as often as needed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an audit found.

    Attributes:
        target: The channel's URL, or the environment or lock file that was audited, without credentials.
        subdirs: The subdirs that were looked at.
        mode: How much was looked at.
        limit: What the mode was given: the sample's size, or the time since when. Empty otherwise.
        part: Which part of how many, counted from 1; None for the whole.
        policy: Where the policy is from; None where none was given.
        policy_sha256: Its digest.
        trust_roots: The digests of the trust roots that it was made under: the one in force, then those that the policy
            names, sorted.
        started: When the audit began.
        finished: When it ended.
        complete: False where it was interrupted; what was not looked at is in no result.
        results: The packages.
        totals: By status, how many; they add up to the results.
        findings: What was found of the target as a whole, or of a subdir: sidecars of no package, a broken chain.
        checks: Every check of `CHECKS`, in that order.
        patches: Generations of patches, by subdir, newest first.
        unexplained: By subdir, how many served records differ from as built with no generation that explains it; a
            subdir where that could not be told is left out.
    """

    target: str
    subdirs: tuple[str, ...]
    mode: Mode
    limit: str = ""
    part: tuple[int, int] | None = None
    policy: str | None
    policy_sha256: Sha256 | None
    trust_roots: tuple[Sha256, ...]
    started: datetime
    finished: datetime
    complete: bool
    results: Results
    totals: Mapping[Status, int]
    findings: tuple[Finding, ...] = ()
    checks: tuple[CheckRun, ...] = ()
    patches: tuple[Patched, ...] = ()
    unexplained: Mapping[str, int] = field(default_factory=dict)


_CHECK_OF: Final[Mapping[str, str]] = {
    "MISSING-ATTESTATION": "unattested",
    "MISSING-PUBLISH": "unattested",
    "AUDIT-UNATTESTED": "unattested",
    "AUDIT-SIGNER-CHANGED": "signer-changed",
    "AUDIT-DOWNGRADE": "downgrade",
    "ROLLBACK-UNATTESTED": "downgrade",
    "AUDIT-LATE": "attested-late",
    "AUDIT-INDEXED-TIME": "indexed-time",
    "AUDIT-SEEN-ONCE": "seen-once",
    "IDENTITY-REVOKED": "revoked",
    "INDEX-ORPHAN": "orphans",
    "ROLLBACK": "rejected",
}
_CHECK_OF_CLASS: Final[Mapping[str, str]] = {
    "SIDECAR": "sidecars",
    "INDEX": "sidecars",
    "PATCH": "patches",
    "FRESH": "patches",
    "NET": "undecided",
}


def check_of(code: Code) -> str:
    """The check that a finding belongs to; what belongs to no other is `rejected`, so that nothing is in none."""
    return _CHECK_OF.get(code.value) or _CHECK_OF_CLASS.get(code.value.partition("-")[0], "rejected")
