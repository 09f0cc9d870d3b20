"""A further signer: signs what their own replay gives, or nothing; and no signer ever takes another one away."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from condattest.errors import Misuse, ServiceFailed
from condattest.formats import compression, sidecar
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.finding import Code
from condattest.operations import patch_cosign, patch_judgement
from condattest.patches import engines
from condattest.policy.rules import GitHubSigner, PatchRule
from condattest.transport.directory import Directory
from condattest.transport.file_memory import FileMemory
from condattest.transport.origin import StoreOrigin
from condattest.transport.store import open_store
from tests import channels, publishers
from tests.operations.test_publish import files
from tests.patch_authors import cosign_all
from tests.patched_channel import CHANGES, CHANNEL, DAY, FILE, NAME, TEAMS, World, fix, refused, trust
from tests.rehearsal import a_package

LAST = CHANGES[-1]
ONE, TWO, THREE = TEAMS
REPLACED = frozenset({FILE, PackageFile.parse("words-1.0-0.conda")})


def ordered(world, **how) -> patch_cosign.Order:
    store = Directory(world.root)
    settings = {
        "store": store,
        "chain": world.chain(threshold=2),
        "packages": StoreOrigin(store),
        "inputs": world.inputs(),
    }
    return patch_cosign.Order(**(settings | how))


def cosign(world, team=TWO, **how):
    return patch_cosign.cosign(ordered(world, **how), lambda payload: world.sign(payload, team))


def sigs(world, number=4) -> Path:
    return world.root / "noarch" / "patches" / f"{number}.sigs"


def elements(world, number=4):
    return sidecar.parse(sigs(world, number).read_bytes(), where="sigs").elements


@pytest.fixture
def signed(history):
    """A fourth generation that one team signed."""
    history.index(fix(**LAST, features="x"))
    history.attest(ONE)
    return history


class TestCosigning:
    def test_it_appends_a_bundle_over_the_same_bytes(self, signed):
        before, others = elements(signed), files(signed.root)
        done = cosign(signed)
        assert (done.new, done.wanted, len(done.generation.evidence)) == (True, 2, 2)
        after = elements(signed)
        assert (after[:1], len(after)) == (before, 2)
        assert len({bundle.payload for bundle in sidecar.parse(sigs(signed).read_bytes(), where="x").bundles}) == 1
        assert {name for name, data in files(signed.root).items() if others.get(name) != data} == {
            "noarch/patches/4.sigs"
        }
        assert signed.verify() == []

    def test_a_rule_of_two_rejects_before_and_accepts_after(self, world, tmp_path):
        world.index(fix(**LAST))
        made = world.attest(ONE, chain=world.chain(threshold=2))
        assert (len(made.generation.evidence), made.wanted) == (1, 2)
        assert [finding.code for finding in judged(world, tmp_path / "unnamed").findings] == [Code.PATCH_NONE]
        world.point(1)  # A host that cannot wait.
        assert [finding.code for finding in judged(world, tmp_path / "before").findings] == [Code.MISSING_THRESHOLD]
        assert cosign(world).new
        assert judged(world, tmp_path / "after").findings == ()
        world.index(fix(**LAST, features="x"))
        assert world.attest(ONE, chain=world.chain(threshold=2)).generation.said.generation == 2

    def test_the_same_signer_twice_changes_nothing(self, signed):
        cosign(signed)
        before = files(signed.root)
        for team in (ONE, TWO):
            done = cosign(signed, team)
            assert (done.new, len(done.generation.evidence)) == (False, 2)
        assert files(signed.root) == before

    def test_a_third_one_is_appended_behind_the_others(self, signed):
        cosign(signed)
        before = elements(signed)
        assert cosign(signed, THREE).new
        assert elements(signed)[:2] == before

    def test_what_stands_between_the_elements_stays_out_of_them(self, signed):
        """Whoever wrote the array may have written it on many lines; each element keeps its own bytes."""
        [only] = elements(signed)
        sigs(signed).write_bytes(b"[\n  " + only + b"\n]\n")
        cosign(signed)
        assert elements(signed)[0] == only

    def test_who_was_killed_before_the_head_is_cosigned_too(self, signed):
        signed.point(3)
        assert cosign(signed).generation.said.generation == 4
        assert signed.chain(threshold=2).newest().said.generation == 4

    def test_the_head_names_it_once_it_has_all_its_signers(self, world):
        world.index(fix(**LAST))
        made = world.attest(ONE, chain=world.chain(threshold=3))
        assert made.written[-1] == "1.sigs"
        assert cosign(world, TWO, chain=world.chain(threshold=3)).wanted == 3
        assert world.chain().newest() is None
        assert cosign(world, THREE, chain=world.chain(threshold=3)).new
        assert world.chain(threshold=3).newest().said.generation == 1

    @pytest.mark.parametrize("by", ["cosigner", "author"])
    def test_who_was_killed_between_bundle_and_head_left_it_to_the_next(self, signed, by):
        cosign(signed)
        signed.point(3)
        for number in (1, 2, 3):
            append(signed, number)
        if by == "cosigner":
            assert not cosign(signed).new
        else:
            assert not signed.attest(chain=signed.chain(threshold=2)).new
        assert signed.chain().newest().said.generation == 4

    def test_the_state_is_written_and_asked(self, signed, tmp_path):
        state = tmp_path / "state.json"
        done = cosign(signed, state=state)
        [known] = json.loads(state.read_bytes()).values()
        assert known == {"generation": 4, "payload": done.generation.payload}
        state.write_text(json.dumps({f"{CHANNEL}/noarch author": {"generation": 4, "payload": "0" * 64}}))
        refused(lambda: cosign(signed, THREE, state=state), Code.ROLLBACK)

    def test_the_first_generation_and_a_heartbeat(self, world):
        world.attest(ONE)
        assert cosign(world).generation.said.generation == 1
        world.now += DAY
        world.attest(ONE, refresh_after=DAY)
        assert cosign(world).generation.said.generation == 2

    def test_shards_that_another_zstd_packed_are_compared_by_what_they_say(self, signed):
        repacked(signed)
        assert cosign(signed).new
        assert signed.verify() == []

    def test_in_a_bucket(self, signed, bucket):
        store = open_store(bucket)
        for name, data in files(signed.root).items():
            store.create(name, data)
        origin = StoreOrigin(store)
        how = {"store": store, "packages": origin, "chain": replace(signed.chain(threshold=2), origin=origin)}
        assert cosign(signed, **how).new
        assert not cosign(signed, **how).new


class TestAfterRevokedOnes:
    @pytest.fixture
    def later(self, history):
        """The second and third generations are revoked, and the first team went on."""
        history.void = frozenset(history.payload(number) for number in (2, 3))
        history.attest(ONE)
        return history

    def test_who_knows_of_them_comes_to_the_same(self, later):
        done = cosign(later)
        assert (done.new, done.generation.said.generation) == (True, 4)
        assert later.verify() == []

    def test_who_does_not_know_of_them_signs_nothing(self, later):
        knows, before = later.void, files(later.root)
        for void in (frozenset(), frozenset(sorted(knows)[:1])):
            later.void = void
            refused(lambda: cosign(later), Code.PATCH_COSIGN)
        assert files(later.root) == before

    def test_one_that_is_revoked_itself_is_signed_by_nobody(self, signed):
        signed.void = frozenset({signed.payload(4)})
        before = files(signed.root)
        assert refused(lambda: cosign(signed), Code.IDENTITY_REVOKED).facts["payload"] == signed.payload(4)
        assert files(signed.root) == before

    def test_nor_is_the_only_one(self, world):
        world.attest(ONE)
        world.void = frozenset({world.payload(1)})
        refused(lambda: cosign(world), Code.IDENTITY_REVOKED)


class TestReplacedArchives:
    @pytest.fixture
    def replaced(self, history, tmp_path):
        """An archive took a listed name, and another one a name that no generation listed; the author said so."""
        for name in ("numbers", "words"):
            other = a_package(tmp_path / "new", name, payload=b"other", depends=["python"])
            channels.put(history.root, "noarch", other)
        history.index()
        history.attest(ONE, replaced=REPLACED)
        return history

    def test_a_signer_who_knows_of_them_says_so_and_signs(self, replaced):
        assert cosign(replaced, replaced=REPLACED).new
        assert replaced.verify() == []

    def test_a_signer_who_does_not_refuses_them(self, replaced):
        """The first signer was fooled, or is the one who fools: a second one is there to notice."""
        before = files(replaced.root)
        refused(lambda: cosign(replaced), Code.PATCH_REPLACED)
        refused(lambda: cosign(replaced, replaced=frozenset({FILE})), Code.PATCH_COSIGN)
        with pytest.raises(Misuse, match="--replaced nowhere"):
            cosign(replaced, replaced=REPLACED | {PackageFile.parse("nowhere-1.0-0.conda")})
        assert files(replaced.root) == before

    def test_a_file_that_was_not_replaced_is_none(self, signed):
        before = files(signed.root)
        with pytest.raises(Misuse, match="the same one"):
            cosign(signed, replaced=frozenset({FILE}))
        assert files(signed.root) == before


class TestRefusing:
    @pytest.fixture
    def refuses(self, signed):
        def call(code, team=TWO, **how):
            before = files(signed.root)
            asked = []

            def sign(payload):
                asked.append(payload)
                return signed.sign(payload, team)

            finding = refused(lambda: patch_cosign.cosign(ordered(signed, **how), sign), code)
            assert files(signed.root) == before
            return finding, asked

        return call

    def test_another_outcome_of_the_replay(self, signed, refuses):
        """An author whose indexer, or whose hand, made something else of the instructions that everybody can read."""
        forge(signed, Forging("conda-index", lambda served: served["packages.conda"][NAME].update(depends=["evil"])))
        finding, asked = refuses(Code.PATCH_COSIGN)
        assert "map: numbers" in finding.where
        assert asked == []

    def test_other_instructions(self, signed, refuses):
        signed.index(fix(**LAST, features="y"))
        finding, asked = refuses(Code.PATCH_COSIGN)
        assert finding.where.endswith("instructions")
        assert asked == []

    def test_a_served_index_that_the_replay_does_not_give(self, signed, refuses):
        signed.edit("repodata.json", lambda served: served["packages.conda"][NAME].update(depends=["evil"]))
        assert refuses(Code.PATCH_REPLAY)[1] == []

    def test_records_as_built_that_changed(self, signed, refuses):
        for base in ("repodata_from_packages.json", "repodata.json"):
            signed.edit(base, lambda document: document["packages.conda"][NAME].update(license_family="EVIL"))
        assert refuses(Code.PATCH_AS_BUILT)[1] == []

    def test_what_the_archives_do_not_prove_though_the_statement_says_so(self, world):
        world.index(fix(depends=[]))
        for base in ("repodata_from_packages.json", "repodata.json"):
            world.edit(base, lambda document: document["packages.conda"][NAME].update(license="Proprietary"))
        world.attest(ONE, engine=Claiming())
        refused(lambda: cosign(world), Code.PATCH_AS_BUILT)

    def test_what_the_statement_believes_needs_no_proof_where_the_signer_believes_it_too(self, world):
        world.index(fix(depends=[]))
        world.attest(ONE, trust_as_built=True)
        for archive in (world.root / "noarch").glob("*.conda"):
            archive.unlink()
        refused(lambda: cosign(world), Code.PATCH_AS_BUILT)
        assert len(elements(world, 1)) == 1
        done = cosign(world, trust_as_built=True)
        assert (done.new, done.proved) == (True, False)

    def test_what_was_believed_is_proved_by_the_next_signer_or_refused(self, world):
        """The first signer believed an index that somebody wrote who has no archive for it."""
        world.index(fix(depends=[]))
        for base in ("repodata_from_packages.json", "repodata.json"):
            world.edit(base, lambda document: document["packages.conda"][NAME].update(license="Proprietary"))
        world.attest(ONE, trust_as_built=True)
        refused(lambda: cosign(world), Code.PATCH_AS_BUILT)
        assert len(elements(world, 1)) == 1

    def test_what_was_believed_and_is_so_is_signed_and_told_as_proved(self, world):
        world.index(fix(depends=[]))
        world.attest(ONE, trust_as_built=True)
        done = cosign(world)
        assert (done.new, done.proved, done.generation.said.as_built) == (True, True, "index")

    def test_where_the_statement_says_archive_nothing_is_believed(self, world):
        world.index(fix(depends=[]))
        world.attest(ONE)
        for archive in (world.root / "noarch").glob("*.conda"):
            archive.unlink()
        refused(lambda: cosign(world, trust_as_built=True), Code.PATCH_AS_BUILT)

    def test_no_generation_at_all(self, world):
        refused(lambda: cosign(world), Code.PATCH_NONE)

    def test_a_signer_whom_the_rule_does_not_name(self, refuses):
        refuses(Code.IDENTITY_MISMATCH, team="evil/patches")

    def test_a_first_signer_whom_the_rule_does_not_name(self, signed, refuses):
        """A stranger's generation, which only waits for somebody to sign it, too."""
        chain = replace(signed.chain(), authority=signed.authority(TWO, THREE, threshold=2))
        assert refuses(Code.IDENTITY_MISMATCH, chain=chain)[1] == []

    def test_a_bundle_over_something_else(self, signed):
        old = elements(signed, 3)[0]
        before = files(signed.root)
        refused(lambda: patch_cosign.cosign(ordered(signed), lambda _: old), Code.ROLLBACK)
        other = signed.sign(payload_of(signed).replace(b'"0.13.0"', b'"0.13.1"'), TWO)
        refused(lambda: patch_cosign.cosign(ordered(signed), lambda _: other), Code.PATCH_GENERATION)
        assert files(signed.root) == before

    def test_an_engine_that_nobody_knows(self, signed, refuses):
        forge(signed, Forging("quetz"))
        assert refuses(Code.PATCH_MISSING)[1] == []

    def test_a_generation_that_does_not_follow_the_one_before(self, signed, refuses):
        """Two histories of one channel: the predecessor that lies there is not the one that the author built on."""
        other = World(Path(shutil.copytree(signed.root, signed.root.with_name("fork"))), now=signed.now)
        for number in (3, 4):
            sigs(other, number).unlink()
        other.point(2)
        other.index(fix(**LAST, features="fork"))
        other.attest()
        shutil.copy(sigs(other, 3), sigs(signed, 3))
        refuses(Code.ROLLBACK)

    def test_a_signing_service_that_fails(self, signed):
        def fails(payload):
            raise ServiceFailed("https://fulcio.example", "503")

        before = files(signed.root)
        with pytest.raises(ServiceFailed):
            patch_cosign.cosign(ordered(signed), fails)
        assert files(signed.root) == before

    def test_differences_are_signed_only_as_the_statement_lists_them(self, history):
        history.index(fix(**LAST, features="x"))
        history.edit("repodata.json", lambda served: served["packages.conda"][NAME].update(depends=["evil"]))
        history.attest(ONE, allow_unattributed=True)
        refused(lambda: cosign(history), Code.PATCH_REPLAY)
        assert cosign(history, allow_unattributed=True).new
        history.edit("repodata.json", lambda served: served["packages.conda"][NAME].update(extra=1))
        refused(lambda: cosign(history, THREE, allow_unattributed=True), Code.PATCH_COSIGN)
        history.index()
        finding = refused(lambda: cosign(history, THREE), Code.PATCH_COSIGN)
        assert (finding.facts["expected"], finding.facts["found"]) == ("none", f"1: packages.conda/{NAME} (depends)")


