import json
import random
import string

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import json_members, monolith
from condattest.formats.index_changes import FIELD, Applied, Changes, Listed
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding
from tests.channels import until_refused

HEAD, OTHER, THIRD = Sha256("5a" * 32), Sha256("0f" * 32), Sha256("c3" * 32)
CONDA = PackageFile.parse("zlib-1.2-h1_0.conda")
BZIP2 = PackageFile.parse("zlib-1.2-h1_0.tar.bz2")
STEMS = ["zlib-1.2-h1_0", "a-1-0", "a.b-2!1.0+x-0", "_x-1-0", "z-z-z-9-9"]
CONDAS = [PackageFile.parse(f"{stem}.conda") for stem in STEMS]
BZIP2S = [PackageFile.parse(f"{stem}.tar.bz2") for stem in STEMS]
FILES = [*CONDAS, *BZIP2S]
V3 = {"packages": "tar.bz2", "packages.conda": "conda"}


def applied(data: bytes, advertise, insert=()) -> Applied:
    return monolith.apply(data, Changes(dict(advertise), dict(insert)), where="index")


def refused(data: bytes, advertise=((CONDA, HEAD),), insert=()) -> Finding:
    with pytest.raises(Malformed) as caught:
        applied(data, advertise, insert)
    assert caught.value.finding.where.startswith(("index", "the new record"))
    assert all(len(value) <= 300 for value in caught.value.finding.facts.values())
    return caught.value.finding


