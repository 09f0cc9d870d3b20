"""Replay patch instructions, and hold the outcome against what is served and what archives say.

Owns `Replay`, `replay`, `unlike_served`, `prove` and `meant`. What the engine makes of instructions and records as
built is what is attested; what the channel serves is only compared with it.

Spec: ceps-drafts/cep-patch-provenance.md
"""

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from condattest.errors import Malformed, Misuse, NotFound
from condattest.formats import package
from condattest.formats.package import MAX_PACKAGE
from condattest.formats.patch_differences import Difference, Unattributed
from condattest.formats.patch_files import Place
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding, Severity
from condattest.operations.patch_inputs import Inputs
from condattest.patches.changes import alike, differences
from condattest.patches.digests import record_digest
from condattest.patches.engines import Engine
from condattest.patches.generation import records_of
from condattest.transport import files
from condattest.transport.origin import Origin

_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Replay:
    """What an engine gives, and where the channel serves something else.

    Attributes:
        served: The index that the engine gives.
        unattributed: What is served otherwise; None if nothing is.
    """

    served: Mapping[str, Any] = field(hash=False)
    unattributed: Unattributed | None = None


@dataclass(frozen=True, slots=True)
class Unlike:
    """A record that is not served as a replay gives it: its place, in a word why, and the keys that differ."""

    place: Place
    why: str
    keys: tuple[str, ...] = ()


def replay(inputs: Inputs, engine: Engine, *, where: str, allow_unattributed: bool = False) -> Replay:
    """Run the engine on the inputs, and compare with what is served.

    Args:
        inputs: Records as built, instructions, and the served index.
        engine: The indexer's way with instructions.
        where: What to name in a finding.
        allow_unattributed: Take a served index that differs, and tell where, instead of refusing it.

    Raises:
        Malformed: PATCH-REPLAY: something else is served; or the indexer would fail on an instruction; or, where
            something else is served, what it makes of one cannot be foretold (PATCH-UNREPRODUCED).
    """
    served: Mapping[str, Any] = inputs.as_built
    doubts: list[Finding] = []
    if inputs.instructions is not None:
        patched = engine.apply(inputs.as_built, inputs.instructions)
        wrong = [each for each in patched.findings if each.code.severity is Severity.ERROR]
        if wrong:
            raise Malformed(wrong[0])
        served = patched.document
        doubts = [each for each in patched.findings if each.code.severity is Severity.UNKNOWN]
    unlike = unlike_served(inputs.as_built, served, inputs.served)
    if not unlike:
        return Replay(served)
    if not allow_unattributed:
        first = ", ".join(f"{each.place[1]} ({each.why})" for each in unlike[:_SHOWN])
        raise Malformed(Finding.of(Code.PATCH_REPLAY, where, engine=engine.name, records=len(unlike), first=first))
    if doubts:
        # That the channel serves just this outcome was the only proof of it.
        raise Malformed(doubts[0])
    return Replay(served, Unattributed.of(Difference(*each.place, each.keys) for each in unlike))


def unlike_served(as_built: Mapping[str, Any], replayed: Mapping[str, Any], served: Mapping[str, Any]) -> list[Unlike]:
    """Where an index that is served is not what a replay gives; records that the replay did not touch count, too.

    Raises:
        Malformed: PATCH-RECORD: a record that differs cannot be digested.
    """
    expected = {place: record for place, _, record in records_of(replayed)}
    found = {place: record for place, _, record in records_of(served)}
    gone = set(replayed.get("removed") or ())
    unlike = []
    for place, _, _ in records_of(as_built):
        if place[1] in gone:
            continue
        mine, theirs = expected.get(place), found.get(place)
        if theirs is None:
            unlike.append(Unlike(place, "not served"))
        elif mine is None:
            unlike.append(Unlike(place, "another record"))
        elif mine.get("sha256") != theirs.get("sha256") or not alike(mine, theirs, where=place[1]):
            archive = ("sha256",) if mine.get("sha256") != theirs.get("sha256") else ()
            unlike.append(Unlike(place, "another record", (*differences(mine, theirs), *archive)))
    unlike.extend(Unlike(place, "not as built") for place in found if place not in expected and place[1] not in gone)
    removed, listed = set(served.get("removed") or ()), {place[1] for place in expected}
    unlike.extend(Unlike(("removed", name), "not removed") for name in sorted(gone - removed))
    unlike.extend(Unlike(("removed", name), "removed") for name in sorted((removed - gone) & listed))
    return unlike


def prove(packages: Origin, subdir: str, inputs: Inputs, engine: Engine, listed: Collection[Place]) -> None:
    """Hold records as built against their archives.

    Args:
        packages: Where the archives are.
        subdir: Their subdir.
        inputs: The records as built.
        engine: Which record an archive gives.
        listed: The places to prove.

    Raises:
        Malformed: PATCH-AS-BUILT or BIND-DIGEST: an archive gives another record, is another, or is not there.
        Unavailable, LocalFailure: One could not be read.
    """
    if not listed:
        return
    for place, file, record in records_of(inputs.as_built):
        if place not in listed:
            continue
        where = f"{packages.name}/{subdir}/{file}"
        expected = record_digest(engine.as_built(_index_json(packages, subdir, file, record, where)), where=where)
        found = record_digest(record, where=where)
        if expected != found:
            finding = Finding.of(Code.PATCH_AS_BUILT, where, expected=f"{expected} by the archive", found=found)
            raise Malformed(finding)


def _index_json(
    packages: Origin, subdir: str, file: PackageFile, record: Mapping[str, Any], where: str
) -> Mapping[str, Any]:
    try:
        with tempfile.TemporaryFile() as opened, packages.stream(f"{subdir}/{file}", MAX_PACKAGE) as chunks:
            found = files.hash_parts(chunks, opened)
            if found != record.get("sha256"):
                raise Malformed(Finding.of(Code.BIND_DIGEST, where, expected=record.get("sha256"), found=found))
            return package.read(opened, file).index
    except NotFound:
        raise Malformed(Finding.of(Code.PATCH_AS_BUILT, where, expected="its archive", found="nothing")) from None


def meant(
    packages: Origin,
    subdir: str,
    inputs: Inputs,
    found: Mapping[Place, tuple[Sha256, Sha256]],
    replaced: Collection[PackageFile],
) -> None:
    """Refuse archives that took the place of listed ones without anybody saying so.

    Args:
        packages: Where the archives are.
        subdir: Their subdir.
        inputs: The records as built.
        found: By place, the archive that was listed and the one that took its name.
        replaced: The files of which somebody says so.

    Raises:
        Malformed: PATCH-REPLACED.
        Misuse: What is said to be replaced is not in the index.
    """
    if replaced:
        there = {file for _, file, _ in records_of(inputs.as_built)}
        for file in sorted(map(str, set(replaced) - there)):
            raise Misuse(f"--replaced {file}: the index of {subdir} does not list it")
    for place, (old, new) in sorted(found.items()):
        if PackageFile.parse(place[1]) not in replaced:
            where = f"{packages.name}/{subdir}/{place[1]}"
            raise Malformed(Finding.of(Code.PATCH_REPLACED, where, expected=old, found=new))
