"""A client's form of a record is compared with the channel's, where both can be brought to one form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.patches.held import ALWAYS, IF_HELD, disagreements

SERVED = {
    "name": "numbers",
    "depends": ["python >=3.9", "letters"],
    "constrains": ["words"],
    "license": "MIT",
    "track_features": "a b",
    "build_number": 0,
    "sha256": "ab" * 32,
}


@pytest.mark.parametrize(
    "held",
    [
        SERVED,
        {**SERVED, "depends": ("python >=3.9", "letters")},
        {**SERVED, "track_features": ["b", "a"], "features": None, "license_family": ""},
        {"depends": SERVED["depends"], "constrains": SERVED["constrains"]},
        {**SERVED, "url": "https://conda.example/x", "channel": "ch", "timestamp": 1},
    ],
)
def test_another_form_is_the_same_record(held):
    assert disagreements(held, SERVED) == ()


@pytest.mark.parametrize(
    ("held", "keys"),
    [
        ({**SERVED, "depends": ["python >=3.9"]}, ("depends",)),
        ({**SERVED, "depends": ["letters", "python >=3.9"]}, ("depends",)),
        ({"constrains": ["words"]}, ("depends",)),
        ({**SERVED, "constrains": []}, ("constrains",)),
        ({**SERVED, "license": "GPL-3.0-only", "build_number": 1}, ("license", "build_number")),
    ],
)
def test_what_a_patch_could_have_changed_is_seen(held, keys):
    assert disagreements(held, SERVED) == keys


def test_an_absent_list_is_an_empty_one():
    assert disagreements({"depends": []}, {}) == disagreements({}, {"depends": [], "constrains": None}) == ()


values = st.one_of(st.none(), st.text(), st.integers(), st.lists(st.text()), st.dictionaries(st.text(), st.integers()))
records = st.dictionaries(st.sampled_from([*ALWAYS, *IF_HELD, "name"]), values)


@given(records, records)
def test_any_record_is_compared_and_agrees_with_itself(one, other):
    assert disagreements(one, one) == ()
    assert set(disagreements(one, other)) <= {*ALWAYS, *IF_HELD}
