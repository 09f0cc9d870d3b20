import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.patches import rattler_values as values
from condattest.patches.rattler_values import ABSENT, Unforetold, Unreadable


def test_features_are_split_at_commas_and_spaces_and_trimmed_as_unicode_says():
    assert values.features("a, b") == "a  b"
    assert values.features("") == ""
    assert values.features([]) is ABSENT
    assert values.features(["\u3000a\x85", "\x1cb\x1c", "c d"]) == "a \x1cb\x1c c d"


def test_package_urls_are_a_set_sorted_by_their_parts():
    made = values.purls(["pkg:pypi/b", "pkg:pypi/a@1", "pkg:conda/z", "pkg:pypi/n/a", "pkg:pypi/a", "pkg:pypi/b"])
    assert made == ["pkg:conda/z", "pkg:pypi/a", "pkg:pypi/a@1", "pkg:pypi/b", "pkg:pypi/n/a"]


@pytest.mark.parametrize("purl", ["pkg:PyPI/a", "pkg:pypi/a?b=c", "pkg:pypi/a#b", "pkg:pypi/%41", "pkg:pypi/../a", "a"])
def test_other_package_urls_are_not_foretold(purl):
    with pytest.raises(Unforetold):
        values.purls([purl])


def test_a_name_has_an_extension_and_two_dashes():
    assert values.stem("x-1-0.conda") == values.stem("x-1-0.tar.bz2") == values.stem("x-1-0.whl") == "x-1-0"
    assert values.stem("--.conda") == "--"
    for name in ("x-1.conda", "x-1-0", "x-1-0.zip", ".conda", ""):
        assert values.stem(name) is None


def test_removed_files_are_sorted_by_their_parts():
    names = ["b-1-1.conda", "b-1-0.tar.bz2", "b-1-0.conda", "b--0.conda", "b-c-1-0.conda"]
    assert sorted(names, key=values.order) == [
        "b--0.conda", "b-1-0.conda", "b-1-0.tar.bz2", "b-1-1.conda", "b-c-1-0.conda"
    ]  # fmt: skip


@pytest.mark.parametrize("value", [True, 1.0, "1", None, -1, 2**64])
def test_a_count_is_an_unsigned_integer(value):
    with pytest.raises(Unreadable):
        values.count(value)
    assert values.count(2**64 - 1) == 2**64 - 1


PATCHES = st.recursive(
    st.none() | st.integers(-3, 3) | st.text(max_size=2) | st.lists(st.none() | st.integers(0, 2), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def nulls_in_objects(value: object) -> bool:
    return isinstance(value, dict) and any(each is None or nulls_in_objects(each) for each in value.values())


@given(target=PATCHES, patch=PATCHES)
def test_merging_is_that_of_rfc_7396(target, patch):
    before = repr(target)
    made = values.merged(target, patch)
    assert repr(target) == before
    if not isinstance(patch, dict):
        assert made == patch
        return
    assert values.merged(made, patch) == made
    assert not nulls_in_objects(made) or nulls_in_objects(target)
    kept = target if isinstance(target, dict) else {}
    assert made.keys() == (kept.keys() | patch.keys()) - {key for key, value in patch.items() if value is None}
    assert all(made[key] is kept[key] for key in kept.keys() - patch.keys())
