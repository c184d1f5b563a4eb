"""What a constant therapy and its boluses prescribe, from the prescription alone: flow over time, step times.

Shares nothing with the firmware; exact in fractions. Used by `make run` to hold every step that the motor
made against the microsecond at which it is due (docs/explanation/dosing.md), and to draw the prescribed rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from thecal.units.amounts import PL_PER_ML, US_PER_DAY


@dataclass(frozen=True)
class Segment:
    """A constant rate from one microsecond to another."""

    from_us: int
    to_us: int
    ng_per_us: Fraction


@dataclass(frozen=True)
class Given:
    """A bolus that was accepted."""

    at_us: int
    duration_us: int
    dose_ng: int


def segments(basal_ng_per_day: int, boluses: Sequence[Given], until_us: int) -> list[Segment]:
    """The prescribed dose rate over [0, until_us)."""
    edges = {0, until_us}
    for bolus in boluses:
        edges |= {bolus.at_us, bolus.at_us + bolus.duration_us}
    inside = sorted(edge for edge in edges if 0 <= edge <= until_us)
    return [Segment(a, b, _rate(basal_ng_per_day, boluses, a)) for a, b in pairwise(inside)]


def _rate(basal_ng_per_day: int, boluses: Sequence[Given], at_us: int) -> Fraction:
    running = [x for x in boluses if x.at_us <= at_us < x.at_us + x.duration_us]
    return Fraction(basal_ng_per_day, US_PER_DAY) + sum(Fraction(x.dose_ng, x.duration_us) for x in running)


def step_times(course: Sequence[Segment], step_volume_pl: int, ng_per_ml: int) -> Iterator[int]:
    """When each motor step is due: the first whole microsecond at which the exact volume has reached it."""
    volume_pl, step = Fraction(0), 1
    for segment in course:
        rate = segment.ng_per_us * PL_PER_ML / ng_per_ml
        if rate == 0:
            continue
        after_pl = volume_pl + rate * (segment.to_us - segment.from_us)
        last = int(after_pl / step_volume_pl)
        # (step x V - volume) / rate in whole numbers: a / b rounded up
        divisor = rate.numerator * volume_pl.denominator
        each = step_volume_pl * volume_pl.denominator * rate.denominator
        start = volume_pl.numerator * rate.denominator
        for number in range(step, last + 1):
            yield segment.from_us - (start - number * each) // divisor
        step, volume_pl = last + 1, after_pl


def dose_ng(course: Sequence[Segment]) -> Fraction:
    """All of it."""
    return sum((x.ng_per_us * (x.to_us - x.from_us) for x in course), Fraction(0))
