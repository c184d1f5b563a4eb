"""From the pump's clock to its local time, by the `reference_time` records of its log.

A record holds until the next one; what stands before the first (a boot writes it within milliseconds)
counts by the first. A clock that was never set shows 2000-01-01 at its first start: what happened before
somebody set it counts by how it was set.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise

from thecal.units.local_time import from_wire

REFERENCE = "reference_time"
_CLOCK_CHANGE = 2  # code of a reference_time that a change of the clock wrote
_NEVER_SET_DAYS = 366  # in its first year a clock that nobody set stands in the year 2000
_US_PER_S = 1_000_000
_DAYS = 1 << 16  # on the wire they have 16 bits

Reference = tuple[int, int, int, int, int]  # at_us of the pump's clock, code; day, second, us of local time


class LocalTimes:
    """Local time at any instant of one log."""

    def __init__(self, references: Iterable[Reference]) -> None:
        self._at_us: list[int] = []
        self._local: list[datetime] = []
        for at_us, code, day, second, us in references:
            if not (0 <= us < _US_PER_S and 0 <= second < 200_000 and 0 <= day < _DAYS):
                continue  # of a damaged record
            if code == _CLOCK_CHANGE and all(self._never_set(index) for index in range(len(self._local))):
                self._at_us.clear()
                self._local.clear()
            self._at_us.append(at_us)
            self._local.append(from_wire(day, second, us))

    def _never_set(self, index: int) -> bool:
        return (self._local[index] - from_wire(0, 0)).days < _NEVER_SET_DAYS

    def at(self, at_us: int) -> datetime | None:
        """Local time then; None: the log has no reference."""
        if not self._at_us:
            return None
        index = max(0, bisect_right(self._at_us, at_us) - 1)
        try:
            return self._local[index] + timedelta(microseconds=at_us - self._at_us[index])
        except OverflowError:  # of a damaged record
            return None

    def instants(self, local: datetime) -> int | None:
        """The first instant of the pump's clock at which it was this local time or later: over a clock that
        was moved on, the move. None: the log has no reference."""
        if not self._at_us:
            return None
        for index, (_, end_us) in enumerate(pairwise(self._at_us)):
            at_us = self._reached(index, local)
            if at_us < end_us:
                return at_us if index == 0 else max(at_us, self._at_us[index])
        last = len(self._at_us) - 1
        return max(self._reached(last, local), self._at_us[last]) if last else self._reached(0, local)

    def _reached(self, index: int, local: datetime) -> int:
        return self._at_us[index] + (local - self._local[index]) // timedelta(microseconds=1)
