"""The units that thecal knows, and pint as their arithmetic. The one module that touches pint.

pint takes some 0.3 s to import, so it is imported when the first quantity is converted; its own thousand
units (another 0.4 s, and "MG" among them) are left out.
"""
# pint's generics are open at both ends; what leaves this module is plain.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeArgument=false, reportArgumentType=false

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pint import UnitRegistry

# Definitions for pint: first the base unit of each dimension, all others whole multiples of it.
UNITS = (
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


@cache
def _registry() -> UnitRegistry:
    from pint import UnitRegistry

    registry = UnitRegistry(None, non_int_type=Fraction, cache_folder=None)
    for line in UNITS:
        registry.define(line)
    return registry


@cache
def converted(unit: str, wanted: str) -> tuple[Fraction | None, str]:
    """How many `wanted` one `unit` is, exactly (None: they measure different things), and what `unit`
    measures.

    Both are known units, or two of them with a slash between.
    """
    registry = _registry()
    have, want = registry.Quantity(Fraction(1), unit), registry.parse_units(wanted)
    measure = str(have.dimensionality)
    if not have.check(want):
        return None, measure
    return Fraction(have.to(want).magnitude), measure
