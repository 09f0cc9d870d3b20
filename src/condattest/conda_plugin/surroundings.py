"""conda's configuration as ours: which mode and policy, and how conda's channels are read.

Owns `Gate` and `opened`. What conda can read, the check can read: conda itself prepares one request for each channel,
with its tokens, its `.netrc`, its authentication plugins and their headers, and what it adds is sent by our own bounded
client through conda's proxies and under conda's TLS settings. conda's client is not used: it follows redirects into
`file:` and expands what is compressed.
"""

import os
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

from conda.base.context import context
from conda.gateways.connection.session import get_session
from requests import Request

from condattest.cli.requirement import read_policy
from condattest.cli.session import Session
from condattest.cli.settings import Settings
from condattest.errors import Misuse
from condattest.model.channel import canonical
from condattest.operations import install_gate
from condattest.operations.install_gate import Answer, Mode, Wanted
from condattest.operations.judgement import kept_in
from condattest.operations.policy_file import Loaded
from condattest.operations.question import Question
from condattest.signatures.authenticate import authenticate_parsed

if TYPE_CHECKING:
    from condattest.transport.on_demand import Closeable

# What our own client says of itself.
_OURS = frozenset({"user-agent", "accept", "accept-encoding", "connection", "host"})


@dataclass(frozen=True, slots=True)
class Gate:
    """What packages are judged by, in one run of conda."""

    mode: Mode
    loaded: Loaded
    session: Session

    def judge(self, packages: Sequence[Wanted]) -> list[Answer]:
        """Judge packages by what their channels serve, read as conda reads it.

        Raises:
            CondattestError: There is no trust root, or conda's settings cannot be used.
        """
        session = self.session
        memory, evidence = session.memory(), session.evidence()
        question = Question(policy=self.loaded.policy, roots=self.loaded.roots)
        source = _source(packages, session)
        try:
            answers = install_gate.judge(
                packages,
                question,
                trust=session.trust,
                fetcher=source,
                now=session.now,
                memory=memory,
                authenticate=authenticate_parsed if evidence is None else kept_in(evidence),
            )
        finally:
            source.close()
            if evidence is not None:
                evidence.close()
        session.save(memory)
        return answers


def opened(*, always: bool = False) -> Gate | None:
    """Read conda's settings and the policy; None where nothing is to be judged.

    Args:
        always: Judge by the policy whatever the mode is, where there is one.

    Raises:
        CondattestError: The settings or the policy are wrong.
    """
    setting = str(context.plugins.condattest_mode or "")
    # YAML 1.1 takes a bare `off` for false.
    setting = "off" if setting.lower() in ("false", "off") else setting
    if setting == "off" and not always:
        return None
    root = context.plugins.condattest_trusted_root or os.environ.get("CONDATTEST_TRUSTED_ROOT")
    config = None if root else os.environ.get("CONDATTEST_TRUST_CONFIG")
    settings = Settings(
        quiet=bool(context.quiet or context.json),
        offline=bool(context.offline),
        trusted_root=_path(root),
        trust_config=_path(config),
        staging=not (root or config) and os.environ.get("CONDATTEST_STAGING", "").lower() in ("1", "true", "yes"),
    )
    session = Session(settings, logs=False)
    loaded = read_policy(session, _path(context.plugins.condattest_policy))
    mode = install_gate.mode("" if always else setting, has_policy=loaded is not None)
    return None if mode is Mode.OFF or loaded is None else Gate(mode, loaded, session)


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None


def _source(packages: Iterable[Wanted], session: Session) -> "Closeable":
    from condattest.transport.cache import Cached
    from condattest.transport.fetch import Fetcher
    from condattest.transport.routed import Folders, Route, Routed

    offline = bool(context.offline)
    how: dict[str, Any] = {"offline": offline, "ssl_context": _ssl_context(), "proxies": _proxies()}
    routes: dict[str, Route] = {}
    folders = []
    for channel, at in _channels(packages).items():
        if channel.startswith("file:"):
            folders.append(channel)
            continue
        url, headers = _as_conda_asks(at)
        routes[channel] = Route(url, Fetcher(headers={url: headers}, **how))
    routed = Routed(routes, Fetcher(**how))
    folder = session.cache_folder()
    return Folders(folders, routed if folder is None else Cached(routed, folder / "http", offline=offline))


def _channels(packages: Iterable[Wanted]) -> dict[str, str]:
    """The channels of packages by their canonical URL, each with the URL that conda has, credentials and all."""
    found: dict[str, str] = {}
    for wanted in packages:
        if wanted.local is not None:
            continue
        base = wanted.url.rpartition("/")[0].rpartition("/")[0]
        for at in (base, wanted.channel):
            try:
                found.setdefault(canonical(at or "").url, at or "")
            except ValueError:
                continue  # It is not read; whoever asks for it is told why.
    return found


def _as_conda_asks(channel: str) -> tuple[str, Mapping[str, str]]:
    """The URL and the headers that conda would ask a channel with."""
    url = f"{channel.rstrip('/')}/"
    session = get_session(url)
    prepared = session.prepare_request(Request("GET", url))
    headers = {str(name): _text(value) for name, value in prepared.headers.items() if name.lower() not in _OURS}
    return str(prepared.url).rstrip("/"), headers


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _proxies() -> dict[str, str]:
    """The proxies of conda's settings; as with its own client, the environment's come first."""
    environment = getproxies()
    return {at: proxy for at, proxy in (context.proxy_servers or {}).items() if proxy and at not in environment}


def _ssl_context() -> ssl.SSLContext | None:
    """As `_tls`; files that are named there and are not what they should be are a mistake in conda's settings."""
    try:
        return _tls()
    except (OSError, ImportError) as error:  # ssl.SSLError is an OSError.
        files = f"ssl_verify {context.ssl_verify}, client_ssl_cert {context.client_ssl_cert}"
        raise Misuse(
            f"conda's TLS settings cannot be used ({files}): {error}",
            hint="conda config --show ssl_verify client_ssl_cert client_ssl_cert_key",
        ) from None


def _tls() -> ssl.SSLContext | None:
    """What conda's `ssl_verify` and `client_ssl_cert` say; None for what our client does by itself."""
    verify, certificate = context.ssl_verify, context.client_ssl_cert
    if verify is True:
        verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
    if verify is True and not certificate:
        return None
    if verify == "truststore":
        import truststore

        made: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    elif isinstance(verify, str):
        folder = os.path.isdir(verify)
        made = ssl.create_default_context(capath=verify if folder else None, cafile=None if folder else verify)
    else:
        import certifi

        made = ssl.create_default_context(cafile=certifi.where())
        if verify is False:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
    if certificate:
        made.load_cert_chain(certificate, context.client_ssl_cert_key)
    return made
