"""Records of an index, each judged by itself."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import compression, listings
from condattest.model.finding import Code

DIGEST = "ab" * 32
SIDECAR = "cd" * 32


def record(**more):
    return {"name": "x", "version": "1", "build": "0", "subdir": "noarch", "sha256": DIGEST, **more}


def index(conda=None, tar=None, **more):
    return {"packages": tar or {}, "packages.conda": conda or {}, **more}


def monolith(document):
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return list(listings.of_monolith(data, "noarch", where="index"))


def shard(document, name=None):
    data = compression.zstd_small(msgspec.msgpack.encode(document))
    return list(listings.of_shard(data, "noarch", where="shard", name=name))


@pytest.mark.parametrize("read", [monolith, shard])
def test_a_record_says_digest_sidecar_and_time(read):
    [found] = read(index({"x-1-0.conda": record(attestations_sha256=SIDECAR, indexed_timestamp=5)}))
    assert (found.sha256, found.sidecar, found.claimed, found.indexed) == (DIGEST, SIDECAR, True, 5)
    assert found.finding is None
    assert found.members()["name"] == "x"


def test_digests_of_shards_may_be_bytes():
    [found] = shard(index({"x-1-0.conda": record(sha256=bytes.fromhex(DIGEST))}))
    assert found.sha256 == DIGEST


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"attestations_sha256": SIDECAR.upper()}, Code.SIDECAR_FIELD),
        ({"attestations_sha256": None}, Code.SIDECAR_FIELD),
        ({"attestations_sha256": 5}, Code.SIDECAR_FIELD),
        ({"sha256": "short"}, Code.BIND_NO_DIGEST),
        ({"name": "numpy"}, Code.BIND_METADATA),
        ({"version": "2"}, Code.BIND_METADATA),
        ({"build": "1"}, Code.BIND_METADATA),
        ({"subdir": "linux-64"}, Code.BIND_METADATA),
    ],
)
@pytest.mark.parametrize("read", [monolith, shard])
def test_a_broken_record_is_a_finding_and_the_others_are_read(read, change, code):
    """An index whose one broken record ended the audit would hide all that follow."""
    found = read(index({"x-1-0.conda": record(**change), "y-1-0.conda": record(name="y")}))
    assert [each.finding.code if each.finding else None for each in found] == [code, None]


@pytest.mark.parametrize("read", [monolith, shard])
def test_a_record_that_is_no_object_and_a_name_that_is_no_packages(read):
    found = read(index({"x-1-0.conda": 5, "Ünsinn": record()}))
    assert {each.key: each.finding.code for each in found} == {
        "x-1-0.conda": Code.NET_UNAVAILABLE,
        "Ünsinn": Code.BIND_NAME,
    }


def test_a_record_without_a_digest_binds_nothing():
    without = record()
    del without["sha256"]
    [found] = monolith(index({"x-1-0.conda": without}))
    assert found.finding.code is Code.BIND_NO_DIGEST


@pytest.mark.parametrize("read", [monolith, shard])
def test_a_file_in_two_sections_is_one_ambiguous_row(read):
    found = read(index({"x-1-0.conda": record()}, v3={"conda": {"x-1-0": record()}}))
    assert [each.finding.code for each in found] == [Code.BIND_AMBIGUOUS]


@pytest.mark.parametrize("read", [monolith, shard])
def test_v3_counts_and_other_kinds_of_it_are_passed_over(read):
    found = read(index(v3={"conda": {"x-1-0": record()}, "whl": {"y-1": record()}}))
    assert [each.key for each in found] == ["x-1-0.conda"]


@pytest.mark.parametrize("key", ["sha256", "attestations_sha256", r"\u0073ha256"])
def test_a_key_that_stands_twice_in_a_record_is_found(key):
    """Two clients would read two records: one verifies, the other installs."""
    text = json.dumps(record(attestations_sha256=SIDECAR))[:-1] + f', "{key}": "{"ef" * 32}"}}'
    [found] = monolith(b'{"packages": {}, "packages.conda": {"x-1-0.conda": ' + text.encode() + b"}}")
    assert found.finding.code is Code.NET_UNAVAILABLE


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    ("within", "key"),
    [
        ((), "packages"),
        ((), "packages.conda"),
        ((), "v3"),
        (("packages.conda",), "x-1-0.conda"),
        (("packages",), "x-1-0.tar.bz2"),
        (("v3",), "conda"),
        (("v3", "conda"), "y-1-0"),
    ],
)
def test_an_index_with_a_key_twice_is_none(within, key, indent):
    """A solver may load both records of a file; a reader that takes the last one would vouch for that one alone."""
    v3 = {"conda": {"y-1-0": record(name="y")}}
    document = index({"x-1-0.conda": record()}, {"x-1-0.tar.bz2": record()}, v3=v3)
    assert len(monolith(json.dumps(document, indent=indent).encode())) == 3
    place = document
    for each in within:
        place = place[each]
    place["twice"] = place[key]
    with pytest.raises(Malformed) as caught:
        monolith(json.dumps(document, indent=indent).replace('"twice"', json.dumps(key)).encode())
    assert caught.value.finding.code is Code.BIND_AMBIGUOUS


@pytest.mark.parametrize("stamp", [2**63, 2**64, 2**70, -(2**70), 10**4000])
def test_a_time_that_is_far_from_any_date_stays_so_in_64_bits(stamp):
    """One record with such a time would stop an audit, which writes rows down as msgpack."""
    [found] = monolith(index({"x-1-0.conda": record(indexed_timestamp=stamp)}))
    assert found.indexed is None or (abs(found.indexed) == 2**63 - 1 and found.indexed * stamp > 0)
    msgspec.msgpack.encode(found.indexed)


def test_records_come_in_the_order_of_their_names():
    found = monolith(index({"b-1-0.conda": record(name="b")}, {"c-1-0.tar.bz2": record(name="c"), "a-1-0.tar.bz2": 1}))
    assert [each.key for each in found] == ["a-1-0.tar.bz2", "b-1-0.conda", "c-1-0.tar.bz2"]


def test_a_record_in_the_shard_of_another_name_is_no_record_of_it():
    [found] = shard(index({"x-1-0.conda": record()}), name="numpy")
    assert found.finding.code is Code.BIND_METADATA


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"packages": []}', b'{"packages": {"\xff": {}}}'])
def test_what_is_no_index_is_refused(data):
    with pytest.raises(Malformed) as caught:
        monolith(data)
    assert caught.value.finding.code is Code.NET_UNAVAILABLE


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text() | st.binary(), lambda inner: st.lists(inner) |
                    st.dictionaries(st.sampled_from(["packages", "packages.conda", "v3", "conda", "x-1-0"]) | st.text(),
                                    inner)))  # fmt: skip
def test_any_shard_is_read_or_refused(value):
    try:
        data = compression.zstd_small(msgspec.msgpack.encode(value))
    except (OverflowError, UnicodeEncodeError):
        return
    codes = {Code.NET_UNAVAILABLE}
    try:
        list(listings.of_shard(data, "noarch", where="shard"))
    except Malformed as error:
        codes.add(error.finding.code)
    assert codes == {Code.NET_UNAVAILABLE}
