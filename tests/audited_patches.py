"""Patches of a channel for audits: three generations of each subdir, and what is served in spite of them.

Owns `patch`. Beside the channel's own subdirs, `WHOLE` are small ones with what hits all of a subdir's packages at
once.
"""

import copy
import json
from datetime import datetime, timedelta
from pathlib import Path

from condattest.operations import patch_attest, patch_inputs
from condattest.operations.patch_chain import Chain
from condattest.patches import engines
from condattest.policy.patch_signers import Authority
from condattest.sandbox import github
from condattest.transport.directory import Directory
from condattest.transport.origin import StoreOrigin
from tests.audited_channel import SUBDIRS, Planted, write_index
from tests.audited_faults import EVERY, STRANGER
from tests.audited_package import CHANNEL, START, Draft, digest_of, sandbox, trust
from tests.audited_policy import PATCHER

PER_SUBDIR = 5
WITHOUT = "linux-ppc64le"
"""The subdir that has no generation."""
# By subdir: the code that each of its packages gets under the policy, and those of the subdir itself without and with.
WHOLE: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "linux-aarch64": ("FRESH-STALE", (), ()),
    "linux-armv7l": ("SIDECAR-SHAPE", ("SIDECAR-SHAPE",), ("SIDECAR-SHAPE",)),
    WITHOUT: ("PATCH-NONE", (), ()),
    "linux-s390x": ("IDENTITY-MISMATCH", (), ("IDENTITY-MISMATCH",)),
}


def patch(planted: Planted, *, now: datetime) -> None:
    """Sign the generations of a channel that was made, and serve what its faults say.

    Args:
        planted: The channel; small subdirs are added.
        now: The time of the audit: the newest generations are an hour old.
    """
    for number, subdir in enumerate(WHOLE):
        for version in range(PER_SUBDIR):
            name = f"whole-{subdir}"
            planted.names[name] = (f"team-{number}/feedstock", None)
            planted.put(Draft(name, version, subdir, f"team-{number}/feedstock"))
    planted.index()
    kinds = {
        place: EVERY[fault].patch for fault, places in planted.places.items() for place in places if EVERY[fault].patch
    }
    for subdir in SUBDIRS:
        here = {place.partition("/")[2]: kind for place, kind in kinds.items() if place.startswith(f"{subdir}/")}
        _three(planted, subdir, here, now)
    for subdir in WHOLE:
        _of_whole(planted, subdir, now)


def unexplained(planted: Planted) -> dict[str, int]:
    """By subdir, how many records the audit is to find that no generation explains."""
    counts = {subdir: 0 for subdir in (*SUBDIRS, *WHOLE)}
    for fault, places in planted.places.items():
        # A record that is ambiguous is none that anything explains.
        is_other = EVERY[fault].patch in ("other", "unlisted", "old", "lag", "replaced") or fault == "twice"
        for place in places if is_other else ():
            counts[place.partition("/")[0]] += 1
    return counts


def _fix(kind: str, generation: int) -> dict[str, object]:
    """What the instructions of a generation say of a record."""
    if kind == "old":
        return {"depends": [f"python >=3.{min(generation, 2)}"]}
    if kind == "lag":
        return {"depends": [f"python >=3.{generation}"]} if generation > 1 else {}
    return {"license": "MIT"} if kind == "key" else {"depends": ["python >=3"]}


def _three(planted: Planted, subdir: str, kinds: dict[str, str], now: datetime) -> None:
    folder = planted.root / subdir
    built = copy.deepcopy(planted.records[subdir])
    for file, kind in kinds.items():
        if kind == "replaced":
            built[file]["sha256"] = digest_of("before")
    write_index(folder, built, planted.twice.get(subdir))
    (folder / "repodata.json").rename(folder / "repodata_from_packages.json")
    states: list[dict[str, dict]] = []
    for generation, at in enumerate((START, START + timedelta(days=30), now - timedelta(hours=1)), 1):
        fixes = {
            file: keys
            for file, kind in kinds.items()
            if kind not in ("nothing", "unlisted", "removed") and (keys := _fix(kind, generation))
        }
        fixes |= {file: _fix("patched", generation) for file, kind in kinds.items() if kind == "nothing"}
        remove = [file for file, kind in kinds.items() if kind == "removed"]
        states.append(_generation(planted, subdir, fixes, remove, at, PATCHER))
    served = states[-1]
    for file, kind in kinds.items():
        record = served.setdefault(file, copy.deepcopy(planted.records[subdir][file]))
        changes = _served(kind, record, file, states)
        served[file] = {**record, **changes, "sha256": planted.records[subdir][file]["sha256"]}
    planted.records[subdir] = served
    write_index(folder, dict(sorted(served.items())), planted.twice.get(subdir))
    (folder / "patch_instructions.json").unlink()


def _served(kind: str, record: dict, file: str, states: list[dict[str, dict]]) -> dict[str, object]:
    """What is served otherwise than the newest generation says."""
    match kind:
        case "stripped":
            return {"depends": [f"python >=3.{int(record['version'][2:]) % 5 + 9}", "numpy >=1.26,<3"]}
        case "other" | "unlisted":
            return {"depends": ["evil"]}
        case "old":
            return {"depends": states[0][file]["depends"]}
        case "lag":
            return {"depends": states[1][file]["depends"]}
        case _:
            return {}


def _generation(
    planted: Planted, subdir: str, fixes: dict[str, object], remove: list[str], at: datetime, team: str
) -> dict[str, dict]:
    """Sign one generation; gives what is served then."""
    folder = planted.root / subdir
    said = {"patch_instructions_version": 1, "packages": {}, "packages.conda": fixes, "remove": remove, "revoke": []}
    (folder / "patch_instructions.json").write_text(json.dumps(said))
    document = json.loads((folder / "repodata_from_packages.json").read_bytes())
    for file, keys in fixes.items():
        document["packages.conda"][file] |= keys
    for file in remove:
        del document["packages.conda"][file]
    write_index(folder, document["packages.conda"], document["packages"], removed=sorted(remove))
    origin = StoreOrigin(Directory(planted.root))
    order = patch_attest.Order(
        store=Directory(planted.root),
        chain=Chain(origin, CHANNEL, subdir, "author", Authority(None, trust().sha256), [trust()]),
        packages=origin,
        inputs=patch_inputs.read(origin, subdir),
        engine=engines.engine("conda-index"),
        engine_version="0.13.0",
        trust_as_built=True,
        refresh_after=timedelta(days=1),
    )
    made = patch_attest.attest(order, lambda payload: sandbox().sign_statement(payload, github(team), at=at), now=at)
    assert made.new
    return document["packages.conda"]


def _of_whole(planted: Planted, subdir: str, now: datetime) -> None:
    folder: Path = planted.root / subdir
    (folder / "repodata_from_packages.json").write_bytes((folder / "repodata.json").read_bytes())
    if subdir == WITHOUT:
        return
    team = STRANGER if subdir == "linux-s390x" else PATCHER
    at = START if subdir == "linux-aarch64" else now - timedelta(hours=1)
    _generation(planted, subdir, {}, [], at, team)
    (folder / "patch_instructions.json").unlink()
    if subdir == "linux-armv7l":
        (folder / "patches" / "1.sigs").write_text("[]")
