"""Served against replayed; and held records give just what plain ones give, through engines and generations."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.formats import held_records
from condattest.formats.held_records import opened
from condattest.patches.engines import engine
from condattest.patches.generation import build
from condattest.patches.index_sections import records_of
from condattest.patches.served import Unlike, unlike_served
from tests.patched_channel import finding_of
from tests.patches.instructions import NAMES, TEXTS, read, record

DIGEST = "ab" * 32
KEYS = st.fixed_dictionaries({}, optional={"depends": TEXTS, "license": st.sampled_from([None, "MIT"])})
RECORDS = KEYS.map(lambda keys: record(sha256=DIGEST) | keys)
SECTIONS = st.fixed_dictionaries(
    {
        "packages": st.dictionaries(NAMES.filter(lambda name: name.endswith(".tar.bz2")), RECORDS, max_size=4),
        "packages.conda": st.dictionaries(NAMES.filter(lambda name: name.endswith(".conda")), RECORDS, max_size=4),
    }
)
INSTRUCTIONS = st.fixed_dictionaries(
    {
        "patch_instructions_version": st.just(1),
        "packages": st.dictionaries(NAMES, KEYS, max_size=3),
        "packages.conda": st.dictionaries(NAMES, KEYS, max_size=3),
        "remove": st.lists(NAMES, max_size=2),
        "revoke": st.lists(NAMES, max_size=2),
    }
)


def plain(document: dict[str, Any]) -> dict[str, Any]:
    return {
        key: {name: opened(each) for name, each in value.items()} if key.startswith("packages") else value
        for key, value in document.items()
    }


@pytest.mark.parametrize("name", ["conda-index", "rattler-index"])
@given(as_built=SECTIONS, instructions=INSTRUCTIONS, altered=SECTIONS)
def test_held_records_give_what_plain_records_give(name, as_built, instructions, altered):
    """Engine, comparison and generation, byte for byte."""
    the = engine(name)
    told = read(instructions)
    held = held_records.parse(json.dumps(as_built).encode())
    one, other = the.apply(as_built, told), the.apply(held, told)
    assert plain(other.document) == one.document
    assert other.findings == one.findings
    replayed = json.dumps(one.document)
    for served in (json.loads(replayed), one.document | altered):
        found = unlike_served(held, other.document, held_records.parse(json.dumps(served).encode(), held))
        assert found == unlike_served(as_built, one.document, served)
        assert [(each.place, each.why) for each in found] == slowly(as_built, one.document, served)
    if finding_of(lambda: build(as_built, one.document, None)) is None:
        first, again = build(as_built, one.document, None), build(held, other.document, None)
        assert (again.files, again.counts, again.changed) == (first.files, first.counts, first.changed)
    assert plain(held) == as_built


def slowly(as_built, replayed, served):
    """The same without a thought of its cost."""
    mine, theirs = ({place: each for place, _, each in records_of(index)} for index in (replayed, served))
    gone, removed = set(replayed.get("removed", [])), set(served.get("removed", []))
    unlike = []
    for place, _, _ in records_of(as_built):
        if place[1] not in gone and place not in theirs:
            unlike.append((place, "not served"))
        elif place[1] not in gone and mine.get(place) != theirs[place]:
            unlike.append((place, "another record"))
    unlike += [(place, "not as built") for place in theirs if place not in mine and place[1] not in gone]
    unlike += [(("removed", name), "not removed") for name in sorted(gone - removed)]
    listed = {name for _, name in mine}
    return unlike + [(("removed", name), "removed") for name in sorted((removed - gone) & listed)]


X, Y = ("packages.conda", "x-1-0.conda"), ("packages.conda", "y-1-0.conda")
ONE = {"name": "x", "depends": ["a"], "sha256": "0" * 64}


def index_of(removed=(), **records):
    return {"packages.conda": {f"{name}-1-0.conda": record for name, record in records.items()}, "removed": [*removed]}


@pytest.mark.parametrize(
    ("served", "expected"),
    [
        (index_of(x=ONE), []),
        (index_of(x=ONE | {"size": 7, "md5": "x"}), []),
        (index_of(x=ONE | {"depends": ["b"], "extra": None}), [Unlike(X, "another record", ("depends", "extra"))]),
        (index_of(x=ONE | {"sha256": "1" * 64}), [Unlike(X, "another record", ("sha256",))]),
        (index_of(), [Unlike(X, "not served")]),
        (index_of(x=ONE, y=ONE), [Unlike(Y, "not as built")]),
        (index_of(["x-1-0.conda"], x=ONE), [Unlike(("removed", "x-1-0.conda"), "removed")]),
        (index_of(["y-1-0.conda"], x=ONE), []),
    ],
)
def test_each_way_to_differ(served, expected):
    as_built = index_of(x=ONE)
    assert unlike_served(as_built, as_built, served) == expected


def test_a_removal_that_is_not_served():
    as_built = index_of(x=ONE)
    assert unlike_served(as_built, index_of(["x-1-0.conda"]), as_built) == [
        Unlike(("removed", "x-1-0.conda"), "not removed")
    ]


plain_records = st.dictionaries(
    st.sampled_from(["x-1-0.conda", "y-1-0.conda"]),
    st.dictionaries(st.sampled_from(["depends", "sha256", "size"]), st.sampled_from([1, True, 1.0, None, "1"])),
)


@given(plain_records, plain_records)
def test_nothing_differs_from_itself_and_what_differs_is_found_from_both_sides(one, other):
    first, second = ({"packages.conda": each} for each in (one, other))
    assert unlike_served(first, first, first) == []
    places = [{each.place for each in unlike_served(a, a, b)} for a, b in ((first, second), (second, first))]
    assert places[0] == places[1]
