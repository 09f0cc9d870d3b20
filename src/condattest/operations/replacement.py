"""Another archive under the name of one that a channel has: put there, and what it took the place of.

Owns `swap` and `former`. What was attested of the old bytes stays attested: signatures do not end. So whoever replaces
a file is told the digests that policies have to revoke: that of the archive that goes, and those that earlier sidecars
of the name are about, since a writer that was killed can no longer see the archive itself.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from condattest.errors import Conflict, Malformed
from condattest.formats import statement
from condattest.formats.bundle import Bundle
from condattest.model.artifact import Artifact, Sha256
from condattest.operations.sidecars import Shelf
from condattest.operations.stored_package import digest_of, unchanged
from condattest.transport import files
from condattest.transport.store import Store


def swap(store: Store, path: str, source: Path, old: Sha256, new: Sha256) -> bool:
    """Put an archive in the place of another; False if it is there already.

    Args:
        store: The channel.
        path: The archive's place there.
        source: The file to take it from.
        old: The digest of what is to be replaced.
        new: The digest that the file was judged by.

    Raises:
        Conflict: Something else is there; it stays as it is.
        Unavailable, LocalFailure: Something cannot be read or written, or the file is not what was judged.
    """
    version = store.version(path)
    found = digest_of(store, path)
    if found == new:
        return False
    if found != old:
        raise Conflict(f"{store.name}/{path}: somebody else replaced it in the meantime", hint="run it again")
    with files.open_once(source) as opened:
        store.replace_from(path, unchanged(opened, new, str(source)), version)
    return True


def former(shelf: Shelf, artifact: Artifact, there: Sha256 | None) -> tuple[Sha256, ...]:
    """The digests of other bytes under an artifact's name: what is there, and what its sidecars are about.

    Nothing is authenticated: to revoke too much does no harm. A sidecar that cannot be read tells nothing.

    Raises:
        Unavailable, LocalFailure: The store cannot be read.
    """
    found = set() if there is None else {there}
    for digest in shelf.digests(artifact.file):
        with suppress(Malformed):
            version = shelf.hashed(artifact.file, digest)
            found.update(_digests(version.bundles if version is not None else (), artifact))
    with suppress(Malformed):
        current = shelf.current(artifact.file)
        found.update(_digests(current.bundles if current is not None else (), artifact))
    return tuple(sorted(found - {artifact.sha256}))


def _digests(bundles: tuple[Bundle, ...], artifact: Artifact) -> Iterator[Sha256]:
    for bundle in bundles:
        with suppress(Malformed, ValueError, KeyError):
            for subject in statement.parse(bundle.payload_type, bundle.payload).subjects:
                if subject.name == str(artifact.file):
                    yield Sha256(subject.digest["sha256"])
