"""Keep the results of an audit on disk, so that it takes the same memory for a thousand packages and for a million.

Owns `Row`, `found_of`, `Spool` and `Kept`. A spool is written in batches and read as often as needed; what a killed
writer left half-written at its end is cut off. It is a file of the audit's own: what stands in it is believed.

    <4 bytes: length, big-endian> <msgpack of a Row>, and so on; before the rows, one such frame with the audit's key
"""

import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, cast

import msgspec

from condattest.errors import LocalFailure, Misuse
from condattest.model.artifact import Sha256
from condattest.model.audit import Audited, Signature, Status
from condattest.model.evidence import TimeSource
from condattest.model.finding import CODES, Finding

BATCH: Final = 100
"""Rows that are written at a time: so many are lost by a kill."""
_TEMPORARY_BATCH: Final = 1000
"""The same where the file goes away with the process anyway."""
_CHUNK: Final = 1024 * 1024
_LENGTH: Final = 4
_LAST: Final = 253_402_300_799_999
"""Milliseconds of the last moment that a calendar date has."""

Found = tuple[str, str, dict[str, str]]


class Signed(msgspec.Struct, array_like=True, gc=False):
    """A signature, with what makes its signer another than others."""

    identity: str
    issuer: str
    at: datetime
    source: str
    who: str


class Row(msgspec.Struct, array_like=True):
    """One package, as the audit keeps it.

    Attributes:
        version: The version in its file name; empty where that is none of a package.
        sidecar: The digest of the sidecar that its record names.
        indexed: Milliseconds since the epoch, as the index has it.
        record: What tells its index record from any other; empty where no later run goes by it.
        decided: When it was decided, in seconds since the epoch; 0 where no later run goes by it.
    """

    subdir: str
    file: str
    name: str
    version: str
    sha256: str | None
    sidecar: str | None
    status: str
    indexed: int | None = None
    rule: str | None = None
    signed: list[Signed] = []
    found: list[Found] = []
    record: str = ""
    decided: float = 0

    @property
    def place(self) -> str:
        """`subdir/file`."""
        return f"{self.subdir}/{self.file}"

    def findings(self) -> tuple[Finding, ...]:
        """What was found."""
        return tuple(Finding(CODES[code], where, facts) for code, where, facts in self.found)

    def add(self, finding: Finding) -> None:
        """Add to what was found."""
        self.found.append(found_of(finding))

    def audited(self, more: Iterable[Finding] = ()) -> Audited:
        """The value that reports show."""
        return Audited(
            subdir=self.subdir,
            file=self.file,
            name=self.name,
            sha256=None if self.sha256 is None else Sha256(self.sha256),
            status=cast(Status, self.status),
            signatures=tuple(
                Signature(each.identity, each.issuer, each.at, cast(TimeSource, each.source)) for each in self.signed
            ),
            indexed_at=moment(self.indexed),
            rule=self.rule,
            findings=(*self.findings(), *more),
        )


def found_of(finding: Finding) -> Found:
    """A finding as a row keeps it."""
    return finding.code.value, finding.where, dict(finding.facts)


def moment(milliseconds: int | None) -> datetime | None:
    """A time of an index; None where that is no date."""
    if milliseconds is None or not 0 <= milliseconds <= _LAST:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=str)  # It takes no subclass of str, such as a digest.
_DECODER: Final = msgspec.msgpack.Decoder(Row)


