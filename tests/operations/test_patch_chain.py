"""Reading generations: whatever somebody put there who may write to the channel but not sign, it is found."""

import json
import shutil
from dataclasses import replace

import pytest

from condattest.formats import patch_files, patch_statement, sidecar, statement
from condattest.formats.patch_descriptors import Input
from condattest.formats.patch_files import Change, Value
from condattest.model.channel import Channel
from condattest.model.finding import Code
from condattest.policy.patch_signers import Authority
from condattest.sandbox import Sandbox, github
from condattest.signatures.trust_root import TrustRoot
from tests.patched_channel import FILE, NAME, START, TEAMS, fix, refused, trust

PLACE = ("packages.conda", NAME)


def sigs(world, number):
    return world.root / "noarch" / "patches" / f"{number}.sigs"


def signed(world, said, *teams, box=None):
    """The bytes of a `.sigs` over a statement."""
    payload = statement.dump(patch_statement.statement(said))
    return sidecar.dump([(box or world.box).sign_statement(payload, github(team), at=world.now) for team in teams])


class TestGenerations:
    def test_the_newest_is_what_the_head_names(self, history):
        newest = history.chain().newest()
        assert (newest.said.generation, newest.time.at.date().isoformat()) == (3, "2026-03-03")
        assert newest.evidence[0].signer.claims.source_repository_uri == f"https://github.com/{TEAMS[2]}"

    def test_where_one_signer_is_enough_it_is_the_same_chain(self, history):
        """And what one signer vouches for is never remembered as what two do."""
        chain = history.chain(threshold=2)
        assert chain.with_one_signer().newest().said.generation == 3
        refused(chain.newest, Code.MISSING_THRESHOLD)
        assert chain.authority.wanted == 2

    def test_the_roots_that_count_are_its_authority_s(self, history):
        other = TrustRoot.from_json(Sandbox().trusted_root_json().encode(), name="other")
        chain = replace(history.chain(), roots=[other, trust()])
        assert [root.sha256 for root in chain.own_roots] == [trust().sha256]

    def test_without_a_head_there_is_none(self, world):
        assert world.chain().newest() is None

    def test_a_head_that_names_none_is_missing(self, history):
        history.point(9)
        refused(history.chain().newest, Code.PATCH_MISSING)

    def test_a_head_of_another_form(self, history):
        (history.root / "noarch" / "patches" / "head.json").write_text("3")
        refused(history.chain().newest, Code.PATCH_FILE)

    def test_a_stranger_s_generation(self, history):
        refused(history.chain("noarch", TEAMS[0]).newest, Code.IDENTITY_MISMATCH)

    def test_a_generation_under_a_root_that_nobody_trusts(self, history):
        """Another sandbox issues the very same names."""
        box = Sandbox(now=lambda: START)
        sigs(history, 3).write_bytes(signed(history, history.chain().newest().said, TEAMS[2], box=box))
        refused(history.chain().newest, Code.CRYPTO)
        other = TrustRoot.from_json(box.trusted_root_json().encode(), name="other")
        chain = replace(history.chain(), roots=[trust(), other])
        refused(chain.newest, Code.CRYPTO)
        assert replace(chain, authority=Authority(None, other.sha256)).newest() is not None

    def test_a_threshold_that_is_not_met(self, history):
        refused(history.chain("noarch", threshold=2).newest, Code.MISSING_THRESHOLD)

    def test_a_threshold_of_two_is_met_by_two_who_sign_the_same_bytes(self, history):
        said = history.chain().newest().said
        sigs(history, 3).write_bytes(signed(history, said, TEAMS[0], TEAMS[1]))
        chain = history.chain("noarch", threshold=2)
        assert len(chain.newest().evidence) == 2

    def test_two_who_sign_other_bytes_do_not_sign_together(self, history):
        said = history.chain().newest().said
        one, two = (
            sidecar.parse(signed(history, each, team), where="x").elements[0]
            for each, team in ((said, TEAMS[0]), (replace(said, engine_version="0.14"), TEAMS[1]))
        )
        sigs(history, 3).write_bytes(sidecar.dump([one, two]))
        refused(history.chain().newest, Code.PATCH_GENERATION)

    def test_a_generation_in_another_s_place(self, history):
        """An older one shown as the newest."""
        shutil.copy(sigs(history, 2), sigs(history, 3))
        refused(history.chain().newest, Code.ROLLBACK)

    def test_the_bundles_of_another_subdir(self, history):
        history.index(subdir="linux-64", instructions={"packages.conda": {NAME: {"license": "X"}}})
        history.attest(subdir="linux-64")
        shutil.copy(history.root / "linux-64" / "patches" / "1.sigs", sigs(history, 1))
        refused(lambda: history.chain().generation(1), Code.CHANNEL_MISMATCH)

    def test_the_bundles_of_another_role(self, history):
        """An observer, who only saw what was served, as its author."""
        said = replace(history.chain().newest().said, role="observer")
        sigs(history, 3).write_bytes(signed(history, said, TEAMS[2]))
        refused(history.chain().newest, Code.PATCH_GENERATION)

    def test_the_bundles_of_another_channel(self, history):
        chain = replace(history.chain(), channel=Channel("https://conda.example/other"))
        refused(chain.newest, Code.CHANNEL_MISMATCH)

    def test_the_signature_of_another_kind_of_statement(self, history):
        payload = json.dumps(
            {
                "_type": statement.STATEMENT_TYPE,
                "subject": [{"name": NAME, "digest": {"sha256": "0" * 64}}],
                "predicateType": "https://schemas.conda.org/attestations-publish-1.schema.json",
                "predicate": {"targetChannel": "https://conda.example/patched"},
            }
        ).encode()
        sigs(history, 3).write_bytes(sidecar.dump([history.sign(payload, TEAMS[2])]))
        refused(history.chain().newest, Code.PATCH_STATEMENT)

    def test_a_payload_above_the_cap(self, history):
        said = history.chain().newest().said
        inputs = tuple(Input(f"{number}" * 1000, said.map) for number in range(64))
        sigs(history, 3).write_bytes(signed(history, replace(said, inputs=inputs), TEAMS[2]))
        refused(history.chain().newest, Code.PATCH_STATEMENT)

    @pytest.mark.parametrize("data", [b"[]", b"{}", b"[{}]", b"", b"[" * 9999])
    def test_what_is_no_array_of_bundles(self, history, data):
        sigs(history, 3).write_bytes(data)
        refused(history.chain().newest, Code.SIDECAR_SHAPE)

    def test_bytes_are_judged_before_they_are_there(self, history):
        data = sigs(history, 3).read_bytes()
        sigs(history, 3).unlink()
        chain = history.chain()
        refused(lambda: chain.generation(3), Code.PATCH_MISSING)
        assert chain.judged(3, data).said.generation == 3
        refused(lambda: chain.judged(4, data), Code.ROLLBACK)


