"""What is judged of records, read from many at once: it has to be what each says by itself."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import record_fields
from condattest.model.artifact import Sha256
from condattest.model.finding import Code

DIGEST = "ab" * 32
WHOLE = {"build": "0", "name": "x", "sha256": DIGEST, "subdir": "noarch", "version": "1"}


def raws(*texts):
    return msgspec.json.decode(f"[{','.join(texts)}]".encode(), type=list[msgspec.Raw])


def one_by_one(made):
    """The fields of each record; None where it is refused."""
    read = []
    for raw in made:
        try:
            read.append(record_fields.of_one(raw, "x"))
        except Malformed:
            read.append(None)
    return read


def text(members):
    """An object with just these members, whatever their keys."""
    return "{" + ",".join(f"{key}:{value}" for key, value in members) + "}"


keys = st.sampled_from([f'"{key}"' for key in record_fields.KEYS] + ['"n\\u0061me"', '"depends"', '"name" '])
values = st.sampled_from(
    [f'"{DIGEST}"', '"x"', "null", "5", '"name"', '["build","build"]', '{"name":1,"name":2}', r'"\"name"', r'"\u00fc"']
)
PLAIN = [(f'"{key}"', f'"{value}"') for key, value in WHOLE.items()]
more = st.lists(st.tuples(keys, values), max_size=3)
members = more | more.map(lambda added: PLAIN + added)


@settings(max_examples=100)
@given(st.lists(members.map(text) | st.sampled_from(["5", "[]", "null", "[" * 70 + "]" * 70]), min_size=1, max_size=6))
def test_many_say_what_each_of_them_says_by_itself(texts):
    """Where counting were no proof, a record with a key twice would pass among others."""
    made = raws(*texts)
    for fields, alone in zip(record_fields.of_many(made), one_by_one(made), strict=True):
        if fields is not None:
            assert alone is not None
            assert msgspec.structs.astuple(fields) == msgspec.structs.astuple(alone)


@pytest.mark.parametrize("lacking", [(), ("subdir",)])
def test_plain_records_are_not_looked_at_one_by_one(lacking):
    record = {key: value for key, value in WHOLE.items() if key not in lacking}
    read = record_fields.of_many(raws(json.dumps(record), json.dumps(record | {"attestations_sha256": DIGEST})))
    assert [each.name for each in read] == ["x", "x"]
    assert all(type(each.sha256) is Sha256 for each in read)


@pytest.mark.parametrize("key", record_fields.KEYS)
def test_a_record_with_a_key_twice_is_found_beside_one_without_it(key):
    """As often as there are records, the key stands there: an attacker adds it to one, and lacks it in another."""
    twice = json.dumps(WHOLE)[:-1] + f', "{key}": "y", "{key}": "z"}}'
    without = json.dumps({each: value for each, value in WHOLE.items() if each != key})
    first, second = record_fields.of_many(raws(twice, without))
    assert first is None
    assert second is not None
    with pytest.raises(Malformed) as caught:
        record_fields.of_one(raws(twice)[0], "x")
    assert caught.value.finding.code is Code.NET_UNAVAILABLE


def test_the_text_of_a_key_elsewhere_is_no_fault():
    [fields] = record_fields.of_many(raws(json.dumps(WHOLE | {"depends": ["build"]})))
    assert fields is None
    assert record_fields.of_one(raws(json.dumps(WHOLE | {"depends": ["build"]}))[0], "x").build == "0"


def test_a_key_with_an_escape_is_the_same_key():
    made = raws(json.dumps(WHOLE)[:-1] + r', "\u0073ha256": "y"}', json.dumps(WHOLE))
    first, second = record_fields.of_many(made)
    assert first is None
    assert second is not None


def test_digests_that_are_none_are_left_as_they_are():
    read = record_fields.of_many(raws(json.dumps(WHOLE), json.dumps(WHOLE | {"sha256": 5})))
    assert [each.sha256 for each in read] == [DIGEST, 5]
