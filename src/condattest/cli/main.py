"""The entry point: which verbs there are, and how every ending becomes an exit code and, with --json, a document.

Verbs are imported when they are used: `condattest --help` costs little more than click.
"""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final, NoReturn

import click

from condattest._version import __version__
from condattest.cli.settings import Group, Settings

if TYPE_CHECKING:
    from condattest.errors import CondattestError

_VERBS: Final = {
    "attest": ("condattest.cli.attest", "Sign a CEP 27 statement for each package."),
    "publish": ("condattest.cli.publish", "Publish packages with their attestations to a channel."),
    "index": ("condattest.cli.index", "Bring a channel's index in line with its sidecars."),
    "mirror": ("condattest.cli.mirror", "Copy packages with their attestations between channels."),
    "patch": ("condattest.cli.patch", "Say who changed a package's record, from what, and when."),
    "verify": ("condattest.cli.verify", "Check packages against their attestations and a policy."),
    "audit": ("condattest.cli.audit", "Look at every package of a channel: who signed it, who patched it."),
    "inspect": ("condattest.cli.inspect", "Show what a bundle, sidecar or package says, unverified."),
    "policy": ("condattest.cli.policy", "Write, learn, check and explain policies."),
    "proxy": ("condattest.cli.proxy", "Serve a channel without what the policy does not accept."),
    "trust": ("condattest.cli.trust", "Show the trust root, or keep a copy of it."),
    "sandbox": ("condattest.cli.sandbox", "Run a local Sigstore to rehearse with."),
    "demo": ("condattest.cli.demo", "Show the whole story, offline, in seconds."),
    "doctor": ("condattest.cli.doctor", "Tell what works here, and what to do about the rest."),
}


_GROUPS: Final = frozenset({"patch", "policy"})
"""The verbs whose documents are those of the verbs within."""


def summary(name: str) -> str:
    """What the list of verbs says of one."""
    return _VERBS[name][1]


class Verbs(Group):
    """The top group; its commands are imported by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order in which they are met."""
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb; a misspelt one is click's usage error."""
        if cmd_name not in _VERBS:
            return None
        module = import_module(_VERBS[cmd_name][0])
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, text) for name, (_, text) in _VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the verb that was probably meant."""
        from difflib import get_close_matches

        if args and args[0] not in _VERBS and not args[0].startswith("-"):
            near = get_close_matches(args[0], _VERBS, n=1)
            hint = f" Did you mean {near[0]}?" if near else " condattest --help lists them."
            raise click.UsageError(f"there is no verb {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    examples=[
        "condattest demo",
        "condattest verify PKG.conda --repository OWNER/NAME --channel https://prefix.dev/CHANNEL",
    ],
    epilog="Exit codes: 0 accepted, 1 rejected, 2 usage or policy, 3 undecided, 4 no signing identity, 70 internal, "
    "130 interrupted.",
)
@click.version_option(__version__, prog_name="condattest")
def cli() -> None:
    """Sign conda packages through Sigstore, and verify who published them."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    # Importing sigstore makes half a million objects that stay; collecting garbage at the usual pace while they come
    # takes a fifth of a short command's time and finds nothing.
    gc.set_threshold(200_000, 20, 20)
    _open_streams()
    argv = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run(argv))


def _open_streams() -> None:
    """Give streams that the caller closed a place to go, so that no file of ours is opened under their numbers."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def run(argv: Sequence[str]) -> int:
    """Run the command line and return the exit code."""
    from condattest.errors import CondattestError

    settings = Settings()
    try:
        outcome = cli.main(list(argv), prog_name="condattest", standalone_mode=False, obj=settings)
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        return _usage(error, argv)
    except click.exceptions.Abort:
        return _end(argv, 130, "Interrupted", "interrupted", "")
    except CondattestError as error:
        return _failed(error, argv)
    except (BrokenPipeError, SystemExit):
        # Whoever read stdout has gone: click and rich then exit with 1, which means "rejected" here. Nothing more is
        # said, and not that all is well.
        return _unheard()
    except OSError as error:
        # A disk that is full, a folder that cannot be written, a port that is taken: the machine's fault, not ours.
        what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
        return _end(argv, 3, "LocalFailure", what, "name another folder or port, or make room")
    except Exception as error:  # The last resort: an internal error is an exit code, and JSON where JSON was asked for.
        return _internal(error, argv, settings)
    return outcome if isinstance(outcome, int) else 0


def _unheard() -> int:
    """Let what stdout still holds go nowhere, and give the code for a result that could not be told."""
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, sys.stdout.fileno())
    finally:
        os.close(null)
    return 3


def _usage(error: click.ClickException, argv: Sequence[str]) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and "--json" not in argv:
        click.echo(error.format_message(), err=True)
        return 2
    context = getattr(error, "ctx", None)
    hint = f"{context.command_path} --help" if context is not None else "condattest --help"
    return _end(argv, 2, "Misuse", error.format_message(), hint)


def _failed(error: "CondattestError", argv: Sequence[str]) -> int:
    from condattest.cli import exits
    from condattest.errors import Malformed, NotAuthenticated

    message, hint = str(error), error.hint
    if isinstance(error, Malformed | NotAuthenticated):
        from condattest.reports.sentences import advice, sentence

        message = f"{error.finding.code}: {sentence(error.finding)}"
        hint = hint or advice(error.finding) or ""
    return _end(argv, exits.of_error(error), error.kind, message, hint)


def _internal(error: Exception, argv: Sequence[str], settings: Settings) -> int:
    text = f"internal error: {type(error).__name__}: {error}"
    if settings.verbose:
        import traceback

        text += "\n" + "".join(traceback.format_exception(error))
    return _end(argv, 70, "Internal", text, "run it again with -v and report what it shows")


def _end(argv: Sequence[str], code: int, kind: str, message: str, hint: str) -> int:
    """Tell how the command ended: on stderr for people, and as a document on stdout where --json was given."""
    from condattest.reports.plain import plain

    text, hint = plain(message, lines=True), plain(hint, lines=True)
    if "--json" in argv:
        import json

        from condattest.reports import documents

        problem = {"kind": kind, "message": text, "hint": hint or None}
        try:
            click.echo(json.dumps(documents.document(_verb(argv), code, error=problem), indent=2))
        except OSError:
            _unheard()  # A disk that is full, or a reader that has gone; stderr and the exit code say it all the same.
    click.echo(f"condattest: {text}", err=True)
    if hint and "-q" not in argv and "--quiet" not in argv:
        click.echo(
            "\n".join(f"  hint: {line}" if not i else f"        {line}" for i, line in enumerate(hint.split("\n"))),
            err=True,
        )
    return int(code)


def _verb(argv: Sequence[str]) -> str:
    """The verb as documents name it; of `patch` and `policy`, with the verb within."""
    at = next((at for at, word in enumerate(argv) if word in _VERBS), None)
    if at is None:
        return "usage"
    verb, following = argv[at], next(iter(argv[at + 1 :]), "")
    if verb in _GROUPS and following in import_module(_VERBS[verb][0]).command.commands:
        return f"{verb}-{following}"
    return verb
