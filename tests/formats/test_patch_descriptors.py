"""Sources and inputs: what the signer says and what only a package says are told apart in the bytes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.formats import patch_descriptors
from condattest.formats.patch_descriptors import Input, InputSigner, Source
from condattest.model.artifact import Sha256
from condattest.model.finding import Code
from tests.patched_channel import refused

COMMIT = "0123456789abcdef0123456789abcdef01234567"
texts = st.text(min_size=1, max_size=20)


@given(texts, st.sampled_from(["author", "package"]), st.none() | texts)
def test_a_source_is_read_back(uri, stated_by, run):
    source = Source(uri, COMMIT, stated_by, run if stated_by == "package" else None)
    assert patch_descriptors.parse_source(source.json) == source


@given(
    st.lists(
        st.builds(
            Input,
            texts,
            st.just(Sha256("0" * 64)),
            st.lists(st.builds(InputSigner, texts, texts), max_size=3).map(tuple),
        ),
        max_size=3,
    )
)
def test_inputs_are_read_back(inputs):
    assert patch_descriptors.parse_inputs(json.loads(json.dumps([each.json for each in inputs]))) == tuple(inputs)


def test_what_the_author_says_has_no_annotation():
    assert Source("git+https://x", COMMIT).json == {"uri": "git+https://x", "digest": {"gitCommit": COMMIT}}
    said = Source("git+https://x", COMMIT, "package").json
    assert said["annotations"] == {"statedBy": "package"}


@pytest.mark.parametrize("annotations", [None, {}, [], {"statedBy": "AUTHOR"}, {"flowRunId": "x"}])
def test_other_annotations_are_refused(annotations):
    source = Source("git+https://x", COMMIT).json | {"annotations": annotations}
    refused(lambda: patch_descriptors.parse_source(source), Code.PATCH_STATEMENT)
    entry = Input("x", Sha256("0" * 64)).json | {"annotations": annotations}
    refused(lambda: patch_descriptors.parse_inputs([entry]), Code.PATCH_STATEMENT)
