"""An audit as SARIF 2.1.0 (OASIS), which code scanning reads.

A result is one code of one package; findings of the same code there are counted in `occurrenceCount`. Its fingerprint
is made of code, subdir, file and sha256 alone, so that a result keeps its identity between audits. At most `RESULTS`
are written, worst first: a run of more is refused by the services that read it, and the run says what was left out.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, TextIO
from urllib.parse import quote

from condattest._version import __version__
from condattest.model.audit import Audit, check_of
from condattest.model.finding import Code, Severity
from condattest.reports import audit_words as words
from condattest.reports.audit_figures import Figures, Found, worst_findings
from condattest.reports.documents import time
from condattest.reports.plain import plain, short
from condattest.reports.sentences import advice, sentence

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
RESULTS: Final = 5_000
"""How many results a report has at the most."""
_MESSAGE: Final = 2_000
_LEVELS: Final = {
    Severity.ERROR: "error",
    Severity.UNKNOWN: "warning",
    Severity.WARNING: "warning",
    Severity.NOTE: "note",
}


def write(audit: Audit, out: TextIO) -> None:
    """Write the log: its results one by one, since five thousand of them are large."""
    figures, worst = worst_findings(audit, RESULTS, frozenset(Severity))
    results = _together(worst)
    codes = [code for code in Code if any(found[0].finding.code is code for found in results.values())]
    run = _run(audit, figures, codes, len(worst))
    head = json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1)
    # The run ends with its empty results, which are filled in here.
    start, end = head.rsplit('"results": []', 1)
    out.write(start + '"results": [')
    rules = {code: number for number, code in enumerate(codes)}
    for number, found in enumerate(results.values()):
        out.write((",\n" if number else "\n") + json.dumps(_result(found, rules)))
    out.write("\n]" + end + "\n")


def _together(worst: list[Found]) -> dict[tuple[str, ...], list[Found]]:
    """The findings by what makes a result: code and package, or code and place where there is no package."""
    results: dict[tuple[str, ...], list[Found]] = {}
    for found in worst:
        results.setdefault(_identity(found), []).append(found)
    return results


def _identity(found: Found) -> tuple[str, ...]:
    place = (found.subdir, found.file) if found.file else (found.subdir, found.finding.where)
    return found.finding.code.value, *place, found.sha256 or ""


def _run(audit: Audit, figures: Figures, codes: list[Code], shown: int) -> dict[str, Any]:
    return {
        "tool": {
            "driver": {
                "name": "condattest",
                "version": __version__,
                "semanticVersion": __version__,
                "informationUri": words.README,
                "rules": [_rule(code) for code in codes],
            }
        },
        "invocations": [
            {
                "executionSuccessful": audit.complete,
                "startTimeUtc": time(audit.started),
                "endTimeUtc": time(audit.finished),
                "toolExecutionNotifications": list(_notifications(audit, figures, shown)),
            }
        ],
        "automationDetails": {"id": f"condattest/audit/{quote(plain(audit.target), safe='')}/"},
        "columnKind": "unicodeCodePoints",
        "properties": {
            "target": plain(audit.target),
            "mode": audit.mode,
            "totals": {"packages": len(audit.results), **audit.totals},
        },
        "results": [],
    }


def _notifications(audit: Audit, figures: Figures, shown: int) -> Iterator[dict[str, Any]]:
    for caveat in words.caveats(audit):
        yield {"level": "warning", "message": {"text": caveat}}
    for check in audit.checks:
        if not check.ran:
            reason = short(check.reason, _MESSAGE) or "no reason was given"
            yield {"level": "warning", "message": {"text": f"The check {check.name} did not run: {reason}"}}
    left = figures.by_code.total() - shown
    if left > 0:
        text = f"{words.many(left, 'finding')} left out: a report has {RESULTS:,}, worst first. The others have all."
        yield {"level": "warning", "message": {"text": text}}


def _rule(code: Code) -> dict[str, Any]:
    help_uri = f"{words.README}#{code.anchor}"
    return {
        "id": code.value,
        "shortDescription": {"text": code.meaning},
        "fullDescription": {"text": f"{code.meaning}."},
        "help": {"text": f"{code.meaning}. {help_uri}"},
        "helpUri": help_uri,
        "defaultConfiguration": {"level": _LEVELS[code.severity]},
        "properties": {
            "tags": ["security", "supply-chain", check_of(code)],
            "problem.severity": "recommendation" if code.severity is Severity.NOTE else _LEVELS[code.severity],
            "precision": "very-high",
        },
    }


def _result(found: list[Found], rules: Mapping[Code, int]) -> dict[str, Any]:
    first = found[0]
    code = first.finding.code
    place = first.place or first.finding.where or "."
    next_step = advice(first.finding)
    message = f"{place}: {sentence(first.finding)}" if first.place else sentence(first.finding)
    return {
        "ruleId": code.value,
        "ruleIndex": rules[code],
        "level": _LEVELS[code.severity],
        "message": {"text": short(message, _MESSAGE) + (f". Next: {next_step}" if next_step else "")},
        "occurrenceCount": len(found),
        "locations": [
            {
                "physicalLocation": {
                    # Relative, and to nothing: code scanning refuses a base that is not the checked out folder.
                    "artifactLocation": {"uri": quote(plain(place).lstrip("/"), safe="/")},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": plain(place), "kind": "package"}],
            }
        ],
        "partialFingerprints": {"condattest/v1": _fingerprint(_identity(first))},
        "properties": {"severity": code.severity.value, "sha256": first.sha256, "check": check_of(code)},
    }


def _fingerprint(identity: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join(identity).encode("utf-8", "surrogatepass")).hexdigest()
