"""The difference of two records, key by key, and what a record becomes by it.

Owns `differences`, `alike` and `applied`. Values are compared as JSON: 1 and 1.0 are alike, 1 and true are not.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import rfc8785

from condattest.errors import Malformed
from condattest.formats.patch_files import Change, Value
from condattest.model.finding import Code, Finding
from condattest.patches.digests import counted, record_digest


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Change]:
    """The keys in which two records differ, of those that a digest counts.

    Raises:
        Malformed: PATCH-RECORD: a value has no canonical form.
    """
    before, after = counted(old), counted(new)
    found = {}
    for key in sorted(before.keys() | after.keys()):
        change = Change(
            Value(before[key]) if key in before else None,
            Value(after[key]) if key in after else None,
        )
        if change.old is None or change.new is None or _form(change.old.json, key) != _form(change.new.json, key):
            found[key] = change
    return found


def alike(one: Mapping[str, Any], other: Mapping[str, Any], *, where: str) -> bool:
    """Whether two records have the same digest; cheap where they are the same throughout, as most are.

    Raises:
        Malformed: PATCH-RECORD: one of two that differ cannot be digested.
    """
    # Python's own equality takes 1, 1.0 and true for one value; their JSON differs.
    if one is other or ((text := _plain(one)) is not None and text == _plain(other)):
        return True
    return record_digest(one, where=where) == record_digest(other, where=where)


def applied(record: Mapping[str, Any], changes: Mapping[str, Change], *, where: str) -> dict[str, Any]:
    """What a record becomes by changes.

    Raises:
        Malformed: PATCH-RECORD: it is not what the changes start from, or a value has no canonical form.
    """
    result = dict(record)
    for key, change in changes.items():
        found = Value(result[key]) if key in result else None
        if (found is None) != (change.old is None) or (
            found is not None
            and change.old is not None
            and _form(found.json, f"{where}: {key}") != _form(change.old.json, f"{where}: {key}")
        ):
            expected, seen = _shown(change.old), _shown(found)
            raise Malformed(Finding.of(Code.PATCH_RECORD, f"{where}: {key}", expected=expected, found=seen))
        if change.new is None:
            del result[key]
        else:
            result[key] = change.new.json
    return result


def _form(value: Any, where: str) -> bytes:
    try:
        return rfc8785.dumps(value)
    except (ValueError, RecursionError) as error:
        raise Malformed(Finding.of(Code.PATCH_RECORD, where, reason=f"{error!s:.200}")) from None


def _plain(record: Mapping[str, Any]) -> bytes | None:
    try:
        return msgspec.json.encode(record)
    except (ValueError, RecursionError):
        return None  # Its digest says what is wrong with it.


def _shown(value: Value | None) -> str:
    return "absent" if value is None else f"{value.json!r:.200}"
