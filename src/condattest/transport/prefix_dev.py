"""Upload a package and its attestation to a server that speaks prefix.dev's API.

Owns `upload`, `mint`, `audience` and `is_channel`. Refuses to send other bytes than those of the digest that it is
given: the package is hashed while it passes, in constant memory, and its last bytes are held back until the digest
holds.

    POST /api/v1/upload/CHANNEL[?force=true]          POST /api/oidc/mint_token
    Authorization: Bearer TOKEN                       Content-Type: application/json
    Content-Type: multipart/form-data                 {"token": "IDENTITY TOKEN"}
      file         the package, with X-File-Name
                   and X-File-SHA256                  200, and the token as it is
      attestation  the bundle, if there is one

There is no public specification. This is what rattler does (crates/rattler_upload/src/upload/prefix.rs and
crates/rattler_networking/src/trusted_publishing.rs), and pixi and rattler-build with it.

Spec: https://www.rfc-editor.org/rfc/rfc7578
"""

import hashlib
import io
import os
import re
import ssl
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal, cast

import httpx

from condattest.errors import LocalFailure, Misuse, ServiceFailed
from condattest.model.artifact import PackageFile, Sha256
from condattest.transport import files, post
from condattest.transport.post import Patience
from condattest.transport.redirects import plain

_UPLOAD: Final = "/api/v1/upload/"
_MINT: Final = "/api/oidc/mint_token"
_CHANNEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_Part = tuple[str | None, BinaryIO | bytes, str | None, dict[str, str]]

_MEANINGS: Final = {
    400: ("the server does not understand the upload", "look at what the server says"),
    401: (
        "the server does not take the token",
        "make a new API key, or get a new token: one from trusted publishing lives for minutes",
    ),
    403: (
        "the token may not upload this",
        "give the key write access to the channel, or name this workflow among the channel's trusted publishers; the "
        "channel's settings can forbid an upload, too",
    ),
    404: ("there is no such channel", "look at the channel's name, and whether the token may see it"),
    409: (
        "a package of this name is there already",
        "build it with another build number; or ask for it to be skipped or, with force, replaced",
    ),
    413: ("the upload is larger than the server takes", "make the package smaller, or ask the server's operator"),
    422: (
        "the package or its attestation does not pass the server's checks",
        "look at what the server says; an attestation must name this file, its digest and this channel",
    ),
}


@dataclass(frozen=True, slots=True)
class Upload:
    """What became of one package. `already-there` says nothing of the bytes that are there."""

    status: Literal["uploaded", "already-there"]
    detail: str


