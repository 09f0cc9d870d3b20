"""Are these extracted files those of that archive, byte for byte?

Owns `compare`. An installer links what lies extracted in its package cache, and that folder is writable: what was
verified is the archive. So the archive is read again, member by member, and each is held against the file on disk. What
the archive does not have is refused, too: conda runs scripts that it merely finds (`bin/.NAME-pre-link.sh`). The
archive's own `info/paths.json` is not asked: it need not list all files, nor where symbolic links lead.

Not looked at: permissions, times, and folders without files.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final

from condattest.errors import LocalFailure, Malformed
from condattest.formats import package, strict_json
from condattest.formats.tar_members import Member, MemberType
from condattest.formats.unpacked import Unpacked
from condattest.model.artifact import PackageFile
from condattest.model.finding import Code, Finding

ADDED: Final = frozenset({"info/repodata_record.json"})
"""What installers write into the folder themselves: where the package came from."""
_PART: Final = 512 * 1024
_INDEX: Final = "info/index.json"
_SAME: Final = ("", "")


def compare(archive: BinaryIO, file: PackageFile, folder: Path, subdir: str | None = None) -> Mapping[str, object]:
    """Hold an extracted package against its archive, and what it says of itself against its name.

    Args:
        archive: The archive that was verified, open.
        file: Its file name.
        folder: Where it was extracted.
        subdir: The subdir that it should be of, if that is known.

    Returns:
        The archive's info/index.json.

    Raises:
        Malformed: ARCHIVE-EXTRACTED; ARCHIVE-* and BIND-METADATA for the archive itself.
        LocalFailure: Something cannot be read.
    """
    # By path, what was expected and what was found. A path that stands twice in an archive is the later one.
    unlike: dict[str, tuple[str, str]] = {}
    index = b""
    try:
        for path, member, stream in package.members(archive, file):
            if member.type is MemberType.DIRECTORY:
                continue
            if path == _INDEX:
                index = stream.read(min(member.size, package.MAX_DOCUMENT))
                unlike[path] = _unlike_bytes(folder, path, iter([index]), len(index))
            else:
                unlike[path] = _unlike(folder, path, member, stream)
        for path, difference in unlike.items():
            if difference != _SAME:
                raise _refused(folder, path, *difference)
        for path in _files(folder):
            if path not in unlike and path not in ADDED:
                raise _refused(folder, path, "nothing", "a file that the archive does not have")
    except OSError as error:
        raise LocalFailure(f"{error.filename or folder}: cannot be read: {error.strerror}") from None
    where = f"{file}: {_INDEX}"
    document = strict_json.parse(index, code=Code.ARCHIVE_FORMAT, where=where, limit=package.MAX_DOCUMENT)
    if not isinstance(document, dict):
        found = type(document).__name__
        raise Malformed(Finding.of(Code.ARCHIVE_FORMAT, where, expected="an object", found=found))
    package.check(package.PackageMetadata(document, None), file, subdir)
    return document


def _unlike(folder: Path, path: str, member: Member, stream: Unpacked) -> tuple[str, str]:
    match member.type:
        case MemberType.SYMLINK:
            return _unlike_link(folder, path, member.target)
        case MemberType.HARDLINK:
            return _unlike_hardlink(folder, path, member.target)
        case _:
            return _unlike_bytes(folder, path, _parts(stream, member.size), member.size)


def _unlike_link(folder: Path, path: str, target: str) -> tuple[str, str]:
    kind = _kind(folder / path)
    if kind != "a symbolic link":
        return f"a symbolic link to {target!r:.200}", kind
    found = os.readlink(folder / path)
    return _SAME if found == target else (f"a link to {target!r:.200}", f"a link to {found!r:.200}")


def _unlike_hardlink(folder: Path, path: str, target: str) -> tuple[str, str]:
    # Its target is a member, and so it is compared itself; some systems get a copy.
    kinds = _kind(folder / path), _kind(folder / target)
    if kinds != ("a file", "a file"):
        return f"the same file as {target!r:.200}", next(kind for kind in kinds if kind != "a file")
    if os.path.samefile(folder / path, folder / target):
        return _SAME
    with open(folder / target, "rb") as original:
        size = os.fstat(original.fileno()).st_size
        return _unlike_bytes(folder, path, iter(lambda: original.read(_PART), b""), size)


def _unlike_bytes(folder: Path, path: str, parts: Iterator[bytes], size: int) -> tuple[str, str]:
    kind = _kind(folder / path)
    if kind != "a file":
        return "a file", kind
    with open(folder / path, "rb") as opened:
        found = os.fstat(opened.fileno()).st_size
        if found != size:
            return f"{size} bytes", f"{found} bytes"
        for part in parts:
            if opened.read(len(part)) != part:
                return "the archive's bytes", "other bytes"
        return ("the archive's bytes", "more bytes") if opened.read(1) else _SAME


def _parts(stream: Unpacked, size: int) -> Iterator[bytes]:
    while size > 0 and (part := stream.read(min(size, _PART))):
        size -= len(part)
        yield part


def _kind(path: Path) -> str:
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "nothing"
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    return "a file" if stat.S_ISREG(mode) else "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"


def _files(folder: Path, beneath: str = "") -> Iterator[str]:
    """Yield the path of all that is no folder; no symbolic link is followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            path = f"{beneath}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path), f"{path}/")
            else:
                yield path


def _refused(folder: Path, path: str, expected: str, found: str) -> Malformed:
    return Malformed(Finding.of(Code.ARCHIVE_EXTRACTED, folder / path, expected=expected, found=found))
