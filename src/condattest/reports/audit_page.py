"""Gather what an audit's page shows, as plain values with every foreign text made safe and cut.

Owns `page`: the context of the template, and the data that its script reads. What stands in it is bounded: `ROWS`
packages, worst first, `SIGNERS` signers, `GENERATIONS` generations of a subdir.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from condattest._version import __version__
from condattest.model.audit import STATUSES, Audit, Audited, Patched
from condattest.model.finding import Code, Finding
from condattest.reports import audit_charts as charts
from condattest.reports import audit_words as words
from condattest.reports.audit_figures import CHANGES, Figures, Found, named, rank, worst_packages
from condattest.reports.documents import time
from condattest.reports.plain import short
from condattest.reports.sentences import advice, sentence

ROWS: Final = 5_000
"""How many packages a page holds."""
STATIC: Final = 100
"""How many of them are in the page itself, and on one page of the table."""
SIGNERS: Final = 40
GENERATIONS: Final = 200
_LANES: Final = 16
_SUBDIRS: Final = 60
_FINDINGS: Final = 12
_SIGNATURES: Final = 4


def page(audit: Audit) -> dict[str, Any]:
    """Everything that the template shows; `data` is what goes to the script."""
    figures, worst = worst_packages(audit, ROWS)
    whole = len(audit.results)
    rows = [_row(package) for package in worst]
    codes = [_code(code, count) for code, count in figures.codes()]
    return {
        "version": __version__,
        "readme": words.README,
        "target": short(audit.target, words.LINE),
        "period": words.period(audit),
        "finished": _day(audit.finished),
        "policy": words.policy(audit),
        "caveats": words.caveats(audit),
        "summary": words.summary(audit),
        "statuses": [
            {
                "name": status,
                "word": words.status(status, audit),
                "mark": words.MARKS[status],
                "count": audit.totals.get(status, 0),
                "share": words.share(audit.totals.get(status, 0), whole),
            }
            for status in STATUSES
        ],
        "whole": whole,
        "signer_count": f"{len(figures.signers):,}{'+' if figures.other_signers else ''}",
        "coverage": charts.coverage(figures.weeks),
        "undated": {"counts": figures.undated, "whole": figures.undated.total()},
        "subdirs": _subdirs(figures),
        "more_subdirs": max(0, len(figures.by_subdir) - _SUBDIRS),
        "checks": [
            {
                "name": check.name,
                "ran": check.ran,
                "found": check.found,
                "result": words.check_result(check),
                "meaning": words.check_meaning(check),
                "reason": short(check.reason, words.LINE),
            }
            for check in audit.checks
        ],
        "codes": codes,
        "signers": _signers(figures),
        "more_signers": max(0, len(figures.signers) - SIGNERS),
        "changes": [_change(each) for each in figures.changes],
        "changes_whole": figures.by_code[Code.AUDIT_SIGNER_CHANGED],
        "changes_limit": CHANGES,
        **_patches(audit),
        "target_findings": [_told(each) for each in audit.findings[: 10 * _FINDINGS]],
        "more_target_findings": max(0, len(audit.findings) - 10 * _FINDINGS),
        "rows": rows[:STATIC],
        "held": len(rows),
        "static": STATIC,
        "data": {
            "rows": rows,
            "page": STATIC,
            "whole": whole,
            "statuses": {status: [words.MARKS[status], words.status(status, audit)] for status in STATUSES},
            "codes": {each["code"]: [each["severity"], each["anchor"], each["advice"]] for each in codes},
            "readme": words.README,
        },
    }


def _row(package: Audited) -> dict[str, Any]:
    """One package; findings are code and sentence."""
    worst_first = sorted(package.findings, key=lambda finding: rank(finding.code))
    signatures = sorted(package.signatures, key=lambda signature: signature.at)
    who = list(dict.fromkeys(named(signature.identity) for signature in signatures))
    return {
        "status": package.status,
        "subdir": short(package.subdir, 40),
        "file": short(package.file, words.LINE),
        "sha256": package.sha256 or "",
        "signers": who[:_SIGNATURES],
        "moreSigners": max(0, len(who) - _SIGNATURES),
        "signed": _minute(signatures[0].at) if signatures else "",
        "source": signatures[0].source if signatures else "",
        "uploaded": _minute(package.indexed_at) if package.indexed_at is not None else "",
        "rule": short(package.rule or "", 80),
        "findings": [[finding.code.value, _sentence(finding)] for finding in worst_first[:_FINDINGS]],
        "moreFindings": max(0, len(package.findings) - _FINDINGS),
    }


def _sentence(finding: Finding) -> str:
    return short(sentence(finding), 2 * words.LINE)


def _told(finding: Finding) -> dict[str, str]:
    return {"code": finding.code.value, "anchor": finding.code.anchor, "message": _sentence(finding)}


def _code(code: Code, count: int) -> dict[str, Any]:
    return {
        "code": code.value,
        "severity": code.severity.value,
        "anchor": code.anchor,
        "meaning": code.meaning,
        "advice": advice(Finding(code)) or "",
        "count": count,
    }


def _subdirs(figures: Figures) -> list[dict[str, Any]]:
    return [
        {
            "subdir": short(subdir, 40),
            "whole": counts.total(),
            "counts": counts,
            "shares": charts.shares(counts),
            "accepted": words.share(counts["accepted"], counts.total()),
        }
        for subdir, counts in sorted(figures.by_subdir.items())[:_SUBDIRS]
    ]


def _signers(figures: Figures) -> list[dict[str, Any]]:
    top = figures.top_signers(SIGNERS)
    most = max((each.packages for each in top), default=1)
    return [
        {
            "identity": each.identity,
            "issuer": each.issuer,
            "packages": each.packages,
            "first": _day(each.first),
            "last": _day(each.last),
            "width": round(charts.WIDTH * each.packages / most, 2),
        }
        for each in top
    ]


def _change(found: Found) -> dict[str, Any]:
    facts = found.finding.facts
    known = {"expected": "before", "found": "now"}
    return {
        "subdir": short(found.subdir, 40),
        "file": short(found.file, words.LINE),
        "facts": [(known.get(name, short(name, 40)), short(fact, words.LINE)) for name, fact in facts.items()],
    }


def _patches(audit: Audit) -> dict[str, Any]:
    lanes = dict.fromkeys([*(each.subdir for each in audit.patches), *audit.unexplained])
    shown = list(lanes)[:_LANES]
    unexplained = {subdir: count for subdir, count in audit.unexplained.items() if subdir in shown}
    patches = _newest([each for each in audit.patches if each.subdir in shown])
    return {
        "timeline": charts.timeline(patches, unexplained, GENERATIONS),
        "generations": [_generation(each) for each in patches],
        "more_generations": len(audit.patches) - len(patches),
        "unexplained": [(short(subdir, 40), count) for subdir, count in unexplained.items()],
    }


def _newest(patches: Sequence[Patched]) -> list[Patched]:
    """The newest `GENERATIONS` of each subdir; they come newest first."""
    counts: dict[str, int] = {}
    kept = []
    for each in patches:
        counts[each.subdir] = counts.get(each.subdir, 0) + 1
        if counts[each.subdir] <= GENERATIONS:
            kept.append(each)
    return kept


def _generation(patch: Patched) -> dict[str, Any]:
    return {
        "subdir": short(patch.subdir, 40),
        "number": patch.generation,
        "at": "" if patch.at is None else _minute(patch.at),
        "source": patch.source or "",
        "signer": short(patch.signer or "", words.LINE),
        "changed": patch.changed,
        "removed": patch.removed,
        "findings": [_told(each) for each in patch.findings[:_FINDINGS]],
    }


def _day(at: datetime) -> str:
    return time(at)[:10]


def _minute(at: datetime) -> str:
    return time(at)[:16].replace("T", " ")
