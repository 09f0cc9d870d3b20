"""Read and write single local files, safely and bounded.

Owns `open_once`, `hash_file`, `hash_parts`, `read_bounded`, `write_new`, and the steps of `write_new` for those who
write by other rules: `parts`, `staged`, `link`, `sync`. Refuses what is no regular file (a pipe would block for ever, a
device has no end), a file above the caller's limit, and to write through a symbolic link.

    write_new, without replace                        write_new, with replace
    open(.NAME.RANDOM.tmp, O_CREAT | O_EXCL)          open(.NAME.RANDOM.tmp, O_CREAT | O_EXCL)
    write, fsync, close                               write, fsync, close
    link(temp, NAME)     fails if NAME is there       rename(temp, NAME)
    unlink(temp)
    open(folder), fsync, close                        open(folder), fsync, close

After a crash at any point NAME is as it was or complete; at worst a temporary file is left.

Spec: https://pubs.opengroup.org/onlinepubs/9799919799/functions/rename.html
"""

import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO, Final

from condattest.errors import LocalFailure, Misuse
from condattest.model.artifact import Sha256

_BLOCK: Final = 256 * 1024
_PART: Final = 1024 * 1024
_STAGED: Final = re.compile(r"\..*\.[0-9a-f]{16}\.tmp", re.DOTALL)
# Not known to every system; without them it is as before.
_CLOSE_ON_EXEC = getattr(os, "O_CLOEXEC", 0)
_NO_BLOCKING = getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0)
# What `link` says on file systems without hard links (FAT, some network file systems, some containers).
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL})


def open_once(path: Path) -> BinaryIO:
    """Open a regular file for reading, to be hashed and then used through this one descriptor.

    A file that is swapped for another under its name between hash and use is not noticed, and does not matter: the
    descriptor stays with what was hashed. (A file that is overwritten in place does change.)

    Raises:
        Misuse: There is no such file, or it is no regular file.
        LocalFailure: It cannot be read.
    """
    try:
        opened = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - the caller closes it
    except OSError as error:
        raise _unreadable(path, error) from None
    mode = os.fstat(opened.fileno()).st_mode
    if not stat.S_ISREG(mode):
        opened.close()
        raise Misuse(f"{path}: expected a file, found {_kind(mode)}")
    return opened


def _without_waiting(path: str, flags: int) -> int:
    # Without O_NONBLOCK, opening a pipe waits for somebody to write to it.
    return os.open(path, flags | _NO_BLOCKING | _CLOSE_ON_EXEC)


def hash_file(opened: BinaryIO, *, on_bytes: Callable[[int], None] | None = None) -> Sha256:
    """Return the SHA-256 of an open file from where it stands to its end, in constant memory.

    Args:
        opened: The file; it stands at its end afterwards.
        on_bytes: Told how many bytes were read, for a progress bar.

    Raises:
        LocalFailure: It cannot be read.
    """
    try:
        if on_bytes is None:
            return Sha256(hashlib.file_digest(opened, "sha256").hexdigest())  # type: ignore[arg-type]
        digest = hashlib.sha256()
        block = memoryview(bytearray(_BLOCK))
        while count := opened.readinto(block):  # type: ignore[attr-defined]
            digest.update(block[:count])
            on_bytes(count)
        return Sha256(digest.hexdigest())
    except OSError as error:
        raise LocalFailure(f"{_named(opened)}: cannot be read: {error.strerror}") from None