class Spool:
    """Rows in a file, in the order in which they are put.

    Args:
        path: Where; None for a temporary file that goes away with the spool.
        key: What the audit is of, as bytes; a file with another key is refused by `reopened`.
    """

    def __init__(self, path: Path | None, key: bytes) -> None:
        self._lock = threading.Lock()
        self._pending = bytearray()
        self._waiting = 0
        self._batch = BATCH if path is not None else _TEMPORARY_BATCH
        self._path = path
        self._count = 0
        try:
            self._file: BinaryIO = _temporary() if path is None else path.open("w+b")
        except OSError as error:
            raise LocalFailure(f"{path or tempfile.gettempdir()}: cannot be written: {error.strerror}") from None
        self._append(len(key).to_bytes(_LENGTH, "big") + key)

    def put(self, row: Row) -> None:
        """Add a row."""
        data = _ENCODER.encode(row)
        self._pending += len(data).to_bytes(_LENGTH, "big")
        self._pending += data
        self._waiting += 1
        if self._waiting >= self._batch:
            self.flush()

    def flush(self) -> None:
        """Write down what was put.

        Raises:
            LocalFailure: The disk is full, say.
        """
        rows, count = self._pending, self._waiting
        self._pending, self._waiting = bytearray(), 0
        self._append(rows)
        self._count += count

    def _append(self, frames: bytes | bytearray) -> None:
        with self._lock:
            try:
                self._file.seek(0, 2)
                self._file.write(frames)
                self._file.flush()
            except OSError as error:
                where = self._path or tempfile.gettempdir()
                raise LocalFailure(f"{where}: cannot be written: {error.strerror}", hint="make room") from None

    def __len__(self) -> int:
        return self._count + self._waiting

    def __iter__(self) -> Iterator[Row]:
        self.flush()
        frames = _frames(self._chunk)
        next(frames)
        return map(_DECODER.decode, frames)

    def _chunk(self, at: int) -> bytes:
        with self._lock:
            self._file.seek(at)
            return self._file.read(_CHUNK)

    def close(self) -> None:
        """Let go of the file; a temporary one is gone then."""
        self._file.close()


def _temporary() -> BinaryIO:
    return cast(BinaryIO, tempfile.TemporaryFile(prefix="condattest-audit-"))


class Kept:
    """What an earlier run of the same audit decided, to be gone through once, in its order.

    Args:
        path: The file that it kept; where there is none, nothing was decided.
        key: What the audit is of.

    Raises:
        Misuse: The file is of another audit, or no such file at all.
        LocalFailure: It cannot be read.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        self._file: BinaryIO | None = None
        self._rows: Iterator[Row] = iter(())
        self._next: Row | None = None
        try:
            if not path.exists():
                return
            self._file = path.open("rb")
        except OSError as error:
            raise LocalFailure(f"{path}: cannot be read: {error.strerror}") from None
        frames = _frames(self._chunk)
        found = next(frames, None)
        if found != key:
            self._file.close()
            raise Misuse(
                f"{path}: expected what an earlier run of this audit kept, found "
                + ("what one of another channel, policy or trust root kept" if found is not None else "something else"),
                hint="give the options of that run, or name another file",
            )
        self._rows = _rows(frames)
        self._next = next(self._rows, None)

    def row(self, subdir: str, file: str, subdirs: Callable[[str], int]) -> Row | None:
        """The row of a file, if it was decided; asked for in the order of the audit. `subdirs` gives a subdir's place.

        What stands before it in the file, and was not asked for, is not listed any more.
        """
        wanted = (subdirs(subdir), file)
        while self._next is not None and (subdirs(self._next.subdir), self._next.file) < wanted:
            self._next = next(self._rows, None)
        if self._next is None or (self._next.subdir, self._next.file) != (subdir, file):
            return None
        row, self._next = self._next, next(self._rows, None)
        return row

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self._next is None

    def _chunk(self, at: int) -> bytes:
        assert self._file is not None  # noqa: S101 (asked for only where there is a file)
        self._file.seek(at)
        return self._file.read(_CHUNK)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


def _rows(frames: Iterator[bytes]) -> Iterator[Row]:
    for frame in frames:
        try:
            yield _DECODER.decode(frame)
        except (msgspec.DecodeError, ValueError):
            return


def _frames(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield whole frames; one that is cut off at the end is none."""
    at, data, position = 0, b"", 0
    while True:
        have = len(data) - position
        length = int.from_bytes(data[position : position + _LENGTH], "big") if have >= _LENGTH else None
        if length is not None and have >= _LENGTH + length:
            position += _LENGTH
            yield data[position : position + length]
            position += length
            continue
        more = read(at)
        if not more:
            return
        at += len(more)
        data, position = data[position:] + more, 0
