import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import provenance
from condattest.formats.provenance import PREDICATE_TYPE
from condattest.formats.statement import Statement, Subject
from condattest.model.finding import Code

SUBJECT = Subject("zlib-1.2.11-0.conda", {"sha256": "0" * 64})
GITHUB = {
    "buildDefinition": {
        "buildType": "https://actions.github.io/buildtypes/workflow/v1",
        "externalParameters": {
            "workflow": {
                "repository": "https://github.com/o/r",
                "ref": "refs/heads/main",
                "path": ".github/workflows/x.yml",
            }
        },
        "resolvedDependencies": [{"uri": "git+https://github.com/other/r@refs/heads/main"}],
    },
    "runDetails": {
        "builder": {"id": "https://github.com/actions/runner/github-hosted"},
        "metadata": {"invocationId": "https://github.com/o/r/actions/runs/1/attempts/1"},
    },
}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def parse(predicate, predicate_type=PREDICATE_TYPE):
    return provenance.parse(Statement((SUBJECT,), predicate_type, predicate))


def refused(predicate, predicate_type=PREDICATE_TYPE) -> Code:
    with pytest.raises(Malformed) as caught:
        parse(predicate, predicate_type)
    return caught.value.finding.code


def changed(path: str, value: object) -> dict:
    document = json.loads(json.dumps(GITHUB))
    *parents, last = path.split(".")
    target = document
    for key in parents:
        target = target[key]
    target[last] = value
    return document


def source_of(**definition):
    definition = {"buildType": "https://example.org/build/v1", **definition}
    read = parse(changed("buildDefinition", definition))
    return read.source, read.source_ref


def test_a_workflow_of_github_says_its_source():
    read = parse(GITHUB)
    assert read.subjects == (SUBJECT,)
    assert read.build_type == "https://actions.github.io/buildtypes/workflow/v1"
    assert read.builder_id == "https://github.com/actions/runner/github-hosted"
    assert (read.source, read.source_ref) == ("https://github.com/o/r", "refs/heads/main")
    assert read.invocation_id == "https://github.com/o/r/actions/runs/1/attempts/1"


@pytest.mark.parametrize(
    ("uri", "source", "ref"),
    [
        ("git+https://github.com/o/r@refs/heads/main", "https://github.com/o/r", "refs/heads/main"),
        ("git+https://github.com/o/r.git@v1", "https://github.com/o/r", "v1"),
        ("https://github.com/o/r", "https://github.com/o/r", None),
        ("https://github.com/o/r@", "https://github.com/o/r", None),
        ("git+ssh://git@github.com/o/r@refs/tags/v1", "ssh://git@github.com/o/r", "refs/tags/v1"),
        ("git+ssh://git@github.com/o/r", "ssh://git@github.com/o/r", None),
        ("git+https://github.com/o/r@feature@2", "https://github.com/o/r", "feature@2"),
    ],
)
@pytest.mark.parametrize("layout", ["source", "dependencies"])
def test_a_source_is_split_from_its_ref(uri, source, ref, layout):
    if layout == "source":
        assert source_of(externalParameters={"source": uri}) == (source, ref)
    else:
        assert source_of(externalParameters={}, resolvedDependencies=[{"uri": uri}]) == (source, ref)


def test_a_host_that_hides_behind_user_info_stays_part_of_the_source():
    """`https://github.com@evil.example/o/r` is at evil.example, whatever it begins with."""
    source, _ = source_of(externalParameters={"source": "git+https://github.com@evil.example/o/r"})
    assert source == "https://github.com@evil.example/o/r"


@pytest.mark.parametrize(
    "definition",
    [
        {},
        {"externalParameters": None},
        {"externalParameters": []},
        {"externalParameters": {"workflow": "https://github.com/o/r"}},
        {"externalParameters": {"workflow": {"repository": ["https://github.com/o/r"]}}},
        {"externalParameters": {"source": {"uri": "https://github.com/o/r"}}},
        {"resolvedDependencies": []},
        {"resolvedDependencies": {}},
        {"resolvedDependencies": ["git+https://github.com/o/r"]},
        {"resolvedDependencies": [{"uri": 1}]},
        {"resolvedDependencies": [{}, {"uri": "git+https://github.com/o/r"}]},
    ],
    ids=repr,
)
def test_a_source_that_is_not_where_it_belongs_is_none(definition):
    """A guessed source meets a rule that the build does not."""
    assert source_of(**definition) == (None, None)


@pytest.mark.parametrize("predicate_type", ["https://slsa.dev/provenance/v0.2", PREDICATE_TYPE + ".1", ""])
def test_another_predicate_type_is_refused(predicate_type):
    """Older provenance has other fields under the same names."""
    assert refused(GITHUB, predicate_type) is Code.STMT_PREDICATE


@pytest.mark.parametrize(
    "path",
    [
        "buildDefinition",
        "buildDefinition.buildType",
        "runDetails",
        "runDetails.builder",
        "runDetails.builder.id",
    ],
)
@pytest.mark.parametrize("value", [None, "", [], {}, 1, ["x"]], ids=repr)
def test_a_required_field_that_is_missing_or_badly_typed_is_refused(path, value):
    assert refused(changed(path, value)) is Code.STMT_PREDICATE


@pytest.mark.parametrize("predicate", [None, {}])
def test_provenance_without_a_predicate_is_refused(predicate):
    assert refused(predicate) is Code.STMT_PREDICATE


@pytest.mark.parametrize("metadata", [None, [], {"invocationId": 1}, {}], ids=repr)
def test_an_invocation_that_is_not_stated_is_none(metadata):
    assert parse(changed("runDetails.metadata", metadata)).invocation_id is None


PLACES = [
    *("buildDefinition", "buildDefinition.externalParameters", "buildDefinition.externalParameters.workflow"),
    *("buildDefinition.resolvedDependencies", "runDetails", "runDetails.builder", "runDetails.metadata"),
]


@given(st.sampled_from(PLACES), values)
def test_arbitrary_predicates_only_ever_raise_malformed(path, value):
    try:
        read = parse(changed(path, value))
    except Malformed as error:
        code = error.finding.code
    else:
        code = Code.STMT_PREDICATE
        assert read.build_type
        assert read.builder_id
    assert code is Code.STMT_PREDICATE
