"""Say to the user of an installer what may not be installed, why, and what to do.

Owns `told` and `unchecked`, with `REFUSED` and `REPORTED`, and `findings`. The installer prints it, with
markup and width of its own: here are only lines.
"""

from collections.abc import Sequence
from typing import Any, Final

from condattest.errors import CondattestError
from condattest.model.finding import Finding
from condattest.model.verdict import Accepted, Rejected, Undecided
from condattest.operations.install_gate import Answer
from condattest.reports.plain import plain
from condattest.reports.sentences import advice, sentence

SHOWN: Final = 20
"""Packages that are shown; an outage would fill pages."""


REFUSED: Final = "nothing is installed"
REPORTED: Final = "installed all the same, since condattest_mode is report"


def told(answers: Sequence[Answer], total: int, what: str) -> str:
    """Say what stands against packages.

    Args:
        answers: Those that were not accepted.
        total: Of how many.
        what: What becomes of that.
    """
    bad = sum(isinstance(answer.verdict, Rejected) for answer in answers)
    parts = [f"{bad} rejected"] * bool(bad) + [f"{len(answers) - bad} undecided"] * (bad < len(answers))
    lines = [f"condattest: of {total} package{'s' if total != 1 else ''}, {', '.join(parts)}; {what}"]
    for answer in answers[:SHOWN]:
        lines.append(f"  {plain(answer.wanted)}")
        steps = dict.fromkeys(filter(None, map(advice, _against(answer))))
        lines.extend(f"    {each.code}: {sentence(each)}" for each in _against(answer))
        lines.extend(f"      next: {step}" for step in steps)
    if len(answers) > SHOWN:
        lines.append(f"  and {len(answers) - SHOWN} more")
    return "\n".join(lines)


def unchecked(error: CondattestError, total: int, what: str) -> str:
    """Say that no package was checked, and why.

    Args:
        error: What kept them from being judged.
        total: How many packages there are.
        what: What becomes of them.
    """
    lines = [f"condattest: NOTHING WAS CHECKED of {total} package{'s' if total != 1 else ''}; {what}"]
    lines.append(f"  {plain(error, lines=True)}")
    lines.extend([f"    next: {plain(error.hint, lines=True)}"] if error.hint else [])
    return "\n".join(lines)


def findings(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {"package": plain(answer.wanted), "code": each.code.value, "where": plain(each.where), "facts": _plain(each)}
        for answer in answers
        for each in _against(answer)
    ]


def _plain(finding: Finding) -> dict[str, str]:
    return {name: plain(value) for name, value in finding.facts.items()}


def _against(answer: Answer) -> Sequence[Finding]:
    match answer.verdict:
        case Accepted():
            return ()
        case Rejected(findings=found) | Undecided(findings=found):
            return found
