import hashlib
import json
import sys

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import compression, shards
from condattest.formats.index_changes import FIELD, Applied, Changes, Listed
from condattest.formats.repodata import parse_shard_index
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding
from tests.channels import until_refused

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HEAD, OTHER = Sha256("5a" * 32), Sha256("0f" * 32)
STEMS = ["zlib-1.2-h1_0", "a-1-0", "_x-1-0"]
CONDAS = [PackageFile.parse(f"{stem}.conda") for stem in STEMS]
BZIP2S = [PackageFile.parse(f"{stem}.tar.bz2") for stem in STEMS]
CONDA, BZIP2 = CONDAS[0], BZIP2S[0]
FILES = [*CONDAS, *BZIP2S]
SECTIONS = {"packages": "tar.bz2", "packages.conda": "conda"}
RECORD = {"build": "h1_0", "name": "zlib", "sha256": bytes(32), "version": "1.2"}


def packed(document: object) -> bytes:
    return zstd.compress(msgpack.packb(document))


def opened(data: bytes) -> dict:
    return msgpack.unpackb(zstd.decompress(data))


def shard(record: object, **more: object) -> bytes:
    return packed({"packages": {}, "packages.conda": {str(CONDA): record}, **more})


def applied(data: bytes, advertise, insert=()) -> Applied:
    return shards.apply(data, Changes(dict(advertise), dict(insert)), where="shard")


def refused(data: bytes, advertise=((CONDA, HEAD),), insert=()) -> Finding:
    with pytest.raises(Malformed) as caught:
        applied(data, advertise, insert)
    assert caught.value.finding.where.startswith(("shard", "the new record"))
    assert all(len(value) <= 300 for value in caught.value.finding.facts.values())
    return caught.value.finding


