"""When a pump wants its refill: volume date, end of the drug's stability or battery, whichever is first.

For `thecal check` (a file), `thecal status` and `thecal refill` (a pump, by its program as the wire has it).
Imports nothing heavy. Formulas: docs/reference/therapy-files.md (CLINICAL, Formulas).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple

from thecal.therapy.program_math import intended_dose
from thecal.therapy.rolling_window import most_requests
from thecal.units.amounts import PL_PER_ML, S_PER_DAY, US_PER_DAY
from thecal.units.local_time import after


class RefillDate(NamedTuple):
    """The day, and what asks for it: "volume", "stability", "battery"."""

    at: datetime
    reason: str


def earliest(dates: Mapping[str, datetime | None]) -> RefillDate | None:
    """The first of what is known; None: nothing asks for a refill."""
    known = [RefillDate(at, reason) for reason, at in dates.items() if at is not None]
    return min(known, key=lambda date: date.at, default=None)


def highest_use_pl_per_day(program: Mapping[str, Any]) -> Fraction:
    """The schedule's daily mean (a plan: at its highest dose) and every permitted patient bolus."""
    dose = max([intended_dose(program), *(Fraction(step["dose_ng_per_day"]) for step in program["plan"])])
    for bolus in program["periodic_boluses"]:
        dose += Fraction(bolus["dose_ng"] * US_PER_DAY, bolus["every_us"])
    for bolus in program["patient_bolus"]:
        times = most_requests(US_PER_DAY, bolus["duration_us"], bolus["lockout_us"], bolus["max_per_24h"])
        dose += times * bolus["dose_ng"]
    return dose * PL_PER_ML / program["drugs"][0]["concentration_ng_per_ml"]


def volume_date(program: Mapping[str, Any], left_pl: int, now: datetime) -> datetime | None:
    """When the low-reservoir volume is reached at the highest use; None: never."""
    use = highest_use_pl_per_day(program)
    if not use:
        return None
    usable_pl = max(0, left_pl - program["low_reservoir_pl"])
    return after(now, int(usable_pl * S_PER_DAY / use))
