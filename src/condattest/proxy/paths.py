"""What the path of a request names. There is no other way to an upstream URL than through these values.

Owns `Resource`, its kinds, and `parse`. Each segment is decoded by itself and must be one of a few known forms, so that
`..`, an escaped slash, an absolute URL or another file of the channel's host names nothing.

    /NAME/channeldata.json
    /NAME/SUBDIR/repodata.json[.zst|.bz2]          and current_repodata, repodata_from_packages
    /NAME/SUBDIR/repodata_shards.msgpack.zst       and repodata_shards_from_packages
    /NAME/SUBDIR/shards/SHA256.msgpack.zst
    /NAME/SUBDIR/PACKAGE[.sigs[.SHA256]]
    /NAME/SUBDIR/run_exports.json[.zst|.bz2]
    /NAME/SUBDIR/patches/FILE
    /-/report, /-/report.json
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote, unquote

from condattest.formats.sidecar import MAX_SIDECAR, SUFFIX
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.channel import Channel

Coding = Literal["", ".zst", ".bz2"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
"""What a channel may be called."""
REPORT: Final = "-"
"""The first segment of the proxy's own pages; no channel's name."""
MAX_AS_IS: Final = 512 * 1024 * 1024
"""Bytes of a file that is passed on as it is; the largest run_exports.json has some 40 MB."""

_SUBDIR = re.compile(r"noarch|[a-z0-9]+-[a-z0-9_]+", re.ASCII)
_INDEX = re.compile(r"(repodata|current_repodata|repodata_from_packages)\.json(|\.zst|\.bz2)", re.ASCII)
_SHARD_INDEX = re.compile(r"(repodata_shards(?:_from_packages)?)\.msgpack\.zst", re.ASCII)
_SHARD = re.compile(r"([0-9a-f]{64})\.msgpack\.zst", re.ASCII)
_SIDECAR = re.compile(re.escape(SUFFIX) + r"(?:\.[0-9a-f]{64})?\Z", re.ASCII)
_RUN_EXPORTS = re.compile(r"run_exports\.json(?:\.zst|\.bz2)?", re.ASCII)
_PATCHES = re.compile(
    r"head\.json|[1-9][0-9]{0,8}\.sigs|[0-9a-f]{64}\.(?:log|(?:map|delta|shard)\.json\.zst)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class IndexFile:
    """A JSON index, plain or compressed."""

    name: str
    channel: Channel
    subdir: str
    base: str
    coding: Coding

    @property
    def url(self) -> str:
        """Where the channel has it."""
        return f"{self.channel.url}/{self.subdir}/{self.base}.json{self.coding}"

    def __str__(self) -> str:
        return f"{self.name}/{self.subdir}/{self.base}.json{self.coding}"


@dataclass(frozen=True, slots=True)
class ShardIndexFile:
    """An index of shards."""

    name: str
    channel: Channel
    subdir: str
    base: str

    @property
    def url(self) -> str:
        """Where the channel has it."""
        return f"{self.channel.url}/{self.subdir}/{self.base}.msgpack.zst"

    def __str__(self) -> str:
        return f"{self.name}/{self.subdir}/{self.base}.msgpack.zst"


@dataclass(frozen=True, slots=True)
class ShardFile:
    """A shard, by the digest under which the proxy's own index of shards names it."""

    name: str
    channel: Channel
    subdir: str
    digest: Sha256

    def __str__(self) -> str:
        return f"{self.name}/{self.subdir}/shards/{self.digest}.msgpack.zst"


@dataclass(frozen=True, slots=True)
class PackagePath:
    """A package."""

    name: str
    channel: Channel
    subdir: str
    file: PackageFile

    @property
    def url(self) -> str:
        """Where the channel has it."""
        return f"{self.channel.url}/{self.subdir}/{quote(str(self.file))}"

    def __str__(self) -> str:
        return f"{self.name}/{self.subdir}/{self.file}"


@dataclass(frozen=True, slots=True)
class AsIs:
    """A file that is passed on as it is: nobody installs it, and who reads it verifies it."""

    name: str
    channel: Channel
    path: str
    limit: int

    @property
    def url(self) -> str:
        """Where the channel has it."""
        return f"{self.channel.url}/{quote(self.path)}"

    def __str__(self) -> str:
        return f"{self.name}/{self.path}"


@dataclass(frozen=True, slots=True)
class Report:
    """What was left out, and why."""

    form: Literal["html", "json"]

    def __str__(self) -> str:
        return f"-/report ({self.form})"


Resource = IndexFile | ShardIndexFile | ShardFile | PackagePath | AsIs | Report


def parse(raw: bytes, channels: Mapping[str, Channel]) -> Resource | None:
    """Read the path of a request, as it stands in the request line without the query; None if it names nothing."""
    try:
        segments = [unquote(segment, errors="strict") for segment in raw.decode("ascii").split("/")]
    except UnicodeDecodeError:
        return None
    match segments:
        case ["", "-", "report"]:
            return Report("html")
        case ["", "-", "report.json"]:
            return Report("json")
        case ["", name, "channeldata.json" as file] if name in channels:
            return AsIs(name, channels[name], file, MAX_AS_IS)
        case ["", name, subdir, *rest] if name in channels and _SUBDIR.fullmatch(subdir):
            return _in_subdir(name, channels[name], subdir, rest)
    return None


def _in_subdir(name: str, channel: Channel, subdir: str, rest: list[str]) -> Resource | None:
    match rest:
        case [file]:
            return _file(name, channel, subdir, file)
        case ["shards", file] if match := _SHARD.fullmatch(file):
            return ShardFile(name, channel, subdir, Sha256(match[1]))
        case ["patches", file] if _PATCHES.fullmatch(file):
            return AsIs(name, channel, f"{subdir}/patches/{file}", MAX_AS_IS)
    return None


def _file(name: str, channel: Channel, subdir: str, file: str) -> Resource | None:
    if match := _INDEX.fullmatch(file):
        codings: dict[str, Coding] = {"": "", ".zst": ".zst", ".bz2": ".bz2"}
        return IndexFile(name, channel, subdir, match[1], codings[match[2]])
    if match := _SHARD_INDEX.fullmatch(file):
        return ShardIndexFile(name, channel, subdir, match[1])
    if _RUN_EXPORTS.fullmatch(file):
        return AsIs(name, channel, f"{subdir}/{file}", MAX_AS_IS)
    sidecar = _SIDECAR.search(file)
    try:
        package = PackageFile.parse(file[: sidecar.start()] if sidecar else file)
    except ValueError:
        return None
    if sidecar:
        return AsIs(name, channel, f"{subdir}/{file}", MAX_SIDECAR)
    return PackagePath(name, channel, subdir, package)
