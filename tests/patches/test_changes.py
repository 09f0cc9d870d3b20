"""Changes of records: what they lead to is exactly the record after, and never from another record."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.formats.patch_files import Change, Value
from condattest.model.finding import Code
from condattest.patches.changes import alike, applied, differences
from condattest.patches.digests import counted, record_digest
from tests.formats.test_patch_files import texts, values
from tests.patched_channel import refused

KEYS = st.sampled_from(["depends", "license", "md5", "sha256", "arch", "run_exports", "app_entry", "name"]) | texts
records = st.dictionaries(KEYS, values, max_size=5)


@given(records, records)
def test_a_record_and_its_differences_make_the_other(old, new):
    changes = differences(old, new)
    made = applied(counted(old), changes, where="x")
    assert record_digest(made, where="x") == record_digest(new, where="x")
    assert made.keys() == counted(new).keys()
    assert differences(made, new) == {}
    assert all(made[key] == counted(new)[key] for key in changes if key in made)


@given(records, records)
def test_they_are_alike_if_nothing_differs(old, new):
    same = record_digest(old, where="x") == record_digest(new, where="x")
    assert alike(old, new, where="x") is same is (differences(old, new) == {})


@given(records)
def test_nothing_differs_from_itself(record):
    assert differences(record, record) == {}
    assert alike(record, dict(reversed(record.items())), where="x")


@given(records, records, records)
def test_changes_apply_to_what_they_start_from_alone(old, new, other):
    changes = differences(old, new)
    starts = all((key in other) is (key in old) for key in changes) and not differences(
        {key: old[key] for key in changes if key in old}, {key: other[key] for key in changes if key in other}
    )
    if starts:
        applied(other, changes, where="x")
    else:
        refused(lambda: applied(other, changes, where="x"), Code.PATCH_RECORD)


def test_applying_does_not_change_its_argument():
    record = {"license": "BSD"}
    changes = {"license": Change(Value("BSD"), None)}
    assert applied(record, changes, where="x") == {}
    assert record == {"license": "BSD"}


@pytest.mark.parametrize(
    ("record", "change"),
    [
        ({}, Change(Value(None), Value(1))),
        ({"a": None}, Change(None, Value(1))),
        ({"a": True}, Change(Value(1), None)),
        ({"a": [1]}, Change(Value([True]), None)),
    ],
)
def test_a_change_from_something_else_is_refused(record, change):
    """A shard whose changes do not lead to the digests that it names."""
    finding = refused(lambda: applied(record, {"a": change}, where="noarch/x"), Code.PATCH_RECORD)
    assert finding.where == "noarch/x: a"


@pytest.mark.parametrize("value", [2**60, {"a": [2**60]}, "\ud800"])
def test_what_has_no_canonical_form_is_a_finding(value):
    """An index or a shard with an integer that two readers read differently is refused, and is no internal error."""
    change = Change(Value(value), Value(1))
    refused(lambda: differences({"a": value}, {"a": 1}), Code.PATCH_RECORD)
    refused(lambda: applied({"a": value}, {"a": change}, where="x"), Code.PATCH_RECORD)
    refused(lambda: alike({"a": value}, {"a": 1}, where="x"), Code.PATCH_RECORD)


def test_what_is_the_same_throughout_needs_no_canonical_form():
    assert alike({"a": 2**60}, {"a": 2**60}, where="x")


@pytest.mark.parametrize(("one", "other"), [(1, True), (0, False), ([1], [True])])
def test_true_is_not_1(one, other):
    """Python takes them for equal: a record with the one instead of the other is another record."""
    assert not alike({"a": one}, {"a": other}, where="x")
    assert differences({"a": one}, {"a": other}) == {"a": Change(Value(one), Value(other))}
