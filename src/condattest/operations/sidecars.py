"""The sidecars of one subdir in a store: read them, and append to them so that nothing is ever lost.

Owns `Shelf`, `Head`, `Joining` and `SCHEDULE`. Each artifact has one mutable `<artifact>.sigs` and, for each state that
it ever had, an immutable `<artifact>.sigs.<sha256>`. The order of writing is CEP 50's: hashed, mutable, and then the
index, which is not this module's. Writers race: whoever finds the mutable sidecar changed under its hands joins what is
there now. A version that the index names is always joined too, so that a mutable sidecar that somebody put back to an
older state takes no attestation away.

Spec: https://github.com/conda/ceps/blob/main/cep-0050.md
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import stamina

from condattest.errors import Conflict, Malformed, NotFound, TooLarge
from condattest.formats import sidecar, statement
from condattest.formats.bundle import Bundle
from condattest.formats.sidecar import MAX_SIDECAR, Sidecar
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.attestations import advertised_sidecar
from condattest.transport.store import Store, Stored

SCHEDULE: Final[Mapping[str, Any]] = {
    "on": Conflict,
    "attempts": 100,
    "timeout": 600.0,
    "wait_initial": 0.02,
    "wait_max": 2.0,
    "wait_jitter": 0.2,
}
"""How long a writer goes on when others are faster. One of them wins each round, so all of them end."""

Choose = Callable[[Sequence[bytes]], Sequence[bytes]]
"""Given the elements that are there, says which bundles to append."""


@dataclass(frozen=True, slots=True)
class Head:
    """The current sidecar of an artifact.

    Attributes:
        sha256: Its digest.
        appended: How many elements the call appended.
        written: The paths that the call wrote.
    """

    sha256: Sha256
    appended: int
    written: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shelf:
    """The sidecars in one subdir of a store."""

    store: Store
    subdir: str

    def path(self, file: PackageFile, digest: Sha256 | None = None) -> str:
        """The path of an artifact's mutable sidecar, or of the hashed one of that digest."""
        return f"{self.subdir}/{file}{sidecar.SUFFIX}" + (f".{digest}" if digest is not None else "")

    def current(self, file: PackageFile, known: Mapping[Sha256, Sidecar] | None = None) -> Sidecar | None:
        """The mutable sidecar; None where there is none.

        Args:
            file: The artifact.
            known: Sidecars that need no parsing again.

        Raises:
            Malformed: SIDECAR-*: it is none.
            Unavailable, LocalFailure: The store cannot be read.
        """
        path = self.path(file)
        stored = self._read(path)
        if stored is None:
            return None
        found = (known or {}).get(Sha256(hashlib.sha256(stored.data).hexdigest()))
        return found or sidecar.parse(stored.data, where=f"{self.store.name}/{path}")

    def hashed(self, file: PackageFile, digest: Sha256) -> Sidecar | None:
        """The hashed sidecar of a digest; None where there is none.

        Raises:
            Malformed: SIDECAR-*: its bytes are not those of the digest, or it is no sidecar.
            Unavailable, LocalFailure: The store cannot be read.
        """
        path = self.path(file, digest)
        stored = self._read(path)
        return None if stored is None else advertised_sidecar(stored.data, digest, where=f"{self.store.name}/{path}")

    def _read(self, path: str) -> Stored | None:
        try:
            return self.store.read(path, MAX_SIDECAR)
        except NotFound:
            return None
        except TooLarge:
            where, most = f"{self.store.name}/{path}", f"at most {MAX_SIDECAR} bytes"
            raise Malformed(Finding.of(Code.SIDECAR_SIZE, where, expected=most, found="more")) from None

    def digests(self, file: PackageFile) -> list[Sha256]:
        """The digests of an artifact's hashed sidecars, by a listing of the folder."""
        entries = self.store.list(self.subdir, f"{file}{sidecar.SUFFIX}.")
        return listing(entry.name for entry in entries).get(file, Names()).hashed

    def bring(
        self,
        file: PackageFile,
        choose: Choose,
        including: Collection[Sha256] = (),
        *,
        without: Collection[Sha256] = (),
        only: Sha256 | None = None,
        mend: bool = False,
    ) -> Head | None:
        """Bring the sidecar up to date: every version joined, what `choose` says appended; None if there is nothing.

        Args:
            file: The artifact.
            choose: Which bundles to append.
            including: Versions to join, those that the index names first of all.
            without: Versions to leave out, because they are about other bytes.
            only: The digest of the bytes that were put in the place of others: versions about none but those stay out.
            mend: Replace a mutable sidecar that is none, where a hashed one can be had.

        Raises:
            Malformed: SIDECAR-*: a version is broken or not there, or the outcome would be above the caps; nothing is
                written then.
            Conflict: Others kept on being faster.
            Unavailable, LocalFailure: The store cannot be read or written; what was there is there.
        """
        for attempt in stamina.retry_context(**SCHEDULE):
            with attempt:
                return self._bring(file, choose, including, without, only, mend)
        raise AssertionError("stamina returns or raises")

    def _bring(
        self,
        file: PackageFile,
        choose: Choose,
        including: Collection[Sha256],
        without: Collection[Sha256],
        only: Sha256 | None,
        mend: bool,
    ) -> Head | None:
        # (1) What is there. A lost .sigs is rebuilt from whatever hashed sidecars there are.
        path = self.path(file)
        found = self._read(path)
        known = self._versions(file, found, including, mend)
        versions = {
            digest: version
            for digest, version in known.items()
            if digest not in without and (only is None or about(version.bundles, only))
        }
        # (2) What it should be.
        advertised = next((digest for digest in including if digest in versions), next(iter(versions), None))
        there = sidecar.parse(sidecar.joined(versions, advertised), where=path).elements if versions else ()
        fresh = choose(there)
        if not there and not fresh:
            return None
        data = sidecar.joined(versions, advertised, fresh)
        digest = Sha256(hashlib.sha256(data).hexdigest())
        # (3) Hashed, then mutable. What the mutable one held is kept, too: an index may name it, and who wrote it may
        # have written no hashed one.
        written = []
        if found is not None and found.data != data:
            before = Sha256(hashlib.sha256(found.data).hexdigest())
            if before in known and self.store.create(self.path(file, before), found.data):
                written.append(self.path(file, before))
        written.extend([self.path(file, digest)] if self._keep(self.path(file, digest), data) else [])
        if found is None or found.data != data:
            self.store.replace(path, data, None if found is None else found.version)
            written.append(path)
        return Head(digest, len(sidecar.parse(data, where=path).bundles) - len(there), tuple(written))

    def _versions(
        self, file: PackageFile, found: Stored | None, including: Collection[Sha256], mend: bool
    ) -> dict[Sha256, Sidecar]:
        versions: dict[Sha256, Sidecar] = {}
        if found is not None:
            try:
                current = sidecar.parse(found.data, where=f"{self.store.name}/{self.path(file)}")
                versions[current.sha256] = current
            except Malformed:
                if not mend:
                    raise
        for digest in including if versions else {*including, *self.digests(file)}:
            version = versions.get(digest) or self.hashed(file, digest)
            if version is not None:
                versions[digest] = version
            elif digest in including:
                # What it held is unknown: whoever goes on without it loses that, and the last trace that it was there.
                where = f"{self.store.name}/{self.path(file, digest)}"
                raise Malformed(Finding.of(Code.SIDECAR_HASHED, where, expected=digest, found="nothing"))
        return versions

    def _keep(self, path: str, data: bytes) -> bool:
        """Put an immutable file there; one with other bytes under its digest was damaged, and is mended."""
        if self.store.create(path, data):
            return True
        there = self.store.read(path, max(len(data), MAX_SIDECAR))
        if there.data == data:
            return False
        self.store.replace(path, data, there.version)
        return True


