"""Quantities: exact against an independent reading, every refusal word for word."""
# ruff: noqa: E501 -- messages are quoted whole

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.units import amounts, quantities
from thecal.units.quantities import QuantityError, parse, parse_number, parse_whole

EXACT = [
    ("2.4 mg/day", "dose_rate", 2_400_000),
    ("0.15 mg/h", "dose_rate", 3_600_000),
    ("0.0713 mg/h", "dose_rate", 1_711_200),
    ("12 mcg/day", "dose_rate", 12_000),
    ("125 ug", "mass", 125_000),
    ("125 mcg", "mass", 125_000),
    ("125 µg", "mass", 125_000),
    ("20 mg/mL", "concentration", 20_000_000),
    ("25 mcg/mL", "concentration", 25_000),
    ("40 mL", "volume", 40_000_000_000),
    ("2.503 nL", "volume", 2503),
    ("24 mL/day", "volume_rate", 24_000_000_000),
    ("89 cm", "length", 890_000),
    ("2.2 uL/cm", "volume_per_length", 2_200_000),
    ("5 min", "duration", 300_000_000),
    ("10min", "duration", 600_000_000),
    ("90s", "duration", 90_000_000),
    ("24h", "duration", 86_400_000_000),
    ("7d", "duration", 604_800_000_000),
    ("1y", "duration", 365 * 86_400_000_000),
    ("1.00001h", "duration", 3_600_036_000),
    ("1e-4 h", "duration", 360_000),
    ("+1h", "duration", 3_600_000_000),
    ("30 min", "seconds", 1800),
    (" 2.4  mg / day ", "dose_rate", 2_400_000),
    (".5 mg", "mass", 500_000),
]


@pytest.mark.parametrize(("text", "kind", "amount"), EXACT)
def test_reads_exactly(text: str, kind: str, amount: int):
    assert parse_whole(text, quantities.KINDS[kind]) == amount


MASS = 'write a mass with its unit, for example "0.1 mg"'
BAD = [
    (2.4, "mass", '2.4 has no unit; write a mass in quotes with its unit, for example "0.1 mg"'),
    (Decimal("2.40"), "mass", '2.40 has no unit; write a mass in quotes with its unit, for example "0.1 mg"'),
    (2, "dose_rate", '2 has no unit; write a dose per time in quotes with its unit, for example "2.4 mg/day"'),
    (True, "mass", 'True is not a mass; write a mass in quotes with its unit, for example "0.1 mg"'),
    (["1 mg"], "mass", "['1 mg'] is not a mass; write a mass in quotes with its unit, for example \"0.1 mg\""),
    ("2", "mass", f'"2" has no unit; {MASS}'),
    ("-2e3", "mass", f'"-2e3" has no unit; {MASS}'),
    ("2.4 mL", "mass", '"2.4 mL" is a volume where a mass is due, for example "0.1 mg"'),
    ("5 mg/day", "mass", '"5 mg/day" is a dose per time where a mass is due, for example "0.1 mg"'),
    ("5 mg", "dose_rate", '"5 mg" is a mass where a dose per time is due, for example "2.4 mg/day"'),
    ("5 m", "duration", '"5 m" is a length where a time is due, for example "5 min"'),
    ("1 mg/mg", "mass", '"1 mg/mg" is a plain number where a mass is due, for example "0.1 mg"'),
    ("2,4 mg", "mass", '"2,4 mg" has a comma; write the number with a point, for example "0.1 mg"'),
    ("5 MG", "mass", '"5 MG": no unit "MG" is known; write a mass, for example "0.1 mg"'),
    ("5 mgs", "mass", '"5 mgs": no unit "mgs" is known; write a mass, for example "0.1 mg"'),
    ("5 mg/fortnight", "dose_rate", '"5 mg/fortnight": no unit "fortnight" is known; write a dose per time, '
     'for example "2.4 mg/day"'),
    ("", "mass", 'nothing is there; write a mass with its unit, for example "0.1 mg"'),
    ("mg", "mass", '"mg" is not a mass; write a number and its unit, for example "0.1 mg"'),
    ("1 mg + 1 mg", "mass", '"1 mg + 1 mg" is not a mass; write a number and its unit, for example "0.1 mg"'),
    ("1_000 ng", "mass", '"1_000 ng" is not a mass; write a number and its unit, for example "0.1 mg"'),
    ("٣ mg", "mass", '"٣ mg" is not a mass; write a number and its unit, for example "0.1 mg"'),
    ("1e999999999 mg", "mass", '"1e999999999 mg" is not a mass; write a number and its unit, for example "0.1 mg"'),
    ("nan mg", "mass", '"nan mg" is not a mass; write a number and its unit, for example "0.1 mg"'),
    ("1\nmg/\nday\n2", "mass", '"1 mg/ day 2" is not a mass; write a number and its unit, for example "0.1 mg"'),
    ("0 mg", "mass", '"0 mg" is zero; write an amount above zero, for example "0.1 mg"'),
    ("-1 mg", "mass", '"-1 mg" is negative; write an amount above zero, for example "0.1 mg"'),
    ("0.4 ng", "mass", '"0.4 ng" is less than the pump can hold; the smallest amount is "1 ng"'),
    ("0.0000004 mg", "mass",
     '"0.0000004 mg" is less than the pump can hold; the smallest amount is "0.000001 mg"'),
    ("2.5001 nL", "volume",
     '"2.5001 nL" is not a whole number of pL; the nearest that are: "2.5 nL" or "2.501 nL"'),
    ("0.0000001 mg/h", "dose_rate",
     '"0.0000001 mg/h" is not a whole number of ng/day; the nearest that are: "2 ng/day" or "3 ng/day"'),
    ("0.5 s", "seconds", '"0.5 s" is less than the pump can hold; the smallest amount is "1 s"'),
]  # fmt: skip


