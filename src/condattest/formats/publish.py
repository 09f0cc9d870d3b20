"""CEP 27's publish attestation: "this file was published to that channel".

Owns the predicate type, `Publish`, `statement`, `parse` and `of_plain`. Refuses any other form: one subject with
one digest, `sha256`; a predicate that is absent, null or holds `targetChannel` alone, which must be a canonical
channel URL.
An absent subject name is passed on, since it is the binding that fails then.

    {"_type": "https://in-toto.io/Statement/v1",
     "subject": [{"name": "<file name>", "digest": {"sha256": "<64 lowercase hex>"}}],
     "predicateType": "https://schemas.conda.org/attestations-publish-1.schema.json",
     "predicate": {"targetChannel": "https://prefix.dev/my-channel"}}

Spec: https://github.com/conda/ceps/blob/main/cep-0027.md
"""

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from condattest.errors import Malformed
from condattest.formats.statement import MAX_PAYLOAD, PAYLOAD_TYPE, STATEMENT_TYPE, Statement, Subject
from condattest.model.artifact import Artifact, Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding

PREDICATE_TYPE: Final = "https://schemas.conda.org/attestations-publish-1.schema.json"
_TARGET = "targetChannel"


@dataclass(frozen=True, slots=True)
class Publish:
    """What a publish attestation says: a file name (None where it is absent), a digest, and perhaps a channel."""

    name: str | None
    sha256: Sha256
    target_channel: Channel | None


def statement(artifact: Artifact, channel: Channel | None) -> Statement:
    """Make the statement that `artifact` is published to `channel`; None leaves the predicate out."""
    subject = Subject(str(artifact.file), {"sha256": str(artifact.sha256)})
    return Statement((subject,), PREDICATE_TYPE, None if channel is None else {_TARGET: channel.url})


def claims_to_be(predicate_type: str) -> bool:
    """Whether a predicate type is CEP 27's or begins with its URI; the latter is refused by `parse`, not ignored."""
    return predicate_type.startswith(PREDICATE_TYPE)


def parse(statement: Statement) -> Publish:
    """Read a statement as a publish attestation.

    Raises:
        Malformed: STMT-PREDICATE, STMT-SUBJECT or STMT-TARGET-CHANNEL.
    """
    # (1) The predicate type, whole.
    if statement.predicate_type != PREDICATE_TYPE:
        raise _malformed(Code.STMT_PREDICATE, "predicateType", PREDICATE_TYPE, statement.predicate_type)
    # (2) One subject with one digest.
    if len(statement.subjects) != 1:
        raise _malformed(Code.STMT_SUBJECT, "subject", "exactly one subject", f"{len(statement.subjects)} subjects")
    subject = statement.subjects[0]
    if set(subject.digest) != {"sha256"}:
        raise _malformed(Code.STMT_SUBJECT, "subject[0].digest", "sha256 alone", ", ".join(sorted(subject.digest)))
    try:
        sha256 = Sha256(subject.digest["sha256"])
    except ValueError:
        raise _malformed(
            Code.STMT_SUBJECT, "subject[0].digest.sha256", "64 lowercase hex digits", subject.digest["sha256"]
        ) from None
    # (3) The predicate: nothing, or the channel.
    predicate = statement.predicate
    if predicate is None:
        return Publish(subject.name, sha256, None)
    if set(predicate) - {_TARGET}:
        raise _malformed(Code.STMT_PREDICATE, "predicate", f"{_TARGET} alone", ", ".join(sorted(predicate)))
    target = predicate.get(_TARGET)
    if target is None:
        return Publish(subject.name, sha256, None)
    if not isinstance(target, str):
        raise _malformed(Code.STMT_TARGET_CHANNEL, f"predicate.{_TARGET}", "a URL", type(target).__name__)
    try:
        channel = Channel.parse(target)
    except ValueError as error:
        raise Malformed(Finding.of(Code.STMT_TARGET_CHANNEL, f"payload: predicate.{_TARGET}", reason=error)) from None
    return Publish(subject.name, sha256, channel)


def of_plain(payload_type: str, payload: bytes) -> Publish | None:
    """Read a publish attestation that is laid out just as above, on one line without spaces: nearly all are.

    If the bytes are what an encoder makes of what was read, then nothing else stands in them: no other key, no key
    twice, no second spelling. So there is nothing that `statement.parse` and `parse` could object to or read otherwise.

    Returns:
        What they would return; None where it is for them to read, or to refuse.
    """
    # As in `strict_json`, msgspec is not imported for the few statements of a short command.
    if "msgspec" not in sys.modules or payload_type != PAYLOAD_TYPE or len(payload) > MAX_PAYLOAD:
        return None
    decode, encode = _plain()
    try:
        read = decode(payload)
        if encode(read) != payload:
            return None
        subject = read.subject[0]
        return Publish(subject.name, Sha256(subject.digest.sha256), Channel.parse(read.predicate.target))
    except (ValueError, RecursionError):
        return None


@functools.cache
def _plain() -> tuple[Callable[[bytes], Any], Callable[[Any], bytes]]:
    """What reads and writes a statement of just that layout."""
    import msgspec

    digest = msgspec.defstruct("Digest", [("sha256", str)], gc=False)
    subject = msgspec.defstruct("Subject", [("name", str), ("digest", digest)], gc=False)
    predicate = msgspec.defstruct("Predicate", [("target", str, msgspec.field(name=_TARGET))], gc=False)
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        ("kind", Literal[STATEMENT_TYPE], msgspec.field(name="_type")),
        ("subject", tuple[subject]),  # type: ignore[valid-type]
        ("predicate_type", Literal[PREDICATE_TYPE], msgspec.field(name="predicateType")),
        ("predicate", predicate),
    ]
    plain = msgspec.defstruct("Plain", fields, gc=False)
    return msgspec.json.Decoder(plain).decode, msgspec.json.Encoder().encode


def _malformed(code: Code, where: str, expected: str, found: str) -> Malformed:
    return Malformed(Finding.of(code, f"payload: {where}", expected=expected, found=f"{found:.300}"))
