"""The end of a chain that is written to: found whatever `head.json` says, and never a generation of another history.

One that is revoked keeps its place in the chain, and nothing else of it is believed.
"""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from condattest.formats import patch_files, patch_statement, sidecar, statement
from condattest.model.finding import Code
from condattest.operations import patch_log, patch_tip, patch_verify
from condattest.operations.patch_tip import Tip, tip
from condattest.sandbox import github
from tests.operations.test_publish import files
from tests.patched_channel import CHANGES, DAY, NAME, START, TEAMS, fix, refused

LAST = CHANGES[-1]
WORDS = "words-1.0-0.conda"


def numbers(world, name=NAME):
    return [number for number, _ in world.entry(name).history]


def log_of(world):
    chain = world.chain("noarch", *TEAMS)
    return chain.log(chain.newest())


def steps(world):
    return [(step.number, step.void, [each.code for each in step.findings]) for step in patch_log.log(world.chain())]


@pytest.fixture
def stolen(history):
    """The third team's key was stolen, and what it signed last is revoked: nobody believes it any more."""
    history.void = frozenset({history.payload(3)})
    history.trusted = TEAMS[:2]
    return history


class TestTheEnd:
    def test_it_is_what_the_head_names_or_what_follows_it(self, history):
        head = history.root / "noarch" / "patches" / "head.json"
        payloads = tuple(history.payload(number) for number in (1, 2, 3))
        for number in (3, 2, 1, None):
            head.unlink() if number is None else history.point(number)
            end = tip(history.chain())
            assert (end.newest.said.generation, end.payloads, end.void) == (3, payloads, frozenset())
            assert (end.previous, end.is_void) == (payloads[-1], False)
            assert head.exists() == (number is not None)
            assert number is None or history.chain().newest().said.generation == number, "it is only read"

    def test_without_any_there_is_none(self, world):
        end = tip(world.chain())
        assert end == Tip(None, (), frozenset())
        assert (end.previous, end.is_void, patch_tip.before(world.chain(), end)) == (None, False, None)

    def test_what_does_not_follow_is_a_rollback(self, history):
        history.point(2)
        twin = type(history)(Path(shutil.copytree(history.root, history.root.with_name("twin"))), now=history.now)
        for path in (twin.root / "noarch" / "patches").glob("[23].sigs"):
            path.unlink()
        twin.point(1)
        for features in ("x", "y"):
            twin.index(fix(**LAST, features=features))
            twin.attest()
        shutil.copy(twin.root / "noarch" / "patches" / "3.sigs", history.root / "noarch" / "patches" / "3.sigs")
        refused(lambda: tip(history.chain()), Code.ROLLBACK)

    def test_one_that_lacks_a_signer_is_no_end_unless_one_is_enough(self, history):
        refused(lambda: tip(history.chain(threshold=2)), Code.MISSING_THRESHOLD)
        assert tip(history.chain(threshold=2).with_one_signer()).newest.said.generation == 3

    def test_the_next_one_builds_on_its_map_its_log_and_its_values(self, history):
        chain = history.chain()
        end = tip(chain)
        before = patch_tip.before(chain, end)
        assert (before.generation, (*before.payloads, before.payload), before.void) == (3, end.payloads, frozenset())
        assert before.shards == chain.map(end.newest)
        entry = before.shard("numbers", before.shards["numbers"]).files["packages.conda", NAME]
        value = before.value(("packages.conda", NAME), entry, history.record("as_built"))
        assert value == history.record("served")

    def test_it_was_where_the_newest_one_s_author_went_on_from(self, history):
        ends = [tip(history.chain())]
        while ends[-1].newest is not None:
            ends.append(patch_tip.earlier(history.chain(), ends[-1]))
        assert [(each.newest and each.newest.said.generation, len(each.payloads)) for each in ends] == [
            (3, 3), (2, 2), (1, 1), (None, 0),
        ]  # fmt: skip
        history.void = frozenset({history.payload(2)})
        end = patch_tip.earlier(history.chain(), tip(history.chain()))
        assert (end.newest.said.generation, len(end.payloads), end.void, end.is_void) == (1, 2, {2}, True)


class TestOneThatLacksSignersIsRevoked:
    def test_it_does_not_block_and_no_head_names_it(self, world):
        """Nobody else would sign it: its author voids it, and goes on, without anything being deleted."""
        first = world.attest(chain=world.chain(threshold=2)).generation.payload
        refused(lambda: world.attest(chain=world.chain(threshold=2)), Code.MISSING_THRESHOLD)
        world.void = frozenset({first})
        made = world.attest(chain=world.chain(threshold=2))
        assert (made.generation.said.generation, made.generation.said.previous) == (2, first)
        assert world.chain().newest() is None
        cosigned(world, 2)
        assert not world.attest(chain=world.chain(threshold=2)).new
        assert world.chain(threshold=2).newest().said.generation == 2
        assert patch_verify.verify(world.chain(threshold=2), world.inputs(), now=world.now).findings == ()

    def test_a_head_that_names_a_generation_with_all_its_signers_stays_there(self, history):
        for number in (1, 2, 3):
            cosigned(history, number)
        history.index(fix(**LAST, features="x"))
        fourth = history.attest(chain=history.chain(threshold=2)).generation.payload
        history.void = frozenset({fourth})
        assert history.attest(chain=history.chain(threshold=2)).generation.said.generation == 5
        assert history.chain(threshold=2).newest().said.generation == 3


