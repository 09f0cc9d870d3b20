"""Keep a folder of cached files within a size.

Owns `Room`. What was not used for longest (by its time of modification, which readers set anew) goes first.
"""

import contextlib
import os
import threading
from pathlib import Path


class Room:
    """The size of a folder's files. Several threads may share one, and several processes the folder.

    Args:
        folder: The folder.
        limit: The most bytes that its files may have.
        least: What a file counts for at the least, so that small ones are bounded in number, too.
        passed_over: How the names of files begin that are neither counted nor removed.
    """

    def __init__(self, folder: Path, limit: int, *, least: int = 0, passed_over: str | None = None) -> None:
        self._folder = folder
        self._limit = limit
        self._least = least
        self._passed_over = passed_over
        self._lock = threading.Lock()
        self._written = limit  # So that the first file that is written looks at what is there.

    def take(self, size: int) -> None:
        """Count a file that was written, and remove others where there is too much.

        Raises:
            OSError: The folder cannot be read.
        """
        with self._lock:
            self._written += max(size, self._least)
            if self._written <= self._limit:
                return
            found = []
            for entry in os.scandir(self._folder):
                if self._passed_over is not None and entry.name.startswith(self._passed_over):
                    continue
                with contextlib.suppress(OSError):
                    state = entry.stat(follow_symlinks=False)
                    found.append((state.st_mtime_ns, max(state.st_size, self._least), entry.path))
            self._written = sum(size for _, size, _ in found)
            # Some more than needed, so that it is not done at every file.
            for _, size, name in sorted(found):
                if self._written <= self._limit * 9 // 10:
                    break
                with contextlib.suppress(OSError):
                    os.unlink(name)
                self._written -= size
