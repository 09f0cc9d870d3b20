"""Patch instructions as conda-index 0.13 applies them, and the records that it makes of archives.

Owns `CondaIndex`. The order matters:

1. `packages` onto the records of `packages`;
2. the same onto `packages.conda`, each name with `.conda` in the place of `.tar.bz2`; of two names that become one, the
   later;
3. `packages.conda` onto `packages.conda`, winning key by key;
4. `revoke`: `revoked` and a dependency that nothing provides; a .tar.bz2 name also hits the .conda, not the other way;
5. `remove`: the same; the record is dropped, and listed in `removed` (an empty record is dropped alone).

Values are put into records without being copied, by (1) and (2) into both twins. So what (3) or (4) does to a list or
an object of one twin shows in the other: a revoked and patched pair has the revoked dependency twice in both. An object
equal to its instruction is left alone, by Python's equality, where 1, 1.0 and true are alike. A null deletes, but where
the key is absent the null is inserted, and an object that is inserted keeps its nulls.

Fails on version 2, on an object that should be merged into something else than an object, on a record to revoke without
a list of `depends`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from condattest.formats.held_records import opened
from condattest.formats.patch_instructions import VERSION_KEY, Instructions
from condattest.model.finding import Code, Finding
from condattest.patches.digests import SERVER_KEYS
from condattest.patches.patched import Patched, passed_over, server_keys, unlisted

REVOKED: Final = "package_has_been_revoked"
"""What a revoked record depends on, so that no solver chooses it."""
_NOT_KEPT: Final = frozenset(
    {
        "arch",
        "binstar",
        "has_prefix",
        "machine",
        "mtime",
        "operatingsystem",
        "platform",
        "requires_features",
        "target-triplet",
        "ucs",
    }
)
_BZIP2, _CONDA = ".tar.bz2", ".conda"
_Records = dict[str, Any]


class CondaIndex:
    """The engine of conda-index."""

    name: Final = "conda-index"

    def as_built(self, index: Mapping[str, Any]) -> dict[str, Any]:
        """Keep every key but the ten that conda-index filters, and those that the server sets."""
        return {key: value for key, value in index.items() if key not in _NOT_KEPT and key not in SERVER_KEYS}

    def apply(self, as_built: Mapping[str, Any], instructions: Instructions) -> Patched:
        """Apply instructions; `served` of what is returned is false where conda-index would fail."""
        if instructions.version > 1:
            found = Finding.of(Code.PATCH_CRASH, VERSION_KEY, expected=1, found=instructions.version)
            return Patched(dict(as_built), (found,))
        run = _Run(as_built)
        run.fix(instructions)
        run.revoke(instructions.revoke)
        run.remove(instructions.remove)
        findings = (*run.findings, *server_keys(instructions), *passed_over(instructions, "v3"))
        return Patched(run.document, findings)


class _Run:
    """One run: the document as it becomes, and what was found. Records are copied before they change."""

    def __init__(self, as_built: Mapping[str, Any]) -> None:
        self.findings: list[Finding] = []
        self.document = dict(as_built)
        self._packages = self._section("packages")
        self._conda = self._section("packages.conda")
        self._own: set[tuple[int, str]] = set()

    def fix(self, instructions: Instructions) -> None:
        fixes = instructions.packages
        kept: _Records = {}  # One copy of a value for both twins, as conda-index has one value for them.
        used = set()
        for file in fixes:
            if file in self._packages:
                used.add(file)
                self._merge_record("packages", self._packages, file, _kept(kept, fixes, file))
        for twin, file in {_twin(file, anywhere=True): file for file in fixes}.items():
            if twin in self._conda:
                used.add(file)
                self._merge_record("packages.conda", self._conda, twin, _kept(kept, fixes, file))
        self.findings += unlisted("packages", [file for file in fixes if file not in used])
        own = instructions.packages_conda
        for file, keys in own.items():
            if file in self._conda:
                self._merge_record("packages.conda", self._conda, file, _copy(keys))
        self.findings += unlisted("packages.conda", [file for file in own if file not in self._conda])

    def revoke(self, files: Iterable[str]) -> None:
        missing = []
        for file in files:
            hit = False
            for section, records, name in self._places(file):
                if name in records:
                    hit = True
                    self._revoke_record(section, records, name)
            if not hit:
                missing.append(file)
        self.findings += unlisted("revoke", missing)

    def remove(self, files: Iterable[str]) -> None:
        removed = self.document.get("removed", [])
        if not isinstance(removed, list) or not all(isinstance(each, str) for each in removed):
            self._fails("removed", "a list of texts", removed)
            removed = []
        removed, missing = list(removed), []
        for file in files:
            hit = False
            for _, records, name in self._places(file):
                if name in records:
                    hit = True
                    if opened(records.pop(name)):
                        removed.append(name)
            if not hit:
                missing.append(file)
        self.findings += unlisted("remove", missing)
        self.document["removed"] = sorted(removed)

    def _section(self, name: str) -> _Records:
        records = self.document.get(name, {})
        if not isinstance(records, dict):
            self._fails(name, "an object", records)
            return {}
        if name in self.document:
            self.document[name] = records = dict(records)
        return records

    def _places(self, file: str) -> list[tuple[str, _Records, str]]:
        return [("packages", self._packages, file), ("packages.conda", self._conda, _twin(file))]

    def _own_record(self, records: _Records, name: str) -> Any:
        place = (id(records), name)
        if place not in self._own:
            self._own.add(place)
            held = records[name]
            records[name] = opened(held) if isinstance(held, msgspec.Raw) else _copy(held)
        return records[name]

    def _merge_record(self, section: str, records: _Records, name: str, keys: Mapping[str, Any]) -> None:
        if opened(records[name]) != keys:
            self._merge(self._own_record(records, name), keys, f"{section}/{name}")

    def _merge(self, base: Any, new: Mapping[str, Any], where: str) -> None:
        if base == new or not new:
            return
        if not isinstance(base, dict):
            self._fails(where, "an object", base)
            return
        for key, value in new.items():
            if isinstance(value, dict):
                if key in base:
                    self._merge(base[key], value, f"{where}: {key}")
                else:
                    base[key] = value
            elif value is None and key in base:
                del base[key]
            else:
                base[key] = value

    def _revoke_record(self, section: str, records: _Records, name: str) -> None:
        record = self._own_record(records, name)
        depends = record.get("depends") if isinstance(record, dict) else None
        if not isinstance(depends, list):
            self._fails(f"{section}/{name}: depends", "a list, since it is revoked", depends)
            return
        record["revoked"] = True
        depends.append(REVOKED)

    def _fails(self, where: str, expected: str, found: object) -> None:
        self.findings.append(Finding.of(Code.PATCH_CRASH, where, expected=expected, found=f"{found!r:.200}"))


def _twin(file: str, *, anywhere: bool = False) -> str:
    """The name with `.conda` for every `.tar.bz2` in it; to revoke and remove, only where it ends in one."""
    return file.replace(_BZIP2, _CONDA) if anywhere or file.endswith(_BZIP2) else file


def _kept(copies: _Records, fixes: Mapping[str, Any], file: str) -> Mapping[str, Any]:
    if file not in copies:
        copies[file] = _copy(fixes[file])
    copied: Mapping[str, Any] = copies[file]
    return copied


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(each) for key, each in value.items()}
    return [_copy(each) for each in value] if isinstance(value, list) else value
