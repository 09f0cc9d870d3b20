"""The statement of one generation of repodata patches: what was patched in a subdir, from what, by which engine.

Owns the predicate type and `PatchStatement`. Refuses any other form: another subject than the files of the generation,
each under its exact path; an unknown or badly typed key; a payload above 64 KiB, since it holds digests only.

    {"_type": "https://in-toto.io/Statement/v1",
     "subject": [{"name": "noarch/patch_instructions.json", "digest": {"sha256": "..."}},
                 {"name": "noarch/patches/<sha256>.map.json.zst", "digest": {"sha256": "..."}},
                 {"name": "noarch/patches/<sha256>.delta.json.zst", ...}, {"name": "noarch/patches/<sha256>.log", ...}],
     "predicateType": "https://schemas.conda.org/attestations-repodata-patch-0.schema.json",
     "predicate": {"targetChannel": "https://...", "subdir": "noarch", "role": "author", "generation": 2,
                   "previous": "<payload sha256>", "engine": {"name": "conda-index", "version": "0.13.0"},
                   "asBuilt": "archive", "source": {"uri": "git+https://...", "digest": {"gitCommit": "..."}},
                   "inputs": [{"name": "noarch/repodata_from_packages.json", "digest": {"sha256": "..."}}],
                   "counts": {"records": 3, "patched": 1, "removed": 0, "changed": 1}}}

Spec: ceps-drafts/cep-patch-provenance.md
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NoReturn, cast

from condattest.errors import Malformed
from condattest.formats.statement import Statement, Subject
from condattest.model.artifact import Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding

PREDICATE_TYPE: Final = "https://schemas.conda.org/attestations-repodata-patch-0.schema.json"
MAX_PAYLOAD: Final = 64 * 1024
"""Bytes of a payload."""
Role = Literal["author", "observer"]
AsBuilt = Literal["archive", "index"]
COUNTS: Final = ("records", "patched", "removed", "changed")
_SUBDIR: Final = re.compile(r"[a-z0-9][a-z0-9_-]*", re.ASCII)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_REQUIRED: Final = frozenset(
    {"targetChannel", "subdir", "role", "generation", "previous", "engine", "asBuilt", "inputs", "counts"}
)
_KINDS: Final = {"map": ".map.json.zst", "delta": ".delta.json.zst", "log": ".log"}


@dataclass(frozen=True, slots=True)
class Source:
    """Where the instructions come from: a repository's URI, and the commit that was read."""

    uri: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchStatement:
    """What the author or an observer of one generation says.

    Attributes:
        target_channel: The channel.
        subdir: Its subdir.
        role: Whether the signer made the patches, or only saw them.
        generation: Its number, from 1.
        previous: The digest of the payload of the generation before; None for the first.
        engine: The indexer that applied the instructions: its name.
        engine_version: Its version.
        as_built: Whether newly listed records as built were read from their archives, or believed of the index.
        source: Where the instructions come from, if it was said.
        inputs: What the run read: path and digest.
        counts: Of records: all, patched, removed, and changed by this generation.
        instructions: The digest of `patch_instructions.json`; None if there was none.
        map: The digest of the map's file.
        delta: The digest of the delta's file.
        log: The digest of the log's file.
    """

    target_channel: Channel
    subdir: str
    role: Role
    generation: int
    previous: Sha256 | None
    engine: str
    engine_version: str
    as_built: AsBuilt
    source: Source | None
    inputs: tuple[tuple[str, Sha256], ...]
    counts: Mapping[str, int] = field(hash=False)
    instructions: Sha256 | None
    map: Sha256
    delta: Sha256
    log: Sha256


def statement(said: PatchStatement) -> Statement:
    """Make the statement that is signed."""
    subjects = []
    if said.instructions is not None:
        subjects.append(Subject(f"{said.subdir}/patch_instructions.json", {"sha256": str(said.instructions)}))
    for kind, suffix in _KINDS.items():
        digest = getattr(said, kind)
        subjects.append(Subject(f"{said.subdir}/patches/{digest}{suffix}", {"sha256": str(digest)}))
    predicate: dict[str, Any] = {
        "targetChannel": said.target_channel.url,
        "subdir": said.subdir,
        "role": said.role,
        "generation": said.generation,
        "previous": said.previous,
        "engine": {"name": said.engine, "version": said.engine_version},
        "asBuilt": said.as_built,
    }
    if said.source is not None:
        predicate["source"] = {"uri": said.source.uri, "digest": {"gitCommit": said.source.commit}}
    predicate["inputs"] = [{"name": name, "digest": {"sha256": str(digest)}} for name, digest in said.inputs]
    predicate["counts"] = {name: said.counts[name] for name in COUNTS}
    return Statement(tuple(subjects), PREDICATE_TYPE, predicate)


