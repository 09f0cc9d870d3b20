"""What the verbs of `condattest patch` share: where generations are, who may sign them, and what options mean.

Owns `reading_options` with `Opened`, `making_options` with `make`, `chain_of`, `origin_of`, `signer_of`, and readers of
single options.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from condattest.cli.publish import terms_of
from condattest.cli.requirement import requirement_options
from condattest.cli.session import Session
from condattest.errors import CondattestError, Misuse
from condattest.model.channel import Channel, canonical
from condattest.model.finding import Finding

if TYPE_CHECKING:
    from condattest.formats.patch_statement import Role, Source
    from condattest.model.artifact import PackageFile
    from condattest.operations.patch_attest import Made
    from condattest.operations.patch_chain import Chain
    from condattest.patches.engines import Engine
    from condattest.transport.on_demand import OnDemand
    from condattest.transport.origin import Origin
    from condattest.transport.store import Store

FILE: Final = click.Path(path_type=Path, dir_okay=False)
_REMOTE: Final = ("https://", "http://")


def reading_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what every verb that reads generations takes."""
    options: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
        click.argument("place", metavar="CHANNEL"),
        click.option("--subdir", metavar="NAME", required=True, help="The subdir."),
        click.option("--channel", metavar="URL", help="The channel's canonical URL, where CHANNEL is not it."),
        click.option("--role", type=click.Choice(["author", "observer"]), default="author", show_default=True,
                     help="Whose generations: the author's, or an observer's."),
        click.option("--provenance", metavar="PLACE",
                     help="Where the generations are, if not in the channel or where the policy says."),
        requirement_options,
        click.option("--any-signer", is_flag=True, help="Take any authentic signer; the report says so."),
    ]  # fmt: skip
    for decorate in reversed(options):
        function = decorate(function)
    return function


def making_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what every verb that makes generations takes; `make` reads it."""
    options: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
        click.option("--instructions", type=FILE, help="A patch package with the instructions, not the channel's."),
        click.option("--engine", type=click.Choice(["conda-index", "rattler-index"]), default="conda-index",
                     show_default=True, help="The indexer that applied the instructions."),
        click.option("--engine-version", metavar="TEXT", help="Its version, as the statement shall name it."),
        click.option("--state", type=FILE, help="A file that keeps the newest generation, outside STORE."),
        click.option("--refresh-after", metavar="DURATION", help="Sign again, even if nothing changed, after 7d, say."),
        click.option("--identity-token-file", type=FILE, envvar="CONDATTEST_IDENTITY_TOKEN_FILE",
                     help="A file with the OIDC identity token; - is stdin."),
        requirement_options,
        click.option("--any-signer", is_flag=True, help="Take any authentic signer of the generation before."),
    ]  # fmt: skip
    for decorate in reversed(options):
        function = decorate(function)
    return function


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
) -> int:
    """Make the next generation in a store, from what a channel has, and render it; `how` is of `making_options`."""
    from condattest.operations import patch_attest, patch_inputs
    from condattest.operations.revisit import Revisit
    from condattest.transport.origin import HttpOrigin, StoreOrigin

    # What remains of the options says who must have signed.
    who = dict(how)
    instructions, token_file, state = who.pop("instructions"), who.pop("identity_token_file"), who.pop("state")
    engine, engine_version = engine_of(who.pop("engine")), who.pop("engine_version")
    refresh_after, any_signer = duration_of(who.pop("refresh_after")), who.pop("any_signer")
    chain = chain_of(session, StoreOrigin(store), subdir, channel, role, who, any_signer=any_signer)
    revisit = None
    # A package of instructions lies here, and nobody says whether it is the one of the last time.
    if role == "observer" and isinstance(origin, HttpOrigin) and instructions is None:
        revisit = Revisit(origin, store, chain, state, engine.name, session.now)
        unchanged = revisit.unchanged(refresh_after)
        if unchanged is not None:
            return _show_made(session, verb, patch_attest.Made(unchanged, new=False))
    with session.progress("reading", None, "files"):
        inputs = patch_inputs.read(origin if revisit is None else revisit, subdir, instructions)
    order = patch_attest.Order(
        store=store,
        chain=chain,
        packages=origin,
        inputs=inputs,
        engine=engine,
        engine_version=engine_version or "unknown",
        source=source,
        state=state,
        trust_as_built=trust_as_built,
        refresh_after=refresh_after,
    )
    made = patch_attest.attest(order, signer_of(session, token_file), now=session.now)
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
    session: Session, origin: "Origin", subdir: str, channel: str, role: Any, who: dict[str, Any], *, any_signer: bool
) -> "Chain":
    """The generations of a subdir, under whom the options require.

    Raises:
        Misuse: The channel is no URL, the subdir is none, or nobody is required.
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
    return Chain(origin, url, subdir, role, allowed, [terms.trust, *terms.roots.values()])


def engine_of(name: str) -> "Engine":
    """The engine of that name, of those that the options offer."""
    from condattest.patches import engines

    engine = engines.engine(name)
    if engine is None:
        raise Misuse(f"--engine {name}: there is no such engine")
    return engine


def source_of(text: str | None) -> "Source | None":
    """Read --source.

    Raises:
        Misuse: It is not URI@COMMIT.
    """
    from condattest.formats.patch_statement import Source

    if text is None:
        return None
    uri, separator, commit = text.rpartition("@")
    if not separator or not uri or len(commit) not in (40, 64) or set(commit) - set("0123456789abcdef"):
        raise Misuse(f"--source {text}: expected URI@COMMIT, with the full commit in lowercase hex")
    return Source(uri, commit)


def duration_of(text: str | None, option: str = "--refresh-after") -> timedelta | None:
    """Read an option's duration.

    Raises:
        Misuse: It is no duration.
    """
    from condattest.policy import durations

    try:
        return None if text is None else durations.parse(text)
    except ValueError as error:
        raise Misuse(f"{option} {text}: expected {error}") from None


def package_of(text: str) -> "PackageFile":
    """Read PKG.

    Raises:
        Misuse: It is no package's file name.
    """
    from condattest.model.artifact import PackageFile

    try:
        return PackageFile.parse(text)
    except ValueError as error:
        raise Misuse(f"{text}: {error}") from None


def time_of(text: str | None) -> datetime | None:
    """Read --at; a time without a zone is in UTC.

    Raises:
        Misuse: It is no time.
    """
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Misuse(f"--at {text}: expected a time such as 2026-11-01T00:00:00Z") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


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
