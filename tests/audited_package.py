"""One package of a channel for audits: its record, who signs it, and which files lie beside it.

Owns `Draft`. A fault (`audited_faults`) changes a draft; `audited_channel` writes it down.
"""

import functools
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from condattest.formats import publish, statement
from condattest.formats.statement import Statement, Subject
from condattest.model.artifact import Artifact
from condattest.model.channel import Channel
from condattest.sandbox import Sandbox, github
from condattest.signatures.trust_root import TrustRoot

CHANNEL = Channel("https://conda.example/audited")
OTHER = Channel("https://conda.example/other")
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
GONE = object()
"""As the value of a record's key: the record lacks it."""


@functools.cache
def sandbox() -> Sandbox:
    return Sandbox(now=lambda: START)


@functools.cache
def attacker() -> Sandbox:
    return Sandbox(now=lambda: START)


@functools.cache
def trust() -> TrustRoot:
    return TrustRoot.from_json(sandbox().trusted_root_json().encode(), name="sandbox")


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def provenance(file: str, digest: str) -> bytes:
    said = {
        "buildDefinition": {"buildType": "https://x.example"},
        "runDetails": {"builder": {"id": "https://x.example"}},
    }
    return statement.dump(Statement((Subject(file, {"sha256": digest}),), "https://slsa.dev/provenance/v1", said))


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


@dataclass
class Draft:
    """A package that is about to be put into the channel.

    Attributes:
        name: Its name.
        number: Which version of it, counted from 0.
        subdir: Its subdir.
        team: The repository that signs it, and `identity` what else its token says.
        how: What `Sandbox.sign_statement` takes, such as `tsa`.
        elements: The bundles of its sidecar; None until it is signed, and where nobody does.
        data: The sidecar, where it is no array of those.
        stored: By suffix (`.sigs`, `.sigs.<sha256>`), files beside those that belong there; None for one to leave out,
            where HEAD stands for the digest.
        changes: What is changed of the record at the end, when it names its sidecar.
        is_listed: Whether an index lists it.
        is_twice: Whether both sections of the index do.
    """

    name: str
    number: int
    subdir: str
    team: str
    identity: dict[str, str] = field(default_factory=dict)
    how: dict[str, Any] = field(default_factory=dict)
    elements: list[bytes] | None = None
    data: bytes | None = None
    stored: dict[str, bytes | None] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    is_listed: bool = True
    is_twice: bool = False

    @property
    def version(self) -> str:
        return f"1.{self.number}"

    @property
    def file(self) -> str:
        return f"{self.name}-{self.version}-0.conda"

    @property
    def place(self) -> str:
        return f"{self.subdir}/{self.file}"

    @property
    def digest(self) -> str:
        return digest_of(self.place)

    @property
    def signed(self) -> datetime:
        return START + timedelta(days=self.number, minutes=int(self.digest[:4], 16) % 600)

    def payload(
        self, *, file: str | None = None, digest: str | None = None, channel: Channel | None = CHANNEL
    ) -> bytes:
        """The statement that publishes it, or one that is about something else."""
        artifact = Artifact.parse(f"{file or self.file}@sha256:{digest or self.digest}")
        return statement.dump(publish.statement(artifact, channel))

    def sign(self, payload: bytes | None = None, by: Sandbox | None = None, **how: Any) -> bytes:
        """A bundle, by its team."""
        return (by or sandbox()).sign_statement(
            self.payload() if payload is None else payload,
            github(self.team, **self.identity),
            **({"at": self.signed} | self.how | how),
        )

    def record(self, head: str | None) -> dict[str, Any]:
        """What the index says of it."""
        record = {
            "build": "0",
            "build_number": 0,
            "depends": [f"python >=3.{self.number % 5 + 9}", "numpy >=1.26,<3"],
            "indexed_timestamp": milliseconds(self.signed + timedelta(hours=1)),
            "license": "BSD-3-Clause",
            "md5": self.digest[:32],
            "name": self.name,
            "sha256": self.digest,
            "size": 1000 + self.number,
            "subdir": self.subdir,
            "timestamp": milliseconds(self.signed),
            "version": self.version,
        }
        if head is not None:
            record["attestations_sha256"] = head
        return {key: value for key, value in (record | self.changes).items() if value is not GONE}
