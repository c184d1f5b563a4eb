"""Rules that need more than one field of a therapy: what is refused before anything is sent to a pump.

The pump applies the same rules again (SEC-11). `errors_of` collects everything that is wrong;
`bolus_errors` are the rules for a bolus that a clinician asks for while a therapy runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations

from thecal.errors import Problem
from thecal.therapy import limits as ranges
from thecal.therapy.dose_math import (
    DAY_MIN,
    HOUR_MIN,
    highest_basal_pl_per_us,
    pump_scheduled_ng,
    share_of,
    trains_of,
    volume_pl,
    worst_window,
)
from thecal.therapy.drug_library.rules import hard_limit_problems, limits_of, name_problems, rule_for
from thecal.therapy.models import BasalStep, Drug, Therapy
from thecal.therapy.rules.plan import bridge_problems, catheter_problems, plan_problems
from thecal.therapy.taper import doses_of
from thecal.units.amounts import (
    ALL_DAYS,
    US_PER_DAY,
    US_PER_S,
    WEEKDAYS,
    days_text,
    dose_rate_text,
    duration_text,
    exact_decimal,
    mass_text,
    rounded_text,
    time_of_day_text,
    volume_rate_text,
    volume_text,
)


def errors_of(therapy: Therapy, schedule: Sequence[Problem]) -> list[Problem]:
    """Everything that is wrong with the therapy as a whole; empty: it may be sent to a pump.

    `schedule`: its `schedule_errors`."""
    problems = [*_pump(therapy), *catheter_problems(therapy), *_drugs(therapy), *schedule]
    problems += [*hard_limit_problems(therapy), *bridge_problems(therapy)]
    if schedule:
        return problems  # what follows computes with the schedule
    return problems + [*_periodic(therapy), *_patient(therapy), *_limits(therapy)]


def schedule_errors(therapy: Therapy) -> list[Problem]:
    """What is wrong with basal mode and plan; while anything is, there are no figures to compute."""
    return [*_basal(therapy), *plan_problems(therapy, _basal_rate)]


def _pump(therapy: Therapy) -> Iterator[Problem]:
    pump, low = therapy.pump, therapy.alarms.low_reservoir_pl
    if pump.fill_pl > pump.reservoir_pl:
        yield Problem(
            "pump.fill",
            f"{volume_text(pump.fill_pl)} is more than the reservoir holds, {volume_text(pump.reservoir_pl)}",
        )
    if low >= pump.reservoir_pl:
        yield Problem(
            "alarms.low_reservoir",
            f"{volume_text(low)} is not below the reservoir's {volume_text(pump.reservoir_pl)}: "
            "it would always sound",
        )


def motor_problems(therapy: Therapy, least_gap_us: int) -> Iterator[Problem]:
    """A board's motor must follow twice the highest rate, to make up for what is overdue (MOT-06).

    `least_gap_us`: as the board states it; 0: it keeps none, as an emulated pump."""
    if not least_gap_us:
        return
    step_pl, rate = therapy.pump.step_volume_pl, therapy.limits.max_rate_pl_per_day
    highest = step_pl * US_PER_DAY // (2 * least_gap_us)
    if rate > highest:
        yield Problem(
            "limits.max_rate",
            f"{volume_rate_text(rate)} is over half of what this board's motor follows, a step of "
            f"{volume_text(step_pl)} each {duration_text(least_gap_us)}: at most {volume_rate_text(highest)}",
        )


def _drugs(therapy: Therapy) -> Iterator[Problem]:
    names = [drug.name for drug in therapy.drugs]
    yield from name_problems(therapy)
    for name, limits in therapy.limits.by_drug.items():
        if name not in names:
            yield Problem(
                f"limits.drug.{name}", f"no [[drug]] has this name; the drugs are {', '.join(names)}"
            )
        if name != therapy.primary.name:
            continue
        for field in ("max_dose_24h_ng", "max_dose_1h_ng"):
            if getattr(limits, field) is not None and getattr(therapy.limits, field) is not None:
                field = field.removesuffix("_ng")
                yield Problem(
                    f"limits.{field}", f"stands twice: also at limits.drug.{name}.{field}; keep one of them"
                )


def _basal(therapy: Therapy) -> Iterator[Problem]:
    basal = therapy.basal
    if basal.mode == "continuous" and basal.dose_ng_per_day is None:
        yield Problem("basal.dose", 'is missing; mode "continuous" needs it: dose = "2.4 mg/day"')
    if basal.mode != "continuous" and basal.dose_ng_per_day is not None:
        yield Problem("basal.dose", f'belongs to mode "continuous"; mode "{basal.mode}" has none')
    if basal.mode == "flex" and not basal.steps:
        yield Problem("basal.step", 'is missing; mode "flex" needs at least one [[basal.step]]')
    if basal.mode != "flex" and basal.steps:
        yield Problem("basal.step", f'belongs to mode "flex"; mode "{basal.mode}" has none')
    if basal.mode == "continuous" and basal.dose_ng_per_day is not None:
        yield from _basal_rate("basal.dose", basal.dose_ng_per_day, therapy)
    if basal.mode == "flex":
        yield from _flex_order(basal.steps)
        for index, step in enumerate(basal.steps):
            yield from _basal_rate(f"basal.step[{index + 1}].dose", step.dose_ng_per_day, therapy)


def _basal_rate(field: str, dose_ng_per_day: int, therapy: Therapy) -> Iterator[Problem]:
    """The rate that follows from dose and concentration lies within the pump's range and the own maximum."""
    drug, allowed = therapy.primary, ranges.BASAL_RATE
    highest_allowed = min(allowed.high, therapy.limits.max_rate_pl_per_day)
    rate = volume_pl(dose_ng_per_day, drug)

    def dose_at(rate_pl_per_day: int) -> str:
        return dose_rate_text(Fraction(rate_pl_per_day * drug.concentration_ng_per_ml, ranges.PL_PER_ML))

    means = f"{dose_rate_text(dose_ng_per_day)} is {_about(rate)} at this concentration"
    if rate < allowed.low:
        yield Problem(
            field,
            f"{means}, below the lowest basal rate, {volume_rate_text(allowed.low)} ({dose_at(allowed.low)})",
        )
    elif rate > highest_allowed:
        what = "the highest basal rate" if highest_allowed == allowed.high else "limits.max_rate"
        yield Problem(
            field, f"{means}, above {what}, {volume_rate_text(highest_allowed)} ({dose_at(highest_allowed)})"
        )


