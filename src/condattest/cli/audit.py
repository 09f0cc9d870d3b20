"""`condattest audit`: every package of a channel."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from condattest.cli.audit_options import (
    audit_options,
    part_of,
    report_options,
    reports_of,
)
from condattest.cli.exits import Exit
from condattest.cli.generations import is_remote, origin_of
from condattest.cli.listed import Listed, listing_options, read
from condattest.cli.moments import duration_of, time_of
from condattest.cli.requirement import Requirement, requirement
from condattest.cli.session import Session
from condattest.cli.settings import Command, Settings, pass_settings
from condattest.cli.verify import channel_of
from condattest.errors import LocalFailure, Misuse
from condattest.model.channel import Channel, canonical

if TYPE_CHECKING:
    from condattest.model.audit import Audit
    from condattest.operations.audit_order import Order
    from condattest.operations.audit_outcome import Outcome

_MERGE: Final = "merge"
_OF_CHANNELS: Final = ("subdirs", "index_only", "sample", "since", "shard", "resume")


@click.command(
    "audit",
    cls=Command,
    examples=[
        "condattest audit https://prefix.dev/CHANNEL --policy policy.toml --report table --report sarif=audit.sarif",
        "condattest audit /srv/channel --channel https://conda.example/channel --fail-on rejected,unattested",
        "condattest audit https://prefix.dev/CHANNEL --shard 1/4 --report json=part-1.json",
        "condattest audit merge part-*.json",
    ],
)
@click.argument("places", nargs=-1, metavar="CHANNEL")
@listing_options
@audit_options
@report_options
@pass_settings
def command(settings: Settings, /, places: tuple[str, ...], **options: Any) -> int:
    """Look at every package of a channel: attested? by whom? when? its record patched by whom?

    CHANNEL is a URL, a directory, s3://, gs:// or az://. Without a policy, what is authentic counts as accepted,
    whoever signed it. `condattest audit merge PART.json...` joins the reports of --shard 1/N to N/N. --lock and
    --prefix look at what a lock file or an environment lists instead.
    """
    session = Session(settings)
    reports = reports_of(options.pop("reports"), json=settings.json)
    lists = read(session, options)
    fail_on, baseline_path = options.pop("fail_on"), options.pop("baseline")
    with ExitStack() as stack:
        from condattest.operations import audit_merge, audit_outcome

        names = None if fail_on is None else audit_outcome.checked([each.strip() for each in fail_on.split(",")])
        baseline = None if baseline_path is None else audit_merge.opened(baseline_path)
        if places[:1] == (_MERGE,) and len(places) > 1:
            audit = audit_merge.merge([audit_merge.opened(Path(each)) for each in places[1:]])
        elif len(places) + bool(lists.listings) != 1 or (places == (_MERGE,) and not Path(_MERGE).is_dir()):
            hint = "condattest audit CHANNEL, audit --lock FILE, audit --prefix DIR, or audit merge PART.json..."
            raise Misuse("expected one channel, or what a lock file or an environment lists", hint=hint)
        elif lists.listings:
            audit = stack.enter_context(_listed(session, lists, options))
            lists.tell(session)
        else:
            audit = stack.enter_context(_audited(session, places[0], options))
        ended = audit_outcome.outcome(audit, names, baseline)
        code = _code(audit, ended)
        _write(audit, code, reports)
        _tell(session, ended, options["resume"] if not audit.complete else None)
    return code


@contextmanager
def _audited(session: Session, place: str, options: dict[str, Any]) -> "Iterator[Audit]":
    from condattest.operations.audit import audit

    with ExitStack() as stack:
        order = _order(session, place, options, stack)
        stopped = stack.enter_context(_stopping(session))
        advance = stack.enter_context(session.progress("auditing", None, "packages"))
        running = audit(order, now=session.now, clock=lambda: datetime.now(UTC), stop=stopped, on_done=advance)
        found = stack.enter_context(running)
        session.save(order.memory)
        yield found


@contextmanager
def _listed(session: Session, lists: Listed, options: dict[str, Any]) -> "Iterator[Audit]":
    from condattest.operations.audit_listed import audit_listed
    from condattest.operations.judgement import kept_in
    from condattest.operations.pinned import narrowed
    from condattest.operations.question import Question
    from condattest.signatures.authenticate import authenticate_parsed

    given = [f"--{name.replace('_', '-')}" for name in _OF_CHANNELS if options[name]]
    if given:
        raise Misuse(f"{', '.join(given)}: goes with a channel, and not with --lock or --prefix")
    required, nobody = _required(session, options)
    question = Question(
        policy=required.policy,
        channel=channel_of(options["channel"]),
        roots=required.loaded.roots,
        patches=options["patches"],
    )
    with ExitStack() as stack:
        evidence = session.evidence() if options["cache"] else None
        memory = None if options["no_state"] else session.memory()
        stopped = stack.enter_context(_stopping(session))
        found = audit_listed(
            ", ".join(str(each.source) for each in lists.listings),
            lists.targets,
            question,
            required=not nobody,
            trust=session.trust,
            fetcher=stack.enter_context(session.fetcher(cached=options["cache"])),
            now=session.now,
            clock=lambda: datetime.now(UTC),
            memory=memory,
            late_after=duration_of(options["late_after"], "--late-after"),
            authenticate=authenticate_parsed if evidence is None else kept_in(stack.enter_context(evidence)),
            narrow=lambda answers: narrowed(answers, lists.pins, required.policy),
            stop=stopped,
            on_done=stack.enter_context(session.progress("auditing", len(lists.targets), "packages")),
        )
        audit = stack.enter_context(found)
        session.save(memory)
        yield audit


def _required(session: Session, options: dict[str, Any]) -> tuple[Requirement, bool]:
    """Who must have signed, and whether that is nobody."""
    who = {name: options[name] for name in ("repository", "workflow", "ref", "identity", "issuer", "policy_file")}
    required = requirement(session, who)
    return required, not required.from_file and not any(who.values())


def _order(session: Session, place: str, options: dict[str, Any], stack: ExitStack) -> "Order":
    from condattest.operations.audit_order import Order
    from condattest.operations.audit_records import Selection
    from condattest.operations.audit_verdicts import Terms
    from condattest.transport.origin import StoreOrigin

    required, nobody = _required(session, options)
    index_only, sample, since = options["index_only"], options["sample"], options["since"]
    if sum(each not in (None, False) for each in (index_only, sample, since)) > 1:
        raise Misuse("--index-only, --sample and --since exclude each other")
    fetcher = stack.enter_context(session.fetcher(cached=options["cache"]))
    origin = origin_of(place, fetcher)
    evidence = session.evidence() if options["cache"] and not index_only else None
    if evidence is not None:
        stack.enter_context(evidence)
    terms = Terms(
        channel=_channel(place, options["channel"], index_only=index_only),
        trust=session.trust,
        policy=None if nobody else required.policy,
        roots=required.loaded.roots,
    )
    return Order(
        origin=origin,
        terms=terms,
        fetcher=fetcher,
        store=origin.store if isinstance(origin, StoreOrigin) else None,
        subdirs=options["subdirs"],
        selection=Selection(sample=sample, since=time_of(since, "--since"), part=part_of(options["shard"])),
        index_only=index_only,
        evidence=evidence,
        patches=options["patches"],
        memory=None if options["no_state"] or terms.policy is None else session.memory(),
        late_after=duration_of(options["late_after"], "--late-after"),
        jobs=options["jobs"] or min(os.cpu_count() or 1, 64),
        resume=options["resume"],
    )


def _channel(place: str, named: str | None, *, index_only: bool) -> Channel:
    given = channel_of(named)
    if given is not None:
        return given
    try:
        if is_remote(place):
            return canonical(place)
    except ValueError as error:
        raise Misuse(f"CHANNEL: {error}") from None
    if index_only:
        return Channel("file:///")  # No statement is read that could name another.
    raise Misuse("expected --channel URL: statements and policies name the channel's canonical URL")


@contextmanager
def _stopping(session: Session) -> Iterator[Callable[[], bool]]:
    """End well at the first SIGINT or SIGTERM; at the second one, at once."""
    stopped = threading.Event()

    def stop(number: int, frame: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()
        session.say("stopping: what is under way is finished first; once more to stop at once")

    if threading.current_thread() is not threading.main_thread():
        yield stopped.is_set
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _code(audit: "Audit", ended: "Outcome") -> Exit:
    if ended.failed:
        return Exit.REJECTED
    if not len(audit.results) and not audit.findings and audit.complete:
        return Exit.USAGE
    return Exit.UNDECIDED if ended.missing or ended.not_run else Exit.ACCEPTED


def _write(audit: "Audit", code: Exit, reports: list[tuple[str, Path | None]]) -> None:
    from condattest.reports import audit_json, audits

    for format, path in reports:
        try:
            out = sys.stdout if path is None else path.open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            raise LocalFailure(f"{path}: cannot be written: {error.strerror}") from None
        try:
            if format == "json":
                audit_json.write(audit, out, exit_code=code)
            else:
                audits.write(format, audit, out)
        finally:
            if path is not None:
                out.close()
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if format == "github" and summary:
            from condattest.reports import audit_github

            audit_github.summarize(audit, Path(summary))


def _tell(session: Session, ended: "Outcome", resume: Path | None) -> None:
    for name, count in ended.failed.items():
        session.say(f"failed: {name}: {count}")
    for name in ended.not_run:
        session.say(f"undecided: {name} was asked for and did not run")
    for reason in ended.missing:
        session.say(f"undecided: {reason}")
    if resume is not None:
        session.say(f"the same command goes on where this one stopped, by what is in {resume}")