class TestOneRecord:
    def test_the_field_is_put_in_its_place_as_hex(self):
        found = applied(shard(RECORD), {CONDA: HEAD})
        assert found.data == shard({FIELD: HEAD, **RECORD})
        assert (found.present, found.changed, found.before) == ({CONDA}, {CONDA}, {CONDA: None})
        assert applied(found.data, {CONDA: None}).data == shard(RECORD)

    def test_a_record_that_is_not_sorted_gets_it_at_its_end(self):
        assert applied(shard({"z": 1, "a": 2}), {CONDA: HEAD}).data == shard({"z": 1, "a": 2, FIELD: HEAD})

    def test_a_value_that_is_there_is_replaced_in_its_own_form(self):
        for old, new in ((OTHER, str(HEAD)), (bytes.fromhex(OTHER), bytes.fromhex(HEAD))):
            found = applied(shard({"z": 1, FIELD: old, "a": 2}), {CONDA: HEAD})
            assert found.data == shard({"z": 1, FIELD: new, "a": 2})
            assert found.before == {CONDA: OTHER}

    @pytest.mark.parametrize("value", [None, 5, "", b"", bytes(31), HEAD.upper(), [HEAD]], ids=repr)
    def test_a_value_that_is_malformed_is_replaced(self, value):
        """A field that somebody spoiled keeps the record from being verified for good."""
        found = applied(shard({**RECORD, FIELD: value}), {CONDA: HEAD})
        assert opened(found.data)["packages.conda"][str(CONDA)][FIELD] in {HEAD, bytes.fromhex(HEAD)}
        assert found.before == {CONDA: None}
        assert applied(found.data, {CONDA: None}).data == shard(RECORD)

    @pytest.mark.parametrize("value", [str(HEAD), bytes.fromhex(HEAD)], ids=["hex", "bytes"])
    def test_a_value_that_says_so_already_stays(self, value):
        data = shard({FIELD: value})
        found = applied(data, {CONDA: HEAD})
        assert found.data is data
        assert (found.present, found.changed, found.before) == ({CONDA}, set(), {CONDA: HEAD})

    @pytest.mark.parametrize("sha256", [bytes(32), str(OTHER), None, 5])
    def test_a_record_of_other_bytes_names_no_sidecar(self, sha256):
        changes = Changes({CONDA: HEAD}, {}, {CONDA: HEAD})
        found = shards.apply(shard({"sha256": sha256, FIELD: str(OTHER)}), changes, where="x")
        assert found.data == shard({"sha256": sha256})
        assert (found.stale, found.before) == ({CONDA}, {CONDA: OTHER})
        again = shards.apply(found.data, changes, where="x")
        assert (again.data is found.data, again.stale) == (True, {CONDA})
        for right in (str(HEAD), bytes.fromhex(HEAD)):
            found = shards.apply(shard({"sha256": right}), changes, where="x")
            assert found.stale == frozenset()
            assert opened(found.data)["packages.conda"][str(CONDA)][FIELD] in {HEAD, bytes.fromhex(HEAD)}

    def test_a_file_that_is_not_listed_changes_nothing(self):
        data = shard(RECORD)
        assert applied(data, {BZIP2: HEAD}) == Applied(data, frozenset(), frozenset(), {})

    def test_a_record_of_v3_is_found_by_its_name_without_extension(self):
        v3 = {"whl": {CONDA.stem: 1}, "conda": {CONDA.stem: {"name": "zlib"}}, "tar.bz2": {CONDA.stem: {}}, "x": 1}
        data = packed({"v3": v3, "packages": {}})
        found = applied(data, {CONDA: HEAD})
        v3["conda"] = {CONDA.stem: {FIELD: HEAD, "name": "zlib"}}
        assert found.data == packed({"v3": v3, "packages": {}})
        assert applied(found.data, {CONDA: None}).data == data

    def test_a_section_may_be_null(self):
        data = packed({"packages": None, "packages.conda": {str(CONDA): {}}, "v3": None})
        assert applied(data, {CONDA: HEAD}).data == packed(
            {"packages": None, "packages.conda": {str(CONDA): {FIELD: HEAD}}, "v3": None}
        )
        assert list(shards.listed(data, where="shard")) == [Listed(CONDA, None, None)]

    def test_other_values_keep_their_bytes_whatever_their_width(self):
        """A float of 4 bytes, wide integers, long forms of short strings and a time are not written anew."""
        values = {
            "float": b"\xca\x3f\xc0\x00\x00",
            "int": b"\xcf" + (1).to_bytes(8, "big"),
            "str": b"\xda\x00\x01x",
            "bin": b"\xc6\x00\x00\x00\x01\xff",
            "list": b"\xdd\x00\x00\x00\x01\xc0",
            "map": b"\xde\x00\x02\xa1a\x01\xa1a\x02",
            "time": b"\xd6\xff\x00\x00\x00\x01",
            "own": b"\xd4\x05\x00",
        }
        record = b"\x88" + b"".join(msgpack.packb(key) + value for key, value in values.items())
        others = b"\x82" + msgpack.packb("a-1-0.conda") + record + msgpack.packb(str(CONDA)) + record
        plain = b"\x82" + msgpack.packb("packages.conda") + others + msgpack.packb("x") + record
        after = zstd.decompress(applied(zstd.compress(plain), {CONDA: HEAD}).data)
        new = b"\x89" + record[1:] + msgpack.packb(FIELD) + msgpack.packb(str(HEAD))
        head, tail = msgpack.packb("packages.conda"), msgpack.packb("x") + record
        assert after == (
            b"\x82" + head + b"\x82" + msgpack.packb("a-1-0.conda") + record + msgpack.packb(str(CONDA)) + new + tail
        )
        assert applied(zstd.compress(after), {CONDA: None}).data == zstd.compress(plain)


