"""The flex schedule: which dose holds at a local time, and when the next one begins.

A step holds from its start until the next step's start, also past midnight and across days that have no
step of their own. Steps are few (at most 48 on a weekday), changes rare: a linear search needs no memory
and no order."""

from array import array

from pump.dosing import bigint
from pump.units import S_PER_DAY, S_PER_WEEK

_MINUTES_A_DAY = 1440
DOSE_LIMBS = 3  # 2^45 ng/day: far beyond the range


class Schedule:
    """Steps of a week. Built when a program is committed; searching it does not allocate."""

    def __init__(self, steps):
        """`steps`: sequence of (start_min, days bit mask with bit 0 Monday, dose_ng_per_day)."""
        self.count = len(steps)
        self._start_min = array("H", [step[0] for step in steps])
        self._days = bytes([step[1] for step in steps])
        self.doses_ng_per_day = array("I", [step[2] for step in steps])
        self._dose = bigint.new(DOSE_LIMBS)
        self.index = 0  # the step that holds
        self.ahead_s = S_PER_WEEK  # until the next step starts, counted from the whole second looked at

    def look_up(self, weekday: int, second: int) -> None:
        """Find the step that holds at this second of this weekday, and how far ahead the next one starts."""
        since = S_PER_WEEK + 1
        ahead = S_PER_WEEK + 1
        for i in range(self.count):
            start = self._start_min[i] * 60 - second
            days = self._days[i]
            for day in range(7):
                if days >> day & 1:
                    to_start = ((day - weekday) * S_PER_DAY + start) % S_PER_WEEK
                    from_start = S_PER_WEEK - to_start if to_start else 0
                    if from_start < since:
                        since = from_start
                        self.index = i
                    if to_start == 0:
                        to_start = S_PER_WEEK
                    if to_start < ahead:
                        ahead = to_start
        self.ahead_s = ahead

    def dose(self):
        """Limbs of the dose that holds, ng/day; they change with the next call."""
        bigint.load(self._dose, DOSE_LIMBS, self.doses_ng_per_day[self.index])  # a small integer
        return self._dose

    def dose_ng_per_day(self) -> int:
        return self.doses_ng_per_day[self.index]

    def week(self):
        """[(minute of the week from Monday, dose ng/day)], sorted. Allocates: commands only."""
        found = []
        for i in range(self.count):
            for day in range(7):
                if self._days[i] >> day & 1:
                    found.append((day * _MINUTES_A_DAY + self._start_min[i], self.doses_ng_per_day[i]))
        found.sort()
        return found
