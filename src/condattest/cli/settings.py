"""The global options, taken before and after the verb, and what they mean.

Owns `Settings`, `Command`, `Group`, `pass_settings`, and the options that several verbs have: `jobs_option`,
`no_state_option`. The same options hang on every command; the innermost wins.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

_PANEL: Final = "Global options (before or after the verb)"
_FILE: Final = click.Path(path_type=Path, dir_okay=False)


@dataclass(slots=True)
class Settings:
    """The global options' values."""

    json: bool = False
    quiet: bool = False
    verbose: int = 0
    color: str = "auto"
    offline: bool = False
    trust_config: Path | None = None
    trusted_root: Path | None = None
    staging: bool = False


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    assert parameter.name is not None  # noqa: S101 (click names every option)
    root = context.find_root()
    settings = root.ensure_object(Settings)
    given = context.get_parameter_source(parameter.name) in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    # The environment is read at every level; a value from the command line, at any level, stands before it.
    typed: set[str] = root.meta.setdefault("condattest.typed", set())
    if context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
        typed.add(parameter.name)
        setattr(settings, parameter.name, value)
    elif given and parameter.name not in typed:
        setattr(settings, parameter.name, value)
    return value


def _options() -> list[click.Option]:
    shared: dict[str, Any] = {"expose_value": False, "is_eager": True, "callback": _keep}
    return [
        click.Option(["--json", "json"], is_flag=True, help="One JSON document on stdout.", **shared),
        click.Option(["-q", "--quiet", "quiet"], is_flag=True, help="No progress, no hints.", **shared),
        click.Option(["-v", "--verbose", "verbose"], count=True, help="More; twice for the libraries' logs.", **shared),
        click.Option(
            ["--color", "color"],
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            help="Colours; NO_COLOR and FORCE_COLOR are kept.",
            **shared,
        ),
        click.Option(
            ["--offline", "offline"], is_flag=True, envvar="CONDATTEST_OFFLINE", help="Open no socket.", **shared
        ),
        click.Option(
            ["--trust-config", "trust_config"],
            type=_FILE,
            envvar="CONDATTEST_TRUST_CONFIG",
            help="A client trust config: verify and sign with another Sigstore.",
            **shared,
        ),
        click.Option(
            ["--trusted-root", "trusted_root"],
            type=_FILE,
            envvar="CONDATTEST_TRUSTED_ROOT",
            help="A trusted_root.json: verify under it.",
            **shared,
        ),
        click.Option(
            ["--staging", "staging"],
            is_flag=True,
            envvar="CONDATTEST_STAGING",
            help="Use Sigstore's staging instance.",
            **shared,
        ),
    ]


class _WithExamples(click.Command):
    """A command that has the global options, and shows runnable examples before its own options."""

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.examples = tuple(examples)
        self._own = len(self.params)
        self.params.extend(_options())

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the command does, then the examples."""
        super().format_help_text(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options apart from the global ones."""
        shared = {option.name for option in self.params[self._own :]}
        own: list[tuple[str, str]] = []
        common: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            line = parameter.get_help_record(ctx)
            if line is not None and isinstance(parameter, click.Option):
                (common if parameter.name in shared else own).append(line)
        for title, lines in (("Options", own), (_PANEL, common)):
            if lines:
                with formatter.section(title):
                    formatter.write_dl(lines)


class Command(_WithExamples):
    """A verb, or one word below a verb."""


class Group(_WithExamples, click.Group):
    """A group whose commands have the global options, too."""

    command_class = Command
    group_class = type

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def jobs_option(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add --jobs; `what` says what is done so many at a time."""
    return click.option(
        "--jobs",
        type=click.IntRange(1, 64),
        default=4,
        show_default=True,
        envvar="CONDATTEST_JOBS",
        help=f"{what} at a time.",
    )


def no_state_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --no-state."""
    return click.option(
        "--no-state",
        is_flag=True,
        envvar="CONDATTEST_NO_STATE",
        help="Neither read nor write what this machine has seen of channels; for CI.",
    )(function)


def settings_of(context: click.Context) -> Settings:
    """The settings of a running command."""
    return context.find_root().ensure_object(Settings)


def pass_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the settings as its first argument."""

    def call(*arguments: Any, **options: Any) -> Any:
        return function(settings_of(click.get_current_context()), *arguments, **options)

    call.__name__, call.__doc__ = function.__name__, function.__doc__
    if hasattr(function, "__click_params__"):
        call.__click_params__ = function.__click_params__  # type: ignore[attr-defined]
    return call
