"""Is this index record what its author (or an observer) attested? Judged for one record, at install time.

Owns `Asked`, `Outcome` and `judge`. The order:

 (1) the newest generation: there, authenticated, allowed, not older than max-age;
 (2) its descent: from the policy's checkpoint, or from what this machine remembers, which is written down then;
 (3) the record is about its file, and the archive is the listed one; a removed file is never accepted;
 (4) the record is the current one by its history, or was within index-lag; one that is younger than min-age is not yet;
 (5) whoever changed it last was allowed to, and changed no other keys than the policy lets be patched.

A record that no generation ever touched has to be as built. Without a record (a file, a digest) only removal and the
archive are judged, and a note says so. Before anything is rejected `head.json` is read once more, past all caches: it
may have been older than the index. Whatever cannot be had is undecided.

Spec: ceps-drafts/cep-patch-provenance.md
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from condattest.errors import Malformed, Unavailable
from condattest.formats.patch_files import Entry, Place
from condattest.model.artifact import Artifact, Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.patch_chain import Chain, Generation
from condattest.operations.patch_log import newest_of, stale
from condattest.patches import engines
from condattest.patches.changes import differences
from condattest.patches.digests import SERVER_KEYS, record_digest
from condattest.policy import durations
from condattest.policy.rules import PatchRule
from condattest.transport.memory import Generation as Seen
from condattest.transport.memory import Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is judged.

    Attributes:
        artifact: The archive, with its subdir.
        record: The index record, whole, from the bytes that a solver reads; None where there is none.
        index: The archive's `info/index.json`; None where the archive is not at hand.
    """

    artifact: Artifact
    record: Mapping[str, Any] | None
    index: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What speaks against the record, if anything; and what is to be said of it."""

    findings: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
    generation: Generation | None = field(default=None, compare=False)


def judge(
    asked: Asked, chain: Chain, rule: PatchRule, revoked: frozenset[Sha256], memory: Memory, *, now: datetime
) -> Outcome:
    """Judge a record.

    Args:
        asked: The record and its archive.
        chain: The generations.
        rule: What the policy demands of them.
        revoked: Payloads of generations that are never believed.
        memory: What this machine has seen of the chain.
        now: The time of the judgement.

    Raises:
        Unavailable, LocalFailure: Something could not be read.
    """
    judging = _Judging(asked, chain, rule, revoked, memory, now)
    newest = None
    try:
        newest = newest_of(chain)
        outcome = judging.outcome(newest)
    except Malformed as error:
        outcome = Outcome((error.finding,))
    if not outcome.findings:
        return outcome
    # Index and generation are not written in one step, and a cache may keep the hint longer than the index.
    try:
        newer = newest_of(chain, fresh=True)
    except (Malformed, Unavailable):
        return outcome
    if newest is not None and newer.said.generation <= newest.said.generation:
        return outcome
    try:
        return judging.outcome(newer)
    except Malformed as error:
        return Outcome((error.finding,))


def _unseen(finding: Finding) -> Finding:
    """An observer may just not have looked since: what it did not see is undecided."""
    if finding.code not in (Code.PATCH_UNATTRIBUTED, Code.PATCH_STRIPPED):
        return finding
    return Finding(Code.PATCH_UNSEEN, finding.where, finding.facts)


@dataclass(frozen=True, slots=True)
class _State:
    """One state of a record: by which generation, since when it is in force, what it is, whether that is to come."""

    generation: Generation
    since: datetime
    entry: Entry
    is_young: bool


@dataclass(frozen=True, slots=True)
class _Judging:
    asked: Asked
    chain: Chain
    rule: PatchRule
    revoked: frozenset[Sha256]
    memory: Memory
    now: datetime

    def outcome(self, newest: Generation) -> Outcome:
        # (1) The newest generation.
        where = f"{self.chain.origin.name}/{self.chain.place(f'{newest.said.generation}.sigs')}"
        if (old := stale(self.chain, newest, self.rule.max_age, now=self.now)) is not None:
            raise Malformed(old)
        if newest.payload in self.revoked:
            raise Malformed(Finding.of(Code.IDENTITY_REVOKED, where, payload=newest.payload))
        # (2) Its descent, written down whatever becomes of the record.
        payloads = (*self.chain.log(newest), newest.payload)
        self._descent(payloads, where)
        # (3) to (5) The record.
        record = self.asked.record
        if record is None:
            findings = self._archive(self._entry(newest), f"{self.chain.subdir}/{self.asked.artifact.file}")
            notes = [] if findings else [Finding.of(Code.PATCH_NOT_JUDGED, self.asked.artifact.file)]
            return Outcome(tuple(findings), tuple(notes), newest)
        findings, notes = self._record(record, newest, payloads)
        if self.rule.role == "observer":
            notes.append(Finding.of(Code.PATCH_WITNESSED, self.asked.artifact.file))
            findings = [_unseen(finding) for finding in findings]
        return Outcome(tuple(findings), tuple(notes), newest)

    def _descent(self, payloads: tuple[Sha256, ...], where: str) -> None:
        name = f"{self.chain.subdir} {self.chain.role}"
        if self.rule.provenance is not None:
            name += f" {self.rule.provenance}"
        known = self.memory.newest(self.chain.channel, name)
        if self.rule.checkpoint is not None:
            known = Seen(self.rule.checkpoint.generation, self.rule.checkpoint.payload)
        if known is not None:
            line = payloads[known.number - 1] if known.number <= len(payloads) else None
            if line != known.payload:
                expected = f"generation {known.number}, {known.payload}"
                found = line or f"generation {len(payloads)}, an older one"
                raise Malformed(Finding.of(Code.ROLLBACK, where, expected=expected, found=found))
        served = Seen(len(payloads), payloads[-1])
        self.memory.remember_generation(self.chain.channel, name, served, now=self.now)

    def _archive(self, listed: tuple[Place, Entry] | None, where: str) -> list[Finding]:
        """Whether the archive is the one that is listed, and was not removed."""
        if listed is None:
            return []
        _, entry = listed
        found = self.asked.artifact.sha256
        if entry.sha256 != found:
            return [Finding.of(Code.PATCH_RECORD, where, expected=entry.sha256, found=found)]
        if entry.removed:
            return [Finding.of(Code.PATCH_REMOVED, where, generation=entry.newest)]
        return []

    def _record(
        self, record: Mapping[str, Any], newest: Generation, payloads: tuple[Sha256, ...]
    ) -> tuple[list[Finding], list[Finding]]:
        file = self.asked.artifact.file
        where = f"{self.chain.subdir}/{file}"
        for key, expected in (("name", file.name), ("version", file.version), ("build", file.build)):
            if record.get(key) != expected:
                found = record.get(key)
                return [Finding.of(Code.BIND_METADATA, f"{where}: {key}", expected=expected, found=found)], []
        digest = record_digest(record, where=where)
        built = self._as_built(newest, where)
        listed = self._entry(newest)
        if listed is None:
            if built is None:
                return [], [Finding.of(Code.PATCH_UNLISTED, where)]
            if record_digest(built, where=where) == digest:
                return [], []
            changed = ", ".join(differences(built, record))
            return [Finding.of(Code.PATCH_UNATTRIBUTED, where, keys=changed)], []
        wrong = self._archive(listed, where)
        if wrong:
            return wrong, []
        place, entry = listed
        if built is not None and record_digest(built, where=where) != entry.as_built:
            found_built = record_digest(built, where=where)
            return [Finding.of(Code.PATCH_AS_BUILT, where, expected=entry.as_built, found=found_built)], []
        return self._matched(_History(self, place, entry, payloads), digest, built, where)

    def _as_built(self, newest: Generation, where: str) -> Mapping[str, Any] | None:
        if self.asked.index is None:
            return None
        engine = engines.engine(newest.said.engine)
        if engine is None:
            found = newest.said.engine
            raise Malformed(Finding.of(Code.PATCH_UNREPRODUCED, where, expected="a known engine", found=found))
        return engine.as_built(self.asked.index)

    def _entry(self, newest: Generation) -> tuple[Place, Entry] | None:
        file = self.asked.artifact.file
        digest = self.chain.map(newest).get(file.name)
        if digest is None:
            return None
        files = self.chain.shard(file.name, digest).files
        listed = [(place, entry) for place, entry in files.items() if place[1] == str(file)]
        if len(listed) > 1:
            raise Malformed(Finding.of(Code.BIND_AMBIGUOUS, file, expected="one entry", found=len(listed)))
        return listed[0] if listed else None

    def _matched(
        self, history: "_History", digest: Sha256, built: Mapping[str, Any] | None, where: str
    ) -> tuple[list[Finding], list[Finding]]:
        """Hold the record against its history: it is the current state, was it just now, or is none that may be."""
        entry = history.entry
        at = next((at for at in reversed(range(len(entry.history))) if entry.history[at][1] == digest), None)
        if at is None:
            if digest != entry.as_built:
                return [Finding.of(Code.PATCH_UNATTRIBUTED, where, expected=entry.served, found=digest)], []
            if history.current(0) is None:
                return [], []  # Its first patch is not in force yet.
            return [Finding.of(Code.PATCH_STRIPPED, where, expected=entry.served, found=digest)], []
        current = history.current(at)
        if current is None and digest == entry.as_built and history.current(0) is None:
            return [], []  # Nothing is in force yet, and that leaves it as built.
        if current is None:
            until = history.state(at).since.isoformat()
            expected = f"a patch of {durations.show(self.rule.min_age)} of age"
            return [Finding.of(Code.POLICY_TOO_YOUNG, where, expected=expected, until=until)], []
        notes = []
        if at < current:
            replaced = history.state(at + 1).since
            if self.now - replaced > self.rule.index_lag:
                number = entry.history[current][0]
                return [Finding.of(Code.ROLLBACK, where, expected=f"as of generation {number}", found=digest)], []
            notes.append(Finding.of(Code.PATCH_LAG, where, since=replaced.isoformat()))
        return self._allowed(history.state(at), built, where), notes

    def _allowed(self, last: _State, built: Mapping[str, Any] | None, where: str) -> list[Finding]:
        if last.generation.payload in self.revoked:
            return [Finding.of(Code.IDENTITY_REVOKED, where, payload=last.generation.payload)]
        # Without the archive only what the last change touched can be told. No digest is of what the server sets: that
        # somebody signed a change of it can be told from the change alone.
        record, changed = self.asked.record, set(last.entry.changed)
        if built is not None and record is not None:
            changed = set(differences(built, record)) | (changed & SERVER_KEYS)
        return [Finding.of(Code.PATCH_KEY, where, key=key) for key in sorted(changed - self.rule.keys)]


@dataclass(frozen=True, slots=True)
class _History:
    """A record's states, each authenticated when it is asked for: who changed it long ago is for `blame` to say."""

    judging: _Judging
    place: Place
    entry: Entry
    payloads: tuple[Sha256, ...]

    def state(self, at: int) -> _State:
        """One state, with the time since which it is current."""
        judging = self.judging
        number, served = self.entry.history[at]
        name = judging.asked.artifact.file.name
        generation, entry = judging.chain.state(name, self.place, self.entry.sha256, number, served, self.payloads)
        # A removal holds at once, and the first generation is a baseline.
        waits = number > 1 and served is not None
        wait = judging.rule.min_age if waits else timedelta()
        since = generation.time.at + wait
        # Where nothing waits, a clock that is behind must not bring back what was before.
        return _State(generation, since, entry, is_young=wait > timedelta() and since > judging.now)

    def current(self, least: int) -> int | None:
        """The newest state that is in force, of those from `least` on; None if none of them is."""
        states = range(len(self.entry.history) - 1, least - 1, -1)
        return next((at for at in states if not self.state(at).is_young), None)
