"""Does `condattest audit` find exactly what was planted, and does each report say just that?

Owns `Proof`: a channel with every fault of `audited_faults`, each so many times, with its generations of patches and
its policy. `Proof.differences` runs the command line in a process, over a store or over HTTP, with the policy or
without, asks for every format of report at once, reads each of them back (`audit_readers`), and says what is not as it
should be.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from condattest.model.audit import CHECKS, STATUSES, check_of
from condattest.model.finding import CODES, Severity
from tests import audited_channel, audited_patches, audited_policy
from tests.audit_readers import FORMATS, Shown, read, report_of
from tests.audited_channel import Planted
from tests.audited_faults import EVERY
from tests.audited_package import CHANNEL

REJECTED = 1
_COMMON = ("AUDIT-UNATTESTED", "MISSING-ATTESTATION")
_SEVERITIES = tuple(Severity)
_OF_STATUS = {"unattested": "unattested", "rejected": "rejected", "undecided": "undecided"}
_NEED_POLICY = ("patches", "revoked")
Pair = tuple[str, str]
Run = Callable[[list[str], Mapping[str, str]], tuple[int, str]]
"""Runs the command line with arguments and more of an environment; gives the exit code and what stderr was told."""


@dataclass(frozen=True)
class Expected:
    """What an audit is to find: codes, each with `subdir/file` or with the place in a subdir that it is about.

    Attributes:
        packages: By package, its codes.
        whole: What is said of no package.
        unexplained: By subdir, how many records no generation explains.
        ran: The checks that run.
    """

    packages: dict[str, frozenset[str]]
    whole: frozenset[Pair]
    unexplained: dict[str, int]
    ran: frozenset[str]

    @property
    def pairs(self) -> set[Pair]:
        """Everything that is found."""
        return {(code, place) for place, codes in self.packages.items() for code in codes} | self.whole

    @property
    def counts(self) -> Counter[str]:
        """By code, how often it is found."""
        return Counter(code for code, _ in self.pairs)

    def status(self, place: str) -> str:
        """How a package stands."""
        codes = self.packages[place]
        severities = {CODES[code].severity for code in codes}
        if Severity.UNKNOWN in severities:
            return "undecided"
        if Severity.ERROR in severities:
            return "rejected"
        return "unattested" if "AUDIT-UNATTESTED" in codes else "accepted"

    @property
    def totals(self) -> dict[str, int]:
        """By status, how many packages."""
        counts = Counter(map(self.status, self.packages))
        return {status: counts[status] for status in STATUSES}

    @property
    def checks(self) -> dict[str, int | None]:
        """By check, how much it finds; None for one that does not run."""
        found = Counter({name: self.totals[status] for name, status in _OF_STATUS.items()})
        for codes in self.packages.values():
            found.update({check_of(CODES[code]) for code in codes if _counts(code)} - _OF_STATUS.keys())
        # What is wrong with a chain of generations is told of its subdir.
        found.update("patches" if "/patches/" in place else check_of(CODES[code]) for code, place in self.whole)
        return {name: found[name] if name in self.ran else None for name in CHECKS}


def _counts(code: str) -> bool:
    return CODES[code].severity is not Severity.NOTE or code.startswith("AUDIT-")


@dataclass
class Proof:
    """A channel with every fault.

    Attributes:
        folder: Where it is, with its policy and its trust root.
        planted: What was planted.
        seconds: By run, how long the command took.
    """

    folder: Path
    planted: Planted
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def made(cls, folder: Path, *, packages: int, each: int, unattested: int = 0) -> "Proof":
        """Make the channel; arguments as `audited_channel.make`."""
        planted = audited_channel.make(
            folder / "channel", packages=packages, each=each, faults=EVERY, unattested=unattested
        )
        audited_patches.patch(planted, now=datetime.now(UTC))
        (folder / "policy.toml").write_text(audited_policy.policy(planted))
        (folder / "root.json").write_text(audited_channel.sandbox().trusted_root_json())
        return cls(folder, planted)

    def expected(self, *, ruled: bool, stored: bool) -> Expected:
        """What an audit is to find, with or without the policy, of a store or of a web server."""
        planted = self.planted
        packages = {f"{subdir}/{file}": set() for subdir, records in planted.records.items() for file in records}
        for code, places in planted.expected(ruled=ruled).items():
            for place in places:
                packages[place].add(code)
        whole: set[Pair] = set()
        for subdir, (code, plain, under_policy) in audited_patches.WHOLE.items():
            for file in planted.records[subdir] if ruled else ():
                packages[f"{subdir}/{file}"].add(code)
            whole.update((each, f"{subdir}/patches/1.sigs") for each in (under_policy if ruled else plain))
        silent = {place.partition("/")[0] for _, place in whole}
        if stored:
            whole.update((code, place.rpartition("/")[2]) for code, place in planted.stored())
        counts = audited_patches.unexplained(planted)
        return Expected(
            packages={place: frozenset(codes) for place, codes in packages.items()},
            whole=frozenset(whole),
            # A web server's second index is fetched only where there are generations.
            unexplained={
                subdir: count
                for subdir, count in counts.items()
                if subdir not in silent and (stored or subdir != audited_patches.WITHOUT)
            },
            ran=frozenset(CHECKS)
            - (frozenset() if ruled else frozenset(_NEED_POLICY))
            - (frozenset() if stored else frozenset({"orphans"})),
        )

    def differences(
        self, target: str, *, ruled: bool, cache: Path, run: Run | None = None, browser: bool = True
    ) -> Iterator[str]:
        """Audit, and say what is not as it should be: nothing, if all is well.

        Args:
            target: The channel's folder, or where it is served.
            ruled: Whether the policy is applied.
            cache: Where the command keeps what it proved.
            run: Runs the command; by default in a process.
            browser: Whether the page is read by a browser, where there is one.
        """
        stored = not target.startswith("http")
        expected = self.expected(ruled=ruled, stored=stored)
        with tempfile.TemporaryDirectory(dir=self.folder) as temporary:
            folder = Path(temporary)
            reports = [word for each in FORMATS for word in ("--report", f"{each}={report_of(each, folder)}")]
            policy = ["--policy", str(self.folder / "policy.toml"), "--no-state"] if ruled else []
            trust = ["--trusted-root", str(self.folder / "root.json")]
            environment = {"GITHUB_STEP_SUMMARY": str(folder / "summary"), "CONDATTEST_CACHE": str(cache)}
            began = datetime.now(UTC)
            arguments = ["audit", target, "--channel", CHANNEL.url, *trust, *policy, *reports]
            code, told = (run or self._process)(arguments, environment)
            name = f"{'store' if stored else 'HTTP'}, {'with' if ruled else 'without'} the policy"
            self.seconds[name] = (datetime.now(UTC) - began).total_seconds()
            if code != REJECTED:
                yield f"{name}: exit code {code}: {told[-2000:]}"
                return
            for format in FORMATS:
                shown = read(format, folder, browser=browser)
                yield from (f"{name}: {format}: {each}" for each in _compared(shown, expected))

    def _process(self, arguments: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "SYSTEMROOT") if name in os.environ}
        command = [sys.executable, "-m", "condattest", *arguments]
        env = {**kept, **environment, "HOME": str(self.folder / "home")}
        done = subprocess.run(command, env=env, cwd=self.folder, capture_output=True, text=True)
        return done.returncode, done.stderr


def _compared(shown: Shown, expected: Expected) -> Iterator[str]:
    """What one report says otherwise than it should."""
    yield from shown.complaints
    # (1) What it has of its own: totals, checks, counts, statuses.
    for name in ("totals", "checks", "unexplained"):
        said = getattr(shown, name)
        if said is not None and said != getattr(expected, name):
            yield f"{name}: expected {getattr(expected, name)}, found {said}"
    counts = expected.counts
    for code in sorted(counts.keys() | (shown.counts or {}).keys()) if shown.counts is not None else ():
        if shown.counts.get(code, 0) != counts[code]:
            yield f"{code}: expected {counts[code]} in all, found {shown.counts.get(code, 0)}"
    for place, status in shown.statuses.items():
        if place not in expected.packages or status != expected.status(place):
            yield f"{place}: {status}"
    # (2) What it lists: all that there is, or the worst of it as far as it has room.
    for part in shown.parts:
        wanted = {pair for pair in expected.pairs if CODES[pair[0]].severity in part.severities}
        if part.packages is not None:
            wanted = {pair for pair in wanted if (pair[1] in expected.packages) == part.packages}
        listed = set(part.pairs)
        if len(listed) != len(part.pairs):
            yield f"{len(part.pairs) - len(listed)} findings are listed twice"
        yield from (f"not planted: {code} of {place}" for code, place in sorted(listed - wanted)[:20])
        missing = wanted - listed
        if missing and (part.room is None or len(wanted) <= part.room):
            yield from (f"not found: {code} of {place}" for code, place in sorted(missing)[:20])
        elif missing:
            if len(listed) != part.room:
                yield f"{len(listed)} of {len(wanted)} findings are listed, and there is room for {part.room}"
            if part.by_rank and listed and max(map(_rank, listed)) > min(map(_rank, missing)):
                yield "what is listed is not the worst"
        if part.left is not None and part.left != len(missing):
            yield f"{part.left} findings are said to be left out, and {len(missing)} are"


def _rank(pair: Pair) -> tuple[int, bool]:
    return _SEVERITIES.index(CODES[pair[0]].severity), pair[0] in _COMMON
