"""Checking a subdir whole: every lie about its patches is found, and a patched channel that is in order has none."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from condattest.errors import Malformed, Misuse
from condattest.formats import patch_files, patch_statement, sidecar, statement
from condattest.formats.patch_files import Change, Value
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code
from condattest.operations import patch_verify
from condattest.operations.as_built import Archives
from condattest.patches.digests import record_digest
from condattest.transport.directory import Directory
from condattest.transport.origin import StoreOrigin
from tests.patched_channel import CHANGES, DAY, EMPTY, NAME, START, fix, refused

LAST = CHANGES[-1]
WORDS = "words-1.0-0.conda"


def test_what_is_in_order_has_no_findings(history):
    checked = patch_verify.verify(history.chain(), history.inputs(), now=history.now)
    assert (checked.findings, checked.records, checked.newest.said.generation) == ((), 3, 3)


def test_without_generations_it_says_so(world):
    refused(world.verify, Code.PATCH_NONE)


class TestServed:
    def test_an_older_generation_as_the_newest(self, history):
        history.point(2)
        assert history.verify() == [Code.PATCH_REPLAY, Code.PATCH_UNATTRIBUTED]

    @pytest.mark.parametrize("suffix", [".delta.json.zst", ".shard.json.zst", ".map.json.zst", ".log"])
    def test_a_file_that_was_dropped(self, history, suffix):
        needed = history.chain().newest().said
        dropped = {".map.json.zst": needed.map, ".log": needed.log, ".delta.json.zst": needed.delta}.get(suffix)
        path = next(path for path in history.patches(suffix) if dropped is None or path.name.startswith(dropped))
        path.unlink()
        codes = []
        try:
            codes = history.verify()
        except Malformed as error:
            codes.append(error.finding.code)
        assert Code.PATCH_MISSING in codes

    def test_a_patch_that_was_stripped(self, history):
        built = json.loads((history.root / "noarch" / "repodata_from_packages.json").read_bytes())
        history.edit("repodata.json", lambda document: document.update(built))
        assert history.verify() == [Code.PATCH_STRIPPED]

    def test_the_state_of_an_older_generation(self, history):
        old = history.record("as_built") | CHANGES[1]
        history.edit("repodata.json", lambda document: document["packages.conda"].update({NAME: old}))
        assert history.verify() == [Code.PATCH_STRIPPED]

    def test_a_change_that_nobody_signed(self, history):
        def change(document):
            document["packages.conda"][WORDS]["depends"] = ["evil"]
            document["packages.conda"][NAME]["depends"] = ["evil"]
            del document["packages.conda"]["letters-1.0-0.conda"]
            document["packages.conda"]["ghost-1.0-0.conda"] = {"name": "ghost"}

        history.edit("repodata.json", change)
        assert history.verify() == [Code.PATCH_UNATTRIBUTED] * 4

    @pytest.mark.parametrize("file", [NAME, WORDS])
    @pytest.mark.parametrize(("key", "value"), [("build_number", False), ("sha256", "0" * 64), ("size_", 2**60)])
    def test_a_change_that_is_easily_overlooked(self, history, file, key, value):
        """0 and false, which Python takes for equal; the archive's digest; a number that has no canonical form."""
        history.edit("repodata.json", lambda document: document["packages.conda"][file].update({key: value}))
        expected = Code.PATCH_RECORD if key == "size_" else Code.PATCH_UNATTRIBUTED
        assert history.verify() == [expected]

    @pytest.mark.parametrize("file", [NAME, WORDS])
    def test_a_removal_that_nobody_signed(self, history, file):
        history.edit("repodata.json", lambda document: document.update(removed=[file]))
        assert history.verify() == [Code.PATCH_UNATTRIBUTED]

    def test_a_removal_that_was_undone(self, history):
        """A package that was taken down comes back with an old index."""
        before = (history.root / "noarch" / "repodata.json").read_bytes()
        history.index(fix(**LAST) | {"remove": [WORDS]})
        history.attest()
        assert history.verify() == []
        (history.root / "noarch" / "repodata.json").write_bytes(before)
        assert history.verify() == [Code.PATCH_STRIPPED]


class TestReplay:
    def instruct(self, history, **instructions):
        path = history.root / "noarch" / "patch_instructions.json"
        path.write_text(json.dumps(EMPTY | fix(**LAST) | instructions))

    def test_other_instructions(self, history):
        self.instruct(history, **fix(depends=["evil"]))
        assert history.verify() == [Code.PATCH_REPLAY]

    def test_no_instructions(self, history):
        (history.root / "noarch" / "patch_instructions.json").unlink()
        assert history.verify() == [Code.PATCH_REPLAY]

    @pytest.mark.parametrize("more", [{"remove": [WORDS]}, {"revoke": [WORDS]}, {"remove": [NAME]}])
    def test_instructions_that_are_not_carried_out(self, history, more):
        self.instruct(history, **more)
        assert history.verify() == [Code.PATCH_REPLAY]

    def test_instructions_with_the_same_outcome_are_no_finding(self, history):
        self.instruct(history, remove=["nowhere-1.0-0.conda"])
        assert history.verify() == []

    def test_instructions_that_touch_what_the_server_sets(self, history):
        self.instruct(history, **fix(**LAST, sha256="0" * 64))
        assert history.verify() == [Code.PATCH_SERVER_KEY]

    def test_an_author_whose_engine_nobody_knows_is_undecided(self, history):
        publish(history, engine="other-index")
        assert history.verify() == [Code.PATCH_MISSING]


