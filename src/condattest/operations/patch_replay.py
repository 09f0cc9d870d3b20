"""Replay patch instructions, and hold the outcome against what is served.

Owns `Replay`, `replay` and `meant`. What the engine makes of instructions and records as built is what is attested;
what the channel serves is only compared with it.

Spec: ceps-drafts/cep-patch-provenance.md
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from condattest.errors import Malformed, Misuse
from condattest.formats.patch_differences import Difference, Unattributed
from condattest.model.artifact import PackageFile
from condattest.model.finding import Code, Finding, Severity
from condattest.operations.patch_inputs import Inputs
from condattest.patches.engines import Engine
from condattest.patches.generation import Built
from condattest.patches.index_sections import records_of
from condattest.patches.served import unlike_served
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


def meant(
    packages: Origin,
    subdir: str,
    inputs: Inputs,
    built: Built,
    replaced: Collection[PackageFile],
) -> None:
    """Refuse archives that took the place of listed ones without anybody saying so, and who says so of others.

    Args:
        packages: Where the archives are.
        subdir: Their subdir.
        inputs: The records as built.
        built: The generation: what it found to be replaced.
        replaced: The files of which somebody says so.

    Raises:
        Malformed: PATCH-REPLACED.
        Misuse: What is said to be replaced is not in the index, or was not replaced.
    """
    if replaced:
        there = {file for _, file, _ in records_of(inputs.as_built)}
        for file in sorted(map(str, set(replaced) - there)):
            raise Misuse(f"--replaced {file}: the index of {subdir} does not list it")
    for (_, name), since in sorted(built.kept.items()):
        raise Misuse(
            f"--replaced {name}: expected another archive than is listed since generation {since}, found the same one",
            hint="leave it out; or put the new archive in place (publish --replace), run the indexer, and then sign",
        )
    for place, (old, new) in sorted(built.replaced.items()):
        if PackageFile.parse(place[1]) not in replaced:
            where = f"{packages.name}/{subdir}/{place[1]}"
            raise Malformed(Finding.of(Code.PATCH_REPLACED, where, expected=old, found=new))
