from datetime import UTC, datetime, timedelta

import pytest

from condattest.cli import moments
from condattest.errors import Misuse


def test_a_time_without_a_zone_is_utc():
    expected = datetime(2026, 11, 1, tzinfo=UTC)
    for text in ("2026-11-01", "2026-11-01T00:00:00Z", "2026-11-01T01:00:00+01:00"):
        assert moments.time_of(text, "--at") == expected
    assert moments.time_of(None, "--at") is None
    with pytest.raises(Misuse, match="2026-11-01T00:00:00Z"):
        moments.time_of("yesterday", "--at")


def test_a_duration_is_as_in_a_policy():
    assert moments.duration_of("7d", "--max-age") == timedelta(days=7)
    assert moments.duration_of(None, "--max-age") is None
    with pytest.raises(Misuse, match="7d"):
        moments.duration_of("a week", "--max-age")
