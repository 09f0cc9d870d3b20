"""What a machine has seen: kept over runs, between processes, and never lost in silence."""

import dataclasses
import os
import threading
from datetime import UTC, datetime, timedelta

import filelock
import pytest

from condattest.errors import LocalFailure
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code
from condattest.transport.file_memory import FileMemory
from condattest.transport.memory import Attested, Generation, Served

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CHANNEL = Channel("https://example.org/c")
ONE, TWO, THREE = Sha256("1" * 64), Sha256("2" * 64), Sha256("3" * 64)
SIGNER = "https://github.com/x/y/.github/workflows/release.yml@refs/tags/v1"


def served(*elements, name="a-1-0.conda", artifact="a", subdir="noarch"):
    return Served(
        subdir=subdir,
        file=PackageFile.parse(name),
        artifact=Sha256(artifact * 64),
        sidecar=Sha256("5" * 64) if elements else None,
        elements=frozenset(elements),
    )


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state" / "condattest"


@pytest.fixture
def again(folder):
    """A function that saves a memory and opens it again, as the next run does."""

    def reopen(memory):
        assert memory.save() == ()
        return FileMemory(folder)

    return reopen


def seen(folder, *what, now=NOW):
    memory = FileMemory(folder)
    for each in what:
        memory.remember(CHANNEL, each, each.elements, SIGNER, now=now)
    return memory


def codes(findings):
    return [finding.code for finding in findings]


def test_what_is_served_as_before_is_no_finding(folder, again):
    memory = again(seen(folder, served(ONE, TWO)))
    assert memory.judge(CHANNEL, served(ONE, TWO)) == ()
    assert memory.judge(CHANNEL, served(ONE, TWO, THREE)) == ()


def test_an_older_sidecar_is_a_rollback(folder, again):
    """A mirror that serves last month's index with last month's sidecar: both are authentic."""
    memory = again(seen(folder, served(ONE, TWO)))
    (finding,) = memory.judge(CHANNEL, served(ONE))
    assert finding.code is Code.ROLLBACK
    assert TWO in finding.facts["expected"]
    assert finding.facts["seen"] == NOW.isoformat()
    assert finding.where == "https://example.org/c/noarch/a-1-0.conda"


def test_a_sidecar_that_lost_one_bundle_for_another_is_a_rollback(folder, again):
    """A sidecar made anew, without the bundle that names the first signer."""
    memory = again(seen(folder, served(ONE, TWO)))
    assert codes(memory.judge(CHANNEL, served(ONE, THREE))) == [Code.ROLLBACK]


def test_only_what_was_accepted_can_be_missed(folder, again):
    """A bundle that anybody put into a sidecar, so that the honest one looks like a rollback later."""
    memory = FileMemory(folder)
    memory.remember(CHANNEL, served(ONE, TWO), [ONE, THREE], SIGNER, now=NOW)
    assert again(memory).judge(CHANNEL, served(ONE)) == ()


def test_a_file_that_lost_its_attestation_is_found(folder, again):
    """The field stripped from the index: the package looks as if it had never been signed."""
    memory = again(seen(folder, served(ONE)))
    (finding,) = memory.judge(CHANNEL, served())
    assert finding.code is Code.ROLLBACK_UNATTESTED
    assert finding.facts["scope"] == "file"
    assert finding.facts["signer"] == SIGNER


def test_a_new_build_of_an_attested_name_without_attestation_is_found(folder, again):
    """A stolen upload token without the signing identity: the next version comes unsigned."""
    memory = again(seen(folder, served(ONE)))
    (finding,) = memory.judge(CHANNEL, served(name="a-2-0.conda", artifact="b"))
    assert finding.code is Code.ROLLBACK_UNATTESTED
    assert finding.facts["scope"] == "name"
    assert finding.facts["file"] == "a-1-0.conda"
    assert memory.judge(CHANNEL, served(name="b-2-0.conda", artifact="b")) == ()


def test_subdirs_and_channels_are_apart(folder, again):
    memory = again(seen(folder, served(ONE, TWO)))
    assert memory.judge(CHANNEL, served(ONE, subdir="linux-64", artifact="b")) == ()
    assert memory.judge(Channel("https://example.org/d"), served()) == ()


