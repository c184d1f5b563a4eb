"""What was given when, for the rolling limits: the motor's count at every change of rate of the last day.

Between two changes the rate is constant, so the count at any instant in between follows by proportion,
right to one step. Where changes come closer than 5 min they share an entry, and such an entry counts as
given at its end: that errs on the side of refusing (CONTRACT, Bolus rules). The ring holds more than 24 h
of entries 2.5 min apart.

Called by: `pump.dosing.flow` (`mark`, steady path, no allocation) and `pump.therapy.windows` (`corners`).
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

    def corners(self, since_us: int, now_us: int, now_steps: int):
        """Broken line of the count: [(us, steps)], the first at or before since_us where there is one,
        the last now.

        A span with several rates rises only at its end: two corners at one instant. Allocates: commands
        only."""
        found = [(now_us, now_steps)]
        rough = False
        for i in range(self._count - 1, max(-1, self._count - 1 - CAPACITY), -1):
            k = i % CAPACITY
            steps = now_steps - ((now_steps - self._steps[k]) & _STEPS_MASK)
            entry_us = self._s[k] * US_PER_S + (self._us[k] & (_ROUGH - 1))
            if rough:
                found.append((found[-1][0], steps))
            found.append((entry_us, steps))
            if entry_us <= since_us:
                break
            rough = self._us[k] >= _ROUGH
        found.reverse()
        return found
