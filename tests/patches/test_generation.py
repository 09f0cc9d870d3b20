"""Generations over any history of an index: each state can be told again from its record as built, and none is lost."""

import hashlib
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.formats import compression, patch_files
from condattest.formats.patch_files import Change, Shard, Value
from condattest.model.artifact import Sha256
from condattest.model.finding import Code
from condattest.patches.changes import applied
from condattest.patches.digests import record_digest
from condattest.patches.generation import Before, Built, build
from condattest.patches.index_sections import records_of
from tests.patched_channel import refused

DIGESTS = [Sha256(f"{number:064x}") for number in range(1, 20)]


@dataclass
class Kept:
    """What a channel keeps of all generations, in memory."""

    files: dict[str, bytes] = field(default_factory=dict)
    built: list[Built] = field(default_factory=list)

    def shard(self, name, digest) -> Shard:
        shard = patch_files.parse_shard(self.files[f"{digest}.shard.json.zst"], where="x")
        assert shard.name == name
        return shard

    def map(self, built, kind="map"):
        return patch_files.parse_map(self.files[f"{getattr(built, kind)}.{kind}.json.zst"], where="x")

    def states(self, place, entry):
        """The entry of a file as of each generation that changed it."""
        name = place[1].rsplit("-", 2)[0]
        for number, served in entry.history:
            state = self.shard(name, self.map(self.built[number - 1], "delta")[name]).files[place]
            assert (state.newest, state.served, state.sha256) == (number, served, entry.sha256)
            yield state

    def value(self, place, entry, record):
        for state in self.states(place, entry):
            record = applied(record, state.changed, where="x")
        return record

    def add(self, as_built, served, void=frozenset(), replaced=frozenset()) -> Built:
        before = None
        if self.built:
            last = self.built[-1]
            payloads = tuple(DIGESTS[: last.generation - 1])
            payload = DIGESTS[last.generation - 1]
            before = Before(
                generation=last.generation,
                payload=payload,
                payloads=payloads,
                shards=self.map(last),
                shard=self.shard,
                value=self.value,
                void=void,
            )
        built = build(as_built, served, before, replaced)
        for name, data in built.files.items():
            assert name.partition(".")[0] == hashlib.sha256(data).hexdigest()
            self.files[name] = data
        self.built.append(built)
        return built

    def entries(self, built):
        return {
            place: entry
            for name, digest in self.map(built).items()
            for place, entry in self.shard(name, digest).files.items()
        }


FILES = [
    ("packages", "numbers-1.0-0.tar.bz2"),
    ("packages.conda", "numbers-1.0-0.conda"),
    ("packages.conda", "numbers-2.0-0.conda"),
    ("packages.conda", "letters-1.0-0.conda"),
    ("v3.conda", "letters-2.0-0.conda"),
]
KEYS = ("depends", "license", "arch")
some = st.none() | st.booleans() | st.integers(0, 2) | st.lists(st.sampled_from("ab"), max_size=2)
contents = st.dictionaries(st.sampled_from(KEYS), some)
archives = st.lists(contents, min_size=3, max_size=3)
"""By archive (a file can be replaced by another), its record as built."""


# A file is not listed, or is archive 0, 1 or 2 of its name, patched, as built or removed.
listings = st.none() | st.tuples(st.sampled_from([0, 0, 0, 1, 2]), st.just("as built") | st.none() | contents)
histories = st.lists(st.fixed_dictionaries(dict.fromkeys(FILES, listings)), min_size=1, max_size=5)
built_records = st.fixed_dictionaries(dict.fromkeys(FILES, archives))


def documents(step, records):
    """The index as built and as served."""
    as_built, served = _empty(), _empty() | {"removed": []}
    for number, (place, listing) in enumerate(step.items()):
        if listing is None:
            continue
        archive, said = listing
        record = records[place][archive] | {"sha256": DIGESTS[number * 3 + archive]}
        _put(as_built, place, record)
        if said is None:
            served["removed"].append(place[1])
        else:
            _put(served, place, record if said == "as built" else said | {"sha256": record["sha256"]})
    return as_built, served


def _empty():
    return {"packages": {}, "packages.conda": {}, "v3": {"conda": {}}}


def _put(document, place, record):
    section, file = place
    if section == "v3.conda":
        document["v3"]["conda"][file.removesuffix(".conda")] = record
    else:
        document[section][file] = record


