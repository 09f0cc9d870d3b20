"""Read the YAML that lock files are written in: mappings, sequences and scalars, each said once.

Owns `parse` and `NotStrict`. Refuses what a lock file never has and an attacker likes: anchors and aliases (a few lines
of them multiply to any size), tags, directives, merge keys, a second document, a key said twice (readers disagree which
counts), characters that end a line in YAML 1.1 alone (what is a comment to one reader is a value to another), a key
that is no text, more values than `MAX_EVENTS`, and nesting that is deeper than `MAX_DEPTH`.

    version: 6                          {"version": 6,
    packages:                            "packages": [{"conda": "https://conda.example/c/noarch/x-1-0.conda",
    - conda: https://conda.example...                  "sha256": "0123...", "license": None}]}
      sha256: 0123...
      license: null

A plain scalar is null, true or false, a whole number of up to 18 digits, or a text: what YAML 1.1 makes of dates,
sexagesimal numbers, fractions (`1.10`) and hexadecimal digits that look like an exponent differs between readers, and a
lock file means them as texts.

PyYAML reads the events, by libyaml where its wheel has it, since it is what conda-lock and most of Python use; nothing
is constructed by it.

Spec: https://yaml.org/spec/1.2.2/
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from condattest.errors import CondattestError

MAX_DEPTH: Final = 32
"""Levels of nesting; a lock file has six."""
MAX_EVENTS: Final = 2_000_000
"""Values, and ends of lists and mappings; a lock file of 10,000 packages has some 400,000."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DIRECTIVE = re.compile(r"^\ufeff?%", re.MULTILINE)
_LINE_ENDS = re.compile("[\x85\u2028\u2029]")
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTH: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}", re.ASCII)


class NotStrict(CondattestError):
    """The text is not YAML of this kind; `line` counts from 1."""

    line: int
    problem: str

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line
        self.problem = problem


def parse(data: bytes, *, most: int = MAX_EVENTS) -> Any:
    """Return the value of a document: dict, list, str, int, bool or None. The caller bounds the size.

    Raises:
        NotStrict: It is not strict YAML.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NotStrict(line, f"expected UTF-8, found the byte 0x{data[error.start]:02x}") from None
    # Comparing each directive with all before it, libyaml would take hours over a file of them.
    directive = _DIRECTIVE.search(text)
    if directive is not None:
        raise NotStrict(text.count("\n", 0, directive.start()) + 1, "expected no directives, found a line with % first")
    other = _LINE_ENDS.search(text)
    if other is not None:
        raise NotStrict(text.count("\n", 0, other.start()) + 1, f"expected LF to end lines, found {other[0]!a}")
    try:
        return _document(_events(text, most))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotStrict(1 if mark is None else mark.line + 1, f"expected YAML, {error.problem}") from None
    except yaml.YAMLError as error:  # A control character: the error has no line.
        raise NotStrict(1, f"expected YAML, found {ascii(str(error)[:120])[1:-1]}") from None


def _events(text: str, most: int) -> Iterator[Any]:
    loader = _LOADER(text)
    count = 0
    try:
        while loader.check_event():
            event = loader.get_event()
            count += 1
            if count > most:
                raise _refused(event, f"at most {most} values", "more")
            yield event
    finally:
        loader.dispose()


def _document(events: Iterator[Any]) -> Any:
    value: Any = None
    seen = False
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            if seen:
                raise _refused(event, "one document", "a second one")
            seen = True
            value = _value(next(events), events, 0)
    return value


def _value(event: Any, events: Iterator[Any], depth: int) -> Any:
    if isinstance(event, yaml.AliasEvent):
        raise _refused(event, "every value written out", "an alias")
    if event.anchor is not None:
        raise _refused(event, "no anchors", "an anchor")
    if event.tag is not None and event.tag != "!":
        raise _refused(event, "no tags", f"the tag {ascii(event.tag)[:80]}")
    if isinstance(event, yaml.ScalarEvent):
        return _plain(event.value) if event.implicit[0] else event.value
    if depth == MAX_DEPTH:
        raise _refused(event, f"at most {MAX_DEPTH} levels", "more")
    if isinstance(event, yaml.SequenceStartEvent):
        return _sequence(events, depth + 1)
    return _mapping(events, depth + 1)


def _sequence(events: Iterator[Any], depth: int) -> list[Any]:
    found: list[Any] = []
    for event in events:
        if isinstance(event, yaml.SequenceEndEvent):
            break
        found.append(_value(event, events, depth))
    return found


def _mapping(events: Iterator[Any], depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for event in events:
        if isinstance(event, yaml.MappingEndEvent):
            break
        if not isinstance(event, yaml.ScalarEvent):
            raise _refused(event, "a text as a key", "another value")
        _value(event, events, depth)  # Its anchor and tag, if it has any.
        if event.value == "<<":
            raise _refused(event, "every key written out", "the merge key <<")
        if event.value in found:
            raise _refused(event, "each key once", f"{ascii(event.value)[:80]} again")
        found[event.value] = _value(next(events), events, depth)
    return found


def _plain(text: str) -> str | int | bool | None:
    if text in _NULLS:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    return int(text) if _WHOLE.fullmatch(text) else text


def _refused(event: Any, expected: str, found: str) -> NotStrict:
    return NotStrict(event.start_mark.line + 1, f"expected {expected}, found {found}")
