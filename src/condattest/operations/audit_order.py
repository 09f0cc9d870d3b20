"""What is audited, and how.

Owns `Order`.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from condattest.model.audit import Mode
from condattest.operations.audit_records import Selection
from condattest.operations.audit_verdicts import LATE, Terms
from condattest.operations.patch_verdict import Demand, demanded
from condattest.transport.evidence_store import EvidenceStore
from condattest.transport.memory import Memory
from condattest.transport.on_demand import Source
from condattest.transport.origin import Origin
from condattest.transport.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is audited, and how.

    Attributes:
        origin: Where the channel is read from.
        terms: What its packages are held against.
        fetcher: For generations of patches that are elsewhere.
        store: The same as `origin`, where it is a store; None for a web server.
        subdirs: Only these; all if there are none.
        selection: Which packages are looked at.
        index_only: Whether no sidecar is fetched.
        evidence: What was proved before; None where nothing is kept.
        patches: Whether patches of records are judged.
        memory: What this machine has seen of generations of patches.
        late_after: How long after it was indexed a package may be attested.
        jobs: How many processes verify.
        resume: A file that keeps what was decided, for a run that is stopped or killed.
    """

    origin: Origin
    terms: Terms
    fetcher: Source
    store: Store | None = None
    subdirs: tuple[str, ...] = ()
    selection: Selection = field(default_factory=Selection)
    index_only: bool = False
    evidence: EvidenceStore | None = None
    patches: Demand = "policy"
    memory: Memory | None = None
    late_after: timedelta = LATE
    jobs: int = 1
    resume: Path | None = None

    @property
    def mode(self) -> Mode:
        """How much is looked at."""
        if self.index_only:
            return "index-only"
        if self.selection.sample is not None:
            return "sample"
        return "full" if self.selection.since is None else "since"

    @property
    def judges_patches(self) -> str:
        """Why patches are not judged; empty where they are."""
        if self.index_only:
            return "index-only: no record was judged"
        if self.terms.policy is None:
            return "no policy: nobody says who may patch the channel"
        if self.patches != "require" and not demanded(self.terms.policy, self.terms.channel, self.patches):
            return "the policy has no [[patch]] for this channel" if self.patches != "off" else "patches are left out"
        return ""

    def key(self) -> bytes:
        """What makes it this audit and no other, for a file to resume from."""
        policy = self.terms.policy
        parts = {
            "audit": 1,
            "target": [self.origin.name, self.terms.channel.url],
            "subdirs": self.subdirs,
            "selection": repr(self.selection),
            "mode": self.mode,
            "patches": self.patches,
            "policy": None if policy is None else [str(policy.sha256), repr(policy.rules)],
            "trust": [root.sha256 for root in self.terms.every_root],
        }
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
        return f"condattest audit {digest}".encode()
