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

A source that only the patch package states has `"annotations": {"statedBy": "package"}`. Beside the files of the
channel, inputs are the patch package and the attestations that lie beside it, with who signed them in `annotations`.
`unattributed` is there where the author signed although the channel serves something else (`patch_differences`).

Spec: ceps-drafts/cep-patch-provenance.md
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from condattest.errors import Malformed
from condattest.formats import patch_descriptors as descriptors
from condattest.formats import patch_differences
from condattest.formats.patch_descriptors import Input, Source
from condattest.formats.patch_differences import Unattributed
from condattest.formats.predicate_fields import fields, number, one_of, refuse, sha256, text
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
_REQUIRED: Final = frozenset(
    {"targetChannel", "subdir", "role", "generation", "previous", "engine", "asBuilt", "inputs", "counts"}
)
_KINDS: Final = {"map": ".map.json.zst", "delta": ".delta.json.zst", "log": ".log"}


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
        inputs: What the run read.
        counts: Of records: all, patched, removed, and changed by this generation.
        instructions: The digest of `patch_instructions.json`; None if there was none.
        map: The digest of the map's file.
        delta: The digest of the delta's file.
        log: The digest of the log's file.
        unattributed: Where the channel served something else than the replay gave, and the author signed all the same.
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
    inputs: tuple[Input, ...]
    counts: Mapping[str, int] = field(hash=False)
    instructions: Sha256 | None
    map: Sha256
    delta: Sha256
    log: Sha256
    unattributed: Unattributed | None = None


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
        predicate["source"] = said.source.json
    predicate["inputs"] = [each.json for each in said.inputs]
    predicate["counts"] = {name: said.counts[name] for name in COUNTS}
    if said.unattributed is not None:
        predicate["unattributed"] = said.unattributed.json
    return Statement(tuple(subjects), PREDICATE_TYPE, predicate)


def parse(statement: Statement) -> PatchStatement:
    """Read a statement as one of a generation.

    Raises:
        Malformed: PATCH-STATEMENT.
    """
    if statement.predicate_type != PREDICATE_TYPE:
        refuse("predicateType", PREDICATE_TYPE, statement.predicate_type)
    predicate = statement.predicate or {}
    if not set(predicate) >= _REQUIRED or set(predicate) - _REQUIRED - {"source", "unattributed"}:
        keys = f"the keys {', '.join(sorted(_REQUIRED))}, and perhaps source and unattributed"
        refuse("predicate", keys, sorted(predicate))
    subdir = text(predicate["subdir"], "subdir", _SUBDIR)
    generation = number(predicate["generation"], "generation", 1)
    previous = predicate["previous"]
    if (previous is None) != (generation == 1):
        refuse("predicate.previous", "null for generation 1 and a digest for every other", previous)
    engine = fields(predicate["engine"], "engine", {"name", "version"})
    counts = fields(predicate["counts"], "counts", set(COUNTS))
    return PatchStatement(
        target_channel=_channel(predicate["targetChannel"]),
        subdir=subdir,
        role=cast(Role, one_of(predicate["role"], "role", ("author", "observer"))),
        generation=generation,
        previous=None if previous is None else sha256(previous, "previous"),
        engine=text(engine["name"], "engine.name"),
        engine_version=text(engine["version"], "engine.version"),
        as_built=cast(AsBuilt, one_of(predicate["asBuilt"], "asBuilt", ("archive", "index"))),
        source=descriptors.parse_source(predicate["source"]) if "source" in predicate else None,
        inputs=descriptors.parse_inputs(predicate["inputs"]),
        counts={name: number(counts[name], f"counts.{name}", 0) for name in COUNTS},
        unattributed=patch_differences.parse(predicate["unattributed"]) if "unattributed" in predicate else None,
        **_subjects(statement.subjects, subdir),
    )


def _subjects(subjects: tuple[Subject, ...], subdir: str) -> dict[str, Any]:
    found: dict[str, Sha256 | None] = {"instructions": None}
    for subject in subjects:
        if set(subject.digest) != {"sha256"}:
            refuse("subject.digest", "sha256 alone", sorted(subject.digest))
        digest = sha256(subject.digest["sha256"], "subject.digest.sha256")
        expected = {f"{subdir}/patches/{digest}{suffix}": kind for kind, suffix in _KINDS.items()}
        expected[f"{subdir}/patch_instructions.json"] = "instructions"
        kind = expected.get(subject.name or "")
        if kind is None or found.get(kind) is not None:
            refuse("subject.name", "each file of the generation once, under its path", subject.name)
        found[kind] = digest
    if set(found) != {"instructions", *_KINDS}:
        refuse("subject", "the map, the delta and the log", sorted(found))
    return found


def _channel(value: Any) -> Channel:
    try:
        return Channel.parse(value if isinstance(value, str) else "")
    except ValueError as error:
        where = "payload: predicate.targetChannel"
        raise Malformed(Finding.of(Code.PATCH_STATEMENT, where, reason=error)) from None
