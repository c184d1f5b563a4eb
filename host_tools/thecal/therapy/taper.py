"""Plans: the dated dose steps of a taper or titration, and how [taper] is worked out into them.

A percentage is of the dose before, and what comes out is rounded down to a whole ng/day: never more than was
asked for. Everything is exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from thecal.therapy.limits import MAX_PLAN_STEPS
from thecal.units.amounts import dose_rate_text

if TYPE_CHECKING:
    from thecal.therapy.models import Taper, Therapy


class PlanDose(NamedTuple):
    """A dose and how long after the commit it begins (of flowing time: stops and a start delay hold it)."""

    after_us: int
    dose_ng_per_day: int


class Expansion(NamedTuple):
    """The doses of a [taper]; `field` and `complaint` say why there are no more of them ("": all is well)."""

    doses: list[PlanDose]
    field: str = ""
    complaint: str = ""


def plan_of(therapy: Therapy) -> list[PlanDose]:
    """The plan of a therapy, from [[plan]] or worked out from [taper]; empty: the dose stays."""
    if therapy.plan:
        return [PlanDose(step.after_us, step.dose_ng_per_day) for step in therapy.plan]
    if therapy.taper is None or therapy.basal.dose_ng_per_day is None:
        return []
    return expand(therapy.basal.dose_ng_per_day, therapy.taper).doses


def doses_of(therapy: Therapy) -> list[int]:
    """The basal dose of mode "continuous" and every dose of its plan, ng/day."""
    return [therapy.basal.dose_ng_per_day or 0, *(step.dose_ng_per_day for step in plan_of(therapy))]


def expand(first_ng_per_day: int, taper: Taper) -> Expansion:
    """Work a [taper] out: `steps` of them, or up to `until`, which the last one meets exactly."""
    until, rises = taper.until_ng_per_day, taper.change.rises
    if until is not None and (until <= first_ng_per_day if rises else until >= first_ng_per_day):
        side = "above" if rises else "below"
        message = f"{dose_rate_text(until)} is not {side} the dose it starts from"
        return Expansion([], "taper.until", f"{message}, {dose_rate_text(first_ng_per_day)}")
    doses: list[PlanDose] = []
    dose = first_ng_per_day
    while dose != until and (until is not None or len(doses) < (taper.steps or 0)):
        number = len(doses) + 1
        if number > MAX_PLAN_STEPS:
            message = f"is not reached in the {MAX_PLAN_STEPS} steps that the pump takes"
            return Expansion(
                doses, "taper.until", f"{message}, which end at {dose_rate_text(dose)}; make larger steps"
            )
        following = taper.change.after(dose)
        if until is not None and (following > until if rises else following < until):
            following = until
        if following == dose:
            return Expansion(
                doses, "taper.change", f"is less than 1 ng/day at step {number}: it changes nothing"
            )
        if following < 1:
            return Expansion(doses, f"plan[{number}].dose", "nothing is left of the dose; make fewer steps")
        dose = following
        doses.append(PlanDose(number * taper.every_us, dose))
    return Expansion(doses)
