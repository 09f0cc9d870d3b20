"""What was published, indexed and mirrored, as JSON documents and for people.

Owns one function per result of each kind, as `documents` and `terminal` do for verdicts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from condattest.model.finding import Finding
from condattest.operations.admission import Offer
from condattest.operations.index import SubdirReport
from condattest.operations.mirror import Mirrored
from condattest.operations.publish import Published
from condattest.operations.publish_plan import Plan
from condattest.reports import documents, terminal
from condattest.reports.plain import exact, plain


def plans(values: Sequence[Plan]) -> dict[str, Any]:
    """What is to be published, or why it cannot be."""
    results = [
        {
            **_place(each),
            "upload": not each.present,
            "replaces": each.replaces,
            "revoke": _revoke(each),
            "lacking": each.lacking,
            "bundles": [offer(value) for value in each.offers],
            "findings": [documents.finding(finding) for finding in each.findings],
        }
        for each in values
    ]
    refused = sum(bool(each.findings) for each in values)
    return {"totals": {"packages": len(values), "refused": refused}, "results": results}


def _revoke(each: Plan) -> dict[str, Any] | None:
    """What policies have to revoke after a package was replaced, as digests and as TOML."""
    return {"sha256": list(each.former), "toml": revocation([each])} if each.former else None


def revocation(values: Sequence[Plan]) -> str:
    """The lines that revoke, in a policy, whatever the packages took the place of."""
    digests = dict.fromkeys(digest for each in values for digest in each.former)
    return "[revoked]\nsha256 = [" + ", ".join(f'"{digest}"' for digest in digests) + "]"


def _show_revocation(console: Console, values: Sequence[Plan]) -> None:
    if any(each.former for each in values):
        console.print(Text("what was attested of the bytes before stays valid; policies have to say:"))
        console.print(Text(revocation(values)), soft_wrap=True)


def _place(each: Plan) -> dict[str, Any]:
    return {"package": exact(each.target), "path": each.path, "sha256": each.artifact.sha256}


def offer(value: Offer) -> dict[str, Any]:
    """A bundle that is offered: what it proves, or why it is refused."""
    refused = value.outcome if isinstance(value.outcome, Finding) else None
    admitted = None if isinstance(value.outcome, Finding) else value.outcome
    return {
        "place": exact(value.place),
        "predicateType": None if admitted is None else plain(admitted.predicate_type),
        "evidence": None if admitted is None else documents.evidence(admitted.evidence),
        "refused": None if refused is None else documents.finding(refused),
    }


def published(values: Sequence[Published], changed: Mapping[str, int]) -> dict[str, Any]:
    """What became of each package, and of the index."""
    results = [
        {
            **_place(each.plan),
            "uploaded": each.uploaded,
            "sidecar": each.sidecar,
            "appended": each.appended,
            "alreadyThere": len(each.plan.offers) - each.appended,
            "indexed": each.listed,
            "stale": each.stale,
            "replaced": each.plan.replaces if each.uploaded else None,
            "revoke": _revoke(each.plan),
            "bundles": [offer(value) for value in each.plan.offers],
            "error": None if each.problem is None else documents.error(each.problem),
        }
        for each in values
    ]
    return {"totals": _totals(values), "index": dict(changed), "results": results}


def _totals(values: Sequence[Published]) -> dict[str, int]:
    done = [each for each in values if each.problem is None]
    return {
        "packages": len(values),
        "published": len(done),
        "failed": len(values) - len(done),
        "uploaded": sum(each.uploaded for each in values),
        "appended": sum(each.appended for each in values),
        "alreadyThere": sum(len(each.plan.offers) - each.appended for each in done),
        "notIndexed": sum(not each.listed for each in done),
    }


def show_plans(console: Console, values: Sequence[Plan]) -> None:
    """Print what is to be published, and what stands against it."""
    table = _table("package", "goes to", "package file", "bundles to append", "already there", "signer")
    for each in values:
        table.add_row(
            Text(plain(each.target)),
            Text(each.path),
            "already there" if each.present else "to upload" if each.replaces is None else "to replace",
            str(each.lacking),
            str(len(each.offers) - each.lacking) if not each.findings else "-",
            Text(_signers(each)),
        )
    console.print(table)
    for each in values:
        if each.findings:
            console.print(Text(plain(each.target), style="bold"))
        for finding in each.findings:
            terminal.finding(console, finding)
    refused = sum(bool(each.findings) for each in values)
    if not refused:
        _show_revocation(console, values)
    console.print(Text(f"{_count(len(values), 'package')}: {len(values) - refused} to publish, {refused} refused"))


def _signers(each: Plan) -> str:
    signers = (value.outcome.evidence.signer for value in each.offers if not isinstance(value.outcome, Finding))
    return ", ".join(dict.fromkeys(plain(signer) for signer in signers)) or "-"


def show_published(console: Console, values: Sequence[Published], changed: Mapping[str, int]) -> None:
    """Print what became of each package, and of the index."""
    table = _table("package", "package file", "bundles", "sidecar", "index")
    for each in values:
        if each.problem is not None:
            continue
        there = len(each.plan.offers) - each.appended
        table.add_row(
            Text(each.plan.path),
            _upload(each),
            f"{each.appended} appended, {there} already there",
            Text(each.sidecar or "-"),
            "names it" if each.listed else "lists other bytes" if each.stale else "does not list the package",
        )
    if table.row_count:
        console.print(table)
    for each in values:
        if each.problem is not None:
            terminal.problem(console, f"{each.plan.target}: {each.problem}", each.problem.hint)
    for path, count in changed.items():
        console.print(Text(f"  {path}: {_count(count, 'record')} changed"))
    _show_revocation(console, [each.plan for each in values if each.uploaded or each.problem is None])
    totals = _totals(values)
    console.print(
        Text(
            f"{_count(totals['packages'], 'package')}: {totals['published']} published, {totals['failed']} failed; "
            f"{_count(totals['uploaded'], 'file')} uploaded, {_count(totals['appended'], 'bundle')} appended, "
            f"{totals['alreadyThere']} already there"
        )
    )


def _upload(each: Published) -> str:
    if not each.uploaded:
        return "already there"
    return "uploaded" if each.plan.replaces is None else "replaced"


def indexed(values: Sequence[SubdirReport]) -> dict[str, Any]:
    """What `index` did, or what `index --check` found."""
    results = [
        {
            "subdir": each.subdir,
            "sidecars": each.sidecars,
            "changed": each.changed,
            "written": list(each.written),
            "mended": [documents.finding(finding) for finding in each.mended],
            "findings": [documents.finding(finding) for finding in each.findings],
        }
        for each in values
    ]
    totals = {
        "subdirs": len(values),
        "sidecars": sum(each.sidecars for each in values),
        "changed": sum(sum(each.changed.values()) for each in values),
        "mended": sum(len(each.mended) for each in values),
        "findings": sum(len(each.findings) for each in values),
    }
    return {"totals": totals, "results": results}


def show_indexed(console: Console, values: Sequence[SubdirReport], *, checked: bool) -> None:
    """Print what `index` did, or what `index --check` found."""
    columns = ("subdir", "sidecars", "findings") if checked else ("subdir", "sidecars", "changed", "mended", "findings")
    table = _table(*columns)
    for each in values:
        done = () if checked else (str(sum(each.changed.values())), str(len(each.mended)))
        table.add_row(each.subdir, str(each.sidecars), *done, str(len(each.findings)))
    console.print(table)
    for each in values:
        for path, count in each.changed.items():
            console.print(Text(f"  {path}: {_count(count, 'record' if path.endswith('.json') else 'entry')} changed"))
        for path in each.written:
            console.print(Text(f"  {path}: written"))
        for finding in each.findings:
            terminal.finding(console, finding)
    wrong = sum(len(each.findings) for each in values)
    text = "index and sidecars are in line" if not wrong else f"{_count(wrong, 'finding')}"
    console.print(Text(f"{_count(len(values), 'subdir')}: {text}"))


def mirrored(values: Sequence[Mirrored]) -> dict[str, Any]:
    """What was copied from channel to channel."""
    results = [
        {
            "path": f"{each.subdir}/{each.file}",
            "copied": each.copied,
            "uploaded": each.uploaded,
            "sidecar": each.sidecar,
            "appended": each.appended,
            "findings": [documents.finding(finding) for finding in (*each.findings, *each.notes)],
            "error": None if each.problem is None else documents.error(each.problem),
        }
        for each in values
    ]
    return {"totals": _mirror_totals(values), "results": results}


def _mirror_totals(values: Sequence[Mirrored]) -> dict[str, int]:
    return {
        "packages": len(values),
        "copied": sum(each.copied for each in values),
        "refused": sum(bool(each.findings) for each in values),
        "failed": sum(each.problem is not None for each in values),
        "uploaded": sum(each.uploaded for each in values),
        "attested": sum(each.copied and each.sidecar is not None for each in values),
    }


def show_mirrored(console: Console, values: Sequence[Mirrored], *, verbose: bool) -> None:
    """Print what was copied from channel to channel; notes of what was copied only when `verbose`."""
    for each in values:
        told = [*each.findings, *(each.notes if verbose else ())]
        if told:
            console.print(Text(f"{each.subdir}/{each.file}", style="bold"))
        for finding in told:
            terminal.finding(console, finding)
        if each.problem is not None:
            terminal.problem(console, f"{each.subdir}/{each.file}: {each.problem}", each.problem.hint)
    totals = _mirror_totals(values)
    console.print(
        Text(
            f"{_count(totals['packages'], 'package')}: {totals['copied']} copied ({totals['attested']} with "
            f"attestations, {totals['uploaded']} new), {totals['refused']} refused, {totals['failed']} failed"
        )
    )


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _count(number: int, noun: str) -> str:
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number} {noun if number == 1 else plural}"
