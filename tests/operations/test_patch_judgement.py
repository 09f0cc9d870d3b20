"""Patches at install time: a record is what was attested, or was until just now, or is refused with its own code."""

import json
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest

from condattest.errors import Unavailable
from condattest.model.artifact import Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code
from condattest.model.verdict import Accepted, Rejected, Undecided
from condattest.operations import targets
from condattest.operations.question import Question
from condattest.operations.verify import verify
from condattest.policy.rules import Checkpoint, GitHubSigner, PatchRule, Policy, Revoked, Rule
from condattest.sandbox import github
from condattest.transport.fetch import Fetcher
from condattest.transport.file_memory import FileMemory
from tests import channels
from tests.patched_channel import CHANNEL, FILE, NAME, TEAMS, World, copied, fix
from tests.rehearsal import a_package, artifact_of, payload_for

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KEYS = frozenset({"depends", "license", "constrains"})
REMOVED = {"packages.conda": {NAME: {"depends": ["python >=3.9"]}}, "remove": ["letters-1.0-0.conda"]}


class Installer:
    """Verifies URLs of a patched channel, which is served as a mirror of itself."""

    def __init__(self, world: World, url: str, folder) -> None:
        self.world, self.url = world, url
        self.memory = FileMemory(folder)
        signers = tuple(GitHubSigner(name=team, repository=team) for team in TEAMS)
        self.patch = PatchRule(name="[[patch]]", channel=CHANNEL, signers=signers, max_age=7 * DAY, keys=KEYS)
        packagers = (GitHubSigner(name="packager", repository="me/numbers"),)
        self.rule = Rule(name="rule", channel=CHANNEL, signers=packagers)
        self.revoked = Revoked()

    def policy(self, *patches) -> Policy:
        from condattest.policy.rules import ChannelEntry

        entry = ChannelEntry(url=CHANNEL, mirrors=(Channel(self.url),))
        return Policy(source="p", rules=(self.rule,), patches=patches, channels=(entry,), revoked=self.revoked)

    def verdict(
        self, name=NAME, *, target=None, reader=lambda fetcher: fetcher, memory=None, patches="policy", rules=None,
        bundle=None, **patch,
    ):  # fmt: skip
        rule = replace(self.patch, **patch)
        question = Question(
            policy=self.policy(*([rule] if rules is None else rules)),
            patches=patches,
            bundles=() if bundle is None else (bundle,),
        )
        parsed = [targets.parse(str(target or f"{self.url}/noarch/{name}"))]
        with Fetcher(attempts=1) as fetcher:
            [answer] = verify(
                parsed, question, trust=self.world.trust, fetcher=reader(fetcher), now=self.world.now, memory=memory
            )
        return answer.verdict

    def code(self, *arguments, **how):
        verdict = self.verdict(*arguments, **how)
        assert isinstance(verdict, Rejected | Undecided), verdict
        return verdict.findings[0].code

    def notes(self, *arguments, **how):
        verdict = self.verdict(*arguments, **how)
        assert isinstance(verdict, Accepted), verdict
        return [note.code for note in verdict.notes]


@pytest.fixture(scope="module")
def _made(tmp_path_factory):
    """The channel of `world`, and that of `installer`."""
    folder = tmp_path_factory.mktemp("judged")
    plain = _plain(folder / "plain", folder / "built")
    patched = copied(plain.root, folder / "patched")
    publish(patched, fix(depends=["python >=3"]))
    return plain.root, patched.root


@pytest.fixture
def world(_made, tmp_path):
    """A channel of three attested packages."""
    return copied(_made[0], tmp_path / "channel")


def _plain(root, built):
    world = World(root)
    for name in ("numbers", "letters", "words"):
        package = a_package(built, name, depends=["python"])
        [put] = channels.put(world.root, "noarch", package)
        bundle = world.box.sign_statement(payload_for(artifact_of(package), CHANNEL), github("me/numbers"))
        for suffix in (".sigs", f".sigs.{Sha256(_sha(b'[' + bundle + b']'))}"):
            put.with_name(put.name + suffix).write_bytes(b"[" + bundle + b"]")
    return world


def _sha(data):
    import hashlib

    return hashlib.sha256(data).hexdigest()


def publish(world, instructions, team=TEAMS[0]):
    """Patch, attest, and name the sidecars in the index, as an operator does."""
    from condattest.operations import index
    from condattest.transport.directory import Directory

    world.index(instructions)
    made = world.attest(team)
    assert [report.findings for report in index.index(Directory(world.root), subdir="noarch")] == [()]
    return made


@pytest.fixture
def installer(_made, world, tmp_path):
    shutil.rmtree(world.root)
    shutil.copytree(_made[1], world.root)
    with channels.served(world.root) as url:
        yield Installer(world, url, tmp_path / "memory")


