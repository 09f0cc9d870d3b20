import json
import sys
from unittest import mock

import msgspec  # noqa: F401 (where it is there, plain documents are read by it)
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import strict_json
from condattest.formats.strict_json import MAX_DEPTH, MAX_INTEGER_DIGITS
from condattest.model.finding import Code

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)
# Texts that are JSON, nearly JSON, or JSON that readers read differently.
near_json = st.lists(
    st.sampled_from(
        [
            *'{}[]:, \n\t"\\',
            *('"a"', '"a":1', '"\\u0061":2', "NaN", "-Infinity", "1e999", "-0", "1.50", "01", "null", "true", "/**/"),
            *("\ufeff", "\0", "\\ud800", '"\\ud83d\\ude00"', '"\\udc00"', "9" * 30),
        ]
    ),
    max_size=12,
).map(lambda parts: "".join(parts).encode())


def parse(data: bytes, *, limit: int = 1 << 24):
    return strict_json.parse(data, code=Code.BUNDLE_JSON, where="bundle", limit=limit)


def refused(data: bytes, *, limit: int = 1 << 24) -> str:
    with pytest.raises(Malformed) as caught:
        parse(data, limit=limit)
    finding = caught.value.finding
    assert finding.code is Code.BUNDLE_JSON
    assert finding.where == "bundle"
    return finding.facts["found"]


@given(values)
def test_what_python_writes_reads_back(value):
    assert parse(json.dumps(value).encode()) == value
    assert parse(json.dumps(value, ensure_ascii=False, indent=1).encode()) == value


@settings(max_examples=200)
@given(st.binary(max_size=40) | near_json)
@example(b"")
@example(b'{"a":1,"\\u0061":2}')
def test_it_agrees_with_pythons_reader_on_all_that_it_accepts(data):
    try:
        value = parse(data)
    except Malformed as error:
        found = error.finding.facts["found"]
    else:
        found = None
        assert repr(value) == repr(json.loads(data.decode("utf-8")))
    assert found is None or found.isprintable()


def outcome(data: bytes) -> str:
    try:
        return repr(parse(data))
    except Malformed as error:
        return repr(error.finding)


compact = values.map(lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


@settings(max_examples=300)
@given(compact | near_json | st.binary(max_size=20).map(lambda inner: b'"' + inner + b'"'))
@example(b'{"a":[1.5,-0.0,1e22,"\xc3\xa9"],"b":null}\n')
@example(b'{"a":{"b":1,"b":2}}')
@example(b'{"a":1,"\\u0061":2}')
@example(b"[%d,%d]" % (2**64, 10**20 - 1))
@example(b"[%d]" % 10**20)
@example(b"1" * 5000)
@example(b"[" * 70 + b"]" * 70)
@example(b'"\xed\xa0\x80"')
@example(b'"\\ud800"')
@example(b"\xef\xbb\xbf1")
@example(b"[1E400]")
def test_the_short_way_through_a_plain_document_leads_to_the_same(data):
    """Whoever finds a document that only the quick reader takes has found two readings of it."""
    assert "msgspec" in sys.modules
    quick = outcome(data)
    with mock.patch.dict(sys.modules):
        del sys.modules["msgspec"]
        assert outcome(data) == quick


def test_the_short_way_is_taken():
    assert strict_json._plain(b'{"a":["\xc3\xa9\\n",null,true]}\n') == {"a": ["\u00e9\n", None, True]}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"a":1,"a":1}', id="at the top, equal values"),
        pytest.param(b'{"b":[{"c":{"a":1,"a":2}}]}', id="deep inside"),
        pytest.param(b'{"a":1,"\\u0061":2}', id="one of them escaped"),
        pytest.param(b'[{"":1,"":2}]', id="the empty key"),
    ],
)
def test_the_same_key_twice_is_refused_at_any_depth(data):
    """One reader takes the first of two equal keys and another the last, so they verify different documents."""
    assert "twice" in refused(data)


@pytest.mark.parametrize("data", [b'{"\xc3\xa9":1,"e\xcc\x81":2}', b'{"a":1,"A":2}', b'[{"a":1},{"a":2}]'])
def test_keys_that_differ_in_code_points_are_different(data):
    assert parse(data) == json.loads(data)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", '{"a":[NaN]}'])
