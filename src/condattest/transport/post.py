"""Post something to a server that wants a token, bounded in time, without the token going astray.

Owns `service`, `ask`, `check_token` and `Patience`. Refuses plain http (but to this machine, and then past every
proxy) and redirects: a token goes to the server that the caller names and nowhere else. A token is in no message: a
server that echoes it is shown without it, on one line and cut.

Spec: https://www.rfc-editor.org/rfc/rfc9110, https://www.rfc-editor.org/rfc/rfc6750
"""

import ipaddress
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx
import stamina

from condattest.errors import LocalFailure, Misuse, ServiceFailed
from condattest.transport import answers, redirects, wire
from condattest.transport.answers import Passing
from condattest.transport.fetch import USER_AGENT
from condattest.transport.redirects import Refused, plain

MAX_TOKEN: Final = 16 * 1024
"""Characters of a token."""
_MAX_ANSWER: Final = 2 * MAX_TOKEN
_REFUSAL_SECONDS: Final = 5.0
_RETRY_AFTER_CAP: Final = 30.0
_TOKEN = re.compile(rf"(?=.{{1,{MAX_TOKEN}}}\Z)[A-Za-z0-9._~+/-]+=*", re.ASCII)  # RFC 6750, b64token

Build = Callable[[httpx.Client], httpx.Request]
"""Makes a request anew for each attempt."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often a request is tried. Each attempt has `deadline + size / floor` seconds.

    Args:
        deadline: Seconds that an attempt may take, beside those that its bytes buy.
        floor: Bytes sent that buy one more second.
        connect: Seconds for the connection to be made.
        silence: Seconds without a single byte; a server checks a package before it answers.
        attempts: How often it is tried, if connections break or the server answers 429 or 5xx.
        first_wait: Seconds before the second attempt; they double, up to `longest_wait`.
        longest_wait: See `first_wait`. `Retry-After` outranks both, up to 30 seconds.
    """

    deadline: float = 150.0
    floor: float = 32 * 1024
    connect: float = 10.0
    silence: float = 120.0
    attempts: int = 4
    first_wait: float = 0.5
    longest_wait: float = 8.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered.

    `words` are its own, safe to show; `body` is there after a success, if it was wanted, and may be a secret; `before`
    says how the attempt before failed, if there was one: nobody knows what that one did.
    """

    status: int
    words: str = ""
    body: bytes = b""
    before: str | None = None

    @property
    def said(self) -> str:
        """The status and the server's words."""
        return f"HTTP {self.status}" + (f": {self.words}" if self.words else "")

    def __repr__(self) -> str:
        return f"Answer(status={self.status!r})"


def service(server: str) -> httpx.URL:
    """Take the URL of a server that may get a token.

    Raises:
        Misuse: It is anything but `https://host` (or `http://` and this machine), a path and credentials included.
    """
    hint = "give the scheme and the host alone, such as https://prefix.dev"
    try:
        url = redirects.start(server)
    except Refused as refused:
        raise Misuse(f"{redirects.shown(server)}: {refused}", hint=hint) from None
    if url.userinfo or url.path != "/" or url.query or url.fragment or "?" in server or "#" in server:
        raise Misuse(f"expected https://host, found {redirects.shown(server)}", hint=hint)
    if url.scheme != "https" and not _is_loopback(url.host):
        raise Misuse(
            f"expected https, found {redirects.shown(server)}",
            hint="a token that is sent over plain http can be read on the way",
        )
    return url


def check_token(token: str, what: str, hint: str) -> None:
    """Refuse what cannot be a token, or would end the header that it stands in; it is not shown.

    Raises:
        Misuse: It is empty or has other characters than a bearer token.
    """
    if not token:
        raise Misuse(f"{what} is missing", hint=hint)
    if not _TOKEN.fullmatch(token):
        raise Misuse(
            f"{what} has characters that no token has", hint="look for line breaks, blanks and quotation marks"
        )


