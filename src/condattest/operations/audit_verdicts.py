"""How one listed package stands: from what its index record and its sidecar say to a row of the audit.

Owns `Terms`, `wanted_of`, `Deciding`, `listed`, `authentic` and `settle`. The same steps as `verify` takes for what
it knows by its record, in the same order; nothing of a verdict is kept. Without a policy, what is authentic and
bound to the package and to the channel is accepted, whoever signed it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from condattest.errors import LocalFailure, Malformed, Unavailable
from condattest.formats import sidecar
from condattest.formats.listings import Listing
from condattest.model.artifact import Artifact, Sha256
from condattest.model.channel import Channel
from condattest.model.evidence import Evidence
from condattest.model.finding import Code, Finding, Severity
from condattest.model.verdict import Accepted, Rejected, Undecided, Verdict
from condattest.operations.audit_evidence import Had, Wanted
from condattest.operations.audit_patches import PatchJudge
from condattest.operations.audit_spool import Found, Row, Signed, found_of, moment
from condattest.operations.judgement import candidates, of_outage
from condattest.policy import rules
from condattest.policy.bind import Bound
from condattest.policy.decide import Judgement, beside, judge
from condattest.policy.match import distinct
from condattest.policy.rules import Policy
from condattest.signatures.trust_root import TrustRoot

LATE: Final = timedelta(days=7)
"""A package that is attested this long after it was indexed is late, unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What packages are held against.

    Attributes:
        channel: The channel that they are from.
        trust: The trust root, where no rule names another.
        policy: What must hold; None where nobody is required.
        roots: The trust roots that rules name, by their path in the policy.
    """

    channel: Channel
    trust: TrustRoot
    policy: Policy | None = None
    roots: Mapping[str, TrustRoot] = field(default_factory=dict)

    @property
    def applied(self) -> Policy:
        """The policy, or one that requires nobody."""
        return self.policy or _NOBODY

    @property
    def every_root(self) -> list[TrustRoot]:
        """Every trust root that may apply."""
        return [self.trust, *self.roots.values()]


def trust_roots(trust: TrustRoot, roots: Mapping[str, TrustRoot]) -> tuple[Sha256, ...]:
    """The digests of the trust root in force, and of those that rules name, sorted: what an audit says of them."""
    return (trust.sha256, *sorted({root.sha256 for root in roots.values()}))


_OF_ALL: Final = (Code.POLICY_PATCHES_NOT_JUDGED, Code.PATCH_UNLISTED, Code.SUBDIR_UNCHECKED)
"""Notes that hold of all or most packages of an audit: they are said once, by the checks or by the README."""
_UNATTESTED: Final = Code.AUDIT_UNATTESTED.value
_NOBODY: Final = rules.nobody_required()


def wanted_of(listing: Listing, subdir: str, terms: Terms) -> Wanted | None:
    """The sidecar that is to be had for a package; None where none is advertised, or the record is not worth it."""
    # `audit_alike` asks the same.
    if listing.sidecar is None or listing.file is None or listing.sha256 is None or listing.finding is not None:
        return None
    artifact = Artifact(listing.file, listing.sha256, subdir)
    roots = candidates(artifact, terms.channel, terms.applied, terms.trust, terms.roots)
    path = f"{subdir}/{listing.key}{sidecar.SUFFIX}.{listing.sidecar}"
    return Wanted(path, listing.sidecar, tuple(root.sha256 for root in roots))


@dataclass(frozen=True, slots=True)
class Deciding:
    """Decides on packages, one at a time.

    Attributes:
        terms: What they are held against.
        now: The time of the judgement.
        patches: Judges the patches of records; None where they are not judged.
    """

    terms: Terms
    now: datetime
    patches: PatchJudge | None = None

    def row(self, listing: Listing, subdir: str, had: Had) -> Row:
        """Judge a package by its record and by what its sidecar proves."""
        row = listed(listing, subdir)
        if listing.finding is not None or listing.file is None or listing.sha256 is None:
            return row
        if had.problem is not None:
            row.add(had.problem)
            row.status = "undecided" if had.problem.code.severity is Severity.UNKNOWN else "rejected"
            return row
        artifact = Artifact(listing.file, listing.sha256, subdir)
        policy = self.terms.applied
        judgement = judge(
            policy,
            artifact,
            self.terms.channel,
            had.evidence,
            had.failures,
            now=self.now,
            indexed_at=moment(listing.indexed),
            root=self.terms.trust.sha256,
        )
        verdict = judgement.verdict
        if self.terms.policy is None:
            verdict = authentic(verdict, judgement, had.failures)
        if self.patches is not None:
            verdict = self._patched(verdict, artifact, listing)
        settle(row, verdict, judgement, required=self.terms.policy is not None, claimed=listing.claimed)
        return row

    def _patched(self, verdict: Verdict, artifact: Artifact, listing: Listing) -> Verdict:
        assert self.patches is not None  # noqa: S101 (asked only then)
        try:
            return self.patches.judged(verdict, artifact, listing)
        except Malformed as error:
            return Rejected((error.finding,))
        except Unavailable as error:
            return of_outage(error)
        except LocalFailure as error:
            return Undecided((Finding.of(Code.NET_FILE, artifact.file, reason=error, hint=error.hint or None),))


def listed(listing: Listing, subdir: str) -> Row:
    """The row of a package as far as its record alone says: attested or not, and whether the record is sound."""
    file, key = listing.file, listing.key
    found: list[Found]
    if listing.finding is not None:
        status, found = "rejected", [found_of(listing.finding)]
    elif listing.claimed:
        status, found = "undecided", []
    else:
        status, found = "unattested", [(_UNATTESTED, f"{subdir}/{key}", {})]
    return Row(
        subdir=subdir,
        file=key,
        name=key if file is None else file.name,
        version="" if file is None else file.version,
        # As plain text, which is written down faster.
        sha256=None if listing.sha256 is None else str(listing.sha256),
        sidecar=None if listing.sidecar is None else str(listing.sidecar),
        status=status,
        indexed=listing.indexed,
        found=found,
    )


def authentic(verdict: Verdict, judgement: Judgement | None, failures: Sequence[Finding]) -> Verdict:
    """Without a policy: what only lacks somebody who was required is accepted.

    Args:
        verdict: How the package stands.
        judgement: How that came about; None where nothing was judged.
        failures: The findings of bundles that were not authenticated.
    """
    match verdict:
        case Undecided(findings=findings, seen=seen) if all(
            each.code is Code.IDENTITY_NOT_REQUIRED for each in findings
        ):
            notes = () if judgement is None else tuple(beside(judgement.trials, failures))
            return Accepted("nobody required", seen, notes)
        case _:
            return verdict


def settle(row: Row, verdict: Verdict, judgement: Judgement | None, *, required: bool, claimed: bool) -> None:
    """Write a verdict into a row that says as much as the record alone.

    Args:
        row: The row.
        verdict: How the package stands.
        judgement: How that came about; None where nothing was judged.
        required: Whether there is a policy, whose rule is worth a name.
        claimed: Whether anything said that the package is attested.
    """
    if judgement is not None:
        row.signed = [
            _signed(trial.evidence)
            for trial in judgement.trials
            if isinstance(trial.outcome, Bound) and trial.kind == "publish"
        ]
        row.rule = judgement.rule.name if judgement.rule is not None and required else None
    findings: tuple[Finding, ...]
    match verdict:
        case Accepted(evidence=evidence, notes=notes):
            row.status, findings = "accepted", (*notes, *(note for each in evidence for note in each.notes))
        case Rejected(findings=found):
            row.status, findings = "rejected", found
            if not claimed and all(each.code is Code.MISSING_ATTESTATION for each in found):
                row.status = "unattested"
                return  # AUDIT-UNATTESTED says it.
        case Undecided(findings=found):
            row.status, findings = "undecided", found
    row.found = []
    for each in findings:
        if each.code not in _OF_ALL:
            row.add(each)


def _signed(evidence: Evidence) -> Signed:
    earliest = evidence.earliest
    issuer, who = distinct(evidence.signer)
    return Signed(evidence.signer.san, issuer, earliest.at, earliest.source, f"{issuer} {who}")
