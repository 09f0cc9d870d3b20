import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.formats.msgpack_maps import packed, unpacked


@given(st.dictionaries(st.text(max_size=5), st.integers(-(2**63), 2**63), max_size=40))
def test_a_map_comes_back_as_it_was(members):
    raw = msgspec.msgpack.encode(members)
    taken = unpacked(raw)
    assert {key: msgspec.msgpack.decode(value) for key, value in taken.items()} == members
    assert packed(taken) == raw


def test_a_key_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        unpacked(b"\x82\xa1a\x01\xa1a\x02")


def test_what_is_no_map_is_refused():
    with pytest.raises(msgspec.DecodeError):
        unpacked(msgspec.msgpack.encode([1]))
