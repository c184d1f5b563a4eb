"""Quantities as people write them ("2.4 mg/day", "5 min") to exact numbers in wire units.

The number is read as a decimal fraction, never as a float; the unit is one of `thecal.units.registry` and no
other, so that "MG" or "m" for minutes is refused instead of guessed. Modules that only show amounts use
`thecal.units.amounts`.

A bare number is refused, always (HOST-01). Every message ends with an example of what would be right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from thecal.errors import ThecalError
from thecal.units.amounts import exact_decimal
from thecal.units.registry import PLAIN_NUMBER, converted, known


class QuantityError(ThecalError, ValueError):
    """One line: what is wrong with a quantity and what would be right."""


@dataclass(frozen=True)
class Kind:
    """What a quantity measures: in words, the unit that `parse` counts in, an example for messages."""

    words: str
    unit: str
    example: str


MASS = Kind("a mass", "ng", "0.1 mg")
DOSE_RATE = Kind("a dose per time", "ng/day", "2.4 mg/day")
CONCENTRATION = Kind("a concentration", "ng/mL", "20 mg/mL")
DENSITY = Kind("a density", "ng/mL", "0.9982 g/mL")
VOLUME = Kind("a volume", "pL", "40 mL")
STEP_VOLUME = Kind("a volume", "pL", "2.5 nL")
VOLUME_RATE = Kind("a volume per time", "pL/day", "24 mL/day")
LENGTH = Kind("a length", "um", "89 cm")
VOLUME_PER_LENGTH = Kind("a volume per length", "pL/cm", "2.2 uL/cm")
DURATION = Kind("a time", "us", "5 min")
SECONDS = Kind("a time", "s", "30 min")
RESIDUAL = Kind("a volume", "pL", "3.1 mL")  # what comes out before a refill
STABLE = Kind("a time", "s", "40 d")  # how long a drug keeps
LASTING = Kind("a time", "us", "7d")  # of a simulation

KINDS = {
    "mass": MASS,
    "dose_rate": DOSE_RATE,
    "concentration": CONCENTRATION,
    "volume": VOLUME,
    "volume_rate": VOLUME_RATE,
    "length": LENGTH,
    "volume_per_length": VOLUME_PER_LENGTH,
    "duration": DURATION,
    "seconds": SECONDS,
}

_WORDS = {
    "mass": "a mass",
    "volume": "a volume",
    "length": "a length",
    "time": "a time",
    "mass / time": "a dose per time",
    "mass / volume": "a concentration",
    "volume / time": "a volume per time",
    "volume / length": "a volume per length",
    PLAIN_NUMBER: "a plain number",
}

_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?"
_QUANTITY = re.compile(rf"\s*({_NUMBER})\s*([^\s0-9+\-.,/][^\s/]*(?:\s*/\s*[^\s/]+)?)\s*", re.ASCII)
_PLAIN = re.compile(rf"\s*{_NUMBER}\s*", re.ASCII)
_LONGEST = 60  # characters; nothing that a pump can hold needs more


def parse(value: object, kind: Kind) -> Fraction:
    """`value` ("2.4 mg/day") in `kind.unit`, exactly. QuantityError when it is anything else."""
    number, unit = _split(value, kind)
    return number * _factor(unit, kind, str(value))


def parse_whole(value: object, kind: Kind, *, zero: bool = False, negative: bool = False) -> int:
    """`value` as a whole number of `kind.unit`.

    QuantityError for what `parse` refuses, for zero and negative amounts unless allowed, and for what lies
    between two wire units, which it names.
    """
    amount = parse(value, kind)
    if amount < 0 and not negative:
        least = "of zero or more" if zero else "above zero"
        raise QuantityError(f"{_quoted(value)} is negative; write an amount {least}, {_like(kind)}")
    if amount == 0 and not zero:
        raise QuantityError(f"{_quoted(value)} is zero; write an amount above zero, {_like(kind)}")
    if amount.denominator != 1:
        raise QuantityError(_not_whole(str(value), amount, kind, zero))
    return int(amount)


def parse_number(value: object, example: str) -> Fraction:
    """A plain decimal number without a unit, written as a string ("1.2", "1e-4"): exact, unlike a float."""
    if isinstance(value, str) and len(value) <= _LONGEST and _PLAIN.fullmatch(value):
        return Fraction(value.strip())
    if isinstance(value, str):
        raise QuantityError(f'{_quoted(value)} is not a number; write it like "{example}"')
    raise QuantityError(
        f'{_quoted(value)[1:-1]} is not in quotes; write it like "{example}", so that it stays exact'
    )


def _quoted(value: object) -> str:
    """In quotes, on one line, not longer than a message bears."""
    text = "".join(c if c.isprintable() else " " for c in str(value))
    return f'"{text if len(text) <= _LONGEST else text[:_LONGEST] + "..."}"'


def _like(kind: Kind) -> str:
    return f'for example "{kind.example}"'


def _split(value: object, kind: Kind) -> tuple[Fraction, str]:
    """The number and the unit, refused with a message for each way to get them wrong."""
    if isinstance(value, bool) or not isinstance(value, str):
        is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        wrong = "has no unit" if is_number else f"is not {kind.words}"
        raise QuantityError(
            f"{_quoted(value)[1:-1]} {wrong}; write {kind.words} in quotes with its unit, {_like(kind)}"
        )
    if not value.strip():
        raise QuantityError(f"nothing is there; write {kind.words} with its unit, {_like(kind)}")
    if len(value) > _LONGEST:
        raise QuantityError(f"{_quoted(value)} is not {kind.words}; write it short, {_like(kind)}")
    if _PLAIN.fullmatch(value):
        raise QuantityError(f"{_quoted(value)} has no unit; write {kind.words} with its unit, {_like(kind)}")
    found = _QUANTITY.fullmatch(value)
    if found is None:
        shown = _quoted(value)
        if re.search(r"[0-9],[0-9]", value):
            raise QuantityError(f"{shown} has a comma; write the number with a point, {_like(kind)}")
        raise QuantityError(f"{shown} is not {kind.words}; write a number and its unit, {_like(kind)}")
    return Fraction(found[1]), found[2]


def _not_whole(text: str, amount: Fraction, kind: Kind, zero: bool) -> str:
    """The two nearest amounts that are whole, in the writer's own unit where that is exact."""
    _, unit = _split(text, kind)
    factor = _factor(unit, kind, text)
    below = amount.numerator // amount.denominator

    own = [exact_decimal(whole / factor) for whole in (below, below + 1)]
    if None in own:
        own, unit = [str(below), str(below + 1)], kind.unit
    shown = [f'"{number} {unit}"' for number in own]
    if below == 0 and not zero:
        return f"{_quoted(text)} is less than the pump can hold; the smallest amount is {shown[1]}"
    nearest = f"{shown[0]} or {shown[1]}"
    return f"{_quoted(text)} is not a whole number of {kind.unit}; the nearest that are: {nearest}"


def _factor(unit: str, kind: Kind, text: str) -> Fraction:
    for name in unit.split("/"):
        if not known(name.strip()):
            unknown = _quoted(name.strip())
            raise QuantityError(
                f"{_quoted(text)}: no unit {unknown} is known; write {kind.words}, {_like(kind)}"
            )
    factor, measure = converted(re.sub(r"\s", "", unit), kind.unit)
    if factor is None:
        words = _WORDS.get(measure, "no amount of drug, volume, length or time")
        raise QuantityError(f"{_quoted(text)} is {words} where {kind.words} is due, {_like(kind)}")
    return factor
