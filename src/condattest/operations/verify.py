"""May this be installed? Verify packages against their attestations and a policy.

Owns `verify`, `Question` and `Verification`. The steps, for each target: (1) what it is, by its own bytes; (2) which
attestations there are; (3) who signed each, and when (`signatures`); (4) whether policy allows that (`policy`); (5)
whether the archive's own metadata agrees with its name. Whatever cannot be had leaves the verdict undecided, and a
target without a verdict does not exist: the answers are as many as the targets.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from condattest.errors import (
    LocalFailure,
    Malformed,
    Misuse,
    NotAuthenticated,
    NotFound,
    Offline,
    TooLarge,
    Unavailable,
)
from condattest.formats import package
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.model.evidence import Evidence
from condattest.model.finding import Code, Finding, Severity
from condattest.model.verdict import Accepted, Rejected, Undecided, Verdict
from condattest.operations import attestations
from condattest.operations.attestations import Collected, Style
from condattest.operations.targets import DigestTarget, FileTarget, Target, UrlTarget
from condattest.policy.decide import decide
from condattest.policy.rules import Policy
from condattest.signatures.authenticate import authenticate_parsed
from condattest.signatures.trust_root import TrustRoot
from condattest.transport import files
from condattest.transport.fetch import Fetcher

MAX_PACKAGE: Final = 16 * 1024**3
"""Bytes of a package that is downloaded to be verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of every target.

    Attributes:
        policy: What must hold.
        channel: The channel that the packages are expected to come from; None: as the target says, if it does.
        subdir: The subdir of targets that are known by digest alone.
        bundles: Bundles or sidecars to use instead of those found beside the target or through the index.
        sigs_url: A sidecar or bundle to fetch instead.
        style: Which sidecars are looked for.
    """

    policy: Policy
    channel: Channel | None = None
    subdir: str | None = None
    bundles: tuple[Path, ...] = ()
    sigs_url: str | None = None
    style: Style = "cep50"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The answer for one target.

    Attributes:
        target: The target as it was given, without credentials.
        file: Its file name.
        sha256: The digest of its bytes, where they were had.
        channel: The channel that it was judged for.
        attestations: Where attestations were found.
        verdict: Accepted, Rejected or Undecided.
    """

    target: str
    file: PackageFile
    sha256: Sha256 | None
    channel: Channel | None
    attestations: tuple[str, ...]
    verdict: Verdict


@dataclass(slots=True)
class _Progress:
    """What is known of a target so far, so that a failure halfway still reports it."""

    sha256: Sha256 | None = None
    channel: Channel | None = None
    places: tuple[str, ...] = ()


