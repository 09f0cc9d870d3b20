"""Hold what was authenticated, and nothing else.

Only `signatures.authenticate` makes an `Evidence` outside tests and caches. What a bundle merely says (an integrated
time that nothing signed, the index of a log entry that no proof covers) has no field here.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from condattest.model.artifact import Sha256
from condattest.model.finding import Finding
from condattest.model.signer import Signer

TimeSource = Literal["tsa", "log"]


@dataclass(frozen=True, slots=True, order=True)
class VerifiedTime:
    """A time that was itself verified: an RFC 3161 token (`tsa`) or a signed entry timestamp (`log`).

    `at` is aware, in UTC. `authority` names the time-stamp authority or the log as the trust root does.
    """

    at: datetime
    source: TimeSource
    authority: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one bundle proves under one trust root.

    Attributes:
        payload_type: The DSSE payload type, signed.
        payload: The signed bytes.
        signer: The certificate's identity and claims.
        times: Every verified time, earliest first; never empty.
        log: The transparency log that included the entry, as the trust root names it.
        log_index: The entry's index, only where the log signed it (a Rekor v1 entry with its signed entry timestamp).
        bundle_sha256: The digest of the bundle's bytes.
        trust_root_sha256: The digest of the trust root that was used.
        notes: What was left out, each with the reason.
    """

    payload_type: str
    payload: bytes
    signer: Signer
    times: tuple[VerifiedTime, ...]
    log: str
    log_index: int | None
    bundle_sha256: Sha256
    trust_root_sha256: Sha256
    notes: tuple[Finding, ...] = ()

    @property
    def earliest(self) -> VerifiedTime:
        """The earliest verified time: the signature existed then at the latest."""
        return self.times[0]
