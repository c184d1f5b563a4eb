"""Flex schedule and local time against brute force and datetime."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware.dosing import core_cases
from pump.dosing import bigint
from pump.dosing.local_time import LocalTime
from pump.dosing.schedule import DOSE_LIMBS, Schedule

WEEK_S = 604_800
DAY_US = 86_400_000_000
Step = tuple[int, int, int]  # start minute, days, dose


def starts_of(steps: list[Step]) -> dict[int, int]:
    """Second of the week at which each step starts, and its dose."""
    return {
        (day * 1440 + start) * 60: dose for start, days, dose in steps for day in range(7) if days >> day & 1
    }


def brute_force(starts: dict[int, int], second: int) -> tuple[int, int]:
    """The dose that holds at a second of the week, and the seconds until the next start, by walking there."""
    held = max((s for s in starts if s <= second), default=max(starts))
    following = min((s for s in starts if s > second), default=min(starts) + WEEK_S)
    return starts[held], following - second


@st.composite
def weeks(draw: st.DrawFn) -> list[Step]:
    """A week's steps, no two at one time: doses tell them apart."""
    minutes = draw(st.lists(st.integers(0, 1439), min_size=1, max_size=8, unique=True))
    return [(minute, draw(st.integers(1, 127)), 1000 + i) for i, minute in enumerate(minutes)]


def check(steps: list[Step], second: int) -> None:
    schedule = Schedule(steps)
    schedule.look_up(second // 86_400, second % 86_400)
    dose, ahead_s = brute_force(starts_of(steps), second)
    assert (schedule.dose_ng_per_day(), schedule.ahead_s) == (dose, ahead_s)
    assert bigint.to_int(schedule.dose(), DOSE_LIMBS) == dose


@given(weeks(), st.data())
@settings(max_examples=100)
def test_the_step_that_holds_and_the_next(steps: list[Step], data: st.DataObject):
    """At random seconds, and one second before, at and after each start."""
    for second in data.draw(st.lists(st.integers(0, WEEK_S - 1), max_size=5)):
        check(steps, second)
    for start in starts_of(steps):
        for shift in (-1, 0, 1):
            check(steps, (start + shift) % WEEK_S)


def test_a_step_holds_past_midnight_and_through_days_without_steps():
    """One step on Fridays at 23:59: it holds all week."""
    steps = [(1439, 1 << 4, 7)]
    friday = 4 * 86_400 + 1439 * 60
    for second in (0, friday - 1, friday, friday + 60, WEEK_S - 1):
        check(steps, second)
    schedule = Schedule(steps)
    schedule.look_up(4, 1439 * 60)
    assert schedule.ahead_s == WEEK_S


def test_48_steps_on_every_day():
    steps = [(30 * i, 127, 100 + i) for i in range(48)]
    for second in range(0, WEEK_S, 1799):
        check(steps, second)


shifts = st.integers(-2 * DAY_US, 2 * DAY_US)


@given(
    st.tuples(
        st.integers(0, 1 << 30),
        st.integers(0, 999_999),
        st.integers(0, 65_535),
        st.integers(0, 86_399),
        st.integers(0, 999_999),
        st.integers(0, 10**15),
        shifts,
    )
)
def test_local_time_is_one_count(values: tuple[int, int, int, int, int, int, int]):
    core_cases.check_local_time(*values)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2150, 1, 1)),
    st.integers(0, 10**15),
    st.lists(st.tuples(st.integers(0, 400 * DAY_US), shifts), max_size=4),
)
@example(datetime(2028, 2, 28, 23, 59, 59, 999_999), 0, [(1, 0), (DAY_US, -DAY_US), (0, 2 * DAY_US)])
@example(datetime(2000, 2, 29), 86_399_999_999, [(1, 1), (DAY_US - 1, -1)])
@example(datetime(2100, 2, 28, 12), 5, [(DAY_US, 0)])
def test_local_time_against_datetime(start: datetime, now_us: int, steps: list[tuple[int, int]]):
    """Time passes and is moved, both ways; date and weekday stay those of the calendar."""
    zero = datetime(2000, 1, 1)
    local = LocalTime()
    since = start - zero
    local.set_at(now_us // 10**6, now_us % 10**6, since.days, since.seconds, since.microseconds)
    clock = start
    for passed_us, shift_us in steps:
        now_us += passed_us
        local.shift(shift_us)
        clock += timedelta(microseconds=passed_us + shift_us)
        local.at(now_us // 10**6, now_us % 10**6)
        shown = zero + timedelta(days=local.day, seconds=local.second, microseconds=local.us)
        assert shown == clock
        assert local.weekday() == clock.weekday()


SAME = """
import gc
gc.disable()
from pump.dosing.schedule import Schedule
schedule = Schedule([(s * 61 % 1440, s * 37 % 127 + 1, s) for s in range(1, 12)])
for second in range(0, 604800, 4999):
    schedule.look_up(second // 86400, second % 86400)
    print(schedule.index, schedule.ahead_s)
"""


def test_the_same_on_every_interpreter(
    run_micropython: Any, run_wasm: Any, capsys: pytest.CaptureFixture[str]
):
    exec(SAME, {})
    expected = capsys.readouterr().out
    assert run_micropython(SAME).stdout == expected
    assert run_wasm(SAME).stdout == expected
