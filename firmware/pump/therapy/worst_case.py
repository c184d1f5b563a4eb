"""Worst-case doses of a prescription: the most that any rolling 24 h can hold (HOST-04, CLINICAL formulas).

All exact in integers, in ng of the primary drug; a drug k of a mixture gets C_k/C_1 of it, rounded up.
Periodic boluses are taken each at its own worst alignment, so with several of them the figure errs on the
high side. Allocates: commands only.
"""

from pump.units import PL_PER_ML, US_PER_DAY
from thecal_protocol.program import BASAL_FLEX, BASAL_MINIMUM

_MINUTE_US = 60_000_000
_MINUTES_A_DAY = 1440
_MINUTES_A_WEEK = 7 * 1440


class _Poured:
    """Dose from the start of a week to a minute, asked for at ever later minutes: one walk through the steps
    for all of them."""

    def __init__(self, week):
        self._week = week
        self._next = 0  # index of the step that begins next
        self._monday = 0  # start of the week that it lies in
        self._at = 0
        self._total = 0
        self._dose = week[-1][1]  # Sunday's last step runs on into Monday

    def until(self, minute: int) -> int:
        """In ng*1440; no minute may lie before that of the call before."""
        week = self._week
        while True:
            start, dose = week[self._next]
            start += self._monday
            if start >= minute:
                return self._total + (minute - self._at) * self._dose
            self._total += (start - self._at) * self._dose
            self._at = start
            self._dose = dose
            self._next += 1
            if self._next == len(week):
                self._next = 0
                self._monday += _MINUTES_A_WEEK


def flex_window(week, minutes: int) -> int:
    """Highest dose of any stretch of the week so long, in ng*1440: at one that starts or ends with a step.
    `week`: of `Schedule`."""
    behind, here, ahead = _Poured(week), _Poured(week), _Poured(week)
    highest = 0
    for start, _ in week:
        at = _MINUTES_A_WEEK + start  # a week on: what lies behind must not lie before the first
        now = here.until(at)
        dose = max(now - behind.until(at - minutes), ahead.until(at + minutes) - now)
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
        basal = -(-flex_window(prescription.schedule.week(), window_us // _MINUTE_US) // _MINUTES_A_DAY)
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
