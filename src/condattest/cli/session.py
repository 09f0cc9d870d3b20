"""What every verb needs of its surroundings: the clock, the consoles, the trust root, the network.

Owns `Session`. The clock is read here, once, and handed down.
"""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from condattest.cli.settings import Settings
from condattest.errors import Misuse
from condattest.model.finding import Code, Finding
from condattest.reports.plain import plain
from condattest.reports.sentences import sentence

if TYPE_CHECKING:
    from condattest.signatures.trust_root import TrustRoot
    from condattest.transport.cache import Cached
    from condattest.transport.evidence_store import EvidenceStore
    from condattest.transport.fetch import Fetcher
    from condattest.transport.memory import Memory
    from condattest.transport.on_demand import OnDemand


class Session:
    """One run of a command, or of a program that has its own logging (`logs=False`)."""

    def __init__(self, settings: Settings, *, logs: bool = True) -> None:
        self.settings = settings
        self.now = datetime.now(UTC)
        if logs:
            self._set_up_logging()

    @cached_property
    def out(self) -> Console:
        """Stdout, for results."""
        return self._console(stderr=False)

    @cached_property
    def err(self) -> Console:
        """Stderr, for progress, warnings and hints."""
        return self._console(stderr=True)

    def _console(self, *, stderr: bool) -> Console:
        stream = sys.stderr if stderr else sys.stdout
        color = self.settings.color
        forced = color == "always" or (color == "auto" and bool(os.environ.get("FORCE_COLOR")))
        plain_only = color == "never" or (color == "auto" and bool(os.environ.get("NO_COLOR")))
        # Not on a terminal: no wrapping that would break what a log is searched for.
        width = None if stream.isatty() else 240
        return Console(
            stderr=stderr,
            force_terminal=True if forced else None,
            no_color=plain_only,
            color_system=None if plain_only else "auto",
            highlight=False,
            markup=False,  # Foreign text is text.
            emoji=False,
            width=width,
            soft_wrap=not stream.isatty(),
        )

    @property
    def is_interactive(self) -> bool:
        """Whether a person sits at a terminal."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    @cached_property
    def trust(self) -> "TrustRoot":
        """The trust root that the global options name.

        Raises:
            Misuse: More than one is named, or the file is none.
        """
        from condattest.signatures.trust_root import TrustRoot

        settings = self.settings
        files: list[Path] = [file for file in (settings.trust_config, settings.trusted_root) if file is not None]
        if len(files) + settings.staging > 1:
            raise Misuse(
                "more than one trust root: --trust-config, --trusted-root and --staging exclude each other",
                hint="the environment counts too: CONDATTEST_TRUST_CONFIG, CONDATTEST_TRUSTED_ROOT",
            )
        if files:
            root = TrustRoot.from_file(files[0])
        elif settings.staging:
            root = TrustRoot.staging(offline=settings.offline, now=self.now)
        else:
            root = TrustRoot.production(offline=settings.offline, now=self.now)
        for note in root.notes:
            self.note(note)
        return root

    def fetcher(self, *, cached: bool = False) -> "OnDemand":
        """A bounded HTTP reader, to be closed by the caller; with a cache it answers offline, too."""
        from condattest.transport.on_demand import OnDemand

        folder = self.cache_folder() if cached else None

        def make() -> "Fetcher | Cached":
            from condattest.transport.cache import Cached
            from condattest.transport.fetch import Fetcher

            fetcher = Fetcher(offline=self.settings.offline)
            if folder is None:
                return fetcher
            return Cached(fetcher, folder / "http", offline=self.settings.offline)

        return OnDemand(make)

    def cache_folder(self) -> Path | None:
        """Where caches are: CONDATTEST_CACHE, or the user's own folder; none where CI is set and nothing is said.

        A cache that a CI system restores may come from somebody else's pull request.
        """
        if named := os.environ.get("CONDATTEST_CACHE"):
            return Path(named)
        if os.environ.get("CI"):
            return None
        import platformdirs

        return Path(platformdirs.user_cache_dir("condattest", appauthor=False))

    def evidence(self) -> "EvidenceStore | None":
        """What bundles proved before, to be closed by the caller; none where there is no cache."""
        from condattest.transport.evidence_store import EvidenceStore

        folder = self.cache_folder()
        return None if folder is None else EvidenceStore(folder / "evidence.sqlite")

    def memory(self) -> "Memory":
        """What this machine has seen of channels, in the user's state directory."""
        import platformdirs

        from condattest.transport.file_memory import FileMemory

        return FileMemory(Path(platformdirs.user_state_dir("condattest", appauthor=False)))

    def save(self, memory: "Memory | None") -> None:
        """Write down what was seen; what cannot be written is told, and costs memory alone."""
        if memory is not None:
            for lost in memory.save():
                self.note(Finding.of(Code.ROLLBACK_NOT_REMEMBERED, lost.channel, reason=lost.reason))

    def note(self, finding: Finding) -> None:
        """Tell a note on stderr."""
        if not self.settings.quiet:
            self.err.print(Text(f"note: {finding.code}: {sentence(finding)}", style="dim"))

    def say(self, text: str) -> None:
        """Tell something on stderr, unless --quiet."""
        if not self.settings.quiet:
            self.err.print(Text(plain(text, lines=True)))

    def render(self, document: dict[str, Any], terminal: Callable[[Console], None]) -> None:
        """Print the result: the document with --json, otherwise what `terminal` prints."""
        if self.settings.json:
            sys.stdout.write(json.dumps(document, indent=2) + "\n")
        else:
            terminal(self.out)

    def _set_up_logging(self) -> None:
        # Libraries log what they do, sigstore with warnings for what is judged here: only at -vv.
        logging.getLogger().handlers[:] = [logging.NullHandler()]
        # Its lowest level shows the headers of answers, and a server may repeat a token there.
        logging.getLogger("httpcore").setLevel(logging.INFO)
        if self.settings.verbose >= 2:
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(_PlainFormatter("%(name)s: %(message)s"))
            logging.getLogger().handlers[:] = [handler]
            logging.getLogger().setLevel(logging.INFO if self.settings.verbose == 2 else logging.DEBUG)

    @contextmanager
    def progress(self, label: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        """Show progress on a terminal, and a line every ten seconds elsewhere; yields the function that advances it."""
        from condattest.cli import progress

        if self.settings.quiet:
            yield lambda count: None
            return
        with progress.show(self.err, label, total, unit) as advance:
            yield advance


class _PlainFormatter(logging.Formatter):
    """Escapes what foreign text may hold, and leaves out what looks like a token."""

    def format(self, record: logging.LogRecord) -> str:
        return plain(super().format(record), lines=True)
