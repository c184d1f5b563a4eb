"""The measure of rates: exact; the phase kept over every change; rounded down, and counted, past 600 bits."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pump.dosing import bigint, scale
from pump.dosing.accumulator import CAPACITY, Accumulator

concentrations = st.one_of(st.integers(1, 100_000_000), st.sampled_from([1, 99_999_989, 100_000_000]))
step_volumes = st.one_of(st.integers(100, 10_000_000), st.sampled_from([100, 9_999_991, 2_503]))
durations = st.integers(1_000_000, 86_400_000_000)
rates = st.lists(
    st.one_of(
        st.tuples(st.just("dose"), st.integers(1, 100_000_000), st.just(1)),
        st.tuples(st.just("bolus"), st.integers(1, 100_000_000), durations),
        st.tuples(st.just("volume"), st.integers(1, 24_000_000_000), st.just(1)),
    ),
    min_size=1,
    max_size=7,
)
drugs = st.tuples(concentrations, step_volumes)


def as_rate(kind: str, amount: int, duration_us: int, concentration: int) -> scale.Fraction:
    if kind == "dose":
        return scale.dose_rate(amount)
    if kind == "bolus":
        return scale.bolus_rate(amount, duration_us)
    return scale.volume_rate(amount, concentration)


def in_steps(kind: str, amount: int, duration_us: int, concentration: int, step_volume_pl: int) -> Fraction:
    """Steps per microsecond, from first principles (CONTRACT, Exactness)."""
    if kind == "volume":
        return Fraction(amount, 86_400_000_000 * step_volume_pl)
    per_us = Fraction(amount, duration_us if kind == "bolus" else 86_400_000_000)
    return per_us * 10**9 / (concentration * step_volume_pl)


@pytest.mark.req("DEL-01", part="rates are whole numbers")
@given(drugs, rates)
def test_every_rate_is_a_whole_number_of_parts(drug: tuple[int, int], wanted: list[tuple[str, int, int]]):
    accumulator = Accumulator()
    measure = scale.Scale()
    measure.set_drug(*drug)
    fractions = [as_rate(*rate, drug[0]) for rate in wanted]
    measure.fit(accumulator, fractions)
    _, unit = accumulator.fraction()
    for rate, fraction in zip(wanted, fractions, strict=True):
        exact = in_steps(*rate, *drug)
        assert Fraction(measure.parts(fraction), unit) == exact
        assert measure.parts_below(fraction) == measure.parts(fraction)
        per_day = measure.pl_per_day(measure.parts(fraction), drug[1])
        assert per_day == exact * drug[1] * 86_400_000_000 // 1
    assert Fraction(measure.dose_factor(), unit) == in_steps("dose", 1, 1, *drug)
    assert measure.rounded == 0


@pytest.mark.req("DEL-01", part="the phase is kept over a change of program")
@given(st.lists(st.tuples(drugs, rates, st.integers(0, 10**12)), min_size=2, max_size=5))
@settings(max_examples=60)
def test_the_phase_is_kept_or_rounded_down_and_counted(
    programs: list[tuple[tuple[int, int], list[tuple[str, int, int]], int]],
):
    """Programs one after the other: other drug, other durations. Each runs for a while at its first rate."""
    accumulator = Accumulator()
    measure = scale.Scale()
    at = 0
    for drug, wanted, span_us in programs:
        before = Fraction(*accumulator.fraction())
        rounded = measure.rounded
        measure.set_drug(*drug)
        fractions = [as_rate(*rate, drug[0]) for rate in wanted]
        measure.fit(accumulator, fractions)
        after = Fraction(*accumulator.fraction())
        if measure.rounded == rounded:
            assert after == before
        else:
            assert 0 <= before - after < Fraction(1, 432 * drug[0] * drug[1])
        bigint.load(
            accumulator.rate,
            accumulator.size,
            min(measure.parts(fractions[0]), accumulator_unit(accumulator)),
        )
        at += span_us
        instant = (at // 10**6, at % 10**6)
        assert accumulator.close(*instant, accumulator.steps_at(*instant))


def accumulator_unit(accumulator: Accumulator) -> int:
    return accumulator.fraction()[1]


def test_past_the_capacity_the_phase_is_rounded_down_once():
    """Four programs, each with seven boluses of long prime durations: more than 600 bits together."""
    primes = [86_399_999_969 - 2 * k for k in range(40)]
    accumulator = Accumulator()
    measure = scale.Scale()
    lost = Fraction(0)
    at = 0
    for program in range(4):
        before = Fraction(*accumulator.fraction())
        measure.set_drug(99_999_989, 9_999_991 - program)
        fractions = [scale.bolus_rate(99_999_971, primes[7 * program + k]) for k in range(7)]
        measure.fit(accumulator, fractions)
        after = Fraction(*accumulator.fraction())
        assert 0 <= before - after < Fraction(1, 432 * 99_999_989 * (9_999_991 - program))
        lost += before - after
        bigint.load(accumulator.rate, accumulator.size, sum(measure.parts(rate) for rate in fractions))
        at += 3_600_000_007 * 10**3
        instant = (at // 10**6, at % 10**6)
        assert accumulator.close(*instant, accumulator.steps_at(*instant))
        assert accumulator.size <= CAPACITY
    assert measure.rounded > 0
    assert lost > 0


def test_the_largest_therapy_fits_with_a_phase_of_its_own():
    """Every source with a duration of its own, largest drug and step: the worst that one program can ask."""
    measure = scale.Scale()
    measure.set_drug(100_000_000, 9_999_991)
    primes = [86_399_999_969 - 2 * k for k in range(7)]
    accumulator = Accumulator()
    fractions = [scale.bolus_rate(1, prime) for prime in primes]
    fractions.append(scale.volume_rate(48_000_001, 99_999_989))
    measure.fit(accumulator, fractions)
    assert measure.rounded == 0
    assert accumulator.size * bigint.BITS <= 375
