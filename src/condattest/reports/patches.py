"""Generations of patches, their history and their blame, as JSON documents and for people.

Owns one function per result of each kind.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from condattest.formats.patch_files import Value
from condattest.model.artifact import PackageFile
from condattest.operations.patch_attest import Made
from condattest.operations.patch_blame import Blame, Line, Touch
from condattest.operations.patch_chain import Generation
from condattest.operations.patch_cosign import Cosigned
from condattest.operations.patch_log import Step
from condattest.operations.patch_verify import Checked
from condattest.reports import documents, terminal
from condattest.reports import patch_statements as statements
from condattest.reports.plain import plain


def generation(value: Generation) -> dict[str, Any]:
    """A generation: what its statement says, and who vouches for it since when."""
    said = value.said
    return {
        "generation": said.generation,
        "channel": said.target_channel.url,
        "subdir": said.subdir,
        "role": said.role,
        "payloadSha256": value.payload,
        "previous": said.previous,
        "time": {"at": documents.time(value.time.at), "source": value.time.source, "authority": value.time.authority},
        "engine": {"name": plain(said.engine), "version": plain(said.engine_version)},
        "asBuilt": said.as_built,
        "source": statements.source(said.source),
        "inputs": [statements.input_(each) for each in said.inputs],
        "instructions": said.instructions,
        "counts": dict(said.counts),
        "unattributed": statements.unattributed(said.unattributed),
        "evidence": [documents.evidence(each) for each in value.evidence],
    }


def made(values: Sequence[Made]) -> dict[str, Any]:
    """What `patch attest` did, for each subdir."""
    results = [
        {
            "new": each.new,
            "changed": sorted(f"{section}/{file}" for section, file in each.changed),
            "written": list(each.written),
            "signers": {"found": len(each.generation.evidence), "wanted": each.wanted},
            **generation(each.generation),
        }
        for each in values
    ]
    return {"totals": {"subdirs": len(values), "new": sum(each.new for each in values)}, "results": results}


def show_made(console: Console, values: Sequence[Made]) -> None:
    """Print what `patch attest` did."""
    for each in values:
        said = each.generation.said
        if not each.new:
            console.print(Text(f"{said.subdir}: nothing changed since generation {said.generation}"))
            statements.show_unattributed(console, each.unattributed)
            continue
        counts = said.counts
        console.print(
            Text(
                f"{said.subdir}: generation {said.generation} signed, {_when(each.generation)}: "
                f"{_many(counts['changed'], 'record')} changed; "
                f"{counts['patched']} patched and {counts['removed']} removed of {counts['records']}"
            )
        )
        statements.show_unattributed(console, each.unattributed)
        _show_missing(console, each.generation, each.wanted)


def cosigned(values: Sequence[Cosigned]) -> dict[str, Any]:
    """What `patch cosign` did, for each subdir."""
    results = [
        {
            "new": each.new,
            "signers": {"found": len(each.generation.evidence), "wanted": each.wanted},
            "provedAsBuilt": each.proved,
            **generation(each.generation),
        }
        for each in values
    ]
    return {"totals": {"subdirs": len(values), "new": sum(each.new for each in values)}, "results": results}


def show_cosigned(console: Console, values: Sequence[Cosigned]) -> None:
    """Print what `patch cosign` did."""
    for each in values:
        said = each.generation.said
        outcome = "cosigned" if each.new else "was signed by this signer already"
        console.print(Text(f"{said.subdir}: generation {said.generation} {outcome}: {_signers(each.generation)}"))
        if not each.proved:
            text = "  records as built were believed of the index, not proved by archives: this signer vouches for that"
            console.print(Text(text, style="yellow"))
        _show_missing(console, each.generation, each.wanted)


def _show_missing(console: Console, value: Generation, wanted: int) -> None:
    """Say how many signers are missing, which readers would reject."""
    found = len(value.evidence)
    if found < wanted:
        text = (
            f"  {found} of {wanted} signers: head.json does not name it until another one runs condattest patch cosign"
        )
        console.print(Text(text, style="yellow"))


def steps(values: Sequence[Step]) -> dict[str, Any]:
    """The history, newest first."""
    results = [
        {
            "number": each.number,
            "generation": None if each.generation is None else generation(each.generation),
            "void": each.void,
            "findings": [documents.finding(finding) for finding in each.findings],
        }
        for each in values
    ]
    wrong = sum(bool(each.findings) for each in values)
    return {"totals": {"generations": len(values), "withFindings": wrong}, "results": results}


def show_steps(console: Console, values: Sequence[Step]) -> None:
    """Print the history, newest first."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("generation", "trusted time", "changed", "patched", "removed", "source", "signer"):
        table.add_column(heading, overflow="fold")
    for each in values:
        if each.generation is None:
            table.add_row(str(each.number), Text("revoked" if each.void else "not to be believed", "bold red"))
            continue
        counts = each.generation.said.counts
        table.add_row(
            str(each.number),
            Text(_when(each.generation) + (", revoked" if each.void else "")),
            str(counts["changed"]),
            str(counts["patched"]),
            str(counts["removed"]),
            Text(statements.shown_source(each.generation.said.source)),
            Text(_signers(each.generation)),
        )
    console.print(table)
    for each in values:
        if each.generation is not None and each.generation.said.unattributed is not None:
            console.print(Text(f"generation {each.number} was signed although something else was served:"))
            statements.show_unattributed(console, each.generation.said.unattributed)
    for each in values:
        for finding in each.findings:
            terminal.finding(console, finding)
    wrong = sum(bool(each.findings) for each in values)
    console.print(Text(f"{_many(len(values), 'generation')}: {wrong} with findings"))


