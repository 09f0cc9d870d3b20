"""The values of records and the names of files, as rattler's types read and write them.

Owns a reader for each type; `stem`, `identifier` and `order` for names; `merged` for what rattler has no types for. A
reader takes JSON and returns what rattler writes back: `ABSENT` where it leaves the key out. It raises `Unreadable`
for what rattler's own reader refuses, and `Unforetold` for what is not reproduced here.

Spec: RFC 7396 (merge patch); https://github.com/package-url/purl-spec
"""

import re
from typing import Any, Final

from condattest.patches.rattler_specs import Unforetold, rewritten

FILE_NAME: Final = "<name>-<version>-<build>.tar.bz2, .conda or .whl"
IDENTIFIER: Final = "<name>-<version>-<build>"
_SUFFIXES: Final = (".conda", ".tar.bz2", ".whl")
# The Unicode property White_Space. Python's own strip takes four control characters more.
_SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_SEPARATORS: Final = re.compile("[, ]")
# Written as it is read: nothing to encode, no qualifiers to sort.
_SEGMENT: Final = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_PURL: Final = re.compile(rf"pkg:([a-z]+)/((?:{_SEGMENT}/)*)({_SEGMENT})(?:@({_SEGMENT}))?", re.ASCII)
_FLAG: Final = re.compile(r"[a-z0-9_]+(?::[a-z0-9_]+)?", re.ASCII)
_LEAST, _MOST = -(2**63), 2**64 - 1
_MILLISECONDS: Final = 253_402_300_800
# 26 hours less than these years have, at either end, since jiff shows any instant in any time zone.
_FIRST_SECOND, _LAST_SECOND = -377_705_023_201, 253_402_207_200


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
"""What is left out when it is written."""


class Unreadable(Exception):
    """The indexer would fail; the message says what it expects."""


def text(value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise Unreadable("a text")
    return value


def texts(value: Any) -> list[str]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Unreadable("a list of texts")
    return list(value)


def specs(value: Any, *, v3: bool) -> list[str]:
    """A list of match specifications."""
    return [rewritten(each, v3=v3) for each in texts(value)]


def specs_or_absent(value: Any, *, v3: bool) -> list[str] | _Absent:
    """The same, left out where it is empty."""
    return specs(value, v3=v3) or ABSENT


def groups(value: Any, *, v3: bool) -> dict[str, list[str]] | _Absent:
    """Lists of match specifications by text, left out where there are none."""
    if not isinstance(value, dict):
        raise Unreadable("an object of lists of texts")
    return {key: specs(each, v3=v3) for key, each in value.items()} or ABSENT


def flags(value: Any) -> list[str] | _Absent:
    """A list of flags, such as `cuda` and `blas:mkl`, left out where it is empty."""
    found = texts(value)
    if not all(_FLAG.fullmatch(each) for each in found):
        raise Unreadable("flags of lower-case letters, digits, underscores and one colon")
    return found or ABSENT


def features(value: Any) -> str | _Absent:
    """A text that is split at each comma and space, or a list: trimmed, and joined by spaces."""
    parts = _SEPARATORS.split(value) if isinstance(value, str) else texts(value)
    return " ".join(part.strip(_SPACE) for part in parts) if parts else ABSENT


def purls(value: Any) -> list[str]:
    """A sorted set of package URLs."""
    plain = {}
    for each in texts(value):
        match = _PURL.fullmatch(each)
        if match is None:
            raise Unforetold("package URLs without qualifiers, and without anything to encode")
        plain[each] = (match[1], match[2].rstrip("/"), match[3], match[4] or "")
    return sorted(plain, key=lambda each: plain[each])


def noarch(value: Any) -> str | bool | _Absent:
    """`python`, `generic` or the old true; false and an empty text are left out."""
    if value is False or value == "":
        return ABSENT
    if value is True or value in ("python", "generic"):
        return value  # type: ignore[no-any-return]  # One of these three.
    raise Unreadable("python, generic, a boolean or an empty text")


def count(value: Any) -> int:
    """An unsigned integer."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
        raise Unreadable("an unsigned integer of 64 bits")
    return value


def timestamp(value: Any) -> int:
    """Seconds or milliseconds of Unix time, as they are: milliseconds from the number of seconds of the year 10000."""
    if isinstance(value, int) and not isinstance(value, bool):
        last = _LAST_SECOND * 1000 if value >= _MILLISECONDS else _LAST_SECOND
        if _FIRST_SECOND <= value <= last:
            return value
    raise Unreadable("a time between the years -9999 and 9999")


def stem(file: str) -> str | None:
    """A file name without its extension; None if rattler takes it for none."""
    suffix = next((each for each in _SUFFIXES if file.endswith(each)), None)
    return None if suffix is None else identifier(file.removesuffix(suffix))


def identifier(name: str) -> str | None:
    """A name as the `v3` sections have it; None if rattler takes it for none. Each part may be empty."""
    return name if name.count("-") >= 2 else None


def order(file: str) -> tuple[list[str], str]:
    """Where a removed file stands in the list: by name, version, build, and `.conda` before `.tar.bz2`."""
    suffix = next(each for each in _SUFFIXES if file.endswith(each))
    return file.removesuffix(suffix).rsplit("-", 2), suffix


def merged(target: Any, patch: Any) -> Any:
    """Merge by RFC 7396; integers beyond 64 bits become floats, as rattler reads them."""
    if not isinstance(patch, dict):
        return _read(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _read(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_read(each) for each in value]
    if isinstance(value, int) and not isinstance(value, bool) and not _LEAST <= value <= _MOST:
        return float(value)
    return value
