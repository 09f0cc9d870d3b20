"""Hold verdicts against the identities that lock files pin; they can only narrow what a policy accepts.

Owns `read` and `narrowed`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from condattest.model.finding import Severity
from condattest.model.verdict import Accepted, Rejected, Verdict
from condattest.operations import policy_file
from condattest.operations.question import Verification
from condattest.policy import pins
from condattest.policy.pins import Pins
from condattest.policy.rules import Policy


def read(path: Path, *, now: datetime) -> Pins:
    """Read the identities of a lock file, which are believed under the conditions of a policy file.

    Raises:
        PolicyInvalid: It holds something else, or others may write it; every problem at once.
        Misuse: It is no file.
        LocalFailure: It cannot be read.
    """
    return pins.parse(policy_file.bytes_of(path), where=str(path), now=now)


def narrowed(answers: Iterable[Verification], pinned: Sequence[Pins], policy: Policy) -> Iterator[Verification]:
    """Reject what a policy accepted, and was not signed by whom every one of the files pins.

    Args:
        answers: The answers by the policy.
        pinned: The identities.
        policy: The policy, for its mirrors.
    """
    for answer in answers:
        verdict = answer.verdict
        for each in pinned:
            verdict = _narrowed(verdict, answer, each, policy)
        yield replace(answer, verdict=verdict)


def _narrowed(verdict: Verdict, answer: Verification, pinned: Pins, policy: Policy) -> Verdict:
    if not isinstance(verdict, Accepted) or answer.file is None:
        return verdict
    channel = answer.channel or (None if answer.judged is None else answer.judged.judgement.channel)
    home = None if channel is None else policy.home(channel)
    finding = pinned.finding(answer.file, home, verdict.evidence)
    if finding is None:
        return verdict
    if finding.code.severity is Severity.NOTE:
        return verdict.with_notes(finding)
    return Rejected((finding,), verdict.evidence)
