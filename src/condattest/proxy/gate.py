"""The verdict on a package that a channel lists.

Owns `Gate`. It asks `operations.verify`, as every other client of it does, and keeps no verdict: what is kept between
requests is the channel's index, for some seconds, and what bundles proved, in the evidence store.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from condattest.errors import Malformed
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code, Severity
from condattest.model.verdict import Undecided
from condattest.operations.channel_index import Indexes
from condattest.operations.judgement import Authenticate
from condattest.operations.question import Question, Verification
from condattest.operations.targets import ListedTarget
from condattest.operations.verify import verify
from condattest.proxy.paths import PackagePath
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.memory import Memory
from condattest.transport.on_demand import Source

if TYPE_CHECKING:
    from condattest.formats.repodata import Record

_FRESH: Final = 20.0
"""Seconds for which an index that was read is gone by."""
_SETTLED: Final = 2.0
"""Seconds after which an index that does not list a package is read once more: it may have been listed since."""
_SAVED: Final = 30.0
"""Seconds between two times that what was seen is written down."""


@dataclass(slots=True)
class _Read:
    indexes: Indexes
    at: float


@dataclass(slots=True)
class Gate:
    """What packages must pass. Several threads may share it.

    Attributes:
        question: What is asked of each package.
        trust: Gives the trust root for a time.
        fetcher: Gets what URLs name.
        memory: What this machine has seen of channels.
        authenticate: Authenticates a bundle.
        jobs: How many packages of an index are verified at a time.
        on_save: Called now and then, to write down what was seen.
        clock: Gives the time.
    """

    question: Question
    trust: Callable[[datetime], TrustRoot]
    fetcher: Source
    memory: Memory
    authenticate: Authenticate
    jobs: int = 4
    on_save: Callable[[], None] = lambda: None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _read: _Read | None = None
    _saved: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self, at: PackagePath) -> "Record":
        """Return what the channel's index says of a package; it has a sha256.

        Raises:
            Malformed: MISSING-PACKAGE, BIND-*, SIDECAR-FIELD, or NET-UNAVAILABLE for what is no index.
            Unavailable: The index could not be had.
        """
        read = self._current()
        try:
            return read.indexes.record(at.channel, at.subdir, at.file)
        except Malformed as error:
            missing = error.finding.code is Code.MISSING_PACKAGE
            if missing and time.monotonic() - read.at < _SETTLED:
                raise
            if missing or error.finding.code.severity is Severity.UNKNOWN:
                self._forget(read)
            if not missing:
                raise
        except BaseException:
            self._forget(read)  # It remembers failures, too.
            raise
        return self._current().indexes.record(at.channel, at.subdir, at.file)

    def verdict(self, at: PackagePath, sha256: Sha256) -> Verification:
        """Verify a package of a digest by the channel's index and attestations."""
        target = ListedTarget(at.url, at.channel, at.subdir, at.file, sha256)
        [answer] = self._verified([target], jobs=1)
        return answer

    def verdicts(
        self,
        channel: Channel,
        subdir: str,
        files: Mapping[str, Sha256],
        held: Callable[[PackageFile], Mapping[str, Any] | None],
        jobs: int | None = None,
    ) -> Iterator[Verification]:
        """Verify packages that an index file lists, each with the record that this file has of it; one after another.

        There may be hundreds of thousands: no answer is kept here.
        """
        targets = []
        for name, sha256 in files.items():
            file = PackageFile.parse(name)
            at = PackagePath("", channel, subdir, file)
            targets.append(ListedTarget(at.url, channel, subdir, file, sha256, held(file)))
        return self._verified(targets, jobs=jobs or self.jobs) if targets else iter(())

    def judges_patches(self, channel: Channel) -> bool:
        """Whether the policy judges the patches of a channel's records."""
        home = self.question.policy.home(channel)
        return any(rule.channel == home for rule in self.question.policy.patches)

    def save(self) -> None:
        """Write down what was seen."""
        with self._lock:
            self._saved = time.monotonic()
        self.on_save()

    def _verified(self, targets: Sequence[ListedTarget], *, jobs: int) -> Iterator[Verification]:
        read, now = self._current(), self.clock()
        answers = verify(
            targets,
            self.question,
            trust=self.trust(now),
            fetcher=self.fetcher,
            now=now,
            memory=self.memory,
            jobs=jobs,
            authenticate=self.authenticate,
            indexes=read.indexes,
        )
        for answer in answers:
            if isinstance(answer.verdict, Undecided):
                self._forget(read)
            yield answer
        if time.monotonic() - self._saved > _SAVED:
            self.save()

    def _current(self) -> _Read:
        with self._lock:
            if self._read is None or time.monotonic() - self._read.at > _FRESH:
                self._read = _Read(Indexes(self.fetcher), time.monotonic())
            return self._read

    def _forget(self, read: _Read) -> None:
        with self._lock:
            if self._read is read:
                self._read = None
