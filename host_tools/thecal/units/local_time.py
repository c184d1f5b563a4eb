"""Pump local time as Python and the wire have it: a `datetime` without zone, or days since 2000-01-01 and
seconds.

The pump knows no time zones: its local time is what the clinician set. Imports nothing heavy.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from thecal.errors import ThecalError

DEFAULT_START = datetime(2026, 1, 5)  # a Monday, 00:00 (CONTRACT)
_EPOCH = datetime(2000, 1, 1)
LAST_DAY = 36_524  # the last that a pump can be set to
FIRST, LAST = _EPOCH, datetime(2099, 12, 31, 23, 59, 59, 999_999)
_SECOND = timedelta(seconds=1)


def from_wire(day: int, second: int, us: int = 0) -> datetime:
    """Local time from days since 2000-01-01, second of the day, microsecond."""
    return _EPOCH + timedelta(days=day, seconds=second, microseconds=us)


def to_wire(local: datetime) -> tuple[int, int, int]:
    """(days since 2000-01-01, second of the day, microsecond)."""
    since = local - _EPOCH
    return since.days, since.seconds, since.microseconds


def parse_start(text: str) -> datetime:
    """A local time in ISO form ("2026-01-05T00:00"); ThecalError for anything else."""
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise ThecalError(f'"{text}" is not a date and time', 'write it like "2026-01-05T00:00"') from None
    if local.tzinfo is not None:
        raise ThecalError(
            f'"{text}" has a time zone; the pump has none', 'write local time: "2026-01-05T00:00"'
        )
    if not FIRST <= local <= LAST:
        raise ThecalError(
            f'"{text}" is not a date the pump can hold', f"write one from {FIRST:%Y-%m-%d} to {LAST:%Y-%m-%d}"
        )
    return local


def date_text(day: int) -> str:
    """A day of the wire for people."""
    try:
        return f"{from_wire(day, 0):%Y-%m-%d}"
    except OverflowError:  # no calendar reaches so far
        return f"day {day}"


def after(start: datetime, seconds: int) -> datetime | None:
    """`start` plus whole seconds; None when no calendar reaches so far."""
    try:
        return start + seconds * _SECOND
    except OverflowError:
        return None
