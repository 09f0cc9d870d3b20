"""`condattest proxy`: a local channel that serves only what the policy accepts."""

import gc
import tempfile
import threading
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.text import Text

from condattest.cli.requirement import requirement, requirement_options
from condattest.cli.session import Session
from condattest.cli.settings import Command, Settings, jobs_option, no_state_option, pass_settings
from condattest.errors import Misuse
from condattest.model.channel import Channel, canonical, redact
from condattest.reports import client_settings, documents

if TYPE_CHECKING:
    from condattest.operations.patch_verdict import Demand
    from condattest.operations.question import Question
    from condattest.proxy.app import App
    from condattest.proxy.screens import Mode
    from condattest.signatures.trust_root import TrustRoot

_RENEWED: Final = timedelta(hours=24)
_GIBIBYTE: Final = 1024**3
_GARBAGE: Final = (2_000, 10, 10)


@click.command(
    "proxy",
    cls=Command,
    examples=[
        "condattest proxy --channel conda-forge=https://conda.anaconda.org/conda-forge --policy policy.toml",
        "condattest proxy --listen 127.0.0.1:8080 --channel mine=https://prefix.dev/mine --print-config pixi",
    ],
)
@click.option("--listen", default="127.0.0.1:0", show_default=True, metavar="ADDRESS:PORT", help="0: any free port.")
@click.option(
    "--channel", "named", multiple=True, metavar="NAME=URL", help="A channel to serve under /NAME; may be repeated."
)
@requirement_options
@click.option(
    "--filter",
    "mode",
    type=click.Choice(["index", "verify"]),
    envvar="CONDATTEST_FILTER",
    help="What leaves records out: the index alone, or each one's verification. Default: verify where the policy "
    "judges patches of a channel, else index.",
)
@click.option(
    "--patches",
    type=click.Choice(["policy", "require", "off"]),
    default="policy",
    show_default=True,
    envvar="CONDATTEST_PATCHES",
    help="Judge the patches of records: where the policy has a [[patch]], always, or not.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="CONDATTEST_CACHE",
    help="Where packages and indexes are kept; by default the user's cache folder, in CI one for this run.",
)
@click.option(
    "--cache-size",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    envvar="CONDATTEST_CACHE_SIZE",
    metavar="GIB",
    help="The most to keep there.",
)
@no_state_option
@jobs_option("Packages of an index verified")
@click.option(
    "--print-config",
    "client",
    type=click.Choice(client_settings.CLIENTS),
    help="Print the settings that send a client through the proxy, and end.",
)
@click.option("--exit-after", type=float, metavar="SECONDS", help="Stop by itself; by default it runs until ^C.")
@pass_settings
def command(
    settings: Settings,
    /,
    listen: str,
    named: tuple[str, ...],
    mode: "Mode | None",
    patches: "Demand",
    cache: Path | None,
    cache_size: float,
    no_state: bool,
    jobs: int,
    client: client_settings.Client | None,
    exit_after: float | None,
    **who: Any,
) -> int:
    """Serve channels to conda, mamba, pixi or any other client, without what the policy does not accept.

    Records that the policy rejects are left out of the indexes, so that a solver chooses what is allowed. A package is
    served when its attestations are verified and its bytes are the attested ones; the end of it is held back until
    then. /-/report tells what was left out and refused, and why.
    """
    session = Session(settings)
    channels = _channels(named)
    try:
        from condattest.proxy.server import Listen, Proxy, listening
    except ImportError as error:
        raise Misuse(
            f"the proxy needs {error.name}, which is not installed", hint="pip install 'condattest[proxy]'"
        ) from None
    try:
        place = Listen.parse(listen)
    except ValueError as error:
        raise Misuse(f"--listen: {error}") from None
    if client is not None:
        return _print_settings(session, client, place.url(place.port) if place.port else None, channels)
    required = requirement(session, who)
    if not all(rule.signers for rule in required.policy.rules) or not required.policy.rules:
        raise Misuse(
            "nothing says who must have signed", hint="give --policy FILE, --repository OWNER/NAME, or --identity"
        )
    from condattest.operations.question import Question

    question = Question(policy=required.policy, roots=required.loaded.roots, patches=patches)
    judged = [name for name, each in channels.items() if _judges_patches(question, each)]
    if mode == "index" and judged:
        session.say(f"warning: with --filter index, solvers see records of {', '.join(judged)} with patches unjudged")
    if not place.is_local:
        session.say(f"warning: {place.address} can be reached from other machines; whoever does uses this proxy")
    with ExitStack() as stack:
        folder = cache or session.cache_folder() or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        size = int(cache_size * _GIBIBYTE)
        chosen: Mode = mode or ("verify" if judged else "index")
        app = _app(session, stack, channels, question, chosen, folder, size, jobs, no_state)
        opened = stack.enter_context(listening(place))
        url = place.url(opened.getsockname()[1])
        served = [{"name": name, "channel": each.url, "url": f"{url}/{name}"} for name, each in channels.items()]
        content = documents.document("proxy", 0, url=url, channels=served, filter=chosen, report=f"{url}/-/report")

        def terminal(console: Console) -> None:
            console.print(Text(f"proxy at {url}"))
            for each in served:
                console.print(Text(f"  {each['url']}  {each['channel']}"))
            console.print(Text(f"  {url}/-/report  what is left out and refused; stop with ^C"))

        session.render(content, terminal)
        session.out.file.flush()
        proxy = Proxy(app, opened)
        if exit_after is not None:
            timer = threading.Timer(exit_after, proxy.stop)
            timer.start()
            stack.callback(timer.cancel)
        # A short command collects no garbage; this one runs for months. What is there now stays.
        gc.freeze()
        gc.set_threshold(*_GARBAGE)
        proxy.run()
    return 0


