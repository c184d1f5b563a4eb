"""The most that any window of a given length can hold: of a weekly schedule, of boluses given again and
again.

Exact arithmetic (integers and fractions) for `thecal.therapy.check` and the program review; used for the
rolling 24 h and the rolling hour. What accumulates is piecewise linear in the window's start, so its maximum
lies where the window's edge meets a change of rate: only those starts are looked at.

Weekly schedule and periodic boluses do not keep a fixed relation: the first follows local time, the other
runs from the commit, which may come at any hour and after which the clock may be set. So for every pair of
windows, the worst of the week and the worst of the boluses, there is a commit time that makes them
coincide: the sum of the two maxima is the worst case, and not merely a bound.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from math import lcm

MINUTES_PER_DAY = 24 * 60
MINUTES_PER_WEEK = 7 * MINUTES_PER_DAY
_MAX_EDGES = 50_000  # beyond, the trains' maxima are added: a bound instead of the exact maximum


@dataclass(frozen=True)
class Week:
    """A rate that repeats weekly: from minute `starts[i]` on, `rates[i]` per minute; `starts[0]` is 0."""

    starts: Sequence[int]
    rates: Sequence[Fraction]

    @classmethod
    def of_steps(cls, steps: Iterable[tuple[int, int, int]]) -> Week:
        """A flex schedule of (start_min, days, dose per day); each holds until the next, past Sunday too."""
        points = sorted(
            (day * MINUTES_PER_DAY + start, dose)
            for start, days, dose in steps
            for day in range(7)
            if days >> day & 1
        )
        if points[0][0] > 0:
            points.insert(0, (0, points[-1][1]))
        return cls([at for at, _ in points], [Fraction(dose, MINUTES_PER_DAY) for _, dose in points])

    def _sums(self) -> list[Fraction]:
        ends = (*self.starts[1:], MINUTES_PER_WEEK)
        parts = (rate * (end - start) for start, end, rate in zip(self.starts, ends, self.rates, strict=True))
        return [Fraction(0), *accumulate(parts)]

    def total(self) -> Fraction:
        """What a whole week holds."""
        return self._sums()[-1]

    def most(self, minutes: int) -> Fraction:
        """The most that `minutes` (up to a week) in a row hold, over every start."""
        sums = self._sums()

        def until(minute: int) -> Fraction:
            weeks, at = divmod(minute, MINUTES_PER_WEEK)
            index = bisect_right(self.starts, at) - 1
            return weeks * sums[-1] + sums[index] + self.rates[index] * (at - self.starts[index])

        edges = {edge % MINUTES_PER_WEEK for start in self.starts for edge in (start, start - minutes)}
        return max(until(edge + minutes) - until(edge) for edge in edges)


@dataclass(frozen=True)
class Train:
    """A dose over `duration`, again and again: at `first` and every `every` (>= duration) from then."""

    dose: int
    duration: int
    every: int
    first: int = 0

    def most(self, window: int) -> Fraction:
        """The most that a window of this length holds: it starts with a bolus."""
        whole, rest = divmod(window, self.every)
        return self.dose * (whole + min(Fraction(1), Fraction(rest, self.duration)))

    def on_time(self, at: int) -> int:
        """For how long a train without beginning is on from `first` until `at` (negative before)."""
        whole, rest = divmod(at - self.first, self.every)
        return whole * self.duration + min(rest, self.duration)


@dataclass(frozen=True)
class Most:
    """The most that a window holds; not `exact`: a bound that is not below it."""

    amount: Fraction
    exact: bool


def most_of_trains(trains: Iterable[Train], window: int) -> Most:
    """The most that all trains together give in any window of this length.

    Trains that fit the window a whole number of times give the same in every window. The others are looked
    at over the least common multiple of their periods (a train that started later is counted as if it had
    always run: its relation to the others comes again for ever). Where that has too many edges, their
    maxima are added.
    """
    steady, varying = Fraction(0), list[Train]()
    for train in trains:
        if window % train.every == 0:
            steady += train.most(window)
        else:
            varying.append(train)
    if len(varying) < 2:
        return Most(steady + sum(train.most(window) for train in varying), exact=True)
    cycle = lcm(*(train.every for train in varying))
    if 4 * sum(cycle // train.every for train in varying) * len(varying) > _MAX_EDGES:
        return Most(steady + sum(train.most(window) for train in varying), exact=False)
    edges = {
        edge
        for train in varying
        for start in range(train.first, train.first + cycle, train.every)
        for on in (start, start + train.duration)
        for edge in (on, on - window)
    }
    common = lcm(*(train.duration for train in varying))  # doses in parts of 1/common: whole numbers, fast
    parts = [(train, train.dose * common // train.duration) for train in varying]
    together = max(
        sum(part * (train.on_time(edge + window) - train.on_time(edge)) for train, part in parts)
        for edge in edges
    )
    return Most(steady + Fraction(together, common), exact=True)


def most_requests(window: int, duration: int, lockout: int, max_per_24h: int) -> Fraction:
    """How many boluses' worth a patient can get in a window (<= a day): by lockout, running time and the
    day's count.

    Requests are granted `lockout` after the last start at the earliest, and not while one runs;
    `max_per_24h` of them start in any half-open day. So any two that are `max_per_24h` apart start a day
    apart, and at a window's two ends their parts make up one dose at most.
    """
    whole, rest = divmod(window, max(lockout, duration))
    return min(Fraction(max_per_24h), whole + min(Fraction(1), Fraction(rest, duration)))
