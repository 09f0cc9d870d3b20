"""Judge the head of an answer before its body is read, and say failures in words that hold no credentials.

Owns `check`, `field`, `failures`, `Passing` and `Unconnected`. Refuses a status other than 200, a content
coding (a body that expands is a bomb), a length above the limit, and a body that ends when the connection does: cut
short, it would look whole.

Spec: https://www.rfc-editor.org/rfc/rfc9110#section-15
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import httpx

from condattest.errors import NotFound, TooLarge, Unavailable
from condattest.transport.redirects import Refused, plain, shown
from condattest.transport.wire import DeadlinePassed

_FIELD = re.compile(r"[\x20-\x7e]{1,512}")
_CREDENTIALS: Final = (
    "the server wants credentials for this, or they do not reach this far; some object stores also answer so for a "
    "file that does not exist"
)


class Passing(Unavailable):
    """A failure that may be over soon; `wait` is how long the server asks to wait, in seconds."""

    wait: float | None = None


class Unconnected(Passing):
    """No connection could be made: whatever else is asked for there will fail likewise, for a while."""


def check(response: httpx.Response, url: str, limit: int, asked: Mapping[str, str]) -> httpx.Response:
    """Return the answer if its body may be read; `asked` holds the conditions of the request.

    Raises:
        NotFound: HTTP 404 or 410.
        TooLarge: It announces more than `limit` bytes.
        Passing: HTTP 429 or 5xx.
        Unavailable: Anything else that is not an answer to the question.
    """
    status, headers = response.status_code, response.headers
    at = shown(url)
    if status in (404, 410):
        raise NotFound(at, f"not found (HTTP {status})")
    if status in (401, 403):
        raise Unavailable(at, f"access denied (HTTP {status})", hint=_CREDENTIALS)
    if status == 429 or status >= 500:
        failure = Passing(at, f"the server answers HTTP {status} {plain(response.reason_phrase)}".rstrip())
        wait = headers.get("retry-after", "")
        failure.wait = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 10 else None
        raise failure
    if status == httpx.codes.NOT_MODIFIED and asked:
        return response
    if status != httpx.codes.OK:
        raise Unavailable(at, f"the server answers HTTP {status} {plain(response.reason_phrase)}".rstrip())
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Unavailable(at, f"the server compresses its answer ({plain(encoding)}), which was not asked for")
    length = headers.get("content-length")
    if length is None and "transfer-encoding" not in headers:
        raise Unavailable(at, "the server does not say where its answer ends")
    if length is not None and int(length) > limit:
        raise TooLarge(at, f"{length} bytes, and at most {limit} are taken")
    return response


def field(response: httpx.Response, name: str) -> str | None:
    """A header's value, if it is plain text that can be sent back."""
    value = response.headers.get(name)
    return value if value is not None and sendable(value) else None


@contextmanager
def failures(url: str, deadline: float) -> Iterator[None]:
    """Turn what goes wrong below into `Unavailable`; `deadline` is the request's, for its text."""
    # `from None`: the texts and requests of httpx hold whole URLs, and a traceback would show them.
    at = shown(url)
    try:
        yield
    except Refused as refused:
        raise Unavailable(at, str(refused)) from None
    except DeadlinePassed:
        raise Unavailable(at, f"took longer than the {deadline:g} seconds that it may take") from None
    except httpx.TimeoutException as error:
        kind = Unconnected if isinstance(error, httpx.ConnectTimeout) else Passing
        raise kind(at, f"no answer in time ({type(error).__name__})") from None
    except httpx.TransportError as error:
        kind = Unconnected if isinstance(error, httpx.ConnectError) else Passing
        raise kind(at, f"the connection failed: {plain(str(error)) or type(error).__name__}") from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError) as error:
        raise Unavailable(at, f"the answer is not usable: {plain(str(error))}") from None


def sendable(value: str) -> bool:
    """Whether a text can stand in a header: no line breaks, which would start another header."""
    return _FIELD.fullmatch(value) is not None
