"""Writers of one folder take turns.

Owns `locked` and `sweep`. There are two locks, since who holds a folder for a whole publication also replaces single
files in it: HOLD for long, SWAP for the moment between a comparison and a rename. The system drops a lock when its
process ends, so a killed writer stops nobody; the lock's file stays and means nothing by itself.

    .condattest.lock        "process 123 on host" of the last holder
    .condattest.swap.lock   empty
"""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import filelock

from condattest.errors import LocalFailure, Misuse
from condattest.transport import files

HOLD: Final = ".condattest.lock"
SWAP: Final = ".condattest.swap.lock"
_POLL: Final = 0.01
_LEFTOVER: Final = 3600.0
"""Seconds that a temporary file has not been written to, after which its writer is taken for dead."""


@contextmanager
def locked(folder: Path, name: str, *, patience: float) -> Iterator[Path]:
    """Hold a lock of a folder; gives the lock's file.

    Args:
        folder: A folder that is there.
        name: HOLD or SWAP.
        patience: Seconds to wait for another holder.

    Raises:
        LocalFailure: Somebody else holds it for longer than that, or the folder cannot be written.
    """
    path = folder / name
    if path.is_symlink():  # To open the lock would empty what it leads to.
        raise LocalFailure(f"{path}: cannot be written: expected a lock, found a symbolic link", hint="remove it")
    # Several accounts may publish to one channel: the lock is writable for their group.
    lock = filelock.FileLock(path, timeout=patience, mode=0o664)
    try:
        lock.acquire(poll_interval=_POLL)
    except filelock.Timeout:
        raise LocalFailure(
            f"{folder}: cannot be written: {_holder(path)} has been writing for {patience:g} seconds",
            hint=f"wait for it to end; if no such process runs, remove {path}",
        ) from None
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or "locks are not supported there"
        raise LocalFailure(f"{path}: cannot be written: {reason}") from None
    try:
        yield path
    finally:
        lock.release()


def sweep(folder: Path, lock: Path) -> None:
    """Write down who holds the lock, and delete the temporary files of killed writers; what fails is left."""
    with suppress(OSError):
        lock.write_text(f"process {os.getpid()} on {socket.gethostname()}", "utf-8")
        # What was just written tells the time of the file system, which may be another machine's.
        now = lock.stat().st_mtime
        with os.scandir(folder) as found:
            left = [entry for entry in found if files.is_staged(entry.name) and entry.is_file(follow_symlinks=False)]
        for entry in left:
            with suppress(OSError):
                if now - entry.stat(follow_symlinks=False).st_mtime > _LEFTOVER:
                    os.unlink(entry.path)


def _holder(lock: Path) -> str:
    try:
        text = files.read_bounded(lock, 300).decode("ascii", "replace")
    except (Misuse, LocalFailure):
        text = ""
    return text if re.fullmatch(r"process [0-9]+ on [\w.-]+", text, re.ASCII) else "another process"
