"""Sign a generation of a subdir's patches: read, replay, compare, build, sign, write.

Owns `attest`, `Order`, `Made` and `is_due`. What is attested as served is what the engine makes of instructions and
records as built (`patch_replay`). One signer is enough for what this writes: where the rule demands more,
`patch_cosign` adds them, and until then no `head.json` names the generation, and there is none after it. The order of
writing is shards, delta, map, log, bundle, head: a reader never meets a bundle whose files are not there. The bundle is
judged as a reader would judge it before anything is written. It is created, never replaced: whoever loses number n
builds again on what won. A writer that was killed before the head leaves a bundle that `head.json` does not name: the
next one goes on from there. A listed file with another archive is refused until somebody says that it was replaced.

Spec: ceps-drafts/cep-patch-provenance.md
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import stamina

from condattest.errors import Conflict, Misuse
from condattest.formats import patch_statement, sidecar, statement
from condattest.formats.patch_descriptors import Source
from condattest.formats.patch_differences import Unattributed
from condattest.formats.patch_files import Change, Place
from condattest.formats.patch_instructions import Instructions
from condattest.formats.patch_statement import PatchStatement
from condattest.model.artifact import PackageFile, Sha256
from condattest.operations import as_built, patch_replay, patch_state, patch_tip
from condattest.operations.patch_chain import Chain, Generation
from condattest.operations.patch_head import point
from condattest.operations.patch_inputs import Inputs
from condattest.operations.patch_replay import Replay
from condattest.operations.sidecars import SCHEDULE
from condattest.patches.engines import Engine
from condattest.patches.generation import Built, build
from condattest.transport.origin import Origin
from condattest.transport.store import Store

Sign = Callable[[bytes], bytes]
"""Signs a statement's bytes; returns a bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be attested.

    Attributes:
        store: Where the generations are kept.
        chain: The generations that are there, read from the same place.
        packages: Where the archives are, to prove records as built.
        inputs: What the run of the patch pipeline read and wrote.
        engine: The indexer's way with instructions.
        engine_version: The indexer's version, as it is stated.
        source: Where the instructions come from.
        state: A file outside the channel that keeps the newest generation known to its author; None for none.
        trust_as_built: Whether records as built are believed of the index where no archive proves them.
        refresh_after: How old the newest generation may be until one is signed that changes nothing.
        replaced: Files whose archive was replaced under its name, and is to be listed instead of the old one; None
            where whatever is there is taken, as by an observer.
        allow_unattributed: Whether to sign what the replay gives though the channel serves something else; the
            statement says where.
    """

    store: Store
    chain: Chain
    packages: Origin
    inputs: Inputs
    engine: Engine
    engine_version: str
    source: Source | None = None
    state: Path | None = None
    trust_as_built: bool = False
    refresh_after: timedelta | None = None
    replaced: frozenset[PackageFile] | None = frozenset()
    allow_unattributed: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """What became of an order: the generation, and whether it is new.

    Attributes:
        generation: The newest generation now.
        new: Whether this call made it.
        changed: By place, what it changed.
        written: The files that this call wrote.
        unattributed: What the channel serves otherwise, as far as that was allowed.
        wanted: How many signers the generation needs.
    """

    generation: Generation
    new: bool
    changed: Mapping[Place, Mapping[str, Change]] = field(default_factory=dict)
    written: tuple[str, ...] = ()
    unattributed: Unattributed | None = None
    wanted: int = 1


def attest(order: Order, sign: Sign, *, now: datetime) -> Made:
    """Make the next generation, if there is anything to say.

    Args:
        order: What is to be attested.
        sign: Signs the statement.
        now: The time, for the age of the newest generation.

    Raises:
        Malformed: PATCH-REPLAY: the replay does not give what is served; PATCH-AS-BUILT; PATCH-REPLACED;
            ROLLBACK: the channel's generations do not descend from the state; or one that is there is not sound.
        Conflict: Others kept on being faster.
        NoIdentity, ServiceFailed: It could not be signed.
        Unavailable, LocalFailure: Something could not be read or written.
    """
    where = f"{order.packages.name}/{order.chain.subdir}/repodata.json"
    allowed = order.allow_unattributed
    replayed = patch_replay.replay(order.inputs, order.engine, where=where, allow_unattributed=allowed)
    for attempt in stamina.retry_context(**SCHEDULE):
        with attempt:
            made = _attest(order, replayed, sign, now)
            # One that lacks signers may yet be dropped, and its number be used again.
            if len(made.generation.evidence) >= made.wanted:
                patch_state.remember(order.state, order.chain, made.generation)
            return made
    raise AssertionError("stamina returns or raises")


def _attest(order: Order, replayed: Replay, sign: Sign, now: datetime) -> Made:
    chain = order.chain
    # (1) The generation before, checked as a client would check it.
    end = patch_tip.tip(chain)
    newest = end.newest
    patch_state.descends(order.state, chain, end.payloads, where=f"{order.store.name}/{chain.place('head.json')}")
    if newest is not None:
        point(order.store, chain.place("head.json"), newest.said.generation)
    # (2) The next one.
    built = build(
        order.inputs.as_built, replayed.served, patch_tip.before(chain, end), frozenset(map(str, order.replaced or ()))
    )
    if order.replaced is not None:
        patch_replay.meant(order.packages, chain.subdir, order.inputs, built, order.replaced)
    if newest is not None and not (end.is_void or built.changed or _is_due(order, newest, replayed, now)):
        return Made(newest, new=False, unattributed=replayed.unattributed, wanted=chain.authority.wanted)
    proved = not built.listed or not order.trust_as_built
    if proved:
        as_built.prove_all(order.packages, chain.subdir, order.engine, order.inputs.as_built, built.listed)
    # (3) Signed, and judged as a reader would judge it.
    payload = statement.dump(patch_statement.statement(_said(order, built, end.previous, replayed, proved=proved)))
    if len(payload) > patch_statement.MAX_PAYLOAD:
        raise Misuse(f"the statement has {len(payload)} bytes, more than {patch_statement.MAX_PAYLOAD}")
    sigs = sidecar.dump([sign(payload).strip()])
    generation = chain.with_one_signer().judged(built.generation, sigs)
    # (4) Written: what the bundle names before the bundle, the hint last.
    written = []
    for name, data in built.files.items():
        if order.store.create(chain.place(name), data):
            written.append(name)
    name = f"{built.generation}.sigs"
    if not order.store.create(chain.place(name), sigs):
        raise Conflict(f"{chain.place(name)}: somebody else made that generation")
    written.append(name)
    if len(generation.evidence) >= chain.authority.wanted:
        point(order.store, chain.place("head.json"), built.generation)
        written.append("head.json")
    return Made(
        generation,
        new=True,
        changed=built.changed,
        written=tuple(written),
        unattributed=replayed.unattributed,
        wanted=chain.authority.wanted,
    )


def _is_due(order: Order, newest: Generation, replayed: Replay, now: datetime) -> bool:
    """Whether something is to be said though no record changed."""
    if replayed.unattributed is not None and replayed.unattributed != newest.said.unattributed:
        return True
    return is_due(newest, order.refresh_after, now)


def is_due(newest: Generation, refresh_after: timedelta | None, now: datetime) -> bool:
    """Whether a generation that changes nothing is to be signed: the newest one is that old."""
    return refresh_after is not None and now - newest.time.at >= refresh_after


def _said(order: Order, built: Built, previous: Sha256 | None, replayed: Replay, *, proved: bool) -> PatchStatement:
    instructions: Instructions | None = order.inputs.instructions
    return PatchStatement(
        target_channel=order.chain.channel,
        subdir=order.chain.subdir,
        role=order.chain.role,
        generation=built.generation,
        previous=previous,
        engine=order.engine.name,
        engine_version=order.engine_version,
        as_built="archive" if proved else "index",
        source=order.source,
        inputs=order.inputs.digests,
        counts=built.counts,
        instructions=None if instructions is None else instructions.raw_sha256,
        map=built.map,
        delta=built.delta,
        log=built.log,
        unattributed=replayed.unattributed,
    )
