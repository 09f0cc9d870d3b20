"""The sections of an index, one like another, and the records in them.

Owns `sections_of`, `records_of`, `record_at`, `file_of` and `KINDS`. Sections of v3 are called `v3.conda` and
`v3.tar.bz2`, and what they list goes by its whole file name. A record may be held as its bytes: `opened` reads it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from condattest.formats.held_records import Held
from condattest.formats.index_changes import SECTIONS, V3_SECTIONS
from condattest.formats.patch_files import Place
from condattest.model.artifact import PackageFile

KINDS: Final = {**SECTIONS, **{f"v3.{section}": suffix for section, suffix in V3_SECTIONS.items()}}
"""By section, the extension of what it lists."""


def sections_of(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Held]]]:
    """Every section that is there: its name, the extension that its keys lack, and its records by key."""
    for section in SECTIONS:
        if records := document.get(section):
            yield section, "", records
    for section, suffix in V3_SECTIONS.items():
        if records := (document.get("v3") or {}).get(section):
            yield f"v3.{section}", suffix, records


def records_of(document: Mapping[str, Any]) -> Iterator[tuple[Place, PackageFile, Held]]:
    """Every record of an index: its place, its file, itself. Names that are no package's are passed over."""
    for section, suffix, records in sections_of(document):
        for key, held in records.items():
            file = file_of(key + suffix)
            if file is not None:
                yield (section, key + suffix), file, held


def record_at(document: Mapping[str, Any], place: Place) -> Held | None:
    """The record at a place; None where there is none."""
    for section, suffix, records in sections_of(document):
        if section == place[0] and place[1].endswith(suffix) and file_of(place[1]) is not None:
            return records.get(place[1].removesuffix(suffix))
    return None


def file_of(name: str) -> PackageFile | None:
    """The file of that name; None if it is no package's."""
    try:
        return PackageFile.parse(name)
    except ValueError:
        return None
