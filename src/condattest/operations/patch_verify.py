"""Check a subdir's patches whole: the chain, every file of it, the replay, and what is served.

Owns `verify` and `Checked`. (1) The newest generation and its descent; (2) every shard and delta, and that the changes
make of each record as built what the shards say; a record that a revoked generation changed last is nobody's; (3) the
engine gives from the instructions what the shards say, and would not fail on them (instructions with the same outcome
as the attested ones are no news, and no generation is made for them); (4) the served index is just that: what it has
beside is unattributed, what it lacks is stripped; (5) the archives prove the records as built.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from condattest.errors import Malformed, Misuse
from condattest.formats.held_records import Held, opened
from condattest.formats.patch_files import Entry, Place
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding, Severity
from condattest.operations.as_built import Archives, Proof, proofs
from condattest.operations.patch_chain import Chain, Generation
from condattest.operations.patch_counts import miscounts
from condattest.operations.patch_inputs import Inputs
from condattest.operations.patch_log import log, newest_of, revoked, stale
from condattest.patches import engines
from condattest.patches.changes import alike, differences
from condattest.patches.digests import record_digest
from condattest.patches.index_sections import KINDS, record_at, records_of, sections_of

_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome.

    Attributes:
        newest: The newest generation.
        records: How many records were compared.
        findings: What is wrong.
        proofs: Of the records as built that were to be proved, whether an archive did; None where none were.
    """

    newest: Generation
    records: int
    findings: tuple[Finding, ...]
    proofs: tuple[Proof, ...] | None = None

    @property
    def proved(self) -> int:
        """How many records as built an archive proved."""
        return sum(each.proved for each in self.proofs or ())


def verify(
    chain: Chain,
    inputs: Inputs,
    *,
    now: datetime,
    keys: frozenset[str] | None = None,
    max_age: timedelta | None = None,
    archives: Archives | None = None,
) -> Checked:
    """Check everything.

    Args:
        chain: The generations.
        inputs: What the channel has and serves.
        now: The time, for the age of the newest generation.
        keys: The keys that may be patched; None for any.
        max_age: How old the newest generation may be; None for any age.
        archives: What is to prove the records as built that generations list; None to prove none.

    Raises:
        Misuse: The index does not list what is to be proved.
        Malformed: The newest generation is not sound, or something of it cannot be had (PATCH-MISSING).
        Unavailable, LocalFailure: Something could not be read.
    """
    newest = newest_of(chain)
    steps = list(log(chain))
    findings = [finding for step in steps for finding in step.findings]
    if max_age is not None and (old := stale(chain, newest, max_age, now=now)) is not None:
        findings.append(old)
    payloads = (*chain.log(newest), newest.payload)
    entries = {}
    for name, digest in chain.map(newest).items():
        for place, entry in chain.shard(name, digest).files.items():
            entries[place] = (name, entry)
    listed = [entry for _, entry in entries.values()]
    findings.extend(_history(chain, inputs, entries, payloads, keys))
    # What cannot be read here could not be read there, as a rule.
    findings.extend(each for each in miscounts(chain, steps, listed, inputs) if each not in findings)
    findings.extend(_replayed(newest, inputs, entries))
    records, unlike = _served(inputs, entries)
    findings.extend(unlike)
    proved = None
    if archives is not None:
        engine = engines.engine(newest.said.engine)
        proved = tuple(proofs(archives, chain.subdir, engine, _asked(archives, inputs, entries)))
        findings.extend(_unproved(proved, f"{archives.origin.name}/{chain.subdir}", trusted=archives.trusted))
    return Checked(newest, records, tuple(findings), proved)


def _asked(archives: Archives, inputs: Inputs, entries: "_Entries") -> Mapping[Place, Held]:
    """The records as built that are to be proved.

    Raises:
        Misuse: The index does not list one that was named.
    """
    if not archives.only:
        found = {place: record_at(inputs.as_built, place) for place in sorted(entries)}
        return {place: held for place, held in found.items() if held is not None}
    named = {place: held for place, file, held in records_of(inputs.as_built) if file in archives.only}
    for file in sorted(map(str, archives.only)):
        if all(name != file for _, name in named):
            raise Misuse(f"{file}: the index as built does not list it", hint="check the name, and --subdir")
    return named


def _unproved(proved: Sequence[Proof], where: str, *, trusted: bool) -> Iterator[Finding]:
    yield from (each.finding for each in proved if each.finding is not None)
    unknown = [each for each in proved if not each.proved and each.finding is None]
    if unknown and not trusted:
        first = ", ".join(f"{each.place[1]} ({each.reason})" for each in unknown[:_SHOWN])
        yield Finding.of(Code.PATCH_UNPROVEN, where, records=len(unknown), first=f"{first:.800}")


_Entries = Mapping[Place, tuple[str, Entry]]


