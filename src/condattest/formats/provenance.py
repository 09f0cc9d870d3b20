"""SLSA provenance v1, read-only: which builder built it, from which source.

Owns `Provenance`. Takes the two well-known layouts of `externalParameters` that say the source: GitHub's workflow
build type (`workflow.repository`, `workflow.ref`) and the generic `source` / `resolvedDependencies[].uri`. What it
cannot find is None, and a rule that demands it is then not met.

Spec: https://slsa.dev/spec/v1.0/provenance
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from condattest.errors import Malformed
from condattest.formats.statement import Statement, Subject
from condattest.model.finding import Code, Finding

PREDICATE_TYPE: Final = "https://slsa.dev/provenance/v1"
# An @ before the path belongs to user info, as in ssh://git@host/path; the first one after it begins the ref.
_SOURCE = re.compile(r"(?P<url>(?:[^/@]*//[^/]*)?[^@]*)(?:@(?P<ref>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Provenance:
    """What an SLSA provenance says.

    `source` is the repository's URL without `git+` and without a ref, `source_ref` its ref where one is stated.
    """

    subjects: tuple[Subject, ...]
    build_type: str
    builder_id: str
    source: str | None
    source_ref: str | None
    invocation_id: str | None


def parse(statement: Statement) -> Provenance:
    """Read a statement as SLSA provenance v1.

    Raises:
        Malformed: STMT-PREDICATE where a required field is missing or badly typed.
    """
    if statement.predicate_type != PREDICATE_TYPE:
        raise _malformed("predicateType", PREDICATE_TYPE, statement.predicate_type)
    predicate = statement.predicate or {}
    definition = _object(predicate, "buildDefinition", "predicate")
    details = _object(predicate, "runDetails", "predicate")
    builder = _object(details, "builder", "predicate.runDetails")
    source, ref = _source(definition)
    return Provenance(
        subjects=statement.subjects,
        build_type=_text(definition, "buildType", "predicate.buildDefinition"),
        builder_id=_text(builder, "id", "predicate.runDetails.builder"),
        source=source,
        source_ref=ref,
        invocation_id=_text_at(details, "metadata", "invocationId"),
    )


def _source(definition: Mapping[str, Any]) -> tuple[str | None, str | None]:
    external = definition.get("externalParameters")
    if isinstance(external, dict):
        repository = _text_at(external, "workflow", "repository")
        if repository is not None:
            return repository, _text_at(external, "workflow", "ref")
        if isinstance(external.get("source"), str):
            return _split(external["source"])
    dependencies = definition.get("resolvedDependencies")
    if isinstance(dependencies, list) and dependencies and isinstance(dependencies[0], dict):
        uri = dependencies[0].get("uri")
        if isinstance(uri, str):
            return _split(uri)
    return None, None


def _split(uri: str) -> tuple[str, str | None]:
    match = _SOURCE.fullmatch(uri.removeprefix("git+"))
    if match is None:
        return uri, None
    return match["url"].removesuffix(".git"), match["ref"] or None


def _object(parent: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = parent.get(key)
    if not isinstance(value, dict):
        raise _malformed(f"{where}.{key}", "an object", value)
    return value


def _text(parent: Mapping[str, Any], key: str, where: str) -> str:
    value = parent.get(key)
    if not isinstance(value, str) or not value:
        raise _malformed(f"{where}.{key}", "a string", value)
    return value


def _text_at(parent: Mapping[str, Any], key: str, inner: str) -> str | None:
    value = parent.get(key)
    text = value.get(inner) if isinstance(value, dict) else None
    return text if isinstance(text, str) else None


def _malformed(where: str, expected: str, found: object) -> Malformed:
    return Malformed(Finding.of(Code.STMT_PREDICATE, f"payload: {where}", expected=expected, found=f"{found!r:.200}"))
