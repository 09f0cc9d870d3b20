"""An audit as Markdown, for a comment on a pull request or an issue, or the summary of a CI job.

Foreign text stands in `<code>` with every sign that Markdown could read written as a character reference, which
CommonMark never takes for structure: no table cell, link, mention or tag comes of it. The whole stays below 60,000
characters, since a comment on GitHub may have 65,536.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final, TextIO

from condattest.model.audit import STATUSES, Audit
from condattest.reports import audit_words as words
from condattest.reports.audit_figures import Figures, Found, worst_findings
from condattest.reports.documents import time
from condattest.reports.plain import short
from condattest.reports.sentences import advice, sentence

LIMIT: Final = 60_000
"""How many characters a report has at the most: each of its seven tables has `_ROOM`."""
FINDINGS: Final = 25
SIGNERS: Final = 10
GENERATIONS: Final = 10
SUBDIRS: Final = 40
_TEXT: Final = 160
_ROOM: Final = 8_000
_SAFE: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -/.=,")


def write(audit: Audit, out: TextIO) -> None:
    """Write the report."""
    out.write(text(audit))


def text(audit: Audit) -> str:
    """The report as text."""
    figures, worst = worst_findings(audit, FINDINGS)
    sections = [
        _head(audit),
        _coverage(audit, figures),
        _checks(audit),
        _findings(figures, worst),
        _patches(audit),
        _signers(figures),
    ]
    return "".join(sections)


def code(value: object, limit: int = _TEXT) -> str:
    """Foreign text that stands for itself."""
    safe = short(value, limit).replace("www.", "www&#46;")
    return f"<code>{''.join(_reference(each) for each in safe)}</code>" if safe else ""


def _reference(character: str) -> str:
    if character in _SAFE or not character.isascii():
        return character
    return f"&#{ord(character)};"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of as many rows as there is room for; those that are left out are counted."""
    written = [f"| {' | '.join(line)} |\n" for line in (headings, ["---"] * len(headings), *rows)]
    sizes = list(accumulate(map(len, written)))
    fitting = sum(size <= _ROOM for size in sizes)
    return "".join(written[:fitting]) + "\n" + _rest(len(written) - fitting, "further row")


def _head(audit: Audit) -> str:
    lines = [
        f"## Audit of {code(audit.target)}\n\n",
        f"**{words.summary(audit)}.**\n\n",
        *(f"> **Note:** {_prose(caveat)}\n>\n" for caveat in words.caveats(audit)),
        f"\nPolicy: {code(words.policy(audit))}. {words.period(audit)}.\n\n",
    ]
    return "".join(lines)


def _prose(sentence_: str) -> str:
    """A sentence of ours that may hold a foreign word."""
    return "".join(_reference(each) if each not in ":;()'%><" else each for each in sentence_).replace("<", "&lt;")


def _coverage(audit: Audit, figures: Figures) -> str:
    headings = ["subdir", "packages", *(words.status(status, audit) for status in STATUSES)]
    rows = [
        [code(subdir, 40), f"{counts.total():,}", *(f"{counts[status]:,}" for status in STATUSES)]
        for subdir, counts in sorted(figures.by_subdir.items())[:SUBDIRS]
    ]
    shares = (
        f"**{audit.totals.get(status, 0):,}** ({words.share(audit.totals.get(status, 0), len(audit.results))})"
        for status in STATUSES
    )
    rows.append(["**all**", f"**{len(audit.results):,}**", *(each.replace("<", "&lt;") for each in shares)])
    return "### Coverage\n\n" + _table(headings, rows) + _rest(len(figures.by_subdir) - SUBDIRS, "further subdir")


def _rest(count: int, noun: str) -> str:
    return f"{words.many(count, noun)} not shown.\n\n" if count > 0 else ""


def _checks(audit: Audit) -> str:
    rows = [
        [
            check.name,
            words.check_result(check) if check.ran and not check.found else f"**{words.check_result(check)}**",
            f"{words.check_meaning(check)}{': ' if check.reason else ''}{code(check.reason, 80)}",
        ]
        for check in audit.checks
    ]
    return "### Checks\n\n" + _table(["check", "result", "what it looks for"], rows) if rows else ""


def _findings(figures: Figures, worst: Sequence[Found]) -> str:
    if not figures.by_code:
        return ""
    kinds = [
        [f"[{each.value}]({words.README}#{each.anchor})", each.severity.value, f"{count:,}", each.meaning]
        for each, count in figures.codes()
    ]
    rows = [
        [found.finding.code.value, code(found.place), code(sentence(found.finding), 2 * _TEXT), _next(found)]
        for found in worst
    ]
    told = "### Findings\n\n" + _table(["code", "severity", "count", "meaning"], kinds)
    if rows:
        told += f"<details><summary>The worst {len(rows)}</summary>\n\n"
        told += _table(["code", "package", "what", "next"], rows) + "</details>\n\n"
    return told


def _next(found: Found) -> str:
    return _prose(advice(found.finding) or "")


def _patches(audit: Audit) -> str:
    rows = [
        [
            code(each.subdir, 40),
            str(each.generation),
            "not to be believed" if each.at is None else f"{time(each.at.replace(microsecond=0))} ({each.source})",
            f"{each.changed:,}",
            f"{each.removed:,}",
            code(each.signer or "-"),
        ]
        for each in audit.patches[:GENERATIONS]
    ]
    told = [
        f"{words.many(count, 'record')} of {code(subdir, 40)} changed with no generation that explains it.\n\n"
        for subdir, count in list(audit.unexplained.items())[:SUBDIRS]
        if count
    ]
    if not rows and not told:
        return ""
    headings = ["subdir", "generation", "trusted time", "changed", "removed", "signer"]
    table = _table(headings, rows) if rows else ""
    rest = _rest(len(audit.patches) - GENERATIONS, "further generation")
    return "### Patches of records\n\n" + "".join(told) + table + rest


def _signers(figures: Figures) -> str:
    if not figures.signers:
        return ""
    rows = [
        [code(each.identity), f"{each.packages:,}", f"{each.first:%Y-%m-%d}", f"{each.last:%Y-%m-%d}"]
        for each in figures.top_signers(SIGNERS)
    ]
    rest = _rest(len(figures.signers) - SIGNERS, "further signer")
    return "### Signers\n\n" + _table(["signer", "packages", "first", "last"], rows) + rest
