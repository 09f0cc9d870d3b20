"""Signing a generation: what is attested is what the channel serves, or nothing is signed, and nothing is written."""

import hashlib
import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from condattest.errors import Misuse, ServiceFailed
from condattest.formats import patch_files, statement
from condattest.formats.patch_differences import Difference, Unattributed
from condattest.formats.patch_statement import MAX_PAYLOAD, PREDICATE_TYPE
from condattest.model.finding import Code, Finding
from condattest.operations import patch_attest, patch_log
from condattest.patches import engines
from condattest.transport.directory import Directory
from condattest.transport.origin import StoreOrigin
from condattest.transport.store import open_store
from tests import channels, publishers
from tests.operations.test_publish import files
from tests.patch_authors import attest_all
from tests.patched_channel import CHANGES, FILE, NAME, TEAMS, World, fix, refused, trust
from tests.rehearsal import a_package

LAST = CHANGES[-1]


class TestAttesting:
    def test_the_first_generation_is_a_baseline(self, world):
        world.index(fix(depends=["python >=3"]))
        made = world.attest()
        said = made.generation.said
        assert (said.generation, said.previous, said.as_built) == (1, None, "archive")
        assert said.counts == {"records": 3, "patched": 1, "removed": 0, "changed": 1}
        assert set(made.changed) == {("packages.conda", NAME)}
        assert world.verify() == []

    def test_without_any_instructions_there_is_a_baseline_too(self, world):
        made = world.attest()
        assert (made.new, made.generation.said.instructions) == (True, None)
        assert made.generation.said.counts == {"records": 3, "patched": 0, "removed": 0, "changed": 0}
        assert world.verify() == []
        assert not world.attest().new

    def test_what_is_written_is_named_by_its_digest(self, history):
        for path in history.patches(".zst") + history.patches(".log"):
            assert path.name.partition(".")[0] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert json.loads((history.root / "noarch" / "patches" / "head.json").read_bytes()) == {"generation": 3}

    def test_the_payload_says_what_went_in(self, history):
        payload = history.chain().generation(3).evidence[0].payload
        document = json.loads(payload)
        assert document["predicateType"] == PREDICATE_TYPE
        for each in document["predicate"]["inputs"]:
            assert each["digest"]["sha256"] == hashlib.sha256((history.root / each["name"]).read_bytes()).hexdigest()
        assert document["subject"][0]["name"] == "noarch/patch_instructions.json"
        for each in document["subject"]:
            assert each["digest"]["sha256"] == hashlib.sha256((history.root / each["name"]).read_bytes()).hexdigest()

    def test_it_says_what_it_wrote(self, history):
        before = set(history.patches(""))
        history.index(fix(**LAST, features="x"))
        made = history.attest()
        assert {path.name for path in set(history.patches("")) - before} == set(made.written) - {"head.json"}
        assert [name.rpartition(".")[2] for name in made.written][-3:] == ["log", "sigs", "json"]

    def test_a_run_that_changes_nothing_makes_no_generation_until_it_is_due(self, history):
        before = files(history.root)
        assert not history.attest().new
        assert not history.attest(refresh_after=timedelta(hours=36)).new
        assert files(history.root) == before
        made = history.attest(refresh_after=timedelta(hours=12))
        assert (made.new, made.generation.said.generation, made.changed) == (True, 4, {})
        assert history.chain().delta(made.generation) == {}
        assert history.verify() == []

    def test_a_new_package_alone_makes_none(self, history, tmp_path):
        channels.put(history.root, "noarch", a_package(tmp_path / "new", "fresh"))
        history.index()
        assert not history.attest().new
        assert history.verify() == []

    def test_instructions_that_come_to_the_same_make_none_and_are_in_order(self, history):
        history.index(fix(**LAST) | {"remove": ["nowhere-1.0-0.conda"]})
        assert not history.attest().new
        assert history.verify() == []

    def test_a_patch_that_is_withdrawn_is_a_change_too(self, history):
        history.index({"packages.conda": {}})
        made = history.attest()
        assert made.generation.said.counts == {"records": 3, "patched": 0, "removed": 0, "changed": 1}
        assert history.blame().lines == ()
        assert history.verify() == []

    def test_a_removal_and_a_revocation(self, history):
        history.index(fix(**LAST) | {"remove": ["words-1.0-0.conda"], "revoke": ["letters-1.0-0.conda"]})
        made = history.attest(TEAMS[1])
        assert made.generation.said.counts == {"records": 3, "patched": 2, "removed": 1, "changed": 2}
        assert history.blame("words-1.0-0.conda").served is None
        assert [line.key for line in history.blame("letters-1.0-0.conda").lines] == ["depends", "revoked"]
        assert history.verify() == []
        history.index(fix(**LAST))
        assert set(history.attest().changed) == {
            ("packages.conda", "words-1.0-0.conda"),
            ("packages.conda", "letters-1.0-0.conda"),
        }
        assert history.blame("words-1.0-0.conda").lines == ()
        assert history.verify() == []

    def test_a_file_that_is_replaced_is_a_change_even_if_it_is_not_patched(self, history, tmp_path):
        channels.put(
            history.root, "noarch", a_package(tmp_path / "new", "numbers", payload=b"other", depends=["python"])
        )
        history.index({"packages.conda": {}})
        before = files(history.root)
        refused(history.attest, Code.PATCH_REPLACED)
        assert files(history.root) == before
        made = history.attest(replaced=frozenset({FILE}))
        assert set(made.changed) == {("packages.conda", NAME)}
        assert not history.attest(replaced=frozenset({FILE})).new
        assert history.blame().sha256 == publishers.digest_of(history.root / "noarch" / NAME)
        assert history.verify() == []

    def test_a_file_that_was_not_replaced_is_an_error_and_signs_nothing(self, history):
        """A typing error, or a store into which the new archive was never put: what was meant is not what is signed."""
        history.index(fix(depends=[]))
        before = files(history.root)
        with pytest.raises(Misuse, match=f"--replaced {NAME}: expected another archive"):
            history.attest(replaced=frozenset({FILE}))
        assert files(history.root) == before
        assert history.attest().new

    def test_an_observer_s_generations_are_a_chain_of_their_own(self, history):
        other = history.root.with_name("witness")
        (other / "noarch").mkdir(parents=True)
        chain = replace(history.chain(role="observer"), origin=StoreOrigin(Directory(other)))
        made = history.attest(chain=chain, store=Directory(other))
        assert (made.generation.said.generation, made.generation.said.role) == (1, "observer")
        assert files(other).keys() == {f"noarch/patches/{name}" for name in made.written}

    def test_in_a_bucket(self, history, bucket):
        store = open_store(bucket)
        for name, data in files(history.root).items():
            store.create(name, data)
        origin = StoreOrigin(store)
        history.index(fix(**LAST, features="x"))
        inputs = history.inputs()
        how = {"store": store, "packages": origin, "inputs": inputs, "chain": replace(history.chain(), origin=origin)}
        assert history.attest(**how).generation.said.generation == 4
        assert not history.attest(**how).new


