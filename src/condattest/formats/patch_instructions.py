"""Patch instructions: what an indexer shall change in the records of one subdir, and the packages that carry them.

Owns `Instructions`, `parse` and `from_package`.

    <subdir>/patch_instructions.json
        {"patch_instructions_version": 1,
         "packages": {"x-1-0.tar.bz2": {"depends": ["y <2"], "features": null}},
         "packages.conda": {"x-1-0.conda": {...}},
         "remove": ["z-1-0.tar.bz2"], "revoke": ["w-1-0.tar.bz2"], "v3": {"conda": {"x-1-0": {...}}}}

Refuses what is not strict JSON, versions other than 1 and 2, sections and records that are no objects (conda-index
deletes a record for a null, without listing it in `removed`), and lists of files that hold anything but texts. In
version 2, `run_exports` must be run exports (CEP 21, CEP 12). What a record's other keys may hold is not judged here:
the indexers disagree about it, see `patches.engines`.

A missing version is 1, as for both indexers, since files without one are about. Unknown top-level keys are kept in
`rest`: real files have some (`external_dependencies`), both indexers pass over them, and to refuse them would be to
refuse a channel for what changes nothing. An unknown key in a file without a version, or one that holds instructions of
its own, is refused: conda-index writes `{"<package name>": {...}}` where a Python generator patches shards, and then
applies nothing of it.

Specs: CEP 21, https://github.com/conda/ceps/blob/main/cep-0021.md; CEP 12, cep-0012.md (run exports)
"""

import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, NoReturn

from condattest.errors import Malformed
from condattest.formats import strict_json, tar_members, zip_layout
from condattest.formats.member_paths import MemberPaths
from condattest.formats.tar_members import MemberType
from condattest.formats.unpacked import Unpacked
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding

FILE_NAME: Final = "patch_instructions.json"
VERSION_KEY: Final = "patch_instructions_version"
MAX_INSTRUCTIONS: Final = 512 * 1024 * 1024
"""Bytes of one file; the largest public one has some 60 MB."""
MAX_UNPACKED: Final = 2 * 1024 * 1024 * 1024
"""Bytes of an unpacked patch package, which holds the files of every subdir."""
MAX_MEMBERS: Final = 10_000
"""Members of a patch package, and records in their pax headers."""

