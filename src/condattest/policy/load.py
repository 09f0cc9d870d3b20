"""Read a policy's text: a `Policy`, or everything that is wrong with it at once.

Owns `parse`. TOML by `tomllib`; keys and types by `documents`; what they say together by `coherence`. Refuses what
either refuses, with `PolicyInvalid` and nothing else. There are no regular expressions in a policy, no includes, no
environment variables: what the file says is all that holds.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from condattest.errors import PolicyInvalid
from condattest.model.artifact import Sha256
from condattest.policy import coherence, documents, problems
from condattest.policy.documents import (
    EmailDocument,
    GenericDocument,
    GitHubDocument,
    GitLabDocument,
    PatchDocument,
    PolicyDocument,
    RuleDocument,
    SignerDocument,
    WindowDocument,
)
from condattest.policy.lines import Lines, locate
from condattest.policy.rules import (
    ALWAYS,
    INDEX_LAG,
    AllowedSigner,
    ChannelEntry,
    Checkpoint,
    EmailSigner,
    GenericSigner,
    GitHubSigner,
    GitLabSigner,
    PatchRule,
    Policy,
    Revoked,
    Rule,
    Window,
)

MAX_POLICY: Final = 64 * 1024 * 1024
"""Bytes of a policy; a baseline of half a million digests has 35 MB."""


def parse(data: bytes, *, where: str, now: datetime) -> Policy:
    """Read a policy.

    Args:
        data: The whole file.
        where: What to call it: its path.
        now: The time by which exceptions must not have run out; aware.

    Raises:
        PolicyInvalid: It is not a policy; `problems` holds everything that is wrong.
    """
    text, raw = _toml(data, where)
    found: list[problems.Problem] = []
    document: PolicyDocument | None = None
    try:
        document = PolicyDocument.model_validate(raw)
    except ValidationError as error:
        found.extend(problems.of_pydantic(error.errors(include_url=False), raw))
    found.extend(coherence.check(raw, now=now))
    if document is None or found:
        raise PolicyInvalid(where, _sentences(found, locate(text)))
    return _policy(document, where, Sha256(hashlib.sha256(data).hexdigest()))


def json_schema() -> dict[str, Any]:
    """The JSON schema of a policy, for editors."""
    return documents.json_schema()


def _toml(data: bytes, where: str) -> tuple[str, dict[str, Any]]:
    if len(data) > MAX_POLICY:
        raise PolicyInvalid(where, [f"expected at most {MAX_POLICY} bytes, found {len(data)}"])
    try:
        text = data.decode("utf-8")
        return text, tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"line {line}: expected UTF-8, found the byte 0x{data[error.start]:02x}"
    except RecursionError:
        problem = "expected TOML, found lists or tables that nest too deeply"
    except ValueError as error:
        # Beside its own error, tomllib lets through what `int` says of a number with thousands of digits.
        problem = f"expected TOML, found another text: {ascii(str(error)[:200])[1:-1]}"
    raise PolicyInvalid(where, [problem])


def _sentences(found: list[problems.Problem], lines: Lines) -> list[str]:
    placed = sorted(found, key=lambda problem: lines.of(problem.path) or 0)
    return list(dict.fromkeys(problem.sentence(lines) for problem in placed))


def _policy(document: PolicyDocument, where: str, sha256: Sha256) -> Policy:
    signers = {name: _signer(name, signer) for name, signer in document.signer.items()}
    return Policy(
        source=where,
        sha256=sha256,
        rules=tuple(_rule(number, rule, signers) for number, rule in enumerate(document.rule, start=1)),
        patches=tuple(_patch(number, patch, signers) for number, patch in enumerate(document.patch, start=1)),
        channels=tuple(
            ChannelEntry(url=entry.url, mirrors=tuple(entry.mirrors), target_channels=tuple(entry.target_channels))
            for entry in document.channel
        ),
        signers=tuple(signers.values()),
        revoked=Revoked(frozenset(document.revoked.sha256), frozenset(document.revoked.patch)),
    )


def _signer(name: str, document: SignerDocument) -> AllowedSigner:
    valid = _window(document.valid)
    match document:
        case GitHubDocument():
            return GitHubSigner(**_workflow_fields(name, document), valid=valid)
        case GitLabDocument():
            return GitLabSigner(**_workflow_fields(name, document), issuer=document.issuer, valid=valid)
        case EmailDocument():
            return EmailSigner(name=name, email=document.email, issuer=document.issuer, valid=valid)
        case GenericDocument():
            return GenericSigner(name=name, san=document.san, issuer=document.issuer, valid=valid)


def _workflow_fields(name: str, document: GitHubDocument | GitLabDocument) -> dict[str, Any]:
    return {
        "name": name,
        "repository": document.repository,
        "repository_id": _digits(document.repository_id),
        "owner_id": _digits(document.owner_id),
        "workflow": document.workflow,
        "ref": document.ref,
        "triggers": tuple(document.triggers),
        "runner": document.runner,
        "environment": document.environment,
        "build_signer": document.build_signer,
    }


def _digits(number: int | None) -> str | None:
    return None if number is None else str(number)


def _window(document: WindowDocument | None) -> Window:
    return ALWAYS if document is None else Window(document.from_, document.until)


def _rule(number: int, document: RuleDocument, signers: Mapping[str, AllowedSigner]) -> Rule:
    return Rule(
        name=f"rule {number}: channel {document.channel} package {document.package}",
        channel=document.channel,
        package=document.package,
        signers=tuple(signers[name] for name in document.signers),
        threshold=document.threshold,
        min_age=document.min_age or timedelta(),
        action=document.action,
        reason=document.reason,
        expires=document.expires,
        baseline=frozenset(document.baseline or ()),
        target_channel=document.target_channel,
        attestations=tuple(document.attestations),
        builder=document.builder,
        trusted_root=document.trusted_root,
    )


def _patch(number: int, document: PatchDocument, signers: Mapping[str, AllowedSigner]) -> PatchRule:
    checkpoint = document.checkpoint
    return PatchRule(
        name=f"patch {number}: channel {document.channel} role {document.role}",
        channel=document.channel,
        signers=tuple(signers[name] for name in document.signers),
        threshold=document.threshold,
        max_age=document.max_age,
        role=document.role,
        min_age=document.min_age or timedelta(),
        index_lag=document.index_lag or INDEX_LAG,
        keys=frozenset(document.keys),
        provenance=document.provenance,
        checkpoint=None if checkpoint is None else Checkpoint(checkpoint.generation, checkpoint.payload),
        trusted_root=document.trusted_root,
    )
