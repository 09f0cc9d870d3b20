"""A channel in a directory: links, permissions, full disks, killed writers and many processes."""

import errno
import io
import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from condattest.errors import CondattestError, Conflict, LocalFailure, Misuse, NotFound, TooLarge
from condattest.transport import directory
from condattest.transport.directory import Directory
from condattest.transport.store import Entry

LIMIT = 1 << 20
SOURCE = str(Path(directory.__file__).parents[2])
OURS = {".condattest.lock", ".condattest.swap.lock"}


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "channel" / "noarch").mkdir(parents=True)
    return tmp_path / "channel"


@pytest.fixture
def store(root) -> Directory:
    return Directory(root)


def run(program: str, *arguments: object) -> "subprocess.Popen[str]":
    """Start a program in another process."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def names(folder: Path) -> set[str]:
    return set(os.listdir(folder)) - OURS


def test_a_channel_must_be_there(tmp_path):
    """A channel that is made by mistyping its name would be published to, and read by nobody."""
    with pytest.raises(Misuse, match="no such directory") as caught:
        Directory(tmp_path / "chanel")
    assert "mkdir" in caught.value.hint
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Misuse, match="found a file"):
        Directory(tmp_path / "file")
    with pytest.raises(Misuse):
        Directory(tmp_path / "file" / "x")
    with pytest.raises(Misuse):
        Directory(Path("a\0b"))


def test_a_channel_may_be_named_by_a_link(tmp_path, root):
    (tmp_path / "link").symlink_to(root)
    store = Directory(tmp_path / "link")
    assert store.create("noarch/a", b"1")
    assert store.name == str(tmp_path / "link")
    assert (root / "noarch" / "a").read_bytes() == b"1"


def test_new_files_follow_the_umask_and_replaced_ones_keep_their_permissions(root, store):
    before = os.umask(0o027)
    try:
        store.create("noarch/new", b"1")
        store.create("noarch/deep/er/new", b"1")
        store.create("noarch/old", b"1")
        (root / "noarch" / "old").chmod(0o604)
        store.replace("noarch/old", b"2", store.read("noarch/old", 1).version)
    finally:
        os.umask(before)
    assert stat.S_IMODE((root / "noarch" / "new").stat().st_mode) == 0o640
    assert stat.S_IMODE((root / "noarch" / "deep").stat().st_mode) == 0o750
    assert stat.S_IMODE((root / "noarch" / "old").stat().st_mode) == 0o604


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_replaced_file_keeps_its_owner(root, store):
    """Root publishes into a channel of the web server's account, which must still be able to read it."""
    store.create("noarch/old", b"1")
    os.chown(root / "noarch" / "old", 1234, 2345)
    (root / "noarch" / "old").chmod(0o600)
    store.replace("noarch/old", b"2", store.read("noarch/old", 1).version)
    found = (root / "noarch" / "old").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 2345, 0o600)


def test_no_temporary_file_is_left(root, store):
    store.create("noarch/a", b"1")
    store.create("noarch/a", b"2")
    store.create_from("noarch/a", io.BytesIO(b"3"))
    version = store.replace("noarch/a", b"4", store.read("noarch/a", 1).version)
    with pytest.raises(Conflict):
        store.replace("noarch/a", b"5", None)
    store.replace("noarch/b", b"6", None)
    assert version == store.read("noarch/a", 1).version
    assert names(root / "noarch") == {"a", "b"}


def test_a_file_that_is_overwritten_in_place_is_a_new_version(root, store):
    """An indexer that takes no lock and renames nothing."""
    version = store.replace("noarch/a", b"1", None)
    (root / "noarch" / "a").write_bytes(b"22")
    with pytest.raises(Conflict):
        store.replace("noarch/a", b"3", version)
    assert (root / "noarch" / "a").read_bytes() == b"22"


