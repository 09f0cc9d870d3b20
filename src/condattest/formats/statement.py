"""in-toto Statement v1: which subjects, which predicate.

Owns `Statement` and `Subject`; the only importer of in_toto_attestation. Refuses any other `_type` or payload type.
Unknown keys are passed over, as in-toto's parsing rules demand; what a predicate may hold is its own module's question.

    {"_type": "https://in-toto.io/Statement/v1",
     "subject": [{"name": "zlib-1.2.11-h7b6447c_3.conda", "digest": {"sha256": "<64 hex>"}}],
     "predicateType": "<URI>", "predicate": {...}}

Spec: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from condattest.errors import Malformed
from condattest.formats import strict_json
from condattest.model.finding import Code, Finding

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
MAX_PAYLOAD: Final = 1024 * 1024
"""Bytes of a payload; SLSA provenance of large builds takes some 100 KiB."""
_WHERE = "payload"


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject: a name, which may be absent, and its digests by algorithm."""

    name: str | None
    digest: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as signed: its subjects (at least one), its predicate type, and its predicate or None."""

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, Any] | None


def parse(payload_type: str, payload: bytes) -> Statement:
    """Read a DSSE payload as an in-toto Statement v1.

    Raises:
        Malformed: STMT-TYPE, STMT-JSON, STMT-SUBJECT or STMT-PREDICATE.
    """
    # (1) Only the signed payload type says that the bytes are a statement at all.
    if payload_type != PAYLOAD_TYPE:
        raise _malformed(Code.STMT_TYPE, "payloadType", PAYLOAD_TYPE, payload_type)
    # (2) One reading of the bytes.
    document = strict_json.parse(payload, code=Code.STMT_JSON, where=_WHERE, limit=MAX_PAYLOAD)
    # (3) Of the version that we know.
    if not isinstance(document, dict):
        raise _malformed(Code.STMT_TYPE, "", "an object", type(document).__name__)
    if document.get("_type") != STATEMENT_TYPE:
        raise _malformed(Code.STMT_TYPE, "_type", STATEMENT_TYPE, document.get("_type"))
    # (4) The parts, each with its type.
    raw_subjects = document.get("subject")
    if not isinstance(raw_subjects, list) or not raw_subjects:
        raise _malformed(Code.STMT_SUBJECT, "subject", "a list of subjects", raw_subjects)
    subjects = tuple([_subject(raw, index) for index, raw in enumerate(raw_subjects)])
    predicate_type = document.get("predicateType")
    if not isinstance(predicate_type, str) or not predicate_type:
        raise _malformed(Code.STMT_PREDICATE, "predicateType", "a URI", predicate_type)
    predicate = document.get("predicate")
    if predicate is not None and not isinstance(predicate, dict):
        raise _malformed(Code.STMT_PREDICATE, "predicate", "an object or null", predicate)
    return Statement(subjects, predicate_type, predicate)


def _subject(raw: object, index: int) -> Subject:
    if not isinstance(raw, dict):
        raise _malformed(Code.STMT_SUBJECT, f"subject[{index}]", "an object", raw)
    name = raw.get("name")
    if name is not None and not isinstance(name, str):
        raise _malformed(Code.STMT_SUBJECT, f"subject[{index}].name", "a string", name)
    digest = raw.get("digest")
    if not isinstance(digest, dict) or not digest or not all([isinstance(value, str) for value in digest.values()]):
        raise _malformed(Code.STMT_SUBJECT, f"subject[{index}].digest", "an object of digests", digest)
    return Subject(name, digest)


def dump(statement: Statement) -> bytes:
    """Return the statement as compact UTF-8 JSON, in the order of the specification.

    in-toto's own message types judge it. They do not write it: a protobuf Struct keeps numbers as floats and has no
    order, and a signed text should be the same each time.

    Raises:
        ValueError: in-toto's validation refuses it.
    """
    # Imported here: protobuf costs start-up time that reading does not need.
    from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
    from in_toto_attestation.v1.statement import Statement as Message

    descriptors = []
    for subject in statement.subjects:
        descriptor = ResourceDescriptor(name=subject.name or "", digest=dict(subject.digest))
        descriptor.validate()
        descriptors.append(descriptor.pb)
    # It demands a predicate, and CEP 27 allows none: anything stands for it then.
    Message(descriptors, statement.predicate_type, dict(statement.predicate or {"": ""})).validate()
    subjects = [
        {**({} if each.name is None else {"name": each.name}), "digest": dict(each.digest)}
        for each in statement.subjects
    ]
    document: dict[str, Any] = {
        "_type": STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": statement.predicate_type,
    }
    if statement.predicate is not None:
        document["predicate"] = dict(statement.predicate)
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _malformed(code: Code, where: str, expected: str, found: object) -> Malformed:
    place = f"{_WHERE}: {where}" if where else _WHERE
    return Malformed(Finding.of(code, place, expected=expected, found=f"{found!r:.200}"))
