"""The step accumulator: the exact volume owed, as a whole number of steps and a remainder that is kept.

One step is `unit` parts; the present rate is `rate` parts per microsecond (see `pump.dosing.scale` for what
a part is). After t microseconds of a segment, a stretch of constant rate,

    parts = remainder at its start + rate * t      steps = floor(parts / unit)

in integers: nothing is ever rounded, so nothing drifts (DEL-01). A change of rate closes one segment and
opens the next with the remainder it left: the phase is kept, no fraction of a step is lost or given
twice.

Times are (s, us) pairs of the pump's monotonic clock. Only `load` allocates; it is called when a command
changes the rates, never by time passing.
"""

from pump.dosing import bigint
from pump.units import US_PER_S

CAPACITY = 40  # limbs: 600 bits, see docs/explanation/numbers.md for what they hold
_TIME = 5  # limbs of a span in microseconds: 2^75 us


class Accumulator:
    """Exact volume over segments of constant rate."""

    def __init__(self):
        self.size = 1  # limbs of unit
        self.unit = bigint.new(CAPACITY)
        self.remainder = bigint.new(CAPACITY)
        self.rate = bigint.new(CAPACITY)
        self.start_s = 0
        self.start_us = 0
        self._span = bigint.new(_TIME + 1)
        self._parts = bigint.new(CAPACITY + 2 * _TIME)
        self._spent = bigint.new(CAPACITY + 2 * _TIME)
        self._steps = bigint.new(3)
        bigint.load(self.unit, 1, 1)

    def load(self, unit: int, remainder: int) -> None:
        """Take a new measure of a step and the phase in it; the rate is then 0. OverflowError: too fine."""
        size = bigint.limbs_of(unit)
        if size > CAPACITY or remainder >= unit:
            raise OverflowError("unit beyond capacity")
        self.size = size
        bigint.load(self.unit, size, unit)
        bigint.load(self.remainder, size, remainder)
        bigint.clear(self.rate, size)

    def open(self, s: int, us: int) -> None:
        """A segment starts: from here on `rate` holds."""
        self.start_s = s
        self.start_us = us

    def _add_up(self, s: int, us: int) -> int:
        """_parts = remainder + rate * time since the start; how many limbs of it are in use."""
        span_s = s - self.start_s
        span_us = us - self.start_us
        if span_us < 0:
            span_us += 1_000_000
            span_s -= 1
        if span_s < 0:
            raise ValueError("time before the segment")
        bigint.load_time(self._span, span_s, span_us)
        parts = self._parts
        total = self.size + _TIME
        bigint.multiply(parts, self.rate, self.size, self._span, _TIME)
        parts[total] = 0
        carry = bigint.add(parts, self.remainder, self.size)
        i = self.size
        while carry:
            parts[i] += 1
            carry = parts[i] >> bigint.BITS
            parts[i] &= bigint.MASK
            i += 1
        return total

    def steps_at(self, s: int, us: int) -> int:
        """Whole steps due in this segment up to and including (s, us): floor, by division."""
        total = self._add_up(s, us)
        bigint.divide(self._spent, self._parts, total, self.unit, self.size)
        return bigint.to_int(self._spent, bigint.used(self._spent, total))

    def close(self, s: int, us: int, steps: int) -> bool:
        """End the segment at (s, us), `steps` of it having been given; the next one opens there.

        False when `steps` is not what was due: the remainder would leave [0, unit). Nothing is changed
        then."""
        total = self._add_up(s, us)
        bigint.load(self._steps, 3, steps)
        bigint.multiply(self._spent, self.unit, self.size, self._steps, 3)
        spent_limbs = self.size + 3
        for i in range(spent_limbs, total):
            self._spent[i] = 0
        if bigint.subtract(self._parts, self._spent, total):
            return False
        if not bigint.is_zero_above(self._parts, self.size, total):
            return False
        if not bigint.less(self._parts, self.unit, self.size):
            return False
        bigint.copy(self.remainder, self._parts, self.size)
        self.open(s, us)
        return True

    def due_us(self, step: int):
        """Monotonic microsecond in which a step of this segment, counted from 1, falls due; None: never."""
        rate = bigint.to_int(self.rate, self.size)
        if not rate:
            return None
        remainder, unit = self.fraction()
        return self.start_s * US_PER_S + self.start_us - (remainder - step * unit) // rate

    def fraction(self):
        """(remainder, unit) as Python integers: the phase, for a command that changes the measure."""
        return bigint.to_int(self.remainder, self.size), bigint.to_int(self.unit, self.size)
