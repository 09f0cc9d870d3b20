"""Targets of what a lock file or an installed environment lists: nothing is left out without being counted.

Owns `Listing`, `of_lock` and `of_prefix`. Rows that name the same archive with the same digest are one target. An
environment is read from its `conda-meta` alone, which says what a client linked; the files that it linked are not
hashed again, and a `repodata_record.json` in a package cache is not looked at.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from condattest.errors import LocalFailure, Malformed, Misuse
from condattest.formats import conda_meta, lockfile
from condattest.formats.conda_meta import Installed
from condattest.formats.lockfile import Entry, WrongLock
from condattest.model.artifact import PackageFile
from condattest.model.channel import redact
from condattest.model.finding import Code, Finding
from condattest.operations import targets
from condattest.operations.targets import FileTarget, RefusedTarget, Target
from condattest.transport import files

MAX_INSTALLED: Final = 20_000
"""Packages of one environment; large ones have 2,000."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What one lock file or environment lists.

    Attributes:
        source: The file or folder.
        kind: Which of the two.
        format: What wrote it.
        targets: What is to be verified.
        repeated: Rows that say again what another one says.
        pypi: Rows of Python packages, which are no conda packages.
        source_builds: Rows of packages that are built from source, so that there is no archive yet.
        unselected: Rows that a selection left out.
    """

    source: Path
    kind: Literal["lock", "prefix"]
    format: str
    targets: tuple[Target, ...]
    repeated: int = 0
    pypi: int = 0
    source_builds: int = 0
    unselected: int = 0

    @property
    def listed(self) -> int:
        """All rows: what is verified, and what is not."""
        return len(self.targets) + self.repeated + self.pypi + self.source_builds + self.unselected


def of_lock(path: Path, environments: Iterable[str] = (), platforms: Iterable[str] = ()) -> Listing:
    """Read a lock file.

    Args:
        path: The file.
        environments: The environments to take; all if there are none.
        platforms: The platforms to take; all if there are none.

    Raises:
        Misuse: It is no file, or no lock file, or it knows no such environment or platform.
        LocalFailure: It cannot be read.
    """
    where = str(path)
    lock = lockfile.parse(files.read_bounded(path, lockfile.MAX_LOCK), where=where)
    lock = lockfile.selected(lock, environments, platforms, where=where)
    distinct: dict[tuple[str, str | None, str | None], Target] = {}
    for entry in lock.entries:
        key = (entry.url, entry.sha256, entry.md5)
        if key not in distinct:
            distinct[key] = _locked(entry, path)
    pypi = sum(other.kind == "pypi" for other in lock.others)
    return Listing(
        path,
        "lock",
        lock.format,
        tuple(distinct.values()),
        repeated=len(lock.entries) - len(distinct),
        pypi=pypi,
        source_builds=len(lock.others) - pypi,
        unselected=lock.unselected,
    )


def of_prefix(path: Path) -> Listing:
    """Read what is installed in an environment.

    Raises:
        Misuse: It is no conda environment.
        LocalFailure: Its `conda-meta` cannot be read.
    """
    folder = path / "conda-meta"
    try:
        with os.scandir(folder) as found:
            names = sorted(each.name for each in found if each.name.endswith(conda_meta.SUFFIX))
    except (FileNotFoundError, NotADirectoryError):
        hint = "give the folder of an environment: conda info --envs shows them, pixi has them in .pixi/envs"
        raise Misuse(f"{path}: expected a conda environment, found no conda-meta in it", hint=hint) from None
    except OSError as error:
        raise LocalFailure(f"{folder}: cannot be read: {error.strerror}") from None
    if len(names) > MAX_INSTALLED:
        raise Misuse(f"{path}: expected at most {MAX_INSTALLED} installed packages, found {len(names)}")
    return Listing(path, "prefix", "conda-meta", tuple(_installed(folder, name) for name in names))


def _installed(folder: Path, name: str) -> Target:
    try:
        said = conda_meta.parse(files.read_bounded(folder / name, conda_meta.MAX_META), name)
        return _target(said.url, said)
    except Malformed as error:
        return RefusedTarget(str(folder / name), error.finding)
    except (Misuse, LocalFailure) as error:  # A pipe, a link to nowhere, or a URL that is none of a channel.
        return RefusedTarget(str(folder / name), Finding.of(Code.BIND_INSTALLED, name, found=error))


def _locked(entry: Entry, lock: Path) -> Target:
    try:
        return _target(entry.url, entry, beside=lock.parent)
    except Misuse as error:
        raise WrongLock(f"{entry.where}: {error}", hint=error.hint) from None


def _target(url: str, said: Entry | Installed, *, beside: Path | None = None) -> Target:
    path = _path(url, beside)
    if path is None:
        target = targets.listed(url, said.sha256, said.held, locked=True)
        _check_names(said, target.file, target.subdir)
        return target
    try:
        file = PackageFile.parse(path.name)
    except ValueError as error:
        raise Misuse(f"{redact(url)}: {error}") from None
    _check_names(said, file)
    md5 = said.md5 if isinstance(said, Entry) else "unknown"
    if said.sha256 is None and md5 is not None:
        finding = Finding.of(Code.BIND_NO_DIGEST, path, expected="sha256", found="md5 alone")
        return RefusedTarget(str(path), finding, file)
    return FileTarget(path, file, said.sha256)


def _check_names(said: Entry | Installed, file: PackageFile, subdir: str | None = None) -> None:
    """What a row says of its archive has to be what its URL says: one is verified, the other may be installed."""
    held = said.held or {}
    for key, expected in (
        ("name", file.name), ("version", file.version), ("build", file.build), ("subdir", subdir),
    ):  # fmt: skip
        if key in held and expected is not None and str(held[key]) != expected:
            found = ascii(held[key])[:80]
            raise Misuse(f"{redact(str(file))}: {key}: expected {expected}, by its URL, found {found}")


def _path(url: str, beside: Path | None) -> Path | None:
    """The path that a location is; None for a URL."""
    if url.lower().startswith("file://"):
        return _of_file_url(url)
    if "://" in url:
        return None
    return Path(url) if beside is None else beside / url


def _of_file_url(url: str) -> Path:
    from urllib.request import url2pathname

    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise Misuse(f"{ascii(url)[1:-1]:.200}: expected a file URL, found another text: {error}") from None
    path = url2pathname(parts.path)
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment or "\0" in path:
        raise Misuse(f"{ascii(redact(url))[1:-1]:.200}: expected a file URL of this machine, file:///PATH")
    return Path(path)
