"""Worst-case doses of a prescription: the most that any rolling 24 h can hold (HOST-04, CLINICAL formulas).

All exact in integers, in ng of the primary drug; a drug k of a mixture gets C_k/C_1 of it, rounded up.
Periodic boluses are taken each at its own worst alignment, so with several of them the figure errs on the
high side. Called by: `pump.link` when a program is proposed. Allocates: commands only."""

from pump.units import PL_PER_ML, US_PER_DAY
from wire.therapy import BASAL_FLEX, BASAL_MINIMUM

_MINUTE_US = 60_000_000
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


def flex_window(steps, minutes: int) -> int:
    """Highest dose of any stretch of the week so long, in ng*1440: at one that starts or ends with a step."""
    week = _week(steps)
    highest = 0
    for start, _ in week:
        for begin in (start, (start - minutes) % _MINUTES_A_WEEK):
            dose = _dose_until(week, begin + minutes) - _dose_until(week, begin)
            if dose > highest:
                highest = dose
    return highest


def periodic_window(bolus, window_us: int) -> int:
    """Highest dose of one periodic bolus in any stretch so long, ng rounded up."""
    whole, rest_us = divmod(window_us, bolus["every_us"])
    part_us = min(rest_us, bolus["duration_us"])
    return whole * bolus["dose_ng"] - (-bolus["dose_ng"] * part_us // bolus["duration_us"])


def patient_24h(bolus) -> int:
    """Every patient bolus that lockout and max_per_24h allow in 24 h, ng."""
    by_lockout = -(-US_PER_DAY // bolus["lockout_us"])
    return bolus["dose_ng"] * min(by_lockout, bolus["max_per_24h"])


def scheduled_ng(prescription, dose_ng_per_day: int, window_us: int) -> int:
    """Basal (at this dose when it is continuous) and periodic boluses in a window, ng of the primary drug."""
    values = prescription.values
    if values["basal_mode"] == BASAL_FLEX:
        basal = -(-flex_window(values["basal_steps"], window_us // _MINUTE_US) // _MINUTES_A_DAY)
    elif values["basal_mode"] == BASAL_MINIMUM:
        basal = -(-prescription.highest_basal_e9() * window_us // (US_PER_DAY * PL_PER_ML))
    else:
        basal = -(-dose_ng_per_day * window_us // US_PER_DAY)
    for bolus in values["periodic_boluses"]:
        basal += periodic_window(bolus, window_us)
    return basal


def worst_case_24h(prescription):
    """[(scheduled ng, worst ng)] per drug, in the order of the drugs; of a plan, at its highest dose."""
    doses = [prescription.values["basal_dose_ng_per_day"]]
    doses += [step["dose_ng_per_day"] for step in prescription.values["plan"]]
    scheduled = scheduled_ng(prescription, max(doses), US_PER_DAY)
    worst = scheduled
    if prescription.patient_bolus:
        worst += patient_24h(prescription.patient_bolus)
    primary = prescription.concentration_ng_per_ml
    found = []
    for drug in prescription.drugs:
        share = drug["concentration_ng_per_ml"]
        found.append((-(-scheduled * share // primary), -(-worst * share // primary)))
    return found