class TestThreshold:
    def test_the_first_of_two_signers_writes_and_is_told_that_one_is_missing(self, world):
        world.index(fix(depends=[]))
        made = world.attest(chain=world.chain(threshold=2))
        assert (made.new, made.wanted, len(made.generation.evidence)) == (True, 2, 1)
        assert made.written[-1] == "1.sigs"
        assert world.chain().newest() is None, "readers are not told of what they would refuse"
        refused(lambda: world.chain(threshold=2).generation(1), Code.MISSING_THRESHOLD)
        refused(lambda: world.attest(chain=world.chain(threshold=2)), Code.MISSING_THRESHOLD)


class TestUnattributed:
    """The option signs what the instructions give, and says what was served; it makes nothing right."""

    def allowed(self, world, **how):
        return world.attest(allow_unattributed=True, **how)

    def test_the_map_is_of_the_replay_and_the_statement_lists_what_is_served(self, history):
        history.index(fix(**LAST, features="x"))
        history.edit("repodata.json", lambda served: served["packages.conda"][NAME].update(depends=["evil"], extra=1))
        made = self.allowed(history)
        expected = Unattributed(1, (Difference("packages.conda", NAME, ("depends", "extra")),))
        assert made.unattributed == made.generation.said.unattributed == expected
        assert history.chain().newest().said.unattributed == expected
        touched = {line.key: line.touches[-1].new.json for line in history.blame().lines}
        assert (touched["depends"], touched["features"]) == (LAST["depends"], "x")
        assert "extra" not in touched
        assert history.verify() == [Code.PATCH_UNATTRIBUTED]

    def test_without_differences_it_changes_nothing(self, history):
        twin = World(Path(shutil.copytree(history.root, history.root.with_name("twin"))), now=history.now)
        for world in (history, twin):
            world.index(fix(**LAST, features="x"))
        with_it, without = self.allowed(history), twin.attest()
        assert with_it.generation.payload == without.generation.payload
        assert with_it.unattributed is None

    @pytest.mark.parametrize(
        ("change", "found"),
        [
            (lambda served: served["packages.conda"].pop(NAME), Difference("packages.conda", NAME)),
            (
                lambda served: served["packages.conda"][NAME].update(sha256="0" * 64),
                Difference("packages.conda", NAME, ("sha256",)),
            ),
            (
                lambda served: served["packages.conda"].update({"evil-1-0.conda": {}}),
                Difference("packages.conda", "evil-1-0.conda"),
            ),
            (
                lambda served: served.update(removed=["words-1.0-0.conda"]),
                Difference("removed", "words-1.0-0.conda"),
            ),
        ],
    )
    def test_each_kind_of_difference(self, history, change, found):
        history.edit("repodata.json", change)
        assert self.allowed(history).unattributed == Unattributed(1, (found,))

    def test_what_is_said_already_makes_no_further_generation(self, history):
        history.edit("repodata.json", lambda served: served["packages.conda"][NAME].update(depends=["evil"]))
        made = self.allowed(history)
        assert (made.new, made.generation.said.generation, made.changed) == (True, 4, {})
        again = self.allowed(history)
        assert (again.new, again.unattributed) == (False, made.unattributed)
        history.edit("repodata.json", lambda served: served["packages.conda"][NAME].update(extra=1))
        assert self.allowed(history).generation.said.generation == 5
        history.index()
        assert not self.allowed(history).new

    def test_however_much_is_served_otherwise_the_payload_stays_small(self, history):
        """Names that somebody chose who wants that nothing is ever signed again."""
        long = {f"{number:03}-" + "x" * 5000: number for number in range(100)}
        many = {f"evil{'x' * 150}-{number}-0.conda": {} for number in range(500)}
        history.edit("repodata.json", lambda served: served["packages.conda"][NAME].update(long))
        history.edit("repodata.json", lambda served: served["packages.conda"].update(many))
        made = self.allowed(history)
        assert made.unattributed.count == 501
        assert 50 < len(made.unattributed.first) <= 100
        assert len(made.generation.evidence[0].payload) < MAX_PAYLOAD

    def test_what_cannot_be_foretold_is_not_signed(self, history):
        """That the channel served just this outcome was the only proof of it."""

        class Doubting:
            name = "conda-index"

            def apply(self, as_built, instructions):
                patched = engines.engine(self.name).apply(as_built, instructions)
                return replace(patched, findings=(Finding.of(Code.PATCH_UNREPRODUCED),))

        assert not history.attest(engine=Doubting()).new
        history.edit("repodata.json", lambda served: served["packages.conda"][NAME].update(depends=["evil"]))
        refused(lambda: self.allowed(history, engine=Doubting()), Code.PATCH_UNREPRODUCED)

    def test_an_instruction_that_no_reader_takes_is_refused_all_the_same(self, history):
        history.index(fix(sha256="0" * 64))
        refused(lambda: self.allowed(history), Code.PATCH_SERVER_KEY)