class TestRacing:
    def bundle(self, world, team):
        return world.sign(world.chain().newest().evidence[0].payload, team)

    def test_who_is_overtaken_appends_behind(self, signed, monkeypatch):
        overtake, done = Directory.replace, []

        def racing(self, path, data, version):
            if path.endswith(".sigs") and not done:
                done.append(path)
                cosign(signed, THREE)
            return overtake(self, path, data, version)

        monkeypatch.setattr(Directory, "replace", racing)
        first = elements(signed)
        assert cosign(signed, TWO).new
        assert done
        assert elements(signed)[:1] == first
        assert len(signed.chain(threshold=3).newest().evidence) == 3

    def test_two_at_once_are_both_kept(self, signed):
        first = elements(signed)
        bundles = [self.bundle(signed, team) for team in (TWO, THREE)]
        calls = [(cosign_all, str(signed.root), trust().json, bundle) for bundle in bundles]
        assert publishers.run_together(calls) == [0, 0]
        assert elements(signed)[:1] == first
        assert {element.strip() for element in elements(signed)[1:]} == {bundle.strip() for bundle in bundles}
        assert signed.verify() == []

    def test_two_at_once_in_a_bucket(self, signed, bucket):
        store = open_store(bucket)
        for name, data in files(signed.root).items():
            store.create(name, data)
        bundles = [self.bundle(signed, team) for team in (TWO, THREE)]
        calls = [(cosign_all, bucket, trust().json, bundle) for bundle in bundles]
        assert publishers.run_together(calls) == [0, 0]
        data = store.read("noarch/patches/4.sigs", sidecar.MAX_SIDECAR).data
        assert len(sidecar.parse(data, where="sigs").elements) == 3

    def test_killed_at_every_step_it_is_as_before_or_done(self, world, tmp_path):
        world.attest(ONE)
        arguments = (trust().json, self.bundle(world, TWO))
        before, step, seen = elements(world, 1), 0, set()
        while True:
            step += 1
            copy = World(Path(shutil.copytree(world.root, tmp_path / "killed" / str(step))), now=world.now)
            if not publishers.run_killed(step, str(copy.root), cosign_all, str(copy.root), *arguments):
                break
            assert elements(copy, 1)[:1] == before
            seen.add(len(elements(copy, 1)))
            cosign_all(str(copy.root), *arguments)
            assert len(elements(copy, 1)) == 2
            shutil.rmtree(copy.root)
        assert step > 4, "the steps were not counted"
        assert seen == {1, 2}