def compact(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def index(record: object, **more: object) -> dict:
    return {"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": {str(CONDA): record}, **more}


RECORD = {"build": "h1_0", "name": "zlib", "sha256": "0" * 64, "version": "1.2"}


class TestOneRecord:
    def test_the_field_is_put_in_its_place_and_nothing_else_changes(self):
        data = compact(index(RECORD))
        found = applied(data, {CONDA: HEAD})
        assert found.data == data.replace(b'{"build"', b'{"attestations_sha256":"' + HEAD.encode() + b'","build"')
        assert (found.present, found.changed, found.before) == ({CONDA}, {CONDA}, {CONDA: None})

    def test_a_field_that_is_there_gets_its_new_value_where_it_stands(self):
        data = b'{"packages.conda": {"zlib-1.2-h1_0.conda": {"z" : 1e5, "attestations_sha256" :\t"%s" , "a":1.0}}}'
        found = applied(data % OTHER.encode(), {CONDA: HEAD})
        assert found.data == data % HEAD.encode()
        assert found.before == {CONDA: OTHER}

    @pytest.mark.parametrize("value", [None, 5, "", "x" * 64, HEAD.upper(), [HEAD], {FIELD: HEAD}], ids=repr)
    def test_a_field_that_is_malformed_is_replaced(self, value):
        """A field that somebody spoiled keeps the record from being verified for good."""
        found = applied(compact(index({**RECORD, FIELD: value})), {CONDA: HEAD})
        assert found.data == compact(index({**RECORD, FIELD: HEAD}))
        assert found.before == {CONDA: None}
        assert applied(compact(index({**RECORD, FIELD: value})), {CONDA: None}).data == compact(index(RECORD))

    def test_a_field_that_says_so_already_keeps_its_very_bytes(self):
        escaped = b'"' + b"".join(b"\\u%04x" % each for each in HEAD.encode()) + b'"'
        for data in (
            compact(index({**RECORD, FIELD: HEAD})),
            compact(index({FIELD: 0})).replace(b":0", b":" + escaped),
        ):
            found = applied(data, {CONDA: HEAD})
            assert found.data is data
            assert (found.present, found.changed, found.before) == ({CONDA}, set(), {CONDA: HEAD})

    def test_the_field_is_removed_where_there_shall_be_none(self):
        data = compact(index({**RECORD, FIELD: HEAD, "zzz": 1}))
        found = applied(data, {CONDA: None})
        assert found.data == compact(index({**RECORD, "zzz": 1}))
        assert found.before == {CONDA: HEAD}
        assert applied(found.data, {CONDA: None}).data is found.data

    @pytest.mark.parametrize("sha256", [OTHER, None, 5, "x"])
    def test_a_record_of_other_bytes_names_no_sidecar(self, sha256):
        """A package that was replaced under its name: the old record must not vouch with the new sidecar."""
        about = {CONDA: HEAD}
        record = {**RECORD, "sha256": sha256, FIELD: OTHER}
        found = monolith.apply(compact(index(record)), Changes({CONDA: HEAD}, {}, about), where="index")
        assert found.data == compact(index({key: value for key, value in record.items() if key != FIELD}))
        assert (found.stale, found.present, found.before) == ({CONDA}, {CONDA}, {CONDA: OTHER})
        again = monolith.apply(found.data, Changes({CONDA: HEAD}, {}, about), where="index")
        assert (again.data is found.data, again.stale) == (True, {CONDA})
        right = monolith.apply(compact(index({**record, "sha256": HEAD})), Changes({CONDA: HEAD}, {}, about), where="x")
        assert right.data == compact(index({**record, "sha256": HEAD, FIELD: HEAD}))
        assert right.stale == frozenset()

    def test_a_file_that_is_not_listed_changes_nothing(self):
        data = compact(index(RECORD))
        found = applied(data, {BZIP2: HEAD})
        assert found == Applied(data, frozenset(), frozenset(), {})
        assert found.data is data

    def test_a_record_of_v3_is_found_by_its_name_without_extension(self):
        v3 = {
            "conda": {"zlib-1.2-h1_0": {"name": "zlib"}},
            "tar.bz2": {"zlib-1.2-h1_0": {}},
            "whl": {"zlib-1.2-h1_0": {}},
        }
        data = compact({"packages": {}, "packages.conda": {}, "v3": v3})
        found = applied(data, {CONDA: HEAD})
        v3["conda"]["zlib-1.2-h1_0"] = {FIELD: HEAD, "name": "zlib"}
        assert json.loads(found.data)["v3"] == v3
        assert applied(found.data, {CONDA: None}).data == data
        v3["tar.bz2"]["zlib-1.2-h1_0"] = {FIELD: OTHER}
        assert json.loads(applied(found.data, {BZIP2: OTHER}).data)["v3"] == v3

    def test_an_index_in_which_one_key_is_escaped_is_walked_and_no_decoy_taken(self):
        """The same record under the same name, nested in another record, is taken for the one that clients read."""
        record = compact(RECORD)
        name = b'"zlib-1.2-h1_0.conda"'
        data = b'{"packages.conda":{"a-1-0.conda":{%s:%s},"zlib\\u002d1.2-h1_0.conda":%s}}' % (name, record, record)
        document = json.loads(applied(data, {CONDA: HEAD}).data)["packages.conda"]
        assert document == {"a-1-0.conda": {str(CONDA): RECORD}, str(CONDA): {**RECORD, FIELD: HEAD}}


class TestRefusals:
    @pytest.mark.parametrize("section", ["packages", "packages.conda"])
    @pytest.mark.parametrize("other", ["packages", "packages.conda", "v3"])
    def test_a_file_that_two_sections_list(self, section, other):
        """One client takes the record with the field, another the one without."""
        document = {section: {str(CONDA): RECORD}}
        document |= {"v3": {"conda": {CONDA.stem: RECORD}}} if other == "v3" else {other: {str(CONDA): RECORD}}
        if len(document) == 2:
            assert refused(compact(document)).code is Code.BIND_AMBIGUOUS
            assert refused(compact(document), (), {CONDA: b"{}"}).code is Code.BIND_AMBIGUOUS
        else:
            assert applied(compact(document), {CONDA: HEAD}).changed

    @pytest.mark.parametrize(
        "data",
        [
            b'{"packages":{},"packages":{},"packages.conda":{"zlib-1.2-h1_0.conda":{}}}',
            b'{"x":1,"packages.conda":{"zlib-1.2-h1_0.conda":{}},"x":1}',
            b'{"packages.conda":{"zlib-1.2-h1_0.conda":{"a":1},"zlib-1.2-h1_0.conda":{}}}',
            b'{"packages.conda":{"zlib-1.2-h1_0.conda":{},"zlib-1.2-h1_0.conda":{}}}',
            b'{"packages.conda":{"zlib-1.2-h1_0.conda":{},"zlib\\u002d1.2-h1_0.conda":{}}}',
            b'{"packages.conda":{"zlib-1.2-h1_0.conda":{},"a":1,"a":1}}',
            b'{"packages.conda":{"zlib-1.2-h1_0.conda":{"a":1,"a":1}}}',
            b'{"packages.conda":{"zlib-1.2-h1_0.conda":"}","zlib-1.2-h1_0.conda":{}}}',
            b'{"v3":{"conda":{"zlib-1.2-h1_0":{}},"conda":{"zlib-1.2-h1_0":{}}}}',
            b'{"v3":{"conda":{"zlib-1.2-h1_0":{},"zlib-1.2-h1_0":{}}}}',
            b'{"v3":{"whl":{},"whl":{},"conda":{"zlib-1.2-h1_0":{}}}}',
        ],
        ids=repr,
    )
    def test_a_key_that_stands_twice_on_the_way(self, data):
        """The field is written into the one value, and a client reads the other."""
        finding = refused(data)
        assert finding.code is Code.NET_UNAVAILABLE
        assert "twice" in finding.facts["found"]

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"<html>",
            b"[]",
            b"null",
            b'{"packages":[]}',
            b'{"packages":null}',
            b'{"v3":[]}',
            b'{"v3":{"conda":1}}',
            b'{"packages.conda":{"zlib-1.2-h1_0.conda":[]}}',
            compact(index(RECORD))[:-1],
            compact(index(RECORD)) + b"{}",
            b"\xef\xbb\xbf" + compact(index(RECORD)),
            compact(index(RECORD)).decode().encode("utf-16"),
            compact(index(RECORD, other="?")).replace(b"?", b"\xff"),
            compact(index(RECORD, other="?" * 3_000_000)).replace(b"???", b"\xf0\x9f\x90", 1),
            compact(index(RECORD, other="?")).replace(b"?", b"\xed\xa0\x80"),
            compact(index(RECORD, other="?")).replace(b"?", b"\\ud800"),
            b'{"a":' * 100_000,
        ],
        ids=lambda data: repr(data[:40]),
    )
    def test_what_is_no_index(self, data):
        """An index that is spoiled is written on as if it were one."""
        assert refused(data).code is Code.NET_UNAVAILABLE

    @pytest.mark.parametrize("raw", [b"", b"[]", b"1", b"{", b'{"a":1 2}', b'{"a":1,"a":2}', b'{"a":"\xff"}', b"{}{}"])
    def test_a_new_record_that_is_none(self, raw):
        assert refused(compact(index(RECORD)), (), {BZIP2: raw}).code is Code.NET_UNAVAILABLE
        assert refused(compact(index(RECORD)), {BZIP2: HEAD}, {BZIP2: raw}).code is Code.NET_UNAVAILABLE

    def test_a_new_record_for_which_there_is_no_section(self):
        finding = refused(compact({"packages.conda": {}}), (), {BZIP2: b"{}"})
        assert finding.facts["found"] == f"there is no packages for {BZIP2}"


