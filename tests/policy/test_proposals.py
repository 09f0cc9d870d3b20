"""A proposal knows which of its changes a person has to look at."""

from condattest.policy.proposals import AttestationLost, Proposal, SignerChanged, Unchanged
from tests.policy.made_evidence import CHANNEL, ZLIB


def test_regressions_are_the_changes_of_signers_and_lost_attestations():
    changed = SignerChanged(CHANNEL, "zlib", "rule 1", "x", (), applied=False)
    lost = AttestationLost(CHANNEL, "zlib", "rule 1", ZLIB)
    proposal = Proposal("", (Unchanged(CHANNEL, "zlib", "rule 1"), changed, lost), "")
    assert proposal.regressions == (changed, lost)
