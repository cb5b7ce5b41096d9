"""How other programs write times."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_MILLISECONDS_FROM = 1e11
_LATEST_S = 253_402_300_800  # the year 10000
_COMPACT = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})\s*@\s*(\d{1,2})h\s*(\d{1,2})m\s*(\d{1,2})s(?:\s*(\d{1,3})ms)?"
)
_SPOKEN = ("%B %d, %Y %I:%M%p", "%B %d, %Y %H:%M", "%b %d, %Y %I:%M %p")


def seconds(value: object) -> float:
    """Return a time as seconds since 1970; without a zone it is UTC.

    Args:
        value: a number of seconds or milliseconds, an ISO text, SillyTavern's `2024-5-3@14h23m11s` or `June 4, 2024 5:36pm`.

    Raises:
        ValueError: it is none of these, or before 1970.
    """
    # Compared before it is converted: an integer of JSON may be larger than any float.
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < _LATEST_S * 1000:
        time_s = float(value) / 1000 if value > _MILLISECONDS_FROM else float(value)
    elif isinstance(value, str):
        time = _parsed(value.strip())
        time_s = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    else:
        raise ValueError(f"no possible time: {type(value).__name__}")
    if not 0 < time_s < _LATEST_S:
        raise ValueError("a time is outside of what is possible")
    return time_s


def _parsed(text: str) -> datetime:
    compact = _COMPACT.fullmatch(text)
    if compact:
        year, month, day, hour, minute, second, ms = (int(part or 0) for part in compact.groups())
        return datetime(year, month, day, hour, minute, second, ms * 1000, tzinfo=UTC)
    for form in _SPOKEN:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return datetime.fromisoformat(text)