class TestNewRecords:
    def test_go_to_their_sorted_places_in_the_layout_of_the_file(self):
        raw = b'{\n "name": "x",\n "n": [1.0, 1e5]\n}'
        expected = {"a-1-0.conda": {"name": "x", "n": [1.0, 1e5]}, str(CONDA): RECORD}
        for layout in ({"separators": (",", ":")}, {}):
            data = json.dumps(index(RECORD), **layout).encode()
            found = applied(data, {}, {CONDAS[1]: raw})
            wanted = json.dumps({**index(RECORD), "packages.conda": expected}, **layout).replace("100000.0", "1e5")
            assert found.data == wanted.encode()
            assert (found.present, found.changed, found.before) == ({CONDAS[1]}, {CONDAS[1]}, {})

    def test_go_to_the_end_of_a_section_that_is_not_sorted(self):
        document = {"packages": {str(BZIP2S[2]): {}, str(BZIP2S[1]): {}}}
        found = json.loads(applied(compact(document), {}, {BZIP2S[3]: b"{}", BZIP2S[0]: b"{}"}).data)
        assert list(found["packages"]) == [str(BZIP2S[each]) for each in (2, 1, 3, 0)]

    def test_go_into_an_index_that_has_none(self):
        data = monolith.empty("noarch")
        found = applied(data, {CONDA: HEAD}, {CONDA: compact(RECORD), BZIP2: compact(RECORD)})
        document = json.loads(found.data)
        assert document["packages.conda"] == {str(CONDA): {FIELD: HEAD, **RECORD}}
        assert document["packages"] == {str(BZIP2): RECORD}
        assert found.before == {CONDA: None}

    def test_name_the_sidecar_that_they_shall(self):
        raw = compact({**RECORD, FIELD: OTHER})
        for advertise, named in (({BZIP2: HEAD}, HEAD), ({BZIP2: None}, None), ({}, OTHER), ({BZIP2: OTHER}, OTHER)):
            found = applied(compact(index(RECORD)), advertise, {BZIP2: raw})
            assert json.loads(found.data)["packages"][str(BZIP2)].get(FIELD) == named
            assert found.before == dict.fromkeys(advertise)

    @pytest.mark.parametrize(
        "document",
        [
            index(RECORD),
            {"packages": {str(CONDA): RECORD}, "packages.conda": {}},
            {"packages": {}, "packages.conda": {}, "v3": {"conda": {CONDA.stem: RECORD}}},
        ],
        ids=["in its section", "in the other section", "in v3"],
    )
    def test_leave_a_file_as_it_is_that_is_listed_already(self, document):
        """A second record makes the index ambiguous for everybody."""
        found = applied(compact(document), {}, {CONDA: b'{"name":"other"}'})
        assert json.loads(found.data) == document
        assert (found.present, found.changed) == ({CONDA}, set())

    def test_are_many(self):
        names = [PackageFile.parse(f"n{number}-1-0.conda") for number in range(5_000)]
        document = index(RECORD, **{"packages.conda": {str(each): {} for each in sorted(names, key=str)[::2]}})
        found = json.loads(applied(compact(document), {}, dict.fromkeys(names, b"{}")).data)
        assert list(found["packages.conda"]) == sorted(map(str, names))


