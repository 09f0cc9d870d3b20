"""What an index serves, held against what a replay of the instructions gives.

Owns `Unlike` and `unlike_served`. Records that both hold as the very same bytes are not looked into.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from condattest.formats.held_records import opened
from condattest.formats.patch_files import Place
from condattest.patches.changes import alike, differences
from condattest.patches.index_sections import file_of, sections_of


@dataclass(frozen=True, slots=True)
class Unlike:
    """A record that is not served as a replay gives it: its place, in a word why, and the keys that differ."""

    place: Place
    why: str
    keys: tuple[str, ...] = ()


def unlike_served(as_built: Mapping[str, Any], replayed: Mapping[str, Any], served: Mapping[str, Any]) -> list[Unlike]:
    """Where an index that is served is not what a replay gives; records that the replay did not touch count, too.

    Raises:
        Malformed: PATCH-RECORD: a record that differs cannot be digested.
    """
    expected = {section: records for section, _, records in sections_of(replayed)}
    found = {section: records for section, _, records in sections_of(served)}
    gone = set(replayed.get("removed") or ())
    unlike: list[Unlike] = []
    for section, suffix, records in sections_of(as_built):
        ours, others = expected.get(section, {}), found.get(section, {})
        for key in records:
            mine, theirs = ours.get(key), others.get(key)
            name = key + suffix
            if (mine is theirs and mine is not None) or name in gone or file_of(name) is None:
                continue
            if theirs is None:
                unlike.append(Unlike((section, name), "not served"))
            elif mine is None:
                unlike.append(Unlike((section, name), "another record"))
            elif (keys := _differing(opened(mine), opened(theirs), name)) is not None:
                unlike.append(Unlike((section, name), "another record", keys))
    for section, suffix, records in sections_of(served):
        ours = expected.get(section, {})
        names = (key + suffix for key in records if key not in ours)
        unlike.extend(Unlike((section, name), "not as built") for name in names if name not in gone and file_of(name))
    removed = set(served.get("removed") or ())
    unlike.extend(Unlike(("removed", name), "not removed") for name in sorted(gone - removed))
    unlike.extend(Unlike(("removed", name), "removed") for name in sorted(removed - gone) if _lists(replayed, name))
    return unlike


def _differing(mine: Mapping[str, Any], theirs: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    """The keys that differ; None if the records are alike."""
    archive = () if mine.get("sha256") == theirs.get("sha256") else ("sha256",)
    if not archive and alike(mine, theirs, where=name):
        return None
    return (*differences(mine, theirs), *archive)


def _lists(document: Mapping[str, Any], name: str) -> bool:
    sections = sections_of(document)
    return file_of(name) is not None and any(
        name.endswith(suffix) and name.removesuffix(suffix) in records for _, suffix, records in sections
    )