_SECTIONS = ("packages", "packages.conda")
_LISTS = ("remove", "revoke")
_KNOWN = frozenset({VERSION_KEY, *_SECTIONS, *_LISTS, "v3"})
_RUN_EXPORTS = frozenset({"weak", "strong", "noarch", "weak_constrains", "strong_constrains"})
_PATH = re.compile(rf"([a-z0-9][a-z0-9_-]*)/{re.escape(FILE_NAME)}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Instructions:
    """The instructions for one subdir; values are JSON as it was read.

    Attributes:
        version: 1 or 2.
        packages: By file, the keys to change. The files are those of .tar.bz2 packages, as a rule.
        packages_conda: The same for .conda packages.
        remove: Files that the channel shall not serve any more.
        revoke: Files that no solver shall choose any more.
        v3: What is said of records in the `v3` section; {} where absent.
        rest: Unknown top-level keys.
        raw_sha256: The digest of the bytes that were read.
    """

    version: int
    packages: Mapping[str, Mapping[str, Any]] = field(hash=False)
    packages_conda: Mapping[str, Mapping[str, Any]] = field(hash=False)
    remove: tuple[str, ...]
    revoke: tuple[str, ...]
    v3: Mapping[str, Any] = field(hash=False)
    rest: Mapping[str, Any] = field(hash=False)
    raw_sha256: Sha256


def parse(data: bytes, *, where: str, limit: int = MAX_INSTRUCTIONS) -> Instructions:
    """Read a `patch_instructions.json` of at most `limit` bytes.

    Raises:
        Malformed: PATCH-INSTRUCTIONS.
    """
    document = strict_json.parse(data, code=Code.PATCH_INSTRUCTIONS, where=where, limit=limit)
    if not isinstance(document, dict):
        _refuse(where, "an object", document)
    version = document.get(VERSION_KEY, 1)
    if not isinstance(version, int) or isinstance(version, bool) or version not in (1, 2):
        _refuse(f"{where}: {VERSION_KEY}", "1 or 2", version)
    rest = {key: value for key, value in document.items() if key not in _KNOWN}
    if rest and VERSION_KEY not in document:
        _refuse(where, f"{VERSION_KEY} beside unknown keys", sorted(rest)[0])
    v3 = document.get("v3", {})
    for key, value in (*rest.items(), ("v3", v3)):
        if isinstance(value, dict) and VERSION_KEY in value:
            _refuse(f"{where}: {key}", "the instructions of a subdir", "instructions within the instructions")
    if not isinstance(v3, dict):
        _refuse(f"{where}: v3", "an object", v3)
    packages, packages_conda = (_section(document.get(name, {}), version, f"{where}: {name}") for name in _SECTIONS)
    remove, revoke = (_files(document.get(name, []), f"{where}: {name}") for name in _LISTS)
    digest = Sha256(hashlib.sha256(data).hexdigest())
    return Instructions(version, packages, packages_conda, remove, revoke, v3, rest, digest)


def from_package(opened: BinaryIO, file: PackageFile) -> Mapping[str, bytes]:
    """Read the files of instructions that a patch package carries, by subdir; nothing else of it is kept.

    Of a `.conda` only the part that would be installed is read. `opened` is seekable, and left at any position.

    Raises:
        Malformed: ARCHIVE-FORMAT, ARCHIVE-BOMB or ARCHIVE-PATH: the archive, or where in it the files are: another
            spelling of a path, a link in the place of a file, the same file twice.
        OSError: The file itself could not be read.
    """
    where = str(file)
    if file.kind == ".conda":
        stream = _installed_part(opened, file, where)
    else:
        size = opened.seek(0, io.SEEK_END)
        stream = Unpacked.bzip2(opened, size=size, limit=MAX_UNPACKED, where=where)
    found: dict[str, bytes] = {}
    paths = MemberPaths(stream.where)
    for member in tar_members.members(stream, limit=MAX_MEMBERS):
        path = paths.admit(member)
        if not _reads_as_instructions(path):
            continue
        place = f"{stream.where}: {path!r:.200}"
        match = _PATH.fullmatch(member.name)
        # conda-index compares the whole name, rattler-index its parts: to one of them `./x` is not `x`.
        if match is None:
            _refuse(place, f"<subdir>/{FILE_NAME}", member.name, Code.ARCHIVE_FORMAT)
        if member.type is not MemberType.FILE:
            _refuse(place, "a file", f"a {member.type.value}", Code.ARCHIVE_FORMAT)
        if match[1] in found:
            _refuse(place, "one such file", "two", Code.ARCHIVE_FORMAT)
        if member.size > MAX_INSTRUCTIONS:
            _refuse(place, f"at most {MAX_INSTRUCTIONS} bytes", member.size, Code.ARCHIVE_BOMB)
        found[match[1]] = stream.read(member.size)
        if len(found[match[1]]) != member.size:
            _refuse(place, f"{member.size} bytes", "an early end", Code.ARCHIVE_FORMAT)
    return found


def _installed_part(opened: BinaryIO, file: PackageFile, where: str) -> Unpacked:
    members = {member.name: member for member in zip_layout.parse(opened, where=where)}
    name = f"pkg-{file.stem}.tar.zst"
    expected = {"metadata.json", f"info-{file.stem}.tar.zst", name}
    if set(members) != expected:
        _refuse(where, ", ".join(sorted(expected)), ", ".join(sorted(members)), Code.ARCHIVE_FORMAT)
    part = members[name]
    place = f"{where}: {name}"
    return Unpacked.zstd(opened, offset=part.offset, size=part.size, crc=part.crc, limit=MAX_UNPACKED, where=place)


def _reads_as_instructions(path: str) -> bool:
    """Whether some file system would take the path for one of instructions; in info/ there are none."""
    parts = [part.partition(":")[0].rstrip(". ") for part in path.replace("\\", "/").casefold().split("/")]
    return len(parts) == 2 and parts[1] == FILE_NAME and parts[0] != "info"


def _section(value: Any, version: int, where: str) -> Mapping[str, Mapping[str, Any]]:
    if not isinstance(value, dict):
        _refuse(where, "an object", value)
    for file, keys in value.items():
        if not isinstance(keys, dict):
            _refuse(f"{where}: {file:.200}", "an object", keys)
        if version == 2 and "run_exports" in keys:
            _check_run_exports(keys["run_exports"], f"{where}: {file:.200}: run_exports")
    return value


def _check_run_exports(value: Any, where: str) -> None:
    if not isinstance(value, dict) or not value.keys() <= _RUN_EXPORTS:
        _refuse(where, f"an object with {', '.join(sorted(_RUN_EXPORTS))}", value)
    for kind, exports in value.items():
        _files(exports, f"{where}: {kind}")


def _files(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        _refuse(where, "a list of texts", value)
    return tuple(value)


def _refuse(where: str, expected: str, found: object, code: Code = Code.PATCH_INSTRUCTIONS) -> NoReturn:
    shown = "an object" if isinstance(found, dict) else "a list" if isinstance(found, list) else f"{found!r:.200}"
    raise Malformed(Finding.of(code, where, expected=expected, found=shown))