class TestRefusals:
    @pytest.mark.parametrize(
        "document",
        [
            {"packages": {str(CONDA): {}}, "packages.conda": {str(CONDA): {}}},
            {"packages.conda": {str(CONDA): {}}, "v3": {"conda": {CONDA.stem: {}}}},
            {"packages": {str(CONDA): {}}, "v3": {"conda": {CONDA.stem: {}}}},
        ],
    )
    def test_a_file_that_two_sections_list(self, document):
        """One client takes the record with the field, another the one without."""
        assert refused(packed(document)).code is Code.BIND_AMBIGUOUS
        assert refused(packed(document), (), {CONDA: b"{}"}).code is Code.BIND_AMBIGUOUS
        with pytest.raises(Malformed) as caught:
            list(shards.listed(packed(document), where="shard"))
        assert caught.value.finding.code is Code.BIND_AMBIGUOUS

    @pytest.mark.parametrize(
        ("broken", "said"),
        [
            ({"packages": {str(CONDA): {}}, "packages.conda": {str(CONDA): {}}}, [(None, None)] * 2),
            ({"packages.conda": {str(CONDA): {"sha256": "AB", FIELD: HEAD}}}, [(None, HEAD)]),
            ({"packages.conda": {str(CONDA): {"sha256": HEAD, FIELD: "AB"}}}, [(HEAD, None)]),
        ],
    )
    def test_whatever_is_wrong_with_a_record_it_and_the_others_are_listed(self, broken, said):
        """Whoever lists a file twice must not make orphans of the sidecars of all others."""
        document = {**broken, "packages.conda": {**broken["packages.conda"], str(CONDAS[1]): {"sha256": HEAD}}}
        found, code = until_refused(shards.listed(packed(document), where="shard"))
        assert code is not None
        assert [(each.sha256, each.attestations_sha256) for each in found if each.file == CONDA] == said
        assert [each.sha256 for each in found if each.file != CONDA] == [HEAD]

    @pytest.mark.parametrize("level", ["shard", "section", "record", "v3"])
    def test_a_key_that_stands_twice_on_the_way(self, level):
        """The field is written into the one value, and a client reads the other."""
        text = msgpack.packb
        record = b"\x82" + text("a") + b"\x01" + text("a") + b"\x01" if level == "record" else b"\x80"
        pair = text(str(CONDA)) + record
        section = b"\x82" + pair + pair if level == "section" else b"\x81" + pair
        pair = text("packages.conda") + section
        plain = b"\x82" + pair + pair if level == "shard" else b"\x81" + pair
        if level == "v3":
            pair = text("conda") + b"\x81" + text(CONDA.stem) + b"\x80"
            plain = b"\x81" + text("v3") + b"\x82" + pair + pair
        assert "twice" in refused(zstd.compress(plain)).facts["found"]
        with pytest.raises(Malformed) as caught:
            list(shards.listed(zstd.compress(plain), where="shard"))
        assert caught.value.finding.code is Code.NET_UNAVAILABLE

    @pytest.mark.parametrize(
        "plain",
        [
            b"",
            b"\x90",
            b"\xc0",
            b"\x81\xa1a",
            b"\x80\x80",
            b"\x81\x01\x01",
            b"\x81\xa1\xff\x01",
            b"\xdf\xff\xff\xff\xff",
            b"\x91" * 100_000,
            b"\x81\xa1a" + b"\x91" * 100_000,
            msgpack.packb({"packages": []}),
            msgpack.packb({"packages.conda": {str(CONDA): []}}),
            msgpack.packb({"packages.conda": {str(CONDA): None}}),
            msgpack.packb({"v3": []}),
            msgpack.packb({"v3": {"conda": 1}}),
        ],
        ids=lambda plain: repr(plain[:30]),
    )
    def test_what_is_no_shard(self, plain):
        assert refused(zstd.compress(plain)).code is Code.NET_UNAVAILABLE
        assert refused(plain).code is Code.NET_UNAVAILABLE
        with pytest.raises(Malformed) as caught:
            list(shards.listed(zstd.compress(plain), where="shard"))
        assert caught.value.finding.code is Code.NET_UNAVAILABLE

    @pytest.mark.parametrize(
        "raw",
        [b"", b"[]", b"1", b"{", b'{"a":1,"a":2}', b'{"a":"\xff"}', b'{"a":18446744073709551616}', b'{"a":"\\ud800"}'],
    )
    def test_a_new_record_that_is_none(self, raw):
        assert refused(shard(RECORD), (), {BZIP2: raw}).code is Code.NET_UNAVAILABLE

    def test_a_new_record_for_which_there_is_no_section(self):
        finding = refused(packed({"packages.conda": {}, "v3": {"tar.bz2": {}}}), (), {BZIP2: b"{}"})
        assert finding.facts["found"] == f"there is no section for {BZIP2}"


