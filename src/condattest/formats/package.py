"""A conda package's own metadata, read from the archive without extracting it.

Owns `PackageMetadata`, `Extent`, `read`, `members` and `check`. Two formats:

    N-V-B.conda     ZIP, stored     metadata.json           {"conda_pkg_format_version": 2}
                                    info-N-V-B.tar.zst      info/index.json, info/about.json and more under info/
                                    pkg-N-V-B.tar.zst       what is installed
    N-V-B.tar.bz2   tar in bzip2    info/index.json, info/about.json and what is installed

where N-V-B is name, version and build.

Refuses archives that two readers could read differently (ARCHIVE-FORMAT), that cost more than their size allows
(ARCHIVE-BOMB), or whose members reach outside (ARCHIVE-PATH): see `zip_layout`, `unpacked`, `tar_members` and
`member_paths`, one for each layer. Nothing is written to disk.

conda-package-streaming makes the packages of the sandbox, and the tests compare with it: what `read` accepts, it reads
alike. It does not read here. It uses zipfile and tarfile, which forgive too much, bound neither members nor headers,
and before Python 3.11.10 hang on hostile pax headers (CVE-2024-6232).

Specs: CEP 35 (formats), https://github.com/conda/ceps/blob/main/cep-0035.md; CEP 34 (contents),
https://github.com/conda/ceps/blob/main/cep-0034.md
"""

import io
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, BinaryIO, Final

from condattest.errors import Malformed
from condattest.formats import strict_json, tar_members, zip_layout
from condattest.formats.member_paths import MemberPaths
from condattest.formats.tar_members import Member, MemberType
from condattest.formats.unpacked import Unpacked
from condattest.formats.zip_layout import StoredMember
from condattest.model.artifact import PackageFile
from condattest.model.finding import Code, Finding

FORMAT_VERSION: Final = 2
"""The version of the `.conda` format."""
MAX_PACKAGE: Final = 16 * 1024**3
"""Bytes of a package that is fetched, or lies in a channel."""
MAX_DOCUMENT: Final = 4 * 1024 * 1024
"""Bytes of info/index.json or info/about.json; real ones take up to some 100 KiB."""
MAX_INFO: Final = 256 * 1024 * 1024
"""Bytes of the unpacked info part of a `.conda`."""
MAX_UNPACKED: Final = 32 * 1024 * 1024 * 1024
"""Bytes of an unpacked `.tar.bz2` or pkg part."""
MAX_RATIO: Final = 400
"""Unpacked bytes for each byte of these, beyond MAX_INFO: what a scan costs is bounded by what was downloaded."""
MAX_INFO_MEMBERS: Final = 131_072
"""Members, and records in their pax headers, of an info part."""
MAX_MEMBERS: Final = 750_000
"""The same of a `.tar.bz2` or a pkg part."""

_INDEX, _ABOUT, _VERSION = "info/index.json", "info/about.json", "metadata.json"


class Extent(Enum):
    """How much of the archive is read.

    FIRST stops a `.tar.bz2` at the first info/index.json, which most have near the front: cheap for huge ones, but a
    second info/index.json, which would win on extraction, goes unnoticed. METADATA, the default, reads all of the info
    part of a `.conda`, but not what is installed, and all of a `.tar.bz2`, which has no parts. EVERYTHING also reads
    the pkg part of a `.conda`, where an info/index.json would compete with the one of the info part.
    """

    FIRST = "first"
    METADATA = "metadata"
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True)
class PackageMetadata:
    """What the package says of itself: info/index.json, and info/about.json where it has one (and it was reached)."""

    index: Mapping[str, object]
    about: Mapping[str, object] | None