def test_a_file_that_was_replaced_may_not_come_back(folder, again):
    """A file that its owner replaced, served again with its old and still authentic attestation."""
    memory = again(seen(folder, served(ONE)))
    assert memory.judge(CHANNEL, served(TWO, artifact="b")) == ()
    memory.remember(CHANNEL, served(TWO, artifact="b"), [TWO], SIGNER, now=NOW - 400 * DAY)
    memory = again(memory)
    (finding,) = memory.judge(CHANNEL, served(ONE))
    assert finding.code is Code.ROLLBACK
    assert finding.facts["expected"] == "b" * 64
    assert memory.judge(CHANNEL, served(TWO, artifact="b")) == ()


def test_names_keep_their_first_signer_and_time(folder, again):
    memory = again(seen(folder, served(ONE)))
    memory.remember(CHANNEL, served(ONE), [ONE], "somebody else", now=NOW + DAY)
    assert again(memory).attested(CHANNEL, "a") == Attested(NOW, SIGNER, "a-1-0.conda")
    assert memory.attested(CHANNEL, "b") is None


def test_accepted_by_digest_alone_is_not_attested(folder):
    memory = FileMemory(folder)
    memory.remember(CHANNEL, served(ONE), [], SIGNER, now=NOW)
    assert memory.attested(CHANNEL, "a") is None


def test_the_first_sight_of_an_artifact_is_kept(folder, again):
    memory = FileMemory(folder)
    assert memory.first_seen(CHANNEL, ONE, now=NOW) == NOW
    assert memory.first_seen(CHANNEL, ONE, now=NOW + DAY) == NOW
    memory = again(memory)
    assert memory.first_seen(CHANNEL, ONE, now=NOW + DAY) == NOW
    assert memory.first_seen(CHANNEL, ONE, now=NOW - DAY) == NOW - DAY


def test_a_naive_time_is_refused(folder):
    with pytest.raises(ValueError, match="aware"):
        FileMemory(folder).first_seen(CHANNEL, ONE, now=NOW.replace(tzinfo=None))


def test_an_older_generation_is_a_rollback(folder, again):
    """Old patches replayed, or two different ones under one number."""
    memory = FileMemory(folder)
    memory.remember_generation(CHANNEL, "linux-64 author", Generation(3, ONE), now=NOW)
    memory = again(memory)
    assert memory.newest(CHANNEL, "linux-64 author") == Generation(3, ONE)
    assert memory.judge_generation(CHANNEL, "linux-64 author", Generation(3, ONE)) == ()
    assert memory.judge_generation(CHANNEL, "linux-64 author", Generation(4, TWO)) == ()
    assert memory.judge_generation(CHANNEL, "noarch author", Generation(1, TWO)) == ()
    for older in (Generation(2, ONE), Generation(3, TWO)):
        assert codes(memory.judge_generation(CHANNEL, "linux-64 author", older)) == [Code.ROLLBACK]
    memory.remember_generation(CHANNEL, "linux-64 author", Generation(2, ONE), now=NOW + DAY)
    assert again(memory).newest(CHANNEL, "linux-64 author") == Generation(3, ONE)


def test_two_processes_lose_nothing(folder):
    """Two runs at once, of which the later one must not overwrite what the earlier one saw."""
    one, two = FileMemory(folder), FileMemory(folder)
    for memory in (one, two):
        assert memory.attested(CHANNEL, "a") is None
    one.remember(CHANNEL, served(ONE), [ONE], SIGNER, now=NOW)
    two.remember(CHANNEL, served(TWO), [TWO], SIGNER, now=NOW)
    two.remember(CHANNEL, served(THREE, name="b-1-0.conda"), [THREE], SIGNER, now=NOW)
    assert one.save() == two.save() == ()
    third = FileMemory(folder)
    assert third.attested(CHANNEL, "b") is not None
    assert third.judge(CHANNEL, served(ONE, TWO)) == ()
    assert codes(third.judge(CHANNEL, served(ONE))) == [Code.ROLLBACK]


def test_threads_share_a_memory(folder, again):
    memory = FileMemory(folder)

    def work(start):
        for number in range(start, 200, 4):
            what = served(ONE, name=f"p{number}-1-0.conda")
            memory.remember(CHANNEL, what, [ONE], SIGNER, now=NOW)
            memory.first_seen(CHANNEL, Sha256(f"{number:064x}"), now=NOW)
            assert memory.judge(CHANNEL, what) == ()

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    memory = again(memory)
    assert all(memory.attested(CHANNEL, f"p{number}") for number in range(200))


