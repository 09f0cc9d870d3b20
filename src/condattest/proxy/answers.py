"""HTTP answers: bytes that are at hand, files, parts of files, bodies that may have to be cut off, and refusals.

Owns `Passing`, `whole`, `of_kept` and `problem`. A refusal is a JSON document with the codes, the sentences and what to
do. A body that goes wrong on its way is never ended: uvicorn closes the connection then, before the announced length.

Spec: https://www.rfc-editor.org/rfc/rfc9110#section-13 (conditions), #section-14 (ranges)
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import anyio
import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from condattest.model.finding import Finding
from condattest.proxy.refused import Refused
from condattest.proxy.shelf import Kept
from condattest.reports import documents

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_BINARY: Final = "application/octet-stream"
PATIENCE: Final = 120.0
"""Seconds for a part of at most some hundred kilobytes: whoever takes longer has gone."""


class Passing(Response):
    """A body that comes in parts, of which the first may refuse it with a status, and a later one cut it off.

    Args:
        parts: The body; raises Refused. It is closed in any case.
        limiter: How many threads may wait for parts.
        on_refused: Told why the body was refused or cut off; gives the answer if nothing was sent yet.
        on_done: Called when the whole body was sent.
        status: The HTTP status.
        headers: With content-length.
        patience: Seconds until the client must have taken a part. What it holds, a connection to the channel, say,
            others wait for.
    """

    def __init__(
        self,
        parts: Iterator[bytes],
        limiter: CapacityLimiter,
        *,
        on_refused: Callable[[Refused], Response],
        on_done: Callable[[], None] = lambda: None,
        status: int = 200,
        headers: Mapping[str, str],
        patience: float = PATIENCE,
    ) -> None:
        self.status_code = status
        self.background = None
        self.body = b""
        self.init_headers({"content-type": _BINARY, **headers})
        self._parts = parts
        self._limiter = limiter
        self._on_refused = on_refused
        self._on_done = on_done
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            started = False
            while True:
                try:
                    part = await self._thread(partial(next, self._parts, None))
                except Refused as refusal:
                    answer = self._on_refused(refusal)
                    if not started:
                        await answer(scope, receive, send)
                    return  # Without an end: the server closes the connection.
                if not started:
                    head = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
                    await send(head)
                    started = True
                with anyio.move_on_after(self._patience) as waiting:
                    await send({"type": "http.response.body", "body": part or b"", "more_body": part is not None})
                if waiting.cancelled_caught:
                    return
                if part is None:
                    self._on_done()
                    return
        finally:
            close = getattr(self._parts, "close", None)
            if close is not None:
                with anyio.CancelScope(shield=True):
                    await self._thread(close)

    async def _thread(self, call: Callable[[], Any]) -> Any:
        return await anyio.to_thread.run_sync(call, limiter=self._limiter)


def matches(request: Request, etag: str) -> bool:
    """Whether the client has what it asks for already."""
    asked = request.headers.get("if-none-match")
    if asked is None:
        return False
    return asked.strip() == "*" or etag in (each.strip().removeprefix("W/") for each in asked.split(","))


def span(request: Request, etag: str, size: int) -> tuple[int, int] | None:
    """The part that is asked for, as [start, end); None for the whole.

    Raises:
        ValueError: It lies outside the file.
    """
    match = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if match is None or match[0] == "bytes=-" or request.headers.get("if-range", etag) != etag:
        return None  # Several parts, another unit: the whole may be sent instead.
    if not match[1]:
        start, end = max(size - int(match[2]), 0), size
    else:
        start = int(match[1])
        end = min(int(match[2]) + 1, size) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= end:
        raise ValueError("not satisfiable")
    return start, end


def problem(status: int, findings: Sequence[Finding], *, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal, as a JSON document."""
    document = {
        "schema": "condattest/proxy-answer/1",
        "status": status,
        "findings": [documents.finding(finding) for finding in findings],
    }
    codes = ", ".join(dict.fromkeys(finding.code.value for finding in findings))
    sent = {"cache-control": "no-store", "x-condattest": f"refused; {codes}" if codes else "refused", **(headers or {})}
    return Response(json.dumps(document, indent=2) + "\n", status, sent, "application/json")


def whole(request: Request, data: bytes, headers: Mapping[str, str], media: str = _BINARY) -> Response:
    """Bytes that are at hand; 304 where the client has them."""
    if matches(request, headers["etag"]):
        return Response(status_code=304, headers=dict(headers))
    return Response(data, headers=dict(headers), media_type=media)


def of_kept(
    request: Request,
    kept: Kept,
    headers: Mapping[str, str],
    limiter: CapacityLimiter,
    *,
    ranges: bool,
    on_done: Callable[[], None] = lambda: None,
) -> Response:
    """A file of the shelf, or the part of it that is asked for; it is closed in any case."""
    etag = headers["etag"]
    if matches(request, etag) or request.method == "HEAD":
        kept.close()
        if matches(request, etag):
            return Response(status_code=304, headers=dict(headers))
        return Response(headers={**headers, "content-length": str(kept.size)}, media_type=_BINARY)
    try:
        part = span(request, etag, kept.size) if ranges else None
    except ValueError:
        kept.close()
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{kept.size}"})
    start, end = part or (0, kept.size)
    sent = {**headers, "content-length": str(end - start)}
    if part is not None:
        sent["content-range"] = f"bytes {start}-{end - 1}/{kept.size}"
    return Passing(
        kept.parts(start, end),
        limiter,
        on_refused=lambda refusal: problem(refusal.status, refusal.findings),
        on_done=on_done,
        status=200 if part is None else 206,
        headers=sent,
    )
