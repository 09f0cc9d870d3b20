"""How one bundle fares: what it says about the artifact, and whether it meets a rule.

Owns `Trial`, `start` and `try_bundle`. The checks of a bundle, in order; the first that fails is its finding:

 (1) its statement is well formed and about this artifact (`bind`);
 (2) it is of a kind that the rule demands, or else it is passed over;
 (3) it was authenticated under the trust root that the rule names, or else under the caller's;
 (4) it was made for the channel;
 (5) provenance states the rule's builder, and the signer's own repository as its source;
 (6) its signer is one that the rule names, at the earliest verified time;
 (7) it is as old as the rule demands.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from condattest.formats import provenance, publish
from condattest.model.artifact import Artifact, Sha256
from condattest.model.channel import Channel
from condattest.model.evidence import Evidence
from condattest.model.finding import Code, Finding
from condattest.policy import durations
from condattest.policy.bind import Bound, Foreign, Unbound, bind, channel_finding
from condattest.policy.match import Mismatch, mismatches
from condattest.policy.rules import AllowedSigner, Kind, Policy, Rule

_PREDICATE_TYPES = {"publish": publish.PREDICATE_TYPE, "slsa-provenance": provenance.PREDICATE_TYPE}
_LAST_YEAR = 9900


@dataclass(frozen=True, slots=True)
class Trial:
    """One bundle, as far as it was judged.

    Attributes:
        evidence: What was authenticated.
        outcome: What its statement says about the artifact, or why it says nothing.
        good: Whether it counts for the rule.
        finding: Why it does not; None also where it is of a kind that the rule does not ask for.
        signer: The rule's signer that it matches, or came nearest to.
        tried: Each of the rule's signers that it was held against, with the fields that do not hold.
    """

    evidence: Evidence
    outcome: Bound | Foreign | Unbound
    good: bool = False
    finding: Finding | None = None
    signer: AllowedSigner | None = None
    tried: tuple[tuple[AllowedSigner, tuple[Mismatch, ...]], ...] = ()

    @property
    def where(self) -> str:
        """The bundle, by the start of its digest."""
        return f"bundle {self.evidence.bundle_sha256[:12]}"

    @property
    def kind(self) -> Kind | None:
        """Which kind of attestation it is; None if it is none that is known."""
        return None if isinstance(self.outcome, Foreign) else self.outcome.kind

    @property
    def target(self) -> Channel | None:
        """The channel that its bound statement names."""
        return self.outcome.target if isinstance(self.outcome, Bound) else None

    @property
    def unreadable(self) -> bool:
        """Whether it might have been of any kind, since its statement cannot be read."""
        return isinstance(self.outcome, Unbound) and self.outcome.kind is None

    @property
    def predicate_type(self) -> str | None:
        """Its predicate type, where its statement could be read."""
        return _PREDICATE_TYPES[self.outcome.kind] if isinstance(self.outcome, Bound) else self.outcome.predicate_type


def start(evidence: Evidence, artifact: Artifact) -> Trial:
    """Hold the statement against the artifact, whatever the rule will be."""
    outcome = bind(evidence, artifact)
    trial = Trial(evidence, outcome)
    if isinstance(outcome, Unbound) and outcome.kind != "slsa-provenance":
        return replace(trial, finding=outcome.finding.at(trial.where))
    return trial


def try_bundle(
    trial: Trial,
    rule: Rule,
    policy: Policy,
    channel: Channel | None,
    *,
    root: Sha256 | None,
    now: datetime,
    not_before: datetime | None,
) -> Trial:
    """Hold a bundle against a rule.

    Args:
        trial: The bundle, started.
        rule: The rule.
        policy: For the channel's other names.
        channel: The canonical channel, if any is expected.
        root: The trust root that counts: the rule's own, or else the caller's; None if there was only one.
        now: For its age.
        not_before: A time before which its age does not count; it can only lengthen a cool-down.
    """
    bound, evidence = trial.outcome, trial.evidence
    if isinstance(bound, Foreign) or (bound.kind is not None and bound.kind not in rule.attestations):
        return replace(trial, finding=None)
    if isinstance(bound, Unbound):
        return replace(trial, finding=bound.finding.at(trial.where))
    if root is not None and evidence.trust_root_sha256 != root:
        facts = {
            "expected": f"trust root {rule.trusted_root or 'of the caller'}, {root}",
            "found": str(evidence.trust_root_sha256),
        }
        return replace(trial, finding=Finding(Code.CRYPTO, trial.where, facts))
    finding = (
        channel_finding(bound, channel, rule, policy) if bound.kind == "publish" else _built(bound, rule, evidence)
    )
    if finding is not None:
        return replace(trial, finding=finding.at(trial.where))
    at = evidence.earliest.at
    tried = []
    for allowed in rule.signers:
        wrong = mismatches(allowed, evidence.signer, at=at)
        tried.append((allowed, wrong))
        if not wrong:
            break
    if tried:
        signer, wrong = min(tried, key=_distance)
        trial = replace(trial, signer=signer, tried=tuple(tried))
        if wrong:
            return replace(trial, finding=_stranger(trial, signer, wrong))
    if rule.min_age:
        since = at if not_before is None else max(at, not_before)
        if since > now - rule.min_age:
            return replace(trial, finding=_too_young(trial, rule, since))
    return Trial(evidence, bound, True, None, trial.signer, trial.tried)


def _distance(each: tuple[AllowedSigner, tuple[Mismatch, ...]]) -> tuple[bool, int]:
    # Of another issuer nothing else can be expected to agree.
    wrong = each[1]
    return any(mismatch.field == "issuer" for mismatch in wrong), len(wrong)


def _built(bound: Bound, rule: Rule, evidence: Evidence) -> Finding | None:
    said = bound.provenance
    if said is None or rule.builder is None or said.builder_id != rule.builder:
        found = None if said is None else said.builder_id
        return _unlike("builder", rule.builder or "a builder that the rule names", found)
    # Whoever can sign can write any source; only the certificate says which repository ran.
    repository = evidence.signer.claims.source_repository_uri
    if repository is None or said.source != repository:
        return _unlike("source", repository or "the repository of the certificate, which has none", said.source)
    return None


def _unlike(field: str, expected: str, found: str | None) -> Finding:
    return Finding.of(Code.IDENTITY_MISMATCH, "provenance", field=field, expected=expected, found=found or "nothing")


def _stranger(trial: Trial, signer: AllowedSigner, wrong: tuple[Mismatch, ...]) -> Finding:
    first = wrong[0]
    others = ", ".join(mismatch.field for mismatch in wrong[1:])
    return Finding.of(
        Code.IDENTITY_MISMATCH,
        trial.where,
        field=first.field,
        expected=first.expected,
        found="nothing" if first.found is None else first.found,
        also=others or None,
        signer=signer.name,
        identity=trial.evidence.signer.san,
    )


def _too_young(trial: Trial, rule: Rule, since: datetime) -> Finding:
    # An index may claim any time up to the end of the calendar.
    until = since + rule.min_age if since.year < _LAST_YEAR else None
    return Finding.of(
        Code.POLICY_TOO_YOUNG,
        trial.where,
        expected=f"{durations.show(rule.min_age)} of age",
        since=since.isoformat(),
        until=until and until.isoformat(),
    )
