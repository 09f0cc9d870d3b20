"""Sign a generation of a subdir's patches: read, replay, compare, build, sign, write.

Owns `attest`, `Order` and `Made`, `newest_of` and `is_due`. What is attested as served is what the engine makes of
instructions and records as built; that the channel serves just that is checked, and refused where it does not. The
order of writing is shards, delta, map, log, bundle, head: a reader never meets a bundle whose files are not there. The
bundle is judged as a reader would judge it before anything is written. It is created, never replaced: whoever loses
number n builds again on what won. A writer that was killed before the head leaves a bundle that `head.json` does not
name: the next one goes on from there.

Spec: ceps-drafts/cep-patch-provenance.md
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import stamina

from condattest.errors import Conflict, Malformed, Misuse, NotFound
from condattest.formats import patch_files, patch_statement, sidecar, statement
from condattest.formats.held_records import opened
from condattest.formats.patch_files import Change, Place
from condattest.formats.patch_instructions import Instructions
from condattest.formats.patch_statement import PatchStatement, Source
from condattest.model.artifact import PackageFile
from condattest.model.finding import Code, Finding, Severity
from condattest.operations import as_built, patch_state
from condattest.operations.patch_chain import Chain, Generation
from condattest.operations.patch_head import point
from condattest.operations.patch_inputs import Inputs
from condattest.operations.sidecars import SCHEDULE
from condattest.patches.engines import Engine
from condattest.patches.generation import Before, Built, build
from condattest.patches.index_sections import record_at
from condattest.patches.served import unlike_served
from condattest.transport.origin import Origin
from condattest.transport.store import Store

_SHOWN: Final = 20

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


@dataclass(frozen=True, slots=True)
class Made:
    """What became of an order: the generation, and whether it is new.

    Attributes:
        generation: The newest generation now.
        new: Whether this call made it.
        changed: By place, what it changed.
        written: The files that this call wrote.
    """

    generation: Generation
    new: bool
    changed: Mapping[Place, Mapping[str, Change]] = field(default_factory=dict)
    written: tuple[str, ...] = ()


def attest(order: Order, sign: Sign, *, now: datetime) -> Made:
    """Make the next generation, if there is anything to say.

    Args:
        order: What is to be attested.
        sign: Signs the statement.
        now: The time, for the age of the newest generation.

    Raises:
        Malformed: PATCH-REPLAY: the replay does not give what is served; PATCH-AS-BUILT; ROLLBACK: the channel's
            generations do not descend from the state; or a generation that is there is not sound.
        Conflict: Others kept on being faster.
        NoIdentity, ServiceFailed: It could not be signed.
        Unavailable, LocalFailure: Something could not be read or written.
    """
    served = _replayed(order)
    for attempt in stamina.retry_context(**SCHEDULE):
        with attempt:
            made = _attest(order, served, sign, now)
            patch_state.remember(order.state, order.chain, made.generation)
            return made
    raise AssertionError("stamina returns or raises")


def _replayed(order: Order) -> Mapping[str, Any]:
    """What the engine makes of the inputs; compared with what is served."""
    instructions = order.inputs.instructions
    if instructions is None:
        served = order.inputs.as_built
    else:
        patched = order.engine.apply(order.inputs.as_built, instructions)
        wrong = [each for each in patched.findings if each.code.severity is Severity.ERROR]
        if wrong:
            raise Malformed(wrong[0])
        served = patched.document
    unlike = unlike_served(order.inputs.as_built, served, order.inputs.served)
    if unlike:
        first = ", ".join(f"{file} ({why})" for (_, file), why in unlike[:_SHOWN])
        where = f"{order.packages.name}/{order.chain.subdir}/repodata.json"
        raise Malformed(
            Finding.of(Code.PATCH_REPLAY, where, engine=order.engine.name, records=len(unlike), first=first)
        )
    return served


def _attest(order: Order, served: Mapping[str, Any], sign: Sign, now: datetime) -> Made:
    chain = order.chain
    # (1) The generation before, checked as a client would check it.
    newest = newest_of(order.store, chain)
    log = chain.log(newest) if newest is not None else ()
    where = f"{order.store.name}/{chain.place('head.json')}"
    patch_state.descends(order.state, chain, newest, log, where=where)
    before = None
    if newest is not None:
        shards = chain.map(newest)
        full = (*log, newest.payload)

        def value(place: Place, entry: patch_files.Entry, record: Mapping[str, Any]) -> Mapping[str, Any]:
            return chain.value(PackageFile.parse(place[1]).name, place, entry, record, full)

        before = Before(
            generation=newest.said.generation,
            payload=newest.payload,
            payloads=log,
            shards=shards,
            shard=chain.shard,
            value=value,
        )
    # (2) The next one.
    built = build(order.inputs.as_built, served, before)
    if newest is not None and not built.changed and not is_due(newest, order.refresh_after, now):
        return Made(newest, new=False)
    proved = _proved(order, built)
    # (3) Signed, and judged as a reader would judge it.
    payload = statement.dump(patch_statement.statement(_said(order, built, newest, proved)))
    if len(payload) > patch_statement.MAX_PAYLOAD:
        raise Misuse(f"the statement has {len(payload)} bytes, more than {patch_statement.MAX_PAYLOAD}")
    sigs = sidecar.dump([sign(payload).strip()])
    generation = chain.judged(built.generation, sigs)
    # (4) Written: what the bundle names before the bundle, the hint last.
    written = []
    for name, data in built.files.items():
        if order.store.create(chain.place(name), data):
            written.append(name)
    name = f"{built.generation}.sigs"
    if not order.store.create(chain.place(name), sigs):
        raise Conflict(f"{chain.place(name)}: somebody else made that generation")
    point(order.store, chain.place("head.json"), built.generation)
    return Made(generation, new=True, changed=built.changed, written=(*written, name, "head.json"))


def is_due(newest: Generation, refresh_after: timedelta | None, now: datetime) -> bool:
    """Whether a generation that changes nothing is to be signed: the newest one is that old."""
    return refresh_after is not None and now - newest.time.at >= refresh_after


def newest_of(store: Store, chain: Chain) -> Generation | None:
    """The newest generation: what `head.json` names, or one after it whose writer did not come to name it.

    Raises:
        Malformed: ROLLBACK: a generation after it does not follow it; or one is not sound.
    """
    newest = chain.newest()
    while True:
        number = 1 if newest is None else newest.said.generation + 1
        try:
            following = chain.generation(number)
        except Malformed as error:
            if error.finding.code is Code.PATCH_MISSING:
                return newest
            raise
        previous = None if newest is None else newest.payload
        if following.said.previous != previous:
            where = f"{store.name}/{chain.place(f'{number}.sigs')}"
            found = following.said.previous
            raise Malformed(Finding.of(Code.ROLLBACK, f"{where}: previous", expected=previous or "none", found=found))
        point(store, chain.place("head.json"), number)
        newest = following


def _proved(order: Order, built: Built) -> bool:
    """Whether the archives prove the records as built of what is newly listed.

    Raises:
        Malformed: PATCH-AS-BUILT: one does not, and the index is not to be believed.
    """
    if not built.listed or order.trust_as_built:
        return not built.listed
    subdir = order.chain.subdir
    for place in sorted(built.listed):
        try:
            as_built.prove(order.packages, subdir, order.engine, place, opened(record_at(order.inputs.as_built, place)))
        except NotFound:
            where = f"{order.packages.name}/{subdir}/{place[1]}"
            finding = Finding.of(Code.PATCH_AS_BUILT, where, expected="its archive", found="nothing")
            raise Malformed(finding) from None
    return True


def _said(order: Order, built: Built, newest: Generation | None, proved: bool) -> PatchStatement:
    instructions: Instructions | None = order.inputs.instructions
    return PatchStatement(
        target_channel=order.chain.channel,
        subdir=order.chain.subdir,
        role=order.chain.role,
        generation=built.generation,
        previous=None if newest is None else newest.payload,
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
    )
