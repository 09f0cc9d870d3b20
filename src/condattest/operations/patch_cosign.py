"""Add a further signer to the newest generation, for rules that demand more than one.

Owns `cosign`, `Order` and `Cosigned`. A verb of its own beside `patch attest`, since it never makes a generation: what
it signs is settled, byte for byte, and all that is left to decide is whether this signer comes to the same by a replay
of their own. What the first signer alone knows (`source`, the digests of `inputs`, the engine's version) is theirs to
answer for. But which archives were replaced, and which generations are voided, each signer has to know. Records that
the generation is the first to list are proved by their archives, even if the first signer believed them of the index:
whoever cosigns believes them, too, only where they say so.

The bundle is appended to `<n>.sigs` on condition that it is still what was read: of several signers at once none is
lost, and elements that are there keep their bytes and their order. `head.json` names the generation once it has all its
signers; where somebody was killed before that, the next signer or author sets it.

Spec: ceps-drafts/cep-patch-provenance.md
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import stamina

from condattest.errors import Malformed
from condattest.formats import patch_files, sidecar
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding
from condattest.operations import as_built, patch_replay, patch_state, patch_tip
from condattest.operations.patch_chain import Chain, Generation
from condattest.operations.patch_head import point
from condattest.operations.patch_inputs import Inputs
from condattest.operations.patch_tip import Tip
from condattest.operations.sidecars import SCHEDULE
from condattest.patches import engines
from condattest.patches.generation import Built, build
from condattest.policy.match import distinct
from condattest.transport.origin import Origin
from condattest.transport.store import Store

Sign = Callable[[bytes], bytes]
"""Signs a statement's bytes; returns a bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Which generation is to be signed, and what it is held against.

    Attributes:
        store: Where the generations are kept.
        chain: The generations that are there, read from the same place.
        packages: Where the archives are, to prove records as built where the statement says that they were.
        inputs: What this signer's replay starts from.
        state: A file outside the channel that keeps the newest generation known to this signer; None for none.
        replaced: Files whose archive was replaced under its name, as this signer knows, too.
        allow_unattributed: Whether to sign a statement that lists differences to what is served.
        trust_as_built: Whether to sign without a proof where the statement says that the index was believed.
    """

    store: Store
    chain: Chain
    packages: Origin
    inputs: Inputs
    state: Path | None = None
    replaced: frozenset[PackageFile] = frozenset()
    allow_unattributed: bool = False
    trust_as_built: bool = False


@dataclass(frozen=True, slots=True)
class Cosigned:
    """What became of an order.

    Attributes:
        generation: The generation, with all who count as its signers now.
        new: Whether this call added one; it adds none who signed already.
        wanted: How many it needs.
        proved: Whether archives proved, to this signer, each record that it is the first to list.
    """

    generation: Generation
    new: bool
    wanted: int
    proved: bool


def cosign(order: Order, sign: Sign) -> Cosigned:
    """Sign the newest generation, too.

    Args:
        order: What is to be signed.
        sign: Signs the statement.

    Raises:
        Malformed: PATCH-NONE: there is no generation; IDENTITY-REVOKED: it is voided; ROLLBACK: it does not descend
            from the state; PATCH-REPLAY, PATCH-COSIGN, PATCH-AS-BUILT or PATCH-REPLACED: it is not what the replay
            gives; or it, or the new bundle, is not sound.
        Misuse: What is said to be replaced is not in the index, or was not replaced.
        Conflict: Others kept on being faster.
        NoIdentity, ServiceFailed: It could not be signed.
        Unavailable, LocalFailure: Something could not be read or written.
    """
    # (1) The newest generation, checked as a client would check it, but for the signers that are still missing.
    chain = order.chain.with_one_signer()
    where = f"{order.store.name}/{chain.place('head.json')}"
    end = patch_tip.tip(chain)
    newest = end.newest
    if end.is_void:
        raise Malformed(Finding.of(Code.IDENTITY_REVOKED, where, payload=end.previous, role=chain.role))
    if newest is None:
        raise Malformed(Finding.of(Code.PATCH_NONE, where, expected="a generation to sign", found="none"))
    patch_state.descends(order.state, chain, end.payloads, where=where)
    # (2) It says what this signer's own replay gives.
    proved = _agree(order, chain, newest, patch_tip.earlier(chain, end))
    # (3) The same bytes are signed, and the bundle is judged as a reader would judge it.
    bundle = sign(newest.evidence[0].payload).strip()
    own = chain.judged(newest.said.generation, sidecar.dump([bundle]))
    if own.payload != newest.payload:
        raise Malformed(Finding.of(Code.PATCH_GENERATION, where, expected=newest.payload, found=own.payload))
    # (4) Appended to what is there by then.
    for attempt in stamina.retry_context(**SCHEDULE):
        with attempt:
            generation, new = _appended(order.store, chain, own, bundle)
            # (5) Named to readers, once it has all the signers that they demand.
            if len(generation.evidence) >= order.chain.authority.wanted:
                point(order.store, chain.place("head.json"), generation.said.generation)
                patch_state.remember(order.state, chain, generation)
            return Cosigned(generation, new, order.chain.authority.wanted, proved)
    raise AssertionError("stamina returns or raises")


def _agree(order: Order, chain: Chain, newest: Generation, earlier: Tip) -> bool:
    """Refuse what this signer's replay does not give; whether archives proved what is listed first."""
    said = newest.said
    where = f"{order.store.name}/{chain.place(f'{said.generation}.sigs')}"
    engine = engines.engine(said.engine)
    if engine is None:
        # PATCH-MISSING leaves it undecided: another version of condattest may know the engine.
        raise Malformed(Finding.of(Code.PATCH_MISSING, where, expected="a known engine", found=said.engine))
    instructions = order.inputs.instructions
    _same("instructions", None if instructions is None else instructions.raw_sha256, said.instructions, where)
    served = f"{order.packages.name}/{chain.subdir}/repodata.json"
    replayed = patch_replay.replay(order.inputs, engine, where=served, allow_unattributed=order.allow_unattributed)
    _same("unattributed", replayed.unattributed, said.unattributed, where)
    before = patch_tip.before(chain, earlier)
    built = build(order.inputs.as_built, replayed.served, before, frozenset(map(str, order.replaced)))
    patch_replay.meant(order.packages, chain.subdir, order.inputs, built, order.replaced)
    _same("log", built.log, said.log, where)
    for kind, mine, theirs in (("map", built.map, chain.map(newest)), ("delta", built.delta, chain.delta(newest))):
        _same_shards(kind, _map(built, mine, kind), theirs, chain, where)
    for name in ("patched", "removed", "changed"):
        _same(f"counts.{name}", built.counts[name], said.counts[name], where)
    if said.as_built == "index" and order.trust_as_built:
        return not built.listed
    as_built.prove_all(order.packages, chain.subdir, engine, order.inputs.as_built, built.listed)
    return True


