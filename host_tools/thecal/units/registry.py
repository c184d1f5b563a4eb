"""The units that thecal knows, and how they convert into each other: exactly, in whole numbers and fractions.

Every unit is a whole multiple of the smallest one of what it measures. A table of twenty lines is all that
therapy files need; pint, which knows a thousand units ("MG" among them) and takes longer to import than
`thecal check` takes in all, is its oracle in the tests.
"""

from __future__ import annotations

from fractions import Fraction

# What it measures, how many of the smallest unit one is, its names.
UNITS = (
    ("mass", 1, "ng"),
    ("mass", 10**3, "ug mcg µg μg"),
    ("mass", 10**6, "mg"),
    ("mass", 10**9, "g"),
    ("volume", 1, "pL"),
    ("volume", 10**3, "nL"),
    ("volume", 10**6, "uL mcL µL μL"),
    ("volume", 10**9, "mL ml"),
    ("volume", 10**12, "L"),
    ("length", 1, "um µm μm"),
    ("length", 10**3, "mm"),
    ("length", 10**4, "cm"),
    ("length", 10**6, "m"),
    ("time", 1, "us µs μs"),
    ("time", 10**3, "ms"),
    ("time", 10**6, "s sec second seconds"),
    ("time", 60 * 10**6, "min minute minutes"),
    ("time", 3600 * 10**6, "h hr hour hours"),
    ("time", 86_400 * 10**6, "d day days"),
    ("time", 365 * 86_400 * 10**6, "y year years"),
)
_BY_NAME = {name: (measure, size) for measure, size, names in UNITS for name in names.split()}
PLAIN_NUMBER = "number"  # what a unit by itself measures


def known(name: str) -> bool:
    """Is there such a unit, without a slash?"""
    return name in _BY_NAME


def converted(unit: str, wanted: str) -> tuple[Fraction | None, str]:
    """How many `wanted` one `unit` is, exactly (None: they measure different things), and what `unit`
    measures: "mass", "mass / time"...

    Both are known units, or two of them with a slash between.
    """
    size, measure = _read(unit)
    wanted_size, wanted_measure = _read(wanted)
    return (size / wanted_size if measure == wanted_measure else None), measure


def _read(unit: str) -> tuple[Fraction, str]:
    """Its size in the smallest units, and what it measures."""
    above, _, below = unit.partition("/")
    measure, size = _BY_NAME[above]
    if not below:
        return Fraction(size), measure
    per, per_size = _BY_NAME[below]
    return Fraction(size, per_size), PLAIN_NUMBER if per == measure else f"{measure} / {per}"
