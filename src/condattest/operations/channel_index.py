"""What a channel's index says of a package, read over HTTP as clients read it: shards first, they are small.

Owns `Indexes` and `monolith`. Each file of an index is fetched and read once, however many packages are asked for and
by however many threads; what could not be had is not asked for again either. Nothing here is signed.
"""

import contextlib
import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin

from condattest.errors import Malformed, NotFound
from condattest.model.artifact import PackageFile
from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding

if TYPE_CHECKING:
    from condattest.formats.repodata import Record, Repodata, ShardIndex
    from condattest.transport.fetch import Fetch

_T = TypeVar("_T")


class Indexes:
    """The indexes of channels, for one run. Several threads may share it.

    Args:
        fetch: Gets what URLs name.
    """

    def __init__(self, fetch: "Fetch") -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._had: dict[str, Future[Any]] = {}

    def record(self, channel: Channel, subdir: str, file: PackageFile) -> "Record":
        """Return the index's record of an artifact; it has a sha256, and is about this file.

        Raises:
            Malformed: MISSING-PACKAGE, BIND-*, SIDECAR-FIELD, or NET-UNAVAILABLE for what is no index.
            Unavailable: The index could not be had.
        """
        base = f"{channel.url}/{subdir}"
        record = self._find(base, file)
        if record is None:
            raise Malformed(Finding.of(Code.MISSING_PACKAGE, base, expected=file, found="no such record"))
        if record.sha256 is None:
            raise Malformed(no_digest(base, file))
        _check_names(record, subdir, f"{base}: {file}")
        return record

    def _find(self, base: str, file: PackageFile) -> "Record | None":
        with contextlib.suppress(NotFound):
            return self._sharded(base, file)
        return self._once(f"{base}/", lambda: self._monolith(base)).find(file)

    def _sharded(self, base: str, file: PackageFile) -> "Record | None":
        url = f"{base}/repodata_shards.msgpack.zst"
        index = self._once(url, lambda: self._shard_index(url))
        digest = index.shards.get(file.name)
        if digest is None:
            return None
        shard_url = urljoin(urljoin(f"{base}/", index.shards_base_url.rstrip("/") + "/"), f"{digest.hex()}.msgpack.zst")
        if not index.shards_base_url:
            shard_url = f"{base}/{digest.hex()}.msgpack.zst"
        return self._once(shard_url, lambda: self._shard(shard_url, digest)).find(file)

    def _monolith(self, base: str) -> "Repodata":
        from condattest.formats import repodata

        url, data = monolith(base, self._fetch)
        return repodata.read(data, where=url)

    def _shard_index(self, url: str) -> "ShardIndex":
        from condattest.formats import repodata

        return repodata.parse_shard_index(self._fetch(url, repodata.MAX_SHARD_INDEX), where=url)

    def _shard(self, url: str, digest: bytes) -> "Repodata":
        from condattest.formats import repodata

        data = self._fetch(url, repodata.MAX_SHARD)
        found = hashlib.sha256(data).digest()
        if found != digest:
            raise Malformed(Finding(Code.NET_UNAVAILABLE, url, {"expected": digest.hex(), "found": found.hex()}))
        return repodata.read_shard(data, where=url)

    def _once(self, key: str, make: Callable[[], _T]) -> _T:
        with self._lock:
            found: Future[_T] | None = self._had.get(key)
            future = found or Future[_T]()
            self._had[key] = future
        if found is None:
            try:
                future.set_result(make())
            except BaseException as error:
                future.set_exception(error)
                raise
        failure = future.exception()
        if failure is not None:
            # Raised again as it is, it would gather the frames of all who ever asked, and all that they hold.
            raise failure.with_traceback(None)
        return future.result()


def _check_names(record: "Record", subdir: str, where: str) -> None:
    """Solvers go by what a record says: one that claims another name puts an attested package in another's place."""
    file = record.file
    said = {"name": file.name, "version": file.version, "build": file.build, "subdir": subdir}
    for key, expected in said.items():
        if record.members.get(key, expected) != expected:  # Old records do not say all of it.
            found = f"{record.members[key]!r:.80}"
            raise Malformed(Finding.of(Code.BIND_METADATA, f"{where}: {key}", expected=expected, found=found))


def no_digest(where: str, file: PackageFile) -> Finding:
    """The finding for a record without sha256: any archive would do for it."""
    return Finding.of(Code.BIND_NO_DIGEST, f"{where}: {file}", expected="sha256", found="no such key")


def monolith(base: str, fetch: "Fetch") -> tuple[str, bytes]:
    """Return the URL and the plain bytes of a subdir's repodata.json, compressed before plain, as conda reads it.

    Raises:
        Malformed: NET-UNAVAILABLE: it does not decompress.
        Unavailable: It could not be had.
    """
    from condattest.formats import compression, repodata

    url = f"{base}/repodata.json"
    try:
        data = fetch(f"{url}.zst", repodata.MAX_REPODATA)
    except NotFound:
        return url, fetch(url, repodata.MAX_REPODATA)
    where = f"{url}.zst"
    return where, compression.unzstd(data, limit=repodata.MAX_REPODATA, code=Code.NET_UNAVAILABLE, where=where)