class TestFiles:
    def test_another_log(self, history):
        newest = history.chain().newest()
        log = history.root / "noarch" / "patches" / f"{newest.said.log}.log"
        log.write_bytes(log.read_bytes()[65:])
        refused(lambda: history.chain().log(newest), Code.PATCH_FILE)

    def test_a_log_that_does_not_lead_to_the_generation(self, history):
        """A signer who leaves generations out."""
        newest = history.chain().newest()
        one = history.chain().generation(2)
        short = replace(newest, said=replace(newest.said, log=one.said.log))
        refused(lambda: history.chain().log(short), Code.ROLLBACK)
        other = replace(newest, said=replace(newest.said, previous=newest.payload))
        refused(lambda: history.chain().log(other), Code.ROLLBACK)

    @pytest.mark.parametrize("kind", ["map", "delta"])
    def test_maps_are_those_of_their_digest(self, history, kind):
        chain = history.chain()
        newest = chain.newest()
        assert getattr(chain, kind)(newest).keys() == {"numbers"}
        digest = getattr(newest.said, kind)
        path = history.root / "noarch" / "patches" / f"{digest}.{kind}.json.zst"
        path.write_bytes(patch_files.dump_map({}))
        refused(lambda: getattr(history.chain(), kind)(newest), Code.PATCH_FILE)
        path.unlink()
        refused(lambda: getattr(history.chain(), kind)(newest), Code.PATCH_MISSING)

    def test_a_shard_of_another_name(self, history):
        chain = history.chain()
        [digest] = chain.map(chain.newest()).values()
        assert chain.shard("numbers", digest).name == "numbers"
        refused(lambda: chain.shard("words", digest), Code.PATCH_FILE)

    def test_a_value_that_was_edited(self, history):
        for path in history.patches(".shard.json.zst"):
            shard = patch_files.parse_shard(path.read_bytes(), where="x")
            entry = next(iter(shard.files.values()))
            entry.changed["license"] = Change(None, Value("GPL"))
            path.write_bytes(patch_files.dump_shard(shard))
        refused(history.blame, Code.PATCH_FILE)


