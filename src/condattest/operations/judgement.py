"""From bundles to a verdict, and from what went wrong to one.

Owns `authenticate_and_decide`, `candidates`, `Judged`, `kept_in`, `with_metadata`, `noted`, `of_finding` and
`of_outage`. Whatever could not be had is undecided; whatever is wrong is rejected; nothing is passed over.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, Final

from condattest.errors import LocalFailure, Malformed, NotAuthenticated, NotFound, Offline, TooLarge, Unavailable
from condattest.formats import package
from condattest.formats.bundle import Bundle
from condattest.model.artifact import Artifact, PackageFile
from condattest.model.channel import Channel
from condattest.model.evidence import Evidence
from condattest.model.finding import Code, Finding, Severity
from condattest.model.verdict import Accepted, Rejected, Undecided, Verdict
from condattest.operations.attestations import Collected, digest_of
from condattest.policy.decide import Judgement, judge
from condattest.policy.rules import Policy, Rule
from condattest.signatures.authenticate import authenticate_parsed
from condattest.signatures.trust_root import TrustRoot

if TYPE_CHECKING:
    from condattest.transport.evidence_store import EvidenceStore

MAX_SCANNED: Final = 64 * 1024**2
"""Bytes of a `.tar.bz2` that is unpacked whole for its metadata; that takes about a second for 25 MB unpacked."""
_NO_ROOTS: Final[Mapping[str, TrustRoot]] = {}

Authenticate = Callable[[Bundle, TrustRoot], Evidence]
"""Authenticates a bundle that was parsed, as `signatures.authenticate.authenticate_parsed` does, and raises as it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """How a policy judged an artifact, and why bundles were not authenticated."""

    artifact: Artifact
    judgement: Judgement
    failures: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The verdict."""
        return self.judgement.verdict


def authenticate_and_decide(
    collected: Collected,
    artifact: Artifact,
    channel: Channel | None,
    policy: Policy,
    trust: TrustRoot,
    roots: Mapping[str, TrustRoot] = _NO_ROOTS,
    *,
    now: datetime,
    indexed_at: datetime | None = None,
    authenticate: Authenticate = authenticate_parsed,
) -> Judged:
    """Authenticate each bundle, and let the policy decide on what that gives.

    Args:
        collected: The bundles.
        artifact: What they should be about.
        channel: Where it comes from, if that is known.
        policy: What must hold.
        trust: The trust root, where no rule names another.
        roots: The trust roots that rules name, by their path in the policy.
        now: The time at which policy is judged.
        indexed_at: The index's own time for the artifact, unsigned.
        authenticate: What authenticates a bundle.
    """
    evidence, failures = authenticate_all(collected, candidates(artifact, channel, policy, trust, roots), authenticate)
    judgement = judge(policy, artifact, channel, evidence, failures, now=now, indexed_at=indexed_at, root=trust.sha256)
    return Judged(artifact, judgement, failures)


def authenticate_all(
    collected: Collected, roots: Sequence[TrustRoot], authenticate: Authenticate = authenticate_parsed
) -> tuple[tuple[Evidence, ...], tuple[Finding, ...]]:
    """Authenticate each bundle under the first root that it verifies under: what is proved, and what failed."""
    evidence: list[Evidence] = []
    failures: list[Finding] = []
    for number, bundle in enumerate(collected.bundles):
        outcome = _authenticated(bundle, roots, authenticate)
        if isinstance(outcome, Evidence):
            evidence.append(outcome)
        else:
            failures.append(outcome if len(collected.bundles) == 1 else outcome.at(f"bundle {number}"))
    return tuple(evidence), tuple(failures)


def kept_in(store: "EvidenceStore") -> Authenticate:
    """Authenticate what a store does not know yet, and keep what that gives."""

    def authenticate(bundle: Bundle, root: TrustRoot) -> Evidence:
        known = store.get(digest_of(bundle), root.sha256)
        if known is None:
            known = authenticate_parsed(bundle, root)
            store.put(known)
        return known

    return authenticate


def candidates(
    artifact: Artifact, channel: Channel | None, policy: Policy, trust: TrustRoot, roots: Mapping[str, TrustRoot]
) -> list[TrustRoot]:
    """The trust roots that may apply to an artifact. The rule decides again, by the digest of the one that was used."""
    if channel is None:
        return [trust, *roots.values()]  # Only the statement says which rule applies.
    return [root_of(policy.rule_for(artifact.file.name, policy.home(channel)), trust, roots)]


def root_of(rule: Rule | None, trust: TrustRoot, roots: Mapping[str, TrustRoot]) -> TrustRoot:
    """The trust root that a rule names, or else the caller's."""
    if rule is None or rule.trusted_root is None:
        return trust
    return roots.get(rule.trusted_root, trust)


def _authenticated(bundle: Bundle, candidates: Sequence[TrustRoot], authenticate: Authenticate) -> Evidence | Finding:
    failures = []
    for root in candidates:
        try:
            return authenticate(bundle, root)
        except NotAuthenticated as error:
            failures.append(error.finding)
    return failures[0]


def with_metadata(
    verdict: Verdict, opened: BinaryIO, file: PackageFile, subdir: str | None
) -> tuple[Verdict, Mapping[str, object] | None]:
    """Check that an archive is well-formed and says what its name says; reject what does not, whatever was signed.

    Returns:
        The verdict, and the archive's info/index.json where it was read.
    """
    # After the digest: what the signature does not cover is not worth opening.
    if isinstance(verdict, Rejected):
        return verdict, None
    try:
        size = opened.seek(0, os.SEEK_END)
        extent = extent_of(file, size)
        metadata = package.read(opened, file, extent=extent)
        package.check(metadata, file, subdir)
    except Malformed as error:
        seen = verdict.evidence if isinstance(verdict, Accepted) else verdict.seen
        return Rejected((error.finding,), seen), None
    except OSError as error:
        raise LocalFailure(f"{file}: cannot be read: {error.strerror}") from None
    if extent is package.Extent.FIRST:
        note = Finding.of(Code.ARCHIVE_PARTLY_READ, file, size=size, limit=MAX_SCANNED)
        verdict = noted(verdict, note)
    return verdict, metadata.index


def noted(verdict: Verdict, *notes: Finding) -> Verdict:
    """A verdict with what is to be said of it; only what is accepted needs that."""
    return verdict.with_notes(*notes) if isinstance(verdict, Accepted) else verdict


def extent_of(file: PackageFile, size: int) -> package.Extent:
    """How much of a package is read for its metadata: all of it, unless that takes too long."""
    partly = file.kind == ".tar.bz2" and size > MAX_SCANNED
    return package.Extent.FIRST if partly else package.Extent.METADATA


def of_finding(finding: Finding) -> Verdict:
    """The verdict that one finding alone leads to."""
    return Undecided((finding,)) if finding.code.severity is Severity.UNKNOWN else Rejected((finding,))


def of_outage(error: Unavailable) -> Verdict:
    """The verdict where something could not be had: undecided, never "unsigned"."""
    match error:
        case NotFound():
            code = Code.NET_NOT_FOUND
        case TooLarge():
            code = Code.NET_LIMIT
        case Offline():
            code = Code.NET_OFFLINE
        case _:
            code = Code.NET_UNAVAILABLE
    return Undecided((Finding.of(code, error.url, reason=error.reason),))
