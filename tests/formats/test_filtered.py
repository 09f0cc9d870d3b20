"""Against what `json.loads` reads: the same document without the records that go, and not a byte else changed."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import compression, filtered, shards
from condattest.model.finding import Code, Finding

GONE = Finding.of(Code.MISSING_ATTESTATION, "gone")
HEX = "a" * 64


def leave_out(*names):
    return lambda name, file, sha256, sidecar: GONE if file in names or name in names else None


def nothing(name, file, sha256, sidecar):
    return None


names = st.builds("{}-{}-{}".format, st.sampled_from("abc"), st.integers(0, 9), st.sampled_from("xyz"))
values = st.one_of(
    st.text(max_size=6), st.integers(-(2**63), 2**64 - 1), st.lists(st.text(max_size=3), max_size=2), st.none()
)
records = st.builds(
    lambda extra, sidecar: {**extra, "sha256": HEX, **({"attestations_sha256": HEX} if sidecar else {})},
    st.dictionaries(st.text(max_size=4), values, max_size=3),
    st.booleans(),
)
stems = st.dictionaries(names, records, max_size=6)
layouts = st.sampled_from(
    [{"separators": (",", ":")}, {}, {"indent": 2}, {"separators": (" , ", " : ")}, {"ensure_ascii": False}]
)


@st.composite
def documents(draw):
    """An index of all four sections, no file in two of them."""
    old, new = draw(stems), draw(stems)
    v3_new = {key: value for key, value in draw(stems).items() if key not in new}
    v3_old = {key: value for key, value in draw(stems).items() if key not in old}
    document = {
        "info": {"subdir": "noarch"},
        "packages": {f"{key}.tar.bz2": value for key, value in old.items()},
        "packages.conda": {f"{key}.conda": value for key, value in new.items()},
        "removed": ["a-1-x.conda"],
        "signatures": {"a-1-x.conda": "x"},
        "v3": {"conda": v3_new, "tar.bz2": v3_old},
    }
    return {key: document[key] for key in draw(st.permutations(sorted(document)))}


def without(document, names):
    v3 = {
        name: {key: value for key, value in section.items() if f"{key}.{name}" not in names}
        for name, section in document["v3"].items()
    }
    rest = {
        name: {key: value for key, value in document[name].items() if key not in names}
        for name in ("packages", "packages.conda")
    }
    return {**document, **rest, "v3": v3}


def files_of(document):
    v3 = [f"{key}.{name}" for name, section in document["v3"].items() for key in section]
    return [*document["packages"], *document["packages.conda"], *v3]


@settings(max_examples=40)
@given(documents(), layouts, st.data())
def test_the_monolith_is_what_json_reads_without_the_records_that_go(document, layout, data):
    files = files_of(document)
    gone = set(data.draw(st.lists(st.sampled_from(files), unique=True))) if files else set()
    text = json.dumps(document, **layout).encode()
    left = filtered.monolith(text, leave_out(*gone), where="index")
    assert json.loads(left.data) == without(document, gone)
    assert list(json.loads(left.data)) == list(document)
    assert set(left.left_out) == gone
    assert left.kept == len(files) - len(gone)
    if not gone:
        assert left.data is text


@settings(max_examples=40)
@given(documents(), layouts, st.data())
def test_records_that_stay_keep_their_bytes(document, layout, data):
    gone = set(data.draw(st.lists(st.sampled_from(files_of(document)), unique=True))) if files_of(document) else set()
    text = json.dumps(document, **layout).encode()
    left = filtered.monolith(text, leave_out(*gone), where="index").data
    for name in ("packages", "packages.conda"):
        before = msgspec.json.decode(
            msgspec.json.decode(text, type=dict[str, msgspec.Raw])[name], type=dict[str, msgspec.Raw]
        )
        after = msgspec.json.decode(
            msgspec.json.decode(left, type=dict[str, msgspec.Raw])[name], type=dict[str, msgspec.Raw]
        )
        assert {key: bytes(raw) for key, raw in after.items()} == {
            key: bytes(raw) for key, raw in before.items() if key not in gone
        }


@settings(max_examples=40)
@given(documents(), st.booleans(), st.data())
def test_a_shard_is_what_msgpack_reads_without_the_records_that_go(document, as_bytes, data):
    files = files_of(document)
    gone = set(data.draw(st.lists(st.sampled_from(files), unique=True))) if files else set()
    if as_bytes:
        for section in (document["packages"], document["packages.conda"], *document["v3"].values()):
            for record in section.values():
                record["sha256"] = bytes.fromhex(HEX)
    packed = compression.zstd_small(_pack(document))
    left = filtered.shard(packed, leave_out(*gone), where="shard")
    plain = compression.unzstd(left.data, limit=1 << 30, code=Code.NET_UNAVAILABLE, where="")
    assert msgspec.msgpack.decode(plain) == without(document, gone)
    assert set(left.left_out) == gone
    if not gone:
        assert left.data is packed


def _pack(document):
    return msgspec.msgpack.encode(document)


def index(section="packages.conda", **more):
    return json.dumps({"info": {}, section: more.pop("records", {"a-1-x.conda": {"sha256": HEX}}), **more}).encode()


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({}, Code.BIND_NO_DIGEST),
        ({"sha256": "A" * 64}, Code.BIND_NO_DIGEST),
        ({"sha256": None}, Code.BIND_NO_DIGEST),
        ({"sha256": HEX, "attestations_sha256": HEX.upper()}, Code.SIDECAR_FIELD),
        ({"sha256": HEX, "attestations_sha256": HEX[1:]}, Code.SIDECAR_FIELD),
        ({"sha256": HEX, "attestations_sha256": None}, Code.SIDECAR_FIELD),
        ({"sha256": HEX, "attestations_sha256": [HEX]}, Code.SIDECAR_FIELD),
    ],
)
def test_a_record_that_binds_to_nothing_is_left_out_of_both_forms(record, code):
    """Threats 39 and 48."""
    left = filtered.monolith(index(records={"a-1-x.conda": record}), nothing, where="index")
    assert left.left_out["a-1-x.conda"].code is code
    assert json.loads(left.data)["packages.conda"] == {}
    packed = compression.zstd_small(_pack({"packages": {}, "packages.conda": {"a-1-x.conda": record}}))
    assert filtered.shard(packed, nothing, where="shard").left_out["a-1-x.conda"].code is code


def test_a_file_in_two_sections_is_left_out_of_both():
    """Threat 49: two clients would take two records."""
    twice = {"a-1-x.conda": {"sha256": HEX}}
    left = filtered.monolith(index(records=twice, packages=twice), nothing, where="index")
    assert left.kept == 0
    assert json.loads(left.data) == {"info": {}, "packages.conda": {}, "packages": {}}
    left = filtered.monolith(index(records=twice, v3={"conda": {"a-1-x": {"sha256": HEX}}}), nothing, where="index")
    assert left.left_out["a-1-x.conda"].code is Code.BIND_AMBIGUOUS
    packed = compression.zstd_small(_pack({"packages": twice, "packages.conda": twice}))
    assert filtered.shard(packed, nothing, where="shard").kept == 0


@pytest.mark.parametrize("name", ["../a-1-x.conda", "a-1-x.whl", "a-1-x.CONDA", "ä-1-x.conda", "a.conda", ""])
def test_what_is_no_package_s_name_is_left_out(name):
    left = filtered.monolith(index(records={name: {"sha256": HEX}, "b-1-x.conda": {"sha256": HEX}}), nothing, where="i")
    assert left.left_out[name].code is Code.BIND_NAME
    assert list(json.loads(left.data)["packages.conda"]) == ["b-1-x.conda"]


def test_sections_that_lead_elsewhere_are_emptied():
    """A wheel's record has a URL of its own, and a base_url leads past the proxy."""
    data = index(
        **{
            "packages.whl": {"a": {"url": "https://elsewhere.example/a.whl"}},
            "v3": {"whl": {"a": {}}, "conda": {}},
            "info": {
                "base_url": "https://elsewhere.example/",
                "channel_relations": {"base": "../elsewhere"},
                "subdir": "noarch",
            },
        }
    )
    left = filtered.monolith(data, nothing, where="index")
    read = json.loads(left.data)
    assert read["packages.whl"] == read["v3"]["whl"] == {}
    assert read["info"] == {"base_url": "./", "channel_relations": {}, "subdir": "noarch"}
    assert sorted(left.emptied) == ["info.channel_relations", "packages.whl", "v3.whl"]
    packed = compression.zstd_small(_pack({"packages": {}, "packages.whl": {"a": 1}, "v3": {"whl": {"a": 1}}}))
    left = filtered.shard(packed, nothing, where="shard")
    assert sorted(left.emptied) == ["packages.whl", "v3.whl"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"packages": null}',
        b'{"packages": {}, "packages": {}}',
        b'{"packages.conda":{"a-1-x.conda":{"sha256":"%b"},"a-1-x.conda":{}}}' % HEX.encode(),
        b'{"packages": {"a-1-x.tar.bz2": []}}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_index_is_refused(data):
    with pytest.raises(Malformed) as caught:
        filtered.monolith(data, nothing, where="index")
    assert caught.value.finding.code is Code.NET_UNAVAILABLE


