"""Instructions and indexes as built that hypothesis makes, with what their names and keys have in common."""

import json
from typing import Any

from hypothesis import strategies as st

from condattest.formats import patch_instructions
from condattest.formats.patch_instructions import Instructions


def read(document: dict[str, Any]) -> Instructions:
    """Parse instructions that are given as a document."""
    return patch_instructions.parse(json.dumps(document).encode(), where="patch_instructions.json")


def record(**more: Any) -> dict[str, Any]:
    """A record as both indexers write it."""
    return {"build": "0", "build_number": 0, "depends": ["y"], "name": "x", "subdir": "linux-64", "version": "1"} | more


STEMS = ("x-1-0", "x-2-0", "é-1-0", "a.tar.bz2-1-0", "n-o-1-0")
NAMES = st.builds(lambda stem, kind: stem + kind, st.sampled_from(STEMS), st.sampled_from([".tar.bz2", ".conda"]))
TEXTS = st.lists(st.sampled_from(["y", "z >=1", "", "ü", "w[version='>1']"]), max_size=3)
LEAVES = st.one_of(st.none(), st.booleans(), st.sampled_from([0, 1, 1.0, -0.5, 2**63, 10**19, "", "t", "☃"]))
VALUES = st.recursive(
    st.one_of(LEAVES, TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)
    ),
    max_leaves=6,
)
