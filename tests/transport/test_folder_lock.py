"""Writers of one folder take turns."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from condattest.errors import LocalFailure
from condattest.transport import folder_lock
from condattest.transport.folder_lock import HOLD, SWAP, locked, sweep

HOLDER = """
import sys
from pathlib import Path
from condattest.transport import folder_lock
folder = Path(sys.argv[1])
with folder_lock.locked(folder, folder_lock.HOLD, patience=5) as lock:
    folder_lock.sweep(folder, lock)
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder."""
    environment = {**os.environ, "PYTHONPATH": str(Path(folder_lock.__file__).parents[2])}
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_who_waits_in_vain_is_told_for_whom(tmp_path, holder):
    with (
        pytest.raises(LocalFailure, match=f"process {holder.pid} on .* has been writing for 0.1 seconds") as caught,
        locked(tmp_path, HOLD, patience=0.1),
    ):
        pass
    assert str(tmp_path / HOLD) in caught.value.hint
    with locked(tmp_path, SWAP, patience=0.1):
        pass


def test_a_lock_of_a_killed_process_is_free_at_once(tmp_path, holder):
    """A publisher that was killed must not stop the next one."""
    holder.kill()
    holder.wait()
    with locked(tmp_path, HOLD, patience=0.5):
        pass


def test_what_a_stranger_wrote_into_the_lock_is_not_repeated(tmp_path):
    """Control characters in a lock file, to be printed on a maintainer's terminal."""
    held, done = threading.Event(), threading.Event()

    def hold():
        with locked(tmp_path, HOLD, patience=5):
            (tmp_path / HOLD).write_bytes(b"process 1 on \x1b[31mhost")
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    try:
        with pytest.raises(LocalFailure, match="another process has been"), locked(tmp_path, HOLD, patience=0.1):
            pass
    finally:
        done.set()
        thread.join()


def test_threads_take_turns(tmp_path):
    inside, most = 0, 0

    def enter():
        nonlocal inside, most
        with locked(tmp_path, HOLD, patience=20):
            inside += 1
            most = max(most, inside)
            time.sleep(0.005)
            inside -= 1

    threads = [threading.Thread(target=enter) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (inside, most) == (0, 1)


def test_a_failure_inside_frees_the_lock(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path, HOLD, patience=1):
        raise KeyError
    with locked(tmp_path, HOLD, patience=0.1):
        pass


def test_a_link_in_the_place_of_the_lock_empties_nothing(tmp_path):
    """A link in the place of the lock, to have the file that it leads to emptied."""
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / HOLD).symlink_to("victim")
    with pytest.raises(LocalFailure, match="found a symbolic link"), locked(tmp_path, HOLD, patience=1):
        pass
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_a_folder_that_is_not_there_cannot_be_locked(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LocalFailure, match="cannot be written"), locked(tmp_path / "file", HOLD, patience=1):
        pass


def test_a_sweep_that_fails_stops_nobody(tmp_path):
    sweep(tmp_path / "nosuch", tmp_path / "nosuch" / HOLD)
    assert os.listdir(tmp_path) == []
