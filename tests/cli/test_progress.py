"""Progress is a bar on a terminal, and a line now and then elsewhere."""

import io

from rich.console import Console

from condattest.cli import progress


def test_without_a_terminal_a_line_is_told_at_each_interval():
    out, now = io.StringIO(), [0.0]
    console = Console(file=out, force_terminal=False, width=100)
    with progress.show(console, "hashing", 100, "bytes", interval=10, clock=lambda: now[0]) as advance:
        advance(30)
        now[0] = 9.0
        advance(10)
        now[0] = 11.0
        advance(10)
        now[0] = 15.0
        advance(10)
    assert out.getvalue() == "hashing: 50 of 100 bytes\n"


def test_on_a_terminal_a_bar_is_shown_and_removed():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100)
    with progress.show(console, "signing", 2, "packages") as advance:
        advance(2)
    assert "signing" in out.getvalue()