def _about(rate_pl_per_day: Fraction) -> str:
    """A rate with three significant digits: for the eye, beside exact bounds."""
    return f"{rounded_text(rate_pl_per_day / ranges.PL_PER_ML, 4)} mL/day"


def _flex_order(steps: list[BasalStep]) -> Iterator[Problem]:
    """Steps of the same days in order; no two at the same minute of a day; not too many on a day."""
    for (first, one), (second, other) in combinations(enumerate(steps), 2):
        field = f"basal.step[{second + 1}].start"
        if one.start_min == other.start_min and one.days & other.days:
            days = "" if one.days & other.days == ALL_DAYS else f" on {days_text(one.days & other.days)}"
            yield Problem(
                field,
                f"{time_of_day_text(other.start_min)} is doubled{days}: step {first + 1} starts then too",
            )
    last_of_days = dict[int, BasalStep]()
    for index, step in enumerate(steps):
        before = last_of_days.get(step.days)
        if before is not None and step.start_min < before.start_min:
            own, earlier = time_of_day_text(step.start_min), time_of_day_text(before.start_min)
            message = f"{own} is out of order: it comes after {earlier}; sort the steps by start"
            yield Problem(f"basal.step[{index + 1}].start", message)
        last_of_days[step.days] = step
    for day, name in enumerate(WEEKDAYS):
        on_day = sum(step.days >> day & 1 for step in steps)
        if on_day > ranges.MAX_STEPS_PER_DAY:
            yield Problem(
                "basal.step", f"{on_day} steps on {name}; the pump takes {ranges.MAX_STEPS_PER_DAY} a day"
            )
            break
    if len(steps) > ranges.MAX_STEPS:
        yield Problem("basal.step", f"{len(steps)} steps in all; the pump takes {ranges.MAX_STEPS}")


