"""Arithmetic of the dosing core against Python integers: limbs, accumulator, planner, clocks (DEL-01)."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware.dosing import core_cases
from pump.dosing import bigint
from pump.dosing.accumulator import CAPACITY

CASES = Path(core_cases.__file__)
SEED = 20_260_105
MOST = (1 << CAPACITY * bigint.BITS) - 1

numbers = st.one_of(
    st.integers(0, MOST),
    st.integers(0, 1 << 45),
    st.integers(1, CAPACITY * bigint.BITS).map(lambda n: (1 << n) - 1),
    st.integers(0, CAPACITY * bigint.BITS - 1).map(lambda n: 1 << n),
    # quotient limbs that Knuth's guess gets wrong: high limbs alike, low ones not
    st.integers(0, CAPACITY - 3).map(lambda n: ((1 << 29) - 1) << (15 * n)),
)
spares = st.integers(0, 2)


@given(numbers, numbers, spares, spares)
@example(0, 0, 0, 0)
@example((1 << 45) - 1, (1 << 30) - (1 << 15) + 1, 0, 0)
@example(0x4000_0000_0000, 0x2000_7FFF, 0, 0)
def test_two_numbers(x: int, y: int, spare_x: int, spare_y: int):
    core_cases.check_two(x, y, spare_x, spare_y)


@given(st.integers(1 << 60, MOST), st.integers(1, MOST), st.integers(-2, 2))
def test_division_at_a_multiple(x: int, y: int, off: int):
    core_cases.check_quotient(max(0, x // y * y + off), y, 0, 0)


def test_division_adds_back():
    """The guess of a quotient limb is one too large: about twice in 2^15 divisions, so shown outright."""
    high = 1 << 14
    divisor = (high << 30) + 1
    for quotient in (bigint.MASK, bigint.MASK - 1, high):
        core_cases.check_quotient(divisor * quotient + divisor - 1, divisor, 0, 0)
        core_cases.check_quotient((quotient << 45) - 1, divisor, 0, 0)
    core_cases.check_quotient(high << 45, (high << 30) + bigint.MASK, 0, 0)


def test_division_by_zero_is_an_error():
    with pytest.raises(ZeroDivisionError):
        bigint.divide(bigint.new(3), bigint.new(3), 2, bigint.new(2), 2)


def test_nothing_is_truncated():
    a = bigint.new(3)
    bigint.load(a, 3, (1 << 45) - 1)
    with pytest.raises(OverflowError):
        bigint.load(a, 3, 1 << 45)


@given(st.one_of(st.integers(0, (1 << 45) - 1), st.integers(0, 1 << 31)), st.integers(0, 999_999))
@example((1 << 30) - 1, 999_999)
@example((1 << 45) - 1, 999_999)
def test_time(s: int, us: int):
    core_cases.check_time(s, us)


def test_time_past_a_small_integer_is_an_error():
    a = bigint.new(7)
    bigint.load(a, 6, (1 << 30) * 1_000_000)
    with pytest.raises(OverflowError):
        bigint.seconds_of(a, 6, bigint.new(7))


@st.composite
def segments(draw: st.DrawFn, slowest: int) -> tuple[int, int, int]:
    """unit, rate, remainder; the rate at least unit >> slowest."""
    unit = draw(st.one_of(st.integers(1, 1 << 585), st.integers(1, 1 << 60), st.integers(1, 1000)))
    fastest = max(1, unit // draw(st.sampled_from([1, 2, 3, 360, 10**6, 10**9])))
    rate = draw(st.integers(min(fastest, max(1, unit >> slowest)), fastest))
    return unit, rate, draw(st.one_of(st.integers(0, unit - 1), st.just(0), st.just(unit - 1)))


instants = st.one_of(st.just(0), st.integers(0, 10**15), st.integers(0, 2 * 10**6))


@pytest.mark.req("DEL-01", part="the accumulator")
@given(segments(slowest=600), instants, st.integers(0, 1 << 44))
def test_accumulator(segment: tuple[int, int, int], start_us: int, span_us: int):
    core_cases.check_accumulator(*segment, start_us, span_us)


@pytest.mark.req("DEL-01", part="runs of steps")
@given(segments(slowest=44), instants, st.integers(1, 200), st.integers(-2, 2))
@settings(max_examples=200)
def test_planner(segment: tuple[int, int, int], start_us: int, steps: int, shift_us: int):
    core_cases.check_planner(*segment, start_us, steps, shift_us)


@pytest.mark.parametrize("steps", [*range(1, 10), *range(54, 60), 63, 64, 65, 111, 112, 113])
@pytest.mark.parametrize("shift_us", [-1, 0, 1])
def test_horizon_at_every_length_of_run(steps: int, shift_us: int):
    """Also where a step is due in the very microsecond of the horizon, with and without a carry."""
    for unit, rate in ((1_800_000, 1), (9_000_007, 5), (2**61 - 1, 2**41 - 21)):
        core_cases.check_planner(unit, rate, 0, 999_999, steps, shift_us)


def test_on_63_bit_small_integers(run_micropython: Any):
    program = CASES.read_text() + f"\nprint(random_checks({SEED}, 200))"
    assert run_micropython(program, heap="4M").stdout.split() == ["200"]


def test_on_31_bit_small_integers(run_wasm: Any):
    """Nothing is collected there (the collector does not see what only a local holds): so few rounds."""
    program = f"import gc\ngc.disable()\n{CASES.read_text()}\nprint(random_checks({SEED}, 8, 20))"
    assert run_wasm(program).stdout.split() == ["8"]
