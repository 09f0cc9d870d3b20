"""`condattest policy learn`: what was seen, as a policy or as the identities of a lock file."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from condattest.cli.exits import Exit
from condattest.cli.session import Session
from condattest.cli.settings import Command, Settings, pass_settings
from condattest.cli.verify import channel_of
from condattest.errors import Misuse
from condattest.reports import documents, policies

if TYPE_CHECKING:
    from condattest.policy.proposals import NotLearned, Observed

_FILE = click.Path(path_type=Path, dir_okay=False)
output_option = click.option("--output", type=_FILE, help="Write it there; by default it goes to stdout.")
force_option = click.option("--force", is_flag=True, help="Replace a file that is there.")


@click.command(
    "learn",
    cls=Command,
    examples=[
        "condattest policy learn dist/*.conda --channel https://prefix.dev/my-channel --output policy.toml",
        "condattest policy learn https://prefix.dev/my-channel --subdir noarch --policy policy.toml",
        "condattest policy learn --lock pixi.lock",
    ],
)
@click.argument("targets", nargs=-1, metavar="CHANNEL|PKG...")
@click.option("--channel", metavar="URL", help="Where the packages come from; by default what was signed says it.")
@click.option(
    "--subdir", "subdirs", multiple=True, metavar="NAME", help="For a channel: its subdirs.  [default: noarch]"
)
@click.option(
    "--lock",
    type=_FILE,
    help="A lock file: pin who signed each of its packages, in FILE.attest.toml; for verify --lock-identities.",
)
@click.option("--policy", "existing", type=_FILE, help="The policy to extend.")
@click.option("--accept", is_flag=True, help="Apply changes that allow more signers than before.")
@click.option(
    "--whole-channel", is_flag=True, help="One rule for all packages of a channel that have the same signers."
)
@output_option
@force_option
@pass_settings
def command(
    settings: Settings,
    /,
    targets: tuple[str, ...],
    channel: str | None,
    subdirs: tuple[str, ...],
    lock: Path | None,
    existing: Path | None,
    accept: bool,
    whole_channel: bool,
    output: Path | None,
    force: bool,
) -> int:
    """Propose a policy from who signed what: trust on first use, with exact ids.

    Against an existing policy it shows what would change. Another signer, or an attestation that is gone, is a
    regression: it is shown, never applied silently, and the exit code is 1.

    With --lock it writes the identities of a lock file's packages instead. They are read only where verify
    --lock-identities names them, and narrow whatever the policy says.
    """
    from condattest.operations import policy_file
    from condattest.policy import learn as lessons
    from condattest.policy.proposals import RuleAdded, Unchanged

    session = Session(settings)
    if not targets and lock is None:
        raise Misuse("nothing to learn from", hint="give packages, their URLs, a channel's URL, or --lock FILE")
    if lock is not None and (targets or existing is not None or whole_channel or subdirs):
        raise Misuse("--lock goes alone: its identities are one file, and name each package")
    text = None if existing is None else policy_file.text(existing)
    unseen: list[NotLearned] = []
    if lock is None:
        observed = _observed(session, targets, channel, subdirs)
    else:
        observed, unseen = _locked(session, lock, channel)
        output = output or lock.with_name(lock.name + ".attest.toml")
    where = str(existing or output or "policy.toml")
    proposal = lessons.learn(observed, text, where=where, now=session.now, accept=accept, whole_channel=whole_channel)
    proposal = replace(proposal, changes=(*proposal.changes, *unseen))
    regressed = [change for change in proposal.regressions if not getattr(change, "applied", False)]
    learned = any(
        isinstance(change, RuleAdded | Unchanged) or getattr(change, "applied", False) for change in proposal.changes
    )
    code = Exit.REJECTED if regressed else Exit.ACCEPTED if learned else Exit.UNDECIDED
    if output is not None and learned:
        write(output, proposal.text, force)
    content = documents.document(
        "policy-learn",
        code,
        observed=len(observed),
        changes=[policies.change(each) for each in proposal.changes],
        text=proposal.text,
        diff=proposal.diff,
        written=str(output) if output is not None and learned else None,
    )

    def terminal(console: Console) -> None:
        for change in proposal.changes:
            session.err.print(policies.change_line(change))
        if output is None:
            console.file.write(proposal.text if existing is None else proposal.diff)
        elif learned:
            session.say(f"wrote {output}; read it before you rely on it")

    session.render(content, terminal)
    return code


def _observed(
    session: Session, words: tuple[str, ...], channel: str | None, subdirs: tuple[str, ...]
) -> list["Observed"]:
    from condattest.operations import learn as seeing
    from condattest.operations import targets

    named = channel_of(channel)
    found = []
    with session.fetcher() as fetcher, session.progress("reading", None, "packages") as advance:
        for word in words:
            if "://" in word and not word.endswith((".conda", ".tar.bz2")):
                whole = channel_of(word)
                if whole is None:
                    raise Misuse(f"{word}: expected a channel's URL")
                for each in seeing.observe_channel(whole, subdirs or ("noarch",), session.trust, fetcher):
                    found.append(each)
                    advance(1)
            else:
                found.append(seeing.observe(targets.parse(word), named, session.trust, fetcher))
                advance(1)
    return found


def _locked(session: Session, lock: Path, channel: str | None) -> "tuple[list[Observed], list[NotLearned]]":
    """What is seen of each package of a lock file, and why nothing is to be seen of the others."""
    from condattest.operations import learn as seeing
    from condattest.operations import listings
    from condattest.policy.proposals import NotLearned, Observed

    listing = listings.of_lock(lock)
    if not listing.targets:
        raise Misuse(f"{lock}: nothing to learn from", hint="no conda package is listed there")
    with (
        session.fetcher() as fetcher,
        session.progress("reading", len(listing.targets), "packages") as advance,
    ):
        seen = []
        for each in seeing.observe_each(listing.targets, channel_of(channel), session.trust, fetcher):
            seen.append(each)
            advance(1)
    unseen = [each for each in seen if isinstance(each, NotLearned)]
    return [each for each in seen if isinstance(each, Observed)], unseen


def write(output: Path, text: str, force: bool) -> None:
    """Write a file; one that is there is replaced only by force.

    Raises:
        Misuse, LocalFailure: It is there, or cannot be written.
    """
    from condattest.transport import files

    files.write_new(output, text.encode(), replace=force)
