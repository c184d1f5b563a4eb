"""Worst-case doses of a prescription: the most that any rolling 24 h can hold (HOST-04, CLINICAL formulas).

All exact in integers, in ng of the primary drug; a drug k of a mixture gets C_k/C_1 of it, rounded up. Periodic
boluses are taken each at its own worst alignment, so with several of them the figure errs on the high side.
Called by: `pump.link` when a program is proposed. Allocates: commands only.
"""

from pump.therapy.prescription import FLEX, MINIMUM
from pump.units import US_PER_DAY

_MINUTES_A_DAY = 1440
_MINUTES_A_WEEK = 7 * 1440


def _week(steps):
    """Flex steps as a sorted list of (minute of the week, dose ng/day)."""
    week = []
    for step in steps:
        for day in range(7):
            if step["days"] >> day & 1:
                week.append((day * _MINUTES_A_DAY + step["start_min"], step["dose_ng_per_day"]))
    week.sort()
    return week


def _dose_until(week, minute: int) -> int:
    """Dose from the start of the week to a minute below two weeks, in ng*1440."""
    total = 0
    whole, minute = divmod(minute, _MINUTES_A_WEEK)
    at = 0
    dose = week[-1][1]  # Sunday's last step runs on into Monday
    for _ in range(whole):
        total += _dose_until(week, _MINUTES_A_WEEK - 1) + week[-1][1]
    for start, following in week:
        if start >= minute:
            break
        total += (start - at) * dose
        at = start
        dose = following
    return total + (minute - at) * dose


def flex_24h(steps) -> int:
    """Highest dose of any 24 h of the week, in ng*1440: at one that starts or ends with a step."""
    week = _week(steps)
    highest = 0
    for start, _ in week:
        for begin in (start, (start - _MINUTES_A_DAY) % _MINUTES_A_WEEK):
            dose = _dose_until(week, begin + _MINUTES_A_DAY) - _dose_until(week, begin)
            if dose > highest:
                highest = dose
    return highest


def periodic_24h(bolus) -> int:
    """Highest dose of one periodic bolus in any 24 h, ng rounded up."""
    whole, rest_us = divmod(US_PER_DAY, bolus["every_us"])
    part_us = min(rest_us, bolus["duration_us"])
    return whole * bolus["dose_ng"] - (-bolus["dose_ng"] * part_us // bolus["duration_us"])


def patient_24h(bolus) -> int:
    """Every patient bolus that lockout and max_per_24h allow in 24 h, ng."""
    by_lockout = -(-US_PER_DAY // bolus["lockout_us"])
    return bolus["dose_ng"] * min(by_lockout, bolus["max_per_24h"])


def scheduled_24h_ng(prescription) -> int:
    """Basal and periodic boluses, ng of the primary drug, rounded up."""
    values = prescription.values
    if prescription.mode == FLEX:
        basal = -(-flex_24h(values["basal_steps"]) // _MINUTES_A_DAY)
    elif prescription.mode == MINIMUM:
        basal = prescription.highest_basal_ng_per_day()
    else:
        basal = values["basal_dose_ng_per_day"]
    for bolus in values["periodic_boluses"]:
        basal += periodic_24h(bolus)
    return basal


def worst_case_24h(prescription):
    """[(scheduled ng, worst ng)] per drug, in the order of the drugs."""
    scheduled = scheduled_24h_ng(prescription)
    worst = scheduled
    if prescription.patient_bolus:
        worst += patient_24h(prescription.patient_bolus)
    primary = prescription.concentration_ng_per_ml
    doses = []
    for drug in prescription.drugs:
        share = drug["concentration_ng_per_ml"]
        doses.append((-(-scheduled * share // primary), -(-worst * share // primary)))
    return doses


