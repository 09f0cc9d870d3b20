"""Packages, hashed on the way, the end held back until all is right.

Owns `Packages` and `Package`. The order, for one request:

 (1) the channel's record of the package, which has its sha256;
 (2) the verdict on the package of that digest: what is not accepted is refused before a byte is sent;
 (3) the bytes: from the shelf, hashed again; or from the channel, hashed while they pass, to the shelf;
 (4) behind the last byte of the channel: length, digest, and what the archive says of itself. Only then is the end of
     it sent. Otherwise the connection is cut, and what arrived is shorter than was announced.

A part of a package is only sent from the shelf.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from condattest.errors import CondattestError, TooLarge
from condattest.formats.package import MAX_PACKAGE
from condattest.model.artifact import Sha256
from condattest.model.finding import Code, Finding
from condattest.model.verdict import Accepted
from condattest.operations.judgement import with_metadata
from condattest.proxy.gate import Gate
from condattest.proxy.paths import PackagePath
from condattest.proxy.refused import Refused, refused, unless_accepted
from condattest.proxy.shelf import Incoming, Kept, Shelf

HELD_BACK: Final = 256 * 1024
"""Bytes at the end of a package, at most, that are not sent before all is right; a smaller package is sent at once."""

_SOUND: Final = 100_000
"""Archives that are known to say what their place says."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package that was accepted.

    Attributes:
        at: What was asked for.
        sha256: Its digest.
        accepted: The verdict.
        size: How many bytes the channel's index says that it has; None where it says nothing of use.
    """

    at: PackagePath
    sha256: Sha256
    accepted: Accepted
    size: int | None


@dataclass(frozen=True, slots=True)
class Packages:
    """The packages of channels. Several threads may share it."""

    gate: Gate
    shelf: Shelf
    _sound: set[tuple[Sha256, str]] = field(default_factory=set)

    def judge(self, at: PackagePath) -> Package:
        """Return a package that the policy accepts.

        Raises:
            Refused: It does not, or that could not be decided.
        """
        try:
            record = self.gate.record(at)
        except CondattestError as error:
            raise refused(error) from None
        if record.sha256 is None:
            raise AssertionError("an index record without a digest was given out")
        accepted = unless_accepted(self.gate.verdict(at, record.sha256).verdict)
        size = record.members.get("size")
        known = isinstance(size, int) and not isinstance(size, bool) and 0 < size <= MAX_PACKAGE
        return Package(at, record.sha256, accepted, size if known else None)

    def kept(self, package: Package) -> Kept | None:
        """Return the package from the shelf, if it is there.

        Raises:
            Refused: The archive does not say what the place where it is asked for says.
        """
        kept = self.shelf.open(package.sha256)
        if kept is None:
            return None
        try:
            self._check_metadata(package, kept.opened)
        except CondattestError as error:
            kept.close()
            raise refused(error) from None
        except BaseException:
            kept.close()
            raise
        return kept

    def fetched(self, package: Package) -> Kept:
        """Fetch a package whole, and return it when all is right.

        Raises:
            Refused: It is not what it should be, or could not be had.
        """
        try:
            with self.shelf.incoming() as incoming:
                for _ in self._passed(package, incoming):
                    pass
                return self._checked(package, incoming)
        except CondattestError as error:
            raise refused(error) from None

    def passing(self, package: Package) -> Iterator[bytes]:
        """Fetch a package, and yield its bytes while they come; the last ones when all is right.

        Raises:
            Refused: It is not what it should be, or could not be had.
        """
        try:
            with ExitStack() as stack:
                incoming = stack.enter_context(self.shelf.incoming())
                held = bytearray()
                for part in self._passed(package, incoming):
                    held += part
                    if len(held) > 2 * HELD_BACK:
                        yield bytes(held[:-HELD_BACK])
                        del held[:-HELD_BACK]
                self._checked(package, incoming).close()
                yield bytes(held)
        except CondattestError as error:
            raise refused(error) from None

    def is_there(self, package: Package) -> None:
        """Ask the channel whether it has a package.

        Raises:
            Refused: It does not, or does not answer.
        """
        try:
            with self.gate.fetcher.stream(package.at.url, package.size or MAX_PACKAGE):
                pass
        except CondattestError as error:
            raise refused(error) from None

    def _passed(self, package: Package, incoming: Incoming) -> Iterator[bytes]:
        try:
            with self.gate.fetcher.stream(package.at.url, package.size or MAX_PACKAGE) as parts:
                for part in parts:
                    incoming.write(part)
                    yield part
        except TooLarge:
            if package.size is None:
                raise
            facts = {"expected": f"{package.size} bytes", "found": "more"}
            raise Refused(403, (Finding(Code.BIND_DIGEST, str(package.at), facts),)) from None

    def _checked(self, package: Package, incoming: Incoming) -> Kept:
        """Hold what came against what should have come, and keep it."""
        at = package.at
        if incoming.sha256 != package.sha256:
            finding = Finding.of(Code.BIND_DIGEST, at, expected=package.sha256, found=incoming.sha256)
            raise Refused(403, (finding,))
        if package.size is not None and incoming.size != package.size:
            facts = {"expected": f"{package.size} bytes", "found": f"{incoming.size} bytes"}
            raise Refused(403, (Finding(Code.BIND_DIGEST, str(at), facts),))
        again = incoming.again()
        try:
            self._check_metadata(package, again)
            self.shelf.keep(incoming)
        except BaseException:
            again.close()
            raise
        return Kept(again, incoming.size)

    def _check_metadata(self, package: Package, opened: BinaryIO) -> None:
        """Check what the archive says of itself, once for these bytes at this place: a signature names no subdir."""
        key = (package.sha256, f"{package.at.subdir}/{package.at.file}")
        if key not in self._sound:
            verdict, _ = with_metadata(package.accepted, opened, package.at.file, package.at.subdir)
            unless_accepted(verdict)
            if len(self._sound) > _SOUND:
                self._sound.clear()
            self._sound.add(key)