def _history(
    chain: Chain, inputs: Inputs, entries: _Entries, payloads: tuple[Sha256, ...], keys: frozenset[str] | None
) -> Iterator[Finding]:
    for place, (name, entry) in entries.items():
        void = [at for at, (number, _) in enumerate(entry.history) if set(payloads[number - 1 : number]) & chain.void]
        if void and void[-1] == len(entry.history) - 1:
            yield revoked(chain, payloads[entry.newest - 1], place[1])
            continue
        try:
            # Of what a revoked generation said, and what led to it, nothing is asked: the changes since stand alone.
            since = replace(entry, history=entry.history[void[-1] + 1 :]) if void else entry
            states = list(chain.states(name, place, since, payloads))
            record = None if void else opened(record_at(inputs.as_built, place))
            # What the shards say of keys is only what somebody says, until it gives the digests that they say.
            if record is not None and record_digest(record, where="/".join(place)) == entry.as_built:
                chain.value(name, place, entry, record, payloads)
        except Malformed as error:
            yield error.finding
            continue
        changed = {key for _, state in states for key in state.changed}
        for key in sorted(changed - keys) if keys is not None else ():
            yield Finding.of(Code.PATCH_KEY, place[1], key=key)


def _replayed(newest: Generation, inputs: Inputs, entries: _Entries) -> Iterator[Finding]:
    said = newest.said
    engine = engines.engine(said.engine)
    if engine is None:
        yield Finding.of(Code.PATCH_MISSING, said.subdir, expected="a known engine", found=said.engine)
        return
    document = inputs.as_built
    if inputs.instructions is not None:
        patched = engine.apply(inputs.as_built, inputs.instructions)
        document = patched.document
        yield from (each for each in patched.findings if each.code.severity is Severity.ERROR)
    unlike = list(_unlike(inputs.as_built, document, entries))
    found = None if inputs.instructions is None else inputs.instructions.raw_sha256
    if unlike and found != said.instructions:
        where = f"{said.subdir}/patch_instructions.json"
        yield Finding.of(Code.PATCH_REPLAY, where, expected=said.instructions or "none", found=found or "none")
    else:
        yield from unlike


def _unlike(as_built: Mapping[str, Any], document: Mapping[str, Any], entries: _Entries) -> Iterator[Finding]:
    """Where a replay does not give what the shards say; what no shard lists has to stay as it is built."""
    after = {section: records for section, _, records in sections_of(document)}
    gone = frozenset(document.get("removed") or ())
    for place, _, record in records_of(as_built):
        where = "/".join(place)
        now = None if place[1] in gone else _held(after, place)
        entry = entries[place][1] if place in entries else None
        if now is record and entry is None:
            continue
        try:
            expected = entry.served if entry is not None else record_digest(opened(record), where=where)
            found = None if now is None else record_digest(opened(now), where=where)
        except Malformed as error:
            yield error.finding
            continue
        if found != expected:
            yield Finding.of(Code.PATCH_REPLAY, where, expected=expected or "removed", found=found or "removed")


def _served(inputs: Inputs, entries: _Entries) -> tuple[int, list[Finding]]:
    built = {section: records for section, _, records in sections_of(inputs.as_built)}
    served = {section: records for section, _, records in sections_of(inputs.served)}
    gone = frozenset(inputs.served.get("removed") or ())
    findings = []
    count = 0
    for place, file, as_built in records_of(inputs.as_built):
        count += 1
        entry = entries[place][1] if place in entries else None
        record = None if place[1] in gone else _held(served, place)
        if record is as_built and entry is None:
            continue
        try:
            finding = _judged(file, opened(as_built), opened(record), entry)
        except Malformed as error:
            finding = error.finding
        if finding is not None:
            findings.append(finding)
    findings.extend(
        Finding.of(Code.PATCH_UNATTRIBUTED, file, expected="a record as built", found="none")
        for place, file, _ in records_of(inputs.served)
        if _held(built, place) is None
    )
    return count, findings


def _held(sections: Mapping[str, Mapping[str, Held]], place: Place) -> Held | None:
    section, name = place
    return sections.get(section, {}).get(name.removesuffix(KINDS[section]) if section.startswith("v3.") else name)


def _judged(
    file: PackageFile, as_built: Mapping[str, Any], record: Mapping[str, Any] | None, entry: Entry | None
) -> Finding | None:
    # Digests of records leave it out, since it is checked against the archive; here is none.
    if record is not None and record.get("sha256") != as_built.get("sha256"):
        return Finding.of(Code.PATCH_UNATTRIBUTED, file, keys="sha256")
    if entry is None:
        if record is None:
            return Finding.of(Code.PATCH_UNATTRIBUTED, file, expected="its record", found="removed")
        if alike(as_built, record, where=str(file)):
            return None
        changed = ", ".join(differences(as_built, record))
        return Finding.of(Code.PATCH_UNATTRIBUTED, file, keys=changed)
    if as_built.get("sha256") != entry.sha256:
        found_archive = as_built.get("sha256")
        return Finding.of(Code.PATCH_AS_BUILT, f"{file}: sha256", expected=entry.sha256, found=found_archive)
    built = record_digest(as_built, where=str(file))
    if built != entry.as_built:
        return Finding.of(Code.PATCH_AS_BUILT, file, expected=entry.as_built, found=built)
    found = None if record is None else record_digest(record, where=str(file))
    if found == entry.served:
        return None
    if found is None:
        return Finding.of(Code.PATCH_UNATTRIBUTED, file, expected=entry.served, found="removed")
    # An earlier state, or the record as built: a patch was taken away. Anything else was put there.
    earlier = found == entry.as_built or any(found == digest for _, digest in entry.history)
    code = Code.PATCH_STRIPPED if earlier else Code.PATCH_UNATTRIBUTED
    return Finding.of(code, file, expected=entry.served or "removed", found=found)
