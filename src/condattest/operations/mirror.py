"""Copy packages with their attestations from one channel to another, by CEP 50's rules for mirrors.

Owns `mirror`, `Selection` and `Mirrored`. For each package: (1) its record in the source's index, which must be about
that file; (2) the hashed sidecar that the record names, hashed and then judged; (3) the package, hashed on the way and
compared with the record, and its own metadata. What is refused is not copied, and said. Then, in the destination:
packages, hashed sidecars, mutable sidecars, the generations of patches as they are, and the index last. A sidecar that
the destination has already is kept in front, and lacks nothing afterwards.

Spec: https://github.com/conda/ceps/blob/main/cep-0050.md
"""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import IO, Final

from condattest.errors import CondattestError, LocalFailure, Malformed, Misuse
from condattest.formats import monolith, package, sidecar
from condattest.formats.package import MAX_PACKAGE
from condattest.formats.repodata import Record
from condattest.formats.sidecar import Sidecar
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.finding import Code, Finding
from condattest.model.verdict import Accepted
from condattest.operations import admission, attestations, channel_index, index_views, mirror_source
from condattest.operations.admission import Terms
from condattest.operations.advertise import MONOLITHS, advertise
from condattest.operations.attestations import Collected
from condattest.operations.judgement import authenticate_and_decide, extent_of
from condattest.operations.mirror_patches import copy_patches
from condattest.operations.mirror_source import Entry
from condattest.operations.sidecars import Joining, Shelf
from condattest.operations.stored_package import digest_of, is_subdir, unchanged
from condattest.policy.decide import not_counted
from condattest.transport import files
from condattest.transport.origin import Origin
from condattest.transport.store import Store

