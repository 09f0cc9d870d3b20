"""Why a request is not answered with what it asks for.

Owns `Refused` and `refused`. 403: the policy or what was served is against it. 404: the channel does not have it. 502:
the channel does not answer as it should. 503: a fact could not be had, so nothing was decided.
"""

from collections.abc import Sequence

from condattest.errors import CondattestError, LocalFailure, Malformed, NotFound, Unavailable
from condattest.model.finding import Code, Finding, Severity
from condattest.model.verdict import Accepted, Rejected, Undecided, Verdict
from condattest.operations.judgement import of_outage


class Refused(Exception):
    """A request is refused, with an HTTP status and findings."""

    def __init__(self, status: int, findings: Sequence[Finding]) -> None:
        super().__init__(status, *(finding.code for finding in findings))
        self.status = status
        self.findings = tuple(findings)


def refused(error: CondattestError) -> Refused:
    """The refusal for what went wrong on the way to an answer."""
    match error:
        case Malformed(finding=finding):
            if finding.code is Code.MISSING_PACKAGE:
                return Refused(404, (finding,))
            return Refused(502 if finding.code.severity is Severity.UNKNOWN else 403, (finding,))
        case Unavailable():
            return Refused(404 if isinstance(error, NotFound) else 502, _findings(of_outage(error)))
        case LocalFailure():
            return Refused(503, (Finding.of(Code.NET_FILE, "the proxy's cache", reason=error),))
        case _:
            return Refused(503, (Finding.of(Code.NET_FILE, "the proxy", reason=error),))


def unless_accepted(verdict: Verdict) -> Accepted:
    """Return a verdict that lets a package pass.

    Raises:
        Refused: It does not.
    """
    match verdict:
        case Accepted():
            return verdict
        case Rejected(findings=findings):
            raise Refused(403, findings)
        case Undecided(findings=findings):
            raise Refused(503, findings)


def _findings(verdict: Verdict) -> tuple[Finding, ...]:
    return () if isinstance(verdict, Accepted) else verdict.findings