def ask(
    url: httpx.URL,
    build: Build,
    *,
    secrets: tuple[str, ...],
    size: int = 0,
    wants_body: bool = False,
    patience: Patience | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> Answer:
    """Make a request, more than once if need be, and return the answer, whatever its status below 500 but a redirect.

    Args:
        url: Where it goes.
        build: Makes the request.
        secrets: What must not be shown, should the server repeat it.
        size: Bytes of the request's body.
        wants_body: Whether the body of a success is read; it must be small.
        patience: How long and how often it is tried.
        ssl_context: Whom to trust; by default as httpx does.

    Raises:
        ServiceFailed: It redirects, or a body that is wanted is too large.
        Unavailable: The server cannot be had.
        LocalFailure: The environment's certificate or proxy settings cannot be used.
    """
    patience = patience or Patience()
    failed: list[Passing] = []

    def worth_another(error: Exception) -> bool | float:
        if not isinstance(error, Passing):
            return False
        failed.append(error)
        if error.wait is not None:
            return error.wait if error.wait <= _RETRY_AFTER_CAP else False
        return True

    waits = stamina.retry_context(
        on=worth_another,
        attempts=patience.attempts,
        timeout=None,
        wait_initial=patience.first_wait,
        wait_max=patience.longest_wait,
        wait_jitter=patience.first_wait,
    )
    for made in waits:
        with made:
            before = failed[-1].reason if failed else None
            return _attempt(url, build, secrets, size, wants_body, patience, ssl_context, before)
    raise AssertionError("stamina gives a result or an exception")


def _attempt(
    url: httpx.URL,
    build: Build,
    secrets: tuple[str, ...],
    size: int,
    wants_body: bool,
    patience: Patience,
    ssl_context: ssl.SSLContext | None,
    before: str | None,
) -> Answer:
    seconds = patience.deadline + size / patience.floor
    allowance = wire.Allowance(seconds)
    with _client(url, patience, ssl_context) as client, answers.failures(str(url), seconds), allowance.in_force():
        response = client.send(build(client), stream=True)
        try:
            status = response.status_code
            if response.is_success:
                # What is not wanted is not waited for: the upload is done, however its answer ends.
                return Answer(status, body=_body(response, url) if wants_body else b"", before=before)
            if 300 <= status < 400:
                place = redirects.shown(response.headers.get("location", "nowhere"))
                raise ServiceFailed(
                    str(url),
                    f"expected an answer, found a redirect (HTTP {status}) to {_without(place, secrets)}; a token is "
                    "not sent on",
                    hint="give the server that it leads to, if that is the one you mean",
                )
            answer = Answer(status, _words(response, secrets, min(_REFUSAL_SECONDS, allowance.left())), before=before)
            if status == httpx.codes.TOO_MANY_REQUESTS or status >= 500:
                failure = Passing(str(url), f"the server answers {answer.said}")
                wait = response.headers.get("retry-after", "")
                failure.wait = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 10 else None
                raise failure
            return answer
        finally:
            response.close()


def _client(url: httpx.URL, patience: Patience, ssl_context: ssl.SSLContext | None) -> httpx.Client:
    silence = patience.silence
    try:
        return wire.guard(
            httpx.Client(
                headers={"user-agent": USER_AGENT, "accept-encoding": "identity"},
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                timeout=httpx.Timeout(connect=patience.connect, read=silence, write=silence, pool=silence),
                verify=True if ssl_context is None else ssl_context,
                follow_redirects=False,
                trust_env=url.scheme == "https",  # A proxy would read what goes over plain http.
            )
        )
    except (OSError, ImportError, ValueError, httpx.InvalidURL) as error:
        raise LocalFailure(
            f"the environment's proxy or certificate settings cannot be used: {plain(str(error))}",
            hint="look at HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR",
        ) from None


def _body(response: httpx.Response, url: httpx.URL) -> bytes:
    body = _up_to(response, _MAX_ANSWER + 1)
    if len(body) > _MAX_ANSWER:
        raise ServiceFailed(str(url), f"expected an answer of at most {_MAX_ANSWER} bytes, found a larger one")
    return body


def _words(response: httpx.Response, secrets: tuple[str, ...], seconds: float) -> str:
    """What a server says of its refusal, as far as it says it in time."""
    body = b""
    with suppress(httpx.HTTPError, httpx.StreamError, wire.DeadlinePassed), wire.Allowance(seconds).in_force():
        body = _up_to(response, _MAX_ANSWER)
    text = body.decode("utf-8", "replace")
    if len(body) == _MAX_ANSWER:
        text = text[:-MAX_TOKEN]  # A secret that is cut in two would not be found.
    return plain(_without(text, secrets).strip())


def _up_to(response: httpx.Response, limit: int) -> bytes:
    body = bytearray()
    for part in response.iter_raw():
        body += part[: limit - len(body)]
        if len(body) >= limit:
            break
    return bytes(body)


def _without(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, "<token>")
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