@dataclass(slots=True)
class Joining:
    """Joins versions that records name, while an index is written, and keeps what came of it.

    Attributes:
        shelf: The subdir's sidecars.
        hint: What to do about a version that cannot be joined.
        only: By artifact that was replaced, the digest of its bytes; what is about other bytes is not joined.
        moved: By artifact, the digest of its sidecar after joining, or why a version could not be joined.
    """

    shelf: Shelf
    hint: str = ""
    only: Mapping[PackageFile, Sha256] = field(default_factory=dict)
    moved: dict[PackageFile, Sha256 | Malformed] = field(default_factory=dict)

    def __call__(self, file: PackageFile, named: Sha256) -> Sha256 | None:
        """Join a version; None if it cannot be, which concerns this artifact alone."""
        try:
            head = self.shelf.bring(file, lambda elements: (), (named,), only=self.only.get(file))
        except Malformed as error:
            error.hint = self.hint
            self.moved[file] = error
            return None
        if head is None:
            raise AssertionError("a sidecar was written, and sidecars never go")
        self.moved[file] = head.sha256
        return head.sha256


@dataclass(slots=True)
class Names:
    """Which sidecars of an artifact a listing has."""

    mutable: bool = False
    hashed: list[Sha256] = field(default_factory=list)


def listing(names: Iterable[str]) -> dict[PackageFile, Names]:
    """Sort the names of a folder's files into sidecars by artifact; what is no sidecar is passed over."""
    found: dict[PackageFile, Names] = {}
    for name in names:
        stem, suffix, digest = name.rpartition(sidecar.SUFFIX)
        if not suffix or (digest and not digest.startswith(".")):
            continue
        try:
            file = PackageFile.parse(stem)
            sha256 = Sha256(digest[1:]) if digest else None
        except ValueError:
            continue
        entry = found.setdefault(file, Names())
        if sha256 is None:
            entry.mutable = True
        else:
            entry.hashed.append(sha256)
    return found


def about(bundles: Iterable[Bundle], sha256: Sha256) -> bool:
    """Whether any of the statements names that digest. Nothing is authenticated here."""
    for bundle in bundles:
        try:
            subjects = statement.parse(bundle.payload_type, bundle.payload).subjects
        except Malformed:
            continue
        if any(subject.digest.get("sha256") == sha256 for subject in subjects):
            return True
    return False