class TestAsBuilt:
    @pytest.mark.parametrize("key", ["license", "sha256"])
    def test_a_record_as_built_that_is_another(self, history, key):
        """The other archive under the name, or the other record of the archive, is none of what was attested."""
        for base in ("repodata_from_packages.json", "repodata.json"):
            history.edit(base, lambda document: document["packages.conda"][NAME].update({key: "0" * 64}))
        assert Code.PATCH_AS_BUILT in history.verify()


class TestArchives:
    """As built is what the archives say, and not what an index says of them."""

    def check(self, world, **how):
        archives = Archives(origin=StoreOrigin(Directory(world.root)), **how)
        return patch_verify.verify(world.chain(), world.inputs(), now=world.now, archives=archives)

    def test_what_was_ever_patched_is_proved(self, history):
        checked = self.check(history)
        assert (checked.findings, checked.proved) == ((), 1)
        assert [proof.place for proof in checked.proofs] == [("packages.conda", NAME)]

    @pytest.mark.parametrize("said", ["archive", "index"])
    def test_whatever_its_author_says_of_that(self, history, said):
        publish(history, as_built=said)
        assert self.check(history).proved == 1
        (history.root / "noarch" / NAME).unlink()
        assert [each.code for each in self.check(history).findings] == [Code.PATCH_UNPROVEN]

    def test_what_is_named_is_proved_listed_or_not(self, history):
        checked = self.check(history, only=frozenset({PackageFile.parse(WORDS)}))
        assert [(proof.place[1], proof.proved) for proof in checked.proofs] == [(WORDS, True)]

    def test_what_is_named_and_not_there_is_usage(self, history):
        with pytest.raises(Misuse, match="the index as built does not list it"):
            self.check(history, only=frozenset({PackageFile.parse("nowhere-1-0.conda")}))

    def test_an_index_that_is_believed_is_no_finding_and_still_unproved(self, history):
        (history.root / "noarch" / NAME).unlink()
        checked = self.check(history, trusted=True)
        assert (checked.findings, checked.proved, len(checked.proofs)) == ((), 0, 1)

    def test_an_archive_that_says_otherwise_speaks_against_it_believed_or_not(self, history):
        """A channel swaps the archive under a listed name."""
        path = history.root / "noarch" / NAME
        path.write_bytes((history.root / "noarch" / WORDS).read_bytes())
        assert [each.code for each in self.check(history, trusted=True).findings] == [Code.BIND_DIGEST]

    def test_by_an_engine_that_nobody_knows_nothing_is_proved(self, history):
        publish(history, engine="other-index")
        assert [each.code for each in self.check(history).findings] == [Code.PATCH_MISSING, Code.PATCH_UNPROVEN]


class TestAge:
    def test_a_generation_of_long_ago_is_stale(self, history):
        """A channel goes on serving an old state, which is in order in itself."""
        signed = START + 2 * DAY
        assert history.verify(max_age=DAY, now=signed + DAY) == []
        assert history.verify(max_age=DAY, now=signed + DAY + timedelta(minutes=1)) == [Code.FRESH_STALE]
        assert history.verify(now=signed + 1000 * DAY) == []


class TestAuthor:
    """What the author themselves says can be wrong, too."""

    def test_a_key_that_must_not_be_patched(self, history):
        assert history.verify(keys=frozenset({"depends", "constrains"})) == [Code.PATCH_KEY]
        assert history.verify(keys=frozenset({"depends", "constrains", "license"})) == []

    def test_a_change_that_is_told_as_another(self, history):
        """An author who patches `depends`, and says that it was `constrains`: only the sum of it all shows that."""
        chain = history.chain()
        newest = chain.newest()
        [(name, digest)] = chain.map(newest).items()
        shard = chain.shard(name, digest)
        [(place, entry)] = shard.files.items()
        false = replace(entry, changed={"constrains": Change(None, Value(["letters"]))})
        replace_shard(history, name, patch_files.Shard(name, {place: false}))
        assert history.verify() == [Code.PATCH_RECORD]

    def test_an_entry_that_was_left_out(self, history):
        """An author who patches a record and does not list it."""
        replace_shard(history, None, None)
        assert history.verify() == [Code.PATCH_COUNTS, Code.PATCH_REPLAY, Code.PATCH_UNATTRIBUTED]

    def test_a_digest_that_is_none_of_it(self, history):
        chain = history.chain()
        [(name, digest)] = chain.map(chain.newest()).items()
        [(place, entry)] = chain.shard(name, digest).files.items()
        other = Sha256("0" * 64)
        false = replace(entry, served=other, history=(*entry.history[:-1], (3, other)))
        replace_shard(history, name, patch_files.Shard(name, {place: false}))
        assert history.verify() == [Code.PATCH_RECORD, Code.PATCH_REPLAY, Code.PATCH_UNATTRIBUTED]

    def test_the_digest_is_that_of_the_record(self, history):
        record = history.record("served")
        assert history.blame().served == record_digest(record, where="x")


def publish(world, **said):
    """Let the author sign the newest generation otherwise."""
    made = replace(world.chain().newest().said, **said)
    payload = statement.dump(patch_statement.statement(made))
    path = world.root / "noarch" / "patches" / f"{made.generation}.sigs"
    path.write_bytes(sidecar.dump([world.sign(payload)]))


def replace_shard(world, name, shard):
    """Let the author sign another shard in the newest generation; none at all for no name."""
    folder = world.root / "noarch" / "patches"

    def kept(data, suffix):
        digest = Sha256(hashlib.sha256(data).hexdigest())
        (folder / f"{digest}{suffix}").write_bytes(data)
        return digest

    shards = {} if name is None else {name: kept(patch_files.dump_shard(shard), ".shard.json.zst")}
    data = patch_files.dump_map(shards)
    publish(world, map=kept(data, ".map.json.zst"), delta=kept(data, ".delta.json.zst"))
