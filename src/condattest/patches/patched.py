"""What an indexer makes of records by instructions, and what every engine has to say of instructions.

Owns `Patched`, `server_keys`, `unlisted` and `passed_over`. An engine does not stop at the first instruction that the
real indexer would fail on: it leaves that one out and goes on, so that an author sees all of them at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from condattest.formats.patch_instructions import Instructions
from condattest.model.finding import Code, Finding, Severity
from condattest.patches.digests import SERVER_KEYS


@dataclass(frozen=True, slots=True)
class Patched:
    """The index as it would be served.

    Attributes:
        document: `repodata.json`. Records that no instruction changed are the very objects of the index as built.
        findings: What the indexer would fail on, drop, or should not have been told.
    """

    document: dict[str, Any] = field(hash=False)
    findings: tuple[Finding, ...]

    @property
    def served(self) -> bool:
        """Whether the indexer would serve just this document: it would not fail, and nothing depends on chance."""
        return not any(
            each.code is Code.PATCH_CRASH or each.code.severity is Severity.UNKNOWN for each in self.findings
        )


def server_keys(instructions: Instructions) -> Iterator[Finding]:
    """Tell which instructions touch a key that the server sets, whether or not the file is listed."""
    sections: list[tuple[str, Any]] = [
        ("packages", instructions.packages),
        ("packages.conda", instructions.packages_conda),
        *((f"v3.{name}", records) for name, records in instructions.v3.items()),
    ]
    for section, records in sections:
        if not isinstance(records, Mapping):
            continue
        for file, keys in records.items():
            if isinstance(keys, Mapping) and not SERVER_KEYS.isdisjoint(keys):
                touched = ", ".join(sorted(SERVER_KEYS & keys.keys()))
                yield Finding.of(Code.PATCH_SERVER_KEY, f"{section}/{file}", keys=touched)


def unlisted(section: str, files: Sequence[str]) -> Iterator[Finding]:
    """Tell in one finding that the index does not list the files of instructions: there can be thousands."""
    if files:
        reason = "the index does not list it"
        yield Finding.of(Code.PATCH_DROPPED, section, reason=reason, files=len(files), first=f"{min(files):.200}")


def passed_over(instructions: Instructions, *sections: str) -> Iterator[Finding]:
    """Tell which parts of instructions the indexer does not know: those named here, and what no indexer knows."""
    parts: Mapping[str, Any] = {"revoke": instructions.revoke, "v3": instructions.v3}
    named = [section for section in sections if parts[section]]
    for section in (*named, *sorted(instructions.rest)):
        yield Finding.of(Code.PATCH_DROPPED, f"{section:.200}", reason="the indexer does not know it")
