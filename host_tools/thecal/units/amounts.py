"""Exact amounts as text: integers in wire units (ng, pL, us ...) to readable strings with a unit.

Every function here with a unit is exact: what it prints, `thecal.units.quantities.parse` reads back
to the same number. It imports nothing heavy, so that `thecal status` and `thecal monitor` may use it.
"""

from __future__ import annotations

import math
from fractions import Fraction

PL_PER_ML = 10**9
PL_PER_UL = 10**6
PL_PER_NL = 10**3
US_PER_S = 10**6
US_PER_DAY = 86_400 * US_PER_S
S_PER_DAY = 86_400

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALL_DAYS = 0b1111111

# (unit, size in the wire unit), largest first
_MASS = (("mg", 10**6), ("mcg", 10**3), ("ng", 1))
_VOLUME = (("mL", PL_PER_ML), ("uL", PL_PER_UL), ("nL", PL_PER_NL), ("pL", 1))
_TIME = (("h", 3600 * US_PER_S), ("min", 60 * US_PER_S), ("s", US_PER_S), ("ms", 1000), ("us", 1))
_LENGTH = (("cm", 10_000), ("um", 1))


def exact_decimal(value: Fraction | int) -> str | None:
    """`value` as a plain decimal string without trailing zeros, or None when no finite decimal is equal."""
    value = Fraction(value)
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return None
    places = max(twos, fives)
    digits = str(abs(value.numerator) * (10**places // value.denominator)).rjust(places + 1, "0")
    text = digits if places == 0 else f"{digits[:-places]}.{digits[-places:]}"
    return f"-{text}" if value < 0 else text


def fixed_text(value: Fraction | float, places: int, sign: str = "") -> str:
    """So many decimals, and never "-0.0": what rounds to zero has no sign. `sign` "+": others do."""
    text = f"{float(value):{sign}.{places}f}"
    return text if text.strip("+-0.") else f"{0:.{places}f}"


def rounded_text(value: Fraction | float, digits: int, sign: str = "") -> str:
    """So many significant digits, written out: never "2e+06", "nan" aside."""
    size = abs(float(value))
    places = 0 if size == 0 else digits - 1 - math.floor(math.log10(size))
    text = fixed_text(round(float(value), places), max(0, places), sign)
    return text.rstrip("0").rstrip(".") if "." in text else text


def count_text(count: int) -> str:
    """A count with its thousands apart: "1 440 000". The only way that thecal groups digits."""
    return f"{count:,}".replace(",", " ")


def exact_or_whole(value: Fraction | int) -> str:
    """The exact decimal; a number that has none is rounded to a whole unit (CONTRACT, check)."""
    return exact_decimal(value) or str(round(value))


def ratio_text(ratio: Fraction) -> str:
    """A ratio for people and scripts: "2.0", "1.25"; what is not exact has three decimals."""
    exact = exact_decimal(ratio)
    text = exact if exact is not None and len(exact) <= 12 else fixed_text(ratio, 3)
    return text if "." in text else f"{text}.0"


def _in_largest(amount: Fraction | int, units: tuple[tuple[str, int], ...], per: str = "") -> str:
    """In the largest unit that makes the number at least 1 (the smallest one when none does; the largest for
    none at all: nobody thinks of 0 pL)."""
    for unit, size in units:
        if abs(amount) >= size or size == 1 or not amount:
            number = exact_decimal(Fraction(amount, size))
            return f"{number or f'about {rounded_text(Fraction(amount, size), 4)}'} {unit}{per}"
    raise ValueError("a table of units ends with size 1")


def mass_text(ng: Fraction | int) -> str:
    """ "0.1 mg" is written "100 mcg": no leading zero, the unit in full view."""
    return _in_largest(ng, _MASS)


def dose_rate_text(ng_per_day: Fraction | int) -> str:
    """ng/day, shown per day in mg, mcg or ng."""
    return _in_largest(ng_per_day, _MASS, "/day")


def concentration_text(ng_per_ml: Fraction | int) -> str:
    """ng/mL, shown per mL in mg, mcg or ng."""
    return _in_largest(ng_per_ml, _MASS, "/mL")


def density_text(ng_per_ml: Fraction | int) -> str:
    """ng/mL, shown in g/mL."""
    return f"{exact_decimal(Fraction(ng_per_ml, 10**9))} g/mL"


def volume_text(pl: Fraction | int) -> str:
    """pL, shown in mL, uL, nL or pL."""
    return _in_largest(pl, _VOLUME)


def volume_rate_text(pl_per_day: Fraction | int) -> str:
    """pL/day, shown per day."""
    return _in_largest(pl_per_day, _VOLUME, "/day")


def length_text(um: int) -> str:
    """um, shown in cm or um."""
    return _in_largest(um, _LENGTH)


def volume_per_length_text(pl_per_cm: int) -> str:
    """pL/cm, shown per cm."""
    return _in_largest(pl_per_cm, _VOLUME, "/cm")


def duration_text(us: int) -> str:
    """In the largest unit in which it is a whole number ("90 min", "2 h", "303.2 s" when it is not)."""
    if us >= 3 * US_PER_DAY and us % US_PER_DAY == 0:
        return f"{us // US_PER_DAY} d"
    for unit, size in _TIME[:3]:
        if us and us % size == 0:
            return f"{us // size} {unit}"
    if abs(us) >= US_PER_S or us == 0:
        return f"{exact_decimal(Fraction(us, US_PER_S))} s"
    return _in_largest(us, _TIME)


def span_text(seconds: int) -> str:
    """A span for people: "2 d 3 h", "4 h 10 min", "50 s". Not exact above a minute."""
    parts = [(seconds // 86_400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min")]
    shown = [f"{number} {unit}" for number, unit in parts if number][:2]
    return " ".join(shown) or duration_text(seconds * US_PER_S)


def days_text(days: int) -> str:
    """A mask of days, bit 0 Monday, as "mon tue"."""
    return " ".join(name for day, name in enumerate(WEEKDAYS) if days >> day & 1)


def time_of_day_text(minute: int) -> str:
    """Minutes after midnight as "06:30"."""
    return f"{minute // 60:02}:{minute % 60:02}"