@settings(max_examples=150, deadline=None)
@given(histories, built_records)
def test_every_state_can_be_told_from_the_record_as_built(history, records):
    kept = Kept()
    archives, last, shown = {}, {}, {}  # By place and archive: as built, as served last, and as served by generation.
    for number, step in enumerate(history, start=1):
        as_built, served = documents(step, records)
        built = kept.add(as_built, served)
        after = {place: record for place, _, record in records_of(served)}
        for place, _, record in records_of(as_built):
            key = place, record["sha256"]
            now = None if place[1] in served["removed"] else record_digest(after[place], where="x")
            archives[key], last[key] = record, now
            shown.setdefault(key, {})[number] = now
    entries = kept.entries(built)
    for place, entry in entries.items():
        key = place, entry.sha256
        assert entry.as_built == record_digest(archives[key], where="x")
        assert entry.served == last[key]
        assert [number for number, _ in entry.history] == sorted({number for number, _ in entry.history})
        # History is sound: what was served in any generation is what the history says of it.
        for number, digest in shown[key].items():
            current = [since for at, since in entry.history if at <= number]
            assert not current or current[-1] == digest
        # Every change, from as built on, gives the digest that its generation says.
        record = archives[key]
        for state in kept.states(place, entry):
            record = applied(record, state.changed, where="x")
            assert state.served is None or record_digest(record, where="x") == state.served
    # What has no entry was never served otherwise than as built.
    for (place, sha256), states in shown.items():
        if place not in entries:
            assert set(states.values()) == {record_digest(archives[place, sha256], where="x")}


@settings(max_examples=100, deadline=None)
@given(histories, built_records)
def test_nothing_is_dropped_and_only_what_changed_is_written(history, records):
    kept = Kept()
    before, shards = {}, {}
    for number, step in enumerate(history, start=1):
        built = kept.add(*documents(step, records))
        entries, now, delta = kept.entries(built), kept.map(built), kept.map(built, "delta")
        assert before.keys() <= entries.keys()
        for place, entry in before.items():
            if entries[place].sha256 == entry.sha256:
                assert entries[place].history[: len(entry.history)] == entry.history
        changed = {place for place, entry in entries.items() if entry.newest == number}
        assert changed == built.changed.keys()
        assert delta.keys() == {place[1].rsplit("-", 2)[0] for place in changed}
        assert now == shards | delta
        assert built.counts == {
            "records": sum(1 for listing in step.values() if listing is not None),
            "patched": sum(entry.served not in (None, entry.as_built) for entry in entries.values()),
            "removed": sum(entry.served is None for entry in entries.values()),
            "changed": len(changed),
        }
        log = patch_files.parse_log(kept.files[f"{built.log}.log"], where="x")
        assert log == tuple(DIGESTS[: number - 1])
        kinds = [name.split(".")[1] for name in built.files]
        assert kinds == ["shard"] * len(delta) + ["delta", "map", "log"]
        before, shards = entries, now


@settings(max_examples=50, deadline=None)
@given(histories, built_records)
def test_a_generation_that_changes_nothing_has_an_empty_delta_and_the_same_map(history, records):
    kept = Kept()
    for step in history:
        kept.add(*documents(step, records))
    again = kept.add(*documents(history[-1], records))
    assert (again.changed, kept.map(again, "delta"), again.listed) == ({}, {}, set())
    assert again.map == kept.built[-2].map


@settings(max_examples=100, deadline=None)
@given(histories, built_records, st.sets(st.integers(1, 5)))
def test_nothing_is_left_that_a_revoked_generation_changed_last(history, records, void):
    kept = Kept()
    for step in history:
        kept.add(*documents(step, records))
    as_built, served = documents(history[-1], records)
    before = kept.entries(kept.built[-1])
    void = frozenset(void & set(range(1, len(history) + 1)))
    built = kept.add(as_built, served, void)
    entries = kept.entries(built)
    there = {place: record for place, _, record in records_of(as_built)}
    assert before.keys() <= entries.keys()
    assert built.changed.keys() == {place for place, entry in before.items() if place in there and entry.newest in void}
    for place, entry in entries.items():
        if place not in there:
            assert replace(entry, changed={}) == replace(before[place], changed={})
            continue
        assert entry.newest not in void
        # It is what it was, and can be told from the record as built by what is left.
        assert (entry.served, entry.as_built) == (before[place].served, before[place].as_built)
        record = kept.value(place, entry, there[place])
        assert entry.served is None or record_digest(record, where="x") == entry.served
    assert kept.add(as_built, served, void).changed == {}


NUMBERS = ("packages.conda", "numbers-1.0-0.conda")
RECORD = {"name": "numbers", "depends": ["a"], "sha256": DIGESTS[0]}


