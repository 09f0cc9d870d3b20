import copy
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.model.finding import Code, Finding, Severity

CLASSES = {
    *(
        "BUNDLE",
        "CRYPTO",
        "TIME",
        "STMT",
        "BIND",
        "CHANNEL",
        "MISSING",
        "IDENTITY",
        "SIDECAR",
        "SUBDIR",
        "ROLLBACK",
        "POLICY",
    ),
    *("INDEX", "PUBLISH", "PATCH", "FRESH", "SUBDIR", "AUDIT"),
    *("ARCHIVE", "NET", "TRUST"),
}

findings = st.builds(
    Finding,
    st.sampled_from(Code),
    st.text(max_size=20),
    st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3),
)


def test_codes_are_unique():
    values = [code.value for code in Code]
    assert len(set(values)) == len(values) == len(Code.__members__)


@pytest.mark.parametrize("code", Code)
def test_a_code_is_spelled_like_its_name_under_a_known_class(code):
    assert code.value == code.name.replace("_", "-")
    assert code.value.partition("-")[0] in CLASSES
    assert re.fullmatch(r"[a-z0-9-]+", code.anchor)
    assert str(code) == code.value
    assert Code(code.value) is code


@pytest.mark.parametrize("code", Code)
def test_a_code_has_a_severity_and_a_meaning_of_one_line(code):
    assert isinstance(code.severity, Severity)
    assert code.meaning == code.meaning.strip()
    assert code.meaning.isascii()
    assert code.meaning.isprintable()
    assert not code.meaning.endswith(".")


def test_meanings_tell_codes_apart():
    assert len({code.meaning for code in Code}) == len(Code)


@pytest.mark.parametrize("prefix", ["BUNDLE-", "CRYPTO", "STMT-", "BIND-"])
def test_what_is_manipulated_is_always_an_error(prefix):
    """A forged bundle or statement that only warns is installed."""
    assert {code.severity for code in Code if code.startswith(prefix)} == {Severity.ERROR}


@pytest.mark.parametrize("code", [code for code in Code if code.startswith("NET-")])
def test_what_could_not_be_had_is_unknown_and_never_an_error(code):
    assert code.severity is Severity.UNKNOWN


@given(findings)
def test_a_finding_survives_another_process(finding):
    copied = pickle.loads(pickle.dumps(finding))
    assert copied == finding
    assert copied.code is finding.code
    assert hash(copied) == hash(finding)
    assert copy.deepcopy(finding) == finding


@given(findings, findings)
def test_equal_findings_are_one_in_a_set(one, other):
    assert (len({one, other}) == 1) == (one == other)


def test_the_order_of_facts_does_not_matter():
    one = Finding(Code.CRYPTO, "x", {"expected": "a", "found": "b"})
    other = Finding(Code.CRYPTO, "x", {"found": "b", "expected": "a"})
    assert {one} == {other}


def test_facts_become_text_and_absent_ones_are_left_out():
    finding = Finding.of(Code.BIND_NAME, 3, expected=None, found=0, reason=ValueError("no"))
    assert finding == Finding(Code.BIND_NAME, "3", {"found": "0", "reason": "no"})


def test_a_finding_can_be_placed_more_exactly():
    finding = Finding.of(Code.BUNDLE_SHAPE, "tlogEntries", found="x")
    assert finding.at("a.sigs[1]") == Finding.of(Code.BUNDLE_SHAPE, "a.sigs[1]: tlogEntries", found="x")
    assert Finding(Code.BUNDLE_SHAPE).at("a.sigs") == Finding(Code.BUNDLE_SHAPE, "a.sigs")
    assert finding.where == "tlogEntries"