def test_constants_that_are_not_json_are_refused(text):
    """NaN equals nothing, itself included, so a comparison with it never fails or never holds."""
    assert refused(text.encode()).startswith("the constant ")


@pytest.mark.parametrize("text", ["1e999", "-1e999", "[1e400]"])
def test_numbers_that_overflow_are_refused(text):
    """A number that becomes infinity in one reader is larger than every limit or none."""
    assert "overflows" in refused(text.encode())


@pytest.mark.parametrize("data", [b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_is_refused(data):
    """Some readers skip the mark and others do not, so the same bytes are a document or none."""
    refused(data)


@pytest.mark.parametrize("data", [b"{}{}", b"{} x", b"{}\0", b"{}]", b"1 2"])
def test_bytes_after_the_value_are_refused(data):
    """A reader that stops early verifies one document while another tool reads the rest."""
    refused(data)


def test_white_space_around_the_value_is_allowed():
    assert parse(b" \r\n\t{} \n") == {}


@pytest.mark.parametrize("data", [b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82'])
def test_invalid_utf8_is_refused(data):
    """Overlong forms, surrogates and cut sequences are decoded to different texts by lenient readers."""
    assert "invalid UTF-8" in refused(data)


@pytest.mark.parametrize(
    "data", [b'"\\ud800"', b'"\\udc00\\ud800"', b'{"\\ud800":1}', b'[[{"a":["x\\udfff"]}]]', b'"\\uD800\\u0041"']
)
def test_a_lone_surrogate_is_refused(data):
    """Text that no UTF-8 can hold crashes whatever prints or hashes it."""
    assert refused(data) == "a lone surrogate"


def test_an_escaped_pair_of_surrogates_is_one_character():
    assert parse(b'"\\ud83d\\ude00"') == "\U0001f600"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"[" * 200_000 + b"]" * 200_000, id="arrays"),
        pytest.param(b'{"a":' * 200_000 + b"1" + b"}" * 200_000, id="objects"),
        pytest.param(b"[" * 200_000, id="arrays that never close"),
        pytest.param(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), id="one level more than allowed"),
    ],
)
def test_absurd_nesting_is_refused_without_a_crash(data):
    """Two hundred thousand brackets exhaust the stack of a recursive reader."""
    assert "nesting" in refused(data)


def test_nesting_up_to_the_bound_is_read():
    data = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert parse(data) == json.loads(data)


def test_many_brackets_side_by_side_are_not_nesting():
    assert parse(b"[" + b",".join([b"[]"] * 1000) + b"]") == [[]] * 1000


@pytest.mark.parametrize("digits", ["1" * 5000, "-" + "1" * 5000, "1" * (MAX_INTEGER_DIGITS + 1)])
def test_an_integer_of_absurd_length_is_refused_without_a_crash(digits):
    """Python raises a bare ValueError at some 4,300 digits, and needs quadratic time before."""
    assert refused(b'{"a":' + digits.encode() + b"}") == f"an integer of {len(digits.removeprefix('-'))} digits"


@pytest.mark.parametrize("number", [2**63 - 1, 2**64 - 1, -(2**63)])
def test_64_bit_integers_are_read_exactly(number):
    assert parse(str(number).encode()) == number


@pytest.mark.parametrize(
    "data", [b"", b" ", b"{", b"{'a':1}", b"[1,]", b'{"a":1,}', b"// x\n1", b"01", b'"\t"', b'"\\x41"']
)
def test_what_is_not_json_is_refused(data):
    refused(data)


def test_a_document_over_the_limit_is_refused_unread():
    assert parse(b"[1, 2]", limit=6) == [1, 2]
    assert refused(b"[1, 2]", limit=5) == "6 bytes"


def test_a_long_key_is_quoted_short_and_escaped():
    """A duplicate key of megabytes with terminal sequences floods or repaints the report."""
    key = json.dumps("\x1b" * 100_000).encode()
    found = refused(b"{%b:1,%b:2}" % (key, key))
    assert len(found) < 600
    assert found.isprintable()
