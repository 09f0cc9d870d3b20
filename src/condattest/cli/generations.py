"""What the verbs of `condattest patch` share: where generations are, who may sign them, and how one is made.

Owns `Opened`, `make`, `chain_of`, `origin_of`, `is_remote`, `inputs_of` and `signer_of`.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from condattest.cli.moments import duration_of
from condattest.cli.patch_options import engine_of, payloads_of
from condattest.cli.publish import terms_of
from condattest.cli.session import Session
from condattest.errors import CondattestError, Misuse
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.channel import Channel, canonical
from condattest.model.finding import Code, Finding

if TYPE_CHECKING:
    from condattest.formats.patch_descriptors import Source
    from condattest.formats.patch_statement import Role
    from condattest.operations.patch_attest import Made
    from condattest.operations.patch_chain import Chain
    from condattest.operations.patch_inputs import Inputs
    from condattest.transport.on_demand import OnDemand
    from condattest.transport.origin import Origin
    from condattest.transport.store import Store

_REMOTE: Final = ("https://", "http://")


def make(
    session: Session,
    verb: str,
    store: "Store",
    origin: "Origin",
    subdir: str,
    channel: str,
    role: "Role",
    how: dict[str, Any],
    *,
    trust_as_built: bool,
    source: "Source | None" = None,
    replaced: frozenset[PackageFile] | None = None,
    allow_unattributed: bool = False,
) -> int:
    """Make the next generation in a store, from what a channel has, and render it; `how` is of `making_options`."""
    from condattest.operations import patch_attest, patch_package
    from condattest.operations.revisit import Revisit
    from condattest.transport.origin import HttpOrigin, StoreOrigin

    # What remains of the options says who must have signed.
    who = dict(how)
    instructions, token_file, state = who.pop("instructions"), who.pop("identity_token_file"), who.pop("state")
    engine, engine_version = engine_of(who.pop("engine")), who.pop("engine_version")
    refresh_after, any_signer = duration_of(who.pop("refresh_after"), "--refresh-after"), who.pop("any_signer")
    void = who.pop("void")
    chain = chain_of(session, StoreOrigin(store), subdir, channel, role, who, any_signer=any_signer, void=void)
    revisit = None
    # A package of instructions lies here, and nobody says whether it is the one of the last time.
    if role == "observer" and isinstance(origin, HttpOrigin) and instructions is None:
        revisit = Revisit(origin, store, chain, state, engine.name, session.now)
        unchanged = revisit.unchanged(refresh_after)
        if unchanged is not None:
            return _show_made(session, verb, patch_attest.Made(unchanged, new=False))
    inputs = inputs_of(session, origin if revisit is None else revisit, chain, instructions)
    if source is not None and inputs.source is not None and not patch_package.same_source(source, inputs.source):
        found = f"{inputs.source.uri}@{inputs.source.commit}"
        expected = f"{source.uri}@{source.commit}"
        session.note(Finding.of(Code.PATCH_SOURCE, instructions or "", expected=expected, found=found))
    order = patch_attest.Order(
        store=store,
        chain=chain,
        packages=origin,
        inputs=inputs,
        engine=engine,
        engine_version=engine_version or "unknown",
        source=source or inputs.source,
        state=state,
        trust_as_built=trust_as_built,
        refresh_after=refresh_after,
        replaced=replaced,
        allow_unattributed=allow_unattributed,
    )
    made = patch_attest.attest(order, signer_of(session, token_file), now=session.now)
    if made.unattributed is not None:
        where = f"{origin.name}/{subdir}/repodata.json"
        session.note(Finding.of(Code.PATCH_ALLOWED, where, records=made.unattributed.count))
    if revisit is not None:
        revisit.note(made.generation)
    return _show_made(session, verb, made)


def _show_made(session: Session, verb: str, made: "Made") -> int:
    from condattest.cli import exits
    from condattest.reports import documents, patches

    session.render(
        documents.document(verb, exits.Exit.ACCEPTED, **patches.made([made])),
        lambda console: patches.show_made(console, [made]),
    )
    return exits.Exit.ACCEPTED


def inputs_of(session: Session, origin: "Origin", chain: "Chain", package: Path | None) -> "Inputs":
    """What a run of the patch pipeline worked on; with a patch package, what it carries and who attested it."""
    from condattest.operations import patch_inputs, patch_package

    with session.progress("reading", None, "files"):
        carried = None if package is None else patch_package.read(package, chain.subdir, chain.own_roots)
        return patch_inputs.read(origin, chain.subdir, carried)


class Opened:
    """The channel that is read, and its generations."""

    def __init__(self, session: Session, where: dict[str, Any]) -> None:
        self._session = session
        self._where = where
        self._fetcher = session.fetcher()

    def __enter__(self) -> "tuple[Origin, Chain]":
        where = dict(self._where)
        place, channel = where.pop("place"), where.pop("channel")
        subdir, role = where.pop("subdir"), where.pop("role")
        provenance, any_signer = where.pop("provenance"), where.pop("any_signer")
        origin = origin_of(place, self._fetcher)
        if channel is None:
            if not is_remote(place):
                raise Misuse("expected --channel URL: statements name the channel's canonical URL")
            channel = place
        kept = origin if provenance is None else origin_of(provenance, self._fetcher)
        chain = chain_of(self._session, kept, subdir, channel, role, where, any_signer=any_signer)
        rule = chain.authority.rule
        if provenance is None and rule is not None and rule.provenance is not None:
            chain.origin = origin_of(rule.provenance.url, self._fetcher)
        return origin, chain

    def __exit__(self, *error: Any) -> None:
        self._fetcher.__exit__(*error)


def is_remote(place: str) -> bool:
    """Whether a channel is behind a URL, and not a store."""
    return place.startswith(_REMOTE)


def origin_of(place: str, fetcher: "OnDemand") -> "Origin":
    """The channel to read from."""
    from condattest.transport.origin import HttpOrigin, StoreOrigin
    from condattest.transport.store import open_store

    return HttpOrigin(place, fetcher) if is_remote(place) else StoreOrigin(open_store(place))


def chain_of(
    session: Session,
    origin: "Origin",
    subdir: str,
    channel: str,
    role: Any,
    who: dict[str, Any],
    *,
    any_signer: bool,
    void: Sequence[str] = (),
) -> "Chain":
    """The generations of a subdir, under whom the options require; `void` is of `signing_options`.

    Raises:
        Misuse: The channel is no URL, the subdir is none, what is voided is no digest, or nobody is required.
        PolicyInvalid: The policy file is not valid.
    """
    from condattest.operations.patch_chain import Chain
    from condattest.operations.stored_package import is_subdir
    from condattest.policy.patch_signers import authority

    if not is_subdir(subdir):
        raise Misuse(f"--subdir: expected a name such as noarch or linux-64, found {subdir!r:.80}")
    try:
        url: Channel = canonical(channel)
    except ValueError as error:
        raise Misuse(f"--channel: {error}") from None
    terms = terms_of(session, who, channel, any_signer=any_signer)
    if terms.policy is not None:
        url = terms.policy.home(url)
    allowed = authority(terms.policy, url, role, root=terms.trust.sha256)
    if isinstance(allowed, Finding):
        from condattest.reports.sentences import sentence

        raise Misuse(
            sentence(allowed), hint="add a [[patch]] for the channel and the role, or name who must have signed"
        )
    revoked = frozenset[Sha256]() if terms.policy is None else terms.policy.revoked.patch
    roots = [terms.trust, *terms.roots.values()]
    return Chain(origin, url, subdir, role, allowed, roots, payloads_of(void) | revoked)


def signer_of(session: Session, token_file: Path | None) -> Callable[[bytes], bytes]:
    """What signs a statement: with the identity that `attest` would take."""
    from condattest.signatures import identity
    from condattest.signatures.sign import Signing

    if session.settings.offline:
        raise Misuse("signing needs the network, and --offline forbids it")
    trust = session.trust
    surroundings = identity.Surroundings(os.environ, session.is_interactive)
    given = None if token_file is None else identity.from_file(token_file)

    def sign(payload: bytes) -> bytes:
        signing = Signing(trust, lambda: identity.find(given, surroundings, trust))
        [signed] = signing.sign([payload], jobs=1)
        if isinstance(signed.outcome, CondattestError):
            raise signed.outcome
        return signed.outcome

    return sign
