"""Where a channel is read from."""

from condattest.cli import generations
from condattest.transport.origin import HttpOrigin, StoreOrigin


def test_a_channel_is_read_from_where_it_is(tmp_path):
    (tmp_path / "channel").mkdir()
    assert isinstance(generations.origin_of(str(tmp_path / "channel"), None), StoreOrigin)
    assert isinstance(generations.origin_of("https://conda.example/x", None), HttpOrigin)