class TestRefusing:
    """Nothing that a reader would refuse is ever written: the next author has to go on from it."""

    @pytest.fixture
    def refuses(self, history):
        def call(code, **how):
            before = files(history.root)
            finding = refused(lambda: history.attest(**how), code)
            assert files(history.root) == before
            return finding

        return call

    def test_a_served_index_that_the_replay_does_not_give(self, history, refuses):
        """Somebody who can write the index, and waits for the author to sign it."""
        path = history.root / "noarch" / "repodata.json"
        path.write_text(path.read_text().replace("python >=3", "python >=2"))
        assert NAME in refuses(Code.PATCH_REPLAY).facts["first"]

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            (lambda served: served["packages.conda"].pop(NAME), "not served"),
            (lambda served: served["packages.conda"][NAME].update(build_number=False), "another record"),
            (lambda served: served["packages.conda"][NAME].update(sha256="0" * 64), "another record"),
            (lambda served: served["packages.conda"]["words-1.0-0.conda"].update(depends=[]), "another record"),
            (lambda served: served["packages.conda"].update({"evil-1-0.conda": {}}), "not as built"),
            (lambda served: served.update(removed=["words-1.0-0.conda"]), "removed"),
        ],
    )
    def test_any_other_record(self, history, refuses, change, why):
        history.edit("repodata.json", change)
        assert f"({why})" in refuses(Code.PATCH_REPLAY).facts["first"]

    def test_a_removal_that_is_not_served(self, history, refuses):
        history.index(fix(**LAST) | {"remove": ["words-1.0-0.conda"]})
        history.edit("repodata.json", lambda served: served.update(removed=[]))
        assert "(not removed)" in refuses(Code.PATCH_REPLAY).facts["first"]

    def test_a_record_as_built_that_its_archive_does_not_prove(self, world):
        world.index(fix(depends=["python >=3"]))
        for base in ("repodata_from_packages.json", "repodata.json"):
            world.edit(base, lambda document: document["packages.conda"][NAME].update(license="Proprietary"))
        refused(world.attest, Code.PATCH_AS_BUILT)
        assert world.patches("") == []
        assert world.attest(trust_as_built=True).generation.said.as_built == "index"

    def test_an_archive_that_is_another_or_gone(self, world):
        world.index(fix(depends=["python >=3"]))
        archive = world.root / "noarch" / NAME
        archive.rename(archive.with_name("elsewhere"))
        refused(world.attest, Code.PATCH_AS_BUILT)
        shutil.copy(world.root / "noarch" / "words-1.0-0.conda", archive)
        refused(world.attest, Code.BIND_DIGEST)

    def test_a_record_as_built_that_changed_without_its_archive(self, history, refuses):
        """What was patched would look as if it had always been so."""
        for base in ("repodata_from_packages.json", "repodata.json"):
            history.edit(base, lambda document: document["packages.conda"][NAME].update(timestamp=1))
        refuses(Code.PATCH_AS_BUILT)

    @pytest.mark.parametrize("key", ["sha256", "size", "indexed_timestamp", "attestations_sha256"])
    def test_an_instruction_that_touches_what_the_server_sets(self, history, refuses, key):
        history.index(fix(**{key: 7}))
        refuses(Code.PATCH_SERVER_KEY)

    def test_a_signer_whom_no_reader_would_believe(self, history, refuses):
        """Else a stranger's bundle would lie where the author's has to go, and there would be no next generation."""
        history.index(fix(depends=[]))
        refuses(Code.IDENTITY_MISMATCH, team="evil/patches")
        assert history.attest().generation.said.generation == 4

    def test_a_predecessor_with_fewer_signers_than_the_threshold(self, history, refuses):
        """A generation after it would be refused by whoever needs the one before; `patch cosign` mends it."""
        history.index(fix(depends=[]))
        refuses(Code.MISSING_THRESHOLD, chain=history.chain(threshold=2))

    def test_a_statement_that_no_reader_would_read(self, history, refuses):
        history.index(fix(depends=[]))
        refuses(Code.PATCH_STATEMENT, engine_version="x" * 3000)

    def test_a_signing_service_that_fails(self, history):
        def fails(payload):
            raise ServiceFailed("https://fulcio.example", "503")

        history.index(fix(depends=[]))
        before = files(history.root)
        with pytest.raises(ServiceFailed):
            patch_attest.attest(history.order(), fails, now=history.now)
        assert files(history.root) == before

    def test_a_signature_on_something_else(self, history):
        """A signing service that hands out the bundle of an older generation."""
        old = (history.root / "noarch" / "patches" / "3.sigs").read_bytes()[1:-1]
        history.index(fix(depends=[]))
        before = files(history.root)
        refused(lambda: patch_attest.attest(history.order(), lambda _: old, now=history.now), Code.ROLLBACK)
        assert files(history.root) == before

    def test_a_predecessor_that_is_no_generation(self, history, refuses):
        sigs = history.root / "noarch" / "patches" / "3.sigs"
        sigs.write_bytes(sigs.with_name("2.sigs").read_bytes())
        refuses(Code.ROLLBACK)


