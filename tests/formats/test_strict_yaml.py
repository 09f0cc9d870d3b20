"""YAML as lock files have it; what could mean two things, or grow, is refused."""

import contextlib
import json
import time
import tracemalloc

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.formats.strict_yaml import MAX_DEPTH, NotStrict, parse


def test_mappings_sequences_and_scalars_of_both_styles():
    text = b"""# a comment
version: 6
packages:
- conda: https://conda.example/c/noarch/x-1-0.conda   # another
  sha256: "0123"
  depends:
  - python >=3.9,<3.10.0a0
  empty:
  license: ~
  noarch: true
  note: 'it''s'
flow: {a: [1, b], c: null}
"""
    row = {
        "conda": "https://conda.example/c/noarch/x-1-0.conda", "sha256": "0123", "depends": ["python >=3.9,<3.10.0a0"],
        "empty": None, "license": None, "noarch": True, "note": "it's",
    }  # fmt: skip
    assert parse(text) == {"version": 6, "packages": [row], "flow": {"a": [1, "b"], "c": None}}


@pytest.mark.parametrize(
    "text",
    ["1.10", "2021-10-08", "1e3", "0x10", "1:30", "0123", "12_000", "yes", "off", ".inf", "=", "1" * 64, "-0", "+1"],
)
def test_what_readers_take_for_different_things_is_a_text(text):
    assert parse(f"x: {text}".encode()) == {"x": text}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x 1\nb: *x", "an anchor"),
        ("a: *x", "an alias"),
        ("- &x [1]\n- *x", "an anchor"),
        ("a: 1\na: 2", "each key once"),
        ('a: 1\n"a": 2', "each key once"),
        ("<<: {a: 1}", "merge key"),
        ("a: !!python/object/apply:os.system [id]", "the tag"),
        ("a: !!binary aGk=", "the tag"),
        ("a: 1\n---\nb: 2", "a second one"),
        ("? [a]\n: b", "a text as a key"),
        ("[" * 100_000, "more"),
        ("{a: " * (MAX_DEPTH + 1), "more"),
        ("a: b: c", "expected YAML"),
        ("a: \x00", "expected YAML"),
        ("a: \x07", "expected YAML"),
        ("%YAML 1.2\n---\na: 1", "no directives"),
        ("a: https://h.example/x.conda\u2028# to a reader of YAML 1.2 this is the URL's", "LF to end lines"),
        ("a: b\x85c: d", "LF to end lines"),
        ("".join(f"%TAG !{n}! x\n" for n in range(50_000)), "no directives"),
    ],
)
def test_another_text_is_refused_with_its_place(text, problem):
    with pytest.raises(NotStrict, match=problem) as caught:
        parse(text.encode())
    assert caught.value.line >= 1


def test_other_bytes_are_refused_with_their_line():
    with pytest.raises(NotStrict, match="0xff") as caught:
        parse(b"a: 1\nb: \xff")
    assert caught.value.line == 2


def test_aliases_that_multiply_cost_nothing():
    """A few lines of aliases stand for 9^9 values; a reader that follows them dies."""
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    tracemalloc.start()
    started = time.perf_counter()
    with pytest.raises(NotStrict):
        parse("\n".join(lines).encode())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert time.perf_counter() - started < 1


def test_values_are_counted():
    """A file of 30 MB that is nothing but brackets would take gigabytes."""
    assert parse(b"[[], []]", most=20) == [[], []]
    with pytest.raises(NotStrict, match="at most 20 values"):
        parse(b"[" + b"[]," * 20 + b"]", most=20)


def test_an_empty_document_is_null():
    assert parse(b"") is parse(b"# nothing") is None


@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{}&*!'\"\n ?|>#%,0", max_size=80).map(str.encode))
def test_any_bytes_are_a_value_or_refused(data):
    with contextlib.suppress(NotStrict):
        parse(data)


plain = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff"), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain.filter("<<".__ne__), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=50)
@given(values)
def test_what_others_dump_is_read_back(value):
    assert parse(json.dumps(value, ensure_ascii=False).encode()) == value
    assert parse(yaml.safe_dump(value, allow_unicode=True).encode()) == value
