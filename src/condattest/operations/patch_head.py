"""`head.json`, the hint of which generation is the newest: it only ever goes forward.

Owns `point`.
"""

import stamina

from condattest.errors import NotFound
from condattest.formats import patch_files
from condattest.operations.sidecars import SCHEDULE
from condattest.transport.store import Store


def point(store: Store, path: str, generation: int) -> bool:
    """Let a `head.json` name a generation, unless it names that one or a newer one; whether it was written.

    Raises:
        Malformed: PATCH-FILE: what is there is none.
        Conflict: Others kept on being faster.
        Unavailable, LocalFailure: The store cannot be read or written.
    """
    for attempt in stamina.retry_context(**SCHEDULE):
        with attempt:
            try:
                stored = store.read(path, patch_files.MAX_HEAD)
                version: str | None = stored.version
                if patch_files.parse_head(stored.data, where=path) >= generation:
                    return False
            except NotFound:
                version = None
            store.replace(path, patch_files.dump_head(generation), version)
            return True
    raise AssertionError("stamina returns or raises")