def upload(
    server: str,
    channel: str,
    file: PackageFile,
    package: Path | BinaryIO,
    sha256: Sha256,
    attestation: bytes | None,
    *,
    token: str,
    force: bool = False,
    skip_existing: bool = False,
    patience: Patience | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> Upload:
    """Upload a package, with its attestation in the same request.

    Args:
        server: Where the API is: `https://prefix.dev`.
        channel: The channel's name on that server.
        file: The package's file name.
        package: Its file, by path or open; an open one is read from its start, and stays open.
        sha256: The digest that the file must have.
        attestation: A Sigstore bundle, as it is; None uploads the package alone.
        token: An API key, or what `mint` gave.
        force: Ask the server to replace a package of this name.
        skip_existing: Take it that a package of this name is there already. Its bytes are not compared, and the
            attestation is not uploaded.
        patience: How long and how often it is tried.
        ssl_context: Whom to trust; by default as httpx does.

    Raises:
        Misuse: The server, the channel or the token cannot be one, or there is no such file.
        LocalFailure: The file cannot be read, or does not have that digest.
        ServiceFailed: The server refuses; `hint` says what to do.
        Unavailable: The server cannot be had.
    """
    at = post.service(server)
    if not is_channel(channel):
        raise Misuse(
            f"expected the name of a channel, found {plain(channel)!r}",
            hint="it is the last part of the channel's URL: my-channel in https://prefix.dev/my-channel",
        )
    if force and skip_existing:
        raise Misuse("a package that is there already is either replaced or skipped")
    post.check_token(token, "the token", "make an API key at the server, or set the channel up for trusted publishing")
    url = at.copy_with(path=_UPLOAD + channel, query=b"force=true" if force else None)
    with files.open_once(package) if isinstance(package, Path) else nullcontext(package) as opened:
        size = opened.seek(0, os.SEEK_END)

        def build(client: httpx.Client) -> httpx.Request:
            source = cast(BinaryIO, _Verifying(opened, size, sha256, file))
            headers = {"X-File-Name": str(file), "X-File-SHA256": str(sha256), "Content-Length": str(size)}
            # In rattler's order, for a server that reads the parts as they come.
            parts: list[tuple[str, _Part]] = [("file", (str(file), source, "application/octet-stream", headers))]
            if attestation is not None:
                parts.append(("attestation", (None, attestation, None, {})))
            return client.build_request("POST", url, headers={"authorization": f"Bearer {token}"}, files=parts)

        answer = post.ask(
            url,
            build,
            secrets=(token,),
            size=size + len(attestation or b""),
            patience=patience,
            ssl_context=ssl_context,
        )
    if answer.status == httpx.codes.CONFLICT and skip_existing:
        return Upload("already-there", f"a package of this name was there already ({answer.said})")
    if answer.status == httpx.codes.CONFLICT and answer.before is not None:
        raise ServiceFailed(
            str(url),
            f"a package of this name is there already ({answer.said}); an attempt before, of which it is not known how "
            f"it ended, may have brought it: {answer.before}",
            hint=f"look in the channel's index whether its sha256 is {sha256}; then it is done",
        )
    return Upload("uploaded", _accepted(url, answer).said)


def mint(
    server: str, oidc_token: str, *, patience: Patience | None = None, ssl_context: ssl.SSLContext | None = None
) -> str:
    """Return the short-lived token that a server gives a CI job for its identity token ("trusted publishing").

    Args:
        server: Where the API is. It gets a credential, so it must be one that the user named.
        oidc_token: The job's identity token, made out to `audience(server)`.
        patience: How long and how often it is tried.
        ssl_context: Whom to trust; by default as httpx does.

    Raises:
        Misuse: The server cannot be one, or the identity token is made out to somebody else. One made out to Sigstore
            would let the server sign as the job.
        ServiceFailed: The server gives no token; `hint` says what to do.
        Unavailable: The server cannot be had.
    """
    import jwt

    url = post.service(server).copy_with(path=_MINT)
    wanted = audience(server)
    hint = f"ask the CI platform for an identity token with the audience {wanted}"
    post.check_token(oidc_token, "the identity token", hint)
    try:
        named = jwt.decode(oidc_token, options={"verify_signature": False}).get("aud")
    except jwt.InvalidTokenError:
        raise Misuse("the identity token is no JSON web token", hint=hint) from None
    if named not in (wanted, [wanted]):
        raise Misuse(f"expected an identity token for {wanted}, found one for {plain(str(named))}", hint=hint)
    answer = post.ask(
        url,
        lambda client: client.build_request("POST", url, json={"token": oidc_token}),
        secrets=(oidc_token,),
        wants_body=True,
        patience=patience,
        ssl_context=ssl_context,
    )
    if not 200 <= answer.status < 300:
        raise ServiceFailed(
            str(url),
            f"expected a token for this job, found {answer.said}",
            hint="name this repository and workflow among the channel's trusted publishers, with the ref and "
            "environment that the job has",
        )
    minted = answer.body.decode("latin-1").strip()
    try:
        post.check_token(minted, "the answer", "")
    except Misuse:
        raise ServiceFailed(
            str(url), "expected a token, found an answer that is none", hint="look whether the server is the right one"
        ) from None
    return minted


def is_channel(name: str) -> bool:
    """Whether this may be the name of a channel: it stays one segment of a URL's path."""
    return _CHANNEL.fullmatch(name) is not None


def audience(server: str) -> str:
    """The audience that a server wants in an identity token: prefix.dev for all of its hosts, else the host itself.

    Raises:
        Misuse: The server cannot be one.
    """
    host = post.service(server).host
    return "prefix.dev" if host == "prefix.dev" or host.endswith(".prefix.dev") else host


def _accepted(url: httpx.URL, answer: post.Answer) -> post.Answer:
    if 200 <= answer.status < 300:
        return answer
    meaning, hint = _MEANINGS.get(answer.status, ("the server refuses the upload", "look at what the server says"))
    raise ServiceFailed(str(url), f"{meaning} ({answer.said})", hint=hint)


class _Verifying(io.RawIOBase):
    """Reads an open file from its start, and gives its last bytes only if all of them have the digest."""

    def __init__(self, opened: BinaryIO, size: int, sha256: Sha256, file: PackageFile) -> None:
        self._opened, self._size, self._sha256, self._file = opened, size, sha256, file
        self._digest, self._at = hashlib.sha256(), 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Tell the size (to the end), or begin again (to any other place)."""
        if whence == os.SEEK_END:
            return self._size
        self._opened.seek(0)
        self._digest, self._at = hashlib.sha256(), 0
        return 0

    def tell(self) -> int:
        """How far it is read."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes.

        Raises:
            LocalFailure: The file cannot be read, or is another than it was.
        """
        if self._at == self._size > 0:
            return b""
        rest = self._size - self._at
        try:
            data = self._opened.read(rest if size < 0 else min(size, rest))
        except OSError as error:
            raise LocalFailure(f"{self._file}: cannot be read: {error.strerror}") from None
        self._digest.update(data)
        self._at += len(data)
        if not data or (self._at == self._size and self._digest.hexdigest() != self._sha256):
            raise LocalFailure(
                f"{self._file}: expected the digest {self._sha256}, found {self._digest.hexdigest()}: this is not the "
                "package that was checked",
                hint="run it again when nothing writes to the file",
            )
        return data