# Documents, written so that where each record begins and ends is known from how it was written.

words = st.text(st.sampled_from(string.ascii_lowercase + 'é\U0001f40d"\\/ ,:{}'), max_size=6)
decoys = st.sampled_from([*map(str, FILES), *STEMS, FIELD, "packages", '"zlib-1.2-h1_0.conda":{', HEAD])
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words | decoys
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | decoys, inner, max_size=3), max_leaves=5
)
records = st.dictionaries(
    st.sampled_from(["build", "name", "sha256", "zzz", "Ü", "a"]) | words, values, max_size=5
) | st.fixed_dictionaries({"b": values, FIELD: st.sampled_from([HEAD, OTHER, None, "junk"]), "a": values})


@st.composite
def documents(draw) -> dict:
    """Indexes in whatever order of keys, with decoys around; no file stands in two sections."""
    known = draw(st.permutations(FILES))[: draw(st.integers(0, len(FILES)))]
    document: dict = {"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": {}}
    for file in known:
        place = draw(st.sampled_from(["section", "section", "v3"]))
        section = "packages" if file.kind == ".tar.bz2" else "packages.conda"
        if place == "section":
            document[section][str(file)] = draw(records)
        else:
            document.setdefault("v3", {}).setdefault(V3[section], {})[file.stem] = draw(records)
    strange = draw(st.dictionaries(words.filter(lambda word: word not in STEMS), records, max_size=2))
    document[draw(st.sampled_from(["packages", "packages.conda"]))].update(strange)
    document.update(
        draw(st.dictionaries(st.sampled_from(["signatures", "removed", "Ü", '"', "whl"]), values, max_size=3))
    )
    if draw(st.booleans()):
        document["signatures"] = {str(file): {"key": {"signature": str(file)}} for file in FILES}
    if draw(st.booleans()):
        return json.loads(json.dumps(document, sort_keys=True))
    return dict(draw(st.permutations(list(document.items()))))


