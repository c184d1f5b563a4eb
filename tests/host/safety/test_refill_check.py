"""The refill check and its trend, against the formulas worked out by hand."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.therapy.refill_check import (
    RefillCheck,
    Trend,
    check_words,
    pocket_fill_bound_pl,
    trend_words,
)

ML = 10**9


@pytest.mark.req("RES-03", part="the residual is judged on the host")
@pytest.mark.parametrize(
    ("filled", "counted", "measured", "ratio", "flagged"),
    [
        (40, 10, 10, Fraction(1), False),
        (40, 10, 4, Fraction(6, 5), True),  # +20 %
        (40, 10, 8, Fraction(32, 30), False),  # just 2 mL
        (40, 30, 28, Fraction(6, 5), True),  # +20 % of 10 mL: by its share
        (40, 36, "35.2", Fraction(6, 5), False),  # 4 mL used: a syringe alone may do that
        (40, 10, "12.001", Fraction(27999, 30000), True),
        (20, 20, 17, None, True),
    ],
)
def test_by_hand(filled: int, counted: int, measured: int | str, ratio: Fraction | None, flagged: bool):
    check = RefillCheck(filled * ML, counted * ML, int(Fraction(measured) * ML))
    assert check.ratio == ratio
    assert check.suspicious is flagged
    assert any("ATTENTION" in line for line in check_words(check)) is flagged


@pytest.mark.req("RES-03", part="the trend of refills")
def test_small_differences_that_all_go_one_way_show_in_the_trend():
    each = RefillCheck(20 * ML, 16 * ML, 16 * ML - 4 * ML // 5)  # 4 mL used, 4.8 gone: not flagged by itself
    assert not each.suspicious
    assert Trend([each]).ratio is None
    trend = Trend([each, each, each])
    assert (trend.ratio, trend.suspicious) == (Fraction(6, 5), True)
    assert trend_words(trend)[0].startswith(
        "Flow over the last 3 refills: +20.0 % (+20.0 %, +20.0 %, +20.0 %)"
    )
    assert "ATTENTION" in trend_words(trend)[1]


@given(st.lists(st.tuples(st.integers(0, 39), st.integers(-400, 400)), min_size=1, max_size=6))
def test_errors_of_the_syringe_that_cancel_do_not_show(refills: list[tuple[int, int]]):
    """Every error of a residual is followed by its opposite: the trend is that of the flow, 1."""
    checks: list[RefillCheck] = []
    for counted, error in refills:
        for sign in (1, -1):
            checks.append(RefillCheck(40 * ML, counted * ML, counted * ML + sign * error * 1_000_000))
    assert Trend(checks).ratio in (None, Fraction(1))
    assert not Trend(checks).suspicious


def test_pocket_fill_bounds():
    assert pocket_fill_bound_pl(20 * ML) == ML
    assert pocket_fill_bound_pl(40 * ML) == 2 * ML
