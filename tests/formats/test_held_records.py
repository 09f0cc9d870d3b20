"""Records that stay bytes until they are asked for: the same document, the same refusals, shared where alike."""

import json
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.formats import held_records
from condattest.formats.held_records import opened
from condattest.formats.index_changes import SECTIONS
from tests.formats.test_patch_files import values

names = st.sampled_from(["x-1-0.conda", "x-1-0.tar.bz2", "no package", "é-1-0.conda"])
records = st.dictionaries(names, st.dictionaries(st.sampled_from(["a", "b"]), values, max_size=2), max_size=3)
documents = st.fixed_dictionaries(
    {}, optional={"packages": records, "packages.conda": records, "info": values, "v3": st.just({"conda": {}})}
)


def read(document):
    return {
        key: {name: opened(held) for name, held in value.items()} if key in SECTIONS else value
        for key, value in document.items()
    }


@given(documents, documents)
def test_what_is_held_says_what_the_file_says(one, other):
    data = json.dumps(one).encode()
    held = held_records.parse(data)
    assert read(held) == msgspec.json.decode(data)
    served = json.dumps(other, indent=1).encode()
    shared = held_records.parse(served, held)
    assert read(shared) == msgspec.json.decode(served)
    for section in SECTIONS:
        for name, each in shared.get(section, {}).items():
            mine = held.get(section, {}).get(name)
            alike = mine is not None and msgspec.json.encode(opened(mine)) == msgspec.json.encode(opened(each))
            assert (each is mine) == alike  # By their text: 1 and true are not.


def test_what_differs_does_not_keep_its_file_in_memory():
    held = held_records.parse(b'{"packages.conda": {"x-1-0.conda": {"n": 1}}}')
    data = b'{"packages.conda": {"x-1-0.conda": {"n": true}}}' + b" " * 1000
    before = sys.getrefcount(data)
    shared = held_records.parse(data, held)
    assert opened(shared["packages.conda"]["x-1-0.conda"]) == {"n": True}
    assert sys.getrefcount(data) == before


def test_what_is_opened_twice_is_not_the_same_object():
    raw = msgspec.Raw(b'{"depends": []}')
    opened(raw)["depends"].append("x")
    assert opened(raw) == {"depends": []}


@pytest.mark.parametrize("like", [None, {}, {"packages.conda": {"x-1-0.conda": msgspec.Raw(b"{}")}}])
@pytest.mark.parametrize(
    "text",
    [
        b"[]", b"{", b'{"packages": []}', b'{"packages.conda": {"x-1-0.conda": 1}}',
        b'{"packages.conda": {"x-1-0.conda": {"n": 1e999}}}', b'{"packages.conda": {"x-1-0.conda": {"n": "\xff"}}}',
        b'{"packages.conda": {"x-1-0.conda": {"n": "\\ud800"}}}', b'{"removed": [1]}', b'{"v3": {"conda": {"x": 1}}}',
    ],
)  # fmt: skip
def test_what_a_record_hides_is_refused_though_nobody_asks_for_it(text, like):
    with pytest.raises(ValueError, match=r"."):
        held_records.parse(text, like)
