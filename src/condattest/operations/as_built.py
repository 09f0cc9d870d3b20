"""Records as built, proved by their archives.

Owns `prove`, `prove_all`, `proofs`, `Proof` and `Archives`. An archive proves a record if its bytes have the digest
that the record lists, and the engine makes just that record of its `info/index.json`. Only the metadata is unpacked;
the digest is over the whole file, which is never held in memory.
"""

import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from condattest.errors import CondattestError, Malformed, NotFound
from condattest.formats import package
from condattest.formats.held_records import Held, opened
from condattest.formats.package import MAX_PACKAGE
from condattest.formats.patch_files import Place
from condattest.model.artifact import PackageFile
from condattest.model.finding import Code, Finding
from condattest.patches.digests import record_digest
from condattest.patches.engines import Engine
from condattest.patches.index_sections import record_at
from condattest.transport import files
from condattest.transport.origin import Origin

JOBS: Final = 4
"""Archives that are read at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archives:
    """Which records shall be proved, and by what.

    Attributes:
        origin: The channel that has the archives.
        only: The files whose records are to be proved, listed by a generation or not; empty for all that are listed.
        skipped: Whether no archive is read but those of `only`.
        trusted: Whether a record that no archive proves is believed of the index.
        on_done: Told how many archives were read.
    """

    origin: Origin
    only: frozenset[PackageFile] = frozenset()
    skipped: bool = False
    trusted: bool = False
    on_done: Callable[[int], None] = lambda count: None


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether an archive proved a record as built.

    Attributes:
        place: The record.
        proved: Whether one did.
        finding: What speaks against it, where the archive does not agree.
        reason: Why it is not known, where it is not: neither proved nor contradicted.
    """

    place: Place
    proved: bool
    finding: Finding | None = None
    reason: str = ""


def prove(packages: Origin, subdir: str, engine: Engine, place: Place, record: Mapping[str, Any]) -> None:
    """Prove a record as built by its archive, or say why it is none.

    Raises:
        Malformed: BIND-DIGEST: the archive is another; PATCH-AS-BUILT: its record is another; ARCHIVE-*: it is no
            package; PATCH-CRASH, PATCH-UNREPRODUCED: the engine makes no record of it.
        NotFound: There is no archive.
        Unavailable, LocalFailure: It could not be read.
    """
    file = PackageFile.parse(place[1])
    where = f"{packages.name}/{subdir}/{file}"
    with tempfile.TemporaryFile() as kept, packages.stream(f"{subdir}/{file}", MAX_PACKAGE) as chunks:
        found_file = files.hash_parts(chunks, kept)
        if found_file != record.get("sha256"):
            raise Malformed(Finding.of(Code.BIND_DIGEST, where, expected=record.get("sha256"), found=found_file))
        index = package.read(kept, file).index
    expected = record_digest(engine.as_built(index), where=where)
    found = record_digest(record, where=where)
    if expected != found:
        raise Malformed(Finding.of(Code.PATCH_AS_BUILT, where, expected=f"{expected} by the archive", found=found))


def prove_all(
    packages: Origin, subdir: str, engine: Engine, as_built: Mapping[str, Any], listed: Collection[Place]
) -> None:
    """Prove records as built by their archives, as whoever signs them has to.

    Args:
        packages: Where the archives are.
        subdir: Their subdir.
        engine: Which record an archive gives.
        as_built: The index.
        listed: The places to prove.

    Raises:
        Malformed: As `prove`; PATCH-AS-BUILT, too, if an archive is not there.
        Unavailable, LocalFailure: One could not be read.
    """
    for place in sorted(listed):
        try:
            prove(packages, subdir, engine, place, opened(record_at(as_built, place)))
        except NotFound:
            where = f"{packages.name}/{subdir}/{place[1]}"
            finding = Finding.of(Code.PATCH_AS_BUILT, where, expected="its archive", found="nothing")
            raise Malformed(finding) from None


def proofs(archives: Archives, subdir: str, engine: Engine | None, records: Mapping[Place, Held]) -> Sequence[Proof]:
    """Try to prove records as built, several at a time.

    Args:
        archives: What proves them.
        subdir: Their subdir.
        engine: The indexer that made the index; None where nobody knows it, and nothing can be proved.
        records: By place, what the index says.
    """

    def proof(item: tuple[Place, Held]) -> Proof:
        place, held = item
        if engine is None:
            return Proof(place, False, reason="the engine is not known")
        if archives.skipped and PackageFile.parse(place[1]) not in archives.only:
            return Proof(place, False, reason="its archive was not read")
        try:
            prove(archives.origin, subdir, engine, place, opened(held))
        except Malformed as error:
            return Proof(place, False, error.finding)
        except NotFound:
            return Proof(place, False, reason="its archive is not there")
        except CondattestError as error:
            return Proof(place, False, reason=str(error))
        finally:
            archives.on_done(1)
        return Proof(place, True)

    with ThreadPoolExecutor(JOBS) as pool:
        return tuple(pool.map(proof, records.items()))
