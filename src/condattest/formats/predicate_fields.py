"""Read the values of a predicate strictly: each has the type, the keys and the limits that its format says.

Owns `fields`, `items`, `text`, `short`, `number`, `one_of`, `sha256` and `refuse`. What is wrong is PATCH-STATEMENT,
with the place in the payload.
"""

import re
from collections.abc import Set
from typing import Any, NoReturn

from condattest.errors import Malformed
from condattest.model.artifact import Sha256
from condattest.model.finding import Code, Finding

_NO_KEYS: frozenset[str] = frozenset()


def fields(value: Any, where: str, keys: Set[str], more: Set[str] = _NO_KEYS) -> dict[str, Any]:
    """Take an object with `keys`, and perhaps with `more`."""
    if not isinstance(value, dict) or not keys <= set(value) <= keys | more:
        refuse(f"predicate.{where}", f"an object with {', '.join(sorted(keys))}", value)
    return value


def items(value: Any, where: str, *, least: int = 0, most: int | None = None) -> list[Any]:
    """Take a list of `least` to `most` items."""
    if not isinstance(value, list) or len(value) < least or (most is not None and len(value) > most):
        limits = f"a list of {least} or more" if most is None else f"a list of {least} to {most}"
        refuse(f"predicate.{where}", limits, value)
    return value


def text(value: Any, where: str, form: re.Pattern[str] | None = None) -> str:
    """Take a text that is not empty, of a form if one is given."""
    if not isinstance(value, str) or not value or len(value) > 2048 or (form is not None and not form.fullmatch(value)):
        refuse(f"predicate.{where}", form.pattern if form is not None else "a text", value)
    return value


def short(value: Any, where: str, most: int) -> str:
    """Take a text, which may be empty, of at most so many characters."""
    if not isinstance(value, str) or len(value) > most:
        refuse(f"predicate.{where}", f"a text of at most {most} characters", value)
    return value


def number(value: Any, where: str, least: int) -> int:
    """Take an integer that JSON carries exactly."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**53:
        refuse(f"predicate.{where}", f"an integer from {least}", value)
    return value


def one_of(value: Any, where: str, allowed: tuple[str, ...]) -> str:
    """Take one of the given texts."""
    if value not in allowed:
        refuse(f"predicate.{where}", " or ".join(allowed), value)
    return str(value)


def sha256(value: Any, where: str) -> Sha256:
    """Take a digest."""
    try:
        return Sha256(value)
    except (ValueError, TypeError):
        refuse(where, "64 lowercase hex digits", value)


def refuse(where: str, expected: str, found: object) -> NoReturn:
    """Say what was expected in a place of the payload, and what was found.

    Raises:
        Malformed: PATCH-STATEMENT.
    """
    raise Malformed(Finding.of(Code.PATCH_STATEMENT, f"payload: {where}", expected=expected, found=f"{found!r:.200}"))
