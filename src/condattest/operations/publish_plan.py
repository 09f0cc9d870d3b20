"""What there is to publish, and what stands against it: nothing is written.

Owns `plan` and `Plan`. Planning finds out everything that can be wrong: what each package is by its own bytes, what the
channel has of it, which bundles there are and whether the terms admit each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from condattest.errors import Misuse, NotFound, TooLarge
from condattest.formats import package
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.finding import Code, Finding
from condattest.operations import admission, attestations, replacement
from condattest.operations.admission import Offer, Terms
from condattest.operations.attestations import Collected
from condattest.operations.judgement import extent_of
from condattest.operations.sidecars import Shelf, about
from condattest.operations.stored_package import digest_of, is_subdir
from condattest.transport import files
from condattest.transport.store import Store

OnBytes = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done for one package.

    Attributes:
        target: The package as it was named.
        artifact: What it is, with its subdir.
        source: The file to upload it from; None where the channel has it.
        present: Whether the channel has it.
        offers: The bundles, each with what it proves or why it is refused.
        lacking: How many of them the sidecar lacks.
        findings: Why it cannot be published; empty if it can.
        replacing: Whether it may take the place of other bytes, of which its sidecar says nothing.
        replaces: The digest of the bytes that the channel has instead; None if it has none.
        former: The digests of all other bytes that stood under its name, as far as they are known: to be revoked.
    """

    target: str
    artifact: Artifact
    source: Path | None
    present: bool
    offers: tuple[Offer, ...]
    lacking: int
    findings: tuple[Finding, ...]
    replacing: bool = False
    replaces: Sha256 | None = None
    former: tuple[Sha256, ...] = ()

    @property
    def path(self) -> str:
        """Its path in the channel."""
        return f"{self.artifact.subdir}/{self.artifact.file}"


def plan(
    targets: Sequence[str],
    store: Store,
    terms: Terms,
    *,
    bundles: Sequence[Path] = (),
    subdir: str | None = None,
    replacing: bool = False,
    on_bytes: OnBytes = lambda count: None,
) -> list[Plan]:
    """Find out what there is to do, and what stands against it. Nothing is written.

    Args:
        targets: Package files; or file names, or SUBDIR/FILE, of packages that the channel has.
        store: The channel.
        terms: Who may sign.
        bundles: Bundles to publish instead of those beside the packages, each for the package that it is about.
        subdir: Where the packages belong; by default where they say themselves.
        replacing: Whether packages may take the place of other bytes under their name.
        on_bytes: Told how many bytes of packages were read.

    Raises:
        Misuse: There is no target, one is no package, two are the same, or a bundle is about none of them.
        Malformed: A package or a bundle is not well-formed.
        Unavailable, LocalFailure: Something cannot be read.
    """
    if not targets:
        raise Misuse("nothing to publish", hint="give package files, or names of packages that the channel has")
    if subdir is not None and not is_subdir(subdir):
        raise Misuse(f"--subdir: expected a name such as noarch or linux-64, found {subdir!r:.80}")
    if _is_a_subdir(store):
        raise Misuse(
            f"{store.name}: expected a channel, found one of its subdirs", hint="name the folder above it instead"
        )
    planner = _Planner(store, terms, subdir, replacing, on_bytes)
    found = [planner.find(target) for target in targets]
    places = [(each.artifact.subdir, each.artifact.file) for each in found]
    for place in places:
        if places.count(place) > 1:
            raise Misuse(f"{place[0]}/{place[1]} is named twice")
    given = _assigned(bundles, [each.artifact for each in found]) if bundles else None
    return [planner.judged(each, None if given is None else given[at]) for at, each in enumerate(found)]


def _is_a_subdir(store: Store) -> bool:
    """Whether an index lies at the top of a store: a channel has its indexes one folder below."""
    try:
        store.read("repodata.json", 0)
    except NotFound:
        return False
    except TooLarge:
        pass
    return True


def _assigned(paths: Sequence[Path], artifacts: Sequence[Artifact]) -> list[Collected]:
    """Give each bundle to the packages that its statement names by digest."""
    assigned = [Collected() for _ in artifacts]
    for path in paths:
        collected = attestations.given([path])
        fits = [at for at, artifact in enumerate(artifacts) if about(collected.bundles, artifact.sha256)]
        if not fits and len(artifacts) > 1:
            raise Misuse(f"{path}: it is about none of the packages", hint="condattest inspect shows what it is about")
        for at in fits or [0]:
            assigned[at] += collected
    return assigned