def _channels(named: tuple[str, ...]) -> dict[str, Channel]:
    from condattest.proxy.paths import NAME

    channels: dict[str, Channel] = {}
    for text in named:
        name, equals, url = text.partition("=")
        if not equals or not NAME.fullmatch(name):
            raise Misuse(f"--channel: expected NAME=URL, found {redact(text)!r:.200}", hint="NAME: a-z, 0-9, . _ -")
        if redact(url) != url:
            raise Misuse(
                f"--channel {name}: expected a URL without credentials, found some",
                hint="channels that want credentials are not served yet",
            )
        if name in channels:
            raise Misuse(f"--channel {name}: it is named twice")
        try:
            channels[name] = canonical(url)
        except ValueError as error:
            raise Misuse(f"--channel {name}: {error}") from None
        if not channels[name].url.startswith(("http://", "https://")):
            raise Misuse(f"--channel {name}: expected an http or https URL, found {url!r:.200}")
    if not channels:
        raise Misuse("no channel to serve", hint="--channel conda-forge=https://conda.anaconda.org/conda-forge")
    return channels


def _print_settings(
    session: Session, client: client_settings.Client, url: str | None, channels: dict[str, Channel]
) -> int:
    if url is None:
        raise Misuse("--print-config needs a port that stays", hint="--listen 127.0.0.1:8080, here and when it runs")
    text = client_settings.settings(client, url, channels)
    content = documents.document("proxy", 0, url=url, client=client, settings=text)
    session.render(content, lambda console: click.echo(text, nl=False))
    return 0


def _judges_patches(question: "Question", channel: Channel) -> bool:
    from condattest.operations.patch_verdict import demanded

    return demanded(question.policy, channel, question.patches)


def _app(
    session: Session,
    stack: ExitStack,
    channels: dict[str, Channel],
    question: "Question",
    mode: "Mode",
    folder: Path,
    size: int,
    jobs: int,
    no_state: bool,
) -> "App":
    from condattest.operations.judgement import kept_in
    from condattest.proxy.app import App
    from condattest.proxy.gate import Gate
    from condattest.proxy.index_files import IndexFiles
    from condattest.proxy.ledger import Ledger
    from condattest.proxy.packages import Packages
    from condattest.proxy.screens import Screens
    from condattest.proxy.shard_files import ShardFiles
    from condattest.proxy.shelf import Shelf
    from condattest.transport.cache import Cached
    from condattest.transport.evidence_store import EvidenceStore
    from condattest.transport.fetch import Fetcher
    from condattest.transport.memory import NoMemory

    offline = session.settings.offline
    fetcher = stack.enter_context(Cached(Fetcher(offline=offline), folder / "http", limit=size // 2, offline=offline))
    evidence = stack.enter_context(EvidenceStore(folder / "evidence.sqlite"))
    memory = NoMemory() if no_state else session.memory()

    def save() -> None:
        evidence.save()
        session.save(memory)

    gate = Gate(question, _Renewed(session), fetcher, memory, kept_in(evidence), jobs=jobs, on_save=save)
    gate.trust(session.now)  # What is wrong with the trust root is told before anything is served.
    stack.callback(gate.save)
    shelf = Shelf(folder / "served", size - size // 2)
    ledger = Ledger()
    screens = Screens(gate, mode)
    shard_files = ShardFiles(screens, shelf, ledger)
    stack.callback(shard_files.close)
    return App(
        channels,
        Packages(gate, shelf),
        IndexFiles(screens, shelf, ledger),
        shard_files,
        ledger,
        str(question.policy.source),
    )


class _Renewed:
    """The trust root, asked for again once a day: a proxy may run for months."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()

    def __call__(self, now: datetime) -> "TrustRoot":
        """Return the trust root for a time."""
        with self._lock:
            if now - self._session.now > _RENEWED:
                self._session = Session(self._session.settings)
            return self._session.trust
