"""The campaign's judge: an exact pump is within its dose bound, every burst shows, whenever it comes."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.campaigns.dose_bound import DoseBound, worst_excess


def exact_steps(rate: Fraction, until_us: int, phase: Fraction) -> list[int]:
    """When an exact pump makes its steps: the first microsecond at which the volume is there."""
    steps: list[int] = []
    number = 1
    while (at := -((phase - number) // rate)) <= until_us:
        steps.append(int(at))
        number += 1
    return steps


rates = st.fractions(Fraction(1, 10**7), Fraction(1, 10**5), max_denominator=10**9)


@given(rates, st.fractions(0, Fraction(99, 100)))
def test_an_exact_pump_stays_within_one_step(rate: Fraction, phase: Fraction):
    bound = DoseBound()
    bound.add(0, 10**8, rate)
    worst = worst_excess(exact_steps(rate, 10**8, phase), bound.line(), 0)
    assert worst < 1 + 2 * rate


@given(rates, st.integers(1, 50), st.integers(0, 9 * 10**7))
def test_a_burst_shows_in_full_also_after_a_pause(rate: Fraction, burst: int, at_us: int):
    """Steps that were missed for a while and are then made at once are too many, though the total is not."""
    bound = DoseBound()
    bound.add(0, 10**8, rate)
    kept = [step for step in exact_steps(rate, at_us, Fraction(0)) if step < at_us // 2]
    worst = worst_excess(kept + [at_us] * burst, bound.line(), 0)
    assert worst >= burst


def test_stretches_add_up():
    bound = DoseBound()
    bound.add(0, 100, Fraction(1, 10))
    bound.add(50, 70, Fraction(2, 10))
    line = bound.line()
    assert [line.until(at) for at in (-5, 0, 50, 60, 70, 100, 500)] == [0, 0, 5, 8, 11, 14, 14]


@pytest.mark.parametrize(
    ("steps", "worst"), [([], 0), ([60], 1), ([60, 60], 2), ([10, 60, 61], Fraction(19, 10))]
)
def test_by_hand(steps: list[int], worst: Fraction):
    bound = DoseBound()
    bound.add(0, 100, Fraction(1, 10))
    assert worst_excess(steps, bound.line(), 0) == worst
