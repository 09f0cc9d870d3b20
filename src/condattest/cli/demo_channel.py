"""The second chapter of `condattest demo`: a channel, a hotfix of a record, and a mirror that takes it away.

Owns `tell`. Each step calls the same operation as its verb does. The indexer is conda-index's engine, since the program
itself may not be there.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from condattest.errors import CondattestError
from condattest.model.artifact import PackageFile
from condattest.model.channel import Channel
from condattest.model.finding import Code
from condattest.reports import documents
from condattest.reports.sentences import sentence

if TYPE_CHECKING:
    from condattest.cli.demo import Story
    from condattest.operations.patch_chain import Chain
    from condattest.policy.rules import Policy
    from condattest.signatures.trust_root import TrustRoot

HOTFIXES: Final = "demo-org/hotfixes"
_SUBDIR: Final = "noarch"
_WHO: Final = f"--subdir {_SUBDIR} --repository {HOTFIXES}"


@dataclass(frozen=True, slots=True)
class Scene:
    """What the chapter needs: where it plays, who trusts whom, and who can sign as the hotfixes' workflow."""

    story: "Story"
    folder: Path
    channel: Channel
    trust: "TrustRoot"
    required: "Policy"
    sign: Callable[[bytes], bytes]
    now: datetime


def tell(scene: Scene, packages: list[Path]) -> None:
    """Tell the chapter; `packages` are signed already, each with its bundle beside it."""
    story, root = scene.story, scene.folder / "channel"
    story.tell("A channel gets the packages with their attestations", "condattest publish *.conda --to channel")
    _index(root, packages, {})
    _publish(scene, root, packages)

    story.tell(
        "Its records are attested as they are: a baseline", f"condattest patch attest channel --channel {scene.channel}"
    )
    _attest(scene, root)

    fixed = packages[-1]
    story.tell(
        f"A dependency of {fixed.name} was wrong: its record is hotfixed, not the archive",
        f"condattest index channel && condattest patch attest channel --channel {scene.channel}",
    )
    _index(root, packages, {fixed.name: {"depends": ["hello-demo >=1,<2"]}})
    _bring_in_line(root)
    _attest(scene, root)

    story.tell("Who changed that record, and when?", f"condattest patch blame channel {fixed.name} {_WHO}")
    _blame(scene, root, fixed)

    story.tell("A mirror serves the record without the hotfix", f"condattest patch verify mirror {_WHO}")
    mirror = scene.folder / "mirror"
    shutil.copytree(root, mirror, dirs_exist_ok=True)
    shutil.copy(mirror / _SUBDIR / "repodata_from_packages.json", mirror / _SUBDIR / "repodata.json")
    _verify(scene, mirror, Code.PATCH_STRIPPED)