class TestRacing:
    def test_who_loses_a_race_builds_on_what_won(self, world, monkeypatch):
        world.index(fix(depends=["python >=3"]))
        create, raced = Directory.create, []

        def racing(self, path, data):
            if path.endswith("/1.sigs") and not raced:
                raced.append(path)
                world.attest(TEAMS[1])
            return create(self, path, data)

        monkeypatch.setattr(Directory, "create", racing)
        made = world.attest(TEAMS[0])
        assert raced
        assert (made.new, made.generation.said.generation) == (False, 1)
        assert world.blame().generations[0].evidence[0].signer.san.startswith(f"https://github.com/{TEAMS[1]}")

    def test_who_was_killed_before_the_head_left_a_generation(self, history):
        history.point(2)
        made = history.attest()
        assert (made.new, made.generation.said.generation) == (False, 3)
        assert history.chain().newest().said.generation == 3

    def test_without_a_head_every_generation_is_found(self, history):
        (history.root / "noarch" / "patches" / "head.json").unlink()
        assert history.attest().generation.said.generation == 3
        assert history.verify() == []

    def test_a_generation_after_the_newest_that_does_not_follow_it_is_refused(self, history):
        """A fork: two histories of one channel, and a bundle of the one put behind the other."""
        other = World(Path(shutil.copytree(history.root, history.root.with_name("fork"))), now=history.now)
        for world, key in ((history, "one"), (other, "two")):
            world.index(fix(**LAST, features=key))
            world.attest()
        other.index(fix(**LAST))
        other.attest()
        for path in other.patches("5.sigs"):
            shutil.copy(path, history.root / "noarch" / "patches")
        refused(history.attest, Code.ROLLBACK)


