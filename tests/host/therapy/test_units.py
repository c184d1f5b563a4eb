"""The table of units against pint: every pair of units, every message, random quantities."""

import itertools
from fractions import Fraction
from typing import Any

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.units import quantities
from thecal.units import registry as units
from thecal.units.quantities import QuantityError

# The units as pint was once given them by thecal itself: the base unit of each dimension first.
DEFINITIONS = (
    "ng = [mass]",
    "ug = 1000 * ng = ug = mcg = µg = μg",
    "mg = 1000000 * ng",
    "g = 1000000000 * ng",
    "pL = [volume]",
    "nL = 1000 * pL",
    "uL = 1000000 * pL = uL = mcL = µL = μL",
    "mL = 1000000000 * pL = mL = ml",
    "L = 1000000000000 * pL",
    "um = [length] = um = µm = μm",
    "mm = 1000 * um",
    "cm = 10000 * um",
    "m = 1000000 * um",
    "us = [time] = us = µs = μs",
    "ms = 1000 * us",
    "s = 1000000 * us = s = sec = second = seconds",
    "min = 60000000 * us = min = minute = minutes",
    "h = 3600000000 * us = h = hr = hour = hours",
    "d = 86400000000 * us = d = day = days",
    "y = 31536000000000 * us = y = year = years",
)
NAMES = [name for _, _, names in units.UNITS for name in names.split()]
EACH = [*NAMES, *(f"{above}/{below}" for above, below in itertools.product(NAMES, NAMES))]
# What pint's own thousand units call otherwise, or count otherwise: its year has 365.25 days.
NOT_PINTS = {"mcL", "sec", "hr", "y", "year", "years"}
WORDS = {
    "[mass]": "a mass",
    "[volume]": "a volume",
    "[length]": "a length",
    "[time]": "a time",
    "[mass] / [time]": "a dose per time",
    "[mass] / [volume]": "a concentration",
    "[volume] / [time]": "a volume per time",
    "[volume] / [length]": "a volume per length",
    "dimensionless": "a plain number",
}


@pytest.fixture(scope="module")
def registry() -> Any:
    make: Any = pint.UnitRegistry
    registry = make(None, non_int_type=Fraction, cache_folder=None)
    for line in DEFINITIONS:
        registry.define(line)
    return registry


def by_pint(registry: Any, unit: str, wanted: str) -> tuple[Fraction | None, str]:
    have, want = registry.Quantity(Fraction(1), unit), registry.parse_units(wanted)
    measure = str(have.dimensionality)
    return (Fraction(have.to(want).magnitude) if have.check(want) else None), measure


def test_the_names_are_those_that_were_always_taken():
    taken = {name.strip() for line in DEFINITIONS for name in line.split("=")}
    assert set(NAMES) == {name for name in taken if name[0] not in "[0123456789"}
    assert len(NAMES) == len(set(NAMES))
    assert all(units.known(name) for name in NAMES)


def test_every_unit_into_every_kind(registry: Any):
    """Every name, and every unit per every other, into what every field of a file counts in."""
    first = [names.split()[0] for _, _, names in units.UNITS]
    wanted = {kind.unit: registry.parse_units(kind.unit) for kind in quantities.KINDS.values()}
    for unit in [*NAMES, *(f"{above}/{below}" for above, below in itertools.product(first, first))]:
        have = registry.Quantity(Fraction(1), unit)
        dimension = str(have.dimensionality)
        for kind, want in wanted.items():
            factor, measure = units.converted(unit, kind)
            assert (factor is None) == (have.dimensionality != want.dimensionality), (unit, kind)
            assert factor is None or factor == Fraction(have.to(want).magnitude), (unit, kind)
            assert quantities._WORDS.get(measure) == WORDS.get(dimension), (unit, dimension)


def test_pints_own_units_say_the_same():
    """Not the definitions that thecal gave it, but those that it comes with."""
    make: Any = pint.UnitRegistry
    registry = make(non_int_type=Fraction, cache_folder=None)
    smallest = {"mass": "ng", "volume": "pL", "length": "um", "time": "us"}
    for measure, _, names in units.UNITS:
        for name in set(names.split()) - NOT_PINTS:
            factor, _ = units.converted(name, smallest[measure])
            assert factor == Fraction(registry.Quantity(Fraction(1), name).to(smallest[measure]).magnitude), (
                name
            )
    assert units.converted("mcL", "uL") == (1, "volume")
    assert units.converted("hr", "min") == (60, "time")
    assert units.converted("sec", "ms") == (1000, "time")
    assert units.converted("year", "d") == units.converted("y", "day") == (365, "time")


@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=6),
    st.sampled_from(EACH),
    st.sampled_from(sorted(quantities.KINDS)),
    st.sampled_from(["{} {}", "{}{}", " {}  {} "]),
)
def test_random_quantities(registry: Any, number: Any, unit: str, kind: str, shape: str):
    text, wanted = shape.format(f"{number:f}", unit), quantities.KINDS[kind]
    factor, dimension = by_pint(registry, unit, wanted.unit)
    if factor is not None:
        assert quantities.parse(text, wanted) == Fraction(number) * factor
        return
    words = WORDS.get(dimension, "no amount of drug, volume, length or time")
    with pytest.raises(QuantityError) as caught:
        quantities.parse(text, wanted)
    assert (
        str(caught.value)
        == f'"{text}" is {words} where {wanted.words} is due, for example "{wanted.example}"'
    )
