"""Put an index file through the screen that the proxy was told to use.

Owns `Screens`, `Mode`, `Screened`, `unless_unknown` and `held_in`. `index` goes by the index alone; `verify` asks the
gate about each record that is left, so that a solver sees what it can have and nothing else. What could not be decided
is left out, and the outcome does not last; where nothing at all could be decided, there is no outcome.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from condattest.errors import Malformed
from condattest.formats import repodata
from condattest.formats.filtered import Filtered, Screen
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Finding, Severity
from condattest.model.verdict import Accepted
from condattest.operations.screening import ByIndex, Decided, Gathering, epoch
from condattest.proxy.gate import Gate
from condattest.proxy.refused import Refused

Mode = Literal["index", "verify"]
Form = Callable[[Screen], Filtered]
Held = Callable[[PackageFile], Mapping[str, Any] | None]

_LASTS: Final = 300.0
"""Seconds for which an index whose records were verified is gone by; ages and dates are judged anew then."""
_WORTH: Final = 10.0
"""And at least so many times as long as it took. What is served in the end is judged when it is asked for."""


@dataclass(frozen=True, slots=True)
class Screened:
    """A filtered index file.

    Attributes:
        filtered: What is left.
        asked: How many packages were verified for it.
        unknown: Why some of them could not be decided; each of them is left out.
    """

    filtered: Filtered
    asked: int = 0
    unknown: tuple[Finding, ...] = ()

    @property
    def lasts(self) -> bool:
        """Whether the same bytes would be filtered so the next time."""
        return not self.unknown


def unless_unknown(screened: Iterable[Screened]) -> None:
    """Refuse to go on where packages were to be verified, and not one could be decided: that is an outage.

    Raises:
        Refused: So it is.
    """
    asked, unknown = 0, dict[Finding, None]()
    count = 0
    for each in screened:
        asked += each.asked
        count += len(each.unknown)
        unknown.update(dict.fromkeys(each.unknown))
    if count and count == asked:
        raise Refused(503, tuple(unknown)[:20])


@dataclass(frozen=True, slots=True)
class Screens:
    """How index files are filtered."""

    gate: Gate
    mode: Mode

    def epoch(self, now: datetime) -> Hashable:
        """What of the time makes a difference by the index alone; what was filtered in one epoch holds in no other."""
        return epoch(self.gate.question.policy, now)

    def lasting(self, took: float) -> float:
        """For how many seconds an outcome is gone by that took so many."""
        return max(_LASTS, _WORTH * took) if self.mode == "verify" else math.inf

    def by_index(self, channel: Channel, now: datetime) -> ByIndex:
        """The screen that goes by the index alone, for many files of one channel."""
        return ByIndex(self.gate.question.policy, channel, now)

    def put(
        self, by_index: ByIndex, channel: Channel, subdir: str, form: Form, held: Held, jobs: int | None = None
    ) -> Screened:
        """Filter an index file.

        Args:
            by_index: The first screen.
            channel: Where the file is from.
            subdir: Likewise.
            form: Filters the file by a screen.
            held: Gives a record of the file, where patches are judged.
            jobs: How many packages are verified at a time.

        Raises:
            Malformed: It is no index file.
        """
        if self.mode == "index":
            return Screened(form(by_index))
        gathering = Gathering(by_index)
        form(gathering)
        refused, unknown = dict[str, Finding](), list[Finding]()
        files, records = dict[str, Sha256](), dict[str, Mapping[str, Any] | None]()
        for name, sha256 in gathering.passed.items():
            try:
                records[name] = held(PackageFile.parse(name))
            except Malformed as error:
                refused[name] = error.finding  # A record that is none goes; the others are no worse for it.
            else:
                files[name] = sha256
        for answer in self.gate.verdicts(channel, subdir, files, lambda file: records[str(file)], jobs):
            if not isinstance(answer.verdict, Accepted):
                first = answer.verdict.findings[0]
                refused[str(answer.file)] = first
                if first.code.severity is Severity.UNKNOWN:
                    unknown.append(first)
        return Screened(form(Decided(by_index, refused)), len(files), tuple(unknown))


def held_in(data: bytes, where: str, *, is_shard: bool, wanted: bool) -> Held:
    """Give records of an index file, read once; none where none is wanted."""
    if not wanted:
        return lambda file: None
    read = repodata.read_shard(data, where=where) if is_shard else repodata.read(data, where=where)

    def held(file: PackageFile) -> Mapping[str, Any] | None:
        record = read.find(file)
        return None if record is None else record.members

    return held
