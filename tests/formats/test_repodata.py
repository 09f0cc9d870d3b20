import json
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import repodata
from condattest.formats.repodata import Record, ShardIndex
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HEX, OTHER = "0123456789abcdef" * 4, "fedcba9876543210" * 4
CONDA = PackageFile.parse("zlib-1.2.11-h7b6447c_3.conda")
BZIP2 = PackageFile.parse("zlib-1.2.11-h7b6447c_3.tar.bz2")
FULL = {"name": "zlib", "sha256": HEX, "attestations_sha256": OTHER, "indexed_timestamp": 1756728839000}
READ = Record(CONDA, Sha256(HEX), Sha256(OTHER), 1756728839000)


def monolith(document: object) -> bytes:
    return json.dumps(document).encode()


def shard(document: object) -> bytes:
    return zstd.compress(msgspec.msgpack.encode(document))


def find_in_shard(data: bytes, file: PackageFile, *, where: str) -> Record | None:
    return repodata.read_shard(data, where=where).find(file)


FORMS = [
    pytest.param(repodata.find, monolith, id="repodata.json"),
    pytest.param(find_in_shard, shard, id="shard"),
]
both = pytest.mark.parametrize(("find", "encode"), FORMS)


def index(record: object, *, file=CONDA, section="packages.conda") -> dict:
    return {"info": {"subdir": "linux-64"}, "packages": {}, "packages.conda": {}, section: {str(file): record}}


def refused(find, data, file=CONDA) -> Finding:
    with pytest.raises(Malformed) as caught:
        find(data, file, where="index")
    finding = caught.value.finding
    assert finding.where.startswith("index")
    assert all(len(value) < 300 for value in finding.facts.values())
    return finding


@both
def test_a_record_is_found_in_either_section(find, encode):
    assert find(encode(index(FULL)), CONDA, where="index") == READ
    found = find(encode(index(FULL, file=BZIP2, section="packages")), BZIP2, where="index")
    assert found == Record(BZIP2, Sha256(HEX), Sha256(OTHER), 1756728839000)


@both
@pytest.mark.parametrize("document", [{}, {"packages": {}}, {"packages.conda": {}}, index(FULL, file=BZIP2)], ids=repr)
def test_a_file_that_is_not_listed_is_none(find, encode, document):
    assert find(encode(document), CONDA, where="index") is None


@both
def test_a_twin_in_the_other_format_is_another_file(find, encode):
    """The record of the `.tar.bz2` is passed off as the `.conda`'s."""
    document = {"packages": {str(BZIP2): {"sha256": OTHER}}, "packages.conda": {str(CONDA): {"sha256": HEX}}}
    assert find(encode(document), CONDA, where="index").sha256 == HEX
    assert find(encode(document), BZIP2, where="index").sha256 == OTHER


@both
@pytest.mark.parametrize("same", [True, False])
def test_a_file_in_both_sections_is_refused(find, encode, same):
    """Two clients take two records, one of them without the attestation's digest."""
    record = FULL if same else {"sha256": OTHER}
    finding = refused(find, encode({"packages": {str(CONDA): record}, "packages.conda": {str(CONDA): FULL}}))
    assert finding.code is Code.BIND_AMBIGUOUS


def pairs(*members):
    """A msgpack map of up to 15 members, which may have a key twice."""
    return bytes([0x80 | len(members)]) + b"".join(
        msgspec.msgpack.encode(key) + (value if isinstance(value, bytes) else msgspec.msgpack.encode(value))
        for key, value in members
    )


