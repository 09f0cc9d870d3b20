"""`@EXPLICIT` lists: a URL a line, with a digest behind `#`, as conda, mamba, micromamba and pixi write them.

Owns `looks_like` and `parse`.

    # This file may be used to create an environment using:
    # $ conda create --name <env> --file <this file>
    # platform: linux-64
    @EXPLICIT
    https://conda.example/channel/linux-64/zlib-1.3.1-hb9d3cd8_2.conda#<64 hex: sha256>
    https://conda.example/channel/noarch/tzdata-2025b-h04d1e81_0.conda#sha256:<64 hex>
    https://conda.example/channel/noarch/older-1.0-0.tar.bz2#<32 hex: md5>
    file:///srv/packages/local-1.0-0.conda

Refuses a line that is none of these, and a relative path: conda reads it from wherever it is started.
"""

import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import Final

from condattest.formats.locked_fields import is_archive, is_path, location
from condattest.formats.lockfile import Entry, Lock, WrongLock
from condattest.model.artifact import Sha256
from condattest.model.channel import redact

MARK: Final = "@EXPLICIT"
_PLATFORM = re.compile(r"#\s*platform:\s*([a-z0-9]+-[a-z0-9_]+|noarch)\s*", re.ASCII)
_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.ASCII)
_MD5 = re.compile(r"(?:md5:)?([0-9a-f]{32})", re.ASCII)
_SUBDIR = re.compile(r"[a-z0-9]+-[a-z0-9_]+", re.ASCII)
_HINT: Final = "conda list --explicit --sha256 > FILE writes such a list"


def looks_like(data: bytes) -> bool:
    """Whether the first line that is no comment is the mark."""
    for line in data.splitlines():
        bare = line.strip()
        if bare and not bare.startswith(b"#"):
            return bare == MARK.encode()
    return False


def parse(data: bytes, *, where: str) -> Lock:
    """Read a list.

    Raises:
        WrongLock: A line is none that such a list may have.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise WrongLock(f"{where}: expected UTF-8 text, found other bytes", hint=_HINT) from None
    platform: str | None = None
    found: list[tuple[str, str]] = []
    # Every character that any reader takes for the end of a line ends one: nothing hides behind a comment.
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.strip()
        said = _PLATFORM.fullmatch(bare)
        if said is not None:
            platform = said[1]
        elif bare and bare != MARK and not bare.startswith("#"):
            found.append((f"{where}: line {number}", bare))
    entries = [_entry(line, at, platform) for at, line in found]
    # A list without a platform: what is in noarch is for each of those that the others name.
    named = {_subdir(each) for each in entries} if platform is None else {platform}
    platforms = tuple(sorted(each for each in named if each not in (None, "noarch"))) or ("noarch",)
    placed = [_placed(each, platforms) for each in entries] if platform is None else entries
    return Lock("explicit", tuple(placed), platforms=platforms)


def _entry(line: str, where: str, platform: str | None) -> Entry:
    url, mark, digest = line.partition("#")
    location(url, where)
    if not is_archive(url) or any(character.isspace() for character in url):
        raise WrongLock(
            f"{where}: expected the URL of a .conda or .tar.bz2 file, found {ascii(redact(line))[:120]}", hint=_HINT
        )
    if is_path(url) and not (PurePosixPath(url).is_absolute() or PureWindowsPath(url).is_absolute()):
        raise WrongLock(f"{where}: expected a URL or an absolute path, found {ascii(url)[:120]}", hint=_HINT)
    sha256, md5 = _SHA256.fullmatch(digest), _MD5.fullmatch(digest)
    if mark and sha256 is None and md5 is None:
        raise WrongLock(f"{where}: expected a sha256 or md5 behind #, found {ascii(digest)[:80]}", hint=_HINT)
    return Entry(
        url,
        where,
        None if sha256 is None else Sha256(sha256[1]),
        None if md5 is None else md5[1],
        () if platform is None else (platform,),
    )


def _subdir(entry: Entry) -> str | None:
    parts = entry.url.replace("\\", "/").split("/")
    named = parts[-2] if len(parts) > 1 else ""
    return named if named == "noarch" or _SUBDIR.fullmatch(named) else None


def _placed(entry: Entry, platforms: tuple[str, ...]) -> Entry:
    subdir = _subdir(entry)
    own = (subdir,) if subdir in platforms and subdir is not None else platforms
    return Entry(entry.url, entry.where, entry.sha256, entry.md5, own)
