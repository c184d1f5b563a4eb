"""How cost grows: the page says what was measured, and nothing on it grows worse than linear unsaid."""

import json

import pytest
from benchmarks import growth_page
from benchmarks.growth_page import AXES, DATA, PAGE, exponent, page

LINE = [(float(x), 3.0 + 2.0 * x) for x in (1, 2, 4, 8)]
SQUARE = [(float(x), float(x * x)) for x in (1, 2, 4, 8)]


def test_the_page_is_of_what_was_measured():
    data = json.loads(DATA.read_text())
    assert set(data) == set(AXES)
    assert PAGE.read_text(encoding="utf-8") == page(data)


def test_the_steepest_of_neighbours_counts():
    assert exponent(LINE) < 1
    assert exponent(SQUARE) == pytest.approx(2)
    assert exponent([*LINE, (16.0, 19.0 * 8)]) > growth_page.WORSE
    assert exponent([]) == 0


def test_worse_than_linear_is_not_drawn_unsaid():
    with pytest.raises(RuntimeError, match=r"^flex grows with exponent 2\.00"):
        page({"flex": SQUARE})