def read(fileobj: BinaryIO, file: PackageFile, *, extent: Extent = Extent.METADATA) -> PackageMetadata:
    """Read the metadata of the package in `fileobj`, a seekable binary file, which is left at any position.

    Raises:
        Malformed: ARCHIVE-FORMAT, ARCHIVE-BOMB or ARCHIVE-PATH; BIND-METADATA for a `.conda` of another name.
        OSError: The file itself could not be read.
    """
    where = str(file)
    if file.kind == ".conda":
        found = _read_conda(fileobj, file, extent, where)
    else:
        size = fileobj.seek(0, io.SEEK_END)
        stream = Unpacked.bzip2(fileobj, size=size, limit=_bound(size), where=where)
        found = _scan(stream, limit=MAX_MEMBERS, first=extent is Extent.FIRST)
    if _INDEX not in found:
        raise _malformed(where, _INDEX, "none")
    index = _document(found[_INDEX], f"{where}: {_INDEX}")
    about = _document(found[_ABOUT], f"{where}: {_ABOUT}") if _ABOUT in found else None
    return PackageMetadata(index, about)


def members(fileobj: BinaryIO, file: PackageFile) -> Iterator[tuple[str, Member, Unpacked]]:
    """Yield all that extraction would write: its path, the member, and a stream that its `size` bytes are next in.

    Raises:
        Malformed: As `read`.
        OSError: The file itself could not be read.
    """
    where = str(file)
    if file.kind == ".conda":
        stored = {member.name: member for member in zip_layout.parse(fileobj, where=where)}
        info, pkg = (f"{part}-{file.stem}.tar.zst" for part in ("info", "pkg"))
        if set(stored) != {_VERSION, info, pkg}:
            raise _other_members(set(stored), file, where)
        parts = [
            (_part(fileobj, stored[info], MAX_INFO, where), MAX_INFO_MEMBERS),
            (_part(fileobj, stored[pkg], _bound(stored[pkg].size), where), MAX_MEMBERS),
        ]
    else:
        size = fileobj.seek(0, io.SEEK_END)
        parts = [(Unpacked.bzip2(fileobj, size=size, limit=_bound(size), where=where), MAX_MEMBERS)]
    # Both parts are written into one folder, so what one of them links holds for the other, too.
    paths = MemberPaths(where)
    for stream, limit in parts:
        for member in tar_members.members(stream, limit=limit):
            yield paths.admit(member), member, stream


def check(metadata: PackageMetadata, file: PackageFile, subdir: str | None) -> None:
    """Compare info/index.json with the file name, and with the subdir that the package came from, if it is known.

    A package without a subdir of its own passes: old ones have none.

    Raises:
        Malformed: BIND-METADATA.
    """
    expected = {"name": file.name, "version": file.version, "build": file.build}
    if subdir is not None and metadata.index.get("subdir") is not None:
        expected["subdir"] = subdir
    for key, value in expected.items():
        found = metadata.index.get(key)
        if found != value:
            where = f"{file}: {_INDEX}: {key}"
            shown = found if isinstance(found, str) else type(found).__name__ if key in metadata.index else "none"
            raise Malformed(Finding.of(Code.BIND_METADATA, where, expected=value, found=f"{shown:.200}"))


def _read_conda(fileobj: BinaryIO, file: PackageFile, extent: Extent, where: str) -> dict[str, bytes]:
    members = {member.name: member for member in zip_layout.parse(fileobj, where=where)}
    info, pkg = f"info-{file.stem}.tar.zst", f"pkg-{file.stem}.tar.zst"
    if set(members) != {_VERSION, info, pkg}:
        raise _other_members(set(members), file, where)
    # (1) The version says what the other two members are.
    version = _document(_stored(fileobj, members[_VERSION], f"{where}: {_VERSION}"), f"{where}: {_VERSION}")
    number = version.get("conda_pkg_format_version")
    if number != FORMAT_VERSION or isinstance(number, bool | float):
        raise _malformed(f"{where}: {_VERSION}", f"conda_pkg_format_version {FORMAT_VERSION}", f"{number!r:.80}")
    # (2) The info part, to its end: a second info/index.json would win on extraction.
    stream = _part(fileobj, members[info], MAX_INFO, where)
    found = _scan(stream, limit=MAX_INFO_MEMBERS, first=False)
    # (3) The rest, if asked for: its info/index.json would win in readers that extract in the order of the ZIP.
    if extent is Extent.EVERYTHING:
        stream = _part(fileobj, members[pkg], _bound(members[pkg].size), where)
        if again := _scan(stream, limit=MAX_MEMBERS, first=False):
            raise _malformed(f"{where}: {pkg}", "metadata in the info part alone", " and ".join(sorted(again)))
    return found


