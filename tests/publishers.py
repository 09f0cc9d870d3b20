"""Publishers in processes of their own: many at once, or killed at a chosen point.

`killed_at` counts every step that can change a store, and kills its own process with SIGKILL at the one that is asked
for: before a file is made, in the middle of its bytes, before it is synced, before it gets its name, and after that.
"""

import hashlib
import multiprocessing
import os
import signal
import sys
from pathlib import Path
from typing import Any

from condattest.model.channel import Channel
from condattest.operations import index as indexing
from condattest.operations import publish, publish_plan
from condattest.operations.admission import Terms
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.store import open_store

# Not tests.rehearsal, whose sandbox takes time: each process would import it again.
CHANNEL = Channel("https://conda.example/channel")
PRELOADED = [
    "condattest.operations.publish",
    "condattest.operations.index",
    "condattest.operations.patch_attest",
    "condattest.operations.patch_cosign",
    "condattest.signatures.authenticate",
    "condattest.signatures.refresh",
    "condattest.transport.directory",
    "stamina",
    "structlog",
    "sigstore.verify.verifier",
    "backports.zstd",
]


def context() -> Any:
    """Processes that begin in some milliseconds, with condattest imported, and share no lock with this one."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(PRELOADED)
    return made


def publish_all(place: str, packages: list[str], root: Path, bundles: list[Path] | None = None) -> None:
    """Publish as `condattest publish` does; any problem is this process's exit code 1."""
    store = open_store(place)
    anybody = Terms(trust=TrustRoot.from_file(root), policy=None, channel=CHANNEL)
    plans = publish_plan.plan(packages, store, anybody, bundles=bundles or ())
    outcomes, _ = publish.publish(plans, store, anybody)
    problems = [each.problem for each in outcomes if each.problem is not None]
    if problems:
        print(*map(repr, problems), file=sys.stderr)
        sys.exit(1)


def replace_all(place: str, packages: list[str], root: Path) -> None:
    """Publish as `condattest publish --replace` does."""
    store = open_store(place)
    anybody = Terms(trust=TrustRoot.from_file(root), policy=None, channel=CHANNEL)
    plans = publish_plan.plan(packages, store, anybody, replacing=True)
    outcomes, _ = publish.publish(plans, store, anybody)
    problems = [each.problem for each in outcomes if each.problem is not None]
    if problems:
        print(*map(repr, problems), file=sys.stderr)
        sys.exit(1)


def index_all(place: str) -> None:
    """Index as `condattest index` does."""
    reports = list(indexing.index(open_store(place)))
    if any(report.errors for report in reports):
        print(*(finding for report in reports for finding in report.findings), file=sys.stderr)
        sys.exit(1)


def killed_at(environment: dict[str, str], step: int, folder: str | None, work: Any, *arguments: Any) -> None:
    """Do some work, and die at the given step; exit code 0 if the work has fewer steps than that.

    Args:
        environment: The environment of whoever asks for it: processes are made of a server that may have another.
        step: The step to die at, from 1.
        folder: The directory whose changes count; None for an object store, whose requests count.
        work: A function.
        arguments: Its arguments.
    """
    os.environ.update(environment)
    counter = _Steps(step)
    if folder is None:
        _count_requests(counter)
    else:
        _count_changes(counter, os.path.realpath(folder))
    work(*arguments)


def _points_of(environment: dict[str, str], tell: Any, folder: str, work: Any, *arguments: Any) -> None:
    os.environ.update(environment)
    recorder = _Recorder(Path(folder))
    _count_changes(recorder, os.path.realpath(folder))
    work(*arguments)
    tell.send((recorder.points, recorder.step))


# The events that change a folder, with the argument that is the path in question.
_NAMED = {"os.rename": 1, "os.link": 1, "os.remove": 0, "os.mkdir": 0, "os.truncate": 0}


class _Steps:
    def __init__(self, fatal: int) -> None:
        self.left = fatal

    def passed(self) -> bool:
        """Count one; True if it is the one to die at."""
        self.left -= 1
        return self.left == 0

    def count(self) -> None:
        if self.passed():
            os.kill(os.getpid(), signal.SIGKILL)


class _Recorder:
    """Notes the steps at which a kill would leave a state of the folder that no kill before would; kills nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.step = folder, 0
        self.points: list[int] = []
        self._seen: set[str] = set()

    def passed(self) -> bool:
        """A torn write is a state of its own."""
        self.step += 1
        self.points.append(self.step)
        return False

    def count(self) -> None:
        self.step += 1
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        state = repr([(str(path), digest_of(path)) for path in files])
        if state not in self._seen:
            self._seen.add(state)
            self.points.append(self.step)


def _count_changes(steps: "_Steps | _Recorder", folder: str) -> None:
    write, fsync = os.write, os.fsync

    def inside(path: object) -> bool:
        return isinstance(path, str | os.PathLike) and os.path.realpath(path).startswith(folder)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and inside(path):
                steps.count()
        elif event in _NAMED and inside(arguments[_NAMED[event]]):
            steps.count()

    def torn(descriptor: int, data: Any) -> int:
        if steps.passed():
            write(descriptor, memoryview(data)[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return write(descriptor, data)

    def synced(descriptor: int) -> None:
        steps.count()
        fsync(descriptor)

    sys.addaudithook(hook)
    os.write, os.fsync = torn, synced


def _count_requests(steps: _Steps) -> None:
    from condattest.transport.objects import Objects

    for name in ("create", "create_from", "replace", "replace_from", "delete"):
        method = getattr(Objects, name)

        def counted(self, *arguments, method=method):
            steps.count()  # Before the request is sent, and after it was answered.
            answer = method(self, *arguments)
            steps.count()
            return answer

        setattr(Objects, name, counted)


def _called(environment: dict[str, str], function: Any, *arguments: Any) -> None:
    os.environ.update(environment)
    function(*arguments)


def run_killed(step: int, folder: str | None, work: Any, *arguments: Any) -> bool:
    """Run `killed_at` in a process; True if it was killed, False if it came to its end."""
    process = context().Process(target=killed_at, args=(dict(os.environ), step, folder, work, *arguments))
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0


def points(folder: str, work: Any, *arguments: Any) -> list[int]:
    """Do some work in a process, and tell at which steps it is worth a kill: between others the folder is the same."""
    told, tell = context().Pipe(duplex=False)
    process = context().Process(target=_points_of, args=(dict(os.environ), tell, folder, work, *arguments))
    process.start()
    tell.close()
    with told:
        found, steps = told.recv()
    process.join(60)
    assert process.exitcode == 0
    assert steps > 20, "the steps were not counted"
    assert steps > len(found) > 10, found
    return list(found)


def run_together(calls: list[tuple[Any, ...]]) -> list[int]:
    """Run functions at the same time, each in its process; their exit codes."""
    environment = dict(os.environ)
    processes = [context().Process(target=_called, args=(environment, *call)) for call in calls]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    return [process.exitcode for process in processes]


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
