"""A channel for audits: many packages by many identities, and every kind of fault, planted so many times.

No archive is made: an audit goes by index and sidecars. `make` says where it planted what.
"""

import functools
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from condattest.formats import publish, sidecar, statement
from condattest.formats.statement import Statement, Subject
from condattest.model.artifact import Artifact
from condattest.model.channel import Channel
from condattest.sandbox import Sandbox, github
from condattest.signatures.trust_root import TrustRoot

CHANNEL = Channel("https://conda.example/audited")
SUBDIRS = ("linux-64", "noarch", "osx-arm64", "win-64")
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
VERSIONS = 5
TEAMS = 40

# By fault, the codes that an audit without a policy finds for the package that it is planted in.
FAULTS: dict[str, tuple[str, ...]] = {
    "unattested": ("AUDIT-UNATTESTED",),
    "downgrade": ("AUDIT-UNATTESTED", "AUDIT-DOWNGRADE"),
    "stranger": ("AUDIT-SIGNER-CHANGED",),
    "taken-over": ("AUDIT-SIGNER-CHANGED",),
    "other-bytes": ("BIND-DIGEST",),
    "other-name": ("BIND-NAME",),
    "other-channel": ("CHANNEL-MISMATCH",),
    "untrusted": ("CRYPTO",),
    "provenance-only": ("MISSING-PUBLISH",),
    "changed-sidecar": ("SIDECAR-DIGEST",),
    "no-sidecar": ("NET-NOT-FOUND",),
    "broken-sidecar": ("SIDECAR-SHAPE",),
    "broken-field": ("SIDECAR-FIELD",),
    "no-digest": ("BIND-NO-DIGEST",),
    "pretence": ("BIND-METADATA",),
    "late": ("AUDIT-LATE",),
    "future": ("AUDIT-INDEXED-TIME",),
    "once": ("AUDIT-SEEN-ONCE",),
}
# What a look at the files of the store finds beside that.
STORED: dict[str, tuple[str, ...]] = {
    "no-sidecar": ("INDEX-FIELD-ALONE",),
    "other-bytes": ("SIDECAR-OTHER", "INDEX-FIELD-ALONE"),
    "orphan": ("INDEX-ORPHAN",),
    "no-mutable": ("SIDECAR-MUTABLE",),
}
_ONLY_FILES = ("orphan", "no-mutable")


@dataclass
class Planted:
    """What was made.

    Attributes:
        root: The folder.
        packages: How many packages the index lists.
        places: By fault, the packages (`subdir/file`) that it was planted in.
    """

    root: Path
    packages: int = 0
    places: dict[str, list[str]] = field(default_factory=dict)

    def expected(self) -> dict[str, set[str]]:
        """By code, the packages that it is to be found for."""
        found: dict[str, set[str]] = {}
        for fault, places in self.places.items():
            for code in FAULTS.get(fault, ()):
                found.setdefault(code, set()).update(places)
        return found


@functools.cache
def sandbox() -> Sandbox:
    return Sandbox(now=lambda: START)


@functools.cache
def attacker() -> Sandbox:
    return Sandbox(now=lambda: START)


@functools.cache
def trust() -> TrustRoot:
    return TrustRoot.from_json(sandbox().trusted_root_json().encode(), name="sandbox")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _payload(file: str, digest: str, channel: Channel = CHANNEL) -> bytes:
    return statement.dump(publish.statement(Artifact.parse(f"{file}@sha256:{digest}"), channel))


def _provenance(file: str, digest: str) -> bytes:
    said = {
        "buildDefinition": {"buildType": "https://x.example"},
        "runDetails": {"builder": {"id": "https://x.example"}},
    }
    return statement.dump(Statement((Subject(file, {"sha256": digest}),), "https://slsa.dev/provenance/v1", said))