@pytest.mark.parametrize("plain", [b"", b"\x90", b"\x81\xa8packages\x90", b"\x82\xa1a\x80\xa1a\x80"])
def test_what_is_no_shard_is_refused(plain):
    with pytest.raises(Malformed) as caught:
        filtered.shard(compression.zstd_small(plain), nothing, where="shard")
    assert caught.value.finding.code is Code.NET_UNAVAILABLE


def test_a_shard_index_names_the_new_shards_and_bases_beside_itself():
    info = {"base_url": "https://elsewhere.example/", "shards_base_url": "../s/", "subdir": "noarch", "created_at": "x"}
    info["channel_relations"] = {"overrides": "../elsewhere"}
    document = {"version": 1, "info": info, "shards": {"a": b"\0" * 32, "b": b"\1" * 32}, "unknown": [1]}
    read = shards.read_index(compression.zstd_small(_pack(document)), where="index")
    packed = filtered.shard_index(read, {"b": b"\2" * 32}, shards_base_url="./shards/")
    plain = compression.unzstd(packed, limit=1 << 20, code=Code.NET_UNAVAILABLE, where="")
    assert msgspec.msgpack.decode(plain) == {
        **document,
        "info": {**info, "base_url": "./", "shards_base_url": "./shards/", "channel_relations": {}},
        "shards": {"b": b"\2" * 32},
    }
