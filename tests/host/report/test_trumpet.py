"""The trumpet curve against figures that were computed apart from it, and against its definition."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.report.trumpet import AMBULATORY_WINDOWS_MIN, ambulatory, trumpet

F = Fraction

# (rate uL/min, stroke uL, sample min, samples, stall (from, to) min, {window min: (E_max, E_min)}, A): %;
# exact rationals worked out from V = whole strokes at each sample time.
CASES = {
    "0.5 mL/day, strokes of 1 uL": (
        F(25, 72), F(1), F(15), 100, None,
        {15: (F(76, 5), F(-4)), 60: (F(4, 5), F(-4)), 150: (F(44, 25), F(-4, 25)),
         330: (F(4, 11), F(-28, 55)), 570: (F(4, 95), F(-44, 95)), 930: (F(4, 155), F(-44, 155))}, F(-4, 25)),
    "the same with a stall of an hour that nothing makes up for": (
        F(25, 72), F(1), F(15), 100, (600, 660),
        {15: (F(76, 5), F(-100)), 60: (F(4, 5), F(-100)), 150: (F(44, 25), F(-1012, 25)),
         330: (F(4, 11), F(-1036, 55)), 570: (F(4, 95), F(-1004, 95)),
         930: (F(-956, 155), F(-1004, 155))}, F(-4)),
    "1 mL/h, strokes of 10 uL, bench windows": (
        F(50, 3), F(10), F(1, 2), 120, None,
        {2: (F(20), F(-10)), 5: (F(8), F(-4)), 11: (F(40, 11), F(-20, 11)), 19: (F(20, 19), F(-40, 19)),
         31: (F(20, 31), F(-40, 31))}, F(0)),
}  # fmt: skip


def strokes(rate: F, stroke: F, every: F, count: int, stall: tuple[int, int] | None) -> list[F]:
    volumes: list[F] = []
    for sample in range(count + 1):
        minute = sample * every
        if stall is not None and minute > stall[0]:
            minute = stall[0] + max(F(0), minute - stall[1])
        volumes.append(rate * minute // stroke * stroke)
    return volumes


@pytest.mark.req("DEL-02", part="flow accuracy over windows")
@pytest.mark.parametrize("name", CASES)
def test_golden_vectors(name: str):
    rate, stroke, every, count, stall, expected, mean = CASES[name]
    volumes = strokes(rate, stroke, every, count, stall)
    lengths = [int(minutes / every) for minutes in expected]
    found = trumpet(volumes, rate * every, lengths, every)
    assert {w.minutes: (w.highest, w.lowest) for w in found.windows} == expected
    assert found.mean_error == mean


@given(
    st.lists(st.integers(0, 1000), min_size=2, max_size=40),
    st.lists(st.fractions(F(1, 100), 50), min_size=1, max_size=5),
    st.integers(1, 10),
)
def test_by_the_definition(steps: list[int], parts: list[F], length: int):
    """A rate that changes: the set volume of a window is the sum of what was set for its samples."""
    volumes = [sum(steps[:n]) for n in range(len(steps) + 1)]
    wanted = [parts[n % len(parts)] for n in range(len(steps))]
    found = trumpet(volumes, wanted, [length], F(1))
    errors = [
        100 * (F(sum(steps[j : j + length])) / sum(wanted[j : j + length]) - 1)
        for j in range(len(steps) - length + 1)
    ]
    if errors:
        assert (found.windows[0].highest, found.windows[0].lowest) == (max(errors), min(errors))
    else:
        assert found.windows == ()


def test_the_ambulatory_windows_leave_out_the_first_day():
    wrong_at_first = [0] * 96 + [1000 * n for n in range(101)]
    found = ambulatory(wrong_at_first, [F(1000 * n) for n in range(197)])
    assert [window.minutes for window in found.windows] == list(AMBULATORY_WINDOWS_MIN)
    assert all(window.highest == window.lowest == 0 for window in found.windows)
    with pytest.raises(ValueError, match="24 h"):
        ambulatory(wrong_at_first[:-1], [F(1)] * 196)


@pytest.mark.parametrize("parts", [[F(0), F(0)], [F(0), F(1)]])
def test_without_a_set_flow_there_is_no_error(parts: list[F]):
    with pytest.raises(ValueError, match="no flow was set"):
        trumpet([0, 1, 2], parts, [1], F(1))
