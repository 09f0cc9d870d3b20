"""Does the policy allow this artifact, on this evidence, at this time?

Owns `decide`, `beside`, `not_counted`, and `judge`, which also says by which rule and how each bundle fared. The order:

 (1) a revoked digest is rejected, whatever else holds;
 (2) each bundle's statement is bound to the artifact, each bundle once;
 (3) the channel: the one given (a mirror stands for its channel), or else the one that was signed;
 (4) the rule: the exact name before `*`; without one the artifact is rejected;
 (5) a digest in the rule's baseline is accepted as it is;
 (6) each bundle is held against the rule: trust root, channel, signer, age (`trial`);
 (7) each demanded kind needs as many distinct signers as the threshold;
 (8) a rule in report mode lets pass what failed in 6 and 7, with a warning, until it expires.

Nothing passes on nothing: every way to `Accepted` goes through a good bundle, a digest or a dated exception that the
policy itself states (CVE-2025-25204 and CVE-2022-35929 were passes with nothing verified).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from condattest.model.artifact import Artifact, Sha256
from condattest.model.channel import Channel
from condattest.model.evidence import Evidence
from condattest.model.finding import Code, Finding, Severity
from condattest.model.verdict import Accepted, Rejected, Undecided, Verdict
from condattest.policy.match import distinct
from condattest.policy.rules import Kind, Policy, Rule
from condattest.policy.trial import Trial, start, try_bundle

# How far a bundle got, by what stopped it: the finding that explains best is that of the one that got furthest.
_STAGES: tuple[tuple[str, ...], ...] = (
    ("SIDECAR-",),
    ("BUNDLE-",),
    ("TIME-TOKENS", "CRYPTO"),
    ("TIME-", "IDENTITY-CERTIFICATE", "IDENTITY-PUBLIC-KEY"),
    ("MISSING-ATTESTATION", "MISSING-PUBLISH"),
    ("STMT-",),
    ("BIND-",),
    ("CHANNEL-",),
    ("IDENTITY-MISMATCH",),
    ("POLICY-TOO-YOUNG",),
    ("MISSING-THRESHOLD",),
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with how it came about: the rule that applied, the channel it was judged for, each bundle's trial."""

    verdict: Verdict
    rule: Rule | None = None
    channel: Channel | None = None
    trials: tuple[Trial, ...] = ()


def decide(
    policy: Policy,
    artifact: Artifact,
    channel: Channel | None,
    evidence: Sequence[Evidence],
    failures: Sequence[Finding],
    *,
    now: datetime,
    indexed_at: datetime | None = None,
    first_seen: datetime | None = None,
    root: Sha256 | None = None,
) -> Verdict:
    """Say whether the policy allows the artifact.

    Args:
        policy: What must hold.
        artifact: What is judged, by its own bytes.
        channel: Where it comes from, or one of that channel's mirrors; None if nobody says.
        evidence: What was authenticated.
        failures: The findings of bundles that did not parse or authenticate, and of facts that could not be had.
        now: The time of the judgement, aware; used for ages and for the end of exceptions alone.
        indexed_at: The index's own time for the artifact. Unsigned: it can only lengthen a cool-down.
        first_seen: When this machine saw the artifact first. Likewise.
        root: The digest of the trust root that counts where a rule names none; None if there was only one.
    """
    return judge(
        policy, artifact, channel, evidence, failures, now=now, indexed_at=indexed_at, first_seen=first_seen, root=root
    ).verdict


def judge(
    policy: Policy,
    artifact: Artifact,
    channel: Channel | None,
    evidence: Sequence[Evidence],
    failures: Sequence[Finding],
    *,
    now: datetime,
    indexed_at: datetime | None = None,
    first_seen: datetime | None = None,
    root: Sha256 | None = None,
) -> Judgement:
    """Decide as `decide` does, and say how; the arguments are the same."""
    # (1) Revoked first.
    if artifact.sha256 in policy.revoked.sha256:
        finding = Finding.of(Code.IDENTITY_REVOKED, policy.source, sha256=artifact.sha256)
        return Judgement(Rejected((finding,), tuple(evidence)), channel=channel)
    # (2) What each bundle says about the artifact; a bundle that is listed twice counts once.
    trials = tuple(start(each, artifact) for each in {each.bundle_sha256: each for each in evidence}.values())
    # (3) (4) The channel, and with it the rule.
    case = _Case(policy, artifact, tuple(failures), now, indexed_at, first_seen, root)
    if channel is not None:
        return case.judge(trials, policy.home(channel), signed=False)
    judgements = [
        case.judge(trials, each, signed=each is not None) for each in _signed_channels(policy, artifact, trials)
    ]
    # Several bundles may name several channels: the first that is accepted decides, or else the first.
    return next((each for each in judgements if isinstance(each.verdict, Accepted)), judgements[0])