class TestNewRecords:
    RAW = json.dumps({"name": "zlib", "sha256": OTHER, "md5": "ab" * 16, "n": 1.5}).encode()

    def test_have_their_digests_as_bytes_as_the_indexer_writes_them(self):
        found = applied(shards.empty_shard(), {CONDA: HEAD}, {CONDA: self.RAW})
        record = {"name": "zlib", "sha256": bytes.fromhex(OTHER), "md5": b"\xab" * 16, "n": 1.5, FIELD: HEAD}
        assert opened(found.data) == {"packages": {}, "packages.conda": {str(CONDA): record}}
        assert list(opened(found.data)["packages.conda"][str(CONDA)]) == list(record)
        assert (found.present, found.changed, found.before) == ({CONDA}, {CONDA}, {CONDA: None})

    def test_have_them_as_hex_among_records_that_do(self):
        found = applied(shard({"sha256": OTHER}), {}, {CONDAS[1]: self.RAW})
        assert opened(found.data)["packages.conda"][str(CONDAS[1])]["sha256"] == OTHER

    def test_keep_a_digest_that_is_none_as_it_is(self):
        for value in ("", "AB" * 32, "ab " * 32, "ab" * 31, 5, None, ["ab"]):
            raw = json.dumps({"sha256": value}).encode()
            found = opened(applied(shards.empty_shard(), {}, {CONDA: raw}).data)
            assert found["packages.conda"][str(CONDA)] == {"sha256": value}

    def test_name_the_sidecar_that_they_shall(self):
        raw = json.dumps({"a": 1, FIELD: OTHER, "b": 2}).encode()
        for advertise, named in (({BZIP2: HEAD}, HEAD), ({BZIP2: None}, None), ({}, OTHER), ({BZIP2: OTHER}, OTHER)):
            found = applied(shard(RECORD), advertise, {BZIP2: raw})
            record = opened(found.data)["packages"][str(BZIP2)]
            assert record.get(FIELD) == named
            assert list(record) == (["a", FIELD, "b"] if named else ["a", "b"])
            assert found.before == dict.fromkeys(advertise)
            assert (found.present, found.changed) == ({BZIP2}, {BZIP2})

    def test_go_to_their_places(self):
        found = opened(applied(shard({}), {}, {CONDAS[1]: b"{}", CONDAS[2]: b"{}"}).data)["packages.conda"]
        assert list(found) == ["_x-1-0.conda", "a-1-0.conda", "zlib-1.2-h1_0.conda"]
        mixed = packed({"packages.conda": {str(CONDA): {}, str(CONDAS[1]): {}}})
        found = opened(applied(mixed, {}, {CONDAS[2]: b"{}"}).data)["packages.conda"]
        assert list(found) == ["zlib-1.2-h1_0.conda", "a-1-0.conda", "_x-1-0.conda"]

    @pytest.mark.parametrize(
        "document",
        [
            {"packages": {}, "packages.conda": {str(CONDA): RECORD}},
            {"packages": {str(CONDA): RECORD}, "packages.conda": {}},
            {"packages": {}, "packages.conda": {}, "v3": {"conda": {CONDA.stem: RECORD}}},
        ],
        ids=["in its section", "in the other section", "in v3"],
    )
    def test_leave_a_file_as_it_is_that_is_listed_already(self, document):
        """A second record makes the index ambiguous for everybody."""
        data = packed(document)
        found = applied(data, {}, {CONDA: b'{"name":"other"}'})
        assert found.data is data
        assert (found.present, found.changed) == ({CONDA}, set())


