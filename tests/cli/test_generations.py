"""What the options of `condattest patch` mean, and what they refuse."""

from datetime import UTC, datetime, timedelta

import pytest

from condattest.cli import generations
from condattest.errors import Misuse
from condattest.formats.patch_descriptors import Source
from condattest.transport.origin import HttpOrigin, StoreOrigin

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_source_is_a_uri_and_a_whole_commit():
    assert generations.source_of(None) is None
    assert generations.source_of(f"git+https://x.example/p@{COMMIT}") == Source("git+https://x.example/p", COMMIT)
    assert generations.source_of(f"git+ssh://git@x.example/p@{COMMIT}") == Source("git+ssh://git@x.example/p", COMMIT)


BAD = ["", "x", f"@{COMMIT}", "x@main", f"x@{COMMIT[:12]}", f"x@{COMMIT.upper()}", f"x@{COMMIT} "]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_source_is_misuse(text):
    with pytest.raises(Misuse, match="URI@COMMIT"):
        generations.source_of(text)


def test_a_time_without_a_zone_is_utc():
    expected = datetime(2026, 11, 1, tzinfo=UTC)
    for text in ("2026-11-01", "2026-11-01T00:00:00Z", "2026-11-01T01:00:00+01:00"):
        assert generations.time_of(text) == expected
    assert generations.time_of(None) is None
    with pytest.raises(Misuse, match="2026-11-01T00:00:00Z"):
        generations.time_of("yesterday")


def test_a_duration_is_as_in_a_policy():
    assert generations.duration_of("7d") == timedelta(days=7)
    assert generations.duration_of(None) is None
    with pytest.raises(Misuse, match="7d"):
        generations.duration_of("a week")


def test_a_channel_is_read_from_where_it_is(tmp_path):
    (tmp_path / "channel").mkdir()
    assert isinstance(generations.origin_of(str(tmp_path / "channel"), None), StoreOrigin)
    assert isinstance(generations.origin_of("https://conda.example/x", None), HttpOrigin)


def test_every_engine_that_the_options_offer_is_there():
    for name in ("conda-index", "rattler-index"):
        assert generations.engine_of(name).name == name
    with pytest.raises(Misuse):
        generations.engine_of("quetz")