def _signed_channels(policy: Policy, artifact: Artifact, trials: Sequence[Trial]) -> list[Channel | None]:
    """The channels that the bound statements name and the policy has a rule for; None alone if there is no such one."""
    targets = dict.fromkeys(trial.target for trial in trials if trial.target is not None)
    homes = dict.fromkeys(home for target in targets for home in policy.claimed_by(target))
    return [home for home in homes if policy.rule_for(artifact.file.name, home)] or [None]


@dataclass(frozen=True, slots=True)
class _Case:
    """One artifact with all that is known of it but the channel."""

    policy: Policy
    artifact: Artifact
    failures: tuple[Finding, ...]
    now: datetime
    indexed_at: datetime | None
    first_seen: datetime | None
    root: Sha256 | None

    def judge(self, trials: tuple[Trial, ...], channel: Channel | None, *, signed: bool) -> Judgement:
        """Judge for one canonical channel; `signed` says that only a statement named it."""
        rule = self.policy.rule_for(self.artifact.file.name, channel)
        if rule is None:
            return Judgement(self._no_rule(trials, channel), None, channel, trials)
        notes = [Finding.of(Code.CHANNEL_FROM_STATEMENT, self.artifact, channel=channel)] if signed else []
        if channel is not None and rule.channel is not None and self.policy.patch_for(channel) is None:
            notes.append(Finding.of(Code.POLICY_PATCHES_NOT_JUDGED, self.policy.source, channel=channel))
        # (5) The digest says it all: no statement could say more about these bytes.
        if self.artifact.sha256 in rule.baseline:
            notes.insert(0, Finding.of(Code.POLICY_BASELINE, rule.name, sha256=self.artifact.sha256))
            return Judgement(Accepted(rule.name, (), tuple(notes)), rule, channel, trials)
        # (6) Each bundle against the rule.
        root = self.policy.trust_roots.get(rule.trusted_root) if rule.trusted_root is not None else self.root
        if rule.trusted_root is not None and root is None:
            missing = Finding.of(Code.NET_TRUST_ROOT, rule.name, expected=rule.trusted_root, found="not read")
            return Judgement(Undecided((missing,), _seen(trials)), rule, channel, trials)
        since = max((at for at in (self.indexed_at, self.first_seen) if at is not None), default=None)
        tried = tuple(
            try_bundle(trial, rule, self.policy, channel, root=root, now=self.now, not_before=since) for trial in trials
        )
        # (7) Enough of each kind.
        verdict = self._count(rule, tried, tuple(notes))
        # (8) A dated exception. Whoever is judged must not choose it: a stranger's statement may name any channel.
        if rule.action == "report" and not signed and rule.expires is not None and self.now < rule.expires:
            verdict = _reported(verdict, rule, tuple(notes))
        return Judgement(verdict, rule, channel, tried)

    def _no_rule(self, trials: tuple[Trial, ...], channel: Channel | None) -> Verdict:
        if channel is None and all(trial.target is None for trial in trials):
            # Without a channel it is the statement that selects a rule, so what is wrong with it comes first.
            findings = self._findings(trials)
            if findings:
                return _refused(findings, trials)
            if not trials:
                return Rejected((Finding.of(Code.MISSING_ATTESTATION, self.artifact, channel="none was given"),))
            if not any(trial.kind == "publish" for trial in trials):
                return Rejected((_missing_kind("publish", self.artifact, trials),), _seen(trials))
        named = [str(trial.target) for trial in trials if trial.target is not None]
        finding = Finding.of(
            Code.POLICY_NONE,
            self.policy.source,
            package=self.artifact.file.name,
            channel=channel or ", ".join(dict.fromkeys(named)) or "none, neither given nor signed",
        )
        return Rejected((finding,), _seen(trials))

    def _count(self, rule: Rule, trials: tuple[Trial, ...], notes: tuple[Finding, ...]) -> Verdict:
        if not rule.signers:
            return self._nobody_required(trials)
        good = tuple(trial.evidence for trial in trials if trial.good)
        findings = self._findings(trials)
        if good and all(_signers(kind, trials) >= rule.threshold for kind in rule.attestations):
            return Accepted(rule.name, good, (*notes, *beside(trials, self.failures)))
        if not trials and not findings:
            return Rejected((Finding.of(Code.MISSING_ATTESTATION, self.artifact, rule=rule.name),))
        if trials:
            findings.extend(finding for kind in rule.attestations for finding in _shortage(kind, rule, trials))
        return _refused(findings, trials)

    def _findings(self, trials: tuple[Trial, ...]) -> list[Finding]:
        """Why bundles do not count: those that were not authenticated, and those that did not meet the rule."""
        return _findings(trials, self.failures)

    def _nobody_required(self, trials: tuple[Trial, ...]) -> Verdict:
        good = [trial for trial in trials if trial.good]
        if good:
            signers = (
                Finding.of(Code.IDENTITY_NOT_REQUIRED, each.where, found=signer.san, issuer=signer.issuer)
                for each in good
                for signer in (each.evidence.signer,)
            )
            return Undecided(tuple(signers), tuple(each.evidence for each in good))
        missing = Code.MISSING_PUBLISH if trials else Code.MISSING_ATTESTATION
        return _refused(self._findings(trials) or [Finding.of(missing, self.artifact)], trials)