@dataclass(frozen=True, slots=True)
class _Found:
    target: str
    artifact: Artifact
    source: Path | None
    present: bool
    findings: tuple[Finding, ...] = ()
    replaces: Sha256 | None = None


@dataclass(frozen=True, slots=True)
class _Planner:
    store: Store
    terms: Terms
    subdir: str | None
    replacing: bool
    on_bytes: OnBytes

    def find(self, target: str) -> _Found:
        """Say what a target is, by its bytes, and whether the channel has it."""
        path = Path(target)
        return self._local(path) if path.is_file() else self._in_channel(target)

    def _local(self, path: Path) -> _Found:
        try:
            file = PackageFile.parse(path.name)
        except ValueError as error:
            raise Misuse(f"{path}: {error}", hint="a package keeps the file name that it was built with") from None
        with files.open_once(path) as opened:
            sha256 = files.hash_file(opened, on_bytes=self.on_bytes)
            size = opened.seek(0, 2)
            metadata = package.read(opened, file, extent=extent_of(file, size))
        said = metadata.index.get("subdir")
        subdir = self.subdir or (said if isinstance(said, str) and is_subdir(said) else None)
        if subdir is None:
            raise Misuse(f"{path}: it does not say to which subdir it belongs", hint="add --subdir NAME")
        package.check(metadata, file, subdir)
        artifact = Artifact(file, sha256, subdir)
        there = digest_of(self.store, f"{subdir}/{file}")
        findings: tuple[Finding, ...] = ()
        if there is not None and there != sha256 and self.replacing:
            return _Found(str(path), artifact, path, False, replaces=there)
        if there is not None and there != sha256:
            where = f"{self.store.name}/{subdir}/{file}"
            findings = (Finding.of(Code.PUBLISH_BYTES, where, expected=sha256, found=there),)
        return _Found(str(path), artifact, path, there is not None, findings)

    def _in_channel(self, target: str) -> _Found:
        subdir, _, name = target.rpartition("/")
        hint = f"give a package file, or the name of a package in {self.store.name} as SUBDIR/FILE"
        try:
            file = PackageFile.parse(name)
        except ValueError as error:
            raise Misuse(f"{target}: no such file, and no package's name: {error}", hint=hint) from None
        if subdir and not is_subdir(subdir):
            raise Misuse(f"{target}: no such file", hint=hint)
        named = subdir or self.subdir
        found = {}
        for folder in [named] if named else self.store.folders():
            sha256 = digest_of(self.store, f"{folder}/{file}")
            if sha256 is not None:
                found[folder] = sha256
        if len(found) != 1:
            where = f"in {', '.join(found)}" if found else "and not in the channel either"
            raise Misuse(f"{target}: no such file, {where}", hint=hint)
        [(folder, sha256)] = found.items()
        return _Found(target, Artifact(file, sha256, folder), None, True)

    def judged(self, found: _Found, given: Collected | None) -> Plan:
        """Hold the bundles of a package against the terms."""
        collected = given
        if collected is None and found.source is not None:
            collected = attestations.bundle_beside(found.source)
        offers = admission.offers(collected or Collected(), found.artifact, self.terms)
        refused = [each.outcome.at(each.place) for each in offers if isinstance(each.outcome, Finding)]
        if not offers:
            refused.append(admission.missing(found.artifact))
        shelf = Shelf(self.store, found.artifact.subdir or "")
        return Plan(
            target=found.target,
            artifact=found.artifact,
            source=found.source,
            present=found.present,
            offers=offers,
            lacking=self._lacking(shelf, found.artifact, offers),
            findings=(*found.findings, *refused),
            replacing=self.replacing,
            replaces=found.replaces,
            former=replacement.former(shelf, found.artifact, found.replaces) if self.replacing else (),
        )

    def _lacking(self, shelf: Shelf, artifact: Artifact, offers: tuple[Offer, ...]) -> int:
        current = shelf.current(artifact.file)
        return len(admission.chooser(offers, self.terms)(current.elements if current is not None else ()))
