"""May an installer link these packages? What it is about to link, as verdicts.

Owns `Mode`, `mode`, `Wanted`, `Answer`, `refused`, `judge`, `Unpacked` and `with_cache`. The installer's own types stay
outside: a hook turns what it has into these values, and `refused` says what stands against linking. Whatever cannot be
named, fetched or read is an answer of its own, and none of them lets anything in.

Two moments, since installers have two. Before the download a solver's choice is known by URL, digest and record
(`judge`). Before linking there are files (`with_cache`): the archive has to be the one that was verified, and what was
extracted has to be what is in it.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from condattest.errors import CondattestError, Malformed, Misuse
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.channel import canonical, redact
from condattest.model.finding import Code, Finding
from condattest.model.verdict import Accepted, Rejected, Verdict
from condattest.operations.extracted import compare
from condattest.operations.judgement import Authenticate, of_finding
from condattest.operations.question import Question, Verification
from condattest.operations.stored_package import is_subdir
from condattest.operations.targets import FileTarget, Target, listed
from condattest.operations.verify import verify
from condattest.signatures.authenticate import authenticate_parsed
from condattest.signatures.trust_root import TrustRoot
from condattest.transport import files
from condattest.transport.memory import Memory
from condattest.transport.on_demand import Source

JOBS: Final = 8
"""Packages looked at at a time: the work is mostly waiting for a server, or hashing."""
_SITE_PACKAGES: Final = "python_site_packages_path"
_USUAL_PLACE: Final = re.compile(r"(?:lib/(?:python|pypy)[0-9]\.[0-9]{1,3}t?|Lib)/site-packages", re.ASCII)


class Mode(StrEnum):
    """What becomes of a package that is not accepted: nothing, a warning, or a refusal."""

    OFF = "off"
    REPORT = "report"
    REQUIRE = "require"


def mode(setting: str, *, has_policy: bool) -> Mode:
    """Take the setting; where there is none, a policy is reported on, and without one nothing is looked at.

    Raises:
        Misuse: It is no mode, or asks for a policy that is not there.
    """
    if not setting:
        return Mode.REPORT if has_policy else Mode.OFF
    try:
        wanted = Mode(setting.strip().lower())
    except ValueError:
        raise Misuse(
            f"condattest_mode: expected off, report or require, found {setting!r:.40}",
            hint="conda config --set plugins.condattest_mode require",
        ) from None
    if wanted is not Mode.OFF and not has_policy:
        raise Misuse(
            f"condattest_mode is {wanted}, and no policy says who must have signed",
            hint="condattest policy init CHANNEL writes one; name it with plugins.condattest_policy, or put it where "
            "condattest doctor looks for it",
        )
    return wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A package that is to be linked, as the installer names it.

    Attributes:
        url: Where it comes from; `file:` is a local one.
        channel: The channel that lists it; None: the one in the URL.
        subdir: With `channel`: the subdir that lists it.
        sha256: Its digest, as the index or a list gives it, or by its own bytes; None where there is none.
        held: The record as the solver read it; None where there was no solver.
        dist: Name, version and build that the installer takes it for, `zlib-1.3.1-hb9d3cd8_2`; None if it takes those
            of the file's name.
        site_packages: Where the installer will put Python's packages on account of it (CEP 17), if it says that.
        local: The package's file, where it was named itself and is of no channel.
        index: The info/index.json of the archive, where it was read.
    """

    url: str = field(repr=False)
    channel: str | None = None
    subdir: str | None = None
    sha256: str | None = None
    held: Mapping[str, Any] | None = field(default=None, compare=False, hash=False)
    dist: str | None = None
    site_packages: str | None = None
    local: Path | None = None
    index: Mapping[str, object] | None = field(default=None, compare=False, hash=False)

    def __str__(self) -> str:
        return redact(self.url)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of a package: the digest that the verdict is about, and the verdict."""

    wanted: Wanted
    sha256: Sha256 | None
    verdict: Verdict


def refused(answers: Sequence[Answer]) -> list[Answer]:
    """The answers that let nothing in."""
    return [answer for answer in answers if not isinstance(answer.verdict, Accepted)]


def judge(
    packages: Sequence[Wanted],
    question: Question,
    *,
    trust: TrustRoot,
    fetcher: Source,
    now: datetime,
    memory: Memory | None = None,
    authenticate: Authenticate = authenticate_parsed,
    jobs: int = JOBS,
) -> list[Answer]:
    """Judge packages by name, digest, channel and record; one answer for each, in order. Nothing is downloaded.

    Args: as for `verify`.
    """
    named = [_target(wanted) for wanted in packages]
    targets = [target for target in named if not isinstance(target, Finding)]
    found: Iterator[Verification] = iter(())
    if targets:
        found = verify(
            targets,
            question,
            trust=trust,
            fetcher=fetcher,
            now=now,
            memory=memory,
            jobs=jobs,
            authenticate=authenticate,
        )
    answers = []
    for wanted, target in zip(packages, named, strict=True):
        if isinstance(target, Finding):
            answers.append(Answer(wanted, None, of_finding(target)))
        else:
            verification = next(found)
            answers.append(Answer(wanted, verification.sha256, verification.verdict))
    return answers


def _target(wanted: Wanted) -> Target | Finding:
    """What is verified; a finding where the package cannot be named."""
    try:
        if wanted.local is not None:
            local = FileTarget(wanted.local, PackageFile.parse(wanted.local.name))
            return _misnamed(wanted, local.file) or local
        target = replace(listed(wanted.url, None, wanted.held), index=wanted.index)
        if wanted.subdir is not None and not is_subdir(wanted.subdir):
            raise Misuse(f"expected a subdir such as noarch, found {ascii(wanted.subdir)[:80]}")
        if wanted.channel is not None:
            # A channel may keep its packages elsewhere (CEP 15); what lists them is what is asked.
            target = replace(target, channel=canonical(wanted.channel), subdir=wanted.subdir or target.subdir)
    except (Misuse, ValueError) as error:
        return Finding.of(Code.NET_UNAVAILABLE, wanted, reason=error)
    try:
        target = replace(target, sha256=None if wanted.sha256 is None else Sha256(wanted.sha256))
    except ValueError as error:
        return Finding.of(Code.BIND_NO_DIGEST, wanted, reason=error)
    return _misnamed(wanted, target.file) or target


def _misnamed(wanted: Wanted, file: PackageFile) -> Finding | None:
    """What is wrong if the installer takes a file for another package: it was read in an index that nobody signed."""
    if wanted.dist in (None, file.stem):
        return None
    return Finding.of(Code.BIND_METADATA, wanted, expected=file.stem, found=wanted.dist)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """A package as it lies in the installer's cache: its archive, where that is still there, and what was extracted."""

    wanted: Wanted
    archive: Path | None
    folder: Path


