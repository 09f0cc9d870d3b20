"""Read the generations of a subdir's patches: each authenticated, each file hashed before it is parsed.

Owns `Chain` and `Generation`. Nothing is believed because it lies in the channel: the number in `head.json` is a
hint, a generation counts for who signed it, and every other file for being named by its digest.

Spec: ceps-drafts/cep-patch-provenance.md
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from condattest.errors import Malformed, NotFound
from condattest.formats import patch_files, patch_statement, sidecar, statement
from condattest.formats.patch_files import Entry, Place, Shard
from condattest.formats.patch_statement import PatchStatement, Role
from condattest.model.artifact import Sha256
from condattest.model.channel import Channel
from condattest.model.evidence import Evidence, VerifiedTime
from condattest.model.finding import Code, Finding
from condattest.operations.attestations import Collected
from condattest.operations.judgement import authenticate_all
from condattest.patches.changes import applied
from condattest.patches.digests import record_digest
from condattest.policy.patch_signers import Authority
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.origin import Origin


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation, as far as its signers vouch for it.

    Attributes:
        said: Its statement.
        payload: The digest of the payload.
        evidence: What each counting bundle proves.
    """

    said: PatchStatement
    payload: Sha256
    evidence: tuple[Evidence, ...]

    @property
    def time(self) -> VerifiedTime:
        """When it existed at the latest: the earliest verified time of any of its bundles."""
        return min(each.earliest for each in self.evidence)


