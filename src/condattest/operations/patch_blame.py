"""Who changed a package's record, key by key: from what, to what, in which generation, when.

Owns `blame`, `Blame`, `Line` and `Touch`. Reads the newest generation, the package's shard, and the bundle, delta and
shard of each generation that changed the record: no index is read.
"""

from dataclasses import dataclass
from datetime import datetime

from condattest.errors import Malformed
from condattest.formats.patch_files import Entry, Place, Value
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.patch_chain import Chain, Generation
from condattest.operations.patch_log import newest_of, revoked
from condattest.patches.changes import differences


@dataclass(frozen=True, slots=True)
class Touch:
    """One change of one key: its value after, and the generation that set it."""

    generation: Generation
    old: Value | None
    new: Value | None


@dataclass(frozen=True, slots=True)
class Line:
    """One key that was ever changed: each change, oldest first."""

    key: str
    touches: tuple[Touch, ...]

    @property
    def as_built(self) -> Value | None:
        """Its value as built; None where it was absent."""
        return self.touches[0].old

    @property
    def served(self) -> Value | None:
        """Its value as attested; None where it is absent."""
        return self.touches[-1].new

    @property
    def last(self) -> Touch:
        """The change that set it."""
        return self.touches[-1]


@dataclass(frozen=True, slots=True)
class Blame:
    """What became of one record.

    Attributes:
        file: The package's file.
        sha256: The archive's digest.
        newest: The generation that was asked: the newest, or the newest of a time.
        served: The digest of the record; None if it is removed.
        generations: Those that changed the record, oldest first.
        lines: Each key that was changed and is not as built again.
        findings: IDENTITY-REVOKED where a revoked generation set the record.
    """

    file: PackageFile
    sha256: Sha256
    newest: Generation
    served: Sha256 | None
    generations: tuple[Generation, ...]
    lines: tuple[Line, ...]
    findings: tuple[Finding, ...] = ()


def blame(chain: Chain, file: PackageFile, *, at: datetime | None = None) -> Blame | None:
    """Say who changed a record; None where no generation ever did.

    Args:
        chain: The generations.
        file: The package.
        at: A time, aware: the record as attested then. By default as it is now.

    Raises:
        Malformed: PATCH-NONE: there is no generation, or none at that time; or something is not sound.
        Unavailable, LocalFailure: Something could not be read.
    """
    newest = newest_of(chain)
    payloads = (*chain.log(newest), newest.payload)
    digest = chain.map(newest).get(file.name)
    if digest is None:
        return None
    found = _entry(chain, file, digest)
    if found is None:
        return None
    place, entry = found
    states = list(chain.states(file.name, place, entry, payloads))
    if at is not None:
        newest = _newest_at(chain, newest, payloads, at)
        last = newest.said.generation
        states = [(generation, state) for generation, state in states if generation.said.generation <= last]
    touches: dict[str, list[Touch]] = {}
    for generation, state in states:
        for key, change in state.changed.items():
            touches.setdefault(key, []).append(Touch(generation, change.old, change.new))
    lines = [Line(key, tuple(each)) for key, each in sorted(touches.items())]
    built = {line.key: line.as_built.json for line in lines if line.as_built is not None}
    served = {line.key: line.served.json for line in lines if line.served is not None}
    different = differences(built, served)
    return Blame(
        file=file,
        sha256=entry.sha256,
        newest=newest,
        served=states[-1][1].served if states else entry.as_built,
        generations=tuple(generation for generation, _ in states),
        lines=tuple(line for line in lines if line.key in different),
        findings=_revoked(chain, file, newest, states[-1][0] if states else None),
    )


def _revoked(chain: Chain, file: PackageFile, *vouching: Generation | None) -> tuple[Finding, ...]:
    payloads = dict.fromkeys(each.payload for each in vouching if each is not None)
    return tuple(revoked(chain, each, str(file)) for each in payloads if each in chain.void)


def _newest_at(chain: Chain, newest: Generation, payloads: tuple[Sha256, ...], at: datetime) -> Generation:
    """The newest generation that existed at a time; whatever was attested later says nothing of it."""
    for number in range(newest.said.generation, 0, -1):
        if payloads[number - 1] in chain.void:
            continue  # It was there, and is believed by nobody.
        generation = chain.generation(number)
        if generation.payload != payloads[number - 1]:
            where = f"{chain.origin.name}/{chain.place(f'{number}.sigs')}"
            found = generation.payload
            raise Malformed(Finding.of(Code.ROLLBACK, where, expected=payloads[number - 1], found=found))
        if generation.time.at <= at:
            return generation
    where = f"{chain.origin.name}/{chain.place('1.sigs')}"
    raise Malformed(Finding.of(Code.PATCH_NONE, where, channel=chain.channel, subdir=chain.subdir, at=at.isoformat()))


def _entry(chain: Chain, file: PackageFile, digest: Sha256) -> tuple[Place, Entry] | None:
    listed = [(place, entry) for place, entry in chain.shard(file.name, digest).files.items() if place[1] == str(file)]
    if len(listed) > 1:
        raise Malformed(Finding.of(Code.BIND_AMBIGUOUS, file, expected="one entry", found=len(listed)))
    return listed[0] if listed else None