def _part(fileobj: BinaryIO, member: StoredMember, limit: int, where: str) -> Unpacked:
    place = f"{where}: {member.name}"
    if member.size > limit:
        raise _bomb(place, f"at most {limit} bytes", f"{member.size} bytes")
    return Unpacked.zstd(fileobj, offset=member.offset, size=member.size, crc=member.crc, limit=limit, where=place)


def _bound(size: int) -> int:
    return min(MAX_UNPACKED, max(MAX_INFO, MAX_RATIO * size))


def _scan(stream: Unpacked, *, limit: int, first: bool) -> dict[str, bytes]:
    """Judge every member, and return the bytes of the two documents by path."""
    found: dict[str, bytes] = {}
    paths = MemberPaths(stream.where)
    for member in tar_members.members(stream, limit=limit):
        path = paths.admit(member)
        document = _document_at(path)
        if document is None:
            continue
        where = f"{stream.where}: {document}"
        if document in found or path != document:
            raise _malformed(where, f"one {document}", f"{path!r:.200} too" if document in found else f"{path!r:.200}")
        if member.type is not MemberType.FILE:
            raise _malformed(where, "a file", f"a {member.type.value}")
        if member.size > MAX_DOCUMENT:
            raise _bomb(where, f"at most {MAX_DOCUMENT} bytes", f"{member.size} bytes")
        found[document] = stream.read(member.size)
        if len(found[document]) != member.size:
            raise _malformed(where, f"{member.size} bytes", "an early end")
        if first and document == _INDEX:
            break
    return found


def _document_at(path: str) -> str | None:
    """Tell which document a path would write, also where case, trailing dots and spaces, and `:stream` do not count."""
    folded = path.casefold()
    if "index.json" not in folded and "about.json" not in folded:
        return None
    folded = "/".join(part.partition(":")[0].rstrip(". ") for part in folded.split("/"))
    return folded if folded in (_INDEX, _ABOUT) else None


def _stored(fileobj: BinaryIO, member: StoredMember, where: str) -> bytes:
    if member.size > MAX_DOCUMENT:
        raise _bomb(where, f"at most {MAX_DOCUMENT} bytes", f"{member.size} bytes")
    data = zip_layout.read_at(fileobj, member.offset, member.size)
    if zlib.crc32(data) != member.crc:
        raise _malformed(where, f"CRC {member.crc:#010x}", f"{zlib.crc32(data):#010x}")
    return data


def _document(data: bytes, where: str) -> Mapping[str, Any]:
    document = strict_json.parse(data, code=Code.ARCHIVE_FORMAT, where=where, limit=MAX_DOCUMENT)
    if not isinstance(document, dict):
        raise _malformed(where, "an object", type(document).__name__)
    return document


def _other_members(names: set[str], file: PackageFile, where: str) -> Malformed:
    shown = ", ".join(f"{name!r:.120}" for name in sorted(names))
    # A whole package that was renamed is told apart from one that is broken.
    stems = {name.partition("-")[2].removesuffix(".tar.zst") for name in names - {_VERSION}}
    if len(stems) == 1 and names == {
        _VERSION,
        *(f"{part}-{stem}.tar.zst" for part in ("info", "pkg") for stem in stems),
    }:
        return Malformed(Finding.of(Code.BIND_METADATA, where, expected=file.stem, found=f"{stems.pop():.200}"))
    return _malformed(where, f"{_VERSION}, info-{file.stem}.tar.zst, pkg-{file.stem}.tar.zst", shown)


def _malformed(where: str, expected: str, found: str) -> Malformed:
    return Malformed(Finding.of(Code.ARCHIVE_FORMAT, where, expected=expected, found=found))


def _bomb(where: str, expected: str, found: str) -> Malformed:
    return Malformed(Finding.of(Code.ARCHIVE_BOMB, where, expected=expected, found=found))
