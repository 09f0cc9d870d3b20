"""Durations as a policy writes them: `30m`, `24h`, `7d`.

Owns `parse` and `show`. Refuses zero, fractions, signs, sums (`1h30m`) and more than ten years, so that no arithmetic
with a date overflows.
"""

import re
from datetime import timedelta
from typing import Final

EXPECTED: Final = 'a duration such as "30m", "24h" or "7d", at most ten years'
LONGEST: Final = timedelta(days=3650)
_TEXT = re.compile(r"([1-9][0-9]{0,6})([mhd])", re.ASCII)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def parse(text: str) -> timedelta:
    """Read a duration.

    Raises:
        ValueError: Another form; the message says what is expected.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(EXPECTED)
    duration = int(match[1]) * _UNITS[match[2]]
    if duration > LONGEST:
        raise ValueError(EXPECTED)
    return duration


def show(duration: timedelta) -> str:
    """Write a duration of whole minutes in its largest unit; what is below a minute is cut off."""
    minutes = duration // _UNITS["m"]
    for unit, size in (("d", 24 * 60), ("h", 60)):
        if minutes and minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"
