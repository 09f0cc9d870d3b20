"""A channel in a directory, written so that readers and other writers never see half a file.

Owns `Directory`. Refuses to write through a symbolic link, and to follow one out of the channel. Links that stay inside
the channel are followed when reading, and so are linked folders; a link that is in the way of a new file counts as that
file if it leads to one, and is an error if it does not.

    create    write .NAME.RANDOM.tmp, fsync; link(temp, NAME), which fails if NAME is there; unlink(temp); fsync folder
    replace   the same temp; lock .condattest.swap.lock; compare the version; rename(temp, NAME); unlock; fsync folder
    hold      lock .condattest.lock; delete temporary files that killed writers left an hour ago or earlier

A version is the file's inode, size and times. Of two writers that both use `replace`, the later one is always told. An
indexer that takes no lock is noticed unless it writes between the comparison and the rename, which follow at once.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from condattest.errors import Conflict, LocalFailure, Misuse, NotFound, TooLarge
from condattest.transport import files, folder_lock
from condattest.transport.store import Entry, Stored, checked, is_listed

_READS: Final = 5
_NEW: Final = 0o644
# How each step to a file is opened, so that no link is followed; 0 where the system has no such thing.
_STEPS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC if os.open in os.supports_dir_fd else 0
_HINT: Final = "check the path; a new channel or store starts as an empty folder: mkdir -p {}"


class Directory:
    """A `Store` in a directory that is there; folders inside it are made as needed.

    Args:
        root: The channel's directory.
        patience: Seconds to wait for other writers.

    Raises:
        Misuse: There is no such directory.
    """

    def __init__(self, root: Path, *, patience: float = 120.0) -> None:
        self._shown = root
        self._patience = patience
        try:
            self._root = root.resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            raise Misuse(f"{root}: no such directory", hint=_HINT.format(root)) from None
        if not self._root.is_dir():
            raise Misuse(f"{root}: expected the directory of a channel, found a file")

    @property
    def name(self) -> str:
        """The directory, as it was given."""
        return str(self._shown)

    @property
    def parallel(self) -> int:
        """One: threads would only wait for each other."""
        return 1

    def read(self, path: str, limit: int) -> Stored:
        """Read a file whole; one that somebody overwrites in place meanwhile is read again."""
        for _ in range(_READS):
            with self._opened(path) as opened, self._reading(path):
                before = os.fstat(opened.fileno())
                data = b"" if before.st_size > limit else opened.read(before.st_size + 1)
                if max(before.st_size, len(data)) > limit:
                    raise self._too_large(path, limit)
                if _version(before) == _version(os.fstat(opened.fileno())) and len(data) == before.st_size:
                    return Stored(data, _version(before))
        raise LocalFailure(f"{self._shown / path}: cannot be read: it is being written", hint="try again")

    @contextmanager
    def stream(self, path: str, limit: int) -> Iterator[Iterator[bytes]]:
        """Read a file in parts, through one descriptor."""
        with self._opened(path) as opened:
            if os.fstat(opened.fileno()).st_size > limit:
                raise self._too_large(path, limit)
            yield self._counted(path, opened, limit)

    def create(self, path: str, data: bytes) -> bool:
        """Write a file unless something of that name is there."""
        return self._create(path, [data])

    def create_from(self, path: str, source: BinaryIO) -> bool:
        """Write a file from an open one, unless something of that name is there."""
        return self._create(path, files.parts(source))

    def replace(self, path: str, data: bytes, version: str | None) -> str:
        """Write a file if what is there is of that version; permissions stay, and where possible the owner."""
        return self._replace(path, [data], version)

    def replace_from(self, path: str, source: BinaryIO, version: str | None) -> None:
        """As `replace`, from an open file."""
        self._replace(path, files.parts(source), version)

    def version(self, path: str) -> str | None:
        """Which version of a file is there."""
        try:
            with self._reading(path):
                return _version(self._inside(path).lstat())
        except NotFound:
            return None

    def _replace(self, path: str, data: Iterable[bytes], version: str | None) -> str:
        with self._writing(path):
            place = self._place(path)
            old = self._expected(place, version)
            mode = _NEW if old is None else stat.S_IMODE(old.st_mode) & 0o777
            with files.staged(place, data, mode) as temporary, self._swap(place.parent):
                old = self._expected(place, version)
                if old is None:
                    try:
                        files.link(temporary, place)
                    except FileExistsError:
                        raise _conflict(place) from None
                    temporary.unlink(missing_ok=True)
                else:
                    _liken(temporary, old)
                    os.replace(temporary, place)
                written = _version(place.lstat())
            files.sync(place.parent)
        return written

    def folders(self) -> list[str]:
        """The names of the folders at the top."""
        with self._reading("."), os.scandir(self._root) as found:
            return sorted(
                entry.name for entry in found if is_listed(entry.name) and self._leads_to(entry.is_dir, entry)
            )

    def list(self, folder: str, prefix: str = "") -> list[Entry]:
        """The files directly in a folder; only those that begin with a prefix are looked at."""
        entries = []
        try:
            with self._reading(folder), os.scandir(self._inside(folder)) as found:
                for entry in found:
                    if not entry.name.startswith(prefix):
                        continue
                    if is_listed(entry.name) and self._leads_to(entry.is_file, entry):
                        with suppress(FileNotFoundError):  # Deleted meanwhile.
                            entries.append(Entry(entry.name, entry.stat().st_size))
        except NotFound:
            return []
        return sorted(entries, key=lambda entry: entry.name)

    def delete(self, path: str) -> None:
        """Delete a file, or a link in its place."""
        folder, _, name = checked(path).rpartition("/")
        with self._writing(path), suppress(FileNotFoundError, NotADirectoryError):
            try:
                parent = self._inside(folder) if folder else self._root
            except NotFound:
                return
            (parent / name).unlink()
            files.sync(parent)

    @contextmanager
    def hold(self, folder: str) -> Iterator[None]:
        """Keep other writers out of a folder that ask to hold it, too; it is made if it is not there."""
        with self._writing(folder):
            made = self._made(checked(folder))
        with folder_lock.locked(made, folder_lock.HOLD, patience=self._patience) as lock:
            folder_lock.sweep(made, lock)
            yield

    def _swap(self, folder: Path) -> AbstractContextManager[Path]:
        return folder_lock.locked(folder, folder_lock.SWAP, patience=self._patience)

    def _create(self, path: str, data: Iterable[bytes]) -> bool:
        with self._writing(path):
            place = self._place(path)
            if self._taken(path, place):
                return False
            with files.staged(place, data, _NEW) as temporary:
                try:
                    files.link(temporary, place)
                except FileExistsError:
                    return not self._taken(path, place)
            files.sync(place.parent)
        return True

    def _taken(self, path: str, place: Path) -> bool:
        """Whether there is something; a link counts if what it leads to can be read."""
        if place.is_symlink():
            try:
                self._inside(path)
            except (NotFound, LocalFailure):
                raise _linked(place) from None
        return os.path.lexists(place)

    def _expected(self, place: Path, version: str | None) -> os.stat_result | None:
        """The state of what is there, if it is of that version."""
        try:
            found = place.lstat()
        except FileNotFoundError:
            found = None
        if found is not None and stat.S_ISLNK(found.st_mode):
            raise _linked(place)
        if found is not None and not stat.S_ISREG(found.st_mode):
            raise LocalFailure(f"{place}: cannot be written: expected a file or nothing there")
        if (None if found is None else _version(found)) != version:
            raise _conflict(place)
        return found

    def _place(self, path: str) -> Path:
        """Where a file goes; its folder is made."""
        folder, _, name = checked(path).rpartition("/")
        return (self._made(folder) if folder else self._root) / name

    def _made(self, folder: str) -> Path:
        made, so_far = self._root, ""
        for segment in folder.split("/"):
            so_far = f"{so_far}/{segment}".lstrip("/")
            if not os.path.lexists(made / segment):
                with suppress(FileExistsError):
                    (made / segment).mkdir()
                files.sync(made)
            # Looked at before anything is made in it: a link may lead out of the channel.
            made = self._inside(so_far)
        if not made.is_dir():
            raise LocalFailure(f"{made}: cannot be written: expected a directory")
        return made

    def _inside(self, path: str) -> Path:
        """Where a path leads in the end."""
        shown = self._shown / path
        try:
            real = (self._root / checked(path)).resolve(strict=True)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(str(shown), "no such file") from None
        except (OSError, RuntimeError) as error:  # A loop of links is a RuntimeError before Python 3.13.
            raise LocalFailure(f"{shown}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
        if not real.is_relative_to(self._root):
            raise LocalFailure(f"{shown}: a symbolic link leads out of the channel", hint="remove it")
        return real

    def _leads_to(self, kind: Callable[[], bool], entry: os.DirEntry[str]) -> bool:
        """Whether an entry of a folder is of a kind, or a link inside the channel to one that is."""
        try:
            return kind() and (not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(self._root))
        except (OSError, RuntimeError):
            return False

    def _opened(self, path: str) -> BinaryIO:
        direct = self._directly(path)
        if direct is not None:
            return direct
        place = self._inside(path)
        try:
            return files.open_once(place)
        except Misuse as error:
            if not os.path.lexists(place):
                raise NotFound(str(self._shown / path), "no such file") from None
            raise LocalFailure(str(error)) from None

    def _directly(self, path: str) -> BinaryIO | None:
        """Open a file to which no link leads, which is the common case; None where that is another one, or an error.

        An audit reads many small files, and to look at each folder on the way to each of them takes as long as that.
        """
        folder, _, name = checked(path).rpartition("/")
        if not _STEPS or "/" in folder:
            return None
        try:
            inside = os.open(self._root / folder, _STEPS | os.O_DIRECTORY)
            try:
                found = os.open(name, _STEPS | os.O_NONBLOCK, dir_fd=inside)
            finally:
                os.close(inside)
        except OSError:
            return None
        if stat.S_ISREG(os.fstat(found).st_mode):
            return open(found, "rb")
        os.close(found)
        return None

    def _counted(self, path: str, opened: BinaryIO, limit: int) -> Iterator[bytes]:
        left = limit
        for part in files.parts(opened):
            left -= len(part)
            if left < 0:
                raise self._too_large(path, limit)
            yield part

    def _too_large(self, path: str, limit: int) -> TooLarge:
        return TooLarge(str(self._shown / path), f"expected at most {limit} bytes, found more")

    @contextmanager
    def _reading(self, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise NotFound(str(self._shown / path), "no such file") from None
        except NotADirectoryError:
            raise NotFound(str(self._shown / path), "no such folder") from None
        except OSError as error:
            raise LocalFailure(f"{self._shown / path}: cannot be read: {error.strerror}") from None

    @contextmanager
    def _writing(self, path: str) -> Iterator[None]:
        try:
            yield
        except NotFound as error:
            raise LocalFailure(f"{self._shown / path}: cannot be written: {error.reason}") from None
        except OSError as error:
            raise LocalFailure(f"{self._shown / path}: cannot be written: {error.strerror}") from None


def _version(found: os.stat_result) -> str:
    return f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}"


def _liken(temporary: Path, old: os.stat_result) -> None:
    """Give a new file what its predecessor had: owner, permissions, and a later time."""
    made = temporary.stat()
    if hasattr(os, "chown") and (made.st_uid, made.st_gid) != (old.st_uid, old.st_gid):
        with suppress(OSError):  # Only root may give files away.
            os.chown(temporary, old.st_uid, old.st_gid)
    os.chmod(temporary, stat.S_IMODE(old.st_mode) & 0o777)
    # Clocks of file systems tick in milliseconds, and inodes are used again: without this, a version could come back.
    if made.st_mtime_ns <= old.st_mtime_ns:
        os.utime(temporary, ns=(made.st_atime_ns, old.st_mtime_ns + 1))


def _linked(place: Path) -> LocalFailure:
    return LocalFailure(
        f"{place}: cannot be written: expected a file or nothing, found a symbolic link", hint="remove it"
    )


def _conflict(place: Path) -> Conflict:
    return Conflict(f"{place}: somebody else changed it in the meantime", hint="run it again")