def append(world, number):
    """A second signer of an older generation."""
    bundle = world.sign(world.chain().generation(number).evidence[0].payload, THREE if number < 3 else ONE).strip()
    sigs(world, number).write_bytes(sidecar.dump([*elements(world, number), bundle]))


class Forging:
    """conda-index under some name, with another outcome."""

    def __init__(self, name, change=lambda served: None):
        self.name, self._change = name, change
        self._real = engines.engine("conda-index")

    def apply(self, as_built, instructions):
        patched = self._real.apply(as_built, instructions)
        document = json.loads(msgspec.json.encode(patched.document))
        self._change(document)
        return replace(patched, document=document)

    def as_built(self, index):
        return self._real.as_built(index)


class Claiming(Forging):
    """Says that archives have another license than they have."""

    def __init__(self):
        super().__init__("conda-index")

    def as_built(self, index):
        return super().as_built(index) | {"license": "Proprietary"}


def forge(world, engine):
    """Let the author sign another fourth generation, while the channel serves just that; and serve the truth again."""
    sigs(world).unlink()
    world.point(3)
    world.edit("repodata.json", engine._change)
    world.attest(ONE, engine=engine)
    world.index()


def payload_of(world):
    return world.chain().newest().evidence[0].payload


def repacked(world):
    """Let the author sign the fourth generation as another zstd library packs it."""
    folder, chain = world.root / "noarch" / "patches", world.chain()
    said = chain.newest().said
    payload = payload_of(world)
    shards = {}
    for name, digest in chain.delta(chain.newest()).items():
        shards[name] = _packed(folder, digest, "shard")
    for digest, kind in ((said.map, "map"), (said.delta, "delta")):
        new = _packed(folder, digest, kind, shards)
        payload = payload.replace(digest.encode(), new.encode())
    sigs(world).write_bytes(sidecar.dump([world.sign(payload, ONE).strip()]))


def _packed(folder, digest, kind, shards=None):
    data = (folder / f"{digest}.{kind}.json.zst").read_bytes()
    text = compression.unzstd(data, limit=2**20, code=Code.PATCH_FILE, where=kind)
    if shards is not None:
        document = json.loads(text)
        text = json.dumps({**document, "shards": document["shards"] | shards}, separators=(",", ":")).encode()
    other = compression.zstd_index(text)
    assert kind != "shard" or other != data
    new = hashlib.sha256(other).hexdigest()
    (folder / f"{new}.{kind}.json.zst").write_bytes(other)
    return new


def judged(world, folder):
    """How a client judges a record by a rule that demands two signers."""
    signers = tuple(GitHubSigner(name=team, repository=team) for team in TEAMS)
    rule = PatchRule(name="rule", channel=CHANNEL, signers=signers, max_age=7 * DAY, threshold=2, keys=frozenset(LAST))
    record = world.record("served")
    artifact = Artifact(PackageFile.parse(NAME), Sha256(record["sha256"]), "noarch")
    asked = patch_judgement.Asked(artifact=artifact, record=record, index=None)
    chain = world.chain(threshold=2)
    return patch_judgement.judge(asked, chain, rule, frozenset(), FileMemory(folder), now=world.now)
