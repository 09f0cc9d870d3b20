"""Every report of an audit read back by somebody else's parser: what it shows, and how much it says that it left out.

Owns `Shown`, `Part`, `read`, `report_of` and `FORMATS`. The page is read by a browser where there is one, else by
Python's own parser.
"""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator, FormatChecker
from markdown_it import MarkdownIt

from condattest.model.finding import CODES, Severity
from tests.sarif_schema import sarif_schema

FORMATS = ("json", "jsonl", "sarif", "markdown", "github", "table", "html")
# What the formats say of themselves, written down once more: a report that holds less or more is an error.
SARIF_ROOM, PAGE_ROOM, PAGE_WHOLE, WORST, ANNOTATIONS = 5_000, 5_000, 120, 25, 10
MARKDOWN_LIMIT, SUMMARY_LIMIT, LINE_LIMIT = 60_000, 1024 * 1024, 4_000
TOLD = frozenset(Severity) - {Severity.NOTE}
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
Pair = tuple[str, str]


@dataclass
class Part:
    """Findings that a report lists, each with its code and place.

    Attributes:
        pairs: Them.
        room: How many are listed at the most; None for all.
        severities: Which severities are listed.
        packages: Whether only findings of packages are (or only others); None for both.
        left: How many it says that it left out; None where it does not say.
        by_rank: Whether the worst come first; the page goes by packages.
    """

    pairs: list[Pair]
    room: int | None = None
    severities: frozenset[Severity] = frozenset(Severity)
    packages: bool | None = None
    left: int | None = None
    by_rank: bool = True


@dataclass
class Shown:
    """What a report shows; what it has not is None or empty."""

    parts: list[Part] = field(default_factory=list)
    counts: dict[str, int] | None = None
    totals: dict[str, int] | None = None
    checks: dict[str, int | None] | None = None
    unexplained: dict[str, int] | None = None
    statuses: dict[str, str] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)


def key_of(where: str) -> str:
    """What a finding of no package is about: the file, or the generation with its subdir."""
    generation = re.search(r"[a-z0-9-]+/patches/[0-9]+\.sigs", where)
    if generation:
        return generation[0]
    files = re.findall(r"[a-z0-9][a-z0-9._-]*?\.conda", where)
    return files[-1] if files else where


def report_of(format: str, folder: Path) -> Path:
    """Where the report of a format is."""
    return folder / f"report.{format}"


def read(format: str, folder: Path, *, browser: bool = True) -> Shown:
    """Read the report of a format; the page without a browser where that is to be quick."""
    path = report_of(format, folder)
    shown = _html(path, browser=browser) if format == "html" else _READERS[format](path)
    if format == "github":
        shown.complaints.extend(_summary(folder))
    return shown


def _documents(header: dict[str, Any], packages: Iterable[dict[str, Any]]) -> Shown:
    """What JSON and JSON lines have in common."""
    pairs = [(each["code"], key_of(each["where"])) for each in header["findings"]]
    shown = Shown(checks={each["name"]: each["found"] if each["ran"] else None for each in header["checks"]})
    shown.totals = {name: count for name, count in header["totals"].items() if name != "packages"}
    shown.unexplained = header["unexplained"]
    for each in packages:
        place = f"{each['subdir']}/{each['file']}"
        if place in shown.statuses:
            shown.complaints.append(f"{place} stands there twice")
        shown.statuses[place] = each["status"]
        pairs.extend((finding["code"], place) for finding in each["findings"])
    if header["totals"]["packages"] != len(shown.statuses) or not header["complete"]:
        shown.complaints.append(f"{len(shown.statuses)} packages of {header['totals']}")
    shown.parts = [Part(pairs)]
    return shown


def _json(path: Path) -> Shown:
    document = json.loads(path.read_bytes())
    return _documents(document, document["results"])


def _jsonl(path: Path) -> Shown:
    with path.open("rb") as lines:
        header = json.loads(next(lines))
        return _documents(header, map(json.loads, lines))


