"""Versions in conda's order, against rattler's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rattler import Version

from condattest.formats.version_order import order

_PART = st.sampled_from(["0", "1", "2", "10", "a", "b", "rc", "dev", "post", "alpha", "1a", "a1", "1rc1", "0a", "01"])
_VERSIONS = st.builds(
    lambda epoch, first, rest, local: epoch + first + "".join(rest) + local,
    st.sampled_from(["", "", "", "0!", "1!"]),
    st.sampled_from("0123"),
    st.lists(st.builds(lambda glue, part: glue + part, st.sampled_from([".", ".", "_", "-", ""]), _PART), max_size=4),
    st.one_of(st.just(""), st.builds(lambda one, two: f"+{one}.{two}", _PART, _PART)),
)


@given(_VERSIONS, _VERSIONS)
def test_two_versions_compare_as_rattler_compares_them(one, other):
    try:
        theirs = Version(one), Version(other)
    except Exception:  # rattler refuses some spellings; ours gives every text a place.
        order(one), order(other)
        return
    assert (order(one) < order(other)) == (theirs[0] < theirs[1])
    assert (order(one) == order(other)) == (theirs[0] == theirs[1])


def test_the_order_of_the_specification():
    listed = ["0.4", "0.4.1.rc", "0.4.1", "0.5a1", "0.5b3", "0.5", "0.9.6", "1.0", "1.1dev1", "1.1a1", "1.1.0dev1",
              "1.1.a1", "1.1.0rc1", "1.1.0", "1.1.0post1", "1.1post1", "1996.07.12", "1!0.4.1", "2!0.4.1"]  # fmt: skip
    assert sorted(listed, key=lambda text: Version(text)) == sorted(listed, key=order)


@pytest.mark.parametrize("text", ["", "..", "!", "+", "٣", "1" * 10_000, "a" * 10_000])
def test_any_text_has_a_place(text):
    assert order(text) == order(text)
