"""Who must have signed: the options that say it, and the policy that they amount to.

Owns `requirement_options`, `Requirement` and `requirement`. Refuses an identity without its issuer, and two answers to
the same question.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from condattest.cli.session import Session
from condattest.errors import Misuse
from condattest.model.verdict import Verdict
from condattest.policy import rules
from condattest.policy.rules import Policy


def requirement_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say who must have signed."""
    options = [
        click.option("--repository", metavar="OWNER/NAME", help="The GitHub repository whose workflow signed."),
        click.option("--workflow", metavar="PATH", help="With --repository: the workflow file, .github/workflows/..."),
        click.option("--ref", metavar="REF", help="With --repository: the ref that ran, refs/heads/main."),
        click.option("--identity", metavar="SAN", help="The exact identity in the certificate; with --issuer."),
        click.option("--issuer", metavar="URL", help="The OIDC issuer that vouched for --identity."),
        click.option(
            "--policy",
            "policy_file",
            type=click.Path(path_type=Path, dir_okay=False),
            envvar="CONDATTEST_POLICY",
            help="A policy file; by default the user's or the system's, never the current directory's.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@dataclass(frozen=True, slots=True)
class Requirement:
    """What must hold, as a policy."""

    policy: Policy

    def tell_usage(self, session: Session, verdicts: Sequence[Verdict]) -> None:
        """Say which policy decided, and how often each of its rules did."""


def requirement(session: Session, options: dict[str, Any]) -> Requirement:
    """Take the options of `requirement_options` as a policy.

    Raises:
        Misuse: They contradict each other, or one lacks the other.
        PolicyInvalid: The policy file is not valid.
    """
    repository, workflow, ref = options["repository"], options["workflow"], options["ref"]
    identity, issuer = options["identity"], options["issuer"]
    if (identity is None) != (issuer is None):
        missing = "--issuer" if issuer is None else "--identity"
        raise Misuse(f"{missing} is missing: an identity means nothing without the issuer that vouched for it")
    if (workflow or ref) and repository is None:
        raise Misuse("--workflow and --ref go with --repository")
    if repository is not None and identity is not None:
        raise Misuse("--repository and --identity exclude each other")
    if repository is not None:
        try:
            return Requirement(rules.for_repository(repository, workflow=workflow, ref=ref))
        except ValueError as error:
            raise Misuse(f"--repository: {error}") from None
    if identity is not None:
        return Requirement(rules.for_identity(identity, issuer))
    return Requirement(rules.nobody_required())
