"""An audit as one HTML file, to be looked at in a browser or kept as an artifact of a CI job.

The file needs no network and may use none: its policy (`Content-Security-Policy`) allows exactly the one style sheet
and the one script that it holds, by their sha256. Whatever comes from a channel is text: Jinja escapes it in the page,
and in the script's data no sign is left that could end it.
"""

import base64
import hashlib
import json
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, TextIO

from condattest.model.audit import Audit
from condattest.reports import audit_page

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER: Final = "page"


def write(audit: Audit, out: TextIO) -> None:
    """Write the page, piece by piece."""
    # Jinja takes a tenth of a second to load, which the other formats are spared.
    from markupsafe import Markup

    style, script = _own("page.css"), _own("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    context = audit_page.page(audit)
    data = embedded(context.pop("data"))
    for piece in (
        _environment()
        .get_template("page.html.jinja")
        .generate(
            **context,
            content_security_policy=policy,
            # Files of this package and JSON without a sign that HTML reads: nothing here is foreign markup.
            style=Markup(style),  # noqa: S704
            script=Markup(script),  # noqa: S704
            data=Markup(data),  # noqa: S704
        )
    ):
        out.write(piece)


def embedded(value: Any) -> str:
    """JSON that can stand in a `script` element: ASCII, and without `<`, `>` and `&`."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("condattest.reports", _FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thousands"] = _thousands
    return environment


def _thousands(number: int) -> str:
    return f"{number:,}"


def _own(name: str) -> str:
    # A checkout may have other line ends; a browser hashes what it parsed, where there are line feeds alone.
    text = resources.files("condattest.reports").joinpath(_FOLDER, name).read_text("utf-8")
    return text.replace("\r\n", "\n")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
