"""The statement of a generation: its signed bytes are read back exactly, and any other form is refused."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.formats import patch_statement, statement
from condattest.formats.patch_descriptors import Input, InputSigner, Source
from condattest.formats.patch_differences import SECTIONS, Difference, Unattributed
from condattest.formats.patch_statement import COUNTS, PREDICATE_TYPE, PatchStatement
from condattest.formats.statement import PAYLOAD_TYPE, Statement
from condattest.model.artifact import Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code
from tests.formats.test_patch_files import digests, paths_of, values
from tests.patched_channel import finding_of, refused

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
A, B, C, D = (Sha256(digit * 64) for digit in "abcd")
SAID = PatchStatement(
    target_channel=Channel("https://conda.example/channel"),
    subdir="noarch",
    role="author",
    generation=2,
    previous=A,
    engine="conda-index",
    engine_version="0.13.0",
    as_built="archive",
    source=Source("git+https://github.com/patches/one", "0" * 40),
    inputs=(Input("noarch/repodata.json", B),),
    counts=dict(zip(COUNTS, (3, 1, 0, 1), strict=True)),
    instructions=C,
    map=A,
    delta=B,
    log=D,
)
FULL = replace(
    SAID,
    source=replace(SAID.source, stated_by="package", flow_run_id="github_1"),
    inputs=(*SAID.inputs, Input("patches-1-0.conda.sigs", C, (InputSigner("https://x", "https://issuer"),))),
    unattributed=Unattributed(2, (Difference("packages.conda", "x-1-0.conda", ("depends",)),)),
)
"""The same with all that may be left out."""


signers = st.lists(st.builds(InputSigner, texts, texts), max_size=2).map(tuple)
differences = st.builds(
    Difference, st.sampled_from(SECTIONS), texts | st.just(""), st.lists(texts | st.just(""), max_size=3).map(tuple)
)


@st.composite
def statements(draw):
    generation = draw(st.integers(1, 2**53 - 1))
    commits = st.text("0123456789abcdef", min_size=40, max_size=40) | st.text(
        "0123456789abcdef", min_size=64, max_size=64
    )
    return PatchStatement(
        target_channel=draw(st.sampled_from([SAID.target_channel, Channel("file:///srv/channel")])),
        subdir=draw(st.sampled_from(["noarch", "linux-64", "emscripten-wasm32"])),
        role=draw(st.sampled_from(["author", "observer"])),
        generation=generation,
        previous=None if generation == 1 else draw(digests),
        engine=draw(texts),
        engine_version=draw(texts),
        as_built=draw(st.sampled_from(["archive", "index"])),
        source=draw(
            st.none()
            | st.builds(Source, texts, commits)
            | st.builds(Source, texts, commits, st.just("package"), st.none() | texts)
        ),
        inputs=tuple(draw(st.lists(st.builds(Input, texts, digests, signers), max_size=3))),
        unattributed=Unattributed.of(draw(st.lists(differences, max_size=3))),
        counts={name: draw(st.integers(0, 2**53 - 1)) for name in COUNTS},
        instructions=draw(st.none() | digests),
        map=draw(digests),
        delta=draw(digests),
        log=draw(digests),
    )


def through_bytes(said: PatchStatement) -> PatchStatement:
    payload = statement.dump(patch_statement.statement(said))
    assert len(payload) < patch_statement.MAX_PAYLOAD
    return patch_statement.parse(statement.parse(PAYLOAD_TYPE, payload))


@given(statements())
def test_it_is_read_back_through_its_signed_bytes(said):
    assert through_bytes(said) == said


def test_the_bytes_are_the_same_each_time():
    """Several signers sign the same payload, or they do not sign together."""
    other = replace(SAID, counts=dict(reversed(SAID.counts.items())))
    assert statement.dump(patch_statement.statement(SAID)) == statement.dump(patch_statement.statement(other))


def document(said: PatchStatement = SAID) -> dict:
    return json.loads(statement.dump(patch_statement.statement(said)))


def parsed(raw: dict) -> PatchStatement:
    return patch_statement.parse(statement.parse(PAYLOAD_TYPE, json.dumps(raw).encode()))


@settings(max_examples=400)
@given(st.sampled_from([path for path in paths_of(document(FULL)) if path]), values, st.booleans())
def test_with_one_value_exchanged_it_is_malformed_or_read_back(path, value, drop):
    raw = document(FULL)
    *way, last = path
    inner = raw
    for key in way:
        inner = inner[key]
    if drop:
        del inner[last]
    else:
        inner[last] = value
    finding = finding_of(lambda: parsed(raw))
    if finding is None:
        said = parsed(raw)
        assert through_bytes(said) == said
    else:
        assert finding.code.value.startswith(("PATCH-STATEMENT", "STMT-"))
        assert all(len(fact) < 500 for fact in finding.facts.values())


def predicate(**keys):
    return lambda raw: raw["predicate"].update(keys)


def subject(at, **keys):
    return lambda raw: raw["subject"][at].update(keys)


NUMBERS = (0, -1, 1.0, "2", True, None, 2**53)


@pytest.mark.parametrize(
    "change",
    [
        *(pytest.param(predicate(generation=number), id=f"generation {number!r}") for number in NUMBERS),
        pytest.param(predicate(generation=1), id="the first with a previous"),
        pytest.param(predicate(previous=None), id="a later one without"),
        pytest.param(predicate(previous=A.upper()), id="upper-case digest"),
        pytest.param(predicate(role="admin"), id="role"),
        pytest.param(predicate(role=["author"]), id="list of roles"),
        pytest.param(predicate(asBuilt="both"), id="as built"),
        pytest.param(predicate(subdir="../noarch"), id="a path as subdir"),
        pytest.param(predicate(subdir="linux-64"), id="subjects of another subdir"),
        pytest.param(predicate(targetChannel="https://Conda.example/channel/"), id="channel not canonical"),
        pytest.param(predicate(targetChannel=None), id="no channel"),
        pytest.param(predicate(more=1), id="unknown key"),
        pytest.param(predicate(source=None), id="null source"),
        pytest.param(predicate(source={"uri": "x", "digest": {"gitCommit": "abc"}}), id="short commit"),
        pytest.param(predicate(source={"uri": "x", "digest": {"sha1": "0" * 40}}), id="other digest"),
        pytest.param(predicate(engine={"name": "", "version": "1"}), id="no engine"),
        pytest.param(predicate(engine={"name": "x"}), id="no version"),
        pytest.param(predicate(inputs={}), id="inputs"),
        pytest.param(predicate(counts={}), id="counts"),
        pytest.param(predicate(counts=dict.fromkeys(COUNTS, -1)), id="negative count"),
        pytest.param(lambda raw: raw["subject"].pop(), id="no log"),
        pytest.param(lambda raw: raw["subject"].append(raw["subject"][0]), id="instructions twice"),
        pytest.param(lambda raw: raw["subject"].append(raw["subject"][1]), id="map twice"),
        pytest.param(subject(1, name="noarch/patches/map.json.zst"), id="name without digest"),
        pytest.param(subject(1, digest={"sha256": "0" * 64}), id="name of another digest"),
        pytest.param(subject(1, digest={"sha256": A, "sha512": "0" * 128}), id="a second digest"),
        pytest.param(subject(0, name="linux-64/patch_instructions.json"), id="instructions of another subdir"),
        pytest.param(subject(0, name="noarch/repodata.json"), id="another file"),
        pytest.param(lambda raw: raw.update(predicateType=PREDICATE_TYPE[:-1]), id="predicate type"),
    ],
)
def test_any_other_form_is_refused(change):
    raw = document()
    assert parsed(raw) == SAID
    change(raw)
    refused(lambda: parsed(raw), Code.PATCH_STATEMENT)


def listed(**changes):
    entry = {"section": "packages", "file": "x-1-0.tar.bz2", "keys": []} | changes
    return predicate(unattributed={"count": 1, "first": [entry]})


def annotated(**annotations):
    return lambda raw: raw["predicate"]["source"].update(annotations=annotations)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(predicate(unattributed=None), id="null"),
        pytest.param(predicate(unattributed={"count": 0, "first": []}), id="none"),
        pytest.param(predicate(unattributed={"count": 1, "first": []}), id="none listed"),
        pytest.param(predicate(unattributed={"first": []}), id="no count"),
        pytest.param(
            predicate(unattributed={"count": 1, "first": [{"section": "packages", "file": "x", "keys": []}] * 2}),
            id="more listed than counted",
        ),
        pytest.param(
            predicate(unattributed={"count": 500, "first": [{"section": "packages", "file": "x", "keys": []}] * 101}),
            id="too many listed",
        ),
        pytest.param(listed(section="signed"), id="another section"),
        pytest.param(listed(file=7), id="a file that is a number"),
        pytest.param(listed(file="x" * 256), id="a long file"),
        pytest.param(listed(keys=["x" * 65]), id="a long key"),
        pytest.param(listed(keys=["x"] * 21), id="many keys"),
        pytest.param(listed(keys="depends"), id="keys that are a text"),
        pytest.param(listed(why="x"), id="unknown key"),
        pytest.param(annotated(), id="no annotation"),
        pytest.param(annotated(statedBy="author"), id="stated by the author"),
        pytest.param(annotated(statedBy="package", flowRunId=None), id="null run"),
        pytest.param(annotated(statedBy="package", more=1), id="unknown annotation"),
        pytest.param(lambda raw: raw["predicate"]["inputs"][0].update(annotations={"signers": []}), id="no signers"),
        pytest.param(lambda raw: raw["predicate"]["inputs"][0].update(annotations={}), id="input without signers"),
    ],
)
def test_any_other_form_of_what_may_be_left_out_is_refused(change):
    assert parsed(document(FULL)) == FULL
    raw = document()
    change(raw)
    refused(lambda: parsed(raw), Code.PATCH_STATEMENT)


def test_a_statement_without_a_predicate_is_refused():
    made = patch_statement.statement(SAID)
    refused(lambda: patch_statement.parse(Statement(made.subjects, PREDICATE_TYPE, None)), Code.PATCH_STATEMENT)


def test_a_publish_attestation_is_no_generation():
    """CROSS-TYPE: a maintainer's signature on a package, shown as one on its patches."""
    made = patch_statement.statement(SAID)
    other = Statement(made.subjects, "https://schemas.conda.org/attestations-publish-1.schema.json", made.predicate)
    refused(lambda: patch_statement.parse(other), Code.PATCH_STATEMENT)
