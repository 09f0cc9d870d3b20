"""Exit codes: what a script can rely on. Never 0 with nothing verified."""

from collections.abc import Iterable, Sequence
from enum import IntEnum

from condattest.errors import CondattestError, Malformed, Misuse, NoIdentity, NotAuthenticated
from condattest.model.finding import Finding, Severity
from condattest.model.verdict import Accepted, Rejected, Undecided, Verdict


class Exit(IntEnum):
    """The exit codes of every command."""

    ACCEPTED = 0
    REJECTED = 1
    USAGE = 2
    UNDECIDED = 3
    NO_IDENTITY = 4
    INTERNAL = 70


def of_verdicts(verdicts: Iterable[Verdict]) -> Exit:
    """The code for many verdicts: a rejection outweighs a missing fact, and both outweigh what was accepted."""
    worst: Exit | None = None
    for verdict in verdicts:
        match verdict:
            case Rejected():
                return Exit.REJECTED
            case Undecided():
                worst = Exit.UNDECIDED
            case Accepted():
                worst = Exit.ACCEPTED if worst is None else worst
    return Exit.USAGE if worst is None else worst


def of_findings(findings: Sequence[Finding]) -> Exit:
    """The code for what stands against something: rejected, or undecided if all of it is facts that are missing."""
    if not findings:
        return Exit.ACCEPTED
    unknown = all(finding.code.severity is Severity.UNKNOWN for finding in findings)
    return Exit.UNDECIDED if unknown else Exit.REJECTED


def of_error(error: CondattestError) -> Exit:
    """The code for an error that ended a command."""
    match error:
        case Misuse():
            return Exit.USAGE
        case NoIdentity():
            return Exit.NO_IDENTITY
        case Malformed(finding=finding) | NotAuthenticated(finding=finding):
            return of_findings([finding])
        case _:
            return Exit.UNDECIDED
