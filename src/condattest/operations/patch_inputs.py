"""What a generation of patches is made from: records as built, instructions, and records as served.

Owns `Inputs` and `read`. Of an index with compressed twins the plain file is read first: it is what indexers write
last. Records are held as the bytes that they are, see `formats.held_records`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from condattest.errors import Malformed, Misuse, NotFound
from condattest.formats import compression, held_records, patch_instructions, repodata
from condattest.formats.patch_descriptors import Input, Source
from condattest.formats.patch_instructions import Instructions
from condattest.model.artifact import Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.patch_package import PatchPackage
from condattest.transport.origin import Origin

MAX_INSTRUCTIONS: Final = 512 * 1024 * 1024
"""Bytes of one patch_instructions.json; conda-forge's has some 60 MB."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What was read.

    Attributes:
        as_built: `repodata_from_packages.json`.
        instructions: The instructions; None where there are none.
        served: `repodata.json`.
        digests: Each file, with its digest.
        source: Where a patch package says that the instructions come from; None if there is none that does.
    """

    as_built: Mapping[str, Any]
    instructions: Instructions | None
    served: Mapping[str, Any]
    digests: tuple[Input, ...]
    source: Source | None = None


def read(origin: Origin, subdir: str, package: PatchPackage | None = None) -> Inputs:
    """Read what one run of the patch pipeline worked on.

    Args:
        origin: The channel.
        subdir: Its subdir.
        package: A patch package to take the instructions from, instead of the channel.

    Raises:
        Misuse: The channel has no `repodata_from_packages.json`.
        Malformed: A file is not what it should be.
        Unavailable, LocalFailure: A file could not be read.
    """
    digests: list[Input] = []
    as_built = _index(origin, f"{subdir}/repodata_from_packages.json", digests)
    served = _index(origin, f"{subdir}/repodata.json", digests, as_built)
    path = f"{subdir}/patch_instructions.json"
    data = package.instructions if package is not None else _optional(origin, path)
    if data is None:
        return Inputs(as_built, None, served, tuple(digests))
    digests.append(Input(path, _sha256(data)))
    where = f"{origin.name}/{path}" if package is None else f"{package.path}: {path}"
    instructions = patch_instructions.parse(data, where=where, limit=MAX_INSTRUCTIONS)
    if package is None:
        return Inputs(as_built, instructions, served, tuple(digests))
    return Inputs(as_built, instructions, served, (*digests, *package.inputs), package.source)


def _index(origin: Origin, path: str, digests: list[Input], like: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """Read an index; records that another one has just so are shared with it, since large ones are mostly alike."""
    where = f"{origin.name}/{path}"
    limit = repodata.MAX_REPODATA
    for suffix, unpack in (("", None), (".zst", compression.unzstd), (".bz2", compression.unbz2)):
        data = _optional(origin, path + suffix, limit)
        if data is None:
            continue
        digests.append(Input(path + suffix, _sha256(data)))
        plain = data if unpack is None else unpack(data, limit=limit, code=Code.NET_UNAVAILABLE, where=where)
        try:
            del data
            return held_records.parse(plain, like)
        except (ValueError, RecursionError) as error:
            raise Malformed(Finding.of(Code.NET_UNAVAILABLE, where, expected="repodata.json", found=error)) from None
    raise Misuse(
        f"{where}: there is none",
        hint="patches are attested from records as built: index with an indexer that keeps them",
    )


def _optional(origin: Origin, path: str, limit: int = MAX_INSTRUCTIONS) -> bytes | None:
    try:
        return origin.read(path, limit)
    except NotFound:
        return None


def _sha256(data: bytes) -> Sha256:
    return Sha256(hashlib.sha256(data).hexdigest())