def parse(statement: Statement) -> PatchStatement:
    """Read a statement as one of a generation.

    Raises:
        Malformed: PATCH-STATEMENT.
    """
    if statement.predicate_type != PREDICATE_TYPE:
        _refuse("predicateType", PREDICATE_TYPE, statement.predicate_type)
    predicate = statement.predicate or {}
    if not set(predicate) >= _REQUIRED or set(predicate) - _REQUIRED - {"source"}:
        _refuse("predicate", f"the keys {', '.join(sorted(_REQUIRED))} and perhaps source", sorted(predicate))
    subdir = _text(predicate["subdir"], "subdir", _SUBDIR)
    generation = _number(predicate["generation"], "generation", 1)
    previous = predicate["previous"]
    if (previous is None) != (generation == 1):
        _refuse("predicate.previous", "null for generation 1 and a digest for every other", previous)
    engine = _object(predicate["engine"], "engine", {"name", "version"})
    counts = _object(predicate["counts"], "counts", set(COUNTS))
    return PatchStatement(
        target_channel=_channel(predicate["targetChannel"]),
        subdir=subdir,
        role=cast(Role, _one_of(predicate["role"], "role", ("author", "observer"))),
        generation=generation,
        previous=None if previous is None else _sha256(previous, "previous"),
        engine=_text(engine["name"], "engine.name"),
        engine_version=_text(engine["version"], "engine.version"),
        as_built=cast(AsBuilt, _one_of(predicate["asBuilt"], "asBuilt", ("archive", "index"))),
        source=_source(predicate["source"]) if "source" in predicate else None,
        inputs=_inputs(predicate["inputs"]),
        counts={name: _number(counts[name], f"counts.{name}", 0) for name in COUNTS},
        **_subjects(statement.subjects, subdir),
    )


def _subjects(subjects: tuple[Subject, ...], subdir: str) -> dict[str, Any]:
    found: dict[str, Sha256 | None] = {"instructions": None}
    for subject in subjects:
        if set(subject.digest) != {"sha256"}:
            _refuse("subject.digest", "sha256 alone", sorted(subject.digest))
        digest = _sha256(subject.digest["sha256"], "subject.digest.sha256")
        expected = {f"{subdir}/patches/{digest}{suffix}": kind for kind, suffix in _KINDS.items()}
        expected[f"{subdir}/patch_instructions.json"] = "instructions"
        kind = expected.get(subject.name or "")
        if kind is None or found.get(kind) is not None:
            _refuse("subject.name", "each file of the generation once, under its path", subject.name)
        found[kind] = digest
    if set(found) != {"instructions", *_KINDS}:
        _refuse("subject", "the map, the delta and the log", sorted(found))
    return found


def _source(value: Any) -> Source:
    source = _object(value, "source", {"uri", "digest"})
    digest = _object(source["digest"], "source.digest", {"gitCommit"})
    return Source(_text(source["uri"], "source.uri"), _text(digest["gitCommit"], "source.digest.gitCommit", _COMMIT))


def _inputs(value: Any) -> tuple[tuple[str, Sha256], ...]:
    if not isinstance(value, list):
        _refuse("predicate.inputs", "a list", value)
    read = []
    for each in value:
        entry = _object(each, "inputs", {"name", "digest"})
        digest = _object(entry["digest"], "inputs.digest", {"sha256"})
        read.append((_text(entry["name"], "inputs.name"), _sha256(digest["sha256"], "inputs.digest.sha256")))
    return tuple(read)


def _object(value: Any, where: str, keys: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != keys:
        _refuse(f"predicate.{where}", f"an object with {', '.join(sorted(keys))}", value)
    return value


def _text(value: Any, where: str, form: re.Pattern[str] | None = None) -> str:
    if not isinstance(value, str) or not value or len(value) > 2048 or (form is not None and not form.fullmatch(value)):
        _refuse(f"predicate.{where}", form.pattern if form is not None else "a text", value)
    return value


def _number(value: Any, where: str, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**53:
        _refuse(f"predicate.{where}", f"an integer from {least}", value)
    return value


def _one_of(value: Any, where: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        _refuse(f"predicate.{where}", " or ".join(allowed), value)
    return str(value)


def _channel(value: Any) -> Channel:
    try:
        return Channel.parse(value if isinstance(value, str) else "")
    except ValueError as error:
        where = "payload: predicate.targetChannel"
        raise Malformed(Finding.of(Code.PATCH_STATEMENT, where, reason=error)) from None


def _sha256(value: Any, where: str) -> Sha256:
    try:
        return Sha256(value)
    except (ValueError, TypeError):
        _refuse(where, "64 lowercase hex digits", value)


def _refuse(where: str, expected: str, found: object) -> NoReturn:
    raise Malformed(Finding.of(Code.PATCH_STATEMENT, f"payload: {where}", expected=expected, found=f"{found!r:.200}"))