def _sarif(path: Path) -> Shown:
    log = json.loads(path.read_bytes())
    Draft7Validator(sarif_schema(), format_checker=FormatChecker()).validate(log)
    [run] = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    pairs: list[Pair] = []
    shown = Shown()
    for result in run["results"]:
        [location] = result["locations"]
        place = location["logicalLocations"][0]["fullyQualifiedName"]
        is_package = re.fullmatch(r"[^/]+/[^/]+\.conda", place) and result["message"]["text"].startswith(f"{place}: ")
        pairs += [(result["ruleId"], place if is_package else key_of(place))] * result["occurrenceCount"]
        if rules[result["ruleIndex"]] != result["ruleId"]:
            shown.complaints.append(f"rule {result['ruleIndex']} is not {result['ruleId']}")
    if sorted(rules) != sorted({code for code, _ in pairs}):
        shown.complaints.append("the rules are not those of the results")
    told = [each["message"]["text"] for each in run["invocations"][0]["toolExecutionNotifications"]]
    left = [_number(match[1]) for text in told if (match := re.match(r"([\d,]+) findings? left out", text))]
    shown.totals = {name: count for name, count in run["properties"]["totals"].items() if name != "packages"}
    shown.parts = [Part(pairs, SARIF_ROOM, left=sum(left))]
    return shown


