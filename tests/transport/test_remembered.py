"""The form of the state file, and that joining states loses nothing."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.transport import remembered
from condattest.transport.remembered import Generation, Name, Seen, State, dump, join, parse

CHANNEL = "https://conda.anaconda.org/conda-forge"
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_hex = st.sampled_from([digit * 64 for digit in "0123456789abcdef"])
_time = st.integers(0, 10**6).map(lambda seconds: _EPOCH + timedelta(seconds=seconds, microseconds=seconds % 7))
_text = st.text(max_size=8)
_key = st.sampled_from(["linux-64/a-1-0.conda", "noarch/b-1-0.conda", "c"])
_elements = st.frozensets(_hex, max_size=3).map(lambda found: tuple(sorted(found)))
_seen = st.builds(Seen, st.integers(1, 4), _time, st.none() | _hex, _elements)
_states = st.builds(
    State,
    st.just(remembered.SCHEMA),
    st.just(CHANNEL),
    st.dictionaries(_key, st.builds(Name, _time, _text, _text), max_size=3),
    st.dictionaries(_key, st.dictionaries(_hex, _seen, min_size=1, max_size=3), max_size=3),
    st.dictionaries(_hex, _time, max_size=3),
    st.dictionaries(_key, st.builds(Generation, st.integers(1, 5), _hex, _time), max_size=3),
)


@given(_states)
def test_a_state_comes_back_as_it_was(state):
    assert parse(dump(state), CHANNEL) == state


@given(_states, _states, _states)
def test_joining_loses_nothing_in_any_order(one, two, three):
    assert join(one, one) == one
    assert join(one, two) == join(two, one)
    assert join(join(one, two), three) == join(one, join(two, three))
    assert join(one, remembered.empty(CHANNEL)) == one


@given(_states, _states)
def test_joining_changes_neither(one, two):
    before = dump(one), dump(two)
    join(one, two)
    assert (dump(one), dump(two)) == before


@given(_states, st.data())
def test_a_damaged_state_is_refused(state, data):
    """A state that a disk or a hand damaged: a byte lost, added or changed."""
    whole = dump(state)
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.binary(max_size=2))
    damaged = whole[:at] + byte + whole[at + 1 :]
    try:
        other = parse(damaged, CHANNEL)
    except ValueError:
        return
    # A changed digit is another state, and nothing but a state.
    assert dump(other) == damaged


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_value_error(data):
    with pytest.raises(ValueError, match=r"."):
        parse(data, CHANNEL)


def _sample():
    return json.loads(
        dump(
            State(
                remembered.SCHEMA,
                CHANNEL,
                {"a": Name(_EPOCH, "https://github.com/x", "a-1-0.conda")},
                {"linux-64/a-1-0.conda": {"1" * 64: Seen(1, _EPOCH, "2" * 64, ("3" * 64,))}},
                {"1" * 64: _EPOCH},
                {"linux-64 author": Generation(3, "4" * 64, _EPOCH)},
            )
        )
    )


def _changed(**fields):
    return json.dumps(_sample() | fields, separators=(",", ":")).encode()


def test_the_sample_is_as_documented():
    assert parse(_changed(), CHANNEL).channel == CHANNEL


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"null",
        b"[" * 100_000,
        b"\xff",
        _changed() + b"\n",
        b"\xef\xbb\xbf" + _changed(),
        _changed(more=1),
        _changed(schema="condattest/memory/2"),
        _changed(channel="https://conda.anaconda.org/bioconda"),
        _changed(artifacts={"1" * 64: "2026-01-01T00:00:00"}),
        _changed(artifacts={"A" * 64: "2026-01-01T00:00:00Z"}),
        _changed(artifacts={"1" * 64 + "\n": "2026-01-01T00:00:00Z"}),
        _changed(files={"linux-64/a-1-0.conda": {}}),
        _changed(generations={"x": {"number": 0, "payload": "4" * 64, "seen": "2026-01-01T00:00:00Z"}}),
        _changed(generations={"x": {"number": 2**60, "payload": "4" * 64, "seen": "2026-01-01T00:00:00Z"}}),
        _changed().replace(b'"names"', b'"names":{},"names"'),
        json.dumps(_sample(), indent=1).encode(),
    ],
)
def test_another_form_is_refused(data):
    """A state edited so that it forgets, or is read differently by two versions."""
    with pytest.raises(ValueError, match=r"."):
        parse(data, CHANNEL)


def test_a_full_state_keeps_the_newest():
    """Memory that grows without end: a channel with ever new files."""
    many = range(remembered.MAX_ARTIFACTS + 10)
    state = State(remembered.SCHEMA, CHANNEL, artifacts={f"{n:064x}": _EPOCH + timedelta(seconds=n) for n in many})
    joined = join(state, remembered.empty(CHANNEL))
    assert len(joined.artifacts) == remembered.MAX_ARTIFACTS
    assert f"{10:064x}" in joined.artifacts
    assert f"{9:064x}" not in joined.artifacts


def test_of_too_many_bundles_those_of_the_newest_files_stay():
    elements = tuple(f"{n:064x}" for n in range(1000))
    files = {f"f{n}": {"1" * 64: Seen(1, _EPOCH + timedelta(seconds=n), None, elements)} for n in range(201)}
    joined = join(State(remembered.SCHEMA, CHANNEL, files=files), remembered.empty(CHANNEL))
    assert "f0" not in joined.files
    assert "f200" in joined.files
    assert sum(len(seen.elements) for file in joined.files.values() for seen in file.values()) <= 200_000
