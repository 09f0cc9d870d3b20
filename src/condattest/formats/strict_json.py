"""Parse JSON so that no two readers can read it differently.

Owns `parse`. Refuses what RFC 8259 leaves to chance and the I-JSON profile (RFC 7493) forbids: duplicate keys at any
depth, a byte-order mark, invalid UTF-8, lone surrogates, NaN and infinities, integers of absurd length, absurd nesting,
bytes after the value. Python's own decoder takes the last of two equal keys, and so does sigstore's.
"""

import functools
import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

from condattest.errors import Malformed
from condattest.model.finding import Code, Finding

MAX_DEPTH: Final = 64
"""Levels of nesting; a Sigstore bundle has 7."""
MAX_INTEGER_DIGITS: Final = 20
"""Digits of the largest 64-bit integer."""
_NOT_PLAIN: Final = object()
_PLAIN_DEPTH: Final = 10
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")


class _Refused(ValueError):
    pass


def parse(data: bytes, *, code: Code, where: str, limit: int) -> Any:
    """Return the JSON value of `data` as Python's plain types.

    Args:
        data: The whole document.
        code: The code of the finding when it is refused.
        where: What is parsed, for the finding.
        limit: The most bytes that `data` may have.

    Raises:
        Malformed: With `code`; its facts say what was found.
    """
    if len(data) > limit:
        raise Malformed(Finding.of(code, where, expected=f"at most {limit} bytes", found=f"{len(data)} bytes"))
    plain = _plain(data)
    if plain is not _NOT_PLAIN:
        return plain
    try:
        text = data.decode("utf-8")
        if text.startswith("\ufeff"):
            raise _Refused("a byte-order mark")
        value = _DECODER.decode(text)
        _check_depth_and_text(value, text)
    except UnicodeDecodeError as error:
        reason = f"invalid UTF-8 at byte {error.start}"
    except json.JSONDecodeError as error:
        reason = f"{error.msg} at character {error.pos}"
    except _Refused as error:
        reason = str(error)
    except RecursionError:
        reason = "nesting too deep"
    else:
        return value
    raise Malformed(Finding.of(code, where, expected="strict JSON", found=reason))


def _plain(data: bytes) -> Any:
    """The value of a document that is as plain as JSON can be; `_NOT_PLAIN` of any other, good or bad.

    What is read, and comes out as the same bytes when it is written again, has one reading: no key stands twice, as a
    dict has each once; it is UTF-8 without a mark, nothing follows, and no escape stands for a surrogate. Machines
    write most documents that way, perhaps with a line's end. msgspec does both in a third of the time that Python's
    decoder takes with a look at every key. It is not imported for this: that would take longer than the few documents
    of a short command.
    """
    if "msgspec" not in sys.modules:
        return _NOT_PLAIN
    decode, encode, refused = _quick()
    try:
        value = decode(data)
    except (refused, ValueError):
        return _NOT_PLAIN
    return value if encode(value) == data.strip(b" \t\r\n") else _NOT_PLAIN


@functools.cache
def _quick() -> tuple[Callable[[bytes], Any], Callable[[Any], bytes], type[Exception]]:
    """What reads and writes plain documents: without numbers, of which some overflow, and not deep."""
    import msgspec

    plain: Any = str | bool | None
    for _ in range(_PLAIN_DEPTH):
        plain = str | bool | list[plain] | dict[str, plain] | None
    return msgspec.json.Decoder(plain).decode, msgspec.json.encode, msgspec.MsgspecError


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Refused(f"the key {key[:80]!r} twice")
            seen.add(key)
    return made


def _no_constant(text: str) -> NoReturn:
    raise _Refused(f"the constant {text}")


def _bounded_int(text: str) -> int:
    digits = len(text.lstrip("-"))
    if digits > MAX_INTEGER_DIGITS:
        raise _Refused(f"an integer of {digits} digits")
    return int(text)


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Refused(f"the number {text[:40]}, which overflows")
    return value


def _check_depth_and_text(value: object, text: str) -> None:
    # UTF-8 holds no surrogates, so only an escape can bring one in; and few brackets cannot nest deeply.
    if text.count("{") + text.count("[") <= MAX_DEPTH and _SURROGATE_ESCAPE.search(text) is None:
        return
    pending: list[tuple[object, int]] = [(value, 1)]
    while pending:
        item, depth = pending.pop()
        if isinstance(item, str):
            if not item.isascii() and any("\ud800" <= character <= "\udfff" for character in item):
                raise _Refused("a lone surrogate")
        elif isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                raise _Refused(f"more than {MAX_DEPTH} levels of nesting")
            pending.extend((child, depth + 1) for child in _children(item))


def _children(item: dict[str, object] | list[object]) -> Iterator[object]:
    if isinstance(item, dict):
        yield from item
        yield from item.values()
    else:
        yield from item


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_no_duplicates,
    parse_constant=_no_constant,
    parse_int=_bounded_int,
    parse_float=_finite_float,
)
"""Made once: an audit reads a statement for each of many packages."""