def odd(value: object, source: random.Random) -> str:
    """Valid JSON with whatever white space, and with escapes where none are needed."""

    def gap() -> str:
        return source.choice(["", "", " ", "\n", "\t ", "\r\n  "])

    def text(plain: str) -> str:
        escaped = "".join(
            f"\\u{ord(each):04x}" if ord(each) < 0x10000 and source.random() < 0.1 else json.dumps(each)[1:-1]
            for each in plain
        )
        return f'"{escaped}"'

    if isinstance(value, dict):
        pairs = [f"{gap()}{text(key)}{gap()}:{gap()}{odd(each, source)}{gap()}" for key, each in value.items()]
        return "{" + (",".join(pairs) or gap()) + "}"
    if isinstance(value, list):
        return "[" + (",".join(gap() + odd(each, source) + gap() for each in value) or gap()) + "]"
    return text(value) if isinstance(value, str) else json.dumps(value)


@st.composite
def written(draw) -> bytes:
    document = draw(documents())
    how = draw(st.sampled_from(["compact", "default", "indent", "unicode", "odd"]))
    if how == "odd":
        return odd(document, random.Random(draw(st.integers(0, 999)))).encode()
    layouts: dict = {
        "compact": {"separators": (",", ":")},
        "default": {},
        "indent": {"indent": draw(st.sampled_from([1, 2, "\t"]))},
        "unicode": {"separators": (",", ":"), "ensure_ascii": False},
    }
    return json.dumps(document, **layouts[how]).encode()


changes_of = st.dictionaries(st.sampled_from(FILES), st.sampled_from([HEAD, OTHER, None]), max_size=6)


def sections(document: dict):
    """Each section of records, with the extension that its keys lack."""
    yield from ((document[name], "") for name in V3 if name in document)
    v3 = document.get("v3", {})
    yield from ((v3[name], f".{name}") for name in V3.values() if name in v3)


def expected(document: dict, advertise) -> dict:
    """The document with what must change, changed."""
    for section, suffix in sections(document):
        for key, record in section.items():
            head = advertise.get(PackageFile.parse(key + suffix), "none") if key + suffix in map(str, FILES) else "none"
            if head is None:
                record.pop(FIELD, None)
            elif head != "none" and FIELD in record:
                record[FIELD] = str(head)
            elif head != "none":
                ordered = list(record) == sorted(record)
                record[FIELD] = str(head)
                section[key] = dict(sorted(record.items())) if ordered else record
    return document


def raw_records(data: bytes) -> list[tuple[str, bytes]]:
    """The name and the bytes of every record, in order."""
    whole = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    parts = [(whole[name], "") for name in V3 if name in whole]
    v3 = msgspec.json.decode(whole["v3"], type=dict[str, msgspec.Raw]) if "v3" in whole else {}
    parts += [(v3[name], f".{name}") for name in V3.values() if name in v3]
    found = [(msgspec.json.decode(raw, type=dict[str, msgspec.Raw]), suffix) for raw, suffix in parts]
    return [(key + suffix, bytes(raw)) for section, suffix in found for key, raw in section.items()]


def same(one: object, other: object) -> bool:
    """Whether two documents are the same, with the same order of keys."""
    return json.dumps(one) == json.dumps(other)


def check(data: bytes, advertise, found: Applied) -> None:
    assert same(json.loads(found.data), expected(json.loads(data), advertise))
    before, after = raw_records(data), raw_records(found.data)
    assert [name for name, _ in before] == [name for name, _ in after]
    assert {str(file) for file in found.changed} == {
        name for (name, old), (_, new) in zip(before, after, strict=True) if old != new
    }
    assert found.changed <= found.present <= advertise.keys()
    assert {str(file) for file in found.present} == {name for name, _ in before} & {str(file) for file in advertise}
    assert found.before.keys() == found.present
    again = applied(found.data, advertise)
    assert again.data is found.data
    assert (again.present, again.changed) == (found.present, set())
    assert again.before == {file: advertise[file] for file in found.present}