ONE, TWO = pairs(("sha256", HEX)), pairs(("sha256", OTHER))
NAMED = pairs((str(CONDA), ONE))
SHARD = msgspec.msgpack.encode(bytes(32))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (pairs(("packages.conda", pairs((str(CONDA), ONE), (str(CONDA), TWO)))), Code.BIND_AMBIGUOUS),
        (pairs(("packages.conda", NAMED), ("packages.conda", b"\x80")), Code.BIND_AMBIGUOUS),
        (pairs(("v3", pairs(("conda", b"\x80"), ("conda", b"\x80")))), Code.BIND_AMBIGUOUS),
        (pairs(("v3", pairs(("conda", pairs((CONDA.stem, ONE), (CONDA.stem, ONE)))))), Code.BIND_AMBIGUOUS),
        (pairs(("packages.conda", pairs((str(CONDA), pairs(("sha256", HEX), ("sha256", HEX)))))), Code.NET_UNAVAILABLE),
    ],
)
def test_a_shard_with_a_key_twice_is_refused(data, code):
    """A client takes the first record of a shard, and the check the last one."""
    assert refused(find_in_shard, packed(data)).code is code


@pytest.mark.parametrize(
    "data",
    [
        pairs(("info", b"\x80"), ("shards", pairs(("zlib", SHARD), ("zlib", SHARD)))),
        pairs(("info", b"\x80"), ("shards", b"\x80"), ("shards", b"\x80")),
        pairs(("info", pairs(("shards_base_url", "a"), ("shards_base_url", "b"))), ("shards", b"\x80")),
    ],
)
def test_a_shard_index_with_a_key_twice_is_refused(data):
    """Two clients fetch two shards."""
    with pytest.raises(Malformed) as caught:
        repodata.parse_shard_index(packed(data), where="index")
    assert caught.value.finding.code is Code.BIND_AMBIGUOUS


@both
def test_fields_that_a_record_does_not_have_are_none(find, encode):
    assert find(encode(index({"name": "zlib"})), CONDA, where="index") == Record(CONDA, None, None, None)


@both
@pytest.mark.parametrize(
    "value", [HEX.upper(), HEX[:-1], HEX + "0", "", None, [HEX], {"sha256": HEX}, 1, True, "x" * 9999]
)
def test_a_digest_of_a_sidecar_in_another_form_is_refused(find, encode, value):
    """A server that spoils the field makes a lenient client go on as if nothing were attested."""
    finding = refused(find, encode(index({**FULL, "attestations_sha256": value})))
    assert finding.code is Code.SIDECAR_FIELD
    assert finding.where == f"index: {CONDA}: attestations_sha256"


@both
@pytest.mark.parametrize("value", [HEX.upper(), HEX[:-1], "", None, [HEX], 1])
def test_a_digest_of_a_package_in_another_form_is_refused(find, encode, value):
    """A digest that only some clients understand binds the package for them alone."""
    assert refused(find, encode(index({**FULL, "sha256": value}))).code is Code.BIND_NO_DIGEST


def test_digests_in_shards_may_be_bytes():
    record = {"sha256": bytes.fromhex(HEX), "attestations_sha256": bytes.fromhex(OTHER)}
    found = find_in_shard(shard(index(record)), CONDA, where="index")
    assert (found.sha256, found.attestations_sha256) == (HEX, OTHER)


@pytest.mark.parametrize("value", [b"", bytes(31), bytes(33), HEX.encode()], ids=len)
def test_bytes_of_another_length_are_no_digest(value):
    """A digest of 31 bytes matches whatever a lenient client pads it to."""
    finding = refused(find_in_shard, shard(index({**FULL, "attestations_sha256": value})))
    assert finding.code is Code.SIDECAR_FIELD


@both
@pytest.mark.parametrize("value", ["1756728839000", None, True, [], 1.5], ids=repr)
def test_a_time_that_is_no_integer_is_none_since_nothing_signs_it(find, encode, value):
    assert find(encode(index({**FULL, "indexed_timestamp": value})), CONDA, where="index").indexed_timestamp is None


@both
@pytest.mark.parametrize("record", [None, [], "x", 1, [FULL]], ids=repr)
def test_a_record_that_is_no_object_is_no_record(find, encode, record):
    assert refused(find, encode(index(record))).code is Code.NET_UNAVAILABLE


