"""Where a channel serves something else than its patch instructions give: a list that stays short, whatever is served.

Owns `Difference`, `Unattributed`, `parse` and the limits of what is listed. Names are cut rather than left out: whoever
can write the index chooses them, and must not choose what is told.

    {"count": 217, "first": [{"section": "packages.conda", "file": "x-1-0.conda", "keys": ["depends"]}]}

Spec: ceps-drafts/cep-patch-provenance.md
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

from condattest.formats.predicate_fields import fields, items, number, one_of, refuse, short

SECTIONS: Final = ("packages", "packages.conda", "v3.tar.bz2", "v3.conda", "removed")
"""The sections of an index, and its list of removed files."""
MAX_LISTED: Final = 100
"""Differences that are listed."""
MAX_BYTES: Final = 32 * 1024
"""Bytes of the listed differences as JSON: half of what a payload may have."""
MAX_KEYS: Final = 20
"""Keys that are listed of one difference."""
MAX_KEY: Final = 64
"""Characters of a key; a longer one is cut."""
MAX_FILE: Final = 255
"""Characters of a file's name; a longer one is cut."""


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One record that is served otherwise.

    Attributes:
        section: The section of the index, or `removed`.
        file: The file's name.
        keys: The keys whose values differ; none where the record as a whole is there in one and not in the other.
    """

    section: str
    file: str
    keys: tuple[str, ...] = ()

    @property
    def json(self) -> dict[str, Any]:
        """As it stands in a predicate."""
        return {"section": self.section, "file": self.file, "keys": list(self.keys)}

    def __str__(self) -> str:
        return f"{self.section}/{self.file}" + (f" ({', '.join(self.keys)})" if self.keys else "")


@dataclass(frozen=True, slots=True)
class Unattributed:
    """How many differences there are, and the first of them, sorted."""

    count: int
    first: tuple[Difference, ...]

    @classmethod
    def of(cls, found: Iterable[Difference]) -> Self | None:
        """Take what fits of all differences; None if there is none."""
        everything = sorted(
            Difference(
                each.section,
                each.file[:MAX_FILE],
                tuple(dict.fromkeys(key[:MAX_KEY] for key in sorted(each.keys)))[:MAX_KEYS],
            )
            for each in found
        )
        if not everything:
            return None
        first: list[Difference] = []
        left = MAX_BYTES
        for each in everything[:MAX_LISTED]:
            left -= len(json.dumps(each.json, separators=(",", ":"), ensure_ascii=False).encode()) + 1
            if left < 0:
                break
            first.append(each)
        return cls(len(everything), tuple(first))

    @property
    def json(self) -> dict[str, Any]:
        """As it stands in a predicate."""
        return {"count": self.count, "first": [each.json for each in self.first]}

    def __str__(self) -> str:
        more = ", ..." if self.count > len(self.first) else ""
        return f"{self.count}: {', '.join(map(str, self.first))}{more}"


def parse(value: Any) -> Unattributed:
    """Read `unattributed`.

    Raises:
        Malformed: PATCH-STATEMENT.
    """
    where = "unattributed"
    found = fields(value, where, {"count", "first"})
    count = number(found["count"], f"{where}.count", 1)
    first = []
    for each in items(found["first"], f"{where}.first", least=1, most=MAX_LISTED):
        entry = fields(each, f"{where}.first", {"section", "file", "keys"})
        section = one_of(entry["section"], f"{where}.first.section", SECTIONS)
        file = short(entry["file"], f"{where}.first.file", MAX_FILE)
        keys = items(entry["keys"], f"{where}.first.keys", most=MAX_KEYS)
        names = tuple(short(key, f"{where}.first.keys", MAX_KEY) for key in keys)
        first.append(Difference(section, file, names))
    if len(first) > count:
        refuse(f"predicate.{where}.count", f"at least {len(first)}, which are listed", count)
    return Unattributed(count, tuple(first))