@dataclass
class _Maker:
    planted: Planted
    how: dict
    records: dict[str, dict[str, dict]] = field(default_factory=dict)

    def package(self, name: str, number: int, subdir: str, team: str, fault: str | None = None, **identity) -> None:
        """Put a version of a package into the channel, with a fault or none."""
        version = f"1.{number}"
        file = f"{name}-{version}-0.conda"
        place = f"{subdir}/{file}"
        digest = _digest(place)
        signed = START + timedelta(days=number, minutes=int(digest[:4], 16) % 600)
        record = {
            "build": "0",
            "build_number": 0,
            "depends": [f"python >=3.{number % 5 + 9}", "numpy >=1.26,<3"],
            "indexed_timestamp": int((signed + timedelta(hours=1)).timestamp() * 1000),
            "license": "BSD-3-Clause",
            "md5": digest[:32],
            "name": name,
            "sha256": digest,
            "size": 1000 + number,
            "subdir": subdir,
            "timestamp": int(signed.timestamp() * 1000),
            "version": version,
        }
        self.records.setdefault(subdir, {})[file] = record
        self.planted.packages += 1
        if fault is not None:
            self.planted.places.setdefault(fault, []).append(place)
        if fault in ("unattested", "downgrade"):
            return
        by = attacker() if fault == "untrusted" else sandbox()
        payload = {
            "other-bytes": lambda: _payload(file, _digest("other")),
            "other-name": lambda: _payload(f"{name}-9.9-0.conda", digest),
            "other-channel": lambda: _payload(file, digest, Channel("https://conda.example/other")),
            "provenance-only": lambda: _provenance(file, digest),
        }.get(fault or "", lambda: _payload(file, digest))()
        bundle = by.sign_statement(payload, github(team, **identity), at=signed, **self.how)
        data = b"{}" if fault == "broken-sidecar" else sidecar.dump([bundle])
        head = hashlib.sha256(data).hexdigest()
        record["attestations_sha256"] = head
        folder = self.planted.root / subdir
        folder.mkdir(exist_ok=True)
        if fault != "no-sidecar":
            (folder / f"{file}.sigs.{head}").write_bytes(data + b" " if fault == "changed-sidecar" else data)
            if fault != "no-mutable":
                (folder / f"{file}.sigs").write_bytes(data)
        match fault:
            case "broken-field":
                record["attestations_sha256"] = head.upper()
            case "no-digest":
                del record["sha256"]
            case "pretence":
                record["name"] = "numpy"
            case "late":
                record["indexed_timestamp"] = int((signed - timedelta(days=30)).timestamp() * 1000)
            case "future":
                record["indexed_timestamp"] = int((NOW + timedelta(days=900)).timestamp() * 1000)
            case "orphan":
                del self.records[subdir][file]
                self.planted.packages -= 1


def make(root: Path, *, packages: int = 400, each: int = 2, faults: Iterable[str] | None = None, **how) -> Planted:
    """Make a channel of about so many packages in four subdirs.

    Args:
        root: Where; it is made.
        packages: About how many; never fewer than the faults need.
        each: How often each fault is planted.
        faults: Which faults; by default all.
        how: What `Sandbox.sign_statement` takes, such as `tsa`.
    """
    root.mkdir(parents=True, exist_ok=True)
    planted = Planted(root)
    maker = _Maker(planted, how)
    wanted = [*FAULTS, *_ONLY_FILES] if faults is None else list(faults)
    number = 0
    for fault in wanted:
        for at in range(each):
            name, subdir, team = f"{fault}-{at}", SUBDIRS[number % 4], f"team-{number % TEAMS}/feedstock"
            for version in range(VERSIONS if fault != "once" else 1):
                last = version == VERSIONS - 1
                if fault == "unattested":
                    maker.package(name, version, subdir, team, "unattested")
                elif fault == "once":
                    maker.package(name, version, subdir, f"once-{at}/feedstock", "once")
                elif last and fault == "stranger":
                    maker.package(name, version, subdir, "mallory/feedstock", fault)
                elif last and fault == "taken-over":
                    # The same names by somebody else: only the numbers tell.
                    maker.package(name, version, subdir, team, fault, repository_id="666", owner_id="666")
                else:
                    maker.package(name, version, subdir, team, fault if last else None)
            number += 1
    if "stranger" in wanted:
        maker.package("mallory", 0, SUBDIRS[0], "mallory/feedstock")  # Who signs nothing else is another fault.
    while planted.packages < packages:
        name, subdir, team = f"pkg-{number:05}", SUBDIRS[number % 4], f"team-{number % TEAMS}/feedstock"
        for version in range(min(VERSIONS, packages - planted.packages)):
            maker.package(name, version, subdir, team)
        number += 1
    for subdir in SUBDIRS:
        (root / subdir).mkdir(exist_ok=True)
        records = dict(sorted(maker.records.get(subdir, {}).items()))
        write_index(root / subdir, records)
    return planted


def write_index(folder: Path, records: dict[str, dict]) -> None:
    """Write a subdir's repodata.json."""
    document = {"info": {"subdir": folder.name}, "packages": {}, "packages.conda": records, "removed": []}
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**document, "repodata_version": 1}, separators=(",", ":"))
    (folder / "repodata.json").write_text(text)


def listed(root: Path, subdir: str) -> list[tuple[str, str]]:
    """The files of a subdir, each with its digest."""
    records = json.loads((root / subdir / "repodata.json").read_bytes())["packages.conda"]
    return [(file, record["sha256"]) for file, record in records.items()]
