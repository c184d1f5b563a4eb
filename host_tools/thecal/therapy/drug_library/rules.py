"""What the drug library in use says of a therapy: usual doses and steps (soft), limits (hard), rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from thecal.errors import Problem
from thecal.therapy.checked import SoftLimit
from thecal.therapy.dose_math import mean_basal_ng_per_day
from thecal.therapy.drug_library import names, store
from thecal.therapy.drug_library.model import DrugEntry
from thecal.therapy.models import DoseLimits, Drug, Therapy
from thecal.therapy.program_math import mean_basal
from thecal.units.amounts import concentration_text, dose_rate_text, mass_text


def rule_for(name: str) -> DrugEntry | None:
    """What the library in use says of a drug."""
    return store.current().drug(name)


def stable_days(name: str, concentration_ng_per_ml: int) -> int | None:
    """How many days a filling keeps, where the library says so."""
    entry = rule_for(name)
    row = entry.keeps(concentration_ng_per_ml) if entry else None
    return row.days if row else None


def same_drug(one: str, other: str) -> bool:
    """Whether two names mean the same drugs, known or not."""
    if names.same(one, other):
        return True
    library = store.current()
    meant = [drug.name for drug in library.drugs(one)]
    return bool(meant) and meant == [drug.name for drug in library.drugs(other)]


def name_problems(therapy: Therapy) -> Iterator[Problem]:
    """Each drug stands once: under two names it would have two limits."""
    library = store.current()
    for index, drug in enumerate(therapy.drugs):
        mine = {entry.name for entry in library.drugs(drug.name)}
        for before in therapy.drugs[:index]:
            both = mine & {entry.name for entry in library.drugs(before.name)}
            if names.same(drug.name, before.name):
                yield Problem(f"drug[{index + 1}].name", f'"{drug.name}" stands twice; name each drug once')
            elif both:
                yield Problem(
                    f"drug[{index + 1}].name",
                    f'"{drug.name}" and "{before.name}" are both {min(both)}; name each drug once',
                )


def name_warnings(therapy: Therapy) -> Iterator[Problem]:
    """A drug that the library does not know, and one whose name only contains a known one's."""
    library = store.current()
    for index, drug in enumerate(therapy.drugs):
        field, found = f"drug[{index + 1}].name", library.drugs(drug.name)
        known = " and ".join(entry.name for entry in found)
        if not found:
            yield Problem(field, f'"{drug.name}" is not in the drug library: no limits are known for it')
        elif not names.same(drug.name, known):
            yield Problem(field, f'"{drug.name}" is taken for {known}, whose limits and rules hold for it')


def limits_of(therapy: Therapy, drug: Drug) -> DoseLimits:
    """The dose limits that hold for `drug`: the therapy's own, and never above the hard limit."""
    own = therapy.limits_of(drug)
    entry = rule_for(drug.name)
    hard = entry.dose.hard_ng_per_day if entry and entry.dose else None
    if hard is None or (own.max_24h_ng is not None and own.max_24h_ng <= hard):
        return own
    return DoseLimits(hard, own.max_1h_ng)


def hard_limit_problems(therapy: Therapy) -> Iterator[Problem]:
    """What passes a hard limit; that the schedule keeps the dose limit is `whole`' business."""
    for index, drug in enumerate(therapy.drugs):
        entry = rule_for(drug.name)
        limits = entry.concentration if entry else None
        hard = limits.hard_ng_per_ml if limits else None
        if limits and hard is not None and drug.concentration_ng_per_ml > hard:
            yield Problem(
                f"drug[{index + 1}].concentration",
                f"{concentration_text(drug.concentration_ng_per_ml)} is above the hard limit of "
                f"{drug.name}, {concentration_text(hard)} ({limits.cited})",
            )
        dose = entry.dose if entry else None
        hard, own = dose.hard_ng_per_day if dose else None, therapy.limits_of(drug).max_24h_ng
        if dose and hard is not None and own is not None and own > hard:
            field = "limits" if index == 0 else f"limits.drug.{drug.name}"
            yield Problem(
                f"{field}.max_dose_24h",
                f"{mass_text(own)} is above the hard limit of {drug.name}, {dose_rate_text(hard)} "
                f"({dose.cited})",
            )