def index(record=RECORD, place=NUMBERS, **more):
    document = _empty() | more
    if record is not None:
        _put(document, place, record)
    return document


def test_a_patch_a_withdrawal_a_removal_and_a_return():
    kept = Kept()
    patched = RECORD | {"depends": ["a <2"]}
    for served in (index(patched), index(), index(None, removed=[NUMBERS[1]]), index(patched)):
        kept.add(index(), served)
    [entry] = kept.entries(kept.built[-1]).values()
    as_built, served = (record_digest(record, where="x") for record in (RECORD, patched))
    assert entry.history == ((1, served), (2, as_built), (3, None), (4, served))
    changes = [state.changed for state in kept.states(NUMBERS, entry)]
    there = {"depends": Change(Value(["a"]), Value(["a <2"]))}
    assert changes == [there, {"depends": Change(Value(["a <2"]), Value(["a"]))}, {}, there]


def test_an_archive_that_is_replaced_begins_a_history_of_its_own():
    """The old entry must not stay for bytes that it was never about, even if the new ones are not patched."""
    kept = Kept()
    kept.add(index(), index(RECORD | {"license": "MIT"}))
    other = RECORD | {"sha256": DIGESTS[1]}
    built = kept.add(index(other), index(other))
    [entry] = kept.entries(built).values()
    digest = record_digest(other, where="x")
    assert (entry.sha256, entry.as_built, entry.served, entry.history) == (DIGESTS[1], digest, digest, ((2, digest),))
    assert built.listed == {NUMBERS}
    assert kept.add(index(other), index(other)).changed == {}


def test_a_replaced_file_is_listed_if_that_is_asked_for():
    """The old archive is another one's from now on, even if neither was ever patched."""
    kept = Kept()
    kept.add(index(), index())
    other = RECORD | {"sha256": DIGESTS[1]}
    built = kept.add(index(other), index(other), replaced={NUMBERS[1], "nowhere-1.0-0.conda"})
    [entry] = kept.entries(built).values()
    assert (entry.sha256, entry.history) == (DIGESTS[1], ((2, record_digest(other, where="x")),))
    assert (built.replaced, built.listed) == ({}, {NUMBERS})
    assert kept.add(index(other), index(other), replaced={NUMBERS[1]}).changed == {}
    assert kept.add(index(), index()).replaced == {NUMBERS: (DIGESTS[1], DIGESTS[0])}


def test_a_record_as_built_that_changes_without_its_archive_is_refused():
    """Else a patch could be passed off as what was always there."""
    kept = Kept()
    kept.add(index(), index(RECORD | {"license": "MIT"}))
    forged = RECORD | {"depends": []}
    refused(lambda: kept.add(index(forged), index(forged)), Code.PATCH_AS_BUILT)


def test_keys_that_do_not_count_make_no_generation():
    kept = Kept()
    kept.add(index(), index(RECORD | {"license": "MIT"}))
    built = kept.add(index(), index(RECORD | {"license": "MIT", "attestations_sha256": "0" * 64}))
    assert built.changed == {}


@pytest.mark.parametrize(
    ("place", "record", "code"),
    [
        (NUMBERS, {"depends": []}, Code.BIND_NO_DIGEST),
        (NUMBERS, RECORD | {"sha256": None}, Code.BIND_NO_DIGEST),
        (NUMBERS, RECORD | {"sha256": "A" * 64}, Code.BIND_NO_DIGEST),
        (NUMBERS, RECORD | {"size_in_stars": 2**60}, Code.PATCH_RECORD),
        (("packages", "numbers-1.0-0.conda"), RECORD, Code.BIND_NAME),
        (("packages.conda", "numbers-1.0-0.tar.bz2"), RECORD, Code.BIND_NAME),
    ],
)
def test_what_a_reader_would_refuse_is_not_built(place, record, code):
    refused(lambda: build(index(record, place), index(record | {"license": "MIT"}, place), None), code)


def test_what_nobody_patched_is_not_even_digested():
    odd = {"name": "words", "build_number": 2**60}
    as_built = index()
    as_built["packages.conda"]["words-1.0-0.conda"] = odd
    served = index(RECORD | {"license": "MIT"})
    served["packages.conda"]["words-1.0-0.conda"] = odd
    assert build(as_built, served, None).changed.keys() == {NUMBERS}


def test_files_are_zstd_frames_of_plain_json():
    built = build(index(), index(RECORD | {"license": "MIT"}), None)
    for name, data in built.files.items():
        if name.endswith(".zst"):
            assert compression.unzstd(data, limit=10**4, code=Code.PATCH_FILE, where="x").startswith(b'{"version":1,')
