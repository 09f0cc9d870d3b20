"""What a generation's statement says of its sources and of what was served, as JSON and for people.

Owns one function per part.
"""

from typing import Any, Final

from rich.console import Console
from rich.text import Text

from condattest.formats.patch_descriptors import Input, Source
from condattest.formats.patch_differences import Unattributed
from condattest.reports.plain import plain

_SHOWN: Final = 20
"""Differences that people are shown; documents have all that are listed."""


def source(value: Source | None) -> dict[str, Any] | None:
    """Where the instructions come from, and who says so."""
    if value is None:
        return None
    run = None if value.flow_run_id is None else plain(value.flow_run_id)
    return {"uri": plain(value.uri), "commit": value.commit, "statedBy": value.stated_by, "flowRunId": run}


def input_(value: Input) -> dict[str, Any]:
    """A file that the run read."""
    signers = [{"identity": plain(each.identity), "issuer": plain(each.issuer)} for each in value.signers]
    return {"name": plain(value.name), "sha256": value.sha256, "signers": signers}


def unattributed(value: Unattributed | None) -> dict[str, Any] | None:
    """What was served otherwise, and known to be so."""
    if value is None:
        return None
    first = [
        {"section": each.section, "file": plain(each.file), "keys": [plain(key) for key in each.keys]}
        for each in value.first
    ]
    return {"count": value.count, "first": first}


def show_unattributed(console: Console, value: Unattributed | None) -> None:
    """Print what was served otherwise, as far as it is listed."""
    if value is None:
        return
    console.print(
        Text(f"  {value.count} difference{'' if value.count == 1 else 's'} to what is served:", style="yellow")
    )
    for each in value.first[:_SHOWN]:
        console.print(Text(f"    {plain(str(each))}"))
    if value.count > len(value.first[:_SHOWN]):
        console.print(Text("    ..."))


def shown_source(value: Source | None) -> str:
    """The source in one word; what nobody signed is told apart."""
    if value is None:
        return "-"
    unsigned = " (says the package)" if value.stated_by == "package" else ""
    return f"{plain(value.uri)}@{value.commit[:12]}{unsigned}"