def step_warning(entry: DrugEntry, before_ng_per_day: int, ng_per_day: int) -> str | None:
    """What is unusual about one step of a dose, after "from ... to ..."; None: nothing."""
    step = entry.step
    if step is None or _step_limit(entry, Fraction(before_ng_per_day), Fraction(ng_per_day)) is None:
        return None
    if step.rise_ng_per_day is not None:
        most = dose_rate_text(step.rise_ng_per_day)
        return f"rises by more than {most}, the usual step of {entry.name} ({step.cited})"
    return f"is a step of more than {step.percent} %, the most that is usual for {entry.name} ({step.cited})"


def _step_limit(entry: DrugEntry, before: Fraction, after: Fraction) -> Fraction | None:
    """The dose that a step from `before` should not have passed, if `after` did."""
    step = entry.step
    if step is None:
        return None
    if step.rise_ng_per_day is not None and after - before > step.rise_ng_per_day:
        return before + step.rise_ng_per_day
    if step.percent is not None and 100 * abs(after - before) > step.percent * before:
        return before * (100 + (step.percent if after > before else -step.percent)) / 100
    return None


def soft_limits(therapy: Therapy, worst_24h_ng: Mapping[str, Fraction]) -> Iterator[SoftLimit]:
    """Every soft limit that this therapy passes by itself. `worst_24h_ng`: by drug."""
    for index, drug in enumerate(therapy.drugs):
        entry = rule_for(drug.name)
        if entry is not None:
            yield from _of_drug(index, drug, entry, worst_24h_ng[drug.name])


def step_limits(therapy: Therapy, running: Mapping[str, Any]) -> Iterator[SoftLimit]:
    """The soft limit of a step, where the change from `running` passes it; of another drug there is none."""
    entry = rule_for(therapy.primary.name)
    if entry is not None and same_drug(running["drugs"][0]["name"], therapy.primary.name):
        yield from _step(entry, mean_basal(running), mean_basal_ng_per_day(therapy))


def _of_drug(index: int, drug: Drug, entry: DrugEntry, worst: Fraction) -> Iterator[SoftLimit]:
    field, limits, dose = f"drug[{index + 1}]", entry.concentration, entry.dose
    soft, value = limits.soft_ng_per_ml if limits else None, drug.concentration_ng_per_ml
    if limits and soft is not None and value > soft:
        yield SoftLimit(
            *(index, "concentration", value, soft, f"{field}.concentration"),
            f"{concentration_text(value)} is above the usual highest concentration of {entry.name}, "
            f"{concentration_text(soft)} ({limits.cited})",
        )
    soft = dose.soft_ng_per_day if dose else None
    if dose and soft is not None and worst > soft:
        yield SoftLimit(
            *(index, "dose_24h", -(-worst.numerator // worst.denominator), soft, field),
            f"the worst 24 h hold {dose_rate_text(worst)} of {entry.name}, above the usual highest "
            f"dose, {dose_rate_text(soft)} ({dose.cited})",
        )


def _step(entry: DrugEntry, before: Fraction, after: Fraction) -> Iterator[SoftLimit]:
    limit = _step_limit(entry, before, after)
    text = step_warning(entry, round(before), round(after))
    if before and limit is not None and text is not None:
        yield SoftLimit(
            *(0, "step", round(after), round(limit), "basal.dose"),
            f"from {dose_rate_text(round(before))} to {dose_rate_text(round(after))} {text}",
        )


def start_warning(therapy: Therapy, mean_ng_per_day: Fraction) -> Problem | None:
    """Of a pump that runs nothing yet: a first dose above the usual."""
    entry = rule_for(therapy.primary.name)
    if entry is None or entry.start is None or mean_ng_per_day <= entry.start.high_ng_per_day:
        return None
    return Problem(
        "basal.dose",
        f"{dose_rate_text(round(mean_ng_per_day))} is above the usual start of {entry.name}, "
        f"{dose_rate_text(entry.start.high_ng_per_day)} ({entry.start.cited})",
    )