@dataclass(slots=True)
class Chain:
    """The generations of a subdir in one role.

    Attributes:
        origin: Where they are kept.
        channel: The channel that their statements must name.
        subdir: The subdir that they must name.
        role: The role that they must name.
        authority: Who may sign them.
        roots: The trust roots to authenticate under.
        void: Payloads of generations that are revoked: they keep their place, and nothing of them is believed.
    """

    origin: Origin
    channel: Channel
    subdir: str
    role: Role
    authority: Authority
    roots: Sequence[TrustRoot]
    void: frozenset[Sha256] = frozenset()
    _generations: dict[int, Generation] = field(default_factory=dict)
    _deltas: dict[Sha256, dict[str, Sha256]] = field(default_factory=dict)
    _shards: dict[Sha256, Shard] = field(default_factory=dict)

    def with_one_signer(self) -> "Chain":
        """The same generations, where one signer that is allowed is enough: for those who add the others."""
        return replace(self, authority=self.authority.with_one_signer(), _generations={})

    @property
    def own_roots(self) -> list[TrustRoot]:
        """The trust roots that count, of those that signatures are tried with."""
        return [root for root in self.roots if root.sha256 == self.authority.root]

    def place(self, name: str) -> str:
        """The path of a file of the chain."""
        return f"{self.subdir}/patches/{name}"

    def newest(self, *, fresh: bool = False) -> Generation | None:
        """The generation that `head.json` names; None where there is no `head.json`.

        Args:
            fresh: Read `head.json` past the caches on the way: it is the only file that ever changes.

        Raises:
            Malformed: As `generation`.
            Unavailable, LocalFailure: Something could not be read.
        """
        number = self.head(fresh=fresh)
        return None if number is None else self.generation(number)

    def head(self, *, fresh: bool = False) -> int | None:
        """The number in `head.json`; None where there is none.

        Raises:
            Malformed: PATCH-FILE.
            Unavailable, LocalFailure: It could not be read.
        """
        path = self.place("head.json")
        try:
            data = (self.origin.read_fresh if fresh else self.origin.read)(path, patch_files.MAX_HEAD)
        except NotFound:
            return None
        return patch_files.parse_head(data, where=self._where(path))

    def voided(self, number: int) -> Sha256 | None:
        """The payload of a generation that is voided, whoever signed it; None where it is not, or is not there.

        Raises:
            Unavailable, LocalFailure: It could not be read.
        """
        if not self.void:
            return None
        try:
            bundles = sidecar.parse(self._read(self.place(f"{number}.sigs"), sidecar.MAX_SIDECAR), where="").bundles
            for each in bundles:
                payload = Sha256(hashlib.sha256(each.payload).hexdigest())
                if payload in self.void:
                    said = patch_statement.parse(statement.parse(each.payload_type, each.payload))
                    # A voided payload in the place of another generation voids nothing.
                    if (said.target_channel, said.subdir, said.role) == (self.channel, self.subdir, self.role):
                        return payload if said.generation == number else None
        except Malformed:
            return None  # Whoever reads it as a generation is told why it is none.
        return None

    def generation(self, number: int) -> Generation:
        """Authenticate a generation.

        Raises:
            Malformed: PATCH-MISSING, PATCH-STATEMENT, PATCH-GENERATION, CHANNEL-MISMATCH, ROLLBACK, SIDECAR-*, CRYPTO,
                IDENTITY-MISMATCH, MISSING-THRESHOLD.
            Unavailable, LocalFailure: It could not be read.
        """
        if number not in self._generations:
            self._generations[number] = self._generation(number)
        return self._generations[number]

    def _generation(self, number: int) -> Generation:
        return self.judged(number, self._read(self.place(f"{number}.sigs"), sidecar.MAX_SIDECAR))

    def judged(self, number: int, data: bytes) -> Generation:
        """Authenticate the bytes of `<n>.sigs`, be they in the chain yet or not.

        Raises:
            Malformed: As `generation`, but for PATCH-MISSING.
        """
        where = self._where(self.place(f"{number}.sigs"))
        bundles = sidecar.parse(data, where=where).bundles
        evidence, failures = authenticate_all(Collected(bundles, (where,)), self.roots)
        if not evidence:
            raise Malformed(failures[0].at(where))
        # Several signers sign the same bytes, or they sign nothing together.
        payloads = {(each.payload_type, each.payload) for each in evidence}
        if len(payloads) > 1:
            raise Malformed(Finding.of(Code.PATCH_GENERATION, where, expected="one payload", found=len(payloads)))
        payload_type, payload = payloads.pop()
        if len(payload) > patch_statement.MAX_PAYLOAD:
            expected = f"at most {patch_statement.MAX_PAYLOAD} bytes"
            raise Malformed(Finding.of(Code.PATCH_STATEMENT, where, expected=expected, found=len(payload)))
        said = patch_statement.parse(statement.parse(payload_type, payload))
        if said.target_channel != self.channel:
            raise Malformed(Finding.of(Code.CHANNEL_MISMATCH, where, expected=self.channel, found=said.target_channel))
        for code, expected_here, found in (
            (Code.CHANNEL_MISMATCH, self.subdir, said.subdir),
            (Code.PATCH_GENERATION, self.role, said.role),
            (Code.ROLLBACK, number, said.generation),  # An older one in the place of a newer one, say.
        ):
            if expected_here != found:
                raise Malformed(Finding.of(code, where, expected=expected_here, found=found))
        allowed = self.authority.allowed(evidence, where=where)
        if isinstance(allowed, Finding):
            raise Malformed(allowed)
        return Generation(said, Sha256(hashlib.sha256(payload).hexdigest()), allowed)

    def log(self, generation: Generation) -> tuple[Sha256, ...]:
        """The payload digests of all generations before one.

        Raises:
            Malformed: PATCH-FILE; ROLLBACK if it does not lead to the generation's `previous`.
        """
        said = generation.said
        path = self.place(f"{said.log}.log")
        lines = patch_files.parse_log(self._hashed(path, said.log, patch_files.MAX_LOG), where=self._where(path))
        if len(lines) != said.generation - 1 or (lines and lines[-1] != said.previous):
            found = f"{len(lines)} lines, the last {lines[-1] if lines else 'none'}"
            expected = f"{said.generation - 1} lines, the last {said.previous}"
            raise Malformed(Finding.of(Code.ROLLBACK, self._where(path), expected=expected, found=found))
        return lines

    def map(self, generation: Generation) -> dict[str, Sha256]:
        """By package name, the digest of its shard as of a generation."""
        return self._map(generation.said.map, ".map.json.zst")

    def delta(self, generation: Generation) -> dict[str, Sha256]:
        """The map's part that a generation changed."""
        digest = generation.said.delta
        if digest not in self._deltas:
            self._deltas[digest] = self._map(digest, ".delta.json.zst")
        return self._deltas[digest]

    def _map(self, digest: Sha256, suffix: str) -> dict[str, Sha256]:
        path = self.place(f"{digest}{suffix}")
        return patch_files.parse_map(self._hashed(path, digest, patch_files.MAX_MAP), where=self._where(path))

    def shard(self, name: str, digest: Sha256) -> Shard:
        """The shard of a package name.

        Raises:
            Malformed: PATCH-FILE, PATCH-MISSING.
        """
        if digest not in self._shards:
            path = self.place(f"{digest}.shard.json.zst")
            data = self._hashed(path, digest, patch_files.MAX_SHARD)
            self._shards[digest] = patch_files.parse_shard(data, where=self._where(path))
        shard = self._shards[digest]
        if shard.name != name:
            raise Malformed(Finding.of(Code.PATCH_FILE, self._where(digest), expected=name, found=shard.name))
        return shard

    def states(
        self, name: str, place: Place, entry: Entry, log: Sequence[Sha256]
    ) -> Iterator[tuple[Generation, Entry]]:
        """Yield each generation that changed a file, oldest first, with the file's entry as of it.

        Args:
            name: The package name.
            place: The file.
            entry: Its newest entry.
            log: The payload digests of generations 1, 2, ... up to the newest, itself included.

        Raises:
            Malformed: ROLLBACK if a generation is not the one in the log; PATCH-FILE if its delta or shard does not
                say what the history says.
        """
        for number, served in entry.history:
            yield self.state(name, place, entry.sha256, number, served, log)

    def state(
        self, name: str, place: Place, sha256: Sha256, number: int, served: Sha256 | None, log: Sequence[Sha256]
    ) -> tuple[Generation, Entry]:
        """The generation of a number, with a file's entry as of it; arguments and errors as `states`."""
        generation = self.generation(number)
        if number > len(log) or generation.payload != log[number - 1]:
            where = self._where(self.place(f"{number}.sigs"))
            expected = log[number - 1] if number <= len(log) else "no such generation"
            raise Malformed(Finding.of(Code.ROLLBACK, where, expected=expected, found=generation.payload))
        digest = self.delta(generation).get(name)
        where = f"{self._where(self.place(str(generation.said.delta)))}: {name}"
        if digest is None:
            raise Malformed(Finding.of(Code.PATCH_FILE, where, expected="a shard", found="none"))
        state = self.shard(name, digest).files.get(place)
        if state is None or state.newest != number or state.served != served or state.sha256 != sha256:
            raise Malformed(Finding.of(Code.PATCH_FILE, where, expected=f"{served} since {number}", found=state))
        return generation, state

    def value(
        self, name: str, place: Place, entry: Entry, as_built: Mapping[str, Any], log: Sequence[Sha256]
    ) -> dict[str, Any]:
        """What a record is as served, from its record as built and every change to it.

        Raises:
            Malformed: As `states`; PATCH-RECORD if the outcome has not the digest that the entry says.
        """
        record = dict(as_built)
        where = "/".join(place)
        for _, state in self.states(name, place, entry, log):
            record = applied(record, state.changed, where=where)
            if state.served is not None:
                found = record_digest(record, where=where)
                if found != state.served:
                    raise Malformed(Finding.of(Code.PATCH_RECORD, where, expected=state.served, found=found))
        return record

    def _hashed(self, path: str, digest: Sha256, limit: int) -> bytes:
        data = self._read(path, limit)
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise Malformed(Finding.of(Code.PATCH_FILE, self._where(path), expected=digest, found=found))
        return data

    def _read(self, path: str, limit: int) -> bytes:
        try:
            return self.origin.read(path, limit)
        except NotFound:
            raise Malformed(Finding.of(Code.PATCH_MISSING, self._where(path))) from None

    def _where(self, path: object) -> str:
        return f"{self.origin.name}/{path}"
