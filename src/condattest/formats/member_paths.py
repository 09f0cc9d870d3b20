"""Which paths and links a package's members may have, given all members before them.

Owns `MemberPaths`. Refuses with ARCHIVE-PATH what would let extraction reach outside of the package's folder, or change
a member that was already judged:

- absolute names, `..`, drive letters, NUL; in info/ also backslashes, which are separators on Windows;
- a member at or beneath a link that came before: `lib -> /etc`, then `lib/passwd`;
- under info/, hard links, and symbolic links that leave the package, in one step or through a chain of them;
- elsewhere, hard links into info/ or through a symbolic link.

Accepted outside info/, since packages have them: hard links between files, and symbolic links to any place: nothing can
be written through them. Installing such a link is the publisher's doing, as is every byte that it signed.
"""

import re
from typing import Final

from condattest.errors import Malformed
from condattest.formats.tar_members import MAX_PATH, Member, MemberType
from condattest.model.finding import Code, Finding

MAX_DEPTH: Final = 128
"""Folders above one member; each costs a look-up."""
MAX_LINKED: Final = 16 * 1024 * 1024
"""Characters of all links' paths, which are kept: some 200,000 links."""

_PLAIN = re.compile(r"(?:(?!\.{1,2}(?:/|$))[^/\\:\0]+)(?:/(?!\.{1,2}(?:/|$))[^/\\:\0]+)*")
_SEPARATOR = re.compile(r"[/\\]")
_ROOTED = re.compile(r"[/\\]|[A-Za-z]:")


class MemberPaths:
    """The paths of one archive, admitted in order."""

    __slots__ = ("_linked", "_links", "_links_folded", "_where")

    def __init__(self, where: str) -> None:
        self._where = where
        self._linked = 0
        self._links: set[str] = set()
        self._links_folded: set[str] = set()

    def admit(self, member: Member) -> str:
        """Return the member's path with `.` and empty segments left out; "" is the package's folder itself.

        Raises:
            Malformed: ARCHIVE-PATH, or ARCHIVE-BOMB for absurd numbers of links.
        """
        path = self._path(member.name)
        if self._links and (path in self._links or self._is_beneath_link(path)):
            raise self._refused("a member of its own", f"{path!r:.200}, at or beneath a link")
        if member.type in (MemberType.SYMLINK, MemberType.HARDLINK):
            self._admit_link(path, member)
        elif not path and member.type is MemberType.FILE:
            raise self._refused("the name of a file", f"{member.name!r:.200}")
        return path

    def _path(self, name: str) -> str:
        if len(name) > MAX_PATH or name.count("/") > MAX_DEPTH:
            raise self._refused(f"a path of {MAX_PATH} characters and {MAX_DEPTH} folders", f"{name!r:.200}")
        if _PLAIN.fullmatch(name):
            return name
        path = "/".join(part for part in name.split("/") if part not in ("", "."))
        if _ROOTED.match(name) or _ROOTED.match(path) or "\0" in name or ".." in _SEPARATOR.split(name):
            raise self._refused("a path inside the package", f"{name!r:.200}")
        if "\\" in path and _is_info(path.replace("\\", "/")):
            raise self._refused("a path without backslashes in info/", f"{name!r:.200}")
        return path

    def _is_beneath_link(self, path: str) -> bool:
        # Folded, for file systems that fold: no tree on one that does not has both `Lib` as a link and `lib/x`.
        folded = path.casefold()
        end = folded.find("/")
        while end >= 0:
            if folded[:end] in self._links_folded:
                return True
            end = folded.find("/", end + 1)
        return False

    def _admit_link(self, path: str, member: Member) -> None:
        if not path or path.casefold() == "info":
            raise self._refused("a folder", f"a {member.type.value} at {member.name!r:.200}")
        found = f"a {member.type.value} {path!r:.200} to {member.target!r:.200}"
        if member.type is MemberType.HARDLINK:
            target = self._path(member.target)
            if _is_info(path) or _is_info(target):
                raise self._refused("no hard link in or into info/", found)
            if target in self._links or self._is_beneath_link(target):
                raise self._refused("a hard link to a file", found)
        elif _is_info(path):
            # `..` after a name may leave through the link of that name; in front, it climbs real folders.
            parts = member.target.split("/")
            climbing = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
            outside = climbing > path.count("/") or ".." in parts[climbing:]
            if outside or not member.target or _ROOTED.match(member.target) or "\\" in member.target:
                raise self._refused("a link that stays in the package", found)
        self._linked += len(path)
        if self._linked > MAX_LINKED:
            expected = f"links of at most {MAX_LINKED} characters"
            raise Malformed(Finding.of(Code.ARCHIVE_BOMB, self._where, expected=expected, found="more"))
        self._links.add(path)
        self._links_folded.add(path.casefold())

    def _refused(self, expected: str, found: str) -> Malformed:
        return Malformed(Finding.of(Code.ARCHIVE_PATH, self._where, expected=expected, found=found))


def _is_info(path: str) -> bool:
    return path[:5].casefold() in ("info", "info/")
