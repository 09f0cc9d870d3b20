"""`condattest inspect`: what a file says, unverified."""

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from condattest.cli.session import Session
from condattest.cli.settings import Command, Settings, pass_settings
from condattest.model.finding import Finding
from condattest.model.signer import Signer
from condattest.operations import inspect
from condattest.reports import documents
from condattest.reports.plain import exact, plain
from condattest.reports.sentences import sentence

BANNER = "NOT VERIFIED: this is what the file says; anybody can write it. condattest verify checks it."


@click.command(
    "inspect",
    cls=Command,
    examples=["condattest inspect PKG.conda.sigstore.json", "condattest inspect PKG.conda --json"],
)
@click.argument("file", type=click.Path(path_type=Path))
@pass_settings
def command(settings: Settings, /, file: Path) -> int:
    """Show what a bundle, a sidecar or a package says, without verifying any of it."""
    session = Session(settings)
    seen = inspect.look(file)
    parts = [_package(seen)] if isinstance(seen, inspect.PackageClaims) else [_bundle(each) for each in seen]
    content = documents.document("inspect", 0, verified=False, banner=BANNER, file=exact(file), contents=parts)

    def terminal(console: Console) -> None:
        console.print(Text(BANNER, style="bold yellow"))
        for part in parts:
            console.print(Text(plain(json.dumps(part, indent=2, ensure_ascii=False), lines=True)))

    session.render(content, terminal)
    return 0


def _package(seen: inspect.PackageClaims) -> dict[str, Any]:
    return {"kind": "package", "file": str(seen.file), "sha256": seen.sha256, "index": dict(seen.index)}


def _bundle(seen: inspect.BundleClaims) -> dict[str, Any]:
    said: dict[str, Any]
    if isinstance(seen.statement, Finding):
        said = {"malformed": sentence(seen.statement)}
    else:
        said = {
            "subject": [{"name": each.name, "digest": dict(each.digest)} for each in seen.statement.subjects],
            "predicateType": seen.statement.predicate_type,
            "predicate": seen.statement.predicate,
        }
    return {
        "kind": "bundle",
        "sha256": seen.sha256,
        "payloadType": seen.payload_type,
        "statement": said,
        "signer": _signer(seen.signer),
        "logEntry": seen.log_kind,
        "timeStampTokens": seen.tokens,
    }


def _signer(signer: Signer | Finding) -> dict[str, Any]:
    if isinstance(signer, Finding):
        return {"malformed": sentence(signer)}
    return {"identity": signer.san, "issuer": signer.issuer, "claims": signer.claims.present()}