def hash_parts(
    parts: Iterable[bytes], to: IO[bytes] | None = None, on_bytes: Callable[[int], None] | None = None
) -> Sha256:
    """Return the digest of what comes in parts, such as a download, in constant memory.

    Args:
        parts: All of it.
        to: A file to write it to.
        on_bytes: Told how many bytes came, for a progress bar.

    Raises:
        OSError: It cannot be written.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
        if to is not None:
            to.write(part)
        if on_bytes is not None:
            on_bytes(len(part))
    return Sha256(digest.hexdigest())


def read_bounded(path: Path, limit: int) -> bytes:
    """Return the bytes of a file that has at most `limit` of them.

    Raises:
        Misuse: There is no such file, or it is no regular file.
        LocalFailure: It cannot be read, or has more bytes than that.
    """
    with open_once(path) as opened:
        try:
            # Its size is not asked: it can grow, and files of /proc have none.
            data = opened.read(limit + 1)
        except OSError as error:
            raise _unreadable(path, error) from None
    if len(data) > limit:
        raise LocalFailure(f"{path}: expected at most {limit} bytes, found more")
    return data


def write_new(path: Path, data: bytes, *, replace: bool, mode: int = 0o644) -> None:
    """Write a file so that it is there whole or not at all, even after a crash.

    Args:
        path: Where it goes; its folder must be there.
        data: All of it.
        replace: Whether a file that is there already may be replaced. A symbolic link never is.
        mode: Its permissions, before the umask.

    Raises:
        Misuse: There is a file already and `replace` is not set.
        LocalFailure: It cannot be written; what was there before still is.
    """
    try:
        if replace and path.is_symlink():
            raise LocalFailure(
                f"{path}: expected a file or nothing, found a symbolic link", hint="remove it, or name its target"
            )
        # A whole data file is cheap to refuse before it is written; `link` decides, though.
        if not replace and os.path.lexists(path):
            raise _in_the_way(path)
        with staged(path, [data], mode) as temporary:
            if replace:
                os.replace(temporary, path)
            else:
                link(temporary, path)
        sync(path.parent)
    except FileExistsError:
        raise _in_the_way(path) from None
    except OSError as error:
        raise LocalFailure(f"{path}: cannot be written: {error.strerror}") from None


def parts(opened: BinaryIO) -> Iterator[bytes]:
    """Yield the bytes of an open file from where it stands to its end, a mebibyte at a time.

    Raises:
        LocalFailure: It cannot be read.
    """
    try:
        while part := opened.read(_PART):
            yield part
    except OSError as error:
        raise LocalFailure(f"{_named(opened)}: cannot be read: {error.strerror}") from None


@contextmanager
def staged(path: Path, data: Iterable[bytes], mode: int) -> Iterator[Path]:
    """Give a temporary file in the folder of `path` that holds all the data, durably; it is gone afterwards.

    Args:
        path: Where the data shall go in the end.
        data: All of it, in parts.
        mode: The file's permissions, before the umask.

    Raises:
        OSError: It cannot be written.
    """
    temporary = path.with_name(f".{path.name[:64]}.{secrets.token_hex(8)}.tmp")
    try:
        _write(temporary, data, mode)
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def is_staged(name: str) -> bool:
    """Whether a file's name is one that `staged` gives: a writer that was killed leaves such a file."""
    return _STAGED.fullmatch(name) is not None


def _write(temporary: Path, data: Iterable[bytes], mode: int) -> None:
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _CLOSE_ON_EXEC | _BINARY, mode)
    try:
        for part in data:
            rest = memoryview(part)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link(temporary: Path, path: Path) -> None:
    """Give a temporary file its name, which must be free.

    Raises:
        FileExistsError: The name is taken.
        OSError: It cannot be written.
    """
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # The name is taken first, and then filled: a crash in between leaves an empty file, and no other writer's.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _CLOSE_ON_EXEC))
        os.replace(temporary, path)


def sync(folder: Path) -> None:
    """Make the names in a folder durable.

    Raises:
        OSError: It cannot be written.
    """
    if os.name != "posix":
        return  # A folder cannot be opened there; the file system keeps its own journal.
    descriptor = os.open(folder, os.O_RDONLY | _CLOSE_ON_EXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # Some network file systems cannot; the file is in its place.
            raise
    finally:
        os.close(descriptor)


def _in_the_way(path: Path) -> Misuse:
    return Misuse(f"{path}: there is a file already", hint="add --force to replace it, or name another file")


def _unreadable(path: Path, error: OSError) -> Misuse | LocalFailure:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Misuse(f"{path}: no such file")
    if error.errno == errno.EISDIR:
        return Misuse(f"{path}: expected a file, found a directory")
    if error.errno in (errno.ENXIO, errno.ENODEV):
        return Misuse(f"{path}: expected a file, found a socket or a device")
    return LocalFailure(f"{path}: cannot be read: {error.strerror}")


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _named(opened: BinaryIO) -> str:
    name = getattr(opened, "name", None)
    return str(name) if isinstance(name, str | Path) else "the file"