class TestWhateverTheIndex:
    @settings(max_examples=100)
    @given(written(), changes_of)
    def test_records_become_what_they_must_and_all_else_keeps_its_bytes(self, data, advertise):
        found = applied(data, advertise)
        check(data, advertise, found)
        assert (found.data is data) == (not found.changed)
        before, after = (msgspec.json.decode(each, type=dict[str, msgspec.Raw]) for each in (data, found.data))
        assert all(bytes(after[key]) == bytes(raw) for key, raw in before.items() if key not in {*V3, "v3"})

    @settings(max_examples=100)
    @given(written(), st.sets(st.sampled_from(FILES)))
    def test_what_was_added_can_be_taken_away_and_leaves_nothing(self, data, files):
        plain = {str(file) for file, named in ((file, FIELD in record_of(data, file)) for file in FILES) if not named}
        advertise = {file: HEAD for file in files if str(file) in plain}
        found = applied(data, advertise)
        assert applied(found.data, dict.fromkeys(advertise)).data == data
        # The text is the old one with pieces put in: no byte went.
        rest = iter(found.data)
        assert all(byte in rest for byte in data)

    @given(documents(), changes_of, st.integers(0, 99))
    def test_an_index_is_walked_or_measured_with_the_same_outcome(self, document, advertise, seed):
        """A compact section is measured; a blank, or one escaped key, makes it one that is walked."""
        name = random.Random(seed).choice(["packages", "packages.conda"])
        texts = {key: compact(value) for key, value in document.items()}
        blank = {**texts, name: b"{ " + texts[name][1:]}
        many = dict.fromkeys((PackageFile.parse(f"none{each}-1-0.conda") for each in range(40)), HEAD)

        def joined(parts) -> bytes:
            return b"{" + b",".join(compact(key) + b":" + text for key, text in parts.items()) + b"}"

        measured, walked = applied(joined(texts), advertise), applied(joined(blank), advertise)
        if document[name]:
            raws = msgspec.json.decode(measured.data, type=dict[str, msgspec.Raw])
            want = {key: bytes(raw) for key, raw in raws.items()}
            assert walked.data == joined({**want, name: b"{ " + want[name][1:]})
        assert (measured.present, measured.changed, measured.before) == (walked.present, walked.changed, walked.before)
        assert applied(joined(texts), {**advertise, **many}).data == measured.data

    @given(written(), changes_of, st.sets(st.sampled_from(FILES), min_size=1), st.sampled_from([{}, RECORD]))
    def test_new_records_come_in_and_can_be_taken_out(self, data, advertise, files, record):
        listed = {name for name, _ in raw_records(data)}
        new = {file: compact(record) for file in files}
        found = applied(data, advertise, new)
        edited = applied(data, advertise)
        document = json.loads(found.data)
        for file in files:
            section = document["packages" if file.kind == ".tar.bz2" else "packages.conda"]
            if str(file) not in listed:
                head = advertise.get(file)
                assert section[str(file)] == ({**record, FIELD: head} if head else record)
                assert file in found.changed
        assert found.present == edited.present | files
        assert applied(found.data, advertise, new).data is found.data
        for name in V3:
            order = list(json.loads(data)[name])
            assert [key for key in document[name] if key in order] == order
            if order == sorted(order):
                assert list(document[name]) == sorted(document[name])
        rest = found.data
        for file in files:
            if str(file) not in listed:
                rest = taken_out(rest, file)
        assert rest == edited.data

    @given(written(), st.sampled_from(FILES), st.data())
    def test_a_key_that_is_put_there_twice_is_refused(self, data, file, draw):
        """Wherever it is on the way to the record: a client takes the first value, and another the last."""
        text = draw.draw(st.sampled_from(doubled(data, file)))
        assert refused(text, {file: HEAD}).code in {Code.NET_UNAVAILABLE, Code.BIND_AMBIGUOUS}

    @settings(max_examples=150)
    @given(written(), changes_of, st.data())
    def test_a_spoiled_index_is_refused_or_edited_rightly(self, data, advertise, draw):
        kind = draw.draw(st.sampled_from(["flip", "cut", "drop", "put"]))
        at = draw.draw(st.integers(0, len(data) - 1))
        byte = draw.draw(st.sampled_from(b'"\\{}[],: \n0a\xff\xc3') | st.integers(0, 255))
        text = {
            "flip": data[:at] + bytes([byte]) + data[at + 1 :],
            "cut": data[:at],
            "drop": data[:at] + data[at + 1 :],
            "put": data[:at] + bytes([byte]) + data[at:],
        }[kind]
        found = outcome(text, advertise)
        if isinstance(found, Applied):
            check(text, advertise, found)
        else:
            assert found in {Code.NET_UNAVAILABLE, Code.BIND_AMBIGUOUS}
        assert isinstance(outcome(text, advertise, {CONDA: b"{}"}), Applied | Code)
        assert reading(text) in REFUSALS

    @given(st.binary(max_size=40))
    def test_arbitrary_bytes_only_ever_raise_malformed(self, data):
        for text in (data, b'{"packages":' + data, b'{"packages":{"x":' + data + b"}}"):
            found = outcome(text, {CONDA: HEAD})
            assert found is Code.NET_UNAVAILABLE or found.data is text
            assert reading(text) in REFUSALS