Known = Callable[[Wanted], Answer | None]
"""What was answered before for a package of this URL and digest, in this run; None where nothing was."""
Judge = Callable[[Sequence[Wanted]], list[Answer]]


def with_cache(packages: Sequence[Unpacked], known: Known, judge: Judge, *, jobs: int = JOBS) -> list[Answer]:
    """Judge packages that lie in a cache, by their own bytes; one answer for each, in order.

    Each archive is hashed and its content compared with what was extracted; what was not accepted with these bytes
    before is judged now, and so is a record that only the archive proves (PATCH-UNLISTED). An archive that is gone
    leaves the package undecided: its index record says nothing of files.

    Args:
        packages: What is to be linked.
        known: What was answered before.
        judge: Judges the others.
        jobs: How many archives are read at a time.
    """
    if not packages:
        return []
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        looked = list(pool.map(_look, packages))
    settled = {wanted: known(wanted) for wanted, problem in looked if problem is None}
    open_questions = [wanted for wanted, answer in settled.items() if answer is None or _is_open(answer)]
    settled.update({answer.wanted: answer for answer in (judge(open_questions) if open_questions else [])})
    answers = []
    for wanted, problem in looked:
        answer = settled.get(wanted) if problem is None else Answer(wanted, None, of_finding(problem))
        assert answer is not None  # noqa: S101 - whatever was open has been judged
        answers.append(_about_these_bytes(answer, wanted))
    return answers


def _is_open(answer: Answer) -> bool:
    """Whether something was left to be compared with the archive."""
    notes = answer.verdict.notes if isinstance(answer.verdict, Accepted) else ()
    return any(note.code is Code.PATCH_UNLISTED for note in notes)


def _about_these_bytes(answer: Answer, wanted: Wanted) -> Answer:
    """Reject where what was verified (a local file, say) is not what lies in the cache."""
    if not isinstance(answer.verdict, Accepted) or answer.sha256 == wanted.sha256:
        return answer
    finding = Finding.of(Code.BIND_DIGEST, wanted, expected=answer.sha256, found=wanted.sha256)
    return Answer(wanted, answer.sha256, Rejected((finding,), answer.verdict.evidence))


def _look(package: Unpacked) -> tuple[Wanted, Finding | None]:
    """Hash the archive, and compare what was extracted with it; the package by its own bytes, and what is wrong."""
    wanted = package.wanted
    if package.archive is None or not os.path.lexists(package.archive) or package.archive.is_dir():
        return wanted, Finding.of(Code.ARCHIVE_GONE, package.folder, expected=wanted)
    try:
        file = PackageFile.parse(package.archive.name)
        wanted = _as_kept(wanted, package.archive.name)
        if (misnamed := _misnamed(wanted, file)) is not None:
            return wanted, misnamed
        with files.open_once(package.archive) as opened:
            digest = files.hash_file(opened)
            if wanted.sha256 not in (None, digest):
                return wanted, Finding.of(Code.BIND_DIGEST, package.archive, expected=wanted.sha256, found=digest)
            index = compare(opened, file, package.folder, wanted.subdir)
        # Installers take the record's word for it, and it may lead out of the environment. Patching it is legal (CEP
        # 17), so a place where some Python looks is taken, too.
        said, place = index.get(_SITE_PACKAGES), wanted.site_packages
        if place not in (None, said) and not _USUAL_PLACE.fullmatch(place or ""):
            where = f"{package.archive}: {_SITE_PACKAGES}"
            return wanted, Finding.of(Code.BIND_METADATA, where, expected=said, found=place)
    except Malformed as error:
        return wanted, error.finding
    except (CondattestError, ValueError) as error:
        return wanted, Finding.of(Code.NET_FILE, package.archive, reason=error)
    return replace(wanted, sha256=str(digest), index=index), None


def _as_kept(wanted: Wanted, name: str) -> Wanted:
    """The package that the archive's name says: the one that is wanted, or its twin in the other format.

    conda takes an archive of the other format from its cache if name, version and build are the same. It is another
    package with attestations and a record of its own.

    Raises:
        ValueError: It is neither.
    """
    base, _, last = wanted.url.rpartition("/")
    listed_as = unquote(last)
    if listed_as == name:
        return wanted
    if PackageFile.parse(listed_as).stem != PackageFile.parse(name).stem or wanted.local is not None:
        raise ValueError(f"expected {listed_as}, found {name}")
    return replace(wanted, url=f"{base}/{quote(name)}", sha256=None, held=None)
