"""Local files: read once and bounded, written whole or not at all."""

import hashlib
import io
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.errors import LocalFailure, Misuse
from condattest.transport import files

AS_ROOT = os.geteuid() == 0


def test_a_file_is_hashed_from_where_it_stands(tmp_path):
    path = tmp_path / "p.conda"
    body = bytes(range(256)) * 5000
    path.write_bytes(body)
    with files.open_once(path) as opened:
        assert files.hash_file(opened) == hashlib.sha256(body).hexdigest()
        assert files.hash_file(opened) == hashlib.sha256(b"").hexdigest()


@given(st.binary(max_size=2000))
def test_a_progress_bar_changes_no_digest(tmp_path_factory, body):
    path = tmp_path_factory.mktemp("hash") / "p"
    path.write_bytes(body)
    told = []
    with files.open_once(path) as opened:
        digest = files.hash_file(opened, on_bytes=told.append)
        opened.seek(0)
        assert files.hash_file(opened) == digest == hashlib.sha256(body).hexdigest()
    assert sum(told) == len(body)


def test_what_was_hashed_is_what_is_used(tmp_path):
    """A file that is swapped for another under its name, between the check and the use."""
    path = tmp_path / "p.conda"
    path.write_bytes(b"honest")
    with files.open_once(path) as opened:
        digest = files.hash_file(opened)
        (tmp_path / "other").write_bytes(b"evil")
        (tmp_path / "other").replace(path)
        opened.seek(0)
        assert hashlib.sha256(opened.read()).hexdigest() == digest


def test_a_missing_file_is_a_misuse(tmp_path):
    for path in (tmp_path / "no", tmp_path / "no" / "no"):
        with pytest.raises(Misuse, match="no such file"):
            files.open_once(path)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Misuse, match="no such file"):
        files.read_bounded(tmp_path / "file" / "x", 10)


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(Misuse, match="found a directory"):
        files.read_bounded(tmp_path, 10)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    """A named pipe in the place of a package: opening it would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Misuse, match="found a pipe"):
        files.open_once(tmp_path / "pipe")


def test_a_device_is_refused():
    """A device that has no end."""
    with pytest.raises(Misuse, match="found a device"):
        files.read_bounded(Path("/dev/zero"), 10)


def test_a_socket_is_refused(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        with pytest.raises(Misuse, match="socket"):
            files.open_once(tmp_path / "s")


def test_a_file_above_the_limit_is_refused(tmp_path):
    """A bundle of gigabytes beside a package."""
    path = tmp_path / "big"
    with path.open("wb") as made:
        made.truncate(1 << 40)
    with pytest.raises(LocalFailure, match="at most 10 bytes"):
        files.read_bounded(path, 10)
    path.write_bytes(b"0123456789")
    assert files.read_bounded(path, 10) == b"0123456789"


@pytest.mark.skipif(AS_ROOT, reason="root may read everything")
def test_a_forbidden_file_is_a_local_failure(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(LocalFailure, match="Permission denied"):
        files.open_once(path)


def test_a_read_error_is_a_local_failure():
    # The memory of this process: it opens, and its first page cannot be read.
    with pytest.raises(LocalFailure, match="cannot be read"):
        files.read_bounded(Path("/proc/self/mem"), 10)
    with files.open_once(Path("/proc/self/mem")) as opened, pytest.raises(LocalFailure, match="/proc/self/mem"):
        files.hash_file(opened)


def test_a_new_file_is_written_whole(tmp_path):
    path = tmp_path / "a.sigs"
    files.write_new(path, b"[1]", replace=False)
    assert path.read_bytes() == b"[1]"
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644 & ~umask
    assert os.listdir(tmp_path) == ["a.sigs"]


def test_a_file_in_the_way_stays(tmp_path):
    path = tmp_path / "a.sigs"
    path.write_bytes(b"old")
    with pytest.raises(Misuse, match="there is a file already"):
        files.write_new(path, b"new", replace=False)
    assert path.read_bytes() == b"old"
    files.write_new(path, b"new", replace=True, mode=0o600)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["a.sigs"]


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("target", ["victim", "nothing"])
def test_nothing_is_written_through_a_symbolic_link(tmp_path, replace, target):
    """A link in the place of the output, to have another file overwritten or made."""
    (tmp_path / "victim").write_bytes(b"precious")
    path = tmp_path / "out"
    path.symlink_to(tmp_path / target)
    with pytest.raises((Misuse, LocalFailure)):
        files.write_new(path, b"evil", replace=replace)
    assert sorted(os.listdir(tmp_path)) == ["out", "victim"]
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_of_many_writers_one_makes_the_file(tmp_path):
    """Two writers at once: create-only means that one of them is told so."""
    path = tmp_path / "a"
    outcomes = []

    def write(number):
        try:
            files.write_new(path, b"%d" % number * 1000, replace=False)
        except Misuse:
            outcomes.append(None)
        else:
            outcomes.append(b"%d" % number * 1000)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome for outcome in outcomes if outcome] == [path.read_bytes()]
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_that_is_not_there_is_a_local_failure(tmp_path):
    with pytest.raises(LocalFailure, match="cannot be written"):
        files.write_new(tmp_path / "no" / "a", b"x", replace=False)
    with pytest.raises(LocalFailure, match="cannot be written"):
        files.write_new(Path("/proc/condattest"), b"x", replace=True)


def test_a_directory_in_the_way_stays(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(LocalFailure):
        files.write_new(tmp_path / "a", b"x", replace=True)
    assert os.listdir(tmp_path) == ["a"]


def test_a_long_name_is_no_problem(tmp_path):
    path = tmp_path / ("a" * 255)
    files.write_new(path, b"x", replace=False)
    assert path.read_bytes() == b"x"
    with pytest.raises(LocalFailure, match="too long"):
        files.write_new(tmp_path / ("a" * 256), b"x", replace=False)


@pytest.mark.skipif(AS_ROOT, reason="root may write everywhere")
def test_a_read_only_folder_stays_as_it_is(tmp_path):
    """A read-only folder: the old file stays whole."""
    (tmp_path / "a").write_bytes(b"old")
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(LocalFailure, match="Permission denied"):
            files.write_new(tmp_path / "a", b"new", replace=True)
    finally:
        tmp_path.chmod(0o755)
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_full_disk_leaves_the_old_file_whole(tmp_path):
    """The disk is full in the middle of a write. A limit on the size of files stands in for it."""
    path = tmp_path / "a"
    path.write_bytes(b"old")
    program = f"""
