"""A taper or titration plan: dose steps the pump carries out by itself, each so long after the one before.

The plan's clock runs only while therapy flows: a stop holds it where it stood, and resume waits what was
left, so that steps are never made late in a bunch.
"""

from pump.dosing import bigint
from pump.dosing.schedule import DOSE_LIMBS
from pump.units import US_PER_S, Instant


class Plan:
    """Doses and the spans before them; `next` is when the next one begins (never: none is left or it is
    held)."""

    def __init__(self, first_dose_ng_per_day: int, steps):
        """`steps`: sequence of (after_us since the commit, dose_ng_per_day), ascending."""
        self.doses_ng_per_day = [first_dose_ng_per_day]
        self._spans = []
        before_us = 0
        for after_us, dose in steps:
            self.doses_ng_per_day.append(dose)
            span = Instant(0, 0)
            span.set_us(after_us - before_us)
            self._spans.append(span)
            before_us = after_us
        self._doses = []
        for dose in self.doses_ng_per_day:
            number = bigint.new(DOSE_LIMBS)
            bigint.load(number, DOSE_LIMBS, dose)
            self._doses.append(number)
        self.index = 0
        self.paused = False
        self.next = Instant()
        self.left = Instant(0, 0)

    def start(self, s: int, us: int) -> None:
        """The commit: the first dose holds from here."""
        self.next.set(s, us)
        self._set_next()

    def _set_next(self) -> None:
        if self.index < len(self._spans):
            span = self._spans[self.index]
            self.next.add(span.s, span.us)
        else:
            self.next.set_never()

    def step(self) -> None:
        """The next dose begins, at the instant `next` says."""
        self.index += 1
        self._set_next()

    def pause(self, s: int, us: int) -> None:
        """Therapy stops: keep what is left of the present step."""
        if not self.next.is_never():
            self.paused = True
            self.left.set(self.next.s, self.next.us)
            self.left.subtract(s, us)
            self.next.set_never()

    def resume(self, s: int, us: int) -> None:
        """Therapy flows again: the present step has still to run what was left."""
        if self.paused:
            self.paused = False
            self.next.set(s, us)
            self.next.add(self.left.s, self.left.us)

    def restore(self, index: int, paused: bool, s: int, us: int) -> None:
        """Take back where it stood: (s, us) is what was left of the step when held, else when the next
        begins."""
        self.index = index
        self.paused = paused
        if paused:
            self.left.set(s, us)
            self.next.set_never()
        else:
            self.next.set(s, us)
            if self.next.is_never():
                self.cancel()

    def ahead(self, s: int, us: int):
        """[(us from now, dose ng/day)] of the steps still to come. Allocates: commands only."""
        found = []
        if not self.next.is_never():
            at_us = self.next.total_us() - (s * US_PER_S + us)
            for index in range(self.index, len(self._spans)):
                if index > self.index:
                    at_us += self._spans[index].total_us()
                found.append((at_us, self.doses_ng_per_day[index + 1]))
        return found

    def is_over(self) -> bool:
        """Are no steps left, held ones included?"""
        return self.index >= len(self._spans)

    def cancel(self) -> None:
        """No further steps: the present dose stays."""
        self._spans = self._spans[: self.index]
        self.paused = False
        self.next.set_never()

    def dose(self):
        """Limbs of the dose that holds, ng/day."""
        return self._doses[self.index]

    def dose_ng_per_day(self) -> int:
        return self.doses_ng_per_day[self.index]