@pytest.mark.parametrize("damage", [b"", b"{}", b"not JSON", b'{"schema":"condattest/memory/9"}'])
def test_a_damaged_state_says_which_file_to_delete(folder, again, damage):
    """A state that is damaged on purpose: a fresh start would forget every rollback."""
    memory = again(seen(folder, served(ONE)))
    path = memory.path(CHANNEL)
    path.write_bytes(damage)
    for ask in (
        lambda: memory.judge(CHANNEL, served()),
        lambda: memory.first_seen(CHANNEL, ONE, now=NOW),
        lambda: memory.remember(CHANNEL, served(ONE), [ONE], SIGNER, now=NOW),
        lambda: memory.newest(CHANNEL, "x"),
    ):
        with pytest.raises(LocalFailure, match="damaged") as caught:
            ask()
        assert f"delete {path}" in caught.value.hint
    assert path.read_bytes() == damage
    path.unlink()
    assert memory.judge(CHANNEL, served()) == ()


@pytest.mark.parametrize("kind", ["directory", "dangling link", "another channel"])
def test_a_state_that_is_something_else_is_an_error(folder, again, kind):
    """The state of another channel copied over this one's, or a link to nowhere."""
    memory = again(seen(folder, served(ONE)))
    path = memory.path(CHANNEL)
    whole = path.read_bytes()
    path.unlink()
    if kind == "directory":
        path.mkdir()
    elif kind == "dangling link":
        path.symlink_to(folder / "nothing")
    else:
        path.write_bytes(whole.replace(b"example.org/c", b"example.org/d"))
    with pytest.raises(LocalFailure, match="damaged"):
        memory.judge(CHANNEL, served())


def test_a_state_damaged_meanwhile_is_not_overwritten(folder, again):
    memory = again(seen(folder, served(ONE)))
    memory.remember(CHANNEL, served(ONE, TWO), [TWO], SIGNER, now=NOW)
    memory.path(CHANNEL).write_bytes(b"{")
    with pytest.raises(LocalFailure, match="damaged"):
        memory.save()
    assert memory.path(CHANNEL).read_bytes() == b"{"


def test_a_folder_that_cannot_be_written_is_told_and_no_error(tmp_path):
    """A read-only home: verification goes on."""
    (tmp_path / "file").write_bytes(b"")
    memory = seen(tmp_path / "file" / "state", served(ONE))
    assert codes(memory.judge(CHANNEL, served())) == [Code.ROLLBACK_UNATTESTED]
    (told,) = memory.save()
    assert told.channel == CHANNEL
    assert "cannot be written" in told.reason
    assert memory.save() == (told,)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_a_read_only_folder_is_told_and_no_error(folder):
    folder.mkdir(parents=True)
    folder.chmod(0o555)
    try:
        (told,) = seen(folder, served(ONE)).save()
    finally:
        folder.chmod(0o755)
    assert "Permission denied" in told.reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_a_state_that_may_not_be_read_is_an_error(folder, again):
    memory = again(seen(folder, served(ONE)))
    memory.path(CHANNEL).chmod(0)
    with pytest.raises(LocalFailure, match="Permission denied"):
        memory.judge(CHANNEL, served())


def test_a_lock_that_is_held_is_told_and_no_error(folder, again):
    memory = again(seen(folder, served(ONE)))
    memory = FileMemory(folder, lock_timeout=0.05)
    memory.remember(CHANNEL, served(ONE, TWO), [TWO], SIGNER, now=NOW)
    with filelock.FileLock(memory.path(CHANNEL).with_suffix(".lock")):
        (told,) = memory.save()
    assert "another process" in told.reason
    assert memory.save() == ()
    assert codes(FileMemory(folder).judge(CHANNEL, served(ONE))) == [Code.ROLLBACK]


def test_what_could_not_be_read_again_is_not_written(folder, again):
    """A name so long that the state could not be read again: it would stop every later run."""
    memory = again(seen(folder, served(ONE)))
    memory.remember(CHANNEL, served(ONE, subdir="x" * 5000), [ONE], SIGNER * 100, now=NOW)
    (told,) = memory.save()
    assert "cannot be written" in told.reason
    assert FileMemory(folder).judge(CHANNEL, served(ONE)) == ()


def test_only_the_user_may_read_the_state(folder, again):
    memory = again(seen(folder, served(ONE)))
    assert memory.path(CHANNEL).stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0


def test_nothing_new_writes_nothing(folder):
    memory = FileMemory(folder)
    assert memory.judge(CHANNEL, served()) == ()
    assert memory.save() == ()
    assert not folder.exists()


def test_served_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        served(ONE).subdir = "x"