_SPOOLED: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is to be copied.

    Attributes:
        packages: Package names or file names; empty for all.
        subdirs: Subdirs; empty for all that the source has.
    """

    packages: frozenset[str] = frozenset()
    subdirs: tuple[str, ...] = ()

    def holds(self, file: PackageFile) -> bool:
        """Whether a file is to be copied."""
        return not self.packages or file.name in self.packages or str(file) in self.packages


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored:
    """What became of one package.

    Attributes:
        subdir: Its subdir.
        file: Its file name.
        uploaded: Whether this call brought it into the destination.
        sidecar: The digest of its sidecar in the destination; None if it has none.
        appended: How many bundles this call added there.
        notes: What is to be said of a package that was copied.
        findings: Why it was not copied.
        problem: Why it could not be copied.
    """

    subdir: str
    file: PackageFile
    uploaded: bool = False
    sidecar: Sha256 | None = None
    appended: int = 0
    notes: tuple[Finding, ...] = ()
    findings: tuple[Finding, ...] = ()
    problem: CondattestError | None = None

    @property
    def copied(self) -> bool:
        """Whether the destination has it now."""
        return not self.findings and self.problem is None


def mirror(
    origin: Origin,
    store: Store,
    selection: Selection,
    terms: Terms,
    *,
    now: datetime,
    jobs: int = 4,
    on_done: Callable[[int], None] = lambda count: None,
) -> Iterator[Mirrored]:
    """Copy packages; yield what became of each, when its subdir's index is written.

    Args:
        origin: The source.
        store: The destination.
        selection: What is to be copied.
        terms: Who must have signed; without a policy any authentic signer will do, and packages without attestations
            are copied too, with a note.
        now: The time at which a policy is judged.
        jobs: Packages copied at a time.
        on_done: Told how many packages are done.

    Raises:
        Misuse: Nothing is selected, or the source does not say which subdirs it has.
        Malformed, Unavailable, LocalFailure: An index cannot be had, or cannot be written.
    """
    for subdir in selection.subdirs:
        if not is_subdir(subdir):
            raise Misuse(f"--subdir: expected a name such as noarch or linux-64, found {subdir!r:.80}")
    copier = _Copier(origin, store, terms, now)
    some = False
    for subdir in dict.fromkeys(selection.subdirs or mirror_source.subdirs(origin)):
        entries = list(mirror_source.entries(origin, subdir, selection.holds))
        if not entries:
            continue
        some = True
        outcomes = []
        with ThreadPoolExecutor(jobs) as pool:
            for outcome in pool.map(lambda entry, subdir=subdir: copier.copy(subdir, entry), entries):
                outcomes.append(outcome)
                on_done(1)
        raws = {entry.record.file: entry.raw for entry in entries}
        yield from copier.indexed(subdir, outcomes, raws)
    if not some:
        chosen = bool(selection.packages or selection.subdirs)
        hint = "check --package and --subdir" if chosen else "an index is what lists packages: run your indexer there"
        raise Misuse(f"{origin.name}: no index of it lists {'what is asked for' if chosen else 'a package'}", hint=hint)


@dataclass(frozen=True, slots=True)
class _Copier:
    origin: Origin
    store: Store
    terms: Terms
    now: datetime

    def copy(self, subdir: str, entry: Entry) -> Mirrored:
        """Copy one package and its sidecar; the index comes later."""
        record = entry.record
        outcome = Mirrored(subdir=subdir, file=record.file)
        if entry.later:
            # Among the records of older clients it would say what they do not understand.
            return replace(
                outcome, findings=(Finding.of(Code.INDEX_V3, f"{self.origin.name}/{subdir}: {record.file}"),)
            )
        try:
            mirror_source.check(entry, subdir)
            return self._copy(outcome, record)
        except Malformed as error:
            return replace(outcome, findings=(error.finding,))
        except CondattestError as error:
            return replace(outcome, problem=error)
        except OSError as error:  # The temporary file.
            problem = LocalFailure(f"{tempfile.gettempdir()}: cannot be written: {error.strerror}", hint="make room")
            return replace(outcome, problem=problem)

    def _copy(self, outcome: Mirrored, record: Record) -> Mirrored:
        where = f"{self.origin.name}/{outcome.subdir}"
        if record.sha256 is None:
            raise Malformed(channel_index.no_digest(where, record.file))
        artifact = Artifact(record.file, record.sha256, outcome.subdir)
        # (1) The attestations, before the package: they are small, and may refuse it.
        found = None if record.attestations_sha256 is None else self._sidecar(artifact, record.attestations_sha256)
        outcome = replace(outcome, notes=self._judged(artifact, found, where))
        # (2) The package.
        path = f"{artifact.subdir}/{artifact.file}"
        there = digest_of(self.store, path)
        if there is not None and there != artifact.sha256:
            place = f"{self.store.name}/{path}"
            raise Malformed(Finding.of(Code.PUBLISH_BYTES, place, expected=artifact.sha256, found=there))
        if there is None:
            with tempfile.SpooledTemporaryFile(max_size=_SPOOLED) as opened:
                self._download(path, artifact, opened)
                uploaded = self.store.create_from(path, unchanged(opened, artifact.sha256, path))
            outcome = replace(outcome, uploaded=uploaded)
        # (3) The sidecar, with the bytes that it has at the source where the destination has none.
        shelf = Shelf(self.store, outcome.subdir)
        with self.store.hold(outcome.subdir):
            current = shelf.current(artifact.file)
            if found is None:  # The source has none, or has none any more: what is here stays named.
                return outcome if current is None else replace(outcome, sidecar=current.sha256)
            versions = {each.sha256: each for each in (current, found) if each is not None}
            # Above the caps together? Then nothing is written: it would stand in the way of every later one.
            sidecar.joined(versions, next(iter(versions)))
            self.store.create(shelf.path(artifact.file, found.sha256), found.raw)
            head = shelf.bring(artifact.file, lambda elements: (), tuple(versions))
        if head is None:
            raise AssertionError("a hashed sidecar was written")
        before = set(current.elements) if current is not None else set()
        return replace(outcome, sidecar=head.sha256, appended=len(set(found.elements) - before))

    def _sidecar(self, artifact: Artifact, digest: Sha256) -> Sidecar:
        path = f"{artifact.subdir}/{artifact.file}{sidecar.SUFFIX}.{digest}"
        data = self.origin.read(path, sidecar.MAX_SIDECAR)
        return attestations.advertised_sidecar(data, digest, where=f"{self.origin.name}/{path}")

    def _judged(self, artifact: Artifact, found: Sidecar | None, where: str) -> tuple[Finding, ...]:
        """Judge the attestations; what is to be said of a package that may be copied.

        Raises:
            Malformed: The finding that speaks against it.
        """
        collected = Collected() if found is None else Collected(found.bundles, (where,))
        if self.terms.policy is not None:
            judged = authenticate_and_decide(
                collected,
                artifact,
                self.terms.channel,
                self.terms.policy,
                self.terms.trust,
                self.terms.roots,
                now=self.now,
            )
            if not isinstance(judged.verdict, Accepted):
                raise Malformed(judged.verdict.findings[0])
            return judged.verdict.notes
        if found is None:
            return (Finding.of(Code.PUBLISH_UNATTESTED, f"{where}/{artifact.file}"),)
        outcomes = [offer.outcome for offer in admission.offers(collected, artifact, self.terms)]
        refused = [outcome for outcome in outcomes if isinstance(outcome, Finding)]
        if len(refused) == len(outcomes):
            raise Malformed(refused[0])
        return (
            Finding.of(Code.PUBLISH_ANYONE, f"{where}/{artifact.file}"),
            *map(not_counted, refused),
        )

    def _download(self, path: str, artifact: Artifact, to: IO[bytes]) -> None:
        with self.origin.stream(path, MAX_PACKAGE) as chunks:
            found = files.hash_parts(chunks, to)
        if found != artifact.sha256:
            where = f"{self.origin.name}/{path}"
            raise Malformed(Finding.of(Code.BIND_DIGEST, where, expected=artifact.sha256, found=found))
        size = to.tell()
        metadata = package.read(to, artifact.file, extent=extent_of(artifact.file, size))  # type: ignore[arg-type]
        package.check(metadata, artifact.file, artifact.subdir)
        to.seek(0)

    def indexed(self, subdir: str, outcomes: list[Mirrored], raws: dict[PackageFile, bytes]) -> list[Mirrored]:
        """Write the destination's index for what was copied; packages that it lists already keep their records."""
        copied = {each.file: each for each in outcomes if each.copied}
        if not copied:
            return outcomes
        # Who reads the index may ask who patched it.
        copy_patches(self.origin, self.store, subdir)
        joining = Joining(Shelf(self.store, subdir))
        # A channel without noarch is none to clients. One of shards alone stays one.
        for each in dict.fromkeys((subdir, "noarch")):
            if not index_views.views(self.store, each):
                self.store.create(f"{each}/{MONOLITHS[0]}", monolith.empty(each))
        heads = {file: each.sidecar for file, each in copied.items() if each.sidecar is not None}
        with self.store.hold(subdir):
            advertise(self.store, subdir, heads, joining, {file: raws[file] for file in copied})
        return [_moved(each, joining.moved.get(each.file)) for each in outcomes]


def _moved(each: Mirrored, to: Sha256 | Malformed | None) -> Mirrored:
    if to is None:
        return each
    return replace(each, findings=(to.finding,)) if isinstance(to, Malformed) else replace(each, sidecar=to)
