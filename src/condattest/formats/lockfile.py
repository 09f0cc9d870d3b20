"""Lock files: the packages that a solver once chose, by URL and digest, and which of their formats a text is.

Owns `Lock`, `Entry`, `Other`, `WrongLock`, `parse` and `selected`. Each format is read in a module of its own:

    @EXPLICIT            lists by conda, mamba, micromamba and pixi        lockfile_explicit
    metadata: package:   conda-lock.yml, version 1                         lockfile_conda
    version: 6 or 7      pixi.lock                                         lockfile_pixi

Nothing of a lock file is passed over: what is a conda archive is an `Entry`, what is not (a wheel, a package that is
built from source) is an `Other`, and anything else is refused, whole. A lock file that two readers could understand
differently is refused too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from condattest.errors import Misuse
from condattest.model.artifact import Sha256
from condattest.model.channel import redact

MAX_LOCK: Final = 32 * 1024 * 1024
"""Bytes of a lock file; those of large workspaces have some 3 MB."""

Kind = Literal["pypi", "source"]


class WrongLock(Misuse):
    """A text is not a lock file that can be read; the hint says which can."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One conda archive of a lock file.

    Attributes:
        url: Its URL, or a path, as it is written: it may hold credentials.
        where: Its place in the lock file.
        sha256: The digest that the archive must have, if the lock says it.
        md5: The older digest, which proves nothing.
        platforms: The platforms that it is locked for; none where the lock names none.
        environments: The environments that it is in; none where the lock knows none.
        held: The index record as the lock has it, where it has one.
    """

    url: str
    where: str
    sha256: Sha256 | None = None
    md5: str | None = None
    platforms: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    held: Mapping[str, Any] | None = field(default=None, hash=False)

    def __repr__(self) -> str:
        return f"Entry({redact(self.url)!r}, {self.where!r}, {self.sha256!r})"


@dataclass(frozen=True, slots=True)
class Other:
    """Something that a lock file lists, and that is no conda archive: a wheel, or what is built from source."""

    kind: Kind
    name: str
    platforms: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lock:
    """What a lock file lists.

    Attributes:
        format: What wrote it: `explicit`, `conda-lock 1`, `pixi 6`, `pixi 7`.
        entries: The conda archives.
        others: All else.
        environments: The environments that it names, none in formats without them.
        platforms: The platforms that it names.
        unselected: How many of its lines a selection left out.
    """

    format: str
    entries: tuple[Entry, ...]
    others: tuple[Other, ...] = ()
    environments: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    unselected: int = 0

    @property
    def listed(self) -> int:
        """How many lines it has: conda archives, all else, and what was left out."""
        return len(self.entries) + len(self.others) + self.unselected


def parse(data: bytes, *, where: str) -> Lock:
    """Read a lock file of any of the formats.

    Args:
        data: The whole file.
        where: What to call it: its path.

    Raises:
        WrongLock: It is none of them, or not as its format says.
    """
    from condattest.formats import lockfile_conda, lockfile_explicit, lockfile_pixi, strict_yaml

    if len(data) > MAX_LOCK:
        raise WrongLock(f"{where}: expected a lock file of at most {MAX_LOCK} bytes, found {len(data)}")
    if lockfile_explicit.looks_like(data):
        return lockfile_explicit.parse(data, where=where)
    try:
        document = strict_yaml.parse(data)
    except strict_yaml.NotStrict as error:
        hint = "lock files are written by conda list --explicit, conda-lock and pixi; make it again with one of them"
        raise WrongLock(f"{where}: line {error.line}: {error.problem}", hint=hint) from None
    if isinstance(document, dict) and "package" in document and "metadata" in document:
        return lockfile_conda.read(document, where=where)
    if isinstance(document, dict) and "environments" in document and "version" in document:
        return lockfile_pixi.read(document, where=where)
    found = "keys " + ", ".join(sorted(document)[:5]) if isinstance(document, dict) and document else "something else"
    raise WrongLock(
        f"{where}: expected an @EXPLICIT list, a conda-lock.yml or a pixi.lock, found {ascii(found)[1:-1]:.200}",
        hint="conda list --explicit --sha256 > FILE writes one of an environment",
    )


def selected(lock: Lock, environments: Iterable[str], platforms: Iterable[str], *, where: str) -> Lock:
    """Return what a lock file lists for some environments and platforms; for all where none are named.

    Raises:
        WrongLock: The lock file knows no such environment or platform.
    """
    wanted = (frozenset(environments), frozenset(platforms))
    for what, names, known in zip(
        ("environment", "platform"), wanted, (lock.environments, lock.platforms), strict=True
    ):
        for name in sorted(names - set(known)):
            found = ", ".join(known) or f"no {what} at all"
            raise WrongLock(f"{where}: expected the {what} {name!r}, found {found}", hint=f"leave --{what} out for all")
    entries = tuple(each for each in lock.entries if _is_in(each, *wanted))
    others = tuple(each for each in lock.others if _is_in(each, *wanted))
    left = lock.unselected + len(lock.entries) + len(lock.others) - len(entries) - len(others)
    return Lock(lock.format, entries, others, lock.environments, lock.platforms, left)


def _is_in(each: Entry | Other, environments: frozenset[str], platforms: frozenset[str]) -> bool:
    in_environment = not environments or not environments.isdisjoint(each.environments)
    return in_environment and (not platforms or not platforms.isdisjoint(each.platforms))