@pytest.mark.req("HOST-01")
@pytest.mark.parametrize(("value", "kind", "message"), BAD)
def test_refuses_in_one_line(value: object, kind: str, message: str):
    with pytest.raises(QuantityError) as caught:
        parse_whole(value, quantities.KINDS[kind])
    assert str(caught.value) == message
    assert "\n" not in message


def test_long_text_is_cut_in_the_message():
    with pytest.raises(QuantityError) as caught:
        parse_whole("1" * 5000 + " mg", quantities.MASS)
    assert len(str(caught.value)) < 200


def test_zero_and_negative_where_allowed():
    assert parse_whole("0 uL", quantities.VOLUME, zero=True) == 0
    assert parse_whole("-1h", quantities.DURATION, negative=True) == -3_600_000_000


# An independent reading: decimal point and exponent moved by hand, units from a table of this test's own.
SIZES = {
    "mass": {"ng": 1, "ug": 10**3, "mcg": 10**3, "mg": 10**6, "g": 10**9},
    "volume": {"pL": 1, "nL": 10**3, "uL": 10**6, "mL": 10**9, "L": 10**12},
    "duration": {"us": 1, "ms": 10**3, "s": 10**6, "min": 6 * 10**7, "h": 36 * 10**8, "d": 864 * 10**8, "day": 864 * 10**8,
                 "y": 365 * 864 * 10**8},
    "length": {"um": 1, "mm": 10**3, "cm": 10**4, "m": 10**6},
}  # fmt: skip
RATIOS = {
    "dose_rate": ("mass", "duration", SIZES["duration"]["day"]),
    "concentration": ("mass", "volume", SIZES["volume"]["mL"]),
    "volume_rate": ("volume", "duration", SIZES["duration"]["day"]),
    "volume_per_length": ("volume", "length", SIZES["length"]["cm"]),
}


def by_hand(digits: str, places: int, exponent: int) -> Fraction:
    shift = exponent - places
    return Fraction(int(digits) * 10**shift) if shift >= 0 else Fraction(int(digits), 10**-shift)


