import typing

import pytest

from condattest.model.finding import Code, Finding
from condattest.model.verdict import Accepted, Rejected, Undecided, Verdict

FINDING = Finding.of(Code.MISSING_ATTESTATION, "zlib-1.2.11-0.conda")
VERDICTS = [Accepted("rule", ()), Rejected((FINDING,)), Undecided((FINDING,))]


@pytest.mark.parametrize("verdict", VERDICTS, ids=lambda verdict: type(verdict).__name__)
def test_no_verdict_has_a_truth_value(verdict):
    """`if verdict:` lets every rejection pass, since objects are true by default."""
    with pytest.raises(TypeError, match="no truth value"):
        bool(verdict)
    with pytest.raises(TypeError, match="match on Accepted, Rejected, Undecided"):
        _ = not verdict
    with pytest.raises(TypeError, match="no truth value"):
        _ = verdict or True


def test_a_rejection_needs_findings():
    """A rejection that names nothing reads like a report without problems."""
    with pytest.raises(ValueError, match="a rejection needs a finding"):
        Rejected(())


def test_an_undecided_verdict_needs_findings():
    with pytest.raises(ValueError, match="an undecided verdict needs a finding"):
        Undecided(())


def test_the_union_is_closed():
    assert set(typing.get_args(Verdict)) == {Accepted, Rejected, Undecided}
    assert {type(verdict) for verdict in VERDICTS} == set(typing.get_args(Verdict))


def test_verdicts_are_taken_apart_by_match():
    def told(verdict: Verdict) -> str:
        match verdict:
            case Accepted(rule=rule):
                return rule
            case Rejected(findings=(first, *_)) | Undecided(findings=(first, *_)):
                return first.code

    assert [told(verdict) for verdict in VERDICTS] == ["rule", "MISSING-ATTESTATION", "MISSING-ATTESTATION"]


def test_a_rejection_never_equals_an_undecided_verdict_of_the_same_findings():
    assert Rejected((FINDING,)) != Undecided((FINDING,))
    assert Rejected((FINDING,)) == Rejected((FINDING,))
