"""How many steps more than its therapy allowed a pump has ever made, from the motor's own trace.

Exact in fractions, and by nothing that the firmware computes. `Allowance` is the highest rate that therapy
may have at every instant. `worst_excess` looks at every stretch of time at once: what was missed in a stall
may not be made up for later, so it is not enough that the total is within bounds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm

_NEVER_US = 1 << 100


@dataclass
class DoseBound:
    """Steps per microsecond that therapy allows, as stretches that may overlap: they add up."""

    stretches: list[tuple[int, int, Fraction]] = field(default_factory=list[tuple[int, int, Fraction]])

    def add(self, begin_us: int, end_us: int, steps_per_us: Fraction) -> None:
        """From `begin_us` to `end_us` this much more may flow."""
        if end_us > begin_us and steps_per_us:
            self.stretches.append((begin_us, end_us, steps_per_us))

    def line(self) -> Line:
        """The same as one sum over time."""
        changes: dict[int, Fraction] = {}
        for begin_us, end_us, rate in self.stretches:
            changes[begin_us] = changes.get(begin_us, Fraction(0)) + rate
            changes[end_us] = changes.get(end_us, Fraction(0)) - rate
        at_us = sorted(changes)
        rates: list[Fraction] = []
        sums: list[Fraction] = []
        rate, total, before_us = Fraction(0), Fraction(0), at_us[0] if at_us else 0
        for instant_us in at_us:
            total += rate * (instant_us - before_us)
            rate += changes[instant_us]
            sums.append(total)
            rates.append(rate)
            before_us = instant_us
        return Line(at_us, sums, rates)


@dataclass(frozen=True)
class Line:
    """Steps allowed until any instant: linear between `at_us`."""

    at_us: Sequence[int]
    sums: Sequence[Fraction]
    rates: Sequence[Fraction]

    def until(self, instant_us: int) -> Fraction:
        """Steps allowed from the beginning of time until this instant."""
        index = bisect_right(self.at_us, instant_us) - 1
        if index < 0:
            return Fraction(0)
        return self.sums[index] + self.rates[index] * (instant_us - self.at_us[index])

    def most_in(self, span_us: int) -> Fraction:
        """The most steps that any stretch of time so long allows: one that begins or ends at a change."""
        begins = [at_us - before_us for at_us in self.at_us for before_us in (0, span_us)]
        return max((self.until(at_us + span_us) - self.until(at_us) for at_us in begins), default=Fraction(0))


def worst_excess(step_times_us: Iterable[int], allowed: Line, begin_us: int) -> Fraction:
    """The most by which the steps of any stretch of time since `begin_us` exceed what it allowed.

    An exact pump stays at or below 1: a stretch may begin right before a step. Times in order. In whole
    numbers, of which `unit` make a step: there may be hundreds of thousands of steps.
    """
    unit = lcm(*(value.denominator for value in (*allowed.sums, *allowed.rates)))
    sums = [int(value * unit) for value in allowed.sums]
    rates = [int(value * unit) for value in allowed.rates]
    edges = [*allowed.at_us, _NEVER_US]
    at, until_us, worst = -1, edges[0], 0
    lowest = -int(allowed.until(begin_us) * unit)  # of (steps made - steps allowed), right before a step
    made = 0
    for step_us in step_times_us:
        while step_us >= until_us:
            at, until_us = at + 1, edges[at + 2]
        ahead = made if at < 0 else made - sums[at] - rates[at] * (step_us - edges[at])
        lowest = min(lowest, ahead)
        made += unit
        worst = max(worst, ahead + unit - lowest)
    return Fraction(worst, unit)
