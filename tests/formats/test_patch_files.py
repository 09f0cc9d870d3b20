"""The files of generations: what is written is read back, and everything else is Malformed and nothing worse."""

import json
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from condattest.formats import compression, patch_files
from condattest.formats.patch_files import Change, Entry, Shard, Value
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code
from tests.patched_channel import finding_of, refused

HEX, OTHER = Sha256("ab" * 32), Sha256("cd" * 32)
digests = st.binary(min_size=32, max_size=32).map(Sha256.of_bytes)
numbers = st.integers(1, 2**53 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - 2**53, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
present = values.map(Value)
changes = st.one_of(
    st.builds(Change, present, present), st.builds(Change, st.none(), present), st.builds(Change, present, st.none())
)
maps = st.dictionaries(texts, digests, max_size=5)


@st.composite
def entries(draw):
    at = sorted(draw(st.sets(numbers, min_size=1, max_size=4)))
    history = tuple((number, draw(st.none() | digests)) for number in at)
    return Entry(
        sha256=draw(digests),
        as_built=draw(digests),
        served=history[-1][1],
        history=history,
        changed=draw(st.dictionaries(texts, changes, max_size=3)),
    )


KINDS = {"packages": ".tar.bz2", "packages.conda": ".conda", "v3.conda": ".conda", "v3.tar.bz2": ".tar.bz2"}
places = st.builds(
    lambda section, version, build: (section, f"num-bers-{version}-{build}{KINDS[section]}"),
    st.sampled_from(sorted(KINDS)),
    st.from_regex(r"[0-9.]{1,4}", fullmatch=True),
    st.from_regex(r"[a-z0-9_]{1,4}", fullmatch=True),
)
shards = st.builds(Shard, st.just("num-bers"), st.dictionaries(places, entries(), max_size=4))
ENTRY = Entry(sha256=HEX, as_built=HEX, served=OTHER, history=((1, OTHER),))
PLACE = ("packages.conda", "numbers-1.0-0.conda")
SHARD = Shard("numbers", {PLACE: replace(ENTRY, changed={"license": Change(None, Value("MIT"))})})
PARSERS = (patch_files.parse_head, patch_files.parse_log, patch_files.parse_map, patch_files.parse_shard)
REAL = (
    patch_files.dump_head(7),
    patch_files.dump_log((HEX, OTHER)),
    patch_files.dump_map({"numbers": HEX}),
    patch_files.dump_shard(SHARD),
)


@given(numbers)
def test_a_head_is_read_back(number):
    assert patch_files.parse_head(patch_files.dump_head(number), where="x") == number


@given(st.lists(digests, max_size=5).map(tuple))
def test_a_log_is_read_back(payloads):
    data = patch_files.dump_log(payloads)
    assert patch_files.parse_log(data, where="x") == payloads
    assert len(data) == 65 * len(payloads)


@given(maps)
def test_a_map_is_read_back_and_does_not_depend_on_the_order(shards):
    data = patch_files.dump_map(shards)
    assert patch_files.parse_map(data, where="x") == shards
    assert patch_files.dump_map(dict(reversed(shards.items()))) == data


@given(shards)
def test_a_shard_is_read_back_and_does_not_depend_on_the_order(shard):
    data = patch_files.dump_shard(shard)
    read = patch_files.parse_shard(data, where="x")
    assert read == shard
    assert patch_files.dump_shard(Shard(shard.name, dict(reversed(shard.files.items())))) == data
    for entry in read.files.values():
        assert (entry.removed, entry.newest) == (entry.served is None, entry.history[-1][0])


def test_null_is_not_absence():
    changed = {"a": Change(Value(None), None), "b": Change(None, Value(None))}
    shard = Shard("numbers", {PLACE: replace(ENTRY, changed=changed)})
    read = patch_files.parse_shard(patch_files.dump_shard(shard), where="x")
    assert read.files[PLACE].changed == changed


@pytest.mark.parametrize("parse", PARSERS)
@given(data=st.binary(max_size=200))
def test_random_bytes_are_malformed_or_read(parse, data):
    """A host that sends anything at all."""
    _only_malformed(parse, data)


@pytest.mark.parametrize(("parse", "data"), list(zip(PARSERS, REAL, strict=True)))
@given(at=st.integers(0, 10**6), bits=st.integers(1, 255), cut=st.booleans())
def test_mutated_bytes_are_malformed_or_read(parse, data, at, bits, cut):
    at %= len(data)
    mutated = data[:at] if cut else data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]
    _only_malformed(parse, mutated)


def _packed(document) -> bytes:
    return compression.zstd_small(json.dumps(document).encode())


def _document(shard=SHARD):
    return json.loads(compression.unzstd(patch_files.dump_shard(shard), limit=10**6, code=Code.PATCH_FILE, where="x"))


def paths_of(value, path=()):
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from paths_of(child, (*path, key))


