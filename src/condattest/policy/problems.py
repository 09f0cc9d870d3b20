"""One thing that is wrong with a policy's text: where, what was expected, what was found.

Owns `Problem`, its sentence, and the reading of pydantic's errors. A place is written as the file shows it, with list
elements counted from 1: `line 12: [[rule]] 3: min-age: expected ..., found ...`.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import ErrorDetails

from condattest.policy import documents, fields
from condattest.policy.lines import Lines, Path

NOTHING: Final = "nothing"
_LONGEST_SHOWN: Final = 80
_TYPES: Final = {
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "list_type": "a list",
    "too_short": "at least one element",
    "string_type": "a text",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem. `path` leads to the value, as in the parsed file."""

    path: Path
    expected: str
    found: str = ""
    hint: str = ""

    def sentence(self, lines: Lines) -> str:
        """Say it in one line."""
        line = lines.of(self.path)
        parts = [] if line is None else [f"line {line}"]
        parts.extend(_place(self.path))
        text = f"expected {self.expected}"
        if self.found:
            text += f", found {self.found}"
        if self.hint:
            text += f"; {self.hint}"
        return ": ".join([*parts, text])


def _place(path: Path) -> list[str]:
    """The header that the value stands under, and its key."""
    parts: list[str] = []
    rest = list(path)
    match path:
        case ("signer" | "revoked", *_):
            depth = 2 if path[0] == "signer" and len(path) > 1 else 1
            parts.append(f"[{'.'.join(show(key) for key in path[:depth])}]")
            rest = rest[depth:]
        case ("rule" | "patch" | "channel" as table, int(number), *_):
            parts.append(f"[[{table}]] {number + 1}")
            rest = rest[2:]
    key = ""
    for step in rest:
        if isinstance(step, int):
            key += f" element {step + 1}"
        else:
            key += ("." if key else "") + show(step)
    return [*parts, key] if key else parts


def show(key: str | int) -> str:
    """A key as it may be shown: nothing that is no plain key goes to a terminal as it is."""
    text = str(key)
    plain = text.replace("-", "").replace("_", "").replace(".", "")
    return text if plain.isalnum() and plain.isascii() and len(text) <= _LONGEST_SHOWN else _quoted(text)


def _quoted(text: str) -> str:
    shown = text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
    # As TOML would escape it; `ascii` also shows look-alikes for what they are.
    return '"' + ascii(shown)[1:-1].replace("\\'", "'").replace('"', '\\"') + '"'


def describe(value: object) -> str:
    """A TOML value in a few words."""
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value) if abs(value) < 2**63 else "an integer of more than 64 bits"
        case str():
            return _quoted(value) if value else "an empty text"
        case list():
            return f"a list of {len(value)}" if value else "an empty list"
        case Mapping():
            return "a table" if value else "an empty table"
        case None:
            return NOTHING
        case _:
            return str(value)


def of_pydantic(errors: Iterable[ErrorDetails], raw: Mapping[str, Any]) -> list[Problem]:
    """Read pydantic's errors about the parsed file `raw`."""
    return [_problem(error, raw) for error in errors]


def _problem(error: ErrorDetails, raw: Mapping[str, Any]) -> Problem:
    path = _without_tag(error["loc"], raw)
    kind, context, found = error["type"], error.get("ctx", {}), describe(error["input"])
    match kind:
        case fields.REFUSED:
            return Problem(path, str(context["expected"]), found)
        case "missing":
            return Problem(path, _described(path, raw), NOTHING)
        case "extra_forbidden":
            return _unknown(path, raw)
        case "literal_error":
            return Problem(path, str(context["expected"]).replace("'", '"'), found)
        case "union_tag_not_found" | "union_tag_invalid":
            kinds = " or ".join(f'"{name}"' for name in documents.SIGNERS)
            given = error["input"].get("kind") if isinstance(error["input"], Mapping) else None
            return Problem((*path, "kind"), kinds, describe(given), nearest(given, documents.SIGNERS))
        case _:
            return Problem(path, _TYPES.get(kind, error["msg"]), found)


def _without_tag(loc: tuple[str | int, ...], raw: Mapping[str, Any]) -> Path:
    # pydantic puts the kind of a signer, by which it chose the model, into the path.
    if len(loc) > 2 and loc[0] == "signer" and loc[2] == _kind(loc, raw):
        return (*loc[:2], *loc[3:])
    return loc


def _kind(path: Path, raw: Mapping[str, Any]) -> object:
    signers = raw.get("signer")
    signer = signers.get(path[1]) if isinstance(signers, Mapping) and len(path) > 1 else None
    return signer.get("kind") if isinstance(signer, Mapping) else None


def _keys_around(path: Path, raw: Mapping[str, Any]) -> dict[str, str]:
    model = documents.document_at(path[:-1], _kind(path, raw))
    return documents.keys_of(model) if model is not None else {}


def _described(path: Path, raw: Mapping[str, Any]) -> str:
    text = _keys_around(path, raw).get(str(path[-1]), "").rstrip(".")
    return text[:1].lower() + text[1:] if text else "a value"


def _unknown(path: Path, raw: Mapping[str, Any]) -> Problem:
    keys = _keys_around(path, raw)
    hint = nearest(path[-1], keys) or (f"known: {', '.join(sorted(keys))}" if keys else "")
    return Problem(path, "no such key", "", hint)


def nearest(word: object, known: Iterable[str]) -> str:
    """The known word that is meant, as a hint; empty if none is near."""
    if not isinstance(word, str) or len(word) > _LONGEST_SHOWN:
        return ""
    close = difflib.get_close_matches(word.lower().replace("_", "-"), known, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else ""
