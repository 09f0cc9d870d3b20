"""Find the line on which each key of a TOML text stands: `tomllib` gives values without places.

Owns `locate`. Takes only a text that `tomllib` has read; of another it makes the best it can, and never raises.
Paths are those of the parsed value: `("rule", 0, "min-age")`. Keys inside an inline table stand where their table does.
"""

import bisect
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Final

Path = tuple[str | int, ...]

_KEY: Final = re.compile(r"""[ \t]*(?:([A-Za-z0-9_-]+)|("(?:[^"\\\n]|\\.)*"|'[^'\n]*'))[ \t]*""")
_BLANK: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)+")
_PIECE: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[\[\]{},\n]"
    r"|[ \t\r]+"
    r"""|[^\[\]{},\n"'\# \t\r]+"""
    r"|.",
    re.DOTALL | re.VERBOSE,
)


class Lines:
    """The lines of a text's keys."""

    def __init__(self, found: Mapping[Path, int]) -> None:
        self._found = found

    def of(self, path: Path) -> int | None:
        """The line of a path, counted from 1, or of the nearest table around it; None if neither is known."""
        for length in range(len(path), 0, -1):
            line = self._found.get(path[:length])
            if line is not None:
                return line
        return None


def locate(text: str) -> Lines:
    """Find the line of every key and of every element of a list."""
    return Lines(dict(_Scan(text).places()))


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.ends = [match.start() for match in re.finditer("\n", text)]
        self.counts: dict[Path, int] = {}

    def places(self) -> Iterator[tuple[Path, int]]:
        """Each path with its line, in the order of the text."""
        table: Path = ()
        while self._skip_blank():
            line = self._line()
            if self.text[self.at] == "[":
                table = self._header()
                yield table, line
                self._skip_line()
                continue
            keys = self._keys()
            if not keys or self.text[self.at : self.at + 1] != "=":
                self._skip_line()
                continue
            self.at += 1
            for length in range(1, len(keys) + 1):
                yield table + keys[:length], line
            yield from self._value(table + keys)

    def _line(self) -> int:
        return bisect.bisect_left(self.ends, self.at) + 1

    def _skip_blank(self) -> bool:
        match = _BLANK.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
        return self.at < len(self.text)

    def _skip_line(self) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def _header(self) -> Path:
        doubled = self.text.startswith("[[", self.at)
        self.at += 2 if doubled else 1
        path: Path = ()
        keys = self._keys()
        for number, key in enumerate(keys, start=1):
            path = (*path, key)
            if number == len(keys) and doubled:
                self.counts[path] = self.counts.get(path, 0) + 1
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
        return path

    def _keys(self) -> tuple[str, ...]:
        keys: list[str] = []
        while match := _KEY.match(self.text, self.at):
            self.at = match.end()
            keys.append(match[1] if match[1] is not None else _unquoted(match[2]))
            if self.text[self.at : self.at + 1] != ".":
                break
            self.at += 1
        return tuple(keys)

    def _value(self, path: Path) -> Iterator[tuple[Path, int]]:
        depth, item, fresh, top = 0, 0, False, ""
        while match := _PIECE.match(self.text, self.at):
            piece = match[0]
            if piece == "\n" and depth == 0:
                return
            blank = piece.isspace() or piece.startswith("#")
            if depth == 1 and top == "[" and fresh and not blank and piece != "]":
                yield (*path, item), self._line()
                fresh = False
            if piece in ("[", "{"):
                depth += 1
                if depth == 1:
                    top, fresh = piece, True
            elif piece in ("]", "}"):
                depth -= 1
            elif piece == "," and depth == 1:
                item, fresh = item + 1, True
            self.at = match.end()


def _unquoted(raw: str) -> str:
    try:
        return str(tomllib.loads(f"key = {raw}")["key"])
    except tomllib.TOMLDecodeError:
        return raw