class _Tables(HTMLParser):
    """The tables of a page, as lists of rows of cells, and its text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.text, self._inside = "", False
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._inside = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._inside:
            self.tables[-1][-1][-1] += data


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _markdown(path: Path) -> Shown:
    text = path.read_text("utf-8")
    page = _Tables(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
    by_heading = {tuple(table[0]): table[1:] for table in page.tables}
    shown = Shown(complaints=[] if len(text) <= MARKDOWN_LIMIT else [f"{len(text)} characters"])
    shown.counts = {row[0]: _number(row[2]) for row in by_heading["code", "severity", "count", "meaning"]}
    shown.checks = {
        name: None if result == "did not run" else _number(result.split()[0])
        for name, result, _ in by_heading["check", "result", "what it looks for"]
    }
    [headings] = [heading for heading in by_heading if heading[:2] == ("subdir", "packages")]
    totals = dict(zip(headings, by_heading[headings][-1], strict=True))
    names = [name if name != "authenticated" else "accepted" for name in headings[2:]]
    shown.totals = {
        name: _number(totals[heading].split()[0]) for name, heading in zip(names, headings[2:], strict=True)
    }
    worst = by_heading["code", "package", "what", "next"]
    pairs = [(code, package or key_of(what)) for code, package, what, _ in worst]
    rest = re.search(r"([\d,]+) further rows? not shown\.\s*</details>", text)
    room = WORST - (_number(rest[1]) if rest else 0)
    shown.parts = [Part(pairs, room, TOLD)]
    return shown


_COMMAND = re.compile(r"::(error|warning|notice) title=([^:,\r\n]*)::([^\r\n]*)")


def _plain(text: str) -> str:
    for code, sign in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, sign)
    return text


def _github(path: Path) -> Shown:
    lines = path.read_text("utf-8").splitlines()
    shown = Shown(complaints=[f"no command: {line[:200]}" for line in lines if not _COMMAND.fullmatch(line)])
    shown.complaints += [f"a line of {len(line)}" for line in lines if len(line) > LINE_LIMIT]
    commands = [match for line in lines if (match := _COMMAND.fullmatch(line))]
    *annotations, notice = commands
    left = {
        level: _number(match[1]) if (match := re.search(rf"([\d,]+) more {level}s?", notice[3])) else 0
        for level in ("error", "warning")
    }
    severities = {"error": {Severity.ERROR}, "warning": {Severity.UNKNOWN, Severity.WARNING}}
    for level, told in severities.items():
        pairs = []
        for match in annotations:
            if match[1] == level:
                code, _, place = _plain(match[2]).partition(": ")
                pairs.append((code, place or key_of(_plain(match[3]))))
        shown.parts.append(Part(pairs, ANNOTATIONS, frozenset(told), left=left[level]))
    if notice[1] != "notice":
        shown.complaints.append("the last line is no notice")
    return shown


def _summary(folder: Path) -> Iterator[str]:
    path = folder / "summary"
    if path.stat().st_size > SUMMARY_LIMIT:
        yield f"the summary has {path.stat().st_size} bytes"
    if path.read_text("utf-8").strip() != report_of("markdown", folder).read_text("utf-8").strip():
        yield "the summary is not the report in Markdown"


def _table(path: Path) -> Shown:
    lines = path.read_text("utf-8").splitlines()
    shown = Shown(counts={}, checks={})
    assert shown.counts is not None
    assert shown.checks is not None
    pairs, left = [], 0
    for line in lines:
        words = line.split()
        if not words:
            continue
        if words[0] in CODES and len(words) > 2 and words[1] == CODES[words[0]].severity and words[2][0].isdigit():
            shown.counts[words[0]] = _number(words[2])
        elif words[0] in CODES:
            place = words[1].removesuffix(":")
            pairs.append((words[0], place if re.fullmatch(r"[^/]+/[^/]+\.conda", place) else key_of(line)))
        elif match := re.match(r"([\d,]+) further findings? not shown", line):
            left = _number(match[1])
        elif match := re.match(r" ?([a-z-]+) +(?:([\d,]+) findings?|did not run) ", line):
            shown.checks[match[1]] = None if match[2] is None else _number(match[2])
    total = re.search(r"packages?: ([\d,]+) \w+, ([\d,]+) rejected, ([\d,]+) unattested, ([\d,]+) undecided", lines[-1])
    if total:
        names = ("accepted", "rejected", "unattested", "undecided")
        shown.totals = dict(zip(names, map(_number, total.groups()), strict=True))
    else:
        shown.complaints.append(f"no summary: {lines[-1]}")
    shown.parts = [Part(pairs, WORST, TOLD, left=left)]
    return shown


def _html(path: Path, *, browser: bool) -> Shown:
    """The page's own data, and what is in its tables; in a browser also what a click on each code shows."""
    shown = Shown()
    text = path.read_text("utf-8")
    page = _Tables(re.sub(r"<(script|style).*?</\1>", "", text, flags=re.DOTALL))
    if browser and CHROMIUM and DRIVER:
        data = _in_browser(path, shown)
    else:
        found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
        data = json.loads(found[1]) if found else {"rows": []}
    by_heading = {tuple(cell.strip() for cell in table[0]): table[1:] for table in page.tables if table}
    shown.counts = {row[0].split()[0]: _number(row[1]) for row in by_heading["code", "count", "meaning"]}
    shown.checks = {
        row[0]: None if row[1] == "did not run" else _number(row[1].split()[0])
        for row in by_heading["check", "result", "what it looks for"]
    }
    rows = data["rows"]
    pairs = [(code, f"{row['subdir']}/{row['file']}") for row in rows for code, _ in row["findings"]]
    shown.statuses = {f"{row['subdir']}/{row['file']}": row["status"] for row in rows}
    shown.complaints += [f"{row['file']} has more findings" for row in rows if row["moreFindings"]]
    if len(rows) != min(PAGE_ROOM, data["whole"]):
        shown.complaints.append(f"{len(rows)} of {data['whole']} packages")
    # Where not every package is there, those that are in order are missing, or the findings of some.
    room = None if len(rows) < PAGE_ROOM else len(pairs)
    shown.parts = [Part(pairs, room, packages=True, by_rank=False)]
    return shown


def _in_browser(path: Path, shown: Shown) -> dict[str, Any]:
    with _browser() as browser:
        browser.get(path.as_uri())
        data: dict[str, Any] = browser.execute_script("return JSON.parse(document.getElementById('data').textContent)")
        script = """return [...document.querySelectorAll('[data-code]')].map((button) => {
            button.click();
            const told = document.getElementById('count').textContent;
            document.querySelector('#chips button').click();
            return [button.dataset.code, told];
        })"""
        held = Counter(code for row in data["rows"] for code in {code for code, _ in row["findings"]})
        for code, told in browser.execute_script(script):
            if not re.search(rf"(^| of ){held[code]:,} packages?\b", told):
                shown.complaints.append(f"{code} is shown for {told}, and there are {held[code]}")
        shown.complaints += [str(each) for each in browser.get_log("browser")]
    return data


@contextmanager
def _browser() -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


_READERS: dict[str, Callable[[Path], Shown]] = {
    "json": _json,
    "jsonl": _jsonl,
    "sarif": _sarif,
    "markdown": _markdown,
    "github": _github,
    "table": _table,
}
