"""Options that are a time or a duration.

Owns `time_of` and `duration_of`.
"""

from datetime import UTC, datetime, timedelta
from typing import overload

from condattest.errors import Misuse


@overload
def time_of(text: str, option: str) -> datetime: ...
@overload
def time_of(text: str | None, option: str) -> datetime | None: ...
def time_of(text: str | None, option: str) -> datetime | None:
    """Read an option's time, if it is given; one without a zone is in UTC.

    Raises:
        Misuse: It is no time.
    """
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Misuse(f"{option} {text}: expected a time such as 2026-11-01 or 2026-11-01T00:00:00Z") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


@overload
def duration_of(text: str, option: str) -> timedelta: ...
@overload
def duration_of(text: str | None, option: str) -> timedelta | None: ...
def duration_of(text: str | None, option: str) -> timedelta | None:
    """Read an option's duration, if it is given.

    Raises:
        Misuse: It is no duration.
    """
    from condattest.policy import durations

    try:
        return None if text is None else durations.parse(text)
    except ValueError as error:
        raise Misuse(f"{option} {text}: expected {error}") from None