def _index(root: Path, packages: list[Path], fixes: Mapping[str, Any]) -> None:
    """Index as conda-index does: records as built, instructions, records as served."""
    from condattest.formats import package as archives
    from condattest.formats import patch_instructions
    from condattest.patches.conda_index_engine import CondaIndex

    engine, records = CondaIndex(), {}
    folder = root / _SUBDIR
    folder.mkdir(parents=True, exist_ok=True)
    for package in packages:
        data = Path(shutil.copy(package, folder / package.name)).read_bytes()
        with package.open("rb") as opened:
            index = archives.read(opened, PackageFile.parse(package.name)).index
        digests = {
            "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        records[package.name] = {**engine.as_built(index), **digests, "size": len(data)}
    as_built = {"info": {"subdir": _SUBDIR}, "packages": {}, "packages.conda": records, "repodata_version": 1}
    told = {"patch_instructions_version": 1, "packages": {}, "packages.conda": dict(fixes), "remove": [], "revoke": []}
    instructions = json.dumps(told).encode()
    served = engine.apply(as_built, patch_instructions.parse(instructions, where="instructions")).document
    (folder / "patch_instructions.json").write_bytes(instructions)
    for name, document in (("repodata_from_packages.json", as_built), ("repodata.json", served)):
        (folder / name).write_text(json.dumps(document, sort_keys=True), "utf-8")


def _publish(scene: Scene, root: Path, packages: list[Path]) -> None:
    from condattest.operations import publish, publish_plan
    from condattest.operations.admission import Terms
    from condattest.transport.directory import Directory

    store = Directory(root)
    terms = Terms(trust=scene.trust, policy=scene.required, channel=scene.channel)
    outcomes, _ = publish.publish(publish_plan.plan(list(map(str, packages)), store, terms), store, terms)
    for each in outcomes:
        good = each.problem is None and each.listed
        text = f"{each.plan.path}.sigs, and the index names it" if good else f"{each.plan.path}: {each.problem}"
        scene.story.outcome(text, good=good, as_expected=good)


def _bring_in_line(root: Path) -> None:
    """Name the sidecars again: an indexer that writes its index anew knows nothing of them."""
    from condattest.operations import index
    from condattest.transport.directory import Directory

    for _ in index.index(Directory(root)):
        pass


def _chain(scene: Scene, root: Path) -> "Chain":
    from condattest.operations.patch_chain import Chain
    from condattest.policy import rules
    from condattest.policy.patch_signers import Authority, authority
    from condattest.transport.directory import Directory
    from condattest.transport.origin import StoreOrigin

    allowed = authority(rules.for_repository(HOTFIXES), scene.channel, "author", root=scene.trust.sha256)
    assert isinstance(allowed, Authority)  # noqa: S101 (the rule is made here)
    return Chain(StoreOrigin(Directory(root)), scene.channel, _SUBDIR, "author", allowed, [scene.trust])


def _attest(scene: Scene, root: Path) -> None:
    from condattest.operations import patch_attest, patch_inputs
    from condattest.patches.conda_index_engine import CondaIndex
    from condattest.transport.directory import Directory
    from condattest.transport.origin import StoreOrigin

    store = Directory(root)
    origin = StoreOrigin(store)
    order = patch_attest.Order(
        store=store,
        chain=_chain(scene, root),
        packages=origin,
        inputs=patch_inputs.read(origin, _SUBDIR),
        engine=CondaIndex(),
        engine_version="demo",
    )
    try:
        made = patch_attest.attest(order, scene.sign, now=scene.now)
    except CondattestError as error:
        scene.story.outcome(str(error), good=False, as_expected=False)
        return
    said = made.generation.said
    text = f"generation {said.generation}, signed by {HOTFIXES}: changed records: {said.counts['changed']}"
    scene.story.outcome(text, good=True, as_expected=made.new)


def _blame(scene: Scene, root: Path, package: Path) -> None:
    from condattest.operations import patch_blame

    blamed = patch_blame.blame(_chain(scene, root), PackageFile.parse(package.name))
    lines = () if blamed is None else blamed.lines
    for line in lines:
        generation = line.last.generation
        old, new = (None if value is None else json.dumps(value.json) for value in (line.as_built, line.served))
        signer, at = generation.evidence[0].signer, documents.time(generation.time.at)
        text = f"{line.key}: {old} -> {new}; generation {generation.said.generation}, {at}, by {signer}"
        scene.story.outcome(text, good=True, as_expected=True)
    if not lines:
        scene.story.outcome("nobody changed it", good=False, as_expected=False)


def _verify(scene: Scene, root: Path, expected: Code) -> None:
    from condattest.operations import patch_inputs, patch_verify
    from condattest.transport.directory import Directory
    from condattest.transport.origin import StoreOrigin

    chain = _chain(scene, root)
    inputs = patch_inputs.read(StoreOrigin(Directory(root)), _SUBDIR)
    checked = patch_verify.verify(chain, inputs, now=scene.now)
    codes = [finding.code for finding in checked.findings]
    text = f"rejected: {codes[0]}: {sentence(checked.findings[0])}" if codes else "nothing was found"
    scene.story.outcome(text, good=False, as_expected=codes == [expected])
