"""May this be installed? Verify packages against their attestations and a policy.

Owns `verify`. The steps, for each target: (1) what it is, by its own bytes; (2) which attestations there are; (3) who
signed each, and when (`signatures`); (4) whether policy allows that (`policy`); (5) whether the archive's own metadata
agrees with its name. Whatever cannot be had leaves the verdict undecided, and a target without a verdict does not
exist: the answers are as many as the targets.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from condattest.errors import LocalFailure, Malformed, Misuse, Unavailable
from condattest.formats import package
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding
from condattest.model.verdict import Undecided, Verdict
from condattest.operations import attestations, channel_index
from condattest.operations.attestations import Collected
from condattest.operations.channel_index import Indexes
from condattest.operations.judgement import (
    Authenticate,
    Judged,
    authenticate_and_decide,
    noted,
    of_finding,
    of_outage,
    with_metadata,
)
from condattest.operations.patch_verdict import demanded, with_patches
from condattest.operations.question import Question, Verification
from condattest.operations.rollback import held_against
from condattest.operations.targets import DigestTarget, FileTarget, ListedTarget, RefusedTarget, Target, UrlTarget
from condattest.signatures.authenticate import authenticate_parsed
from condattest.signatures.trust_root import TrustRoot
from condattest.transport import files
from condattest.transport.memory import Memory, NoMemory
from condattest.transport.on_demand import Source

if TYPE_CHECKING:
    from condattest.formats.repodata import Record


def verify(
    targets: Sequence[Target],
    question: Question,
    *,
    trust: TrustRoot,
    fetcher: Source,
    now: datetime,
    memory: Memory | None = None,
    jobs: int = 4,
    on_bytes: Callable[[int], None] = lambda count: None,
    authenticate: Authenticate = authenticate_parsed,
    indexes: Indexes | None = None,
) -> Iterator[Verification]:
    """Verify each target; yield one answer for each, in order.

    Args:
        targets: At least one.
        question: What is asked of each.
        trust: The trust root.
        fetcher: For URLs.
        now: The time at which policy is judged.
        memory: What this machine has seen of channels; without it nothing is remembered, and no rollback is noticed.
        jobs: How many targets are read at a time.
        on_bytes: Told how many bytes of packages were read, for a progress bar.
        authenticate: What authenticates a bundle; an evidence store's, say.
        indexes: Indexes that were read for earlier calls; by default each call reads its own.

    Raises:
        Misuse: There is no target, or an option does not go with the targets.
    """
    if not targets:
        raise Misuse("nothing to verify", hint="give a package file, its URL, or NAME@sha256:HEX")
    if len(targets) > 1 and (question.bundles or question.sigs_url):
        raise Misuse("--bundle and --sigs-url go with one target", hint="verify the others in calls of their own")

    for target in targets:
        if isinstance(target, DigestTarget) and not _says_where(question):
            raise Misuse(
                f"{target}: nothing says where its attestations are",
                hint="add --bundle FILE, --sigs-url URL, or --channel URL with --subdir NAME",
            )
    indexes = indexes or Indexes(fetcher)
    asking = _Asking(question, trust, fetcher, now, memory or NoMemory(), on_bytes, authenticate, indexes)
    if len(targets) == 1:
        return iter([asking.answer(targets[0])])
    return _in_order(targets, asking.answer, jobs)


def _in_order(targets: Sequence[Target], answer: Callable[[Target], Verification], jobs: int) -> Iterator[Verification]:
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        yield from pool.map(answer, targets)


Index = Mapping[str, object] | None
"""An archive's info/index.json, where it is at hand."""