REFUSALS = {None, Code.NET_UNAVAILABLE, Code.BIND_AMBIGUOUS, Code.BIND_NO_DIGEST, Code.SIDECAR_FIELD}


def outcome(data: bytes, advertise, insert=()) -> Applied | Code:
    try:
        return applied(data, advertise, insert)
    except Malformed as error:
        return error.finding.code


def reading(data: bytes) -> Code | None:
    """The code with which reading it all is refused."""
    try:
        found = list(monolith.listed(data, where="index"))
    except Malformed as error:
        return error.finding.code
    assert all(isinstance(each, Listed) for each in found)
    return None


def record_of(data: bytes, file: PackageFile) -> dict:
    return json.loads(dict(raw_records(data)).get(str(file), b"{}"))


def taken_out(data: bytes, file: PackageFile) -> bytes:
    top = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    name = "packages" if file.kind == ".tar.bz2" else "packages.conda"
    [section] = [each for each in json_members.members(data, 0, top) if each.key == name]
    inside = json_members.members(data, section.value, msgspec.json.decode(top[name], type=dict[str, msgspec.Raw]))
    [member] = [each for each in inside if each.key == str(file)]
    return json_members.spliced(data, [json_members.removal(inside, member)])


def doubled(data: bytes, file: PackageFile) -> list[bytes]:
    """The index with one key twice: at the top, in the section of a file's record, or in the record."""
    top = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    found = []

    def twice(at: int, values: dict[str, msgspec.Raw]) -> list[json_members.Member]:
        inside = json_members.members(data, at, values)
        for each in inside:
            again = data[each.start : each.end] if len(found) % 2 else data[each.start : each.value] + b"{}"
            found.append(data[: each.start] + again + b"," + data[each.start :])
            found.append(data[: inside[-1].end] + b"," + again + data[inside[-1].end :])
        return inside

    for section in twice(0, top):
        suffix = {"packages": "", "packages.conda": ""}.get(section.key)
        if suffix is None:
            continue
        records = msgspec.json.decode(top[section.key], type=dict[str, msgspec.Raw])
        if str(file) in records:
            for record in twice(section.value, records):
                if record.key == str(file):
                    twice(record.value, msgspec.json.decode(records[record.key], type=dict[str, msgspec.Raw]))
    return found


