"""An index whose records stay the bytes they are until somebody asks what one says.

Owns `Held`, `opened` and `parse`. A million records as Python objects take three gigabytes; as bytes of the file that
they were read from, a few hundred megabytes. Each record is read once, to refuse what is none, and let go again.
Refuses an index whose sections are no objects of records, or whose `removed` is no list of names. The records of `v3`
are held as objects: no channel has many of them yet.

    {"packages": {"<file>.tar.bz2": <held>}, "packages.conda": {"<file>.conda": <held>}, "v3": {...}, "removed": [...]}

Spec: CEP 36, https://github.com/conda/ceps/blob/main/cep-0036.md
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from condattest.formats.index_changes import SECTIONS, V3_SECTIONS

Held = Mapping[str, Any] | msgspec.Raw
"""A record: an object, or the bytes of one."""


def opened(held: Any) -> Any:
    """What a held record says; an object of its own at each call where it was held as bytes."""
    return msgspec.json.decode(held) if isinstance(held, msgspec.Raw) else held


def parse(data: bytes, like: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Read an index.

    Args:
        data: The file. Without `like`, the records keep it in memory.
        like: Another one: records that it has just so are shared with it, as the very objects; the others are copied.

    Raises:
        ValueError: It is no index.
        RecursionError: It is nested too deeply.
    """
    document: dict[str, Any] = {}
    for key, raw in msgspec.json.decode(data, type=dict[str, msgspec.Raw]).items():
        if key not in SECTIONS:
            document[key] = msgspec.json.decode(raw)
        elif like is None:
            document[key] = _records(key, raw)
        else:
            document[key] = _sharing(key, raw, like.get(key) or {})
    removed, v3 = document.get("removed", []), document.get("v3", {})
    if not isinstance(removed, list) or not all(isinstance(name, str) for name in removed):
        raise ValueError("removed is no list of names")
    if not isinstance(v3, dict):
        raise ValueError("v3 is no object")
    for section in V3_SECTIONS:
        records = v3.get(section, {})
        if not isinstance(records, dict) or not all(isinstance(record, dict) for record in records.values()):
            raise ValueError(f"v3.{section} is no object of records")
    return document


def _records(section: str, raw: msgspec.Raw) -> dict[str, msgspec.Raw]:
    records = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    for each in records.values():
        _checked(section, each)
    return records


def _sharing(section: str, raw: msgspec.Raw, others: Mapping[str, Any]) -> dict[str, Any]:
    records: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    for name, each in records.items():
        other = others.get(name)
        if each == other:
            records[name] = other
            continue
        record = _checked(section, each)
        # By its text: to Python 1 and true are equal.
        alike = other is not None and msgspec.json.encode(record) == msgspec.json.encode(opened(other))
        records[name] = other if alike else each.copy()
    return records


def _checked(section: str, raw: msgspec.Raw) -> dict[str, Any]:
    record = msgspec.json.decode(raw)
    if not isinstance(record, dict):
        raise ValueError(f"{section} is no object of records")
    return record
