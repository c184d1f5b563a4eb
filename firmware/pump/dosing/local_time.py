"""Pump local time: the monotonic clock plus an offset. Changing the offset moves no dose (ARCHITECTURE,
Time).

Held as day number since 2000-01-01 (a Saturday), second of the day and microsecond, so that all are small
integers on the RP2040 for ever. No time zones: the offset is what the clinician sets; a change is logged.
It can be set to any day up to LAST_DAY, and goes on past it for as long as a pump lasts.
"""

from pump.units import S_PER_DAY, US_PER_S

LAST_DAY = 36_524  # 2099-12-31
_NEGATIVE = 0xC000  # words from here on are offsets below 0: a pump's own clock ends after 34 years
_WEEKDAY_OF_DAY_0 = 5  # 2000-01-01 was a Saturday; Monday is 0


class LocalTime:
    """Converts monotonic (s, us) to local (day, second, us)."""

    def __init__(self):
        self.offset_day = 0
        self.offset_s = 0
        self.offset_us = 0
        self.day = 0
        self.second = 0
        self.us = 0
        self.was_set = False  # has anybody said what day it is?

    def at(self, s: int, us: int) -> None:
        """Set day, second and us to local time at the monotonic instant."""
        us += self.offset_us
        second = s % S_PER_DAY + self.offset_s
        if us >= US_PER_S:
            us -= US_PER_S
            second += 1
        self.day = s // S_PER_DAY + self.offset_day + second // S_PER_DAY
        self.second = second % S_PER_DAY
        self.us = us

    def weekday(self) -> int:
        """0 is Monday."""
        return (self.day + _WEEKDAY_OF_DAY_0) % 7

    def set_at(self, s: int, us: int, day: int, second: int, local_us: int) -> None:
        """From now on the monotonic instant (s, us) is this local time."""
        self.was_set = True
        us = local_us - us
        second -= s % S_PER_DAY
        if us < 0:
            us += US_PER_S
            second -= 1
        self.offset_us = us
        self.offset_day = day - s // S_PER_DAY + second // S_PER_DAY
        self.offset_s = second % S_PER_DAY

    def shift(self, offset_us: int) -> None:
        """Move local time by so many microseconds, either way."""
        us = self.offset_us + offset_us
        second = self.offset_s + us // US_PER_S
        self.offset_us = us % US_PER_S
        self.offset_day += second // S_PER_DAY
        self.offset_s = second % S_PER_DAY

    def set_offset(self, day: int, second: int, us: int) -> None:
        """Take back an offset that was on record (day: as an unsigned 16-bit word)."""
        self.offset_day = day - 0x10000 if day >= _NEGATIVE else day
        self.offset_s = second
        self.offset_us = us
