"""Remember what this machine has seen of channels, and notice when one goes back.

Owns `Memory` (what the other floors may ask), its values, and `NoMemory`; `file_memory` has the one that remembers. A
signature proves that something was once said, not that it is still the newest: a mirror can serve last month's index
with last month's sidecar, or leave the attestation out. Only memory tells. What is recorded is what was accepted: a
bundle that anybody could have put into a sidecar would make a false alarm when it is gone again.

A state that cannot be written costs memory, not the verification: `save` returns that as a value. A state that cannot
be read is an error and never a fresh start, or damaging it would switch this off.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from condattest.model.artifact import PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a channel serves for one file.

    Attributes:
        subdir: Where in the channel; one file name can stand in several.
        file: The file name.
        artifact: The digest of the file's bytes.
        sidecar: The digest of the sidecar, if there is one.
        elements: The digest of each bundle in it (`Evidence.bundle_sha256`); empty when it is served unattested.
    """

    subdir: str
    file: PackageFile
    artifact: Sha256
    sidecar: Sha256 | None = None
    elements: frozenset[Sha256] = frozenset()


@dataclass(frozen=True, slots=True)
class Attested:
    """Since when a package name is attested, by whose SAN, and in which file it was first seen so."""

    since: datetime
    signer: str
    file: str


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation of a chain of patches: its number and the digest of its signed payload."""

    number: int
    payload: Sha256


@dataclass(frozen=True, slots=True)
class NotRemembered:
    """What was seen of a channel could not be written down; the next run will not know it."""

    channel: Channel
    reason: str


class Memory(Protocol):
    """What this machine has seen. Implementations may be shared by threads."""

    def judge(self, channel: Channel, served: Served) -> tuple[Finding, ...]:
        """Return ROLLBACK or ROLLBACK-UNATTESTED where `served` is behind what was seen before; usually nothing.

        The fact `scope` says whether the `file` itself was attested, or only another one of its `name`: a build from
        before the project signed can be unattested by right.

        Raises:
            LocalFailure: The state is damaged or cannot be read; the hint says how to start afresh.
        """
        ...

    def remember(
        self, channel: Channel, served: Served, accepted: Iterable[Sha256], signer: str, *, now: datetime
    ) -> None:
        """Record an accepted file: which of its bundles counted, and the SAN of their signer; raises as `judge`."""
        ...

    def attested(self, channel: Channel, name: str) -> Attested | None:
        """Return since when a package name is attested here, if it is; raises as `judge`."""
        ...

    def first_seen(self, channel: Channel, artifact: Sha256, *, now: datetime) -> datetime | None:
        """Return when an artifact was first seen: `now` if this is the first time, None without memory."""
        ...

    def newest(self, channel: Channel, chain: str) -> Generation | None:
        """Return the newest generation seen of a chain, such as `linux-64 author`; raises as `judge`."""
        ...

    def judge_generation(self, channel: Channel, chain: str, served: Generation) -> tuple[Finding, ...]:
        """Return ROLLBACK where a smaller number is served than was seen, or the same with another payload."""
        ...

    def remember_generation(self, channel: Channel, chain: str, served: Generation, *, now: datetime) -> None:
        """Record a generation that was authenticated and allowed, and descends from the newest; raises as `judge`."""
        ...

    def save(self) -> tuple[NotRemembered, ...]:
        """Write down what was recorded since; what could not be written is returned, not raised."""
        ...


class NoMemory:
    """Knows nothing, notices nothing, writes nothing: for a machine that is new each time."""

    def judge(self, channel: Channel, served: Served) -> tuple[Finding, ...]:
        """Return nothing."""
        return ()

    def remember(
        self, channel: Channel, served: Served, accepted: Iterable[Sha256], signer: str, *, now: datetime
    ) -> None:
        """Do nothing."""

    def attested(self, channel: Channel, name: str) -> Attested | None:
        """Return None."""
        return None

    def first_seen(self, channel: Channel, artifact: Sha256, *, now: datetime) -> datetime | None:
        """Return None."""
        return None

    def newest(self, channel: Channel, chain: str) -> Generation | None:
        """Return None."""
        return None

    def judge_generation(self, channel: Channel, chain: str, served: Generation) -> tuple[Finding, ...]:
        """Return nothing."""
        return ()

    def remember_generation(self, channel: Channel, chain: str, served: Generation, *, now: datetime) -> None:
        """Do nothing."""

    def save(self) -> tuple[NotRemembered, ...]:
        """Return nothing."""
        return ()
