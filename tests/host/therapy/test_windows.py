"""Rolling windows against brute force."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thecal.therapy.rolling_window import MINUTES_PER_WEEK, Train, Week, most_of_trains, most_requests

HOUR = 60
DAY = 24 * HOUR

steps = st.lists(
    st.tuples(st.integers(0, 47).map(lambda n: 30 * n), st.integers(1, 127), st.integers(1, 1000)),
    min_size=1,
    max_size=6,
)


def dose_at(minute: int, points: list[tuple[int, int]]) -> int:
    """Which step holds at a minute of the week, looked up the slow way: the last one that began."""
    began = [point for point in points if point[0] <= minute] or points
    return max(began)[1]


@pytest.mark.req("BOL-05", part="host")
@settings(max_examples=50)
@given(steps, st.sampled_from([HOUR, 90, 7 * HOUR, DAY, 3 * DAY]))
def test_week_against_brute_force(chosen: list[tuple[int, int, int]], window: int):
    taken = dict[int, int]()
    for start, days, dose in chosen:
        for day in range(7):
            if days >> day & 1:
                taken.setdefault(day * DAY + start, dose)
    points = sorted(taken.items())
    week = Week.of_steps([(at % DAY, 1 << at // DAY, dose) for at, dose in points])
    # every edge lies on a half hour, so windows that start there hold the maximum; sum half hour by half hour
    halves = [dose_at(minute, points) for minute in range(0, MINUTES_PER_WEEK, 30)]
    size = window // 30
    most = max(sum((halves + halves)[i : i + size]) for i in range(len(halves)))
    assert week.most(window) == Fraction(most * 30, DAY)
    assert week.total() == Fraction(sum(halves) * 30, DAY)


@settings(max_examples=50)
@given(steps, st.integers(0, MINUTES_PER_WEEK - 1))
def test_no_window_holds_more(chosen: list[tuple[int, int, int]], start: int):
    """Windows that start at any minute, not only at edges."""
    points = sorted({(day * DAY + at): dose for at, _, dose in chosen for day in (0, 2, 3)}.items())
    week = Week.of_steps([(at % DAY, 1 << at // DAY, dose) for at, dose in points])
    held = sum(dose_at((start + minute) % MINUTES_PER_WEEK, points) for minute in range(DAY))
    assert Fraction(held, DAY) <= week.most(DAY)


trains = st.builds(
    lambda dose, duration, more, first: Train(dose, duration, duration + more, first),
    st.integers(1, 50),
    st.integers(1, 5),
    st.integers(0, 9),
    st.integers(0, 20),
)


def given_by(train: Train, second: int) -> Fraction:
    """What a train gives in the whole second after `second`: one rate, since all its edges are whole."""
    since = second - train.first
    return (
        Fraction(train.dose, train.duration)
        if since >= 0 and since % train.every < train.duration
        else Fraction(0)
    )


@settings(max_examples=40)
@given(st.lists(trains, max_size=3), st.integers(1, 30))
def test_trains_against_brute_force(some: list[Train], window: int):
    length = 20 + 2 * 14 * 13 * 12 + 2 * window
    per_second = [sum((given_by(train, t) for train in some), Fraction(0)) for t in range(length)]
    running = most = sum(per_second[:window], Fraction(0))
    for t in range(window, length):
        running += per_second[t] - per_second[t - window]
        most = max(most, running)
    found = most_of_trains(some, window)
    assert found.exact
    assert found.amount == most


def test_periods_without_a_common_cycle_give_a_bound():
    some = [Train(10, 1, 1_000_003), Train(7, 1, 1_000_033), Train(5, 1, 999_983)]
    found = most_of_trains(some, 2_500_000)
    assert not found.exact
    assert found.amount == sum(train.most(2_500_000) for train in some)


@given(
    window=st.integers(1, 12),
    duration=st.integers(1, 8),
    lockout=st.integers(1, 12),
    most=st.integers(1, 6),
)
def test_patient_requests_against_every_sequence(window: int, duration: int, lockout: int, most: int):
    """A day of 12 ticks, every sequence of starts on whole ticks (no others do better)."""
    day, best = 12, Fraction(0)

    def search(starts: list[int]):
        nonlocal best
        held = sum(max(0, min(window, at + duration) - max(0, at)) for at in starts)
        best = max(best, Fraction(held, duration))
        for at in range(starts[-1] + max(lockout, duration) if starts else -duration, window):
            if sum(at - day < start <= at for start in starts) < most:
                search([*starts, at])

    search([])
    assert best == most_requests(window, duration, lockout, most)