class TestTheNewestIsRevoked:
    def test_readers_reject_it_until_the_author_goes_on(self, history):
        history.void = frozenset({history.payload(3)})
        assert steps(history)[0] == (3, True, [Code.IDENTITY_REVOKED])
        assert history.verify() == [Code.IDENTITY_REVOKED, Code.IDENTITY_REVOKED]
        assert [each.code for each in history.blame().findings] == [Code.IDENTITY_REVOKED]

    def test_the_next_one_keeps_its_line_and_goes_on_from_the_state_before(self, stolen):
        payloads = tuple(stolen.payload(number) for number in (1, 2, 3))
        stolen.index(fix(**CHANGES[1]))  # What the second team had attested.
        made = stolen.attest(TEAMS[0])
        assert (made.new, made.generation.said.generation, made.generation.said.previous) == (True, 4, payloads[2])
        assert log_of(stolen) == payloads
        assert numbers(stolen) == [1, 2]
        assert steps(stolen) == [(4, False, []), (3, True, []), (2, False, []), (1, False, [])]
        assert stolen.verify() == []
        assert stolen.blame().findings == ()
        assert not stolen.attest(TEAMS[0]).new

    def test_what_stays_of_it_is_said_anew_by_whom_it_is_said_now(self, stolen):
        made = stolen.attest(TEAMS[1])
        assert set(made.changed["packages.conda", NAME]) == {"depends", "constrains"}
        assert numbers(stolen) == [1, 2, 4]
        assert {line.key: line.last.generation.said.generation for line in stolen.blame().lines} == {
            "depends": 4, "license": 2, "constrains": 4,
        }  # fmt: skip
        assert stolen.verify() == []

    def test_a_reader_who_does_not_know_of_the_revocation_sees_a_whole_chain(self, stolen):
        stolen.attest(TEAMS[1])
        stolen.void, stolen.trusted = frozenset(), TEAMS
        assert stolen.verify() == []
        assert [findings for _, _, findings in steps(stolen)] == [[], [], [], []]

    def test_its_files_need_not_be_there(self, stolen):
        """Who signs garbage leaves garbage: the author goes on from the generation before it."""
        newest = stolen.chain("noarch", *TEAMS).newest()
        for digest, suffix in ((newest.said.map, "map.json.zst"), (newest.said.delta, "delta.json.zst")):
            (stolen.root / "noarch" / "patches" / f"{digest}.{suffix}").unlink()
        stolen.index(fix(**CHANGES[1]))
        assert stolen.attest(TEAMS[0]).generation.said.generation == 4
        assert stolen.verify() == []

    def test_several_at_the_end_and_a_head_that_names_none_of_them(self, history):
        history.void = frozenset({history.payload(2), history.payload(3)})
        history.trusted = TEAMS[:1]
        for head in (1, 2, 3):
            history.point(head)
            end = tip(history.chain())
            assert (end.newest.said.generation, len(end.payloads), end.void) == (1, 3, {2, 3})
            assert end.is_void
        history.attest()
        assert numbers(history) == [1, 4]
        assert history.verify() == []

    def test_none_is_left_and_the_next_one_is_a_baseline_with_a_number(self, history):
        payloads = tuple(history.payload(number) for number in (1, 2, 3))
        history.void = frozenset(payloads)
        made = history.attest(TEAMS[1])
        assert (made.generation.said.generation, log_of(history), numbers(history)) == (4, payloads, [4])
        assert history.verify() == []

    def test_without_the_revocation_the_author_is_stopped(self, stolen):
        stolen.void = frozenset()
        before = files(stolen.root)
        refused(lambda: stolen.attest(TEAMS[0]), Code.IDENTITY_MISMATCH)
        assert files(stolen.root) == before

    def test_an_author_s_state_knows_it_and_the_chain_descends_from_it(self, history, tmp_path):
        state = tmp_path / "state.json"
        history.attest(state=state)
        history.void = frozenset({history.payload(3)})
        assert history.attest(state=state).generation.said.generation == 4
        assert '"generation": 4' in state.read_text()