def blame(value: Blame, subdir: str) -> dict[str, Any]:
    """Who changed a record."""
    return {
        "subdir": subdir,
        "file": str(value.file),
        "sha256": value.sha256,
        "newest": value.newest.said.generation,
        "served": value.served,
        "removed": value.served is None,
        "generations": [generation(each) for each in value.generations],
        "keys": [
            {
                "key": plain(line.key),
                "asBuilt": _json(line.as_built),
                "served": _json(line.served),
                "generation": line.last.generation.said.generation,
                "history": [_touch(touch) for touch in line.touches],
            }
            for line in value.lines
        ],
        "findings": [documents.finding(finding) for finding in value.findings],
    }


def not_blamed(file: PackageFile, subdir: str) -> dict[str, Any]:
    """The same of a record that no generation ever changed."""
    unknown = dict.fromkeys(("sha256", "newest", "served"))
    return {
        "subdir": subdir,
        "file": str(file),
        **unknown,
        "removed": False,
        "generations": [],
        "keys": [],
        "findings": [],
    }


def _touch(touch: Touch) -> dict[str, Any]:
    return {"generation": touch.generation.said.generation, "from": _json(touch.old), "to": _json(touch.new)}


def _json(value: Value | None) -> dict[str, Any]:
    """A value that may be absent, which is not the same as null."""
    return {"present": False, "value": None} if value is None else {"present": True, "value": value.json}


def show_blame(console: Console, value: Blame, *, history: bool) -> None:
    """Print who changed a record, key by key; with `history`, every change and not only the last."""
    state = "removed" if value.served is None else f"record {value.served[:12]}"
    console.print(Text(f"{value.file}: {state}, as of generation {value.newest.said.generation}"))
    for line in value.lines:
        console.print(Text(f"  {plain(line.key)}", style="bold"))
        _change(console, line, line.touches if history else line.touches[-1:])
    if not value.lines and value.generations:
        console.print(Text("  no key differs from the record as built"))
    if value.served is None and value.generations:
        console.print(Text("  removed by"))
        _by(console, value.generations[-1])
    for finding in value.findings:
        terminal.finding(console, finding)


def _change(console: Console, line: Line, touches: Sequence[Touch]) -> None:
    for touch in touches:
        old = touch.old if len(touches) > 1 else line.as_built
        console.print(Text.assemble(("    - ", "red"), _shown(old)))
        console.print(Text.assemble(("    + ", "green"), _shown(touch.new)))
        _by(console, touch.generation)


def _by(console: Console, value: Generation) -> None:
    console.print(Text(f"      generation {value.said.generation}, {_when(value)}, by {_signers(value)}", style="dim"))
    if value.said.source is not None:
        console.print(Text(f"      from {statements.shown_source(value.said.source)}", style="dim"))


def _shown(value: Value | None) -> str:
    if value is None:
        return "(absent)"
    return plain(json.dumps(value.json, ensure_ascii=False))


def checked(values: Sequence[Checked]) -> dict[str, Any]:
    """What `patch verify` found, for each subdir."""
    results = [
        {
            "records": each.records,
            "newest": generation(each.newest),
            "asBuilt": None if each.proofs is None else _proofs(each),
            "findings": [documents.finding(finding) for finding in each.findings],
        }
        for each in values
    ]
    findings = sum(len(each.findings) for each in values)
    return {"totals": {"subdirs": len(values), "findings": findings}, "results": results}


def _proofs(value: Checked) -> dict[str, Any]:
    """Of each record as built that an archive was to prove, whether one did."""
    records = [
        {
            "record": "/".join(each.place),
            "proved": each.proved,
            "reason": plain(each.reason) or (None if each.finding is None else str(each.finding.code)),
        }
        for each in value.proofs or ()
    ]
    return {"totals": {"records": len(records), "proved": value.proved}, "records": records}


def show_checked(console: Console, values: Sequence[Checked]) -> None:
    """Print what `patch verify` found."""
    for each in values:
        said = each.newest.said
        outcome = _many(len(each.findings), "finding") if each.findings else "all of it is attested"
        records = _many(each.records, "record")
        console.print(Text(f"{said.subdir}: generation {said.generation}, {_when(each.newest)}, {records}: {outcome}"))
        if each.proofs:
            count = _many(len(each.proofs), "record")
            console.print(Text(f"  as built: archives proved {each.proved} of {count} ever patched or named"))
        for finding in each.findings:
            terminal.finding(console, finding)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _when(value: Generation) -> str:
    return f"{_second(value.time.at)} ({value.time.source})"


def _second(at: datetime) -> str:
    return documents.time(at.astimezone(UTC).replace(microsecond=0))


def _signers(value: Generation) -> str:
    return ", ".join(dict.fromkeys(plain(each.signer) for each in value.evidence))
