"""The sections of a repodata.json, none of whose keys stands twice: one client goes by the first, another by the last.

Owns `sections` and `Raws`. Refuses a key twice outside of records: a file in one section, a section in the document.
What stands in a record, or in two sections, is for the caller to judge.

Readers of JSON keep one of two equal keys and say nothing. But a document that is as short as one with these keys and
values can be (`json_members.shortest`), as indexers write it, is in order, and that takes a sum of lengths. Any other
layout is walked through key by key.

Specs: CEP 36, CEP 48, https://github.com/conda/ceps
"""

from collections.abc import Mapping, Sized
from typing import Final

import msgspec

from condattest.errors import Malformed
from condattest.formats import json_members
from condattest.formats.index_changes import SECTIONS, V3_SECTIONS
from condattest.model.finding import Code, Finding

Raws = dict[str, msgspec.Raw]
_Maybe = msgspec.Raw | msgspec.UnsetType
_TAIL: Final = 64


class _Top(msgspec.Struct):
    packages: Raws | msgspec.UnsetType = msgspec.UNSET
    packages_conda: Raws | msgspec.UnsetType = msgspec.field(name="packages.conda", default=msgspec.UNSET)
    v3: _Maybe = msgspec.UNSET
    # What else indexers write: to know its length.
    info: _Maybe = msgspec.UNSET
    removed: _Maybe = msgspec.UNSET
    repodata_version: _Maybe = msgspec.UNSET
    signatures: _Maybe = msgspec.UNSET


_NAMES: Final = tuple((each.name, each.encode_name) for each in msgspec.structs.fields(_Top))


def sections(data: bytes, *, where: str) -> list[tuple[Raws, str]]:
    """Return the records of each section of a repodata.json that lists conda packages, with what its keys lack.

    Raises:
        Malformed: NET-UNAVAILABLE: it is no index; BIND-AMBIGUOUS: a key stands there twice.
    """
    try:
        top = msgspec.json.decode(data, type=_Top)
        found = {name: value for at, name in _NAMES if (value := getattr(top, at)) is not msgspec.UNSET}
        v3 = msgspec.json.decode(found["v3"], type=Raws) if "v3" in found else {}
        inner = {name: msgspec.json.decode(v3[name], type=Raws) for name in V3_SECTIONS if name in v3}
        if not (_fits(found, _end(data)) and ("v3" not in found or _fits({**v3, **inner}, len(found["v3"])))):
            _walk(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        finding = Finding.of(Code.NET_UNAVAILABLE, where, expected="repodata.json", found=f"{error!s:.300}")
        raise Malformed(finding) from None
    except ValueError as error:
        raise Malformed(Finding.of(Code.BIND_AMBIGUOUS, where, expected="each key once", found=error)) from None
    listed = [(found.get(name, {}), "") for name in SECTIONS]
    return listed + [(inner[name], suffix) for name, suffix in V3_SECTIONS.items() if name in inner]


def _fits(values: Mapping[str, Sized], length: int) -> bool:
    """Whether an object is as short as it can be; values that were decoded are counted at their shortest, too."""
    inside = sum(_shortest(value) if isinstance(value, dict) else len(value) for value in values.values())
    return json_members.shortest(values, inside) == length


def _shortest(records: Raws) -> int:
    return json_members.shortest(records, sum(map(len, records.values())))


def _end(data: bytes) -> int:
    """Where the document ends, but for white space."""
    tail = data[-_TAIL:]
    return len(data) - len(tail) + len(tail.rstrip(b" \t\r\n"))


def _walk(data: bytes) -> None:
    """Look at each key by itself.

    Raises:
        ValueError: One stands there twice.
    """
    whole = msgspec.json.decode(data, type=Raws)
    places = {each.key: each for each in json_members.members(data, 0, whole)}
    found = [(places[name], whole[name]) for name in SECTIONS if name in whole]
    if "v3" in whole:
        v3 = msgspec.json.decode(whole["v3"], type=Raws)
        inner = {each.key: each for each in json_members.members(data, places["v3"].value, v3)}
        found.extend((inner[name], v3[name]) for name in V3_SECTIONS if name in v3)
    for member, raw in found:
        json_members.check_once(data, member, msgspec.json.decode(raw, type=Raws))
