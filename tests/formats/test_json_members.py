import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.formats import json_members
from condattest.formats.json_members import Member, Splice


def decoded(data: bytes) -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(data, type=dict[str, msgspec.Raw])


def members(data: bytes) -> list[Member]:
    return json_members.members(data, 0, decoded(data))


def some(data: bytes, wanted) -> list[Member]:
    whole = Member("", 0, data.index(b"{"), data.rindex(b"}") + 1)
    return json_members.some_members(data, whole, decoded(data), wanted)


def check_once(data: bytes) -> None:
    json_members.check_once(data, Member("", 0, data.index(b"{"), data.rindex(b"}") + 1), decoded(data))


def inserted(data: bytes, **new: object) -> bytes:
    values = {key: json.dumps(value).encode() for key, value in new.items()}
    return json_members.spliced(data, json_members.insertions(data, 0, members(data), values))


def without(data: bytes, key: str) -> bytes:
    inside = members(data)
    [member] = [each for each in inside if each.key == key]
    return json_members.spliced(data, [json_members.removal(inside, member)])


def test_members_are_found_where_they_stand():
    data = b' {"a" : 1 ,\n"\\u0062":{"x":"}"},"c":[ ]}'
    found = [(each.key, data[each.start : each.value], data[each.value : each.end]) for each in members(data)]
    assert found == [("a", b'"a" : ', b"1"), ("b", b'"\\u0062":', b'{"x":"}"}'), ("c", b'"c":', b"[ ]")]
    assert members(b" { } ") == []


DUPLICATES = [
    b'{"a":1,"a":1}',
    b'{"a":1,"a":22}',
    b'{"a":1,"b":2,"a":3}',
    b'{"a":1,"\\u0061":1}',
    b'{"a":{"b":1},"b":2,"b":2}',
    # Each holds a string of which a part, as long as the value of the second, looks like the end or the next member.
    b'{"a":"}","a":1}',
    b'{"a":"} ","a":1}',
    b'{"a":",","b":2,"a":1}',
    b'{"a":", ","b":2,"a":1}',
    b'{"a":",",",":2,":9,":3,"a":1}',
    b'{"a":12,"a":1}',
    b'{"a":1,"a":12}',
    b'{"a":"1","a":1,"b":"}"}',
]


@pytest.mark.parametrize("data", DUPLICATES, ids=repr)
def test_a_key_that_stands_twice_is_refused(data):
    """One client takes the first value and another the last."""
    with pytest.raises(ValueError, match=r"twice|no end"):
        members(data)
    for wanted in ("a", "b", "z"):
        with pytest.raises(ValueError, match=r"twice|no end"):
            some(data, [wanted])
    with pytest.raises(ValueError, match=r"twice|no end"):
        check_once(data)


def test_bytes_that_are_not_those_that_were_decoded_are_refused():
    for data in (b"[]", b"", b"  ", b'{"b":1}', b'{"a":2}', b'{"a":1', b'{"a":1 "'):
        with pytest.raises(ValueError, match=r"expected an object|twice|no end"):
            json_members.members(data, 0, decoded(b'{"a":1}'))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"{}", b'{"m":5}'),
        (b"{ }", b'{"m":5 }'),
        (b'{"a":1}', b'{"a":1,"m":5}'),
        (b'{"z":1}', b'{"m":5,"z":1}'),
        (b'{"a": 1}', b'{"a": 1, "m": 5}'),
        (b'{"a":1,"z":2}', b'{"a":1,"m":5,"z":2}'),
        (b'{"a": 1, "z": 2}', b'{"a": 1, "m": 5, "z": 2}'),
        (b'{"z":1,"a":2}', b'{"z":1,"a":2,"m":5}'),
        (b'{\n  "a": 1,\n  "z": 2\n}', b'{\n  "a": 1,\n  "m": 5,\n  "z": 2\n}'),
        (b'{\n\t"a" : 1\n}', b'{\n\t"a" : 1,\n\t"m" : 5\n}'),
        (b'{\n "z":1\n}', b'{\n "m":5,\n "z":1\n}'),
        (b'{"a":1 , "b":2 , "c":3}', b'{"a":1 , "b":2 , "c":3 , "m":5}'),
    ],
    ids=repr,
)
def test_a_new_member_goes_where_the_order_says_in_the_layout_of_its_neighbours(before, after):
    assert inserted(before, m=5) == after
    assert without(after, "m") == before


def test_a_lone_member_far_into_a_document_gives_its_layout_too():
    record = b'{\n    "a": 1\n  }'
    data = b'{\n  "long": "' + b"x" * 10_000 + b'",\n  "record": ' + record + b"\n}"
    at = data.index(record)
    inside = json_members.members(data, at, decoded(record))
    new = json_members.spliced(data, json_members.insertions(data, at, inside, {"m": b"5"}))
    assert new == data.replace(record, b'{\n    "a": 1,\n    "m": 5\n  }')