def test_a_version_never_comes_back(root, store):
    """Inodes and the ticks of clocks are used again, and clocks are set back; versions go on."""
    seen = [store.replace("noarch/a", b"0", None)]
    for number in range(50):
        seen.append(store.replace("noarch/a", b"%d" % (number % 10), seen[-1]))
    assert len(set(seen)) == len(seen)
    future = 4_000_000_000 * 10**9
    os.utime(root / "noarch" / "a", ns=(future, future))
    for later in (1, 2):
        store.replace("noarch/a", b"0", store.read("noarch/a", 1).version)
        assert (root / "noarch" / "a").stat().st_mtime_ns == future + later


@pytest.mark.parametrize("target", ["noarch/victim", "../victim", "noarch/nothing", "../nothing", "noarch/link"])
def test_nothing_is_written_through_a_link(root, store, target):
    """A link in the place of a sidecar, to have another file overwritten or made."""
    for victim in (root / "noarch" / "victim", root.parent / "victim"):
        victim.write_bytes(b"precious")
    (root / "noarch" / "link").symlink_to(root / target)
    for version in (None, "1-2-3-4"):
        with pytest.raises(LocalFailure, match="found a symbolic link"):
            store.replace("noarch/link", b"evil", version)
    if target == "noarch/victim":
        assert not store.create("noarch/link", b"evil")
        assert store.read("noarch/link", LIMIT).data == b"precious"
    else:
        with pytest.raises(LocalFailure, match="found a symbolic link"):
            store.create("noarch/link", b"evil")
    assert names(root / "noarch") == {"victim", "link"}
    assert names(root.parent) == {"victim", "channel"}
    store.delete("noarch/link")
    assert names(root / "noarch") == {"victim"}
    assert (root / "noarch" / "victim").read_bytes() == (root.parent / "victim").read_bytes() == b"precious"


def test_a_link_out_of_the_channel_is_not_followed(root, store):
    """A link to /etc/shadow in the place of a sidecar, to have it published."""
    (root.parent / "secret").write_bytes(b"secret")
    (root.parent / "out").mkdir()
    (root.parent / "out" / "file").write_bytes(b"secret")
    (root / "noarch" / "link").symlink_to("../../secret")
    (root / "win-64").symlink_to("../out")
    calls = [
        lambda: store.read("noarch/link", LIMIT),
        lambda: store.stream("noarch/link", LIMIT).__enter__(),
        lambda: store.read("win-64/file", LIMIT),
        lambda: store.create("win-64/new", b""),
        lambda: store.create("win-64/a/b/new", b""),
        lambda: store.replace("win-64/new", b"", None),
        lambda: store.delete("win-64/file"),
        lambda: store.list("win-64"),
        lambda: store.hold("win-64").__enter__(),
    ]
    for call in calls:
        with pytest.raises(LocalFailure, match="leads out of the channel"):
            call()
    assert store.list("noarch") == []
    assert store.folders() == ["noarch"]
    assert names(root.parent / "out") == {"file"}


def test_a_link_inside_the_channel_is_followed_for_reading(root, store):
    store.create("pool/p.conda", b"package")
    (root / "noarch" / "p.conda").symlink_to("../pool/p.conda")
    (root / "linux-64").symlink_to("noarch")
    assert store.read("noarch/p.conda", 7).data == b"package"
    assert store.list("linux-64") == store.list("noarch") == [Entry("p.conda", 7)]
    assert store.folders() == ["linux-64", "noarch", "pool"]
    assert store.create("linux-64/q", b"1")
    assert names(root / "noarch") == {"p.conda", "q"}


def test_a_loop_of_links_is_an_error(root, store):
    (root / "noarch" / "a").symlink_to("b")
    (root / "noarch" / "b").symlink_to("a")
    with pytest.raises(LocalFailure, match="cannot be read"):
        store.read("noarch/a", LIMIT)
    assert store.list("noarch") == []


