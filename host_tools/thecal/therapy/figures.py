"""What a sound therapy amounts to: mean flow, worst windows, dead volume, time to empty. Exact."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from thecal.therapy.dose_math import (
    DAY_MIN,
    FASTER,
    HOUR_MIN,
    dead_volume_pl,
    mean_basal_ng_per_day,
    share_of,
    time_to_empty_s,
    volume_pl,
    worst_window,
)
from thecal.therapy.models import Therapy
from thecal.therapy.taper import PlanDose, plan_of


@dataclass(frozen=True)
class Figures:
    """Doses in ng by drug. Formulas: docs/therapy-files.md."""

    basal_pl_per_day: Fraction
    scheduled_24h_ng: dict[str, Fraction]
    worst_case_24h_ng: dict[str, Fraction]
    scheduled_1h_ng: dict[str, Fraction]
    exact: bool  # False: the scheduled doses are bounds, not below the worst case
    dead_volume_pl: int
    time_to_empty_s: Fraction | None  # None: never
    time_to_empty_fast_s: Fraction | None  # at +14.5 %
    start_delay_s: int
    plan: list[PlanDose]


def figures_of(therapy: Therapy) -> Figures:
    """Of a therapy whose schedule is right."""
    day, hour = worst_window(therapy, DAY_MIN), worst_window(therapy, HOUR_MIN)

    def by_drug(ng: Fraction) -> dict[str, Fraction]:
        return {drug.name: ng * share_of(drug, therapy) for drug in therapy.drugs}

    return Figures(
        basal_pl_per_day=volume_pl(mean_basal_ng_per_day(therapy), therapy.primary),
        scheduled_24h_ng=by_drug(day.scheduled.amount),
        worst_case_24h_ng=by_drug(day.with_patient),
        scheduled_1h_ng=by_drug(hour.scheduled.amount),
        exact=day.scheduled.exact and hour.scheduled.exact,
        dead_volume_pl=dead_volume_pl(therapy.catheter),
        time_to_empty_s=time_to_empty_s(therapy),
        time_to_empty_fast_s=time_to_empty_s(therapy, FASTER),
        start_delay_s=therapy.start.delay_s if therapy.start else 0,
        plan=plan_of(therapy),
    )
