"""Let what is wrong with a record's patches change a verdict.

Owns `Demand`, `demanded` and `with_patches`. A policy's `[[patch]]` decides whether patches are judged for a channel; a
caller can demand it (`require`: without a rule the package is rejected), have it only told (`report`), or leave it out
(`off`). Of what comes without an index record only removal and archive are judged.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from condattest.errors import Malformed
from condattest.model.artifact import Artifact
from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding, Severity
from condattest.model.verdict import Accepted, Rejected, Undecided, Verdict
from condattest.policy.rules import Policy
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.memory import Memory
from condattest.transport.on_demand import Source

if TYPE_CHECKING:
    from condattest.operations.patch_chain import Chain

Demand = Literal["policy", "require", "report", "off"]


def demanded(policy: Policy, channel: Channel | None, demand: Demand) -> bool:
    """Whether patches of a channel are judged, so that an index record is needed."""
    if demand == "off" or channel is None:
        return False
    home = policy.home(channel)
    return any(rule.channel == home for rule in policy.patches)


def with_patches(
    verdict: Verdict,
    demand: Demand,
    channel: Channel | None,
    artifact: Artifact,
    record: Mapping[str, Any] | None,
    index: Mapping[str, Any] | None,
    held: Mapping[str, Any] | None = None,
    *,
    locked: bool = False,
    policy: Policy,
    trust: TrustRoot,
    roots: Mapping[str, TrustRoot],
    fetcher: Source,
    memory: Memory,
    now: datetime,
    keep: "Callable[[Chain], Chain]" = lambda chain: chain,
) -> Verdict:
    """Judge the patches of a record, where that is demanded and the archive is accepted.

    Args:
        verdict: The verdict on the archive.
        demand: Whether patches are judged.
        channel: Where the package comes from; None if nobody says.
        artifact: The archive, with its subdir; where it has none, `index` says it.
        record: The index record, whole; None where there is none at hand.
        index: The archive's `info/index.json`; None where the archive is not at hand.
        held: The record as a client holds it, which has to be the index's; None where there is none.
        locked: Whether `held` may be an earlier state of the record, since it was taken some time ago.
        policy: For the `[[patch]]` rules.
        trust: The trust root, where no rule names another.
        roots: The trust roots that rules name.
        fetcher: For the generations.
        memory: What this machine has seen of them.
        now: The time of the judgement.
        keep: Gives the generations to use instead of fresh ones, where many records are judged by the same.
    """
    if demand == "off" or not isinstance(verdict, Accepted) or channel is None:
        return verdict
    home = policy.home(channel)
    rule = policy.patch_for(home) or policy.patch_for(home, "observer")
    if rule is None:
        if demand != "require":
            return verdict
        finding = Finding.of(Code.POLICY_NO_PATCH_RULE, policy.source, channel=home)
        return Rejected((finding,), verdict.evidence)
    subdir = artifact.subdir or _said(index)
    if subdir is None:
        return verdict.with_notes(Finding.of(Code.PATCH_NOT_JUDGED, artifact.file))
    # Imported here: most verifications judge no patches, and this costs start-up time.
    from condattest.operations.patch_chain import Chain
    from condattest.operations.patch_held import told_of
    from condattest.operations.patch_judgement import Asked, judge
    from condattest.policy.patch_signers import authority
    from condattest.transport.origin import HttpOrigin

    allowed = authority(policy, home, rule.role, root=trust.sha256)
    if isinstance(allowed, Finding):
        return _judged(verdict, (allowed,), demand)
    origin = HttpOrigin((rule.provenance or channel).url, fetcher)
    own = [roots[rule.trusted_root]] if rule.trusted_root is not None and rule.trusted_root in roots else [trust]
    chain = keep(Chain(origin, home, subdir, rule.role, allowed, own))
    asked = Asked(artifact=artifact, record=record, index=index)
    outcome = judge(asked, chain, rule, policy.revoked.patch, memory, now=now)
    verdict = verdict.with_notes(*outcome.notes)
    if held is None or outcome.findings or outcome.generation is None:
        return _judged(verdict, outcome.findings, demand)
    try:
        told = told_of(held, asked, chain, outcome.generation, policy.revoked.patch, locked=locked)
    except Malformed as error:
        told = error.finding
    if told is None or told.code.severity is Severity.NOTE:
        return verdict.with_notes(*([] if told is None else [told]))
    return _judged(verdict, (told,), demand)


def _said(index: Mapping[str, Any] | None) -> str | None:
    """The subdir that an archive names itself, if that can name one."""
    from condattest.operations.stored_package import is_subdir

    said = None if index is None else index.get("subdir")
    return said if isinstance(said, str) and is_subdir(said) else None


def _judged(verdict: Accepted, findings: tuple[Finding, ...], demand: Demand) -> Verdict:
    if not findings:
        return verdict
    if demand == "report":
        told = (
            Finding(Code.PATCH_REPORTED, each.where, {"failed": each.code.value, **each.facts}) for each in findings
        )
        return verdict.with_notes(*told)
    if any(each.code.severity is Severity.UNKNOWN for each in findings):
        return Undecided(findings, verdict.evidence)
    return Rejected(findings, verdict.evidence)