def edited(world, change):
    path = world.root / "noarch" / "repodata.json"
    path.with_name("repodata.json.zst").unlink(missing_ok=True)
    document = json.loads(path.read_bytes())
    change(document["packages.conda"])
    path.write_text(json.dumps(document))


class TestAccepted:
    def test_a_patched_record_that_was_attested(self, installer):
        assert installer.notes() == []

    def test_a_record_that_was_never_patched(self, installer):
        assert installer.notes("words-1.0-0.conda") == []

    def test_with_a_bundle_of_the_caller_s_the_record_is_judged_all_the_same(self, installer, tmp_path):
        bundle = tmp_path / "sidecar"
        bundle.write_bytes((installer.world.root / "noarch" / f"{NAME}.sigs").read_bytes())
        assert installer.notes(bundle=bundle) == []
        edited(installer.world, lambda records: records[NAME].update(depends=["evil"]))
        assert installer.code(bundle=bundle) is Code.PATCH_UNATTRIBUTED

    def test_an_index_that_lags_a_little(self, installer):
        old = (installer.world.root / "noarch" / "repodata.json").read_bytes()
        installer.world.now += DAY
        publish(installer.world, fix(depends=["python >=3.9"]), TEAMS[1])
        (installer.world.root / "noarch" / "repodata.json.zst").unlink()
        (installer.world.root / "noarch" / "repodata.json").write_bytes(old)
        installer.world.now += 5 * HOUR
        assert installer.notes() == [Code.PATCH_LAG]
        installer.world.now += 2 * HOUR
        assert installer.code() is Code.ROLLBACK

    def test_a_young_patch_is_not_in_force_yet_and_the_record_before_it_is(self, installer):
        old = (installer.world.root / "noarch" / "repodata.json").read_bytes()
        installer.world.now += DAY
        publish(installer.world, fix(depends=["python >=3.9"]), TEAMS[1])
        installer.world.now += HOUR
        assert installer.code(min_age=DAY) is Code.POLICY_TOO_YOUNG
        (installer.world.root / "noarch" / "repodata.json.zst").unlink()
        (installer.world.root / "noarch" / "repodata.json").write_bytes(old)
        assert installer.notes(min_age=DAY) == []

    def test_who_changed_it_long_ago_need_not_be_trusted_any_more(self, installer):
        """Only the last change is resolved: a signer may leave a policy, and blame tells what was before."""
        publish(installer.world, fix(depends=["python >=3.9"]), TEAMS[1])
        assert installer.notes(signers=(GitHubSigner(name="x", repository=TEAMS[1]),)) == []