def test_several_new_members_go_each_to_its_place():
    assert inserted(b'{"b":1,"d":2}', e=5, a=1, c=3, f=6) == b'{"a":1,"b":1,"c":3,"d":2,"e":5,"f":6}'
    assert inserted(b'{"d":1,"b":2}', e=5, a=1) == b'{"d":1,"b":2,"e":5,"a":1}'
    assert inserted(b"{}", e=5, a=1) == b'{"a":1,"e":5}'


def test_a_removed_member_takes_one_comma_with_it():
    data = b'{ "a":1 , "b":2,"c":3 }'
    assert without(data, "a") == b'{ "b":2,"c":3 }'
    assert without(data, "b") == b'{ "a":1,"c":3 }'
    assert without(data, "c") == b'{ "a":1 , "b":2 }'
    assert without(b'{ "a":1 }', "a") == b"{  }"


def test_splices_are_put_in_wherever_they_were_found():
    splices = [Splice(4, 5, b"E"), Splice(0, 0, b"<"), Splice(0, 0, b"("), Splice(1, 3, b""), Splice(5, 5, b">")]
    assert json_members.spliced(b"abcde", splices) == b"<(adE>"
    assert json_members.spliced(b"abcde", []) == b"abcde"


def test_a_setting_replaces_the_value_alone():
    data = b'{"a" : [1, 2] ,"b":2}'
    assert json_members.spliced(data, [json_members.setting(members(data)[0], b"0")]) == b'{"a" : 0 ,"b":2}'


def test_a_value_is_laid_out_anew_with_its_tokens_as_they_were():
    value = b'\n{ "a , b : \\" c" :\t1.0 , "x":[ 1e5,\n-0.0 ,12345678901234567890123 ] ,"\\u00e9" :{ } }\r\n'
    compact = b'{"a , b : \\" c":1.0,"x":[1e5,-0.0,12345678901234567890123],"\\u00e9":{}}'
    spaced = b'{"a , b : \\" c": 1.0, "x": [1e5, -0.0, 12345678901234567890123], "\\u00e9": {}}'
    for source in (value, compact, spaced):
        assert json_members.relaid(source, spaced=False) == compact
        assert json_members.relaid(source, spaced=True) == spaced


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars | st.sampled_from(['{"a":1}', ',"a":', "}", '"', "\\", "{"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.sampled_from(["a", "b", "m", "é", "\U0001f40d", '"', "\\", ""]) | st.text(), values)
layouts = st.sampled_from(
    [{"separators": (",", ":")}, {}, {"indent": 2}, {"indent": "\t"}, {"separators": (" ,\n", "  : ")}]
)


@given(objects, layouts, st.booleans(), st.booleans())
def test_every_member_is_found_in_any_layout(document, layout, ascii_only, ordered):
    data = json.dumps(document, **layout, ensure_ascii=ascii_only, sort_keys=ordered).encode()
    found = members(data)
    assert [(each.key, json.loads(data[each.value : each.end])) for each in found] == list(json.loads(data).items())
    assert [json.loads(data[each.start : each.value].rstrip(b": \n")) for each in found] == list(json.loads(data))
    for wanted in ([], list(document)[1::2], list(document)):
        assert some(data, wanted) == [each for each in found if each.key in wanted]


@given(objects, layouts, st.booleans(), st.dictionaries(st.sampled_from("afmz0é"), values, min_size=1))
def test_what_was_put_in_can_be_taken_out_and_leaves_nothing(document, layout, ordered, new):
    data = json.dumps(document, **layout, sort_keys=ordered).encode()
    new = {key: value for key, value in new.items() if key not in document}
    after = inserted(data, **new)
    expected = {**json.loads(data), **json.loads(json.dumps(new))}
    if list(document) == sorted(document) or ordered:
        expected = dict(sorted(expected.items()))
    assert list(json.loads(after).items()) == list(expected.items())
    for key in new:
        after = without(after, key)
    assert after == data


@given(objects, layouts, st.booleans())
def test_a_value_laid_out_anew_is_the_same_value(document, layout, spaced):
    data = json.dumps(document, **layout).encode()
    separators = (", ", ": ") if spaced else (",", ":")
    assert json_members.relaid(data, spaced=spaced) == json.dumps(document, separators=separators).encode()


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", ",", ":1,"]), values), min_size=1, max_size=5), layouts)
def test_a_list_of_pairs_has_members_only_if_no_key_stands_twice(pairs, layout):
    comma, colon = layout.get("separators", (", ", ": "))
    data = ("{" + comma.join(json.dumps(key) + colon + json.dumps(value) for key, value in pairs) + "}").encode()
    if len(dict(pairs)) == len(pairs):
        assert [each.key for each in members(data)] == [key for key, _ in pairs]
        check_once(data)
        return
    with pytest.raises(ValueError, match=r"twice|no end"):
        members(data)
    with pytest.raises(ValueError, match=r"twice|no end"):
        some(data, [])
    with pytest.raises(ValueError, match=r"twice|no end"):
        check_once(data)
