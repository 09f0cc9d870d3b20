"""`condattest verify`: may these packages be installed?"""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from condattest.cli import exits, listed
from condattest.cli.requirement import requirement, requirement_options, usage
from condattest.cli.session import Session
from condattest.cli.settings import Command, Settings, jobs_option, no_state_option, pass_settings
from condattest.errors import Misuse
from condattest.model.channel import Channel, canonical

if TYPE_CHECKING:
    from condattest.operations.attestations import Style
    from condattest.operations.patch_verdict import Demand


@click.command(
    "verify",
    cls=Command,
    examples=[
        "condattest verify zlib-1.3.1-hb9d3cd8_2.conda --repository OWNER/NAME --channel https://prefix.dev/CHANNEL",
        "condattest verify https://prefix.dev/CHANNEL/noarch/PKG-1.0-0.conda --policy policy.toml",
        "condattest verify --lock pixi.lock --environment default --policy policy.toml",
        "condattest verify --prefix .pixi/envs/default --policy policy.toml",
    ],
)
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@listed.listing_options
@requirement_options
@click.option("--channel", metavar="URL", help="The channel that the packages are expected to come from.")
@click.option("--subdir", metavar="NAME", help="The subdir of targets that are named by digest.")
@click.option(
    "--bundle",
    "bundles",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A bundle or sidecar to use instead of those beside the package; with one target.",
)
@click.option("--sigs-url", metavar="URL", help="A sidecar to fetch instead of the one that the index names.")
@click.option(
    "--sidecars",
    "style",
    type=click.Choice(["cep50", "prefix-v0"]),
    default="cep50",
    show_default=True,
    help="Which sidecars to look for; prefix-v0 reads prefix.dev's older .v0.sigs.",
)
@click.option(
    "--patches",
    type=click.Choice(["policy", "require", "report", "off"]),
    default="policy",
    show_default=True,
    envvar="CONDATTEST_PATCHES",
    help="Judge the patches of index records: where the policy has a [[patch]], always, only to tell, or not.",
)
@no_state_option
@jobs_option("Targets read")
@pass_settings
def command(
    settings: Settings,
    /,
    targets: tuple[str, ...],
    channel: str | None,
    subdir: str | None,
    bundles: tuple[Path, ...],
    sigs_url: str | None,
    style: "Style",
    patches: "Demand",
    no_state: bool,
    jobs: int,
    **who: Any,
) -> int:
    """Check packages against their attestations, and against who must have signed them.

    A TARGET is a package file, its URL in a channel, or NAME@sha256:HEX. Attestations are found beside a file
    (PKG.sigs, PKG.sigstore.json), or through the channel's index. Exit code 0 only if every target is accepted.

    --lock and --prefix verify what is listed there by URL and digest, through the index, without downloading packages.
    That an environment's files are still those of its packages is not checked.
    """
    from condattest.operations import targets as parsing
    from condattest.operations.judgement import kept_in
    from condattest.operations.pinned import narrowed
    from condattest.operations.question import Question, Verification
    from condattest.operations.verify import verify
    from condattest.reports import documents, terminal
    from condattest.signatures.authenticate import authenticate_parsed

    session = Session(settings)
    lists = listed.read(session, who)
    if not targets and not lists.listings:
        raise Misuse(
            "nothing to verify", hint="give a package file, its URL, NAME@sha256:HEX, --lock FILE or --prefix DIR"
        )
    if lists.listings and (bundles or sigs_url):
        raise Misuse("--bundle and --sigs-url go with one target, and not with --lock or --prefix")
    if lists.listings and style != "cep50":
        raise Misuse("--sidecars goes with files and URLs", hint="what is listed is found through the channel's index")
    required = requirement(session, who)
    question = Question(
        policy=required.policy,
        channel=channel_of(channel),
        subdir=subdir,
        bundles=bundles,
        sigs_url=sigs_url,
        style=style,
        roots=required.loaded.roots,
        patches=patches,
    )
    parsed = [*(parsing.parse(text) for text in targets), *lists.targets]
    total, unit = len(parsed), "packages"
    if not lists.listings:
        total, unit = sum(each.path.stat().st_size for each in parsed if isinstance(each, parsing.FileTarget)), "bytes"
    answers: list[Verification] = []
    local = all(isinstance(target, parsing.FileTarget) for target in parsed)
    memory = None if no_state or local else session.memory()
    with contextlib.ExitStack() as stack:
        # The same environments are verified again and again: by the day, by the commit, and where there is no network.
        kept = session.evidence() if lists.listings else None
        authenticate = authenticate_parsed if kept is None else kept_in(stack.enter_context(kept))
        fetcher = stack.enter_context(session.fetcher(cached=bool(lists.listings)))
        advance = stack.enter_context(session.progress("verifying", total or None, unit))
        found = verify(
            parsed,
            question,
            trust=session.trust,
            fetcher=fetcher,
            now=session.now,
            memory=memory,
            jobs=jobs,
            authenticate=authenticate,
            on_bytes=advance if unit == "bytes" else lambda count: None,
        )
        for answer in narrowed(found, lists.pins, required.policy):
            answers.append(answer)
            advance(unit == "packages")
    session.save(memory)
    code = exits.of_verdicts(answer.verdict for answer in answers)
    rules = usage(required.policy, answers) if required.from_file else []
    content = {**documents.verifications(answers), "policy": documents.policy(required.policy), "rules": rules}
    content["lists"] = lists.documents()
    session.render(
        documents.document("verify", code, **content),
        lambda console: terminal.verifications(console, answers, verbose=settings.verbose > 0),
    )
    lists.tell(session)
    required.tell_usage(session, answers)
    return code


def channel_of(text: str | None) -> Channel | None:
    """Read a --channel option.

    Raises:
        Misuse: It is not a channel URL.
    """
    if text is None:
        return None
    try:
        return canonical(text)
    except ValueError as error:
        raise Misuse(f"--channel: {error}") from None