words = st.text(max_size=5)
decoys = st.sampled_from([*map(str, FILES), *STEMS, FIELD, "packages", HEAD])
integers = st.integers(-(2**63), 2**64 - 1)
leaves = (
    st.none() | st.booleans() | integers | st.floats(allow_nan=False, width=32) | words | decoys | st.binary(max_size=5)
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | decoys, inner, max_size=20),
    max_leaves=8,
)
records = st.dictionaries(words | st.sampled_from(["build", "name", "zzz", "Ü"]), values, max_size=5) | (
    st.fixed_dictionaries({"b": values, FIELD: st.sampled_from([HEAD, bytes.fromhex(OTHER), None, 5]), "a": values})
)
changes_of = st.dictionaries(st.sampled_from(FILES), st.sampled_from([HEAD, OTHER, None]), max_size=5)


@st.composite
def documents(draw) -> dict:
    """Shards in whatever order of keys, with decoys around; no file stands in two sections."""
    document: dict = {"packages": {}, "packages.conda": {}}
    for file in draw(st.permutations(FILES))[: draw(st.integers(0, len(FILES)))]:
        section = "packages" if file.kind == ".tar.bz2" else "packages.conda"
        if draw(st.integers(0, 2)):
            document[section][str(file)] = draw(records)
        else:
            document.setdefault("v3", {}).setdefault(SECTIONS[section], {})[file.stem] = draw(records)
    if draw(st.booleans()):
        document["packages"]["junk"] = draw(records)
    document.update(draw(st.dictionaries(st.sampled_from(["removed", "signatures", "Ü", ""]), values, max_size=3)))
    if draw(st.booleans()):
        return {key: dict(sorted(value.items())) if key in SECTIONS else value for key, value in document.items()}
    return dict(draw(st.permutations(list(document.items()))))


def single(document: object) -> bytes:
    """In MessagePack with floats of 4 bytes, as no common writer has them unless asked."""
    return msgpack.packb(document, use_single_float=True)


def expected(document: dict, advertise) -> dict:
    """The document with what must change, changed."""
    parts = [(document[name], "") for name in SECTIONS if name in document]
    parts += [(document["v3"][name], f".{name}") for name in SECTIONS.values() if name in document.get("v3", {})]
    for section, suffix in parts:
        for key, record in section.items():
            [file] = [file for file in advertise if str(file) == key + suffix] or [None]
            head = advertise[file] if file is not None else None
            old = record.get(FIELD)
            if file is not None and head is None:
                record.pop(FIELD, None)
            elif head is not None and not (isinstance(old, str | bytes) and old in {head, bytes.fromhex(head)}):
                new = bytes.fromhex(head) if isinstance(old, bytes) else str(head)
                ordered = FIELD not in record and list(record) == sorted(record)
                record[FIELD] = new
                section[key] = dict(sorted(record.items())) if ordered else record
    return document


def raw_records(data: bytes) -> list[tuple[str, bytes]]:
    """The name and the bytes of every record, in order."""

    def taken(raw) -> dict[str, msgspec.Raw]:
        return msgspec.msgpack.decode(raw, type=dict[str, msgspec.Raw])

    whole = taken(zstd.decompress(data))
    parts = [(whole[name], "") for name in SECTIONS if name in whole]
    v3 = taken(whole["v3"]) if "v3" in whole else {}
    parts += [(v3[name], f".{name}") for name in SECTIONS.values() if name in v3]
    return [(key + suffix, bytes(raw)) for section, suffix in parts for key, raw in taken(section).items()]


def outcome(data: bytes, advertise, insert=()) -> Applied | Code:
    try:
        return applied(data, advertise, insert)
    except Malformed as error:
        return error.finding.code


def reading(data: bytes) -> Code | None:
    """The code with which reading it all is refused."""
    try:
        found = list(shards.listed(data, where="shard"))
    except Malformed as error:
        return error.finding.code
    assert all(isinstance(each, Listed) for each in found)
    return None


REFUSALS = {None, Code.NET_UNAVAILABLE, Code.BIND_AMBIGUOUS, Code.BIND_NO_DIGEST, Code.SIDECAR_FIELD}
packers = st.sampled_from([msgpack.packb, single])