class TestStates:
    @pytest.fixture
    def chain(self, history):
        return history.chain()

    @pytest.fixture
    def entry(self, chain):
        [digest] = chain.map(chain.newest()).values()
        return chain.shard("numbers", digest).files[PLACE]

    @pytest.fixture
    def log(self, chain):
        newest = chain.newest()
        return (*chain.log(newest), newest.payload)

    @pytest.fixture
    def as_built(self, history):
        return history.record("as_built")

    def test_each_change_is_by_its_generation(self, chain, entry, log):
        states = list(chain.states("numbers", PLACE, entry, log))
        assert [generation.said.generation for generation, _ in states] == [1, 2, 3]
        assert [set(state.changed) for _, state in states] == [{"depends"}, {"license"}, {"constrains", "depends"}]

    def test_their_sum_is_what_is_served(self, history, chain, entry, log, as_built):
        value = chain.value("numbers", PLACE, entry, as_built, log)
        assert value == history.record("served")

    def test_from_another_record_it_is_not(self, chain, entry, log, as_built):
        for other in (as_built | {"license": "GPL"}, as_built | {"build_number": 7}):
            refused(lambda other=other: chain.value("numbers", PLACE, entry, other, log), Code.PATCH_RECORD)

    def test_a_generation_that_is_not_the_one_of_the_log(self, chain, entry, log):
        """Two generations 2 by a signer with two faces."""
        for other in ((log[0], log[0], log[2]), log[:2]):
            refused(lambda other=other: list(chain.states("numbers", PLACE, entry, other)), Code.ROLLBACK)

    def test_a_history_that_its_deltas_do_not_bear_out(self, chain, entry, log):
        (one, _), (two, second), last = entry.history
        for history in (
            ((one, second), (two, second), last),
            ((one, None), (two, second), last),
        ):
            other = replace(entry, history=history)
            refused(lambda other=other: list(chain.states("numbers", PLACE, other, log)), Code.PATCH_FILE)
        refused(lambda: list(chain.states("words", PLACE, entry, log)), Code.PATCH_FILE)
        other = replace(entry, sha256=entry.as_built)
        refused(lambda: list(chain.states("numbers", PLACE, other, log)), Code.PATCH_FILE)
        refused(lambda: list(chain.states("numbers", ("packages.conda", "numbers-2-0.conda"), entry, log)),
                Code.PATCH_FILE)  # fmt: skip


def test_a_removal_keeps_what_was_patched(history):
    history.index(fix(depends=["python >=3.9"], license="MIT", constrains=["letters"]) | {"remove": [NAME]})
    history.attest()
    chain = history.chain()
    [digest] = chain.map(chain.newest()).values()
    entry = chain.shard(FILE.name, digest).files[PLACE]
    log = (*chain.log(chain.newest()), chain.newest().payload)
    record = chain.value(FILE.name, PLACE, entry, history.record("as_built"), log)
    assert (entry.removed, record["license"]) == (True, "MIT")