@both
@pytest.mark.parametrize("document", [[], "x", 1, None, {"packages": [1]}, {"packages.conda": "x"}], ids=repr)
def test_what_is_no_index_leaves_undecided(find, encode, document):
    """An error page taken for an empty index makes every package unlisted or unsigned."""
    assert refused(find, encode(document)).code is Code.NET_UNAVAILABLE


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>", id="a web page"),
        pytest.param(monolith(index(FULL))[:-2], id="cut short"),
        pytest.param(monolith(index(FULL)) + b"{}", id="bytes after it"),
        pytest.param(b"[" * 200_000, id="200,000 levels of nesting"),
        pytest.param(b'{"x":' * 200_000, id="200,000 open objects"),
        pytest.param(monolith(index(FULL)).replace(b'"zlib"', b"1" * 5000), id="an integer of 5,000 digits"),
        pytest.param(monolith(index(FULL)).replace(b'"zlib"', b"NaN"), id="NaN"),
        pytest.param(monolith(index(FULL)).replace(b"name", b"\xff"), id="no UTF-8"),
        pytest.param(zstd.compress(monolith(index(FULL))), id="compressed"),
    ],
)
def test_bytes_that_are_no_json_leave_undecided(data):
    """A broken index is taken for one without the package."""
    assert refused(repodata.find, data).code is Code.NET_UNAVAILABLE


def packed(data: bytes) -> bytes:
    return zstd.compress(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(packed(b""), id="nothing, compressed"),
        pytest.param(msgspec.msgpack.encode(index(FULL)), id="not compressed"),
        pytest.param(shard(index(FULL))[:-3], id="cut short"),
        pytest.param(shard(index(FULL)) + b"x", id="bytes after it"),
        pytest.param(packed(msgspec.msgpack.encode(index(FULL)) + b"x"), id="bytes after it, compressed"),
        pytest.param(packed(b"\xdd\xff\xff\xff\xff"), id="an array of four billion elements in five bytes"),
        pytest.param(packed(b"\xdf\xff\xff\xff\xff"), id="a map of four billion keys in five bytes"),
        pytest.param(packed(b"\x91" * 200_000), id="200,000 levels of nesting"),
        pytest.param(packed(b"\x81\x80\x01"), id="a map as a key"),
        pytest.param(packed(b"\x81\xa1\xff\x01"), id="no UTF-8"),
        pytest.param(packed(monolith(index(FULL))), id="JSON, compressed"),
        pytest.param(packed(b"\xd7\xff" + b"\xff" * 8), id="a time that does not exist"),
    ],
)
def test_bytes_that_are_no_shard_leave_undecided(data):
    """A broken shard is taken for one without the package."""
    assert refused(find_in_shard, data).code is Code.NET_UNAVAILABLE
    with pytest.raises(Malformed) as caught:
        repodata.parse_shard_index(data, where="index")
    assert caught.value.finding.code is Code.NET_UNAVAILABLE


@both
@pytest.mark.parametrize(("bucket", "file"), [("conda", CONDA), ("tar.bz2", BZIP2)])
def test_a_record_is_found_in_v3_by_its_name_without_extension(find, encode, bucket, file):
    document = {"packages": {}, "packages.conda": {}, "v3": {bucket: {file.stem: FULL}, "whl": {file.stem: 1}}}
    found = find(encode(document), file, where="index")
    assert found == Record(file, Sha256(HEX), Sha256(OTHER), 1756728839000)
    other = {CONDA: BZIP2, BZIP2: CONDA}[file]
    assert find(encode(document), other, where="index") is None
    assert find(encode({"v3": {}}), file, where="index") is None
    # In v3 a name with its extension is another file's.
    assert find(encode({"v3": {bucket: {str(file): FULL}}}), file, where="index") is None


