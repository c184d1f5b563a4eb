"""Numbers for people: one way to part thousands, no zero with a sign, no exponent, zero in a known unit."""

import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.units import amounts
from thecal.units.quantities import DOSE_RATE, MASS, VOLUME, VOLUME_RATE, parse

NUMBERS = st.fractions(min_value=-(10**12), max_value=10**12)


@given(NUMBERS, st.integers(1, 6), st.sampled_from(["", "+"]))
def test_fixed_decimals_never_a_negative_zero(value: Fraction, places: int, sign: str):
    text = amounts.fixed_text(value, places, sign)
    assert len(text.partition(".")[2]) == places
    assert abs(Fraction(text) - value) <= Fraction(1, 2 * 10**places) + abs(value) / 10**15
    assert not (Fraction(text) == 0 and text[0] in "+-")


@pytest.mark.parametrize(
    ("value", "text"), [(-0.04, "0.0"), (0.04, "0.0"), (-0.05001, "-0.1"), (-0.0, "0.0")]
)
def test_fixed(value: float, text: str):
    assert amounts.fixed_text(value, 1) == text


@given(NUMBERS, st.integers(1, 6))
def test_rounded_is_written_out(value: Fraction, digits: int):
    text = amounts.rounded_text(value, digits)
    assert re.fullmatch(r"-?[0-9]+(\.[0-9]*[1-9])?", text)
    assert abs(Fraction(text) - value) <= abs(value) * Fraction(501, 100 * 10**digits)
    assert text != "-0"


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(2_004_000, 2, "2000000"), (4.1666, 3, "4.17"), (0.0571, 2, "0.057"), (9.9996, 4, "10"), (0, 3, "0")],
)
def test_rounded(value: float, digits: int, text: str):
    assert amounts.rounded_text(value, digits) == text


def test_rounded_with_a_sign():
    assert [amounts.rounded_text(x, 3, "+") for x in (0.0812, -1.5, 0)] == ["+0.0812", "-1.5", "0"]


@given(st.integers(-(10**15), 10**15))
def test_counts_have_their_thousands_apart(count: int):
    text = amounts.count_text(count)
    assert re.fullmatch(r"-?[0-9]{1,3}( [0-9]{3})*", text)
    assert int(text.replace(" ", "")) == count


def test_no_other_place_groups_digits(repo_root: Path):
    for file in (repo_root / "host_tools").rglob("*.py"):
        if file.name != "amounts.py":
            assert not re.search(r"\{[^{}\n\"']*:[-+<>^ 0-9]*[,_][.0-9a-z]*\}", file.read_text()), file


@pytest.mark.parametrize(
    ("form", "kind", "text"),
    [
        (amounts.volume_text, VOLUME, "0 mL"),
        (amounts.volume_rate_text, VOLUME_RATE, "0 mL/day"),
        (amounts.mass_text, MASS, "0 mg"),
        (amounts.dose_rate_text, DOSE_RATE, "0 mg/day"),
    ],
)
def test_nothing_is_told_in_the_units_of_a_prescription(form, kind, text):  # type: ignore[no-untyped-def]
    assert form(0) == text
    assert parse(text, kind) == 0


def test_what_is_not_exact_says_about_and_has_no_exponent():
    assert amounts.mass_text(Fraction(10**11, 3)) == "about 33330 mg"