class TestWhateverTheShard:
    @given(documents(), changes_of, packers)
    def test_records_become_what_they_must_and_all_else_keeps_its_bytes(self, document, advertise, pack):
        data = zstd.compress(pack(document))
        found = applied(data, advertise)
        assert zstd.decompress(found.data) == pack(expected(document, advertise))
        before, after = raw_records(data), raw_records(found.data)
        pairs = list(zip(before, after, strict=True))
        assert all(old == new for (old, _), (new, _) in pairs)
        assert {str(file) for file in found.changed} == {name for (name, old), (_, new) in pairs if old != new}
        assert {str(file) for file in found.present} == {name for name, _ in before} & {str(file) for file in advertise}
        assert found.before.keys() == found.present
        assert (found.data is data) == (not found.changed)
        again = applied(found.data, advertise)
        assert again.data is found.data
        assert again.before == {file: advertise[file] for file in found.present}

    @given(documents(), st.sets(st.sampled_from(FILES)), packers)
    def test_what_was_added_can_be_taken_away_and_leaves_nothing(self, document, files, pack):
        data = zstd.compress(pack(document))
        named = {name for name, raw in raw_records(data) if FIELD in msgpack.unpackb(raw)}
        advertise = {file: HEAD for file in files if str(file) not in named}
        assert applied(applied(data, advertise).data, dict.fromkeys(advertise)).data == data

    @settings(max_examples=150)
    @given(documents(), changes_of, st.integers(0, 500), st.integers(0, 255), st.sampled_from(["flip", "cut", "drop"]))
    def test_a_spoiled_shard_only_ever_raises_malformed(self, document, advertise, at, byte, kind):
        plain = msgpack.packb(document)
        at %= len(plain)
        rest = {"flip": bytes([byte]) + plain[at + 1 :], "cut": b"", "drop": plain[at + 1 :]}[kind]
        data = zstd.compress(plain[:at] + rest)
        found = outcome(data, advertise)
        assert found in REFUSALS if isinstance(found, Code) else applied(found.data, advertise).data is found.data
        assert isinstance(outcome(data, advertise, {CONDA: b'{"sha256": "00"}'}), Applied | Code)
        assert reading(data) in REFUSALS

    @given(st.binary(max_size=40))
    def test_arbitrary_bytes_only_ever_raise_malformed(self, data):
        for text in (data, zstd.compress(data), zstd.compress(b"\x81\xa8packages" + data)):
            found = outcome(text, {CONDA: HEAD})
            assert found in REFUSALS if isinstance(found, Code) else found.data is text
            assert reading(text) in REFUSALS
            with pytest.raises(Malformed):
                shards.read_index(text, where="index")


class TestListed:
    def test_every_record_of_a_package_with_its_digests_as_hex_or_bytes(self):
        data = packed(
            {
                "packages": {str(BZIP2): {"sha256": OTHER, FIELD: HEAD}, "junk": {"sha256": 5}},
                "packages.conda": {str(CONDA): {"sha256": bytes.fromhex(OTHER), FIELD: bytes.fromhex(HEAD)}},
                "v3": {"conda": {"a-1-0": {FIELD: HEAD}}, "whl": {"a-1-0": {"sha256": 5}}},
            }
        )
        assert list(shards.listed(data, where="shard")) == [
            Listed(BZIP2, OTHER, HEAD), Listed(CONDA, OTHER, HEAD), Listed(CONDAS[1], None, HEAD),
        ]  # fmt: skip
        assert list(shards.listed(shards.empty_shard(), where="shard")) == []

    @pytest.mark.parametrize("value", [None, 5, "", b"", bytes(31), HEAD.upper(), HEAD[:-1], [HEAD]], ids=repr)
    @pytest.mark.parametrize(("key", "code"), [("sha256", Code.BIND_NO_DIGEST), (FIELD, Code.SIDECAR_FIELD)])
    def test_a_digest_that_is_none_is_refused(self, value, key, code):
        with pytest.raises(Malformed) as caught:
            list(shards.listed(shard({**RECORD, key: value}), where="shard"))
        assert caught.value.finding.code is code
        assert caught.value.finding.where == f"shard: {CONDA}: {key}"


