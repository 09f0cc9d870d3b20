"""Differences to what is served: sorted, counted whole, and listed within limits whoever chose the names."""

import json

from hypothesis import given
from hypothesis import strategies as st

from condattest.formats import patch_differences
from condattest.formats.patch_differences import (
    MAX_BYTES,
    MAX_FILE,
    MAX_KEY,
    MAX_KEYS,
    MAX_LISTED,
    SECTIONS,
    Difference,
    Unattributed,
)

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
found = st.lists(
    st.builds(Difference, st.sampled_from(SECTIONS), names, st.lists(names, max_size=30).map(tuple)), max_size=20
)


@given(found)
def test_it_is_within_its_limits_and_read_back(differences):
    made = Unattributed.of(differences)
    if made is None:
        assert not differences
        return
    assert made.count == len(differences)
    assert 1 <= len(made.first) <= MAX_LISTED
    assert list(made.first) == sorted(made.first)
    for each in made.first:
        assert len(each.file) <= MAX_FILE
        assert len(each.keys) <= MAX_KEYS
        assert all(len(key) <= MAX_KEY for key in each.keys)
    assert len(json.dumps([each.json for each in made.first], ensure_ascii=False).encode()) <= 2 * MAX_BYTES
    assert patch_differences.parse(json.loads(json.dumps(made.json))) == made


@given(found, st.randoms())
def test_it_is_the_same_in_whatever_order_they_were_found(differences, random):
    shuffled = list(differences)
    random.shuffle(shuffled)
    assert Unattributed.of(shuffled) == Unattributed.of(differences)


def test_the_largest_names_leave_room_for_some():
    """Each character takes six bytes once it is escaped: no name can keep the list empty."""
    wide = [Difference("packages", f"{number:03}" + "\x00" * 500, ("\x00" * 100,) * 1) for number in range(200)]
    keys = tuple(f"{number:03}" + "\x00" * 100 for number in range(50))
    for differences in (wide, [Difference("packages", "\x00" * 500, keys)] * 200):
        made = Unattributed.of(differences)
        assert len(made.first) >= 3
        assert made.count == 200


def test_it_is_shown_in_a_line():
    made = Unattributed.of([Difference("removed", "x-1-0.conda"), Difference("packages", "y-1-0.tar.bz2", ("b", "a"))])
    assert str(made) == "2: packages/y-1-0.tar.bz2 (a, b), removed/x-1-0.conda"
    assert str(Unattributed(3, made.first[:1])).endswith("(a, b), ...")
