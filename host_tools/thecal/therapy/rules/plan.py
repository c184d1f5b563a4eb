"""Rules for what a therapy does over time: a start delay, a plan of dose steps, a bridge.

The pump applies the same again (SEC-11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from thecal.errors import Problem
from thecal.therapy import limits
from thecal.therapy.dose_math import catheter_pl, dead_volume_pl
from thecal.therapy.drug_library.rules import rule_for, step_warning
from thecal.therapy.models import Therapy
from thecal.therapy.program_math import LARGE
from thecal.therapy.taper import PlanDose, doses_of, expand, plan_of
from thecal.units.amounts import dose_rate_text, duration_text

RateRule = Callable[[str, int, Therapy], Iterator[Problem]]


def catheter_problems(therapy: Therapy) -> Iterator[Problem]:
    """The volume that follows from the catheter's length is one that the pump takes."""
    complaint = limits.CATHETER.complaint(catheter_pl(therapy.catheter))
    if complaint is not None:
        yield Problem("catheter.length", complaint)


def plan_problems(therapy: Therapy, rate_rule: RateRule) -> Iterator[Problem]:
    """A plan is checked whole, and the first step that is wrong is named. `rate_rule`: for a basal dose."""
    where = "taper" if therapy.taper is not None else "plan"
    if therapy.taper is not None and therapy.plan:
        yield Problem("taper", "stands beside [[plan]]; keep one of them")
        return
    if therapy.taper is None and not therapy.plan:
        return
    mode = therapy.basal.mode
    if mode != "continuous":
        yield Problem(where, f'belongs to mode "continuous"; mode "{mode}" has no dose to change in steps')
        return
    if therapy.basal.dose_ng_per_day is None:
        return  # said already
    fault = _expansion_problem(therapy) or _spans_problem(plan_of(therapy))
    if fault is not None:
        yield fault
        return
    for number, step in enumerate(plan_of(therapy), 1):
        field = f"plan[{number}].dose"
        complaint = limits.DOSE_PER_DAY.complaint(step.dose_ng_per_day)
        problems = [Problem(field, complaint)] if complaint else []
        problems = problems or list(rate_rule(field, step.dose_ng_per_day, therapy))
        if problems:
            yield problems[0]
            return


def _expansion_problem(therapy: Therapy) -> Problem | None:
    taper = therapy.taper
    if taper is None:
        return None
    if (taper.steps is None) == (taper.until_ng_per_day is None):
        return Problem("taper", 'needs one of steps and until; write for example: until = "50 mcg/day"')
    found = expand(therapy.basal.dose_ng_per_day or 0, taper)
    return Problem(found.field, found.complaint) if found.complaint else None


def _spans_problem(plan: list[PlanDose]) -> Problem | None:
    before_us = 0
    for number, step in enumerate(plan, 1):
        complaint = limits.PLAN_SPAN.complaint(step.after_us - before_us)
        if step.after_us <= before_us:
            after, earlier = duration_text(step.after_us), duration_text(before_us)
            complaint = f"{after} is not later than {earlier}, when the dose before it begins"
        if complaint is not None:
            return Problem(f"plan[{number}].after", complaint)
        before_us = step.after_us
    return None


def bridge_problems(therapy: Therapy) -> Iterator[Problem]:
    """A bridge needs a dead volume, and the dose it leads to at once. The rest: `thecal.therapy.bridge`."""
    if therapy.bridge is None:
        return
    if dead_volume_pl(therapy.catheter) == 0:
        yield Problem("bridge", "the dead volume is 0: there is nothing to bridge; write the real catheter")
    if therapy.plan or therapy.taper is not None:
        yield Problem("bridge", "stands beside a plan; program the plan when the bridge has ended")
    if therapy.start is not None and therapy.start.delay_s:
        yield Problem("bridge", "stands beside a start delay; keep one of them")


def plan_warnings(therapy: Therapy) -> Iterator[Problem]:
    """Steps of a plan that a person should look at twice."""
    doses = doses_of(therapy)
    rule = rule_for(therapy.primary.name)
    for number, (before, dose) in enumerate(pairwise(doses), 1):
        field = f"plan[{number}].dose"
        step = f"from {dose_rate_text(before)} to {dose_rate_text(dose)}"
        if dose > LARGE * before or before > LARGE * dose:
            yield Problem(field, f"{step} is more than twofold in one step")
        text = step_warning(rule, before, dose) if rule else None
        if text is not None:
            yield Problem(field, f"{step} {text}")
