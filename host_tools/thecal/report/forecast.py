"""How long the reservoir lasts from now on: at the highest permitted use, and by schedule alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple

from thecal.report.record import Record
from thecal.therapy.program_math import intended_dose
from thecal.therapy.refill_date import RefillDate, highest_use_pl_per_day, volume_date
from thecal.units import local_time
from thecal.units.amounts import PL_PER_ML, S_PER_DAY, US_PER_DAY


class Forecast(NamedTuple):
    """When the low-reservoir volume is reached; None: never, or nobody can tell. Uses in pL a day."""

    refill: RefillDate | None  # the pump's own date, else the volume's
    at_most: datetime | None
    scheduled: datetime | None
    most_pl_per_day: Fraction
    scheduled_pl_per_day: Fraction


def forecast_of(record: Record) -> Forecast:
    """Of a record with a program, its accounts and local time."""
    program, now = record.program, record.local
    if program is None or record.accounts is None or now is None:
        return Forecast(None, None, None, Fraction(0), Fraction(0))
    left_pl = record.accounts["reservoir_pl"]
    most, use = highest_use_pl_per_day(program), _scheduled(program)
    at_most = volume_date(program, left_pl, now)
    usable_pl = max(0, left_pl - program["low_reservoir_pl"])
    scheduled = local_time.after(now, int(usable_pl * S_PER_DAY / use)) if use else None
    refill = RefillDate(at_most, "volume") if at_most else None
    if record.refill is not None and record.refill["refill_day"] is not None:
        reason = record.refill["refill_reason"].replace("_", " ")
        day = record.refill["refill_day"]
        refill = RefillDate(local_time.from_wire(day, 0), reason) if day <= local_time.LAST_DAY else None
    return Forecast(refill, at_most, scheduled, most, use)


def _scheduled(program: Mapping[str, Any]) -> Fraction:
    """The schedule's daily mean, without a bolus of the patient."""
    dose = intended_dose(program)
    for bolus in program["periodic_boluses"]:
        dose += Fraction(bolus["dose_ng"] * US_PER_DAY, bolus["every_us"])
    return dose * PL_PER_ML / program["drugs"][0]["concentration_ng_per_ml"]
