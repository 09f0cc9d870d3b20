"""What the proxy left out of indexes and refused to serve: a document, and a page that stands by itself.

Owns `document`, `to_json`, `page` and `Page`. The page loads nothing and runs nothing: one style, allowed by its digest
(Content-Security-Policy), and everything foreign made plain and escaped.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from condattest._version import __version__
from condattest.model.channel import Channel
from condattest.operations.screening import Refusal, Sheet
from condattest.reports import documents
from condattest.reports.plain import plain

_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;"
    "background:#fff}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ddd;"
    "overflow-wrap:anywhere}code{font-family:ui-monospace,monospace;font-size:.9em}.none{color:#666}"
    "@media(prefers-color-scheme:dark){body{background:#161616;color:#e8e8e8}th,td{border-color:#3a3a3a}}"
)


@dataclass(frozen=True, slots=True)
class Page:
    """A page, and the Content-Security-Policy that it is to be sent with."""

    html: str
    security: str


def document(
    channels: Mapping[str, Channel],
    sheets: Mapping[str, Sheet],
    refusals: Sequence[Refusal],
    totals: tuple[int, int],
    policy: str,
) -> dict[str, Any]:
    """What happened, as a JSON document.

    Args:
        channels: By name, what is served.
        sheets: By path, what index files lack.
        refusals: The latest refusals.
        totals: How many packages were served, and how many requests were refused.
        policy: What the policy is called.
    """
    return {
        "schema": "condattest/proxy-report/1",
        "version": __version__,
        "policy": plain(policy),
        "channels": {name: channel.url for name, channel in channels.items()},
        "packages": {"served": totals[0]},
        "refused": {
            "total": totals[1],
            "latest": [
                {
                    "at": documents.time(each.at),
                    "path": plain(each.path),
                    "status": each.status,
                    "findings": [documents.finding(finding) for finding in each.findings],
                }
                for each in refusals
            ],
        },
        "indexes": [{"path": plain(path), **_sheet(each)} for path, each in sheets.items()],
    }


def to_json(value: Mapping[str, Any]) -> str:
    """The text of a document."""
    return json.dumps(value, indent=2) + "\n"


def page(value: Mapping[str, Any]) -> Page:
    """The document as a page."""
    parts = [
        f"<h1>condattest proxy {_text(value['version'])}</h1>",
        f"<p>Policy: <code>{_text(value['policy'])}</code>. Packages served: {value['packages']['served']}. "
        f"Requests refused: {value['refused']['total']}.</p>",
        "<h2>Channels</h2>",
        _table(("name", "channel"), [(name, url) for name, url in value["channels"].items()]),
    ]
    for index in value["indexes"]:
        parts.append(f"<h2>Left out of <code>{_text(index['path'])}</code></h2>")
        parts.append(f"<p>{index['kept']} records kept, {index['leftOut']} left out.</p>")
        if index["emptied"]:
            emptied = _text(", ".join(index["emptied"]))
            parts.append(f"<p>Emptied, since it holds no conda packages or leads elsewhere: {emptied}.</p>")
        if index["leftOut"]:
            rows = [(each["file"], each["code"], each["message"]) for each in index["records"]]
            parts.append(_table(("file", "code", "why"), rows))
        if index["leftOut"] > len(index["records"]):
            parts.append(f"<p>And {index['leftOut'] - len(index['records'])} more.</p>")
    parts.append("<h2>Refused</h2>")
    refused = []
    for each in value["refused"]["latest"]:
        why = "; ".join(f"{finding['code']}: {finding['message']}" for finding in each["findings"])
        refused.append((each["at"], each["path"], str(each["status"]), why))
    parts.append(_table(("time", "path", "status", "why"), refused))
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>condattest proxy</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )
    security = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Page(html, security)


def _sheet(value: Sheet) -> dict[str, Any]:
    return {
        "kept": value.kept,
        "leftOut": value.left_out,
        "byCode": {code.value: count for code, count in sorted(value.counts.items())},
        "emptied": [plain(name) for name in value.emptied],
        "records": [{"file": plain(file), **documents.finding(finding)} for file, finding in value.shown.items()],
    }


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return '<p class="none">None.</p>'
    cells = "".join(f'<th scope="col">{_text(each)}</th>' for each in head)
    body = "".join("<tr>" + "".join(f"<td>{_text(each)}</td>" for each in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: object) -> str:
    return escape(plain(value))
