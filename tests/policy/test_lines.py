"""Every key of a TOML text is found on its line."""

import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.policy.lines import locate

TEXT = '''\
version = 1
a . "b c" = [
  "x", # hi ]
  """q
 ]""", 'z',
]
[signer.octo]
kind = "[[x]]"
[[rule]]
x = {a = 1, b = "}"}
[[rule]]
y=1
[rule."z.z"]
q = [ {a=1},
 {a=[1,
 2]} ]
end = \'\'\'
[[rule]]
\'\'\'
last = 1
'''


def test_keys_tables_and_elements_are_found():
    tomllib.loads(TEXT)
    lines = locate(TEXT)
    expected = {
        ("version",): 1,
        ("a", "b c"): 2,
        ("a", "b c", 0): 3,
        ("a", "b c", 1): 4,
        ("a", "b c", 2): 5,
        ("signer", "octo"): 7,
        ("signer", "octo", "kind"): 8,
        ("rule", 0, "x"): 10,
        ("rule", 1, "y"): 12,
        ("rule", 1, "z.z"): 13,
        ("rule", 1, "z.z", "q", 1): 15,
        ("rule", 1, "z.z", "end"): 17,
        ("rule", 1, "z.z", "last"): 20,
    }
    assert {path: lines.of(path) for path in expected} == expected


def test_what_is_not_there_stands_where_its_table_does():
    lines = locate(TEXT)
    assert lines.of(("signer", "octo", "ref")) == 7
    assert lines.of(("rule", 0, "x", "a")) == 10
    assert lines.of(("nothing",)) is None


def test_carriage_returns_do_not_count_twice():
    assert locate("a = 1\r\nb = 2\r\n").of(("b",)) == 2


@settings(max_examples=200)
@given(st.text(alphabet="[]{}=.,\"'#\\ \n\rab1", max_size=80))
def test_no_text_makes_it_fail(text):
    locate(text)
