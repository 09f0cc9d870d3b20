"""Copy the generations of a subdir's patches from one channel to another.

Owns `copy_patches`. Nothing is judged here but digests: who may sign generations is for those to ask who read them, and
a mirror that left some out would only make the others useless. What a bundle names is copied before the bundle, and
`head.json` last. Maps and logs of older generations are not needed by anybody who reads the newest. Neither is the
delta of a generation that no shard names: where a revoked one has lost its files, only its bundle is copied.
"""

import hashlib

import stamina

from condattest.errors import Malformed, NotFound
from condattest.formats import patch_files, patch_statement, sidecar, statement
from condattest.formats.bundle import Bundle
from condattest.formats.patch_statement import PatchStatement
from condattest.model.artifact import Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.patch_head import point
from condattest.operations.sidecars import SCHEDULE
from condattest.transport.origin import Origin
from condattest.transport.store import Store


def copy_patches(origin: Origin, store: Store, subdir: str) -> int:
    """Copy every generation that the destination lacks; the number of files that it lacked.

    Raises:
        Malformed: A file is not what its digest or its form demands.
        NotFound: A file that is needed is not there.
        Unavailable, LocalFailure: Something could not be read or written.
    """
    copying = _Copying(origin, store, f"{subdir}/patches")
    try:
        head = origin.read(copying.path("head.json"), patch_files.MAX_HEAD)
    except NotFound:
        return 0
    newest = patch_files.parse_head(head, where=copying.where("head.json"))
    numbers = range(1, newest + 1)
    bundles = {number: origin.read(copying.path(f"{number}.sigs"), sidecar.MAX_SIDECAR) for number in numbers}
    said = {number: _said(data, copying.where(f"{number}.sigs")) for number, data in bundles.items()}
    lost: dict[int, NotFound] = {}
    for number, each in said.items():
        try:
            copying.delta(each)
        except NotFound as error:
            lost[number] = error
    copying.map(said[newest])
    if lost and (needed := lost.keys() & ({newest} | copying.numbers())):
        raise lost[min(needed)]
    copying.named(f"{said[newest].log}.log", said[newest].log, patch_files.MAX_LOG)
    for number, data in bundles.items():
        copying.sigs(number, data)
    copying.copied += point(store, copying.path("head.json"), newest)
    return copying.copied


def _said(data: bytes, where: str) -> PatchStatement:
    """What a generation's first bundle says, unauthenticated: only where to look."""
    bundle: Bundle = sidecar.parse(data, where=where).bundles[0]
    return patch_statement.parse(statement.parse(bundle.payload_type, bundle.payload))


class _Copying:
    def __init__(self, origin: Origin, store: Store, folder: str) -> None:
        self._origin = origin
        self._store = store
        self._folder = folder
        self._shards: set[Sha256] = set()
        self.copied = 0

    def path(self, name: str) -> str:
        return f"{self._folder}/{name}"

    def where(self, name: str) -> str:
        return f"{self._origin.name}/{self.path(name)}"

    def sigs(self, number: int, data: bytes) -> None:
        """Copy the bundles of a generation; those of signers who came later are appended to what is there."""
        path = self.path(f"{number}.sigs")
        for attempt in stamina.retry_context(**SCHEDULE):
            with attempt:
                if self._store.create(path, data):
                    self.copied += 1
                    return
                stored = self._store.read(path, sidecar.MAX_SIDECAR)
                there = sidecar.parse(stored.data, where=f"{self._store.name}/{path}")
                ours = sidecar.parse(data, where=self.where(f"{number}.sigs"))
                # Another payload is a fork, which readers of the destination find; nothing is put beside it.
                same = {each.payload for each in there.bundles} == {each.payload for each in ours.bundles}
                joined = sidecar.joined({there.sha256: there}, there.sha256, ours.elements) if same else stored.data
                if joined != stored.data:
                    self._store.replace(path, joined, stored.version)
                    self.copied += 1

    def delta(self, said: PatchStatement) -> None:
        self._with_shards(f"{said.delta}.delta.json.zst", said.delta)

    def map(self, said: PatchStatement) -> None:
        self._with_shards(f"{said.map}.map.json.zst", said.map)

    def _with_shards(self, name: str, digest: Sha256) -> None:
        data = self._read(name, digest, patch_files.MAX_MAP)
        for shard in patch_files.parse_map(data, where=self.where(name)).values():
            self.named(f"{shard}.shard.json.zst", shard, patch_files.MAX_SHARD)
            self._shards.add(shard)
        self.copied += self._store.create(self.path(name), data)

    def numbers(self) -> set[int]:
        """The generations that are named by a shard which is there now."""
        found: set[int] = set()
        for digest in self._shards:
            name = f"{digest}.shard.json.zst"
            data = self._store.read(self.path(name), patch_files.MAX_SHARD).data
            for entry in patch_files.parse_shard(data, where=self.where(name)).files.values():
                found.update(number for number, _ in entry.history)
        return found

    def named(self, name: str, digest: Sha256, limit: int) -> None:
        """Copy a file that is named by its digest, unless it is there."""
        try:
            there = self._store.read(self.path(name), limit).data
        except NotFound:
            there = b""
        if hashlib.sha256(there).hexdigest() != digest:
            self.copied += self._store.create(self.path(name), self._read(name, digest, limit))

    def _read(self, name: str, digest: Sha256, limit: int) -> bytes:
        data = self._origin.read(self.path(name), limit)
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise Malformed(Finding.of(Code.PATCH_FILE, self.where(name), expected=digest, found=found))
        return data