INDEX = {
    "info": {"created_at": "2026-01-01T00:00:00Z", "new": 1.5, "shards_base_url": "./shards/", "subdir": "noarch"},
    "shards": {"b": b"\1" * 32, "d": b"\2" * 32},
    "version": 1,
    "new": {"x": [None]},
}


class TestShardIndex:
    def test_shards_are_replaced_and_added_and_all_else_stays(self):
        index = shards.read_index(packed(INDEX), where="index")
        assert (index.shards, index.shards_base_url) == (INDEX["shards"], "./shards/")
        new = shards.with_shards(index, {"d": b"\3" * 32, "c": b"\4" * 32})
        assert new == packed({**INDEX, "shards": {"b": b"\1" * 32, "c": b"\4" * 32, "d": b"\3" * 32}})
        assert shards.with_shards(shards.read_index(packed(INDEX), where="index"), {}) == packed(INDEX)
        assert parse_shard_index(new, where="index").shards["c"] == b"\4" * 32

    def test_names_that_are_not_sorted_keep_their_order(self):
        index = shards.read_index(packed({**INDEX, "shards": {"d": bytes(32), "b": bytes(32)}}), where="index")
        assert list(opened(shards.with_shards(index, {"c": bytes(32)}))["shards"]) == ["d", "b", "c"]

    def test_rattler_leaves_the_version_out_and_a_base_may_be_absent(self):
        index = shards.read_index(packed({"info": {}, "shards": {}}), where="index")
        assert (index.shards, index.shards_base_url) == ({}, "")
        assert opened(shards.with_shards(index, {"a": bytes(32)})) == {"info": {}, "shards": {"a": bytes(32)}}

    @pytest.mark.parametrize(
        "change",
        [
            {"version": 2},
            {"version": "1"},
            {"version": True},
            {"info": None},
            {"info": {"shards_base_url": 1}},
            {"shards": None},
            {"shards": {"a": "x" * 32}},
            {"shards": {"a": bytes(31)}},
            {"shards": {1: bytes(32)}},
        ],
        ids=repr,
    )
    def test_an_index_of_another_form_is_refused(self, change):
        with pytest.raises(Malformed) as caught:
            shards.read_index(packed({**INDEX, **change}), where="index")
        assert caught.value.finding.code is Code.NET_UNAVAILABLE

    def test_a_name_that_stands_twice_is_refused(self):
        """One client fetches the shard with the field, another the one without."""
        pair = msgpack.packb("a") + msgpack.packb(bytes(32))
        names = msgspec.Raw(b"\x82" + pair + pair)
        for document in ({**INDEX, "shards": names}, {**INDEX, "new": 1}):
            plain = msgspec.msgpack.encode(document)
            if "new" in document and document["new"] == 1:
                plain = bytes([plain[0] + 1]) + plain[1:] + msgpack.packb("new") + b"\x02"
            with pytest.raises(Malformed) as caught:
                shards.read_index(zstd.compress(plain), where="index")
            assert "twice" in caught.value.finding.facts["found"]

    @given(st.dictionaries(st.text(max_size=5), st.binary(min_size=32, max_size=32)), st.data())
    def test_whatever_the_names_only_what_was_replaced_changes(self, digests, draw):
        names = st.sampled_from(sorted(digests)) | st.text(max_size=5) if digests else st.text(max_size=5)
        replaced = draw.draw(st.dictionaries(names, st.binary(min_size=32, max_size=32), max_size=3))
        index = shards.read_index(packed({**INDEX, "shards": digests}), where="index")
        found = opened(shards.with_shards(index, replaced))
        assert found == {**INDEX, "shards": {**digests, **replaced}}
        assert list(found) == list(INDEX)
        if list(digests) == sorted(digests):
            assert list(found["shards"]) == sorted(found["shards"])


def test_a_new_shard_is_one_frame_that_its_digest_can_name():
    data = shards.empty_shard()
    assert opened(data) == {"packages": {}, "packages.conda": {}}
    assert hashlib.sha256(shards.empty_shard()).digest() == hashlib.sha256(data).digest()
    assert compression.unzstd(data, limit=100, code=Code.NET_UNAVAILABLE, where="x")
