"""What a client wrote down of a package that it installed: `<prefix>/conda-meta/<name>-<version>-<build>.json`.

Owns `Installed` and `parse`.

    {"name": "zlib", "version": "1.3.1", "build": "hb9d3cd8_2", "subdir": "linux-64",
     "channel": "https://conda.example/channel/linux-64", "fn": "zlib-1.3.1-hb9d3cd8_2.conda",
     "url": "https://conda.example/channel/linux-64/zlib-1.3.1-hb9d3cd8_2.conda",
     "sha256": "0123...", "depends": ["libgcc >=13"], "files": [...], "paths_data": {...}, "link": {...}}

The index record as the solver had it, and how it was linked; conda, mamba and pixi write it. Refuses (BIND-INSTALLED)
what is not strict JSON, what lacks a URL, and names that disagree with each other, since one of them would be verified
and another one installed. A missing sha256 is kept as None: it is for the verification to refuse.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from condattest.errors import Malformed
from condattest.formats import strict_json
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.channel import Channel, canonical, redact
from condattest.model.finding import Code, Finding

SUFFIX: Final = ".json"
MAX_META: Final = 128 * 1024 * 1024
"""Bytes of one file: it lists every path of the package, and the largest packages have 300,000."""

_SUBDIR = re.compile(r"noarch|[a-z0-9]+-[a-z0-9_]+", re.ASCII)
# How it was linked, and where it lies: nothing of the index record.
_OWN: Final = frozenset(
    {
        "auth", "channel", "extracted_package_dir", "files", "fn", "installed_system_menus", "link", "noarch_python",
        "package_tarball_full_path", "paths_data", "requested_spec", "requested_specs", "schannel", "url",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Installed:
    """One installed package.

    Attributes:
        url: Where it came from, as it is written: it may hold credentials.
        file: Its file name.
        sha256: The digest of its archive, if the client wrote it down.
        held: The index record as the client had it.
    """

    url: str
    file: PackageFile
    sha256: Sha256 | None
    held: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Installed({redact(self.url)!r}, {self.sha256!r})"


def parse(data: bytes, name: str) -> Installed:
    """Read one file.

    Args:
        data: All of it.
        name: Its file name in `conda-meta`.

    Raises:
        Malformed: BIND-INSTALLED.
    """
    said = strict_json.parse(data, code=Code.BIND_INSTALLED, where=name, limit=MAX_META)
    if not isinstance(said, dict):
        raise _refused(name, "", "an object", type(said).__name__)
    url = _text(said, "url", name)
    file = _file(unquote(url.rsplit("/", 1)[-1]), "url", name)
    for key, expected in (
        ("fn", str(file)), ("name", file.name), ("version", file.version), ("build", file.build),
    ):  # fmt: skip
        if said.get(key) != expected:
            raise _refused(name, key, f"{expected}, by its URL", said.get(key))
    if name != file.stem + SUFFIX:
        raise _refused(name, "", f"the file name {file.stem}{SUFFIX}", name)
    _check_place(said, url, name)
    digest = said.get("sha256")
    try:
        sha256 = None if digest is None else Sha256(digest if isinstance(digest, str) else "")
    except ValueError:
        raise _refused(name, "sha256", "64 lowercase hex digits", digest) from None
    return Installed(url, file, sha256, {key: value for key, value in said.items() if key not in _OWN})


def _check_place(said: Mapping[str, Any], url: str, name: str) -> None:
    """The subdir and the channel are those of the URL, as far as they are said; a channel may be said by its name."""
    base, _, subdir = url.rpartition("/")[0].rpartition("/")
    if not _SUBDIR.fullmatch(subdir):
        return  # A file of no channel: whoever installed it named a path.
    if said.get("subdir", subdir) != subdir:
        raise _refused(name, "subdir", f"{subdir}, by its URL", said["subdir"])
    channel = said.get("channel")
    if channel is None or (isinstance(channel, str) and "://" not in channel):
        return
    try:
        expected, found = canonical(base), canonical(channel if isinstance(channel, str) else "")
    except ValueError as error:
        raise _refused(name, "channel", "a channel's URL", error) from None
    if found not in (expected, Channel(f"{expected}/{subdir}")):
        raise _refused(name, "channel", f"{expected}, by its URL", found)


def _text(said: Mapping[str, Any], key: str, name: str) -> str:
    value = said.get(key)
    if not isinstance(value, str) or not value:
        raise _refused(name, key, "a text", value)
    return value


def _file(text: str, key: str, name: str) -> PackageFile:
    try:
        return PackageFile.parse(text)
    except ValueError as error:
        raise _refused(name, key, "a package's URL", error) from None


def _refused(name: str, key: str, expected: str, found: object) -> Malformed:
    shown = "nothing" if found is None else redact(str(found))[:200]
    return Malformed(Finding.of(Code.BIND_INSTALLED, f"{name}: {key}" if key else name, expected=expected, found=shown))
