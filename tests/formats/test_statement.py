import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import statement
from condattest.formats.statement import MAX_PAYLOAD, PAYLOAD_TYPE, Statement, Subject
from condattest.model.finding import Code

HEX = "0123456789abcdef" * 4
DOCUMENT = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "zlib-1.2.11-0.conda", "digest": {"sha256": HEX}}],
    "predicateType": "https://example.org/predicate/v1",
    "predicate": {"a": [1, {"b": None}]},
}

# What protobuf's Struct keeps exactly: floats, and integers that a float holds.
struct_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
statements = st.builds(
    Statement,
    st.lists(
        st.builds(
            Subject,
            st.text(min_size=1, max_size=20) | st.none(),
            st.binary(min_size=32, max_size=32).map(lambda digest: {"sha256": digest.hex()}),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    st.text(min_size=1, max_size=30),
    st.none() | st.dictionaries(st.text(max_size=8), struct_values, min_size=1, max_size=3),
)


def parse(document: object, payload_type: str = PAYLOAD_TYPE) -> Statement:
    return statement.parse(payload_type, document if isinstance(document, bytes) else json.dumps(document).encode())


def refused(document: object, payload_type: str = PAYLOAD_TYPE) -> Code:
    with pytest.raises(Malformed) as caught:
        parse(document, payload_type)
    finding = caught.value.finding
    assert finding.where.startswith("payload")
    assert all(len(value) < 300 for value in finding.facts.values())
    return finding.code


def test_a_statement_gives_its_parts():
    parsed = parse(DOCUMENT)
    assert parsed.subjects == (Subject("zlib-1.2.11-0.conda", {"sha256": HEX}),)
    assert parsed.predicate_type == "https://example.org/predicate/v1"
    assert parsed.predicate == {"a": [1, {"b": None}]}


def test_unknown_keys_are_passed_over_as_in_toto_demands():
    subject = {**DOCUMENT["subject"][0], "annotations": {"x": 1}, "uri": "x"}
    assert parse({**DOCUMENT, "subject": [subject], "comment": "x"}) == parse(DOCUMENT)


@pytest.mark.parametrize(
    "document", [{**DOCUMENT, "predicate": None}, {k: v for k, v in DOCUMENT.items() if k != "predicate"}]
)
def test_a_statement_may_have_no_predicate(document):
    assert parse(document).predicate is None


@pytest.mark.parametrize(
    "payload_type",
    ["text/plain", "", "application/json", "application/vnd.in-toto+json ", "Application/vnd.in-toto+json"],
)
def test_bytes_that_were_signed_as_something_else_are_no_statement(payload_type):
    """A signature over a text file that looks like a statement is passed off as a statement."""
    assert refused(DOCUMENT, payload_type) is Code.STMT_TYPE


@pytest.mark.parametrize(
    "type_",
    [
        "https://in-toto.io/Statement/v0.1",
        "https://in-toto.io/Statement/v1.0",
        "https://in-toto.io/Statement/v1/",
        "https://in-toto.io/Statement/V1",
        "",
        None,
        ["https://in-toto.io/Statement/v1"],
    ],
    ids=repr,
)
def test_a_statement_of_another_version_is_refused(type_):
    """An older statement's fields mean other things."""
    assert refused({**DOCUMENT, "_type": type_}) is Code.STMT_TYPE


@pytest.mark.parametrize("document", [[], [DOCUMENT], "x", 1, None], ids=["list", "listed", "text", "number", "null"])
def test_what_is_no_object_is_no_statement(document):
    assert refused(document) is Code.STMT_TYPE


def test_two_subject_keys_are_refused():
    """The signer shows one subject to reviewers and another to verifiers, in the same signed bytes."""
    other = b'{"subject":[{"name":"evil-1-0.conda","digest":{"sha256":"' + b"0" * 64 + b'"}}],'
    assert refused(other + json.dumps(DOCUMENT).encode()[1:]) is Code.STMT_JSON


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff", b"\xef\xbb\xbf{}", b"{}{}", b'{"_type":NaN}', b"[" * 200_000, b'{"a":"\\ud800"}', b"1" * 5000],
    ids=["nothing", "cut", "no UTF-8", "a mark", "two values", "NaN", "nested", "a surrogate", "a long integer"],
)
def test_bytes_that_readers_take_differently_are_refused(data):
    """Signed bytes that are read in two ways say two things."""
    assert refused(data) is Code.STMT_JSON


def test_a_payload_over_the_cap_is_refused():
    padded = json.dumps(DOCUMENT).encode().ljust(MAX_PAYLOAD)
    assert parse(padded) == parse(DOCUMENT)
    assert refused(padded + b" ") is Code.STMT_JSON


@pytest.mark.parametrize(
    "subjects",
    [
        *([], None, "x", {}, ["x"], [None], [[]]),
        [{"name": "x"}],
        [{"name": "x", "digest": {}}],
        [{"name": "x", "digest": None}],
        [{"name": "x", "digest": [HEX]}],
        [{"name": "x", "digest": {"sha256": 1}}],
        [{"name": "x", "digest": {"sha256": None}}],
        [{"name": 1, "digest": {"sha256": HEX}}],
        [{"name": ["x"], "digest": {"sha256": HEX}}],
        [{"name": "x", "digest": {"sha256": HEX}}, {}],
    ],
    ids=repr,
)
def test_a_subject_of_another_shape_is_refused(subjects):
    """A statement about nothing, or about something without a digest, is about every file."""
    assert refused({**DOCUMENT, "subject": subjects}) is Code.STMT_SUBJECT


def test_a_statement_without_the_key_subject_is_refused():
    """A statement about nothing is about every file."""
    assert refused({key: value for key, value in DOCUMENT.items() if key != "subject"}) is Code.STMT_SUBJECT


@pytest.mark.parametrize("predicate_type", ["", None, 1, ["https://example.org/predicate/v1"]], ids=repr)
def test_a_predicate_type_must_be_a_text(predicate_type):
    assert refused({**DOCUMENT, "predicateType": predicate_type}) is Code.STMT_PREDICATE


@pytest.mark.parametrize("predicate", [[], "x", 1, True, 0, "", False], ids=repr)
def test_a_predicate_must_be_an_object(predicate):
    assert refused({**DOCUMENT, "predicate": predicate}) is Code.STMT_PREDICATE


def test_a_subject_may_have_no_name_since_binding_judges_that():
    assert parse({**DOCUMENT, "subject": [{"digest": {"sha256": HEX}}]}).subjects[0].name is None
    assert parse({**DOCUMENT, "subject": [{"name": None, "digest": {"sha256": HEX}}]}).subjects[0].name is None


@settings(deadline=None)  # The first dump imports protobuf.
@given(statements)
def test_what_is_dumped_parses_to_the_same_statement(value):
    assert statement.parse(PAYLOAD_TYPE, statement.dump(value)) == value


def test_a_statement_about_nothing_is_not_dumped():
    with pytest.raises(ValueError, match=r"(?i)subject"):
        statement.dump(Statement((Subject("x", {}),), "https://example.org/p", {"a": 1}))


@given(st.binary(max_size=60))
def test_arbitrary_bytes_only_ever_raise_malformed(data):
    with pytest.raises(Malformed):
        statement.parse(PAYLOAD_TYPE, data)


@given(st.sampled_from(sorted(DOCUMENT)), struct_values)
def test_changed_values_only_ever_raise_malformed(key, value):
    try:
        parsed = parse({**DOCUMENT, key: value})
    except Malformed as error:
        code = error.finding.code
    else:
        code = None
        assert parsed.subjects
    assert code is None or code.startswith("STMT-")
