"""Values of a predicate: each reader takes its own type within its limits, and nothing that Python takes for it."""

import re

import pytest
from hypothesis import given

from condattest.formats import predicate_fields
from condattest.model.finding import Code
from tests.formats.test_patch_files import values
from tests.patched_channel import finding_of, refused

READERS = {
    "fields": lambda value: predicate_fields.fields(value, "x", {"a"}, {"b"}),
    "items": lambda value: predicate_fields.items(value, "x", least=1, most=2),
    "text": lambda value: predicate_fields.text(value, "x", re.compile("[a-z]+")),
    "short": lambda value: predicate_fields.short(value, "x", 3),
    "number": lambda value: predicate_fields.number(value, "x", 1),
    "one_of": lambda value: predicate_fields.one_of(value, "x", ("a", "b")),
    "sha256": lambda value: predicate_fields.sha256(value, "x"),
}
TAKEN = {
    "fields": [{"a": 1}, {"a": None, "b": 2}],
    "items": [[1], [1, 2]],
    "text": ["a", "abc"],
    "short": ["", "abc"],
    "number": [1, 2**53 - 1],
    "one_of": ["a", "b"],
    "sha256": ["0" * 64],
}
REFUSED = {
    "fields": [None, {}, {"b": 1}, {"a": 1, "c": 1}, ["a"]],
    "items": [None, [], [1, 2, 3], {"a": 1}, "a"],
    "text": [None, "", "A", "a" * 2049, ["a"]],
    "short": [None, "abcd", ["a"]],
    "number": [None, 0, True, 1.0, "1", 2**53],
    "one_of": [None, "", "c", ["a"], True],
    "sha256": [None, "", "A" * 64, "0" * 63, 0],
}


@pytest.mark.parametrize("reader", READERS)
def test_it_takes_its_own_and_nothing_else(reader):
    for value in TAKEN[reader]:
        assert READERS[reader](value) == value
    for value in REFUSED[reader]:
        assert "x" in refused(lambda value=value: READERS[reader](value), Code.PATCH_STATEMENT).where


@pytest.mark.parametrize("reader", READERS)
@given(values)
def test_of_any_json_only_malformed_comes(reader, value):
    finding = finding_of(lambda: READERS[reader](value))
    assert finding is None or all(len(fact) < 300 for fact in finding.facts.values())
