"""Who changed the records of a channel: each judged by the policy, and the history of each subdir told.

Owns `PatchJudge`, `HeldChain`, `held`, `timeline` and `unexplained`. However many records there are, the generations of
a subdir are read once; of the shards, a few hundred stay in memory.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from condattest.errors import Malformed, NotFound
from condattest.formats import compression, listings, repodata
from condattest.formats.listings import Listing
from condattest.formats.patch_files import Place, Shard
from condattest.model.artifact import Artifact, Sha256
from condattest.model.audit import Patched
from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding
from condattest.model.verdict import Verdict
from condattest.operations.patch_chain import Chain, Generation
from condattest.operations.patch_log import Step, log
from condattest.operations.patch_verdict import Demand, with_patches
from condattest.patches.changes import alike
from condattest.patches.digests import record_digest
from condattest.policy.rules import Policy
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.memory import Generation as Seen
from condattest.transport.memory import Memory, NoMemory
from condattest.transport.on_demand import Source
from condattest.transport.origin import Origin

_SHARDS: Final = 256


@dataclass(slots=True)
class HeldChain(Chain):
    """Generations that are read once: a run judges every record by the same newest one."""

    _held: dict[str, Any] = field(default_factory=dict)

    def newest(self, *, fresh: bool = False) -> Generation | None:
        """As `Chain.newest`, read past the caches once; what was raised is raised again."""
        newest: Generation | None = self._once(f"newest {fresh}", lambda: Chain.newest(self, fresh=fresh))
        return newest

    def log(self, generation: Generation) -> tuple[Sha256, ...]:
        """As `Chain.log`."""
        lines: tuple[Sha256, ...] = self._once(f"log {generation.payload}", lambda: Chain.log(self, generation))
        return lines

    def map(self, generation: Generation) -> dict[str, Sha256]:
        """As `Chain.map`."""
        shards: dict[str, Sha256] = self._once(f"map {generation.payload}", lambda: Chain.map(self, generation))
        return shards

    def shard(self, name: str, digest: Sha256) -> Shard:
        """As `Chain.shard`; those that were not asked for lately are let go."""
        while len(self._shards) > _SHARDS and digest not in self._shards:
            self._shards.pop(next(iter(self._shards)))
        return Chain.shard(self, name, digest)

    def _once(self, key: str, make: Callable[[], Any]) -> Any:
        if key not in self._held:
            try:
                self._held[key] = make()
            except Exception as error:
                self._held[key] = error
        if isinstance(self._held[key], Exception):
            raise self._held[key].with_traceback(None)
        return self._held[key]


class _Once(NoMemory):
    """What this machine has seen of generations, asked and told once for each chain."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._newest: dict[tuple[Channel, str], Seen | None] = {}
        self._told: set[tuple[Channel, str, Seen]] = set()

    def newest(self, channel: Channel, chain: str) -> Seen | None:
        if (channel, chain) not in self._newest:
            self._newest[channel, chain] = self._memory.newest(channel, chain)
        return self._newest[channel, chain]

    def remember_generation(self, channel: Channel, chain: str, served: Seen, *, now: datetime) -> None:
        if (channel, chain, served) not in self._told:
            self._told.add((channel, chain, served))
            self._memory.remember_generation(channel, chain, served, now=now)


class PatchJudge:
    """Judges the patches of records as `verify` does, by generations that are read once.

    Args:
        channel: The channel.
        policy: For its `[[patch]]` rules.
        trust: The trust root, where no rule names another.
        roots: The trust roots that rules name.
        origin: Where generations are, unless a rule says otherwise.
        fetcher: For the generations that are elsewhere.
        memory: What this machine has seen of them.
        demand: Whether patches are judged.
        now: The time of the judgement.
    """

    def __init__(
        self,
        channel: Channel,
        policy: Policy,
        trust: TrustRoot,
        roots: Mapping[str, TrustRoot],
        origin: Origin,
        fetcher: Source,
        memory: Memory | None,
        *,
        demand: Demand,
        now: datetime,
    ) -> None:
        self._channel, self._policy, self._trust, self._roots = channel, policy, trust, roots
        self._origin, self._fetcher, self._now, self._demand = origin, fetcher, now, demand
        self._memory = _Once(memory or NoMemory())
        self._chains: dict[str, HeldChain] = {}

    def judged(self, verdict: Verdict, artifact: Artifact, listing: Listing) -> Verdict:
        """The verdict with what is to be said of the record's patches; raises as `Listing.members` and `judge` do."""
        return with_patches(
            verdict,
            self._demand,
            self._channel,
            artifact,
            _text(listing.members()),
            None,
            policy=self._policy,
            trust=self._trust,
            roots=self._roots,
            fetcher=self._fetcher,
            memory=self._memory,
            now=self._now,
            keep=self._kept,
        )

    def chain(self, subdir: str) -> HeldChain | None:
        """The generations of a subdir that records were judged by; None where none were asked for."""
        return self._chains.get(subdir)

    def _kept(self, chain: Chain) -> HeldChain:
        if chain.subdir not in self._chains:
            rule = chain.authority.rule
            if rule is None or rule.provenance is None:
                chain.origin = self._origin
            self._chains[chain.subdir] = held(chain)
        return self._chains[chain.subdir]