@dataclass(frozen=True, slots=True)
class _Asking:
    """One question, put to targets one at a time."""

    question: Question
    trust: TrustRoot
    fetcher: Source
    now: datetime
    memory: Memory
    on_bytes: Callable[[int], None]
    authenticate: Authenticate
    indexes: Indexes

    def answer(self, target: Target) -> Verification:
        """Judge a target. The one place where what goes wrong becomes a verdict."""
        known = _Known(channel=self.question.channel)
        try:
            verdict = self._judge(target, known)
        except Malformed as error:
            verdict = of_finding(error.finding)
        except Unavailable as error:
            verdict = of_outage(error)
        except LocalFailure as error:
            verdict = Undecided((Finding.of(Code.NET_FILE, target, reason=error, hint=error.hint or None),))
        return Verification(
            target=str(target),
            file=target.file,
            sha256=known.sha256,
            channel=known.channel,
            attestations=known.places,
            judged=known.judged,
            verdict=verdict,
        )

    def _judge(self, target: Target, known: "_Known") -> Verdict:
        match target:
            case FileTarget():
                return self._file(target, known)
            case UrlTarget():
                return self._url(target, known)
            case DigestTarget(artifact=artifact):
                return self._digest(artifact, known)
            case ListedTarget():
                return self._listed(target, known)
            case RefusedTarget(finding=finding):
                raise Malformed(finding)

    def _file(self, target: FileTarget, known: "_Known") -> Verdict:
        with _opened(target.path) as opened:
            known.sha256 = files.hash_file(opened, on_bytes=self.on_bytes)
            if target.sha256 not in (None, known.sha256):
                raise Malformed(Finding.of(Code.BIND_DIGEST, target, expected=target.sha256, found=known.sha256))
            collected = self._named()
            if collected is None:
                collected = attestations.beside(target.path, style=self.question.style)
            artifact = Artifact(target.file, known.sha256, self.question.subdir)
            verdict = self._decide(collected, artifact, known, None)
            verdict, index = with_metadata(verdict, opened, target.file, self.question.subdir)
            return self._with_patches(verdict, artifact, known, None, index)

    def _url(self, target: UrlTarget, known: "_Known") -> Verdict:
        known.channel = self.question.channel or target.channel
        record: Record | None = None
        collected = self._named()
        if collected is None and self.question.style == "prefix-v0":
            collected = attestations.older_sidecar(target.url, self.fetcher)
        elif collected is None:
            record, collected = self._in_channel(target.channel, target.subdir, target.file)
        patched = record
        if patched is None and demanded(self.question.policy, known.channel, self.question.patches):
            patched = self.indexes.record(target.channel, target.subdir, target.file)
        with tempfile.TemporaryFile() as downloaded:
            known.sha256 = self._download(target.url, downloaded)
            if patched is not None:
                _check_digest(patched, known.sha256, str(target))
            artifact = Artifact(target.file, known.sha256, target.subdir)
            verdict = self._decide(collected, artifact, known, record)
            if record is not None:
                verdict = self._remember(verdict, target.channel, artifact, record, collected)
            verdict, index = with_metadata(verdict, downloaded, target.file, target.subdir)
            return self._with_patches(verdict, artifact, known, patched, index)

    def _digest(self, artifact: Artifact, known: "_Known") -> Verdict:
        known.sha256 = artifact.sha256
        channel, subdir = self.question.channel, self.question.subdir
        collected = self._named()
        if collected is not None or channel is None or subdir is None:
            placed = Artifact(artifact.file, artifact.sha256, artifact.subdir or subdir)
            verdict = self._decide(collected or Collected(), artifact, known, None)
            return self._with_patches(verdict, placed, known, None, None)
        return self._by_record(channel, Artifact(artifact.file, artifact.sha256, subdir), known, None)

    def _listed(self, target: ListedTarget, known: "_Known") -> Verdict:
        known.channel = self.question.channel or target.channel
        known.sha256 = target.sha256
        if target.sha256 is None:
            raise Malformed(channel_index.no_digest(str(target), target.file))
        artifact = Artifact(target.file, target.sha256, target.subdir)
        return self._by_record(target.channel, artifact, known, target)

    def _by_record(self, channel: Channel, artifact: Artifact, known: "_Known", listed: ListedTarget | None) -> Verdict:
        """Judge a package by its digest and the channel's record of it; of its archive there is at most metadata."""
        subdir = artifact.subdir or ""
        record, collected = self._in_channel(channel, subdir, artifact.file)
        _check_digest(record, artifact.sha256, f"{channel}/{subdir}/{artifact.file}")
        verdict = self._decide(collected, artifact, known, record)
        verdict = self._remember(verdict, channel, artifact, record, collected)
        index = None if listed is None else listed.index
        if index is None:
            verdict = noted(verdict, Finding.of(Code.SUBDIR_UNCHECKED, artifact.file, found=subdir))
        else:
            package.check(package.PackageMetadata(index, None), artifact.file, subdir)
        return self._with_patches(verdict, artifact, known, record, index, listed)

    def _in_channel(self, channel: Channel, subdir: str, file: PackageFile) -> "tuple[Record, Collected]":
        # The record's own field is judged before any further request.
        record = self.indexes.record(channel, subdir, file)
        return record, attestations.advertised(f"{channel.url}/{subdir}", record, self.fetcher)

    def _with_patches(
        self,
        verdict: Verdict,
        artifact: Artifact,
        known: "_Known",
        record: "Record | None",
        index: Index,
        listed: ListedTarget | None = None,
    ) -> Verdict:
        """Judge the record's patches, too, where the policy or the caller demands it."""
        return with_patches(
            verdict,
            self.question.patches,
            known.channel or (None if known.judged is None else known.judged.judgement.channel),
            artifact,
            None if record is None else record.members,
            index,
            None if listed is None else listed.held,
            locked=listed is not None and listed.locked,
            policy=self.question.policy,
            trust=self.trust,
            roots=self.question.roots,
            fetcher=self.fetcher,
            memory=self.memory,
            now=self.now,
        )

    def _remember(
        self, verdict: Verdict, channel: Channel, artifact: Artifact, record: "Record", collected: Collected
    ) -> Verdict:
        home = self.question.policy.home(channel)
        return held_against(self.memory, verdict, home, artifact, record, collected, now=self.now)

    def _named(self) -> Collected | None:
        """What the caller named to be used instead of what is found, if anything."""
        if not self.question.bundles and self.question.sigs_url is None:
            return None
        collected = attestations.given(self.question.bundles)
        if self.question.sigs_url is not None:
            collected += attestations.at_url(self.question.sigs_url, self.fetcher)
        return collected

    def _decide(self, collected: Collected, artifact: Artifact, known: "_Known", record: "Record | None") -> Verdict:
        known.places = collected.places
        known.judged = authenticate_and_decide(
            collected,
            artifact,
            known.channel,
            self.question.policy,
            self.trust,
            self.question.roots,
            now=self.now,
            authenticate=self.authenticate,
            indexed_at=None if record is None else _moment(record.indexed_timestamp),
        )
        return known.judged.verdict

    def _download(self, url: str, to: BinaryIO) -> Sha256:
        with self.fetcher.stream(url, package.MAX_PACKAGE) as chunks:
            return files.hash_parts(chunks, to, self.on_bytes)


@dataclass(slots=True)
class _Known:
    """What is known of a target so far, so that a failure halfway still reports it."""

    channel: Channel | None
    sha256: Sha256 | None = None
    places: tuple[str, ...] = ()
    judged: Judged | None = None


def _says_where(question: Question) -> bool:
    in_channel = question.channel is not None and question.subdir is not None
    return bool(question.bundles) or question.sigs_url is not None or in_channel


def _opened(path: Path) -> BinaryIO:
    try:
        return files.open_once(path)
    except Misuse as error:
        # It was there when the command line was read: not the user's mistake.
        raise LocalFailure(str(error), hint=error.hint) from None


def _check_digest(record: "Record", found: Sha256, where: str) -> None:
    if record.sha256 != found:
        raise Malformed(Finding.of(Code.BIND_DIGEST, f"{where}: sha256", expected=record.sha256, found=found))


def _moment(milliseconds: int | None) -> datetime | None:
    if milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None  # Unsigned, and only ever lengthens a wait.
