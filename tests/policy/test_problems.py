"""A problem is one printable line: where, what was expected, what was found."""

from datetime import date

import pytest

from condattest.policy.lines import locate
from condattest.policy.problems import Problem, describe, nearest, show

LINES = locate("version = 1\n[[rule]]\npackage = 1\n")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), "expected x"),
        (("version",), "line 1: version: expected x"),
        (("rule", 0, "package"), "line 3: [[rule]] 1: package: expected x"),
        (("rule", 0, "baseline", 4), "line 2: [[rule]] 1: baseline element 5: expected x"),
        (("signer", "octo", "valid", "from"), "[signer.octo]: valid.from: expected x"),
        (("signer", "a b", "ref"), '[signer."a b"]: ref: expected x'),
        (("revoked", "sha256", 0), "[revoked]: sha256 element 1: expected x"),
        (("signer",), "[signer]: expected x"),
        (("rule",), "rule: expected x"),
    ],
)
def test_a_place_is_written_as_the_file_shows_it(path, text):
    assert Problem(path, "x").sentence(LINES) == text


def test_what_was_found_and_a_hint_are_added():
    assert Problem((), "x", "y", "z").sentence(LINES) == "expected x, found y; z"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (3, "3"),
        (2**64, "an integer of more than 64 bits"),
        pytest.param(1 << 40_000, "an integer of more than 64 bits", id="huge"),
        ("a\x1b", '"a\\x1b"'),
        ("", "an empty text"),
        ("é", '"\\xe9"'),
        ("x" * 100, '"' + "x" * 77 + '..."'),
        ([], "an empty list"),
        ([1], "a list of 1"),
        ({}, "an empty table"),
        ({"a": 1}, "a table"),
        (None, "nothing"),
        (date(2026, 1, 2), "2026-01-02"),
        (1.5, "1.5"),
    ],
)
def test_values_are_described_briefly(value, text):
    assert describe(value) == text


def test_the_nearest_word_is_suggested():
    assert nearest("min_age", ["min-age", "max-age"]) == 'did you mean "min-age"?'
    assert nearest("zzz", ["min-age"]) == ""
    assert nearest(3, ["min-age"]) == ""


def test_a_key_that_is_not_plain_is_quoted():
    assert show("min-age") == "min-age"
    assert show("a\nb") == '"a\\nb"'
