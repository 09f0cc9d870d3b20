"""Who must have signed: the options that say it, and the policy that they amount to.

Owns `requirement_options`, `Requirement` and `requirement`. Refuses an identity without its issuer, and two answers to
the same question.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from condattest.cli.session import Session
from condattest.errors import Misuse

if TYPE_CHECKING:
    from condattest.operations.policy_file import Loaded
    from condattest.operations.question import Verification
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
            type=click.Path(path_type=Path),
            help="A policy file; by default CONDATTEST_POLICY, the user's or the system's, never this folder's.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@dataclass(frozen=True, slots=True)
class Requirement:
    """What must hold, as a policy; `from_file` says that a policy file was read."""

    loaded: "Loaded"
    from_file: bool = False

    @property
    def policy(self) -> "Policy":
        """The policy."""
        return self.loaded.policy

    def tell_usage(self, session: Session, answers: "Sequence[Verification]") -> None:
        """Say which policy file decided, and how often each of its rules did."""
        if not self.from_file:
            return
        session.say(f"policy: {self.policy.source}, sha256 {self.policy.sha256}")
        for line in usage(self.policy, answers):
            session.say(f"  {line['rule']}: used {line['used']} times" + ("" if line["used"] else ", never"))


def usage(policy: "Policy", answers: "Sequence[Verification]") -> list[dict[str, Any]]:
    """How often each rule of a policy applied."""
    from condattest.policy.usage import Uses

    uses = Uses(policy)
    for answer in answers:
        uses.count(answer.rule)
    return [{"rule": rule.name, "used": count} for rule, count in uses.by_rule()]


def requirement(session: Session, options: dict[str, Any]) -> Requirement:
    """Take the options of `requirement_options` as a policy.

    Raises:
        Misuse: They contradict each other, or one lacks the other.
        PolicyInvalid: The policy file is not valid.
    """
    from condattest.operations.policy_file import Loaded
    from condattest.policy import rules

    repository, workflow, ref = options["repository"], options["workflow"], options["ref"]
    identity, issuer, policy_file = options["identity"], options["issuer"], options["policy_file"]
    if (identity is None) != (issuer is None):
        missing = "--issuer" if issuer is None else "--identity"
        raise Misuse(f"{missing} is missing: an identity means nothing without the issuer that vouched for it")
    if identity is not None and not (identity and issuer):
        raise Misuse("--identity and --issuer must not be empty")
    if (workflow or ref) and repository is None:
        raise Misuse("--workflow and --ref go with --repository")
    if sum(each is not None for each in (repository, identity, policy_file)) > 1:
        raise Misuse("--repository, --identity and --policy exclude each other")
    if repository is not None:
        return Requirement(Loaded(rules.for_repository(repository, workflow=workflow, ref=ref)))
    if identity is not None:
        return Requirement(Loaded(rules.for_identity(identity, issuer)))
    found = read_policy(session, policy_file)
    return Requirement(Loaded(rules.nobody_required())) if found is None else Requirement(found, from_file=True)


def read_policy(session: Session, explicit: Path | None) -> "Loaded | None":
    """Read the policy file that is named, or the user's, or the system's; None where there is none.

    Raises:
        Misuse: The file that is named does not exist.
        PolicyInvalid: The policy file is not valid.
    """
    import platformdirs

    from condattest.operations import policy_file

    user = Path(platformdirs.user_config_dir("condattest", appauthor=False))
    system = Path(platformdirs.site_config_dir("condattest", appauthor=False))
    path = policy_file.find(explicit, os.environ, user, system)
    return None if path is None else policy_file.read(path, now=session.now)