def beside(trials: Sequence[Trial], failures: Sequence[Finding]) -> Iterator[Finding]:
    """What is to be said of bundles that do not count beside some that do: notes."""
    yield from map(not_counted, _findings(trials, failures))
    for trial in trials:
        if not trial.good and trial.finding is None:
            yield Finding.of(Code.SIDECAR_ELEMENT, trial.where, predicate=trial.predicate_type)


def not_counted(finding: Finding) -> Finding:
    """Why a bundle does not count, as a note."""
    return Finding(Code.SIDECAR_ELEMENT, finding.where, {"failed": finding.code.value, **finding.facts})


def _findings(trials: Sequence[Trial], failures: Sequence[Finding]) -> list[Finding]:
    return [*failures, *(trial.finding for trial in trials if trial.finding is not None)]


def _signers(kind: Kind, trials: Sequence[Trial]) -> int:
    """How many distinct signers good bundles of a kind have."""
    return len({distinct(trial.evidence.signer) for trial in trials if trial.good and trial.kind == kind})


def _shortage(kind: Kind, rule: Rule, trials: Sequence[Trial]) -> Iterator[Finding]:
    """Say that a demanded kind has too few signers, where the findings of its bundles do not say it already."""
    count = _signers(kind, trials)
    if 0 < count < rule.threshold:
        yield Finding.of(Code.MISSING_THRESHOLD, rule.name, expected=rule.threshold, found=count, kind=kind)
    elif count == 0 and not any(trial.kind == kind or trial.unreadable for trial in trials):
        yield _missing_kind(kind, rule.name, trials)


def _missing_kind(kind: Kind, where: object, trials: Sequence[Trial]) -> Finding:
    others = sorted({trial.predicate_type for trial in trials if trial.predicate_type})
    return Finding.of(Code.MISSING_PUBLISH, where, expected=kind, found=", ".join(others) or None)


def _refused(findings: Sequence[Finding], trials: Sequence[Trial]) -> Verdict:
    """Rejected; or undecided if a fact that could not be had might have led to another verdict."""
    ordered = tuple(sorted(dict.fromkeys(findings), key=_explains_best))
    if any(finding.code.severity is Severity.UNKNOWN for finding in ordered):
        return Undecided(ordered, _seen(trials))
    return Rejected(ordered, _seen(trials))


def _explains_best(finding: Finding) -> tuple[int, int]:
    unknown = finding.code.severity is Severity.UNKNOWN
    stage = next((at for at, prefixes in enumerate(_STAGES) if finding.code.startswith(prefixes)), len(_STAGES))
    return (0 if unknown else 1), -stage


def _reported(verdict: Verdict, rule: Rule, notes: tuple[Finding, ...]) -> Verdict:
    if isinstance(verdict, Accepted):
        return verdict
    expires = rule.expires.isoformat() if rule.expires else ""
    warnings = tuple(
        Finding(
            Code.POLICY_REPORT_ONLY,
            finding.where or rule.name,
            {"failed": finding.code.value, **finding.facts, "exception": rule.reason or "", "until": expires},
        )
        for finding in verdict.findings
    )
    return Accepted(rule.name, (), warnings + notes)


def _seen(trials: Sequence[Trial]) -> tuple[Evidence, ...]:
    return tuple(trial.evidence for trial in trials)
