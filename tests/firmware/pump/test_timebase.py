"""The pump's clock: 30-bit ticks that wrap, and how long it may sleep (values at the limits of 31 bits)."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware.dosing import core_cases
from pump.timebase import MAX_SLEEP_US, Timebase
from pump.units import NEVER_S, Instant

WRAP = 1 << 30


@given(st.integers(0, WRAP - 1), st.lists(st.integers(0, (1 << 29) - 1), min_size=1, max_size=30))
@example(WRAP - 1, [0, 1, 1])
@example(WRAP - 1, [(1 << 29) - 1] * 4)
@example(0, [(1 << 29) - 1] * 30)
def test_ticks_wrap_and_time_goes_on(start_ticks: int, passed_us: list[int]):
    core_cases.check_timebase(start_ticks, passed_us)


@given(st.integers(0, 10**15), st.one_of(st.integers(-(10**9), 10**9), st.integers(-(10**6), 10**15)))
@example(999_999, 533_999_999)
@example(999_999, 534_000_001)
@example(0, MAX_SLEEP_US)
@example(0, MAX_SLEEP_US + 1)
def test_sleep_until(now_us: int, ahead_us: int):
    core_cases.check_until(now_us, ahead_us)


def test_the_longest_sleep_leaves_room_before_half_a_wrap():
    assert MAX_SLEEP_US + 1_000_000 < 1 << 29
    timebase = Timebase(7)
    assert timebase.until(Instant()) == MAX_SLEEP_US
    assert timebase.until(Instant(0, 0)) == 0


@pytest.mark.parametrize("us", [0, 999_999])
def test_every_value_on_the_way_is_a_small_integer_of_31_bits(us: int):
    """The largest that update and until hold, worked out by hand."""
    assert us + (1 << 29) - 1 < WRAP
    assert 534 * 1_000_000 + 999_999 - us < WRAP


instants = st.tuples(st.integers(0, NEVER_S), st.integers(0, 999_999))


@given(instants, instants)
def test_instants_add_subtract_and_compare(one: tuple[int, int], two: tuple[int, int]):
    a_us = one[0] * 1_000_000 + one[1]
    b_us = two[0] * 1_000_000 + two[1]
    instant = Instant(*one)
    assert instant.total_us() == a_us
    assert instant.by(*two) == (a_us <= b_us)
    instant.add(*two)
    assert (instant.total_us(), instant.us < 1_000_000) == (a_us + b_us, True)
    instant.subtract(*two)
    assert (instant.s, instant.us) == one
    instant.set_us(b_us)
    assert (instant.s, instant.us) == two
