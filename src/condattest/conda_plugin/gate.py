"""The gate itself: conda's records in, an error or nothing out.

Owns `after_solve`, `before_link`, `doctor` and `PackagesRefused`. What was accepted after the solve is not asked for
again before linking, if the archive in the cache has the very digest; nothing is kept from run to run.

Where nothing can be judged at all (there is no trust root, say), `require` refuses; `report` says that nothing was
checked, and why. Settings that cannot be understood are an error in both: nobody knows what they ask for.
"""

import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from conda import CondaError
from conda.base.context import context
from conda.core.package_cache_data import PackageCacheData
from conda.core.prefix_data import PrefixData
from conda.models.records import PackageCacheRecord

from condattest.conda_plugin.surroundings import Gate, opened
from condattest.errors import CondattestError
from condattest.model.finding import Severity
from condattest.model.verdict import Accepted
from condattest.operations.install_gate import Answer, Mode, Unpacked, Wanted, refused, with_cache
from condattest.reports import install
from condattest.reports.plain import plain
from condattest.reports.sentences import sentence

_answers: dict[Wanted, Answer] = {}
"""What was answered in this run. The same URL and digest under another channel is another question."""
_told: set[str] = set()
"""What was said in this run of what could not be judged: the second hook has nothing to add."""


class PackagesRefused(CondaError):  # type: ignore[misc] # conda has no types where it is not installed
    """Something may not be installed. `findings` is the same for programs: `conda --json` prints it."""

    def __init__(self, answers: Sequence[Answer], total: int) -> None:
        super().__init__(install.told(answers, total, install.REFUSED))
        self.findings = install.findings(answers)
        self.condattest_package = plain(answers[0].wanted)


def after_solve(link_precs: Sequence[Any]) -> None:
    """Judge what a solver chose.

    Raises:
        CondaError: Something may not be installed, or cannot be judged.
    """
    gate = _opened()
    if gate is None:
        return
    answers = _checked(gate, len(link_precs), lambda: _judge(gate, [_solved(prec) for prec in link_precs]))
    _conclude(gate, answers, len(answers))


def before_link(link_precs: Sequence[Any]) -> None:
    """Judge what is about to be linked, by the files in conda's package cache.

    Raises:
        CondaError: As `after_solve`.
    """
    gate = _opened()
    if gate is None or not link_precs:
        return
    packages = [_unpacked(prec) for prec in link_precs]
    told = {id(answer): answer for answer in _answers.values()}
    cached = functools.partial(with_cache, packages, _answers.get, lambda wanted: _judge(gate, wanted))
    answers = _checked(gate, len(packages), cached)
    # What was told after the solve is not told twice; a refusal is always one.
    refusals = refused(answers) if gate.mode is Mode.REQUIRE else []
    _conclude(gate, refusals or [answer for answer in answers if id(answer) not in told], len(answers))


def doctor(prefix: str, *, verbose: bool) -> None:
    """Judge what an environment lists, and print it: `conda doctor`."""
    try:
        gate = opened(always=True)
        if gate is None:
            print("condattest: no policy, so nothing was checked; condattest policy init CHANNEL writes one\n")
            return
        # A record without a URL is an answer, too; what pip installed has no file of its own there.
        written = Path(prefix, "conda-meta")
        records = [each for each in PrefixData(prefix).iter_records() if (written / f"{_dist(each)}.json").is_file()]
        answers = gate.judge([_listed(record) for record in records])
    except CondattestError as error:
        print(f"condattest: {plain(error, lines=True)}\n")
        return
    bad = refused(answers)
    if bad:
        print(install.told(bad, len(answers), "the policy does not accept them"))
    else:
        print(f"condattest: the policy accepts all {len(answers)} packages")
    if verbose:
        for answer in answers:
            if isinstance(answer.verdict, Accepted):
                print(f"  {plain(answer.wanted)}: accepted by {plain(answer.verdict.rule)}")
    print()


def _opened() -> Gate | None:
    gate: Gate | None = _for_conda(opened)
    return gate


def _judge(gate: Gate, packages: Sequence[Wanted]) -> list[Answer]:
    answers = gate.judge(packages)
    _answers.update({answer.wanted: answer for answer in answers})
    return answers


def _checked(gate: Gate, total: int, judge: Callable[[], list[Answer]]) -> list[Answer]:
    """The answers; in report mode none where nothing could be judged, and that is said even to who wants it quiet."""
    if gate.mode is Mode.REQUIRE:
        return list(_for_conda(judge))
    try:
        return judge()
    except CondattestError as error:
        text = install.unchecked(error, total, install.REPORTED)
        if text not in _told:
            _told.add(text)
            sys.stderr.write(f"\n{text}\n")
        return []


def _for_conda(call: Callable[[], Any]) -> Any:
    """Call something of ours; its errors become conda's, which conda shows without a traceback."""
    try:
        return call()
    except CondattestError as error:
        hint = f"\n  next: {error.hint}" if error.hint else ""
        raise CondaError(f"condattest: {plain(error, lines=True)}{plain(hint, lines=True)}") from None


def _conclude(gate: Gate, answers: Sequence[Answer], total: int) -> None:
    bad = refused(answers)
    if bad and gate.mode is Mode.REQUIRE:
        raise PackagesRefused(bad, total)
    if bad:
        sys.stderr.write(f"\n{install.told(bad, total, install.REPORTED)}\n")
    for answer in answers:
        if isinstance(answer.verdict, Accepted):
            for note in answer.verdict.notes:
                if note.code.severity is Severity.WARNING:
                    sys.stderr.write(f"condattest: {plain(answer.wanted)}: {note.code}: {sentence(note)}\n")


def _solved(prec: Any) -> Wanted:
    held = {
        "depends": list(prec.depends or ()),
        "constrains": list(prec.constrains or ()),
        "license": prec.license,
        "license_family": prec.license_family,
        "track_features": list(prec.track_features or ()),
        "build_number": prec.build_number,
    }
    if prec.name == "python" and context.add_pip_as_python_dependency and held["depends"][-1:] == ["pip"]:
        held["depends"].pop()  # conda adds it when it reads the index.
    return Wanted(
        url=_url(prec),
        channel=prec.channel.base_url,
        subdir=prec.subdir,
        sha256=prec.sha256,
        held=held,
        dist=_dist(prec),
        site_packages=prec.get("python_site_packages_path"),
    )


def _listed(record: Any) -> Wanted:
    return Wanted(
        url=_url(record),
        channel=record.channel.base_url,
        subdir=record.subdir,
        sha256=record.sha256,
        dist=_dist(record),
    )


def _url(record: Any) -> str:
    return record.url or f"{record.channel}::{record.fn}"


def _dist(record: Any) -> str:
    return f"{record.name}-{record.version}-{record.build}"


def _unpacked(prec: Any) -> Unpacked:
    entry = PackageCacheData.get_entry_to_link(prec)
    archive = entry.package_tarball_full_path
    return Unpacked(
        wanted=_explicit(prec) if isinstance(prec, PackageCacheRecord) else _solved(prec),
        archive=Path(archive) if archive else None,
        folder=Path(entry.extracted_package_dir),
    )


def _explicit(prec: Any) -> Wanted:
    """A package that was named itself. Its digest is that of its bytes: the cache's own record proves nothing."""
    url = prec.url or str(prec.fn)
    local = Path(url2pathname(urlsplit(url).path)) if url.startswith("file:") else None
    place = prec.get("python_site_packages_path")
    return Wanted(url=url, dist=_dist(prec), site_packages=place, local=local)
