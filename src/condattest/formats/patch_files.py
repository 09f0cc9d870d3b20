"""The files of patch generations, `<subdir>/patches/`: head, bundles, log, map, delta and shards.

Owns `Entry`, `Change`, `Shard` and one pair of functions for each file. Every file but `head.json` and `<n>.sigs` is
named by the digest of its bytes, and is hashed before it is parsed, by the caller.

    head.json                  {"generation": 7}: the newest number, a hint that nobody trusts
    <n>.sigs                   a JSON array of bundles over the payload of generation n
    <sha256>.log               the payload digests of generations 1 to n-1, one a line
    <sha256>.map.json.zst      {"version": 1, "shards": {"<package name>": "<digest of its shard>"}}
    <sha256>.delta.json.zst    the same, for the names that generation n changed
    <sha256>.shard.json.zst    {"version": 1, "name": "numbers", "files": {"packages.conda": {"numbers-1.0-0.conda":
                                 {"sha256": "...", "asBuilt": "...", "served": "..." or null, "removed": false,
                                  "history": [[1, "..."], [3, "..."]],
                                  "changed": {"depends": {"from": ["x"], "to": ["x >=1"]}}}}}}

A digest of a record is that of `patches.digests`. `changed` is there for the files that the generation changed which
wrote the shard; a key that was or became absent has no `from` or no `to`.

Spec: ceps-drafts/cep-patch-provenance.md
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from condattest.errors import Malformed
from condattest.formats import compression, strict_json
from condattest.formats.index_changes import SECTIONS
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding

MAX_HEAD: Final = 1024
MAX_LOG: Final = 16 * 1024 * 1024
"""Bytes of a log: a quarter of a million generations."""
MAX_MAP: Final = 64 * 1024 * 1024
"""Bytes of a map or delta, packed and unpacked: half a million package names."""
MAX_SHARD: Final = 32 * 1024 * 1024
"""Bytes of a shard, packed and unpacked."""


@dataclass(frozen=True, slots=True)
class Value:
    """A JSON value that is there, be it null."""

    json: Any


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one key: its value before and after; None where it was or became absent."""

    old: Value | None
    new: Value | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file that was ever patched or removed.

    Attributes:
        sha256: The archive's digest.
        as_built: The digest of its record as built.
        served: The digest of its record as served; None if it is removed.
        history: By generation that changed it, the digest as served from then on; None where it was removed.
        changed: By key, what the generation changed that wrote the shard; empty if it did not change this file.
    """

    sha256: Sha256
    as_built: Sha256
    served: Sha256 | None
    history: tuple[tuple[int, Sha256 | None], ...]
    changed: Mapping[str, Change] = field(default_factory=dict, hash=False)

    @property
    def removed(self) -> bool:
        """Whether the channel does not serve it any more."""
        return self.served is None

    @property
    def newest(self) -> int:
        """The generation that changed it last."""
        return self.history[-1][0]


Place = tuple[str, str]
"""A section of the index, and a file name in it."""


@dataclass(frozen=True, slots=True)
class Shard:
    """All entries of one package name, by section and file name."""

    name: str
    files: Mapping[Place, Entry]


def dump_head(generation: int) -> bytes:
    """Write `head.json`."""
    return json.dumps({"generation": generation}).encode()


def parse_head(data: bytes, *, where: str) -> int:
    """Read `head.json`.

    Raises:
        Malformed: PATCH-FILE.
    """
    document = strict_json.parse(data, code=Code.PATCH_FILE, where=where, limit=MAX_HEAD)
    if not isinstance(document, dict) or set(document) != {"generation"}:
        _refuse(where, '{"generation": N}', document)
    return _number(document["generation"], where)


def dump_log(payloads: tuple[Sha256, ...]) -> bytes:
    """Write a log."""
    return "".join(f"{payload}\n" for payload in payloads).encode()


def parse_log(data: bytes, *, where: str) -> tuple[Sha256, ...]:
    """Read a log.

    Raises:
        Malformed: PATCH-FILE.
    """
    if data and not data.endswith(b"\n"):
        _refuse(where, "lines that end", data[-80:])
    try:
        return tuple(Sha256(line) for line in data.decode("ascii").split("\n")[:-1])
    except (ValueError, UnicodeDecodeError) as error:
        raise Malformed(Finding.of(Code.PATCH_FILE, where, expected="a digest in each line", found=error)) from None


def dump_map(shards: Mapping[str, Sha256]) -> bytes:
    """Write a map or a delta."""
    return _packed({"version": 1, "shards": dict(sorted(shards.items()))})


def parse_map(data: bytes, *, where: str) -> dict[str, Sha256]:
    """Read a map or a delta.

    Raises:
        Malformed: PATCH-FILE.
    """
    document = _unpacked(data, where, MAX_MAP, {"version", "shards"})
    shards = document["shards"]
    if not isinstance(shards, dict):
        _refuse(where, "an object of shards", shards)
    return {name: _sha256(digest, where) for name, digest in shards.items()}


def dump_shard(shard: Shard) -> bytes:
    """Write a shard."""
    files: dict[str, dict[str, Any]] = {}
    for (section, file), entry in sorted(shard.files.items()):
        files.setdefault(section, {})[file] = {
            "sha256": entry.sha256,
            "asBuilt": entry.as_built,
            "served": entry.served,
            "removed": entry.removed,
            "history": [list(each) for each in entry.history],
        }
        if entry.changed:
            changed = {key: _dumped(change) for key, change in sorted(entry.changed.items())}
            files[section][file]["changed"] = changed
    return _packed({"version": 1, "name": shard.name, "files": files})


def _dumped(change: Change) -> dict[str, Any]:
    said = {"from": change.old, "to": change.new}
    return {side: value.json for side, value in said.items() if value is not None}


def parse_shard(data: bytes, *, where: str) -> Shard:
    """Read a shard.

    Raises:
        Malformed: PATCH-FILE.
    """
    document = _unpacked(data, where, MAX_SHARD, {"version", "name", "files"})
    name, files = document["name"], document["files"]
    if not isinstance(name, str) or not isinstance(files, dict) or not files.keys() <= {*SECTIONS, *_V3}:
        _refuse(where, "a package name and sections of files", files)
    entries = {}
    for section, listed in files.items():
        if not isinstance(listed, dict):
            _refuse(where, "an object of files", listed)
        for file, raw in listed.items():
            if not _is_of(file, section, name):
                _refuse(where, f"a file of {name} in {section}", file)
            entries[section, file] = _entry(raw, f"{where}: {file}")
    return Shard(name, entries)


_V3: Final = {"v3.conda": ".conda", "v3.tar.bz2": ".tar.bz2"}


def _is_of(file: str, section: str, name: str) -> bool:
    try:
        parsed = PackageFile.parse(file)
    except ValueError:
        return False
    return parsed.name == name and parsed.kind == {**SECTIONS, **_V3}[section]


def _entry(raw: Any, where: str) -> Entry:
    keys = {"sha256", "asBuilt", "served", "removed", "history"}
    if not isinstance(raw, dict) or set(raw) - {"changed"} != keys:
        _refuse(where, f"an object with {', '.join(sorted(keys))}", raw)
    served = None if raw["served"] is None else _sha256(raw["served"], where)
    if raw["removed"] is not (served is None):
        _refuse(where, "removed where nothing is served, and not elsewhere", raw["removed"])
    history = _history(raw["history"], where)
    if history[-1][1] != served:
        _refuse(where, "a history that ends with what is served", raw["history"])
    changed = raw.get("changed", {})
    if not isinstance(changed, dict):
        _refuse(where, "an object of changes", changed)
    return Entry(
        sha256=_sha256(raw["sha256"], where),
        as_built=_sha256(raw["asBuilt"], where),
        served=served,
        history=history,
        changed={key: _change(each, where) for key, each in changed.items()},
    )


def _history(raw: Any, where: str) -> tuple[tuple[int, Sha256 | None], ...]:
    if not isinstance(raw, list) or not raw:
        _refuse(where, "a history", raw)
    read: list[tuple[int, Sha256 | None]] = []
    for each in raw:
        if not isinstance(each, list) or len(each) != 2:
            _refuse(where, "pairs of a generation and a digest", each)
        number = _number(each[0], where)
        if read and number <= read[-1][0]:
            _refuse(where, "generations in order", raw)
        read.append((number, None if each[1] is None else _sha256(each[1], where)))
    return tuple(read)


def _change(raw: Any, where: str) -> Change:
    if not isinstance(raw, dict) or not raw or not raw.keys() <= {"from", "to"}:
        _refuse(where, "an object with from, to or both", raw)
    return Change(*(Value(raw[side]) if side in raw else None for side in ("from", "to")))


def _packed(document: dict[str, Any]) -> bytes:
    return compression.zstd_small(json.dumps(document, separators=(",", ":"), ensure_ascii=True).encode())


def _unpacked(data: bytes, where: str, limit: int, keys: set[str]) -> dict[str, Any]:
    plain = compression.unzstd(data, limit=limit, code=Code.PATCH_FILE, where=where)
    document = strict_json.parse(plain, code=Code.PATCH_FILE, where=where, limit=limit)
    if (
        not isinstance(document, dict)
        or set(document) != keys
        or type(document["version"]) is not int
        or document["version"] != 1
    ):
        _refuse(where, f"version 1 with {', '.join(sorted(keys))}", type(document).__name__)
    return document


def _number(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 2**53:
        _refuse(where, "a generation's number from 1", value)
    return value


def _sha256(value: Any, where: str) -> Sha256:
    try:
        return Sha256(value)
    except (ValueError, TypeError):
        _refuse(where, "64 lowercase hex digits", value)


def _refuse(where: str, expected: str, found: object) -> NoReturn:
    raise Malformed(Finding.of(Code.PATCH_FILE, where, expected=expected, found=f"{found!r:.200}"))