def _periodic(therapy: Therapy) -> Iterator[Problem]:
    fine = True
    for index, bolus in enumerate(therapy.periodic_boluses):
        field = f"periodic_bolus[{index + 1}]"
        if bolus.every_us < bolus.duration_us:
            fine = False
            period, duration = duration_text(bolus.every_us), duration_text(bolus.duration_us)
            yield Problem(f"{field}.every", f"{period} is shorter than the bolus itself, {duration}")
        for problem in bolus_errors(therapy, bolus.dose_ng, bolus.duration_us, field):
            fine = False
            yield problem
    if fine:
        yield from _periodic_together(therapy)
    a_day = sum(-(-US_PER_DAY // bolus.every_us) for bolus in therapy.periodic_boluses)
    if fine and a_day > ranges.MAX_PERIODIC_PER_24H:
        most = ranges.MAX_PERIODIC_PER_24H
        yield Problem("periodic_bolus", f"{a_day} boluses in 24 h; the pump takes {most} of all together")


def _periodic_together(therapy: Therapy) -> Iterator[Problem]:
    """Boluses that each fit may not fit at the same time; the pump takes them all at once, as does this."""
    dose_per_us = sum((Fraction(train.dose, train.duration) for train in trains_of(therapy)), Fraction(0))
    rate = (volume_pl(dose_per_us, therapy.primary) + highest_basal_pl_per_us(therapy)) * US_PER_DAY
    highest = therapy.limits.max_rate_pl_per_day
    if dose_per_us and rate > highest:
        yield Problem(
            "periodic_bolus",
            f"all at the same time they reach {_about(rate)} with the highest basal rate, above "
            f"limits.max_rate, {volume_rate_text(highest)}; make them longer",
        )


def _patient(therapy: Therapy) -> Iterator[Problem]:
    patient = therapy.patient_bolus
    if patient is None:
        return
    for drug in therapy.drugs:
        entry = rule_for(drug.name)
        rule = entry.rule("no_patient_bolus") if entry else None
        if rule is not None:
            yield Problem(
                "patient_bolus", f"is not allowed with {drug.name} in the pump; remove it ({rule.cited})"
            )
    yield from bolus_errors(therapy, patient.dose_ng, patient.duration_us, "patient_bolus")


def bolus_errors(therapy: Therapy, dose_ng: int, duration_us: int, field: str) -> Iterator[Problem]:
    """What is wrong with a bolus on top of this therapy: larger than what a full
    reservoir holds above the halt, a limit, or the rate cap.

    `dose_ng` and `duration_us` are within their ranges (above zero). The basal rate is taken at its
    highest: a bolus that passes may be given at any hour.
    """
    volume = volume_pl(dose_ng, therapy.primary)
    above_pl = therapy.pump.reservoir_pl - ranges.EMPTY_PL
    most_ng = above_pl * therapy.primary.concentration_ng_per_ml // ranges.PL_PER_ML
    if dose_ng > most_ng:
        yield Problem(
            f"{field}.dose",
            f"{mass_text(dose_ng)} is {_ml(volume)}, more than the reservoir holds above the "
            f"{volume_text(ranges.EMPTY_PL)} at which the pump halts; bolus dose: at most "
            f"{mass_text(most_ng)}",
        )
    for drug in therapy.drugs:
        limits = limits_of(therapy, drug)
        given = dose_ng * share_of(drug, therapy)
        for limit, words, window_us in (
            (limits.max_24h_ng, "24 h", US_PER_DAY),
            (limits.max_1h_ng, "1 h", 3600 * US_PER_S),
        ):
            within = given * min(Fraction(1), Fraction(window_us, duration_us))
            if field == "patient_bolus":  # the pump takes a prescribed one as a whole
                within = given
            if limit is not None and within > limit:
                amount = f"{mass_text(within)} of {drug.name}"
                yield Problem(
                    f"{field}.dose", f"{amount} is more than its limit for {words}, {mass_text(limit)}"
                )
    yield from _bolus_rate(therapy, volume, duration_us, field)


def _bolus_rate(therapy: Therapy, volume: Fraction, duration_us: int, field: str) -> Iterator[Problem]:
    """CONTRACT, Exactness: the rate on top of the highest basal rate stays within limits.max_rate."""
    highest = therapy.limits.max_rate_pl_per_day
    room = Fraction(highest, US_PER_DAY) - highest_basal_pl_per_us(therapy)
    if volume <= room * duration_us:
        return
    problem = (
        f"{duration_text(duration_us)} makes a rate of {_about(volume / duration_us * US_PER_DAY)} on top of "
        f"the basal rate, above limits.max_rate, {volume_rate_text(highest)}"
    )
    shortest = -int(-volume // room) if room > 0 else 0
    if room <= 0:
        hint = "the basal rate alone reaches it: no duration fits"
    elif shortest > ranges.BOLUS_DURATION.high:
        hint = f"it would not fit within {duration_text(ranges.BOLUS_DURATION.high)}: give less"
    else:
        hint = f"the shortest duration that fits is {duration_text(shortest)}"
    yield Problem(f"{field}.duration", f"{problem}; {hint}")


def _ml(volume: Fraction) -> str:
    exact = exact_decimal(volume / ranges.PL_PER_ML)
    return (
        f"{exact if exact and len(exact) < 12 else rounded_text(Fraction(volume) / ranges.PL_PER_ML, 4)} mL"
    )


def _limits(therapy: Therapy) -> Iterator[Problem]:
    """A schedule that alone passes a limit is refused (CONTRACT, Bolus rules), as the pump counts it.

    Of a plan, the first step that passes it is named.
    """
    for minutes, index in ((DAY_MIN, 0), (HOUR_MIN, 1)):
        counted = [pump_scheduled_ng(therapy, dose, minutes) for dose in doses_of(therapy)]
        for drug in therapy.drugs:
            limit = limits_of(therapy, drug)[index]
            amounts = [ng * share_of(drug, therapy) for ng in counted]
            passing = [step for step, amount in enumerate(amounts) if limit is not None and amount > limit]
            if limit is not None and passing:
                yield _limit_problem(therapy, drug, minutes, passing[0], amounts[passing[0]], limit)


def _limit_problem(
    therapy: Therapy, drug: Drug, minutes: int, step: int, amount: Fraction, limit: int
) -> Problem:
    exact = worst_window(therapy, minutes).scheduled
    about = "" if len(trains_of(therapy)) < 2 and exact.exact else "up to "
    window = "24 h" if minutes == DAY_MIN else "hour"
    gives = f"{about}{mass_text(amount)} of {drug.name} in the worst {window}"
    above = f"above the limit of {mass_text(limit)}"
    if step:
        return Problem(f"plan[{step}].dose", f"with it the schedule gives {gives}, {above}")
    primary = drug is therapy.primary and drug.name not in therapy.limits.by_drug
    name = f"max_dose_{'24h' if minutes == DAY_MIN else '1h'}"
    field = f"limits.{name}" if primary else f"limits.drug.{drug.name}.{name}"
    return Problem(field, f"the schedule alone gives {gives}, {above}")
