"""Make foreign text safe to show: names, claims and server messages may hold anything.

Owns `plain`, `short` and `exact`. Control characters, ANSI sequences, bidirectional overrides and other invisible
characters are escaped, so that a package's name cannot paint over a verdict (CVE-2021-42574 is the same trick in source
code). Secrets that look like a JSON web token or stand in a URL are left out.

A JSON document is read by programs, which open the files that it names: there a local path is exact. JSON itself
escapes whatever a terminal would take for more than text.
"""

import re
import unicodedata

from condattest.model.channel import redact

_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
# Letters and marks that look like nothing: fillers, a blank pattern, joiners, variation selectors.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {chr(code) for code in range(0xFE00, 0xFE10)}
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def plain(text: object, *, lines: bool = False) -> str:
    """Return the text with everything invisible escaped and secrets left out; `lines` keeps line feeds."""
    safe = redact(str(text))
    if "eyJ" in safe:
        safe = _TOKEN.sub("<token>", safe)
    if safe.isascii() and safe.isprintable():
        return safe
    return "".join(_shown(character, lines=lines) for character in safe)


def short(text: object, limit: int) -> str:
    """Return the text as `plain` does, cut to `limit` characters; what was cut says how long the text was."""
    safe = plain(text)
    return safe if len(safe) <= limit else f"{safe[:limit]}... ({len(safe):,} characters)"


def exact(place: object) -> str:
    """Return a local path as it is, for a JSON document alone; a URL as `plain` does.

    A name on disk that is no Unicode text cannot stand in JSON: its stray bytes are escaped.
    """
    text = str(place)
    return plain(text) if "://" in text else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _shown(character: str, *, lines: bool) -> str:
    if lines and character == "\n":
        return character
    if unicodedata.category(character) not in _HIDDEN and character not in _BLANK:
        return character
    return character.encode("unicode_escape").decode("ascii")