def test_what_is_no_file_is_not_read_and_not_replaced(root, store):
    """A pipe in the place of a sidecar: opening it would wait for ever."""
    os.mkfifo(root / "noarch" / "pipe")
    (root / "noarch" / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(LocalFailure, match="expected a file"):
            store.read(f"noarch/{name}", LIMIT)
        with pytest.raises(LocalFailure, match="expected a file"):
            store.replace(f"noarch/{name}", b"", None)
        assert not store.create(f"noarch/{name}", b"")
    assert store.list("noarch") == []
    with pytest.raises(LocalFailure, match="cannot be written"):
        store.delete("noarch/folder")


def test_a_file_where_a_folder_should_be_is_an_error(root, store):
    (root / "file").write_bytes(b"1")
    for call in (
        lambda: store.create("file/a", b""),
        lambda: store.create("file/a/b", b""),
        lambda: store.replace("file/a", b"", None),
        lambda: store.hold("file").__enter__(),
        lambda: store.create("noarch/" + "a" * 256, b""),
    ):
        with pytest.raises(LocalFailure, match="cannot be written"):
            call()
    with pytest.raises(LocalFailure, match="too long"):
        store.read("noarch/" + "a" * 256, 1)
    assert store.create("noarch/" + "a" * 255, b"")


def test_a_file_that_grows_while_it_is_read_is_cut_off(root, store):
    """A file that grows without end after its size was asked."""
    store.create("noarch/a", b"1234")
    with store.stream("noarch/a", 5) as parts:
        with (root / "noarch" / "a").open("ab") as grown:
            grown.write(bytes(100))
        with pytest.raises(TooLarge):
            list(parts)


def test_a_file_that_never_rests_is_an_error(root, store):
    """An indexer writes a file in place for longer than is waited: half an old and half a new file are no version."""
    # Large, so that even on a busy machine something happens to it while it is read.
    place, size = root / "noarch" / "a", 64 * LIMIT
    place.touch()
    os.truncate(place, size)
    ended = threading.Event()

    def scribble():
        with place.open("r+b", buffering=0) as opened:
            tick = 0
            while not ended.is_set():
                tick += 1
                os.utime(opened.fileno(), ns=(tick, tick))

    thread = threading.Thread(target=scribble)
    thread.start()
    try:
        with pytest.raises(LocalFailure, match="it is being written"):
            [store.read("noarch/a", size) for _ in range(50)]
    finally:
        ended.set()
        thread.join()
    assert len(store.read("noarch/a", size).data) == size


@pytest.mark.parametrize("call", ["create", "create_from", "replace"])
def test_a_full_disk_leaves_the_old_file_whole(root, store, call):
    """The disk is full in the middle of a write. A limit on the size of files stands in for it."""
    store.create("noarch/old", b"old")
    program = """
import io, resource, signal, sys
from pathlib import Path
from condattest.errors import LocalFailure
from condattest.transport.directory import Directory
store = Directory(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
calls = {
    "create": lambda: store.create("noarch/new", bytes(200_000)),
    "create_from": lambda: store.create_from("noarch/new", io.BytesIO(bytes(200_000))),
    "replace": lambda: store.replace("noarch/old", bytes(200_000), store.read("noarch/old", 3).version),
}
try:
    calls[sys.argv[2]]()
except LocalFailure as error:
    print(error)
"""
    out, err = run(program, root, call).communicate()
    assert "cannot be written: File too large" in out, err
    assert names(root / "noarch") == {"old"}
    assert (root / "noarch" / "old").read_bytes() == b"old"


def test_a_disk_that_has_no_room_at_all_is_a_local_failure(root, store, monkeypatch):
    """The very first byte does not fit."""
    store.create("noarch/old", b"old")
    version = store.read("noarch/old", 3).version

    def full(descriptor, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(LocalFailure, match="cannot be written: No space left on device"):
        store.create("noarch/new", b"new")
    with pytest.raises(LocalFailure, match="cannot be written: No space left on device"):
        store.replace("noarch/old", b"new", version)
    monkeypatch.undo()
    assert names(root / "noarch") == {"old"}
    assert store.read("noarch/old", 3) == directory.Stored(b"old", version)


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder that anybody may use, and to be nobody in particular."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o777)
        was = os.geteuid()
        if was == 0:
            os.seteuid(65534)
        try:
            yield Path(made)
        finally:
            os.seteuid(was)


def test_a_read_only_folder_stays_as_it_is(unprivileged):
    root = unprivileged / "channel"
    root.mkdir()
    store = Directory(root)
    version = store.replace("noarch/a", b"old", None)
    (root / "noarch" / ".condattest.swap.lock").unlink()
    (root / "noarch").chmod(0o555)
    root.chmod(0o555)
    try:
        for call in (
            lambda: store.replace("noarch/a", b"new", version),
            lambda: store.create("noarch/b", b"new"),
            lambda: store.create("osx-64/b", b"new"),
            lambda: store.delete("noarch/a"),
            lambda: store.hold("noarch").__enter__(),
        ):
            with pytest.raises(LocalFailure, match="cannot be written: Permission denied"):
                call()
        assert os.listdir(root / "noarch") == ["a"]
        assert store.read("noarch/a", 3).data == b"old"
        (root / "noarch").chmod(0o000)
        with pytest.raises(LocalFailure, match="cannot be read: Permission denied"):
            store.read("noarch/a", 3)
        with pytest.raises(LocalFailure, match="cannot be read: Permission denied"):
            store.list("noarch")
    finally:
        root.chmod(0o755)
        (root / "noarch").chmod(0o755)


def test_a_file_system_without_hard_links_will_do(root, store, monkeypatch):
    def unknown(*arguments, **options):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", unknown)
    assert store.create("noarch/a", b"1")
    assert not store.create("noarch/a", b"2")
    version = store.replace("noarch/b", b"3", None)
    assert store.read("noarch/b", 1).version == version
    with pytest.raises(Conflict):
        store.replace("noarch/a", b"4", None)
    assert names(root / "noarch") == {"a", "b"}


def test_temporary_files_of_killed_writers_are_swept_when_the_folder_is_held(root, store):
    folder = root / "noarch"
    folder.joinpath("p.conda").write_bytes(b"p")
    old, new, other = f".a.{'0' * 16}.tmp", f".b.{'1' * 16}.tmp", ".keep.tmp"
    for name in (old, new, other):
        folder.joinpath(name).write_bytes(b"half")
    (folder / f".d.{'2' * 16}.tmp").mkdir()
    now = folder.joinpath(new).stat().st_mtime
    for name in (old, other, "p.conda", f".d.{'2' * 16}.tmp"):
        os.utime(folder / name, (now - 3700, now - 3700))
    os.utime(folder / new, (now - 3500, now - 3500))
    assert store.list("noarch") == [Entry("p.conda", 1)]
    with store.hold("noarch"):
        assert names(folder) == {"p.conda", new, other, f".d.{'2' * 16}.tmp"}


ADDER = """
import sys
from pathlib import Path
from condattest.errors import Conflict, NotFound
from condattest.transport.directory import Directory
store = Directory(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
first = store.create("noarch/first", sys.argv[2].encode())
for number in range(10):
    while True:
        try:
            found = store.read("noarch/list", 1 << 20)
            data, version = found.data, found.version
        except NotFound:
            data, version = b"", None
        try:
            store.replace("noarch/list", data + f"{sys.argv[2]}.{number}\\n".encode(), version)
            break
        except Conflict:
            pass
with store.hold("noarch"):
    print(first)
"""


def test_of_eight_processes_none_loses_what_another_wrote(root, store):
    """Eight publishers on one machine, each adding ten attestations."""
    running = [run(ADDER, root, number) for number in range(8)]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * 8, outputs
    lines = store.read("noarch/list", LIMIT).data.decode().split()
    assert sorted(lines) == sorted(f"{process}.{number}" for process in range(8) for number in range(10))
    assert sorted(out for out, _ in outputs) == ["False\n"] * 7 + ["True\n"]
    assert names(root / "noarch") == {"first", "list"}


KILLED = """
import os, sys
from pathlib import Path
from condattest.transport.directory import Directory
store = Directory(Path(sys.argv[1]))
left = int(sys.argv[2])
def step(event, arguments):
    global left
    if event in ("open", "os.link", "os.rename", "os.remove", "os.utime", "os.chmod", "os.truncate"):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)
version = store.read("noarch/old", 9).version
sys.addaudithook(step)
with store.hold("noarch"):
    store.create("noarch/new", b"new" * 3)
    store.replace("noarch/old", b"new" * 3, version)
left = 1000
print("done")
"""


@pytest.mark.parametrize("steps", range(0, 16, 2))
def test_a_writer_that_is_killed_leaves_whole_files_and_stops_nobody(root, steps):
    """Kill -9 at one system call or another: each file is old or new, and the next writer goes on at once."""
    (root / "noarch" / "old").write_bytes(b"old")
    process = run(KILLED, root, steps)
    out, err = process.communicate()
    assert process.returncode == -9 or (out == "done\n" and steps > 9), err
    store = Directory(root, patience=5)
    assert store.read("noarch/old", 9).data in (b"old", b"new" * 3)
    with store.hold("noarch"):
        if not store.create("noarch/new", b"new" * 3):
            assert store.read("noarch/new", 9).data == b"new" * 3
        store.replace("noarch/old", b"newer", store.read("noarch/old", 9).version)
    assert store.list("noarch") == [Entry("new", 9), Entry("old", 5)]


class AgainstADictionary(RuleBasedStateMachine):
    """Whatever is called in whatever order, the directory does what a dictionary with versions would do."""

    paths = st.sampled_from(["a", "noarch/a", "noarch/b", "noarch/b/c", "osx-64/a"])

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = Directory(Path(self.folder.name))
        self.files: dict[str, bytes] = {}
        self.versions: dict[str, str] = {}

    def teardown(self):
        self.folder.cleanup()

    def possible(self, path):
        """Whether no file stands where a folder is to be, nor the other way round."""
        return not any(path.startswith(f"{other}/") or other.startswith(f"{path}/") for other in self.files)

    @rule(path=paths, data=st.binary(max_size=3), streamed=st.booleans())
    def create(self, path, data, streamed):
        if not self.possible(path):
            return
        made = self.store.create_from(path, io.BytesIO(data)) if streamed else self.store.create(path, data)
        there = (Path(self.folder.name) / path).is_dir()
        assert made == (path not in self.files and not there)
        if made:
            self.files[path] = data

    @rule(path=paths, data=st.binary(max_size=3), stale=st.booleans())
    def replace(self, path, data, stale):
        if not self.possible(path) or (Path(self.folder.name) / path).is_dir():
            return
        current = self.store.read(path, 3).version if path in self.files else None
        version = self.versions.get(path) if stale else current
        try:
            written = self.store.replace(path, data, version)
        except Conflict:
            assert version != current
        else:
            assert version == current
            self.files[path], self.versions[path] = data, written

    @rule(path=paths)
    def delete(self, path):
        try:
            self.store.delete(path)
        except CondattestError:
            assert (Path(self.folder.name) / path).is_dir()
        else:
            self.files.pop(path, None)

    @invariant()
    def holds_the_same(self):
        for path, data in self.files.items():
            assert self.store.read(path, 3).data == data
        for path in ("a", "noarch/a", "noarch/b", "noarch/b/c", "osx-64/a"):
            if path not in self.files and not (Path(self.folder.name) / path).is_dir():
                with pytest.raises(NotFound):
                    self.store.read(path, 3)
        for folder in ("noarch", "osx-64"):
            direct = {path.split("/")[1]: len(data) for path, data in self.files.items() if path.count("/") == 1}
            expected = [Entry(name, size) for name, size in sorted(direct.items()) if f"{folder}/{name}" in self.files]
            assert [entry.name for entry in self.store.list(folder)] == [entry.name for entry in expected]


TestAgainstADictionary = AgainstADictionary.TestCase
TestAgainstADictionary.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