class TestRejected:
    def test_a_patch_that_was_stripped(self, installer):
        edited(installer.world, lambda records: records[NAME].update(depends=["python"]))
        assert installer.code() is Code.PATCH_STRIPPED

    def test_a_patch_that_was_stripped_by_a_clock_that_is_behind(self, installer):
        """THREATS 22: a machine whose clock is wrong takes no state for one of the future, where nothing waits."""
        edited(installer.world, lambda records: records[NAME].update(depends=["python"]))
        installer.world.now -= 30 * DAY
        assert installer.code() is Code.PATCH_STRIPPED

    @pytest.mark.parametrize("name", [NAME, "words-1.0-0.conda"])
    def test_a_change_that_nobody_signed(self, installer, name):
        edited(installer.world, lambda records: records[name].update(depends=["evil"]))
        assert installer.code(name) is Code.PATCH_UNATTRIBUTED

    def test_a_record_that_names_another_package(self, installer):
        edited(installer.world, lambda records: records[NAME].update(version="9.0"))
        assert installer.code() is Code.BIND_METADATA

    def test_a_key_that_must_not_be_patched(self, installer):
        assert installer.code(keys=frozenset({"license"})) is Code.PATCH_KEY

    def test_a_removed_package(self, installer):
        publish(installer.world, REMOVED)
        edited(installer.world, lambda records: records.update({"letters-1.0-0.conda": _as_built(installer.world)}))
        assert installer.code("letters-1.0-0.conda") is Code.PATCH_REMOVED

    def test_a_stale_generation(self, installer):
        installer.world.now += 7 * DAY - HOUR
        assert installer.notes() == []
        installer.world.now += 2 * HOUR
        assert installer.code() is Code.FRESH_STALE

    def test_a_generation_of_a_stranger(self, installer):
        assert installer.code(signers=(GitHubSigner(name="x", repository="x/y"),)) is Code.IDENTITY_MISMATCH

    def test_a_revoked_generation(self, installer):
        payload = installer.world.chain().newest().payload
        installer.revoked = Revoked(patch=frozenset({payload}))
        assert installer.code() is Code.IDENTITY_REVOKED

    def test_after_a_revoked_generation_the_author_goes_on(self, installer):
        """A stolen key made a patch: what it says stays rejected, and what the author says next is accepted."""
        publish(installer.world, fix(depends=["evil"]), TEAMS[2])
        assert installer.notes(memory=installer.memory) == []  # Who does not know yet that it was stolen.
        installer.revoked = Revoked(patch=frozenset({installer.world.payload(2)}))
        installer.world.void, installer.world.trusted = installer.revoked.patch, TEAMS[:2]
        kept = (installer.world.root / "noarch" / "repodata.json").read_bytes()
        assert installer.code() is Code.IDENTITY_REVOKED
        publish(installer.world, fix(depends=["python >=3"]), TEAMS[1])
        assert installer.notes(memory=installer.memory) == []
        # The index as the thief had it is not what it was within index-lag: nobody vouches for it.
        edited(installer.world, lambda records: records.update(json.loads(kept)["packages.conda"]))
        assert installer.code() is Code.PATCH_UNATTRIBUTED

    def test_what_a_revoked_generation_changed_last_though_the_author_went_on_after_it(self, installer):
        publish(installer.world, fix(depends=["evil"]), TEAMS[2])
        publish(installer.world, fix(depends=["evil"]) | {"remove": ["letters-1.0-0.conda"]}, TEAMS[1])
        installer.revoked = Revoked(patch=frozenset({installer.world.payload(2)}))
        assert installer.code() is Code.IDENTITY_REVOKED
        assert installer.notes("words-1.0-0.conda") == []

    def test_an_older_generation_than_this_machine_has_seen(self, installer):
        kept = (installer.world.root / "noarch" / "repodata.json").read_bytes()
        publish(installer.world, fix(depends=["python >=3.9"]), TEAMS[1])
        assert installer.notes(memory=installer.memory) == []
        (installer.world.root / "noarch" / "patches" / "head.json").write_text('{"generation": 1}')
        (installer.world.root / "noarch" / "repodata.json.zst").unlink()
        (installer.world.root / "noarch" / "repodata.json").write_bytes(kept)
        assert installer.code(memory=installer.memory) is Code.ROLLBACK
        assert installer.notes() == []  # Without memory nobody could tell.

    def test_a_checkpoint_of_the_policy_outranks_what_is_served(self, installer):
        newest = installer.world.chain().newest()
        assert installer.notes(checkpoint=Checkpoint(1, newest.payload)) == []
        assert installer.code(checkpoint=Checkpoint(1, Sha256("1" * 64))) is Code.ROLLBACK
        assert installer.code(checkpoint=Checkpoint(2, Sha256("1" * 64))) is Code.ROLLBACK

    def test_a_channel_without_generations(self, installer):
        (installer.world.root / "noarch" / "patches" / "head.json").unlink()
        assert installer.code() is Code.PATCH_NONE


def _as_built(world):
    document = json.loads((world.root / "noarch" / "repodata_from_packages.json").read_bytes())
    record = document["packages.conda"]["letters-1.0-0.conda"]
    sidecar = next(world.root.glob("noarch/letters-1.0-0.conda.sigs.*")).name.rpartition(".")[2]
    return {**record, "attestations_sha256": sidecar}


