"""What was given when, for the rolling limits: the motor's count at every change of rate of the last day.

Between two changes the rate is constant, so the count at any instant in between follows by proportion,
right to one step. Where changes come closer than 5 min they share an entry, and such an entry counts as
given at its end: that errs on the side of refusing (CONTRACT, Bolus rules). The ring holds more than 24 h
of entries 2.5 min apart.
"""

from array import array

from pump.units import US_PER_S

CAPACITY = 640
_APART_S = 300
_STEPS_MASK = 0xFFFFFFFF  # 32 bits are kept: between two entries lie far fewer steps
_ROUGH = 1 << 20  # flag in the microseconds: more than one rate since the entry before


class History:
    """Ring of (s, us, steps) at changes of rate."""

    def __init__(self):
        self._s = array("I", bytes(4 * CAPACITY))
        self._us = array("I", bytes(4 * CAPACITY))
        self._steps = array("I", bytes(4 * CAPACITY))
        self._count = 0

    def clear(self) -> None:
        self._count = 0

    def mark(self, s: int, us: int, steps: int) -> None:
        """The rate changes here; `steps` have been given so far."""
        count = self._count
        if count >= 2 and s - self._s[(count - 2) % CAPACITY] < _APART_S:
            count -= 1
            us |= _ROUGH
        at = count % CAPACITY
        self._s[at] = s
        self._us[at] = us
        if steps > _STEPS_MASK:
            steps &= _STEPS_MASK  # not always: the mask is a long integer on the chip
        self._steps[at] = steps
        self._count = count + 1

    def mark_rough(self, s: int, us: int, steps: int) -> None:
        """An entry from the records: what came since the entry before counts as given just here."""
        at = self._count % CAPACITY
        self._s[at] = s
        self._us[at] = us | _ROUGH
        if steps > _STEPS_MASK:
            steps &= _STEPS_MASK
        self._steps[at] = steps
        self._count += 1

    def since(self, us: int) -> range:
        """Numbers of the entries that a look back to an instant needs: the newest at or before it, or the
        oldest where there is none, and all after it. Allocates, as do the rest: commands only."""
        oldest = max(0, self._count - CAPACITY)
        i = self._count - 1
        while i > oldest and self.entry_us(i) > us:
            i -= 1
        return range(max(i, oldest), self._count)

    def entry_us(self, i: int) -> int:
        """When entry i was made."""
        k = i % CAPACITY
        return self._s[k] * US_PER_S + (self._us[k] & (_ROUGH - 1))

    def steps(self, i: int, now_steps: int) -> int:
        """How many steps had been given by then."""
        return now_steps - ((now_steps - self._steps[i % CAPACITY]) & _STEPS_MASK)

    def is_rough(self, i: int) -> bool:
        """Do all steps since the entry before count as given at this one?"""
        return self._us[i % CAPACITY] >= _ROUGH
