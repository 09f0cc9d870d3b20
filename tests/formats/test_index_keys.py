"""Whatever the layout of an index is: it is refused if and only if a key stands there twice, outside of records."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import index_keys, repodata
from condattest.model.artifact import PackageFile
from condattest.model.finding import Code

NAMES = ("a-1-0", "b-1-0", "b-1-0\u00e9", "\U0001f40d-1-0")
TOP = ("packages", "packages.conda", "v3", "info", "removed", "repodata_version", "signatures", "unknown")
RECORDS = [{}, {"a": 1, "b": [1, {"c": "}"}]}, {"depends": ["x >=1"], "name": "a"}, "text", None, '"', "\\"]


class Pairs(list):
    """An object as its pairs: it may have a key twice."""


def written(value, layout):
    """Write JSON with white space and escapes as a stream of choices says."""
    if isinstance(value, Pairs):
        space = layout()
        members = [f"{quoted(key, layout)}{layout()}:{layout()}{written(each, layout)}" for key, each in value]
        return "{" + space + f"{layout()},{space}".join(members) + layout() + "}"
    return json.dumps(value)


def quoted(key, layout):
    if layout() and key:
        return '"' + "".join(f"\\u{ord(key[0]):04x}" if ord(key[0]) < 0x10000 else key[0]) + key[1:] + '"'
    return json.dumps(key, ensure_ascii=not layout())


def repeated(value):
    """Whether a key stands twice in an object, down to the level of records."""
    if not isinstance(value, Pairs):
        return False
    keys = [key for key, _ in value]
    return len(set(keys)) < len(keys) or any(repeated(each) for _, each in value)


def sections(suffix):
    keys = st.sampled_from([name + suffix for name in NAMES])
    return st.lists(st.tuples(keys, st.sampled_from(RECORDS)), max_size=4).map(Pairs)


V3 = st.lists(
    st.sampled_from(["conda", "tar.bz2"]).flatmap(lambda name: st.tuples(st.just(name), sections(""))), max_size=3
).map(Pairs)
VALUES = {"packages": sections(".tar.bz2"), "packages.conda": sections(".conda"), "v3": V3}
DOCUMENTS = st.lists(
    st.sampled_from(TOP).flatmap(lambda name: st.tuples(st.just(name), VALUES.get(name, st.sampled_from(RECORDS)))),
    max_size=5,
).map(Pairs)
LAYOUTS = st.one_of(st.just([""]), st.lists(st.sampled_from(["", "", " ", "\n  ", "\t"]), min_size=1, max_size=12)).map(
    lambda spaces: [*spaces]
)


@settings(max_examples=150)
@given(DOCUMENTS, LAYOUTS, st.sampled_from(["", "\n", " " * 100]))
def test_an_index_is_refused_if_and_only_if_a_key_stands_there_twice(document, spaces, end):
    turn = iter(range(10**9))
    data = (written(document, lambda: spaces[next(turn) % len(spaces)]) + end).encode()
    if repeated(document):
        with pytest.raises(Malformed) as caught:
            index_keys.sections(data, where="index")
        assert caught.value.finding.code is Code.BIND_AMBIGUOUS
        return
    plain = {key: dict(value) if isinstance(value, Pairs) else value for key, value in document}
    expected = [set(plain.get("packages", ())), set(plain.get("packages.conda", ()))]
    for name in ("tar.bz2", "conda"):
        expected += [set(dict(plain["v3"][name]))] if name in plain.get("v3", {}) else []
    assert [set(records) for records, _ in index_keys.sections(data, where="index")] == expected
    json.loads(data)


FILE = PackageFile.parse("zlib-1.3.1-0.conda")
ONE, OTHER = (json.dumps({"sha256": digit * 64}) for digit in "12")


@pytest.mark.parametrize(
    "text",
    [
        f'{{"packages.conda":{{"{FILE}":{ONE},"{FILE}":{OTHER}}}}}',
        f'{{"packages.conda":{{"{FILE}":{ONE},"{FILE}":{ONE}}}}}',
        f'{{"packages.conda":{{"{FILE}":{ONE}}},"packages.conda":{{"{FILE}":{OTHER}}}}}',
        f'{{"packages.conda":{{"{FILE}":{ONE},"\\u007alib-1.3.1-0.conda":{OTHER}}}}}',
        f'{{"packages.conda":{{"{FILE}":{ONE}}},"packages\\u002econda":{{}}}}',
        f'{{"v3":{{"conda":{{"{FILE.stem}":{ONE},"{FILE.stem}":{OTHER}}}}}}}',
        f'{{"v3":{{"conda":{{"{FILE.stem}":{ONE}}},"conda":{{}}}}}}',
        f'{{"v3":{{"conda":{{"{FILE.stem}":{ONE}}}}},"v3":{{}}}}',
        # Of another length, with what looks like the next member in it; and behind what is as long as the first.
        f'{{"packages.conda":{{"x":"y\\",\\"{FILE}\\":{{}}","{FILE}":{ONE},"x":1}}}}',
    ],
)
@pytest.mark.parametrize("read", [repodata.find, repodata.attested, repodata.records])
def test_a_file_or_a_section_that_stands_twice_is_refused_by_every_reader(text, read):
    """A solver takes the first record and the check the last one, which is attested."""
    with pytest.raises(Malformed) as caught:
        {
            repodata.find: lambda: repodata.find(text.encode(), FILE, where="index"),
            repodata.attested: lambda: repodata.attested(text.encode(), where="index"),
            repodata.records: lambda: list(repodata.records(text.encode(), lambda file: True, where="index")),
        }[read]()
    assert caught.value.finding.code is Code.BIND_AMBIGUOUS


@pytest.mark.parametrize("text", ["", "[]", "null", '{"packages":null}', '{"v3":null}', '{"v3":{"conda":1}}', "{}{}"])
def test_what_is_no_index_is_none(text):
    with pytest.raises(Malformed) as caught:
        index_keys.sections(text.encode(), where="index")
    assert caught.value.finding.code is Code.NET_UNAVAILABLE


def test_a_key_twice_in_a_record_is_for_the_record_s_reader():
    data = b'{"packages.conda":{"a-1-0.conda":{"x":1,"x":2}}}'
    assert [sorted(records) for records, _ in index_keys.sections(data, where="index")] == [[], ["a-1-0.conda"]]
