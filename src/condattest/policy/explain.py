"""Why a policy judges an artifact as it does: which rule, each bundle, each signer that was tried, each field.

Owns `explain` and its answer, as data; sentences are made in `reports`. It judges nothing of its own: the answer is
what `decide` did, with the steps kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from condattest.model.artifact import Artifact
from condattest.model.channel import Channel
from condattest.model.evidence import Evidence
from condattest.model.finding import Finding
from condattest.model.verdict import Verdict
from condattest.policy.decide import Judgement
from condattest.policy.match import Mismatch
from condattest.policy.rules import Policy, Rule


@dataclass(frozen=True, slots=True)
class TriedSigner:
    """One signer of the rule, and the fields of it that do not hold; none means that it matches."""

    name: str
    mismatches: tuple[Mismatch, ...]


@dataclass(frozen=True, slots=True)
class TriedBundle:
    """One bundle: its signer, its predicate type, whether it counts, why not, and the signers it was held against.

    No signer was tried where the bundle stopped before: `finding` says at what.
    """

    bundle: str
    evidence: Evidence
    predicate_type: str | None
    counts: bool
    finding: Finding | None
    signers: tuple[TriedSigner, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict, the rule and the channel that led to it, other rules of the channel, and every bundle."""

    verdict: Verdict
    rule: Rule | None
    channel: Channel | None
    passed_over: tuple[str, ...]
    bundles: tuple[TriedBundle, ...]
    failures: tuple[Finding, ...]


def explain(judgement: Judgement, policy: Policy, artifact: Artifact, failures: Sequence[Finding]) -> Explanation:
    """Tell the steps of a judgement.

    `passed_over` names the rules that would have been about the package too, and gave way to a more exact one.
    """
    rule = judgement.rule
    passed_over = tuple(
        other.name
        for other in policy.rules
        if rule is not None
        and other is not rule
        and other.channel in (judgement.channel, None)
        and other.package in ("*", artifact.file.name)
    )
    bundles = tuple(
        TriedBundle(
            trial.where,
            trial.evidence,
            trial.predicate_type,
            trial.good,
            trial.finding,
            tuple(TriedSigner(allowed.name, wrong) for allowed, wrong in trial.tried),
        )
        for trial in judgement.trials
    )
    return Explanation(judgement.verdict, rule, judgement.channel, passed_over, bundles, tuple(failures))
