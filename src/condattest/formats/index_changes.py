"""What to change in the records of an index, what that gave, and what an index lists.

Owns `Changes`, `Applied` and `Listed`, which `monolith` and `shards` take and give, and the names of the sections.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

from condattest.model.artifact import PackageFile, Sha256

FIELD: Final = "attestations_sha256"
"""The record's key that names the sidecar (CEP 50)."""
SECTIONS: Final[Mapping[str, str]] = {"packages": ".tar.bz2", "packages.conda": ".conda"}
"""The sections of an index, with the extension of what they list."""
V3_SECTIONS: Final[Mapping[str, str]] = {"tar.bz2": ".tar.bz2", "conda": ".conda"}
"""The same within `v3` (CEP 48), where names stand without their extension. Others hold no conda packages."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What to change.

    Attributes:
        advertise: By artifact, the sidecar that its record shall name; None for no such key.
        insert: By artifact, the JSON of a whole record, for artifacts that the index does not list.
        about: By artifact, the digest of its bytes: a record of other bytes shall name no sidecar. Records of artifacts
            that are not here are not asked for theirs.
    """

    advertise: Mapping[PackageFile, Sha256 | None]
    insert: Mapping[PackageFile, bytes] = field(default_factory=dict)
    about: Mapping[PackageFile, Sha256] = field(default_factory=dict)

    def named(self, file: PackageFile, sha256: Sha256 | None) -> Sha256 | None:
        """The sidecar that a record of those bytes shall name."""
        return None if self.is_stale(file, sha256) else self.advertise[file]

    def is_stale(self, file: PackageFile, sha256: Sha256 | None) -> bool:
        """Whether a record is about other bytes than the artifact's."""
        return file in self.about and self.about[file] != sha256


@dataclass(frozen=True, slots=True)
class Applied:
    """What changes gave.

    Attributes:
        data: The file's new bytes; the very object that came in if nothing changed.
        present: The artifacts of `advertise` and `insert` that the index lists now.
        changed: Those whose record changed, or is new.
        before: By artifact of `advertise` that is listed, the sidecar that the index named for it before; None where it
            named none that is well-formed, or did not list the artifact.
        stale: Those whose record is about other bytes.
    """

    data: bytes
    present: frozenset[PackageFile]
    changed: frozenset[PackageFile]
    before: Mapping[PackageFile, Sha256 | None]
    stale: frozenset[PackageFile] = frozenset()


@dataclass(frozen=True, slots=True)
class Listed:
    """What an index says of one artifact, as far as publishing asks for it."""

    file: PackageFile
    sha256: Sha256 | None
    attestations_sha256: Sha256 | None


def key_in(section: str, file: PackageFile, *, v3: bool = False) -> str | None:
    """The key under which a section would list an artifact; None if it lists no such kind."""
    if not v3:
        return str(file)
    return file.stem if file.kind == V3_SECTIONS.get(section) else None


def file_in(section: str, key: str, *, v3: bool = False) -> PackageFile | None:
    """The artifact that a key of a section is about; None if it is no conda package's."""
    suffix = V3_SECTIONS.get(section) if v3 else ""
    if suffix is None:
        return None
    try:
        return PackageFile.parse(key + suffix)
    except ValueError:
        return None


def twice(sections: Iterable[tuple[Mapping[str, object], str]]) -> set[str]:
    """The file names that more than one section lists; each section comes with the extension that its keys lack."""
    names = [{key + suffix for key in records} if suffix else records.keys() for records, suffix in sections]
    return {name for one, other in combinations(names, 2) for name in one & other}