@both
@pytest.mark.parametrize("section", ["packages", "packages.conda"])
@pytest.mark.parametrize("same", [True, False])
def test_a_file_in_a_section_and_in_v3_is_ambiguous(find, encode, section, same):
    """A client of today takes the one record, a client of tomorrow the other."""
    document = {section: {str(CONDA): FULL}, "v3": {"conda": {CONDA.stem: FULL if same else {"sha256": OTHER}}}}
    assert refused(find, encode(document)).code is Code.BIND_AMBIGUOUS
    document["v3"] = {"tar.bz2": {CONDA.stem: FULL}}
    assert find(encode(document), CONDA, where="index") == READ


@both
@pytest.mark.parametrize("v3", [[], 1, {"conda": [1]}, {"conda": {CONDA.stem: 5}}], ids=repr)
def test_v3_of_another_form_leaves_undecided(find, encode, v3):
    """A newer index read as one without the package makes it unlisted."""
    assert refused(find, encode({"packages": {}, "v3": v3})).code is Code.NET_UNAVAILABLE


def everything(data, wanted=lambda file: True):
    return list(repodata.records(data, wanted, where="index"))


def test_all_wanted_records_come_with_their_bytes():
    spaced = b'{ "name" : "x" , "n" : 1e5 }'
    document = {
        "packages": {str(BZIP2): {}, "junk": 5, "other-1-0.tar.bz2": {}},
        "packages.conda": {str(CONDA): 0},
        "v3": {"conda": {"x-1-0": FULL}, "tar.bz2": {"x-1-0": {}}, "whl": {"x-1-0": 5}},
    }
    data = monolith(document).replace(b": 0}", b": " + spaced + b"}")
    found = everything(data, lambda file: file.name != "other")
    assert [(str(record.file), raw, later) for record, raw, later in found] == [
        (str(BZIP2), b"{}", False),
        (str(CONDA), spaced, False),
        ("x-1-0.tar.bz2", b"{}", True),
        ("x-1-0.conda", monolith(FULL), True),
    ]
    assert found[-1][0] == Record(PackageFile.parse("x-1-0.conda"), Sha256(HEX), Sha256(OTHER), 1756728839000)


def test_a_record_that_nobody_wants_is_not_judged():
    data = monolith(index(5))
    assert everything(data, lambda file: False) == []
    assert refused(lambda data, file, where: everything(data), data).code is Code.NET_UNAVAILABLE


def test_the_records_that_advertise_are_found_in_v3_too():
    v3 = {"conda": {"x-1-0": FULL, "y-1-0": {}}, "tar.bz2": {"x-1-0": FULL}, "whl": {"x-1-0": FULL}}
    found = repodata.attested(monolith({**index(FULL), "v3": v3}), where="index")
    assert [str(record.file) for record in found] == [str(CONDA), "x-1-0.tar.bz2", "x-1-0.conda"]


@pytest.mark.parametrize("read", [everything, lambda data: repodata.attested(data, where="index")])
@pytest.mark.parametrize(
    "document",
    [
        {"packages": {str(CONDA): FULL}, "packages.conda": {str(CONDA): FULL}},
        {"packages": {str(CONDA): FULL}, "v3": {"conda": {CONDA.stem: FULL}}},
        {"packages.conda": {str(CONDA): {}}, "v3": {"conda": {CONDA.stem: FULL}}},
    ],
)
def test_a_file_that_two_sections_list_is_ambiguous_for_whoever_reads_all(read, document):
    """A client of today takes the one record, a client of tomorrow the other."""
    assert refused(lambda data, file, where: read(data), monolith(document)).code is Code.BIND_AMBIGUOUS


@pytest.mark.parametrize("read", [everything, lambda data: repodata.attested(data, where="index")])
@pytest.mark.parametrize("data", [b"", b"[]", b'{"packages":1}', b'{"v3":{"conda":[]}}', b"\xff"])
def test_whoever_reads_all_refuses_what_is_no_index(read, data):
    """An error page taken for an empty index makes every package unlisted."""
    assert refused(lambda data, file, where: read(data), data).code is Code.NET_UNAVAILABLE