@settings(max_examples=300)
@given(st.sampled_from([path for path in paths_of(_document()) if path]), values, st.booleans())
def test_a_shard_with_one_value_exchanged_is_malformed_or_read(path, value, drop):
    """The digest of a shard is its author's: its bytes are hashed, and may still hold anything."""
    document = _document()
    *way, last = path
    inner = document
    for key in way:
        inner = inner[key]
    if drop:
        del inner[last]
    else:
        inner[last] = value
    _only_malformed(patch_files.parse_shard, _packed(document))


@given(values)
def test_any_json_is_malformed_or_read(value):
    for parse in (patch_files.parse_map, patch_files.parse_shard):
        _only_malformed(parse, _packed(value))
    _only_malformed(patch_files.parse_head, json.dumps(value).encode())


def _only_malformed(parse, data):
    finding = finding_of(lambda: parse(data, where="x"))
    assert finding is None or finding.code is Code.PATCH_FILE
    assert finding is None or all(len(fact) < 400 for fact in finding.facts.values())


def _edited(change):
    document = _document()
    files = document["files"]["packages.conda"]
    change(document, files, files[PLACE[1]])
    return _packed(document)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda shard, files, entry: shard.update(version=2), id="version"),
        pytest.param(lambda shard, files, entry: shard.update(more=1), id="unknown key"),
        pytest.param(lambda shard, files, entry: shard["files"].update(whl={}), id="unknown section"),
        pytest.param(lambda shard, files, entry: shard.update(name="words"), id="file of another name"),
        pytest.param(lambda shard, files, entry: files.update({"numbers-1.0-0.tar.bz2": entry}), id="other kind"),
        pytest.param(lambda shard, files, entry: files.update({"../numbers-1.0-0.conda": entry}), id="path"),
        pytest.param(lambda shard, files, entry: entry.update(removed=True), id="removed and served"),
        pytest.param(lambda shard, files, entry: entry.update(removed=0), id="removed is no boolean"),
        pytest.param(lambda shard, files, entry: entry.update(served=None), id="served nothing, not removed"),
        pytest.param(lambda shard, files, entry: entry.update(served=HEX), id="history ends elsewhere"),
        pytest.param(lambda shard, files, entry: entry.update(history=[]), id="no history"),
        pytest.param(lambda shard, files, entry: entry.update(history=[[2, HEX], [1, OTHER]]), id="descending"),
        pytest.param(lambda shard, files, entry: entry.update(history=[[1, HEX], [1, OTHER]]), id="twice"),
        pytest.param(lambda shard, files, entry: entry.update(history=[[0, OTHER]]), id="generation 0"),
        pytest.param(lambda shard, files, entry: entry.update(history=[[True, OTHER]]), id="generation true"),
        pytest.param(lambda shard, files, entry: entry.update(history=[[1.0, OTHER]]), id="generation 1.0"),
        pytest.param(lambda shard, files, entry: entry.update(sha256=HEX.upper()), id="upper case"),
        pytest.param(lambda shard, files, entry: entry["changed"].update(license={}), id="no side"),
        pytest.param(lambda shard, files, entry: entry["changed"].update(license={"form": 1}), id="other side"),
    ],
)
def test_a_shard_that_contradicts_itself_is_refused(change):
    refused(lambda: patch_files.parse_shard(_edited(change), where="x"), Code.PATCH_FILE)


@pytest.mark.parametrize(
    "data",
    [
        HEX.encode(),
        f"{HEX}\r\n".encode(),
        f"{HEX}\n\n".encode(),
        f" {HEX}\n".encode(),
        f"{HEX.upper()}\n".encode(),
        "\N{FULLWIDTH DIGIT ONE}\n".encode(),
    ],
)
def test_a_log_of_anything_but_digests_is_refused(data):
    refused(lambda: patch_files.parse_log(data, where="x"), Code.PATCH_FILE)


@pytest.mark.parametrize(
    "text",
    ["1", "null", "{}", '{"generation": 0}', '{"generation": true}', '{"generation": 1.0}', '{"generation": "1"}',
     '{"generation": 1, "x": 1}', '{"generation": 1, "generation": 2}', '{"generation": 9007199254740992}'],
)  # fmt: skip
def test_a_head_of_another_form_is_refused(text):
    refused(lambda: patch_files.parse_head(text.encode(), where="x"), Code.PATCH_FILE)


def test_a_bomb_is_refused():
    """A few bytes that expand beyond what a file may have."""
    bomb = compression.zstd_small(b" " * (patch_files.MAX_SHARD + 1))
    assert len(bomb) < 10_000
    refused(lambda: patch_files.parse_shard(bomb, where="x"), Code.PATCH_FILE)


def test_two_frames_are_refused():
    """A second reader could take the second one."""
    data = patch_files.dump_map({})
    refused(lambda: patch_files.parse_map(data + data, where="x"), Code.PATCH_FILE)


@given(places)
def test_the_strategy_makes_real_file_names(place):
    assume(place[1])
    assert PackageFile.parse(place[1]).name == "num-bers"
