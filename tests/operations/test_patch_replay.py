"""A replay is held against what is served: every way to differ is found, with the keys, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.model.finding import Code
from condattest.operations import patch_replay
from condattest.operations.patch_replay import Unlike, unlike_served
from condattest.patches import engines
from condattest.transport.directory import Directory
from condattest.transport.origin import StoreOrigin
from tests.patched_channel import CHANGES, NAME, fix, refused

X, Y = ("packages.conda", "x-1-0.conda"), ("packages.conda", "y-1-0.conda")
RECORD = {"name": "x", "depends": ["a"], "sha256": "0" * 64}


def index(removed=(), **records):
    return {"packages.conda": {f"{name}-1-0.conda": record for name, record in records.items()}, "removed": [*removed]}


@pytest.mark.parametrize(
    ("served", "expected"),
    [
        (index(x=RECORD), []),
        (index(x=RECORD | {"size": 7, "md5": "x"}), []),
        (index(x=RECORD | {"depends": ["b"], "extra": None}), [Unlike(X, "another record", ("depends", "extra"))]),
        (index(x=RECORD | {"sha256": "1" * 64}), [Unlike(X, "another record", ("sha256",))]),
        (index(), [Unlike(X, "not served")]),
        (index(x=RECORD, y=RECORD), [Unlike(Y, "not as built")]),
        (index(["x-1-0.conda"], x=RECORD), [Unlike(("removed", "x-1-0.conda"), "removed")]),
        (index(["y-1-0.conda"], x=RECORD), []),
    ],
)
def test_each_way_to_differ(served, expected):
    as_built = index(x=RECORD)
    assert unlike_served(as_built, as_built, served) == expected


def test_a_removal_that_is_not_served():
    as_built = index(x=RECORD)
    assert unlike_served(as_built, index(["x-1-0.conda"]), as_built) == [
        Unlike(("removed", "x-1-0.conda"), "not removed")
    ]


records = st.dictionaries(
    st.sampled_from(["x-1-0.conda", "y-1-0.conda"]),
    st.dictionaries(st.sampled_from(["depends", "sha256", "size"]), st.sampled_from([1, True, 1.0, None, "1"])),
)


@given(records, records)
def test_nothing_differs_from_itself_and_what_differs_is_found_from_both_sides(one, other):
    first, second = ({"packages.conda": each} for each in (one, other))
    assert unlike_served(first, first, first) == []
    places = [{each.place for each in unlike_served(a, a, b)} for a, b in ((first, second), (second, first))]
    assert places[0] == places[1]


def test_a_replay_is_refused_or_its_differences_are_told(history):
    engine = engines.engine("conda-index")
    assert patch_replay.replay(history.inputs(), engine, where="x").unattributed is None
    history.edit("repodata.json", lambda served: served["packages.conda"][NAME].update(depends=[]))
    refused(lambda: patch_replay.replay(history.inputs(), engine, where="x"), Code.PATCH_REPLAY)
    outcome = patch_replay.replay(history.inputs(), engine, where="x", allow_unattributed=True)
    assert str(outcome.unattributed) == f"1: packages.conda/{NAME} (depends)"
    assert outcome.served["packages.conda"][NAME]["depends"] == CHANGES[-1]["depends"]


def test_archives_prove_what_is_listed_and_nothing_else_is_read(world):
    world.index(fix(depends=[]))
    inputs, engine = world.inputs(), engines.engine("conda-index")
    origin = StoreOrigin(Directory(world.root))
    (world.root / "noarch" / "words-1.0-0.conda").unlink()
    patch_replay.prove(origin, "noarch", inputs, engine, {("packages.conda", NAME)})
    patch_replay.prove(origin, "noarch", inputs, engine, ())
    listed = {("packages.conda", "words-1.0-0.conda")}
    refused(lambda: patch_replay.prove(origin, "noarch", inputs, engine, listed), Code.PATCH_AS_BUILT)