import resource, signal
from pathlib import Path
from condattest.errors import LocalFailure
from condattest.transport import files
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    files.write_new(Path({str(path)!r}), bytes(200_000), replace=True)
except LocalFailure as error:
    print(error)
"""
    source = str(Path(files.__file__).parents[2])
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "cannot be written: File too large" in ran.stdout
    assert os.listdir(tmp_path) == ["a"]
    assert path.read_bytes() == b"old"


def test_what_is_staged_is_gone_afterwards_and_known_by_its_name(tmp_path):
    """What a killed writer leaves must be told from what a person put there."""
    with files.staged(tmp_path / ("p" * 200), [b"1", b"", b"23"], 0o600) as temporary:
        assert temporary.read_bytes() == b"123"
        assert temporary.parent == tmp_path
        assert files.is_staged(temporary.name)
    assert os.listdir(tmp_path) == []
    for name in ("p.conda", ".p.tmp", "p.0123456789abcdef.tmp", ".p.0123456789abcdef.tmp.x", ".p.0123456789ABCDEF.tmp"):
        assert not files.is_staged(name)


def test_a_file_is_read_in_parts_from_where_it_stands(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(range(256)) * 10_000)
    with files.open_once(path) as opened:
        opened.seek(256)
        found = list(files.parts(opened))
    assert b"".join(found) == bytes(range(256)) * 9_999
    assert max(map(len, found)) == 1 << 20
    with files.open_once(Path("/proc/self/mem")) as opened, pytest.raises(LocalFailure, match="cannot be read"):
        list(files.parts(opened))


def test_parts_are_hashed_written_and_counted_as_they_come():
    to, counts = io.BytesIO(), []
    digest = files.hash_parts(iter([b"one", b"", b"two"]), to, counts.append)
    assert digest == hashlib.sha256(b"onetwo").hexdigest() == files.hash_parts([b"onetwo"])
    assert (to.getvalue(), counts) == (b"onetwo", [3, 0, 3])
