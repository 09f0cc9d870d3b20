"""Evidence made by hand: what `signatures.authenticate` would give, with no cryptography at all."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from condattest.formats import publish, statement
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.model.evidence import Evidence, VerifiedTime
from condattest.model.signer import GITHUB_ISSUER, Claims, Signer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SIGNED = NOW - timedelta(days=30)
CHANNEL = Channel("https://prefix.dev/github-releases")
OTHER = Channel("https://prefix.dev/other")
ROOT = Sha256("ab" * 32)


def artifact(name="zlib", version="1.3", digest=None) -> Artifact:
    file = PackageFile(name, version, "0", ".conda")
    return Artifact(file, digest or Sha256(hashlib.sha256(str(file).encode()).hexdigest()))


ZLIB = artifact()


def github(
    repository="hunger/octoconda",
    *,
    repository_id="1092908474",
    owner_id="48331",
    workflow=".github/workflows/octoconda.yaml",
    ref="refs/heads/main",
    trigger="schedule",
    reusable=None,
    **claims,
) -> Signer:
    """A GitHub Actions run; further claims by the names of `Claims`, None to leave one out."""
    uri = f"https://github.com/{repository}"
    config = f"{uri}/{workflow}@{ref}"
    said = {
        "build_signer_uri": reusable or config,
        "runner_environment": "github-hosted",
        "source_repository_uri": uri,
        "source_repository_ref": ref,
        "source_repository_id": repository_id,
        "source_repository_owner_uri": uri.rpartition("/")[0],
        "source_repository_owner_id": owner_id,
        "build_config_uri": config,
        "build_trigger": trigger,
    }
    return Signer(san=reusable or config, san_kind="uri", issuer=GITHUB_ISSUER, claims=Claims(**{**said, **claims}))


def gitlab(
    project="platform/packages/conda",
    *,
    host="https://gitlab.corp.example",
    config=".gitlab-ci.yml",
    ref="refs/heads/main",
    repository_id="4711",
    owner_id="815",
    trigger="push",
    runner="self-hosted",
    **claims,
) -> Signer:
    uri = f"{host}/{project}"
    san = f"{uri}//{config}@{ref}"
    said = {
        "build_signer_uri": san,
        "runner_environment": runner,
        "source_repository_uri": uri,
        "source_repository_ref": ref,
        "source_repository_id": repository_id,
        "source_repository_owner_id": owner_id,
        "build_config_uri": san,
        "build_trigger": trigger,
    }
    return Signer(san=san, san_kind="uri", issuer=host, claims=Claims(**{**said, **claims}))


def email(address="release@corp.example", issuer="https://login.corp.example") -> Signer:
    return Signer(san=address, san_kind="email", issuer=issuer)


def with_claims(signer: Signer, **claims) -> Signer:
    return replace(signer, claims=replace(signer.claims, **claims))


def signed(payload: bytes, signer: Signer, *, at=SIGNED, payload_type=statement.PAYLOAD_TYPE, root=ROOT) -> Evidence:
    digest = hashlib.sha256(payload + repr(signer).encode() + at.isoformat().encode()).hexdigest()
    return Evidence(
        payload_type=payload_type,
        payload=payload,
        signer=signer,
        times=(VerifiedTime(at, "tsa", "a time-stamp authority"),),
        log="a log",
        log_index=None,
        bundle_sha256=Sha256(digest),
        trust_root_sha256=root,
    )


def raw_statement(subjects, predicate_type=publish.PREDICATE_TYPE, predicate=None) -> bytes:
    document = {
        "_type": statement.STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": predicate_type,
        "predicate": predicate,
    }
    return json.dumps(document).encode()


def subject(of: Artifact) -> dict:
    return {"name": str(of.file), "digest": {"sha256": str(of.sha256)}}


def published(of: Artifact = ZLIB, channel: Channel | None = CHANNEL, signer: Signer | None = None, **rest) -> Evidence:
    """A CEP 27 attestation of `of` for `channel`."""
    predicate = None if channel is None else {"targetChannel": channel.url}
    return signed(raw_statement([subject(of)], predicate=predicate), signer or github(), **rest)


def built(
    of: Artifact = ZLIB,
    signer: Signer | None = None,
    *,
    builder="https://github.com/actions/runner/github-hosted",
    source="https://github.com/hunger/octoconda",
    subjects=None,
    **rest,
) -> Evidence:
    """An SLSA provenance of `of`."""
    predicate = {
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": {"workflow": {"repository": source, "ref": "refs/heads/main"}},
        },
        "runDetails": {"builder": {"id": builder}},
    }
    payload = raw_statement(subjects or [subject(of)], "https://slsa.dev/provenance/v1", predicate)
    return signed(payload, signer or github(), **rest)
