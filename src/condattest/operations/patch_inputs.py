"""What a generation of patches is made from: records as built, instructions, and records as served.

Owns `Inputs` and `read`. Of an index with compressed twins the plain file is read first: it is what indexers write
last. Refuses an index whose sections are no objects of records, or whose `removed` is no list of names.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from condattest.errors import Malformed, Misuse, NotFound
from condattest.formats import compression, patch_instructions, repodata
from condattest.formats.index_changes import SECTIONS, V3_SECTIONS
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
            return _checked(msgspec.json.decode(plain) if like is None else _sharing(plain, like))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise Malformed(Finding.of(Code.NET_UNAVAILABLE, where, expected="repodata.json", found=error)) from None
    raise Misuse(
        f"{where}: there is none",
        hint="patches are attested from records as built: index with an indexer that keeps them",
    )


def _sharing(plain: bytes, like: Mapping[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, raw in msgspec.json.decode(plain, type=dict[str, msgspec.Raw]).items():
        if key not in SECTIONS:
            document[key] = msgspec.json.decode(raw)
            continue
        others, records = like.get(key, {}), {}
        for name, each in msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).items():
            record, other = msgspec.json.decode(each), others.get(name)
            # By its text: to Python 1 and true are equal.
            records[name] = other if msgspec.json.encode(record) == msgspec.json.encode(other) else record
        document[key] = records
    return document


def _checked(document: Any) -> dict[str, Any]:
    """Return an index whose form is that of one: whoever reads it further need not ask.

    Raises:
        ValueError: It is not.
    """
    if not isinstance(document, dict):
        raise ValueError("it is no object")
    removed, v3 = document.get("removed", []), document.get("v3", {})
    if not isinstance(removed, list) or not all(isinstance(name, str) for name in removed):
        raise ValueError("removed is no list of names")
    if not isinstance(v3, dict):
        raise ValueError("v3 is no object")
    sections = {section: document.get(section, {}) for section in SECTIONS}
    sections |= {f"v3.{section}": v3.get(section, {}) for section in V3_SECTIONS}
    for section, records in sections.items():
        if not isinstance(records, dict) or not all(isinstance(record, dict) for record in records.values()):
            raise ValueError(f"{section} is no object of records")
    return document


def _optional(origin: Origin, path: str, limit: int = MAX_INSTRUCTIONS) -> bytes | None:
    try:
        return origin.read(path, limit)
    except NotFound:
        return None


def _sha256(data: bytes) -> Sha256:
    return Sha256(hashlib.sha256(data).hexdigest())