def verify(
    targets: Sequence[Target],
    question: Question,
    *,
    trust: TrustRoot,
    fetcher: Fetcher,
    now: datetime,
    jobs: int = 4,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> Iterator[Verification]:
    """Verify each target; yield one answer for each, in order.

    Args:
        targets: At least one.
        question: What is asked of each.
        trust: The trust root.
        fetcher: For URLs.
        now: The time at which policy is judged.
        jobs: How many targets are read at a time.
        on_bytes: Told how many bytes of packages were read, for a progress bar.

    Raises:
        Misuse: There is no target, or an option does not go with the targets.
    """
    if not targets:
        raise Misuse("nothing to verify", hint="give a package file, its URL, or NAME@sha256:HEX")
    if len(targets) > 1 and (question.bundles or question.sigs_url):
        raise Misuse("--bundle and --sigs-url go with one target", hint="verify the others in calls of their own")

    def answer(target: Target) -> Verification:
        return _verify_one(target, question, trust, fetcher, now, on_bytes)

    if len(targets) == 1:
        return iter([answer(targets[0])])
    return _in_order(targets, answer, jobs)


def _in_order(targets: Sequence[Target], answer: Callable[[Target], Verification], jobs: int) -> Iterator[Verification]:
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        yield from pool.map(answer, targets)


def _verify_one(
    target: Target,
    question: Question,
    trust: TrustRoot,
    fetcher: Fetcher,
    now: datetime,
    on_bytes: Callable[[int], None],
) -> Verification:
    known = _Progress(channel=question.channel)
    match target:
        case FileTarget() | UrlTarget():
            file = target.file
        case DigestTarget():
            file = target.artifact.file
    # The one place where what goes wrong becomes a verdict.
    try:
        verdict = _judge(target, question, trust, fetcher, now, on_bytes, known)
    except Malformed as error:
        verdict = _refusal(error.finding)
    except Unavailable as error:
        verdict = Undecided((_unavailable(error),))
    except LocalFailure as error:
        verdict = Undecided((Finding.of(Code.NET_FILE, str(target), reason=error),))
    return Verification(
        target=str(target),
        file=file,
        sha256=known.sha256,
        channel=known.channel,
        attestations=known.places,
        verdict=verdict,
    )


def _judge(
    target: Target,
    question: Question,
    trust: TrustRoot,
    fetcher: Fetcher,
    now: datetime,
    on_bytes: Callable[[int], None],
    known: _Progress,
) -> Verdict:
    indexed_at: datetime | None = None
    match target:
        case FileTarget():
            with files.open_once(target.path) as opened:
                known.sha256 = files.hash_file(opened, on_bytes=on_bytes)
                collected = _explicit(question, fetcher)
                if collected is None:
                    collected = attestations.beside(target.path, style=question.style)
                known.places = collected.places
                artifact = Artifact(target.file, known.sha256)
                verdict = authenticate_and_decide(collected, artifact, known.channel, question.policy, trust, now=now)
                return _with_metadata(verdict, opened, target.file, question.subdir)
        case UrlTarget():
            known.channel = question.channel or target.channel
            collected = _explicit(question, fetcher)
            advertised: Sha256 | None = None
            if collected is None and question.style == "prefix-v0":
                collected = attestations.older_sidecar(target.url, fetcher)
            elif collected is None:
                record, collected = attestations.in_channel(target.channel, target.subdir, target.file, fetcher)
                advertised, indexed_at = record.sha256, _moment(record.indexed_timestamp)
            known.places = collected.places
            with tempfile.TemporaryFile() as downloaded:
                known.sha256 = _download(target.url, fetcher, downloaded, on_bytes)
                if advertised is not None and advertised != known.sha256:
                    where = f"{target}: sha256"
                    raise Malformed(Finding.of(Code.BIND_DIGEST, where, expected=advertised, found=known.sha256))
                artifact = Artifact(target.file, known.sha256, target.subdir)
                verdict = authenticate_and_decide(
                    collected, artifact, known.channel, question.policy, trust, now=now, indexed_at=indexed_at
                )
                return _with_metadata(verdict, downloaded, target.file, target.subdir)
        case DigestTarget(artifact=artifact):
            known.sha256 = artifact.sha256
            collected = _explicit(question, fetcher)
            if collected is None:
                if question.channel is None or question.subdir is None:
                    raise Misuse(
                        f"{target}: nothing says where its attestations are",
                        hint="add --bundle FILE, --sigs-url URL, or --channel URL with --subdir NAME",
                    )
                record, collected = attestations.in_channel(question.channel, question.subdir, artifact.file, fetcher)
                indexed_at = _moment(record.indexed_timestamp)
                if record.sha256 != artifact.sha256:
                    where = f"{question.channel}/{question.subdir}: {artifact.file}: sha256"
                    found = record.sha256
                    raise Malformed(Finding.of(Code.BIND_DIGEST, where, expected=artifact.sha256, found=found))
            known.places = collected.places
            return authenticate_and_decide(
                collected, artifact, known.channel, question.policy, trust, now=now, indexed_at=indexed_at
            )


def authenticate_and_decide(
    collected: Collected,
    artifact: Artifact,
    channel: Channel | None,
    policy: Policy,
    trust: TrustRoot,
    *,
    now: datetime,
    indexed_at: datetime | None = None,
) -> Verdict:
    """Authenticate each bundle, and let the policy decide on what that gives."""
    evidence: list[Evidence] = []
    failures: list[Finding] = []
    for number, bundle in enumerate(collected.bundles):
        try:
            evidence.append(authenticate_parsed(bundle, trust))
        except NotAuthenticated as error:
            failures.append(error.finding if len(collected.bundles) == 1 else error.finding.at(f"bundle {number}"))
    return decide(policy, artifact, channel, evidence, failures, now=now, indexed_at=indexed_at)


def _explicit(question: Question, fetcher: Fetcher) -> Collected | None:
    if not question.bundles and question.sigs_url is None:
        return None
    collected = attestations.given(question.bundles)
    if question.sigs_url is not None:
        collected += attestations.at_url(question.sigs_url, fetcher)
    return collected


def _with_metadata(verdict: Verdict, opened: BinaryIO, file: PackageFile, subdir: str | None) -> Verdict:
    # After the digest: what the signature does not cover is not worth opening.
    if isinstance(verdict, Rejected):
        return verdict
    opened.seek(0)
    try:
        package.check(package.read(opened, file), file, subdir)
    except Malformed as error:
        seen = verdict.evidence if isinstance(verdict, Accepted) else verdict.seen
        return Rejected((error.finding,), seen)
    return verdict


def _download(url: str, fetcher: Fetcher, to: BinaryIO, on_bytes: Callable[[int], None]) -> Sha256:
    import hashlib

    digest = hashlib.sha256()
    with fetcher.stream(url, MAX_PACKAGE) as chunks:
        for chunk in chunks:
            digest.update(chunk)
            to.write(chunk)
            on_bytes(len(chunk))
    return Sha256(digest.hexdigest())


def _moment(milliseconds: int | None) -> datetime | None:
    if milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None  # Unsigned, and only ever lengthens a wait.


def _refusal(finding: Finding) -> Verdict:
    return Undecided((finding,)) if finding.code.severity is Severity.UNKNOWN else Rejected((finding,))


def _unavailable(error: Unavailable) -> Finding:
    match error:
        case NotFound():
            code = Code.NET_NOT_FOUND
        case TooLarge():
            code = Code.NET_LIMIT
        case Offline():
            code = Code.NET_OFFLINE
        case _:
            code = Code.NET_UNAVAILABLE
    return Finding.of(code, error.url, reason=error.reason)
