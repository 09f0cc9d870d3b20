"""Write an audit in the format that was asked for. One file beside this one owns each format.

Owns the list of formats and the value of `--report FORMAT[=PATH]`. The packages are walked through as a stream: no
format but `html` holds more of them than it shows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from condattest.errors import Misuse
from condattest.model.audit import Audit
from condattest.reports import (
    audit_github,
    audit_html,
    audit_jsonl,
    audit_markdown,
    audit_sarif,
    audit_table,
)

Writer = Callable[[Audit, TextIO], None]

FORMATS: Final[Mapping[str, Writer]] = {
    "table": audit_table.write,
    "jsonl": audit_jsonl.write,
    "markdown": audit_markdown.write,
    "github": audit_github.write,
    "sarif": audit_sarif.write,
    "html": audit_html.write,
}
"""Every format, with what writes it."""


@dataclass(frozen=True, slots=True)
class Report:
    """One report that was asked for; without a path it goes to stdout."""

    format: str
    path: Path | None = None

    @classmethod
    def parse(cls, text: str) -> "Report":
        """Read `FORMAT` or `FORMAT=PATH`.

        Raises:
            Misuse: There is no such format, or the path is empty.
        """
        name, equals, path = text.partition("=")
        _writer(name)
        if equals and not path:
            raise Misuse(f"--report {name}=: expected a path after =", hint=f"--report {name}=FILE, or --report {name}")
        return cls(name, Path(path) if equals else None)


def write(format: str, audit: Audit, out: TextIO) -> None:
    """Write an audit to a text stream, which should be UTF-8.

    Raises:
        Misuse: There is no such format.
    """
    _writer(format)(audit, out)


def _writer(name: str) -> Writer:
    writer = FORMATS.get(name)
    if writer is None:
        raise Misuse(f"there is no report format {name!r}", hint=f"one of {', '.join(FORMATS)}")
    return writer
