"""The proxy as an ASGI application: paths to answers.

Owns `App`. GET and HEAD, and no other method. Work that waits, reads or computes is done in threads: what is below is
synchronous, and has the defences of `transport.fetch`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from condattest.errors import CondattestError
from condattest.model.artifact import Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding
from condattest.proxy import answers
from condattest.proxy.index_files import Body, IndexFiles
from condattest.proxy.ledger import Ledger
from condattest.proxy.packages import Package, Packages
from condattest.proxy.paths import (
    AsIs,
    IndexFile,
    PackagePath,
    Report,
    Resource,
    ShardFile,
    ShardIndexFile,
    parse,
)
from condattest.proxy.refused import Refused, refused
from condattest.proxy.shard_files import ShardFiles
from condattest.reports import left_out

_THREADS: Final = 96
_BINARY: Final = "application/octet-stream"


@dataclass(slots=True)
class App:
    """Serves channels.

    Attributes:
        channels: By name, what is served.
        packages: Their packages.
        index_files: Their JSON indexes.
        shard_files: Their sharded indexes.
        ledger: What was left out and refused.
        policy: What the policy is called, for the report.
    """

    channels: Mapping[str, Channel]
    packages: Packages
    index_files: IndexFiles
    shard_files: ShardFiles
    ledger: Ledger
    policy: str
    _limiter: CapacityLimiter | None = field(default=None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        if request.method not in ("GET", "HEAD"):
            await Response(status_code=405, headers={"allow": "GET, HEAD"})(scope, receive, send)
            return
        if self._limiter is None:
            self._limiter = CapacityLimiter(_THREADS)
        at = parse(scope.get("raw_path") or b"", self.channels)
        if at is None:
            await _nothing()(scope, receive, send)
            return
        response = await anyio.to_thread.run_sync(self._answer, request, at, self._limiter, limiter=self._limiter)
        await response(scope, receive, send)

    def _answer(self, request: Request, at: Resource, limiter: CapacityLimiter) -> Response:
        try:
            try:
                return self._served(request, at, limiter)
            except CondattestError as error:
                raise refused(error) from None
        except Refused as refusal:
            return self._refusal(at, refusal)

    def _served(self, request: Request, at: Resource, limiter: CapacityLimiter) -> Response:
        match at:
            case PackagePath():
                return self._package(request, at, limiter)
            case IndexFile():
                return self._index(request, self.index_files.get(at), limiter, at.coding == "")
            case ShardIndexFile():
                return self._index(request, self.shard_files.index(at), limiter, False)
            case ShardFile():
                return self._index(request, self.shard_files.shard(at), limiter, False)
            case AsIs():
                return self._as_is(request, at)
            case Report(form=form):
                return self._report(form)

    def _index(self, request: Request, body: Body, limiter: CapacityLimiter, is_json: bool) -> Response:
        said = "filtered"
        if body.sheet is not None:
            said = f"filtered; kept={body.sheet.kept}; left-out={body.sheet.left_out}"
        headers = {"etag": f'"{body.sha256}"', "cache-control": "no-cache", "x-condattest": said}
        if isinstance(body.content, bytes):
            return answers.whole(request, body.content, headers, "application/json" if is_json else _BINARY)
        return answers.of_kept(request, body.content, headers, limiter, ranges=False)

    def _package(self, request: Request, at: PackagePath, limiter: CapacityLimiter) -> Response:
        package = self.packages.judge(at)
        headers = {
            "etag": f'"{package.sha256}"',
            "cache-control": "no-cache",
            "accept-ranges": "bytes",
            "x-condattest": f"accepted; sha256={package.sha256}",
        }
        if answers.matches(request, headers["etag"]):
            return Response(status_code=304, headers=headers)
        kept = self.packages.kept(package)
        if kept is None:
            if request.method == "HEAD" and package.size is not None:
                self.packages.is_there(package)
                sized = {**headers, "content-length": str(package.size)}
                return Response(headers=sized, media_type=_BINARY)
            if request.method == "GET" and package.size is not None and "range" not in request.headers:
                return self._passing(package, headers, limiter)
            kept = self.packages.fetched(package)
        return answers.of_kept(request, kept, headers, limiter, ranges=True, on_done=self.ledger.served)

    def _passing(self, package: Package, headers: Mapping[str, str], limiter: CapacityLimiter) -> Response:
        return answers.Passing(
            self.packages.passing(package),
            limiter,
            on_refused=lambda refusal: self._refusal(package.at, refusal),
            on_done=self.ledger.served,
            headers={**headers, "content-length": str(package.size)},
        )

    def _as_is(self, request: Request, at: AsIs) -> Response:
        data = self.packages.gate.fetcher(at.url, at.limit)
        headers = {"etag": f'"{_digest(data)}"', "cache-control": "no-cache", "x-condattest": "as it is, not verified"}
        return answers.whole(request, data, headers)

    def _report(self, form: str) -> Response:
        document = left_out.document(
            self.channels, self.ledger.sheets(), self.ledger.refusals(), self.ledger.totals(), self.policy
        )
        if form == "json":
            return Response(left_out.to_json(document), media_type="application/json", headers=_OWN)
        page = left_out.page(document)
        return Response(page.html, media_type="text/html", headers={**_OWN, "content-security-policy": page.security})

    def _refusal(self, at: Resource, refusal: Refused) -> Response:
        if refusal.status != 404:
            now = self.packages.gate.clock()
            self.ledger.refused(str(at), refusal.status, refusal.findings, now=now)
        headers = {"retry-after": "30"} if refusal.status == 503 else {}
        return answers.problem(refusal.status, refusal.findings, headers=headers)


_OWN: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


def _nothing() -> Response:
    finding = Finding.of(
        Code.NET_NOT_FOUND, "the path", expected="a file of a channel that is served, or /-/report", found="another"
    )
    return answers.problem(404, (finding,))


def _digest(data: bytes) -> Sha256:
    return Sha256(hashlib.sha256(data).hexdigest())