def test_a_whole_record_is_read_strictly():
    assert repodata.parse_record(b'{"a": 1}', where="index") == {"a": 1}
    for raw in (b"[]", b'{"a":1,"a":1}', b'{"a":{"b":1,"b":1}}', b"", b'{"a":"\xff"}'):
        with pytest.raises(Malformed) as caught:
            repodata.parse_record(raw, where="index")
        assert caught.value.finding.code is Code.NET_UNAVAILABLE


def test_a_shard_of_real_shape_may_leave_a_section_null():
    assert find_in_shard(shard({"packages": None, "packages.conda": {}}), CONDA, where="index") is None


SHARDS = {"version": 1, "info": {"subdir": "linux-64", "shards_base_url": "./shards/"}, "shards": {"zlib": bytes(32)}}


def test_a_shard_index_gives_the_digest_of_each_shard():
    assert repodata.parse_shard_index(shard(SHARDS), where="index") == ShardIndex("./shards/", {"zlib": bytes(32)})


def test_a_shard_index_may_leave_its_base_to_its_own_place():
    assert repodata.parse_shard_index(shard({**SHARDS, "info": {}}), where="index").shards_base_url == ""


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": "1"},
        {"version": None},
        {"info": None},
        {"info": {"shards_base_url": 1}},
        {"shards": []},
        {"shards": {"zlib": "x"}},
        {"shards": {1: bytes(32)}},
    ],
    ids=repr,
)
def test_a_shard_index_of_another_form_leaves_undecided(change):
    """A newer index read as the old one loses what it adds."""
    with pytest.raises(Malformed) as caught:
        repodata.parse_shard_index(shard({**SHARDS, **change}), where="index")
    assert caught.value.finding.code is Code.NET_UNAVAILABLE


def test_real_records_are_found(real_data):
    data = (real_data / "repodata" / "r_linux-64.json").read_bytes()
    packages = json.loads(data)["packages"]
    for name in sorted(packages)[::500]:
        found = repodata.find(data, PackageFile.parse(name), where="index")
        assert found == Record(PackageFile.parse(name), Sha256(packages[name]["sha256"]), None, None)
    assert repodata.find(data, CONDA, where="index") is None


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
fields = st.dictionaries(st.sampled_from(["sha256", "attestations_sha256", "indexed_timestamp"]), values | st.just(HEX))
CODES = {Code.NET_UNAVAILABLE, Code.SIDECAR_FIELD, Code.BIND_NO_DIGEST, Code.BIND_AMBIGUOUS}


def code_of(find, data) -> Code | None:
    try:
        record = find(data, CONDA, where="index")
    except Malformed as error:
        return error.finding.code
    assert record is None or record.file == CONDA
    return None


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_arbitrary_bytes_only_ever_raise_malformed(data):
    assert code_of(repodata.find, data) in {Code.NET_UNAVAILABLE, None}
    assert code_of(find_in_shard, data) is Code.NET_UNAVAILABLE
    assert code_of(find_in_shard, packed(data)) in {Code.NET_UNAVAILABLE, None}


@both
@given(record=values | fields, section=values | st.none())
def test_arbitrary_records_only_ever_raise_malformed(find, encode, record, section):
    assert code_of(find, encode(index(record))) in {*CODES, None}
    assert code_of(find, encode({"packages": section, "packages.conda": {str(CONDA): record}})) in {*CODES, None}


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_changed_byte_only_ever_raises_malformed(position, value):
    for find, data, pack in (
        (repodata.find, monolith(index(FULL)), bytes),
        (find_in_shard, msgspec.msgpack.encode(index(FULL)), packed),
    ):
        mutable = bytearray(data)
        mutable[position % len(data)] = value
        assert code_of(find, pack(bytes(mutable))) in {*CODES, None}
