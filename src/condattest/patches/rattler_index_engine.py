"""Patch instructions as rattler-index 0.28 applies them, and the records that it makes of archives.

Owns `RattlerIndex`. Everything is typed: a value of another type, or a file name that is none, and the whole run fails,
for every subdir. Nine keys of a record are applied (two of them, `extra_depends` and `flags`, not before 0.28), every
other one is dropped in silence, `revoke` is not known, and the version is not looked at.

`packages` goes onto `packages` and, by the same name with `.conda`, onto `packages.conda`; then `packages.conda` onto
`packages.conda`. `packages` is read in random order: where two of its names become one `.conda`, chance decides, which
is PATCH-UNREPRODUCED. `remove` lists a name, whether or not the index has it, and its `.conda` if the index has that;
the records stay. In `v3` the same keys are applied; sections that rattler does not know are merged by RFC 7396.

What it writes is not what it read: match specifications are rewritten (see `rattler_specs`; older versions left them as
they were), `track_features` is joined by spaces, empty lists and nulls are left out, and package URLs are a sorted set.
Specifications and URLs that are too unusual to be rewritten here are PATCH-UNREPRODUCED.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from condattest.errors import Malformed
from condattest.formats.held_records import opened
from condattest.formats.patch_instructions import Instructions
from condattest.model.finding import Code, Finding
from condattest.patches import rattler_values as values
from condattest.patches.digests import SERVER_KEYS
from condattest.patches.patched import Patched, passed_over, server_keys, unlisted
from condattest.patches.rattler_specs import Unforetold
from condattest.patches.rattler_values import ABSENT, Unreadable

_Records = dict[str, Any]
_Read = Callable[[Any], Any]


def _specs(v3: bool) -> Mapping[str, _Read]:
    return {
        "depends": partial(values.specs, v3=v3),
        "constrains": partial(values.specs_or_absent, v3=v3),
        "extra_depends": partial(values.groups, v3=v3),
    }


_SPECS: Final = {v3: _specs(v3) for v3 in (False, True)}
_PATCHED: Final[Mapping[str, _Read]] = {
    "features": values.text,
    "flags": values.flags,
    "license": values.text,
    "license_family": values.text,
    "purls": values.purls,
    "track_features": values.features,
}
_NOT_CLEARED: Final = frozenset({"depends", "constrains", "extra_depends", "flags"})
_REQUIRED: Final = frozenset({"build", "build_number", "name", "version"})
_NULLABLE: Final[Mapping[str, _Read]] = {
    "arch": values.text,
    "features": values.text,
    "license": values.text,
    "license_family": values.text,
    "noarch": values.noarch,
    "platform": values.text,
    "purls": values.purls,
    "python_site_packages_path": values.text,
    "subdir": values.text,
    "timestamp": values.timestamp,
}
_INDEXED: Final[Mapping[str, _Read]] = {
    **_NULLABLE,
    "build": values.text,
    "build_number": values.count,
    "flags": values.flags,
    "name": values.text,
    "track_features": values.features,
    "version": values.text,
}
_V3_TYPED: Final = ("tar.bz2", "conda", "whl")


class RattlerIndex:
    """The engine of rattler-index."""

    name: Final = "rattler-index"

    def as_built(self, index: Mapping[str, Any]) -> dict[str, Any]:
        """Keep the keys that rattler knows, as it writes them; `depends` and `subdir` are always there.

        Versions and names are not parsed: one that rattler cannot read is in no index. An archive of repodata revision
        3 goes into `v3`, others into the section of their kind, as long as the indexer was not told otherwise.

        Raises:
            Malformed: PATCH-CRASH: a key is missing, or of another type; PATCH-UNREPRODUCED: a package URL or a match
                specification.
        """
        record: dict[str, Any] = {"depends": [], "subdir": "unknown"}
        for key in sorted(_REQUIRED - index.keys()):
            raise Malformed(Finding.of(Code.PATCH_CRASH, f"info/index.json: {key}", expected="a value", found="none"))
        revision = index.get("repodata_revision")
        if revision is not None and (type(revision) is not int or revision not in (0, 3)):
            where = "info/index.json: repodata_revision"
            raise Malformed(Finding.of(Code.PATCH_CRASH, where, expected="3 or none", found=f"{revision!r:.80}"))
        for key, read in (*_INDEXED.items(), *_SPECS[revision == 3].items()):
            if key not in index or (index[key] is None and key in _NULLABLE):
                continue
            try:
                value = read(index[key])
            except (Unreadable, Unforetold) as error:
                raise Malformed(_failed(error, f"info/index.json: {key}", index[key])) from None
            if value is not ABSENT:
                record[key] = value
        return record

    def apply(self, as_built: Mapping[str, Any], instructions: Instructions) -> Patched:
        """Apply instructions; `served` of what is returned is false where rattler-index would fail."""
        run = _Run(as_built)
        run.fix(instructions)
        run.fix_v3(instructions.v3)
        run.remove(instructions.remove)
        findings = (*run.findings, *server_keys(instructions), *passed_over(instructions, "revoke"))
        return Patched(run.document, findings)


class _Run:
    """One run: the document as it becomes, and what was found. Records are copied before they change."""

    def __init__(self, as_built: Mapping[str, Any]) -> None:
        self.findings: list[Finding] = []
        self.document = dict(as_built)
        self.document.pop("removed", None)  # An index as built has none, to rattler.
        self._sections = {name: self._section(name) for name in ("packages", "packages.conda")}

    def fix(self, instructions: Instructions) -> None:
        conda = self._sections["packages.conda"]
        missing = []
        by_twin: dict[str, tuple[str, _Records]] = {}
        for file, keys in instructions.packages.items():
            if (stem := values.stem(file)) is None:
                self._fails("packages", values.FILE_NAME, file)
                continue
            places = [(self._sections["packages"], file), (conda, f"{stem}.conda")]
            if (changes := self._read(keys, "packages", file, any(name in each for each, name in places))) is None:
                continue
            for records, name in places:
                _change(records, name, changes)
            other, others = by_twin.setdefault(stem, (file, changes))
            if other != file and places[1][1] in conda and _differ(others, changes):
                where = f"packages/{file}"
                self.findings.append(Finding.of(Code.PATCH_UNREPRODUCED, where, reason=f"so does {other:.200}"))
            by_twin[stem] = (file, others | changes)
            if not any(name in each for each, name in places):
                missing.append(file)
        self.findings += unlisted("packages", missing)
        self._fix_records("packages.conda", conda, instructions.packages_conda, values.stem, values.FILE_NAME)

    def fix_v3(self, patches: Mapping[str, Any]) -> None:
        if not patches:
            return
        found = self.document.get("v3", {})
        if not isinstance(found, dict):
            self._fails("v3", "an object", found)
            return
        v3 = dict(found)
        for name in _V3_TYPED:
            records = v3.get(name, {})
            keys = patches.get(name, {})
            if not isinstance(keys, dict) or not isinstance(records, dict):
                self._fails(f"v3.{name}", "an object", keys)
                continue
            records = dict(records)
            self._fix_records(f"v3.{name}", records, keys, values.identifier, values.IDENTIFIER)
            if records:
                v3[name] = records
        for name in patches.keys() - set(_V3_TYPED):
            if patches[name] is None:
                v3.pop(name, None)
            else:
                v3[name] = values.merged(v3.get(name), patches[name])
        if v3 or "v3" in self.document:
            self.document["v3"] = v3

    def remove(self, files: Iterable[str]) -> None:
        removed, missing = set(), []
        for file in files:
            if (stem := values.stem(file)) is None:
                self._fails("remove", values.FILE_NAME, file)
                continue
            if file.endswith(".whl"):
                self.findings.append(
                    Finding.of(Code.PATCH_DROPPED, f"remove/{file}", reason="the indexer removes no wheels")
                )
                continue
            twin = f"{stem}.conda"
            removed.add(file)
            if twin in self._sections["packages.conda"]:
                removed.add(twin)
            elif file not in self._sections["packages"]:
                missing.append(file)
        if removed:
            self.document["removed"] = sorted(removed, key=values.order)
        self.findings += unlisted("remove", missing)

    def _section(self, name: str) -> _Records:
        records = self.document.get(name, {})
        if not isinstance(records, dict):
            self._fails(name, "an object", records)
            return {}
        if name in self.document:
            self.document[name] = records = dict(records)
        return records

    def _fix_records(
        self,
        section: str,
        records: _Records,
        patches: Mapping[str, Any],
        read_name: Callable[[str], str | None],
        form: str,
    ) -> None:
        missing = []
        for name, keys in patches.items():
            if read_name(name) is None:
                self._fails(section, form, name)
            elif not isinstance(keys, dict):
                self._fails(f"{section}/{name}", "an object", keys)
            elif (changes := self._read(keys, section, name, name in records)) is not None:
                _change(records, name, changes)
                if name not in records:
                    missing.append(name)
        self.findings += unlisted(section, missing)

    def _read(self, keys: Mapping[str, Any], section: str, name: str, listed: bool) -> _Records | None:
        """What a patch makes of its keys; None if it is not one, and then nothing of it is applied."""
        readers = {**_PATCHED, **_SPECS[section.startswith("v3.")]}
        where = f"{section}/{name}"
        changes: _Records = {}
        dropped = []
        failed = False
        for key, value in keys.items():
            if key not in readers:
                dropped += [key] if key not in SERVER_KEYS else []
            elif value is None:
                if key in _NOT_CLEARED:
                    dropped.append(key)
                else:
                    changes[key] = ABSENT
            else:
                try:
                    changes[key] = readers[key](value)
                except (Unreadable, Unforetold) as error:
                    failed = True
                    self.findings.append(_failed(error, f"{where}: {key}", value))
        if dropped and listed:
            self.findings.append(Finding.of(Code.PATCH_DROPPED, where, keys=f"{', '.join(sorted(dropped)):.400}"))
        return None if failed else changes

    def _fails(self, where: str, expected: str, found: object) -> None:
        self.findings.append(Finding.of(Code.PATCH_CRASH, where, expected=expected, found=f"{found!r:.200}"))


def _change(records: _Records, name: str, changes: Mapping[str, Any]) -> None:
    record = opened(records.get(name))
    if not isinstance(record, dict) or all(record.get(key, ABSENT) == value for key, value in changes.items()):
        return
    changed = {**record, **changes}
    records[name] = {key: value for key, value in changed.items() if value is not ABSENT}


def _differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return any(one[key] != other[key] for key in one.keys() & other.keys())


def _failed(error: Unreadable | Unforetold, where: str, found: object) -> Finding:
    code = Code.PATCH_CRASH if isinstance(error, Unreadable) else Code.PATCH_UNREPRODUCED
    return Finding.of(code, where, expected=error, found=f"{found!r:.200}")
