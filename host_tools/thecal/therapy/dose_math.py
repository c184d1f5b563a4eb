"""What a therapy amounts to: rates, volumes and worst cases, exactly. Formulas:
docs/reference/therapy-files.md.

Doses are of the primary drug in ng, volumes in pL, times in us unless the name says otherwise. The other
drugs of a mixture follow by the ratio of concentrations (`share_of`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from thecal.therapy import limits
from thecal.therapy.models import Basal, Catheter, Drug, Therapy
from thecal.therapy.rolling_window import (
    MINUTES_PER_DAY,
    Most,
    Train,
    Week,
    most_of_trains,
    most_requests,
)
from thecal.therapy.taper import doses_of, plan_of
from thecal.units.amounts import PL_PER_ML, S_PER_DAY, US_PER_DAY, US_PER_S

_US_PER_MINUTE = 60_000_000
DAY_MIN = MINUTES_PER_DAY
HOUR_MIN = 60
FASTER = Fraction(1145, 1000)  # time to empty is also shown for a pump that runs 14.5 % fast (CLINICAL)


def volume_pl(dose_ng: Fraction | int, drug: Drug) -> Fraction:
    """The volume that holds a dose of `drug`; the same for rates per day."""
    return Fraction(dose_ng * PL_PER_ML, drug.concentration_ng_per_ml)


def share_of(drug: Drug, therapy: Therapy) -> Fraction:
    """How much of `drug` comes with one unit of the primary drug."""
    return Fraction(drug.concentration_ng_per_ml, therapy.primary.concentration_ng_per_ml)


def catheter_pl(catheter: Catheter) -> int:
    """The volume of the catheter alone, down to a whole pL as in the pump."""
    return catheter.length_um * catheter.volume_per_length_pl_per_cm // 10_000


def dead_volume_pl(catheter: Catheter) -> int:
    """V_dead: pump tubing and catheter (CLINICAL, Formulas)."""
    return catheter.pump_tubing_pl + catheter_pl(catheter)


def week_of(therapy: Therapy, dose_ng_per_day: int) -> Week:
    """The basal dose rate over a week of local time, ng per minute; `dose_ng_per_day`: if continuous."""
    basal: Basal = therapy.basal
    if basal.mode == "flex":
        return Week.of_steps((step.start_min, step.days, step.dose_ng_per_day) for step in basal.steps)
    dose = Fraction(dose_ng_per_day)
    if basal.mode == "minimum":
        dose = Fraction(limits.MINIMUM_RATE_PL_PER_DAY * therapy.primary.concentration_ng_per_ml, PL_PER_ML)
    return Week((0,), (dose / MINUTES_PER_DAY,))


def mean_basal_ng_per_day(therapy: Therapy, dose_ng_per_day: int | None = None) -> Fraction:
    """The daily mean over the week; of a plan, before its first step, or at the dose given."""
    if dose_ng_per_day is None:
        dose_ng_per_day = therapy.basal.dose_ng_per_day or 0
    return week_of(therapy, dose_ng_per_day).total() / 7


def highest_basal_pl_per_us(therapy: Therapy) -> Fraction:
    """The highest basal rate of the week, and of a plan."""
    highest = max(week_of(therapy, max(doses_of(therapy))).rates)
    return volume_pl(highest, therapy.primary) / _US_PER_MINUTE


def trains_of(therapy: Therapy) -> list[Train]:
    """The periodic boluses, doses in ng and times in us."""
    return [
        Train(bolus.dose_ng, bolus.duration_us, bolus.every_us, bolus.first_us)
        for bolus in therapy.periodic_boluses
    ]


@dataclass(frozen=True)
class Worst:
    """The worst rolling window of a length, ng of the primary drug."""

    scheduled: Most  # basal and periodic boluses
    with_patient: Fraction  # and every patient bolus that lockout and count allow


def worst_window(therapy: Therapy, minutes: int) -> Worst:
    """The most in any `minutes` (up to a day) in a row; a plan is taken at its highest dose."""
    window_us = minutes * _US_PER_MINUTE
    boluses = most_of_trains(trains_of(therapy), window_us)
    basal = week_of(therapy, max(doses_of(therapy))).most(minutes)
    scheduled = Most(basal + boluses.amount, boluses.exact)
    return Worst(scheduled, scheduled.amount + _patient_ng(therapy, window_us))


def pump_scheduled_ng(therapy: Therapy, dose_ng_per_day: int, minutes: int) -> int:
    """What the pump counts for the same window when it decides: never below `worst_window`.

    Each periodic bolus at its own worst, every part rounded up to a whole ng (pump/therapy/worst_case.py).
    """
    basal = week_of(therapy, dose_ng_per_day).most(minutes)
    window_us = minutes * _US_PER_MINUTE
    return ceil(basal) + sum(ceil(train.most(window_us)) for train in trains_of(therapy))


def _patient_ng(therapy: Therapy, window_us: int) -> Fraction:
    patient = therapy.patient_bolus
    if patient is None:
        return Fraction(0)
    times = most_requests(window_us, patient.duration_us, patient.lockout_us, patient.max_per_24h)
    return times * patient.dose_ng


def highest_use_pl_per_day(therapy: Therapy, dose_ng_per_day: int) -> Fraction:
    """Q_scheduled + N_max x bolus volume: the mean of the schedule and every permitted patient bolus."""
    periodic = sum(Fraction(train.dose * US_PER_DAY, train.every) for train in trains_of(therapy))
    dose = mean_basal_ng_per_day(therapy, dose_ng_per_day) + periodic + _patient_ng(therapy, US_PER_DAY)
    return volume_pl(dose, therapy.primary)


def time_to_empty_s(therapy: Therapy, speed: Fraction = Fraction(1)) -> Fraction | None:
    """Until the low-reservoir volume at the highest use times `speed`; None when nothing is used.

    From the commit: a start delay counts, and a plan is followed step by step.
    """
    left = Fraction(max(0, therapy.pump.fill_pl - therapy.alarms.low_reservoir_pl))
    if left == 0:
        return Fraction(0)
    plan = plan_of(therapy)
    at_s = Fraction(therapy.start.delay_s if therapy.start else 0)
    begin_us = 0
    for dose, step in zip(doses_of(therapy), [*plan, None], strict=True):
        use_pl_per_s = highest_use_pl_per_day(therapy, dose) * speed / S_PER_DAY
        span_s = Fraction(step.after_us - begin_us, US_PER_S) if step else None
        if use_pl_per_s and (span_s is None or left <= use_pl_per_s * span_s):
            return at_s + left / use_pl_per_s
        if step is None or span_s is None:
            return None
        left -= use_pl_per_s * span_s
        at_s += span_s
        begin_us = step.after_us
    return None
