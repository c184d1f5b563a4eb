"""Numbers as the JSON documents have them: every exact amount is a decimal string. Formats:
docs/reference/cli.md.
"""

from __future__ import annotations

from fractions import Fraction

from thecal.units.amounts import PL_PER_NL, US_PER_S, exact_decimal

SCHEMA = 1


def nl(pl: Fraction | int) -> str:
    """Picolitres as exact nL."""
    return exact(Fraction(pl, PL_PER_NL))


def exact(amount: Fraction | int) -> str:
    """An amount that has a finite decimal, as all on the wire have."""
    text = exact_decimal(amount)
    if text is None:
        raise ValueError(f"{amount} has no finite decimal")
    return text


def seconds(us: int) -> int | float:
    """Exact: an int when whole; a double holds the microseconds of a century."""
    return us // US_PER_S if us % US_PER_S == 0 else us / US_PER_S
