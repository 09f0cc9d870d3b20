"""A channel in an object store: S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage.

Owns `Objects`; `object_clients` says how it connects. Every write is conditional, so that no lock is needed:

    create        PUT with If-None-Match: *            (Google: generation 0)
    replace       PUT with If-Match: the etag read     (Google: the generation read)
    create_from   up to 8 MiB as `create`; above, an upload in parts to .condattest/RANDOM.tmp, then a copy that fails
                  if its target is there, since an upload in parts is not conditional. The copy is made by the server.
    replace_from  the same as `replace`; above 8 MiB the copy follows on a look at the etag, and is not conditional

Limits: S3 takes at most 5 GiB in one PUT and in one copy; larger files fail. An etag is made of the bytes: whoever puts
back the very bytes that were read goes unnoticed, and nothing is lost by it.

Spec: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from condattest.errors import Conflict, NotFound, TooLarge, Unavailable
from condattest.transport import files
from condattest.transport.object_clients import Clients, reason
from condattest.transport.store import Entry, Stored, checked, is_listed

if TYPE_CHECKING:
    from obstore import GetResult, ObjectMeta, PutMode

_PARALLEL: Final = 16
_SINGLE: Final = 8 * 1024 * 1024
_PART: Final = 1024 * 1024
_STAGING: Final = ".condattest"
_LEFTOVER: Final = timedelta(days=1)
# S3, Azure and Google.
_NO_BUCKET: Final = ("<Code>NoSuchBucket<", "<Code>ContainerNotFound<", "The specified bucket does not exist")


class Objects:
    """A `Store` in a bucket, or below a prefix of one.

    Args:
        url: `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`.
        patience: Seconds without an answer after which a request is given up; it is tried three times at most, and
            writes have more time in proportion to their size.

    Raises:
        Misuse: It is no such URL, or the environment does not say enough to open it.
    """

    def __init__(self, url: str, *, patience: float = 10.0) -> None:
        self._clients = Clients(url, patience)
        self._client = self._clients.sized
        self._client()

    @property
    def name(self) -> str:
        """The URL."""
        return self._clients.url

    @property
    def parallel(self) -> int:
        """Several: each request waits for the network."""
        return _PARALLEL

    def read(self, path: str, limit: int) -> Stored:
        """Read an object whole."""
        checked(path)
        with self._asked(path):
            found = obstore.get(self._client(), path)
            if found.meta["size"] > limit:
                raise self._too_large(path, limit)
            return Stored(bytes(found.bytes()), _token(found.meta))

    @contextmanager
    def stream(self, path: str, limit: int) -> Iterator[Iterator[bytes]]:
        """Read an object in parts."""
        checked(path)
        with self._asked(path):
            found = obstore.get(self._client(), path)
        if found.meta["size"] > limit:
            raise self._too_large(path, limit)
        yield self._counted(path, found, limit)

    def create(self, path: str, data: bytes) -> bool:
        """Write an object unless there is one."""
        checked(path)
        try:
            with self._asked(path, writing=True):
                obstore.put(self._client(len(data)), path, data, mode="create")
        except (AlreadyExistsError, PreconditionError):
            return False
        return True

    def create_from(self, path: str, source: BinaryIO) -> bool:
        """Write an object from an open file unless there is one; some 24 MiB are held in memory."""
        checked(path)
        first, parts = _first(source)
        if parts is None:
            return self.create(path, first)
        if self.version(path) is not None:
            return False
        try:
            with self._staged(path, first, parts) as (staged, size), self._asked(path, writing=True):
                obstore.copy(self._client(size), staged, path, overwrite=False)
        except (AlreadyExistsError, PreconditionError):
            return False
        return True

    def replace_from(self, path: str, source: BinaryIO, version: str | None) -> None:
        """As `replace`, from an open file; a large one is copied over what was of that version just before."""
        checked(path)
        first, parts = _first(source)
        if parts is None:
            self.replace(path, first, version)
            return
        with self._staged(path, first, parts) as (staged, size):
            if self.version(path) != version:
                raise self._conflict(path)
            with self._asked(path):
                obstore.copy(self._client(size), staged, path, overwrite=True)

    @contextmanager
    def _staged(self, path: str, first: bytes, parts: Iterator[bytes]) -> Iterator[tuple[str, int]]:
        """Upload what is too large for one request to a place of its own, which is deleted in the end."""
        staged = f"{_STAGING}/{secrets.token_hex(16)}.tmp"
        try:
            with self._asked(staged, writing=True):
                obstore.put(
                    self._client(2 * _SINGLE),
                    staged,
                    chain([first], parts),
                    use_multipart=True,
                    chunk_size=_SINGLE,
                    max_concurrency=2,
                )
            yield staged, self._swept(staged)
        finally:
            with suppress(Unavailable):
                self.delete(staged)

    def replace(self, path: str, data: bytes, version: str | None) -> str:
        """Write an object if what is there is of that version."""
        checked(path)
        mode: PutMode = "create" if version is None else json.loads(version)
        try:
            with self._asked(path, writing=True):
                return _token(obstore.put(self._client(len(data)), path, data, mode=mode))
        except (AlreadyExistsError, PreconditionError, NotFound):
            raise self._conflict(path) from None

    def version(self, path: str) -> str | None:
        """Which version of an object is there."""
        checked(path)
        try:
            with self._asked(path):
                return _token(obstore.head(self._client(), path))
        except NotFound:
            return None

    def folders(self) -> list[str]:
        """The names that prefixes at the top have."""
        with self._asked(""):
            found = obstore.list_with_delimiter(self._client())
        return sorted(name for name in found["common_prefixes"] if is_listed(name))

    def list(self, folder: str, prefix: str = "") -> list[Entry]:
        """The objects directly below a folder's prefix; with one of their own, the listing begins and ends there."""
        checked(folder)
        start = f"{folder}/"
        with self._asked(folder):
            objects: Iterable[ObjectMeta] = (
                self._from(folder, start + prefix)
                if prefix
                else obstore.list_with_delimiter(self._client(), folder)["objects"]
            )
            named = [
                (meta["path"].removeprefix(start), meta) for meta in objects if meta["path"].startswith(start + prefix)
            ]
        return sorted(
            (Entry(name, meta["size"]) for name, meta in named if is_listed(name)), key=lambda found: found.name
        )

    def _from(self, folder: str, first: str) -> "Iterator[ObjectMeta]":
        # What begins there comes after it and together; the listing starts just before, since its offset is left out.
        for some in obstore.list(self._client(), folder, offset=first[:-1]):
            for meta in some:
                if meta["path"] > first and not meta["path"].startswith(first):
                    return
                yield meta

    def delete(self, path: str) -> None:
        """Delete an object."""
        checked(path)
        with suppress(NotFound), self._asked(path):
            obstore.delete(self._client(), path)

    def hold(self, folder: str) -> AbstractContextManager[None]:
        """Nothing: every write is conditional."""
        checked(folder)
        return nullcontext()

    def _swept(self, staged: str) -> int:
        """Delete what killed writers staged, by the store's own clock; the size of what was staged now."""
        with self._asked(staged):
            found = obstore.list_with_delimiter(self._client(), _STAGING)["objects"]
            mine = obstore.head(self._client(), staged)
        for meta in found:
            if mine["last_modified"] - meta["last_modified"] > _LEFTOVER:
                with suppress(Unavailable):
                    self.delete(meta["path"])
        return mine["size"]

    def _counted(self, path: str, found: "GetResult", limit: int) -> Iterator[bytes]:
        left = limit
        with self._asked(path):
            for part in found.stream(min_chunk_size=_PART):
                left -= len(part)
                if left < 0:
                    raise self._too_large(path, limit)
                yield bytes(part)

    @contextmanager
    def _asked(self, path: str, *, writing: bool = False) -> Iterator[None]:
        """Turn what obstore raises into our own; only what a condition of `writing` says is passed on."""
        try:
            yield
        except (AlreadyExistsError, PreconditionError, FileNotFoundError) as error:
            if any(sign in str(error) for sign in _NO_BUCKET):
                raise Unavailable(self._where(path), "there is no such bucket or container") from None
            if isinstance(error, FileNotFoundError):
                raise NotFound(self._where(path), "no such object") from None
            if writing:
                raise
            raise Unavailable(self._where(path), reason(error)) from None
        except (PermissionDeniedError, UnauthenticatedError) as error:
            hint = "check the credentials; S3 also says so of what does not exist, unless s3:ListBucket is granted"
            raise Unavailable(self._where(path), reason(error), hint=hint) from None
        except (BaseError, OSError, ValueError) as error:
            raise Unavailable(self._where(path), reason(error)) from None

    def _conflict(self, path: str) -> Conflict:
        return Conflict(f"{self._where(path)}: somebody else changed it in the meantime", hint="run it again")

    def _where(self, path: str) -> str:
        return f"{self.name}/{path}" if path else self.name

    def _too_large(self, path: str, limit: int) -> TooLarge:
        return TooLarge(self._where(path), f"expected at most {limit} bytes, found more")


def _first(source: BinaryIO) -> tuple[bytes, Iterator[bytes] | None]:
    """What goes into one request, and the parts after that; None where there are none."""
    parts = iter(files.parts(source))
    first: list[bytes] = []
    for part in parts:
        first.append(part)
        if sum(map(len, first)) > _SINGLE:
            return b"".join(first), parts
    return b"".join(first), None


def _token(meta: Any) -> str:
    return json.dumps({key: meta[key] for key in ("e_tag", "version") if meta.get(key) is not None})
