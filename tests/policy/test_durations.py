"""Durations are read in one form only."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.policy import durations


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("30m", timedelta(minutes=30)),
        ("24h", timedelta(days=1)),
        ("7d", timedelta(days=7)),
        ("3650d", durations.LONGEST),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text, duration):
    assert durations.parse(text) == duration


@pytest.mark.parametrize(
    "text", ["", "0h", "24", "h", "-1h", "1.5h", "1h30m", "24H", " 24h", "24h\n", "3651d", "1w", "\uff11h"]
)
def test_another_form_is_refused_with_what_is_expected(text):
    with pytest.raises(ValueError, match="24h"):
        durations.parse(text)


@settings(max_examples=50)
@given(st.integers(1, 87600), st.sampled_from("mh"))
def test_a_duration_is_shown_as_it_may_be_written(number, unit):
    duration = durations.parse(f"{number}{unit}")
    assert durations.parse(durations.show(duration)) == duration
