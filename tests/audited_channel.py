"""A channel for audits: many packages by many identities, and every kind of fault, planted so many times.

No archive is made: an audit goes by index and sidecars. `make` says where it planted what.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from condattest.formats import sidecar
from tests.audited_faults import EVERY, STRANGER, USUAL
from tests.audited_package import CHANNEL, NOW, START, Draft, attacker, digest_of, sandbox, trust

__all__ = ["CHANNEL", "NOW", "START", "SUBDIRS", "Planted", "attacker", "digest_of", "listed", "make", "sandbox"]
__all__ += ["trust", "write_index"]

SUBDIRS = ("linux-64", "noarch", "osx-arm64", "win-64")
TEAMS = 40
VERSIONS = 5


@dataclass
class Planted:
    """What was made.

    Attributes:
        root: The folder.
        packages: How many packages the index lists.
        places: By fault, the packages (`subdir/file`) that it was planted in.
        names: By package name, the repository that signs it and the fault that it has, if any.
        records: By subdir and file name, what its index says in `packages.conda`.
        twice: By subdir and file name, what it says in `packages` as well.
    """

    root: Path
    packages: int = 0
    places: dict[str, list[str]] = field(default_factory=dict)
    names: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    records: dict[str, dict[str, dict]] = field(default_factory=dict)
    twice: dict[str, dict[str, dict]] = field(default_factory=dict)

    def expected(self, *, ruled: bool = False) -> dict[str, set[str]]:
        """By code, the packages that it is to be found for; `ruled` is for an audit under `audited_policy`'s policy."""
        found: dict[str, set[str]] = {}
        for fault, places in self.places.items():
            if fault != "orphan":
                for code in EVERY[fault].codes(ruled=ruled):
                    found.setdefault(code, set()).update(places)
        return found

    def stored(self) -> set[tuple[str, str]]:
        """What is wrong with the files of the store: codes, each with the package that it is about."""
        return {(code, place) for fault in self.places for code in EVERY[fault].stored for place in self.places[fault]}

    def put(self, draft: Draft, fault: str | None = None) -> None:
        """Put a package into the channel, with a fault or none."""
        if fault is not None:
            self.places.setdefault(fault, []).append(draft.place)
            EVERY[fault].make(draft)
        if draft.elements is None:
            draft.elements = [draft.sign()]
        head = None
        if draft.elements or draft.data is not None:
            data = sidecar.dump(draft.elements) if draft.data is None else draft.data
            head = hashlib.sha256(data).hexdigest()
            for suffix, content in ({".sigs": data, ".sigs.HEAD": data} | draft.stored).items():
                if content is not None:
                    path = self.root / draft.subdir / f"{draft.file}{suffix.replace('HEAD', head)}"
                    path.parent.mkdir(exist_ok=True)
                    path.write_bytes(content)
        if draft.is_listed:
            record = draft.record(head)
            self.packages += 1
            self.records.setdefault(draft.subdir, {})[draft.file] = record
            if draft.is_twice:
                self.twice.setdefault(draft.subdir, {})[draft.file] = record

    def index(self) -> None:
        """Write the index of each subdir."""
        for subdir in (*SUBDIRS, *sorted(self.records.keys() - set(SUBDIRS))):
            records = dict(sorted(self.records.get(subdir, {}).items()))
            write_index(self.root / subdir, records, self.twice.get(subdir, {}))


def make(
    root: Path,
    *,
    packages: int = 400,
    each: int = 2,
    faults: Iterable[str] | None = None,
    unattested: int = 0,
    **how,
) -> Planted:
    """Make a channel of about so many packages in four subdirs.

    Args:
        root: Where; it is made.
        packages: About how many; never fewer than the faults need.
        each: How often each fault is planted.
        faults: Which faults; by default the usual ones.
        unattested: How many names beyond those have no attestation at all.
        how: What `Sandbox.sign_statement` takes, such as `tsa`.
    """
    root.mkdir(parents=True, exist_ok=True)
    planted = Planted(root)
    wanted = list(USUAL if faults is None else faults)
    number = 0

    def name(name: str, team: str, fault: str | None, versions: int) -> None:
        nonlocal number
        planted.names[name] = (team, fault)
        for version in range(versions):
            draft = Draft(name, version, SUBDIRS[number % len(SUBDIRS)], team, how=how)
            is_faulty = fault is not None and (EVERY[fault].is_whole or version == versions - 1)
            planted.put(draft, fault if is_faulty else None)
        number += 1

    for at, fault in enumerate(wanted):
        for copy in range(each):
            # Whoever signs nothing else is another fault; and each fault has one team, whose odd ways are seen again.
            team = f"{fault}-{copy}/feedstock" if fault == "once" else f"team-{at % TEAMS}/feedstock"
            if EVERY[fault].signers:
                team = f"{fault}/feedstock"
            name(f"{fault}-{copy}", team, fault, EVERY[fault].versions)
    if "stranger" in wanted:
        name("mallory", STRANGER, None, 1)
    for copy in range(unattested):
        name(f"bare-{copy:05}", f"team-{number % TEAMS}/feedstock", "unattested", VERSIONS)
    while planted.packages < packages:
        versions = min(VERSIONS, packages - planted.packages)
        name(f"pkg-{number:05}", f"team-{number % TEAMS}/feedstock", None, versions)
    planted.index()
    return planted


def write_index(
    folder: Path, records: dict[str, dict], twice: dict[str, dict] | None = None, removed: Iterable[str] = ()
) -> None:
    """Write a subdir's repodata.json."""
    sections = {"packages": twice or {}, "packages.conda": records}
    document = {"info": {"subdir": folder.name}, **sections, "removed": list(removed)}
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**document, "repodata_version": 1}, separators=(",", ":"))
    (folder / "repodata.json").write_text(text)


def listed(root: Path, subdir: str) -> list[tuple[str, str]]:
    """The files of a subdir, each with its digest."""
    records = json.loads((root / subdir / "repodata.json").read_bytes())["packages.conda"]
    return [(file, record["sha256"]) for file, record in records.items()]
