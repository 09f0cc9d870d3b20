"""Hold what a channel serves against what this machine has seen of it.

Owns `held_against`. A package that is accepted, and was served in a newer state before, is rejected; what is accepted
is written down for the next time.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from condattest.model.artifact import Artifact
from condattest.model.channel import Channel
from condattest.model.verdict import Accepted, Rejected, Undecided, Verdict
from condattest.operations import attestations
from condattest.operations.attestations import Collected
from condattest.transport.memory import Memory, Served

if TYPE_CHECKING:
    from condattest.formats.repodata import Record


def held_against(
    memory: Memory,
    verdict: Verdict,
    home: Channel,
    artifact: Artifact,
    record: "Record",
    collected: Collected,
    *,
    now: datetime,
) -> Verdict:
    """Compare what the channel serves with what this machine has seen of it, and record what was accepted.

    Args:
        memory: What this machine has seen.
        verdict: The verdict so far.
        home: The channel's canonical URL.
        artifact: The package, with its subdir.
        record: The channel's record of it.
        collected: What the record advertises.
        now: The time of the judgement.

    Raises:
        LocalFailure: The memory cannot be read.
    """
    served = Served(
        subdir=artifact.subdir or "",
        file=artifact.file,
        artifact=artifact.sha256,
        sidecar=record.attestations_sha256,
        elements=frozenset(map(attestations.digest_of, collected.bundles)),
    )
    match verdict:
        case Accepted(evidence=()):
            return verdict  # A baseline or a dated exception: it was never attested, so it cannot have lost that.
        case Accepted(evidence=evidence):
            findings = memory.judge(home, served)
            if findings:
                return Rejected(findings, evidence)
            accepted = [each.bundle_sha256 for each in evidence]
            memory.remember(home, served, accepted, evidence[0].signer.san, now=now)
            return verdict
        case Rejected(findings=findings, seen=seen):
            return Rejected((*findings, *memory.judge(home, served)), seen)
        case Undecided():
            return verdict
