"""`condattest policy`: who may sign what, written down, learned, checked and explained."""

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from condattest.cli import policy_learn
from condattest.cli.requirement import requirement, requirement_options
from condattest.cli.session import Session
from condattest.cli.settings import Group, Settings, pass_settings
from condattest.cli.verify import channel_of
from condattest.errors import Misuse
from condattest.reports import documents, policies
from condattest.reports.plain import plain

_output = policy_learn.output_option
_force = policy_learn.force_option


@click.group(
    "policy",
    cls=Group,
    examples=[
        "condattest policy learn PKG.conda --channel https://prefix.dev/my-channel --output policy.toml",
        "condattest policy check policy.toml",
    ],
)
def command() -> None:
    """Say who may sign which packages, since when, and what happens otherwise."""


command.add_command(policy_learn.command)


@command.command(
    "init",
    examples=[
        "condattest policy init https://prefix.dev/my-channel --output policy.toml",
        "condattest policy init https://prefix.dev/my-channel --repository OWNER/NAME --repository-id 42",
    ],
)
@click.argument("channel")
@click.option("--repository", metavar="OWNER/NAME", help="The GitHub repository that signs.")
@click.option("--repository-id", type=click.IntRange(1), help="Its number; names can be taken over.")
@click.option("--workflow", metavar="PATH", help="Its workflow file.")
@click.option("--ref", default="refs/heads/main", show_default=True, help="The ref that runs.")
@_output
@_force
@pass_settings
def init(
    settings: Settings,
    /,
    channel: str,
    repository: str | None,
    repository_id: int | None,
    workflow: str | None,
    ref: str,
    output: Path | None,
    force: bool,
) -> int:
    """Write a commented policy for a channel, to be filled in. It accepts nothing until it is."""
    from condattest.policy.starter import starter

    session = Session(settings)
    named = channel_of(channel)
    if named is None:
        raise Misuse("expected a channel's URL")
    try:
        text = starter(named, repository=repository, repository_id=repository_id, workflow=workflow, ref=ref)
    except ValueError as error:
        raise Misuse(str(error)) from None
    _give(session, "policy-init", text, output, force)
    return 0


@command.command(
    "check", examples=["condattest policy check policy.toml", "condattest policy check policy.toml --json"]
)
@click.argument("file", type=click.Path(path_type=Path))
@pass_settings
def check(settings: Settings, /, file: Path) -> int:
    """Read a policy file and tell every error at once, each with its key and line."""
    from condattest.operations import policy_file

    session = Session(settings)
    loaded = policy_file.read(file, now=session.now)
    policy = loaded.policy
    content = documents.document(
        "policy-check",
        0,
        policy=documents.policy(policy),
        rules=[policies.rule(rule) for rule in policy.rules],
        patches=[patch.name for patch in policy.patches],
    )

    def terminal(console: Console) -> None:
        console.print(Text(f"{plain(file)}: a good policy, sha256 {policy.sha256}"))
        for rule in policy.rules:
            console.print(policies.rule_line(rule))
        for patch in policy.patches:
            console.print(policies.patch_line(patch))

    session.render(content, terminal)
    return 0


@command.command(
    "explain",
    examples=[
        "condattest policy explain PKG.conda --policy policy.toml --channel https://prefix.dev/my-channel",
        "condattest policy explain https://prefix.dev/my-channel/noarch/PKG-1.0-0.conda --json",
    ],
)
@click.argument("target")
@requirement_options
@click.option("--channel", metavar="URL", help="Where the package is expected to come from.")
@pass_settings
def explain(settings: Settings, /, target: str, channel: str | None, **who: Any) -> int:
    """Tell which rule applies to a package, which signers were tried, and which field failed: expected and found."""
    from condattest.cli import exits
    from condattest.operations import targets
    from condattest.operations.question import Question
    from condattest.operations.verify import verify
    from condattest.policy.explain import explain as steps_of

    session = Session(settings)
    required = requirement(session, who)
    question = Question(policy=required.policy, channel=channel_of(channel), roots=required.loaded.roots)
    with session.fetcher() as fetcher:
        [answer] = verify([targets.parse(target)], question, trust=session.trust, fetcher=fetcher, now=session.now)
    judged = answer.judged
    explanation = (
        None if judged is None else steps_of(judged.judgement, required.policy, judged.artifact, judged.failures)
    )
    code = exits.of_verdicts([answer.verdict])
    content = documents.document(
        "policy-explain",
        code,
        target=plain(answer.target),
        policy=documents.policy(required.policy),
        **documents.verdict(answer.verdict),
        explanation=None if explanation is None else policies.explanation(explanation),
    )
    session.render(content, lambda console: policies.explain(console, answer.verdict, explanation))
    return code


@command.command(
    "schema", examples=["condattest policy schema", "condattest policy schema --output policy.schema.json"]
)
@_output
@_force
@pass_settings
def schema(settings: Settings, /, output: Path | None, force: bool) -> int:
    """Print the JSON schema of policies, for editors."""
    from condattest.policy import load

    _give(Session(settings), "policy-schema", json.dumps(load.json_schema(), indent=2) + "\n", output, force)
    return 0


def _give(session: Session, verb: str, text: str, output: Path | None, force: bool) -> None:
    """Write a text to a file, or to stdout."""
    if output is not None:
        policy_learn.write(output, text, force)
        session.say(f"wrote {output}")
    if session.settings.json:
        written = None if output is None else str(output)
        session.render(documents.document(verb, 0, text=text, written=written), lambda console: None)
    elif output is None:
        sys.stdout.write(text)
