"""May this bundle stand in the sidecar of this artifact?

Owns `admit` and `Admitted`. A channel judges what it publishes (CEP 27: servers verify too), one bundle at a time: an
auditor's attestation comes later than the publisher's, so a threshold or an age is for installers to ask, not for it.
The order: revoked, about the artifact, made for the channel, signed by one whom the rule names. A statement of a kind
that nobody reads yet is admitted by its signer, as long as it names the artifact's digest.
"""

from dataclasses import dataclass

from condattest.errors import Malformed
from condattest.formats import statement
from condattest.model.artifact import Artifact, Sha256
from condattest.model.channel import Channel
from condattest.model.evidence import Evidence
from condattest.model.finding import Code, Finding
from condattest.policy.bind import Bound, Unbound, bind, channel_finding
from condattest.policy.match import mismatches
from condattest.policy.rules import Policy, Rule


@dataclass(frozen=True, slots=True)
class Admitted:
    """A bundle that may be published: what it proves, its predicate type, and the rule that let it in.

    `rule` is None where any signer will do.
    """

    evidence: Evidence
    predicate_type: str
    rule: Rule | None


def admit(
    evidence: Evidence, artifact: Artifact, channel: Channel | None, policy: Policy | None, *, root: Sha256
) -> Admitted | Finding:
    """Hold one authenticated bundle against an artifact and a policy.

    Args:
        evidence: What the bundle proves.
        artifact: The package, by its own bytes.
        channel: The channel that it is published to; None if nobody says, and then the signed one selects the rule.
        policy: Who may sign; None for anybody.
        root: The digest of the trust root that counts where no rule names another.
    """
    if policy is not None and artifact.sha256 in policy.revoked.sha256:
        return Finding.of(Code.IDENTITY_REVOKED, policy.source, sha256=artifact.sha256)
    bound = bind(evidence, artifact)
    if isinstance(bound, Unbound):
        return bound.finding
    if isinstance(bound, Bound):
        target = bound.target
    else:
        target = None
        finding = _names_digest(evidence, artifact.sha256)
        if finding is not None:
            return finding
    predicate_type = statement.parse(evidence.payload_type, evidence.payload).predicate_type
    if policy is None:
        if evidence.trust_root_sha256 != root:
            return Finding.of(Code.CRYPTO, "trust root", expected=root, found=evidence.trust_root_sha256)
        if channel is not None and target is not None and target != channel:
            return Finding.of(Code.CHANNEL_MISMATCH, "predicate.targetChannel", expected=channel, found=target)
        return Admitted(evidence, predicate_type, None)
    home = policy.home(channel) if channel is not None else target
    rule = policy.rule_for(artifact.file.name, home)
    if rule is None:
        shown = home or "none, neither given nor signed"
        return Finding.of(Code.POLICY_NONE, policy.source, package=artifact.file.name, channel=shown)
    if isinstance(bound, Bound) and bound.kind == "publish":
        finding = channel_finding(bound, home, rule, policy)
        if finding is not None:
            return finding
    demanded = policy.trust_roots.get(rule.trusted_root) if rule.trusted_root is not None else root
    if evidence.trust_root_sha256 != demanded:
        expected = f"trust root {rule.trusted_root or 'of the caller'}, {demanded}"
        return Finding.of(Code.CRYPTO, rule.name, expected=expected, found=evidence.trust_root_sha256)
    return _signed_by_one_of(rule, evidence) or Admitted(evidence, predicate_type, rule)


def _signed_by_one_of(rule: Rule, evidence: Evidence) -> Finding | None:
    if not rule.signers:
        return Finding.of(Code.IDENTITY_NOT_REQUIRED, rule.name, found=evidence.signer.san)
    tried = [(each, mismatches(each, evidence.signer, at=evidence.earliest.at)) for each in rule.signers]
    nearest, wrong = min(tried, key=lambda each: len(each[1]))
    if not wrong:
        return None
    first = wrong[0]
    return Finding.of(
        Code.IDENTITY_MISMATCH,
        rule.name,
        field=first.field,
        expected=first.expected,
        found="nothing" if first.found is None else first.found,
        signer=nearest.name,
        identity=evidence.signer.san,
    )


def _names_digest(evidence: Evidence, sha256: Sha256) -> Finding | None:
    try:
        subjects = statement.parse(evidence.payload_type, evidence.payload).subjects
    except Malformed as error:
        return error.finding
    if any(subject.digest.get("sha256") == sha256 for subject in subjects):
        return None
    found = ", ".join(subject.digest.get("sha256", "no sha256") for subject in subjects[:3])
    return Finding.of(Code.BIND_DIGEST, "subject", expected=sha256, found=found)
