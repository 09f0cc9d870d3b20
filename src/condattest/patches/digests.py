"""The digest of a record: what patches may change of it, in one canonical form.

Owns `record_digest`, `counted`, `SERVER_KEYS` and `UNCOUNTED`. Keys that the server sets are left out, since they are
checked against the archive and against where it came from; keys that indexers have dropped over the years count on
neither side. `run_exports` stands in shards alone.

Spec: https://www.rfc-editor.org/rfc/rfc8785
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import rfc8785

from condattest.errors import Malformed
from condattest.model.artifact import Sha256
from condattest.model.finding import Code, Finding

SERVER_KEYS: Final = frozenset(
    {
        "md5",
        "sha256",
        "size",
        "indexed_timestamp",
        "attestations_sha256",
        "legacy_bz2_md5",
        "legacy_bz2_size",
        "url",
        "channel",
        "fn",
    }
)
"""What the server sets: never patched."""
UNCOUNTED: Final = frozenset(
    {
        "arch",
        "platform",
        "namespace",
        "has_prefix",
        "mtime",
        "ucs",
        "requires_features",
        "binstar",
        "target-triplet",
        "machine",
        "operatingsystem",
        "icon",
        "summary",
        "type",
    }
)
"""What old records still carry and indexers drop; `app_*` too."""
_ELSEWHERE: Final = frozenset({"run_exports"})


def counted(record: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a record that its digest is of."""
    left_out = SERVER_KEYS | UNCOUNTED | _ELSEWHERE
    return {key: value for key, value in record.items() if key not in left_out and not key.startswith("app_")}


def record_digest(record: Mapping[str, Any], *, where: str) -> Sha256:
    """The digest of a record's RFC 8785 form.

    Raises:
        Malformed: PATCH-RECORD: it has an integer past 2^53, a number that is none, or a lone surrogate.
    """
    try:
        return Sha256(hashlib.sha256(rfc8785.dumps(counted(record))).hexdigest())
    except (ValueError, RecursionError) as error:
        raise Malformed(Finding.of(Code.PATCH_RECORD, where, reason=f"{error!s:.200}")) from None