@given(st.data())
def test_agrees_with_an_independent_reading(data: st.DataObject):
    kind = data.draw(st.sampled_from([*SIZES, *RATIOS]))
    whole = data.draw(st.text("0123456789", min_size=1, max_size=9))
    part = data.draw(st.text("0123456789", max_size=9))
    exponent = data.draw(st.integers(-12, 12))
    top, bottom, per = RATIOS.get(kind, (kind, "", 1))
    unit = data.draw(st.sampled_from(sorted(SIZES[top])))
    size = Fraction(SIZES[top][unit])
    if bottom:
        under = data.draw(st.sampled_from(sorted(SIZES[bottom])))
        unit, size = f"{unit}/{under}", size * per / SIZES[bottom][under]
    text = f"{whole}.{part}" if part else whole
    text += f"e{exponent}" if data.draw(st.booleans()) else ""
    expected = by_hand(whole + part, len(part), exponent if "e" in text else 0) * size
    text += data.draw(st.sampled_from(["", " ", "  "])) + unit
    assert parse(text, quantities.KINDS[kind]) == expected


@given(st.text())
def test_any_text_is_read_or_refused_in_one_line(text: str):
    for kind in quantities.KINDS.values():
        try:
            assert parse_whole(text, kind) > 0
        except QuantityError as error:
            assert str(error).isprintable()  # noqa: PT017


@given(st.integers(1, 10**12))
def test_nearest_amounts_enclose(parts: int):
    amount = Fraction(parts, 1000)
    if amount.denominator == 1 or amount < 1:
        return
    with pytest.raises(QuantityError) as caught:
        parse_whole(f"{amounts.exact_decimal(amount)} ng", quantities.MASS)
    below, above = str(caught.value).split(": ")[1].split(" or ")
    assert (below, above) == (f'"{int(amount)} ng"', f'"{int(amount) + 1} ng"')


TEXTS = [
    (amounts.mass_text, quantities.MASS),
    (amounts.dose_rate_text, quantities.DOSE_RATE),
    (amounts.concentration_text, quantities.CONCENTRATION),
    (amounts.volume_text, quantities.VOLUME),
    (amounts.volume_rate_text, quantities.VOLUME_RATE),
    (amounts.length_text, quantities.LENGTH),
    (amounts.volume_per_length_text, quantities.VOLUME_PER_LENGTH),
    (amounts.duration_text, quantities.DURATION),
]


@given(st.integers(1, 10**15), st.sampled_from(TEXTS))
def test_what_is_shown_reads_back_to_the_same(amount: int, pair):
    shown, kind = pair
    assert parse_whole(shown(amount), kind) == amount


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (amounts.mass_text(100_000), "100 mcg"),
        (amounts.dose_rate_text(2_400_000), "2.4 mg/day"),
        (amounts.dose_rate_text(1200), "1.2 mcg/day"),
        (amounts.volume_text(2503), "2.503 nL"),
        (amounts.duration_text(5_400_000_000), "90 min"),
        (amounts.duration_text(86_400_000_000), "24 h"),
        (amounts.duration_text(7 * 86_400_000_000), "7 d"),
        (amounts.duration_text(303_200_000), "303.2 s"),
        (amounts.duration_text(0), "0 s"),
        (amounts.exact_or_whole(Fraction(1679, 5)), "335.8"),
        (amounts.exact_or_whole(Fraction(2, 3)), "1"),
        (amounts.ratio_text(Fraction(2)), "2.0"),
        (amounts.ratio_text(Fraction(1, 3)), "0.333"),
    ],
)
def test_texts(text: str, shown: str):
    assert text == shown


@given(st.fractions())
def test_exact_decimal(value: Fraction):
    text = amounts.exact_decimal(value)
    assert text is None or Fraction(text) == value
    rest = value.denominator
    while rest % 2 == 0 or rest % 5 == 0:
        rest //= 2 if rest % 2 == 0 else 5
    assert (text is None) == (rest != 1)


def test_plain_numbers():
    assert parse_number("1e-4", "1.2") == Fraction(1, 10_000)
    with pytest.raises(
        QuantityError, match=r'^1\.2 is not in quotes; write it like "1\.2", so that it stays exact$'
    ):
        parse_number(1.2, "1.2")
    with pytest.raises(QuantityError, match=r'^"x" is not a number; write it like "1\.2"$'):
        parse_number("x", "1.2")