def _map(built: Built, digest: Sha256, kind: str) -> Mapping[str, Sha256]:
    return patch_files.parse_map(built.files[f"{digest}.{kind}.json.zst"], where=kind)


def _same_shards(kind: str, mine: Mapping[str, Sha256], theirs: Mapping[str, Sha256], chain: Chain, where: str) -> None:
    """Refuse a map that lists other shards; packed anew, since two zstd libraries make other bytes of the same text."""
    for name in sorted(mine.keys() | theirs.keys()):
        expected, found = mine.get(name), theirs.get(name)
        if expected != found and expected is not None and found is not None:
            packed = patch_files.dump_shard(chain.shard(name, found))
            found = Sha256(hashlib.sha256(packed).hexdigest())
        _same(f"{kind}: {name}", expected, found, where)


def _same(what: str, mine: object, theirs: object, where: str) -> None:
    if mine != theirs:
        shown = ["none" if each is None else f"{each!s:.200}" for each in (mine, theirs)]
        raise Malformed(Finding.of(Code.PATCH_COSIGN, f"{where}: {what}", expected=shown[0], found=shown[1]))


def _appended(store: Store, chain: Chain, own: Generation, bundle: bytes) -> tuple[Generation, bool]:
    number = own.said.generation
    path = chain.place(f"{number}.sigs")
    stored = store.read(path, sidecar.MAX_SIDECAR)
    there = chain.judged(number, stored.data)
    if there.payload != own.payload:
        raise Malformed(Finding.of(Code.ROLLBACK, f"{store.name}/{path}", expected=own.payload, found=there.payload))
    signers = {distinct(each.signer) for each in there.evidence}
    if all(distinct(each.signer) in signers for each in own.evidence):
        return there, False
    version = sidecar.parse(stored.data, where=path)
    data = sidecar.joined({version.sha256: version}, version.sha256, [bundle])
    store.replace(path, data, stored.version)
    return chain.judged(number, data), True
