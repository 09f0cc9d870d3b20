"""An audit as annotations of a GitHub Actions step, and its summary for the job.

    ::error title=CRYPTO%3A noarch/a-1.0-0.conda::the signature does not verify ...
    ::notice title=condattest audit::3 errors and 120 warnings more ...

Spec: GitHub's workflow commands. A step shows ten annotations of each level, so the worst are chosen and the rest is
counted in one notice. The escaping is GitHub's; a command is one line, whatever a package is called.
"""

from pathlib import Path
from typing import Final, TextIO

from condattest.errors import LocalFailure
from condattest.model.audit import Audit
from condattest.model.finding import Severity
from condattest.reports import audit_markdown
from condattest.reports import audit_words as words
from condattest.reports.audit_figures import Found, worst_findings
from condattest.reports.plain import short
from condattest.reports.sentences import advice, sentence

ANNOTATIONS: Final = 10
"""How many annotations of one level GitHub shows for a step."""
SUMMARY: Final = 1024 * 1024
"""How large a step's summary may be, in bytes; above that GitHub shows none of it."""
_TITLE: Final = 200
_MESSAGE: Final = 2_000
_LEVELS: Final = {Severity.ERROR: "error", Severity.UNKNOWN: "warning", Severity.WARNING: "warning"}


def write(audit: Audit, out: TextIO) -> None:
    """Write the annotations: what a step prints on stdout."""
    figures, errors = worst_findings(audit, ANNOTATIONS, {Severity.ERROR})
    _, warnings = worst_findings(audit, ANNOTATIONS, {Severity.UNKNOWN, Severity.WARNING})
    for found in (*errors, *warnings):
        out.write(_annotation(found))
    counts = dict.fromkeys(("error", "warning"), 0)
    for code, count in figures.by_code.items():
        if code.severity in _LEVELS:
            counts[_LEVELS[code.severity]] += count
    left = {"error": counts["error"] - len(errors), "warning": counts["warning"] - len(warnings)}
    told = [words.summary(audit) + ".", *words.caveats(audit)]
    if any(left.values()):
        more = " and ".join(words.many(count, f"more {level}") for level, count in left.items() if count)
        told.append(f"There are {more} than a step can show: the other reports have them.")
    out.write(command("notice", f"Audit of {short(audit.target, _TITLE)}", " ".join(told)))


def summarize(audit: Audit, path: Path) -> None:
    """Append the Markdown report to the file that `GITHUB_STEP_SUMMARY` names, unless that would make it too large.

    Raises:
        LocalFailure: The file cannot be written.
    """
    text = audit_markdown.text(audit) + "\n"
    try:
        size = path.stat().st_size if path.exists() else 0
        if size + len(text.encode()) > SUMMARY:
            text = f"{words.summary(audit)}. The report is left out: the summary has no room for it.\n"
        if size + len(text.encode()) <= SUMMARY:
            with path.open("a", encoding="utf-8", newline="\n") as summary:
                summary.write(text)
    except OSError as problem:
        raise LocalFailure(f"{path}: the summary cannot be written: {problem.strerror}") from problem


def command(level: str, title: str, message: str) -> str:
    """One workflow command, as a line."""
    return f"::{level} title={_property(title)}::{_data(message)}\n"


def _annotation(found: Found) -> str:
    code = found.finding.code
    title = short(f"{code.value}: {found.place}" if found.place else code.value, _TITLE)
    next_step = advice(found.finding)
    message = short(sentence(found.finding), _MESSAGE) + (f". Next: {next_step}" if next_step else "")
    return command(_LEVELS[code.severity], title, f"{message} ({words.README}#{code.anchor})")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