class TestKilled:
    def bundles(self, world, *teams):
        """The bundles of the next generation, by its payload's digest: signing in each process would take too long."""
        made = {}

        def sign(payload):
            for team in teams:
                made[team] = world.sign(payload, team)
            return made[teams[0]]

        copy = World(Path(shutil.copytree(world.root, world.root.with_name("whole"))), now=world.now)
        payloads = []
        patch_attest.attest(copy.order(), lambda payload: (payloads.append(payload), sign(payload))[1], now=world.now)
        digest = hashlib.sha256(payloads[0]).hexdigest()
        return copy, {team: {digest: bundle} for team, bundle in made.items()}

    def test_at_every_step_readers_go_on_and_a_second_run_completes_it(self, history, tmp_path):
        history.index(fix(**LAST, features="x"))
        whole, bundles = self.bundles(history, TEAMS[0])
        expected = files(whole.root)
        signing = (trust().json, bundles[TEAMS[0]])
        never = str(shutil.copytree(history.root, tmp_path / "never"))
        for step in publishers.points(never, attest_all, never, *signing):
            copy = World(Path(shutil.copytree(history.root, tmp_path / "killed" / str(step))), now=history.now)
            arguments = (str(copy.root), *signing)
            assert publishers.run_killed(step, str(copy.root), attest_all, *arguments)
            steps = list(patch_log.log(copy.chain()))
            assert steps[0].number in (3, 4), step
            assert [each.findings for each in steps] == [()] * len(steps), step
            assert copy.blame().generations[-1].said.generation in (3, 4)
            attest_all(*arguments)
            assert files(copy.root) == expected, step
            shutil.rmtree(copy.root)
        assert files(World(Path(never)).root) == expected

    def test_two_at_once_make_one_generation(self, history):
        history.index(fix(**LAST, features="x"))
        _, bundles = self.bundles(history, *TEAMS)
        calls = [(attest_all, str(history.root), trust().json, bundles[team]) for team in TEAMS]
        assert publishers.run_together(calls) == [0] * len(TEAMS)
        assert [step.findings for step in patch_log.log(history.chain())] == [()] * 4
        assert history.verify() == []


def test_the_statement_is_small(history):
    payload = history.chain().generation(3).evidence[0].payload
    assert len(payload) < 4096
    assert statement.parse(statement.PAYLOAD_TYPE, payload).predicate["counts"]["records"] == 3


def test_shards_of_names_that_did_not_change_are_not_written_again(history):
    history.index(fix(**LAST) | {"remove": ["words-1.0-0.conda"]})
    written = history.attest().written
    [shard] = [name for name in written if name.endswith(".shard.json.zst")]
    read = patch_files.parse_shard((history.root / "noarch" / "patches" / shard).read_bytes(), where="x")
    assert read.name == "words"
