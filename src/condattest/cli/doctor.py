"""`condattest doctor`: what works here, and what to do about the rest."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from condattest.cli.exits import Exit
from condattest.cli.requirement import read_policy
from condattest.cli.session import Session
from condattest.cli.settings import Command, Settings, pass_settings
from condattest.errors import LocalFailure
from condattest.operations.diagnose import CONDA_SETTINGS, diagnose
from condattest.reports import documents
from condattest.reports.plain import plain

_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


@click.command("doctor", cls=Command, examples=["condattest doctor", "condattest doctor --offline --json"])
@pass_settings
def command(settings: Settings, /) -> int:
    """Tell what works here: libraries, extras, clock, trust root, cache, policy, signing identity, conda's gate.

    Changes nothing. The exit code is 3 if a check failed.
    """
    session = Session(settings)
    checks = list(
        diagnose(
            environ=os.environ,
            interactive=session.is_interactive,
            now=session.now,
            trust=lambda: session.trust,
            policy=lambda: read_policy(session, None),
            conda=None if find_spec("conda") is None else _conda_settings,
        )
    )
    failed = any(check.state == "failed" for check in checks)
    code = Exit.UNDECIDED if failed else Exit.ACCEPTED

    def terminal(console: Console) -> None:
        for check in checks:
            line = Text.assemble((f"{check.state:>7}  ", _STYLES[check.state]), f"{check.name}: {plain(check.found)}")
            console.print(line)
            if check.advice:
                console.print(Text("\n".join(f"         {line}" for line in check.advice.split("\n")), style="dim"))

    rows = [
        {"name": check.name, "state": check.state, "found": plain(check.found), "advice": check.advice or None}
        for check in checks
    ]
    session.render(documents.document("doctor", code, checks=rows), terminal)
    return code


def _conda_settings() -> Mapping[str, Any]:
    """Ask the conda of this Python environment.

    Raises:
        LocalFailure: It does not run.
    """
    command = [sys.executable, "-m", "conda", "config", "--json", "--show", *CONDA_SETTINGS]
    try:
        ran = subprocess.run(  # noqa: S603 - our own Python, and no argument from outside.
            command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
        )
        told = json.loads(ran.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        raise LocalFailure("in this Python environment, and does not run: conda config") from None
    if not isinstance(told, dict):
        raise LocalFailure("conda config shows no settings")
    return told