class TestListed:
    def test_every_record_of_a_package_with_its_digests(self):
        document = {
            "packages": {str(BZIP2): {"sha256": OTHER}, "junk": {"sha256": 5}},
            "packages.conda": {str(CONDA): {"name": 5, FIELD: HEAD, "sha256": OTHER}},
            "v3": {"conda": {"a-1-0": {FIELD: THIRD}}, "tar.bz2": {"a-1-0": {}}, "whl": {"a-1-0": {"sha256": 5}}},
        }
        assert list(monolith.listed(compact(document), where="index")) == [
            Listed(BZIP2, OTHER, None),
            Listed(CONDA, OTHER, HEAD),
            Listed(CONDAS[1], None, THIRD),
            Listed(BZIP2S[1], None, None),
        ]
        assert list(monolith.listed(b"{}", where="index")) == []

    @pytest.mark.parametrize("value", [None, 5, "", HEAD.upper(), HEAD[:-1], [HEAD], "\ud83d\udc0d" * 200], ids=repr)
    @pytest.mark.parametrize(("key", "code"), [("sha256", Code.BIND_NO_DIGEST), (FIELD, Code.SIDECAR_FIELD)])
    def test_a_digest_that_is_none_is_refused(self, value, key, code):
        with pytest.raises(Malformed) as caught:
            list(monolith.listed(compact(index({**RECORD, key: value})), where="index"))
        assert caught.value.finding.code is code
        assert caught.value.finding.where == f"index: {CONDA}: {key}"
        assert len(caught.value.finding.facts["reason"]) < 200

    @pytest.mark.parametrize(
        "document",
        [
            {"packages": {str(CONDA): {}}, "packages.conda": {str(CONDA): {}}},
            {"packages.conda": {str(CONDA): {}}, "v3": {"conda": {CONDA.stem: {}}}},
            {"packages": {str(CONDA): {}}, "v3": {"conda": {CONDA.stem: {}}}},
        ],
    )
    def test_a_file_that_two_sections_list_is_refused(self, document):
        with pytest.raises(Malformed) as caught:
            list(monolith.listed(compact(document), where="index"))
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
        broken.setdefault("packages.conda", {})["other-1-0.conda"] = {"sha256": HEAD}
        found, code = until_refused(monolith.listed(compact(broken), where="index"))
        assert code is not None
        assert [(each.sha256, each.attestations_sha256) for each in found if each.file == CONDA] == said
        assert [each.sha256 for each in found if each.file != CONDA] == [HEAD]

    @pytest.mark.parametrize("data", [b"", b"[]", b'{"packages":[]}', b'{"packages":{"x":1}}', b'{"v3":{"conda":1}}'])
    def test_what_is_no_index_is_refused(self, data):
        with pytest.raises(Malformed) as caught:
            list(monolith.listed(data, where="index"))
        assert caught.value.finding.code is Code.NET_UNAVAILABLE

    @given(documents(), changes_of)
    def test_it_says_what_was_applied(self, document, advertise):
        for section, _ in sections(document):
            for record in section.values():
                record.pop("sha256", None)
                record.pop(FIELD, None)
        data = applied(compact(document), advertise).data
        found = {each.file: each.attestations_sha256 for each in monolith.listed(data, where="index")}
        known = [key + suffix for section, suffix in sections(document) for key in section]
        assume(len(known) == len(set(known)))
        assert {str(file) for file in found} == {name for name in known if name in set(map(str, FILES))}
        assert found == {file: advertise.get(file) for file in found}


class TestRealFile:
    def test_every_seventh_record_of_a_real_index(self, real_data):
        data = (real_data / "repodata" / "r_linux-64.json").read_bytes()
        names = [name for name, _ in raw_records(data)]
        assert len(names) == 4_211
        advertise = {PackageFile.parse(name): HEAD for name in names[::7]}
        found = applied(data, advertise)
        assert found.changed == found.present == advertise.keys()
        before, after = raw_records(data), raw_records(found.data)
        for number, ((name, old), (other, new)) in enumerate(zip(before, after, strict=True)):
            assert name == other
            assert (new == old) == (number % 7 != 0)
            if number % 7 == 0:
                assert list(json.loads(new)) == sorted([*json.loads(old), FIELD])
        # The whole file without the text that was put in is the file that it was.
        text = json.dumps(FIELD).encode() + b": " + json.dumps(HEAD).encode() + b",\n      "
        assert found.data.count(text) == len(advertise)
        assert found.data.replace(text, b"") == data
        assert applied(found.data, dict.fromkeys(advertise)).data == data
        assert applied(found.data, advertise).data is found.data

    def test_one_record_and_all_records_of_a_real_index(self, real_data):
        data = (real_data / "repodata" / "r_linux-64.json").read_bytes()
        before = raw_records(data)
        files = [PackageFile.parse(name) for name, _ in before]
        after = raw_records(applied(data, {files[2000]: HEAD}).data)
        assert [number for number in range(len(files)) if before[number] != after[number]] == [2000]
        every = applied(data, dict.fromkeys(files, HEAD))
        assert {each.attestations_sha256 for each in monolith.listed(every.data, where="index")} == {HEAD}
        assert applied(every.data, dict.fromkeys(files)).data == data


def test_a_new_index_is_an_index_without_records():
    document = json.loads(monolith.empty("linux-64"))
    assert document == {
        "info": {"subdir": "linux-64"}, "packages": {}, "packages.conda": {}, "removed": [], "repodata_version": 1,
    }  # fmt: skip
    assert list(monolith.listed(monolith.empty("x"), where="index")) == []