class TestWithoutARecord:
    """A file or a digest: nothing says what a solver read, but what was removed or replaced is known."""

    @pytest.fixture
    def local(self, installer, tmp_path):
        """Packages with their sidecars, as somebody has downloaded them."""
        for path in (installer.world.root / "noarch").glob("*.conda*"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
        # The channel is asked where it is served: its mirror vouches for nothing.
        provenance = Channel(installer.url)
        return lambda name=NAME: {"target": tmp_path / name, "provenance": provenance}

    def test_a_file_that_is_listed_or_never_patched_is_accepted_with_a_note(self, installer, local):
        for name in (NAME, "words-1.0-0.conda"):
            assert Code.PATCH_NOT_JUDGED in installer.notes(**local(name))

    def test_a_file_that_was_removed(self, installer, local):
        publish(installer.world, REMOVED)
        assert installer.code(**local("letters-1.0-0.conda")) is Code.PATCH_REMOVED
        assert installer.notes(**local("letters-1.0-0.conda"), patches="off") is not None
        assert Code.PATCH_REPORTED in installer.notes(**local("letters-1.0-0.conda"), patches="report")

    def test_another_archive_than_the_one_that_is_listed(self, installer, local, tmp_path):
        """An archive that its publisher signed and replaced: its own signature still stands."""
        world = installer.world
        other = a_package(tmp_path / "other", "numbers", payload=b"other", depends=["python"])
        channels.put(world.root, "noarch", other)
        world.index(fix(depends=["python >=3"]))
        world.attest(replaced=frozenset({FILE}))
        assert installer.code(**local()) is Code.PATCH_RECORD

    def test_a_stale_chain_and_one_that_cannot_be_had(self, installer, local):
        patches = installer.world.root / "noarch" / "patches"
        installer.world.now += 8 * DAY
        assert installer.code(**local()) is Code.FRESH_STALE
        installer.world.now -= 8 * DAY
        (patches / "1.sigs").unlink()
        assert isinstance(installer.verdict(**local()), Undecided)
        (patches / "head.json").unlink()
        assert installer.code(**local()) is Code.PATCH_NONE

    def test_a_digest_alone(self, installer, local):
        target = artifact_of(local()["target"])
        how = local() | {"target": target, "bundle": local()["target"].with_name(f"{NAME}.sigs")}
        assert Code.PATCH_NOT_JUDGED in installer.notes(**how)


class Cached:
    """A cache on the way that keeps `head.json` as it once was, unless it is asked for what is there now."""

    def __init__(self, fetcher, head: bytes) -> None:
        self.fetcher, self.head, self.asked = fetcher, head, 0
        self.stream = fetcher.stream

    def __call__(self, url, limit):
        return self.head if url.endswith("/head.json") else self.fetcher(url, limit)

    def fresh(self, url, limit):
        assert url.endswith("/head.json")
        self.asked += 1
        return self.fetcher.fresh(url, limit)


class TestASecondLook:
    """The index is newer than the hint: whoever is rejected by an old head would be accepted by the new one."""

    @pytest.fixture
    def stale(self, installer):
        caches = []

        def reader(fetcher):
            caches.append(Cached(fetcher, b'{"generation": 1}'))
            return caches[-1]

        return reader, caches

    def test_an_index_that_is_ahead_of_a_cached_head(self, installer, stale):
        reader, caches = stale
        publish(installer.world, fix(depends=["python >=3.9"]), TEAMS[1])
        assert installer.notes(reader=reader, memory=installer.memory) == []
        # What was seen at the second look is what is remembered: the old head is no rollback to be told of, either.
        assert installer.notes(reader=reader, memory=installer.memory) == []
        assert [cache.asked for cache in caches] == [1, 1]

    def test_what_the_old_head_accepts_is_asked_once(self, installer, stale):
        reader, caches = stale
        assert installer.notes(reader=reader) == []
        assert [cache.asked for cache in caches] == [0]

    def test_what_the_new_head_does_not_explain_is_rejected(self, installer, stale):
        reader, caches = stale
        publish(installer.world, fix(depends=["python >=3.9"]), TEAMS[1])
        edited(installer.world, lambda records: records[NAME].update(depends=["evil"]))
        assert installer.code(reader=reader) is Code.PATCH_UNATTRIBUTED
        assert [cache.asked for cache in caches] == [1]

    def test_a_removal_that_was_taken_back(self, installer, stale):
        reader, _ = stale
        publish(installer.world, fix(depends=["python >=3"]) | {"remove": ["letters-1.0-0.conda"]})
        publish(installer.world, fix(depends=["python >=3"]))
        assert installer.notes("letters-1.0-0.conda", reader=lambda each: Cached(each, b'{"generation": 2}')) == []
        assert installer.notes("letters-1.0-0.conda", reader=reader) == []

    def test_a_head_that_is_stale_for_good_stays_rejected(self, installer):
        installer.world.now += 8 * DAY
        assert installer.code(reader=lambda each: Cached(each, b'{"generation": 1}')) is Code.FRESH_STALE

    def test_a_second_look_that_fails_leaves_the_first_outcome(self, installer):
        class Broken(Cached):
            def fresh(self, url, limit):
                raise Unavailable(url, "no")

        edited(installer.world, lambda records: records[NAME].update(depends=["evil"]))
        assert installer.code(reader=lambda each: Broken(each, b'{"generation": 1}')) is Code.PATCH_UNATTRIBUTED


class TestUndecided:
    @pytest.mark.parametrize("suffix", ["1.sigs", ".map.json.zst", ".shard.json.zst", ".delta.json.zst"])
    def test_a_file_that_cannot_be_had(self, installer, suffix):
        for path in (installer.world.root / "noarch" / "patches").glob(f"*{suffix}"):
            path.unlink()
        verdict = installer.verdict()
        assert isinstance(verdict, Undecided)
        assert verdict.findings[0].code is Code.PATCH_MISSING


class TestDemands:
    def test_off_judges_nothing_and_report_only_tells(self, installer):
        edited(installer.world, lambda records: records[NAME].update(depends=["evil"]))
        assert installer.notes(patches="off") == []
        assert installer.notes(patches="report") == [Code.PATCH_REPORTED]

    def test_without_a_rule_require_rejects_and_the_policy_s_way_says_so(self, installer):
        assert installer.code(rules=[], patches="require") is Code.POLICY_NO_PATCH_RULE
        assert installer.notes(rules=[]) == [Code.POLICY_PATCHES_NOT_JUDGED]
