"""The accumulator over a hundred years, in closed form, against fractions (ARCHITECTURE, Numbers)."""

import random
from fractions import Fraction

import pytest

from pump.dosing import bigint, scale
from pump.dosing.accumulator import CAPACITY, Accumulator

CENTURY_US = 36_525 * 86_400_000_000


def rate_in_steps(parts: scale.Fraction, concentration: int, step_volume_pl: int) -> Fraction:
    """Steps per microsecond, from the meaning of a part."""
    return Fraction(parts.p, parts.q * 432 * concentration * step_volume_pl)


@pytest.mark.req("DEL-01", part="no drift in a hundred years")
@pytest.mark.parametrize(
    ("concentration", "step_volume_pl"),
    [(20_000_000, 2_500), (99_999_989, 9_999_991), (1_009, 101), (500_000, 2_503)],
)
def test_a_hundred_years_without_drift(concentration: int, step_volume_pl: int):
    """Rates change a thousand times, at random microseconds; steps are looked at in between as well."""
    rng = random.Random(concentration)
    most = 24_000_000_000 * concentration // 10**9
    rates = [scale.dose_rate(rng.randint(1, most)) for _ in range(8)]
    rates += [
        scale.bolus_rate(rng.randint(1, most // 24), rng.randint(3_600_000_000, 10**10)) for _ in range(3)
    ]
    rates.append(scale.volume_rate(48_000_000, concentration))
    accumulator = Accumulator()
    measure = scale.Scale()
    measure.set_drug(concentration, step_volume_pl)
    measure.fit(accumulator, rates)
    exact = Fraction(0)  # steps since the beginning
    given = 0
    at = 0
    for change in [*sorted(rng.sample(range(1, CENTURY_US), 1000)), CENTURY_US]:
        rate = rng.choice(rates)
        bigint.load(accumulator.rate, accumulator.size, measure.parts(rate))
        flow = rate_in_steps(rate, concentration, step_volume_pl)
        look = rng.randint(at, change)
        due = given + accumulator.steps_at(look // 10**6, look % 10**6)
        assert due == exact_floor(exact + flow * (look - at))
        exact += flow * (change - at)
        steps = exact_floor(exact) - given
        assert accumulator.close(change // 10**6, change % 10**6, steps)
        given += steps
        at = change
    remainder, unit = accumulator.fraction()
    assert given + Fraction(remainder, unit) == exact
    assert given > 10**6


def exact_floor(value: Fraction) -> int:
    return value.numerator // value.denominator


def test_a_unit_beyond_the_capacity_is_an_error():
    accumulator = Accumulator()
    accumulator.load((1 << CAPACITY * bigint.BITS) - 1, 5)
    assert accumulator.size == CAPACITY
    with pytest.raises(OverflowError):
        accumulator.load(1 << CAPACITY * bigint.BITS, 0)
    with pytest.raises(OverflowError):
        accumulator.load(7, 7)
    assert accumulator.fraction() == (5, (1 << CAPACITY * bigint.BITS) - 1)


def test_time_before_the_segment_is_an_error():
    accumulator = Accumulator()
    accumulator.open(5, 10)
    with pytest.raises(ValueError, match="before the segment"):
        accumulator.steps_at(5, 9)