class TestAnOlderOneIsRevoked:
    @pytest.fixture
    def later(self, history):
        """Generation 3 changed numbers last, 4 removed words; then the third team's work is revoked."""
        history.index(fix(**LAST) | {"remove": [WORDS]})
        history.attest(TEAMS[0])
        history.void = frozenset({history.payload(3)})
        return history

    def test_the_chain_stands_and_its_records_are_nobody_s(self, later):
        assert steps(later)[:2] == [(4, False, []), (3, True, [])]
        assert later.verify() == [Code.IDENTITY_REVOKED]
        assert [each.code for each in later.blame().findings] == [Code.IDENTITY_REVOKED]
        assert later.blame(WORDS).findings == ()

    def test_the_author_says_them_anew(self, later):
        later.trusted = TEAMS[:2]
        made = later.attest(TEAMS[0])
        assert made.changed.keys() == {("packages.conda", NAME)}
        assert numbers(later) == [1, 2, 5]
        assert later.verify() == []
        assert not later.attest(TEAMS[0]).new

    def test_or_takes_them_back(self, later):
        later.index(fix(**CHANGES[1]) | {"remove": [WORDS]})
        made = later.attest(TEAMS[0])
        assert dict(made.changed) == {("packages.conda", NAME): {}}
        assert made.generation.said.counts["changed"] == 1
        assert numbers(later) == [1, 2]
        assert later.verify() == []

    def test_what_it_was_the_first_to_list_stays_listed(self, later):
        later.void = frozenset()
        assert later.attest(TEAMS[1], refresh_after=timedelta(0)).changed == {}
        later.void = frozenset({later.payload(4)})
        later.index(fix(**LAST))
        later.attest(TEAMS[0])
        entry = later.entry(WORDS)
        assert entry.history == ((6, entry.as_built),)
        assert later.verify() == []

    def test_a_change_by_somebody_else_since_then_stands(self, later):
        later.void = frozenset({later.payload(2)})
        later.trusted = (TEAMS[0], TEAMS[2])
        assert (later.verify(), later.blame(WORDS).findings) == ([], ())
        assert not later.attest(TEAMS[0]).new


class TestForgeries:
    def test_a_revoked_payload_in_another_s_place_voids_nothing(self, stolen):
        """Whoever may write to the channel, but not sign, puts the revoked bundle where the next one has to go."""
        patches = stolen.root / "noarch" / "patches"
        shutil.copy(patches / "3.sigs", patches / "4.sigs")
        stolen.trusted = TEAMS
        refused(lambda: stolen.attest(TEAMS[0]), Code.ROLLBACK)
        shutil.copy(patches / "3.sigs", patches / "2.sigs")
        assert stolen.chain().voided(2) is None

    def test_a_revoked_payload_of_another_subdir_voids_nothing(self, history):
        history.index(subdir="linux-64", instructions={"packages.conda": {NAME: {"license": "X"}}})
        history.attest(subdir="linux-64")
        history.void = frozenset({history.chain("linux-64").newest().payload})
        shutil.copy(history.root / "linux-64" / "patches" / "1.sigs", history.root / "noarch" / "patches" / "4.sigs")
        assert history.chain("linux-64").voided(1) is not None
        assert history.chain().voided(4) is None
        refused(history.attest, Code.CHANNEL_MISMATCH)

    @pytest.mark.parametrize("revoked", [True, False])
    def test_a_generation_that_leaves_one_out_is_a_rollback(self, history, revoked):
        """A gap in the log would be a fork to everybody who does not know of a revocation, and is one to everybody."""
        chain = history.chain()
        second, third = chain.generation(2), chain.newest()
        log = patch_files.dump_log((*chain.log(second), second.payload))
        for number in (3, 4):
            said = replace(third.said, generation=number, previous=second.payload, log=_put(history, log))
            payload = statement.dump(patch_statement.statement(said))
            bundle = history.box.sign_statement(payload, github(TEAMS[0]), at=START + 4 * DAY)
            (history.root / "noarch" / "patches" / f"{number}.sigs").write_bytes(sidecar.dump([bundle]))
        history.point(4)
        history.void = frozenset({third.payload}) if revoked else frozenset()
        refused(lambda: list(patch_log.log(history.chain())), Code.ROLLBACK)
        refused(history.attest, Code.ROLLBACK)

    def test_what_cannot_be_read_is_not_void(self, stolen):
        sigs = stolen.root / "noarch" / "patches" / "3.sigs"
        sigs.write_bytes(b"[{}]")
        assert stolen.chain().voided(3) is None
        refused(lambda: stolen.attest(TEAMS[0]), Code.SIDECAR_SHAPE)
        assert stolen.chain().voided(9) is None


def cosigned(world, number):
    """Append a second signer's bundle, as `patch cosign` does."""
    sigs = world.root / "noarch" / "patches" / f"{number}.sigs"
    [first] = sidecar.parse(sigs.read_bytes(), where="sigs").bundles
    team = TEAMS[1] if number != 2 else TEAMS[2]
    sigs.write_bytes(sidecar.dump([first.raw.strip(), world.sign(first.payload, team).strip()]))


def _put(world, log):
    import hashlib

    digest = hashlib.sha256(log).hexdigest()
    (world.root / "noarch" / "patches" / f"{digest}.log").write_bytes(log)
    return digest
