"""The digest of a record: of its canonical form, without what the server sets and what indexers drop."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.model.finding import Code
from condattest.patches.digests import SERVER_KEYS, UNCOUNTED, counted, record_digest
from tests.formats.test_patch_files import texts, values
from tests.patched_channel import finding_of, refused

LEFT_OUT = sorted(SERVER_KEYS | UNCOUNTED | {"run_exports", "app_entry", "app_type"})
RECORD = {"name": "numbers", "depends": ["python"], "build_number": 0, "timestamp": 1700000000000}


def test_it_is_the_digest_of_sorted_json_without_spaces():
    expected = b'{"build_number":0,"depends":["python"],"name":"numbers","timestamp":1700000000000}'
    assert record_digest(RECORD, where="x") == hashlib.sha256(expected).hexdigest()


@given(st.dictionaries(texts, values, max_size=5), st.dictionaries(st.sampled_from(LEFT_OUT), values, max_size=5))
def test_keys_that_do_not_count_do_not_count(record, extra):
    assert counted(record | extra) == counted(record)
    assert record_digest(record | extra, where="x") == record_digest(record, where="x")


@given(st.dictionaries(texts, values, max_size=5))
def test_neither_the_order_of_keys_nor_the_spelling_of_numbers_counts(record):
    again = json.loads(json.dumps(dict(reversed(record.items()))))
    assert record_digest(again, where="x") == record_digest(record, where="x")


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [(1, 1.0, True), (0, -0.0, True), (1, True, False), (0, False, False), ("1", 1, False), (None, False, False),
     ("\u00e9", "e\u0301", False), ([], None, False)],
)  # fmt: skip
def test_values_are_alike_as_json(one, other, alike):
    assert (record_digest({"a": one}, where="x") == record_digest({"a": other}, where="x")) is alike


def test_an_absent_key_is_no_null():
    assert record_digest({"a": None}, where="x") != record_digest({}, where="x")


def deep(levels):
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [2**53, -(2**53), 2**70, float("nan"), float("inf"), "\ud800", {"\udfff": 1}, deep(100_000)],
    ids=["2^53", "-2^53", "2^70", "nan", "inf", "surrogate", "surrogate key", "deep"],
)  # fmt: skip
def test_what_has_no_canonical_form_is_a_finding(value):
    """Two readers could read another number, or none."""
    finding = refused(lambda: record_digest({"a": value}, where="noarch/x"), Code.PATCH_RECORD)
    assert finding.where == "noarch/x"
    assert record_digest({"md5": value}, where="x") == record_digest({}, where="x")


@given(st.dictionaries(st.text(max_size=3), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
), max_size=3))  # fmt: skip
def test_nothing_but_malformed_comes_of_anything(record):
    finding = finding_of(lambda: record_digest(record, where="x"))
    assert finding is None or finding.code is Code.PATCH_RECORD