def held(chain: Chain) -> HeldChain:
    """The same generations, read once."""
    return HeldChain(chain.origin, chain.channel, chain.subdir, chain.role, chain.authority, chain.roots, chain.void)


def timeline(chain: Chain) -> tuple[list[Patched], list[Finding]]:
    """The generations of a subdir, newest first, and what is wrong with the chain as a whole.

    Raises:
        Unavailable, LocalFailure: Something could not be read.
    """
    try:
        if chain.newest() is None:
            return [], []
        return [_patched(chain.subdir, step) for step in log(chain)], []
    except Malformed as error:
        return [], [error.finding]


def _patched(subdir: str, step: Step) -> Patched:
    made = step.generation
    if made is None:
        nobody = {"at": None, "source": None, "signer": None, "changed": 0, "removed": 0}
        return Patched(subdir=subdir, generation=step.number, findings=step.findings, **nobody)  # type: ignore[arg-type]
    time = made.time
    return Patched(
        subdir=subdir,
        generation=step.number,
        at=time.at,
        source=time.source,
        signer=min(made.evidence, key=lambda each: each.earliest).signer.san,
        changed=made.said.counts["changed"],
        removed=made.said.counts["removed"],
        findings=step.findings,
    )


def unexplained(origin: Origin, subdir: str, served: Iterator[Listing], chain: Chain) -> int | None:
    """How many served records differ from as built with no generation that explains it; None if that cannot be told.

    Args:
        origin: The channel, for `repodata_from_packages.json`.
        subdir: The subdir.
        served: The records as served.
        chain: The generations; there need not be any.

    Raises:
        Malformed: NET-UNAVAILABLE: an index is none; or a generation is not sound.
        Unavailable, LocalFailure: Something could not be read.
    """
    built = _as_built(origin, subdir)
    if built is None:
        return None
    explained = _Explained(chain)
    as_built: Listing | None = next(built, None)
    count = 0
    for row in served:
        while as_built is not None and as_built.key < row.key:
            as_built = next(built, None)
        if row.file is None:
            continue
        same = as_built if as_built is not None and as_built.key == row.key else None
        count += not _is_explained(row, same, explained)
    return count


def _is_explained(row: Listing, as_built: Listing | None, explained: "_Explained") -> bool:
    try:
        now = _text(row.members())
    except Malformed:
        return False  # The row says what is wrong with it; it is not to keep the others from being counted.
    try:
        before = None if as_built is None else as_built.members()
        if before is not None and before.get("sha256") == now.get("sha256") and alike(before, now, where=row.key):
            return True
    except Malformed:
        pass
    return explained.holds(row, now)


class _Explained:
    """What the newest generation says is served."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        newest = chain.newest()
        self._map = {} if newest is None else chain.map(newest)

    def holds(self, row: Listing, record: Mapping[str, Any]) -> bool:
        assert row.file is not None  # noqa: S101 (asked only then)
        digest = self._map.get(row.file.name)
        if digest is None:
            return False
        files: Mapping[Place, Any] = self._chain.shard(row.file.name, digest).files
        entry = next((entry for place, entry in files.items() if place[1] == row.key), None)
        if entry is None or entry.sha256 != row.sha256:
            return False
        try:
            return bool(entry.served == record_digest(record, where=row.key))
        except Malformed:
            return False  # It has no canonical form, so nothing was said of it.


def _as_built(origin: Origin, subdir: str) -> Iterator[Listing] | None:
    path = f"{subdir}/repodata_from_packages.json"
    for suffix, unpack in (("", None), (".zst", compression.unzstd)):
        try:
            data = origin.read(path + suffix, repodata.MAX_REPODATA)
        except NotFound:
            continue
        where = f"{origin.name}/{path}{suffix}"
        if unpack is not None:
            data = unpack(data, limit=repodata.MAX_REPODATA, code=Code.NET_UNAVAILABLE, where=where)
        return listings.of_monolith(data, subdir, where=where)
    return None


def _text(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A record with digests as text: shards may have them as bytes."""
    if not any(isinstance(value, bytes) for value in record.values()):
        return record
    return {key: value.hex() if isinstance(value, bytes) else value for key, value in record.items()}
