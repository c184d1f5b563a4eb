"""Several drugs under one name ("baclofen+morphine"): what the library says of each, taken together.

Of every limit the lowest, of every stability the shortest, and every rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from thecal.therapy.drug_library.model import (
    ConcentrationLimits,
    DoseLimits,
    DoseStep,
    DrugEntry,
    Figure,
    Stability,
    StartDose,
)


def strictest(entries: Sequence[DrugEntry]) -> DrugEntry:
    """One entry in the place of several; of one, itself."""
    if len(entries) == 1:
        return entries[0]
    return DrugEntry.model_construct(
        name=" and ".join(entry.name for entry in entries),
        note=None,
        supplied=None,
        concentration=_concentration(entries),
        dose=_dose(entries),
        start=_start(entries),
        step=_step(entries),
        stability=_stability(entries),
        rules=[
            next(rule for rule in (entry.rule(name) for entry in entries) if rule is not None)
            for name in sorted({rule.name for entry in entries for rule in entry.rules})
        ],
    )


def _concentration(entries: Sequence[DrugEntry]) -> ConcentrationLimits | None:
    found = [entry.concentration for entry in entries if entry.concentration]
    if not found:
        return None
    soft, hard = _least(x.soft_ng_per_ml for x in found), _least(x.hard_ng_per_ml for x in found)
    return ConcentrationLimits.model_construct(**_cited(found), soft_ng_per_ml=soft, hard_ng_per_ml=hard)


def _dose(entries: Sequence[DrugEntry]) -> DoseLimits | None:
    found = [entry.dose for entry in entries if entry.dose]
    if not found:
        return None
    soft, hard = _least(x.soft_ng_per_day for x in found), _least(x.hard_ng_per_day for x in found)
    return DoseLimits.model_construct(**_cited(found), soft_ng_per_day=soft, hard_ng_per_day=hard)


def _start(entries: Sequence[DrugEntry]) -> StartDose | None:
    found = [entry.start for entry in entries if entry.start]
    if not found:
        return None
    high = _least(x.high_ng_per_day for x in found)
    return StartDose.model_construct(**_cited(found), low_ng_per_day=None, high_ng_per_day=high)


def _step(entries: Sequence[DrugEntry]) -> DoseStep | None:
    found = [entry.step for entry in entries if entry.step]
    if not found:
        return None
    rise, percent = _least(x.rise_ng_per_day for x in found), _least(x.percent for x in found)
    return DoseStep.model_construct(**_cited(found), rise_ng_per_day=rise, percent=percent)


def _stability(entries: Sequence[DrugEntry]) -> list[Stability]:
    """Between two concentrations at which anything changes every drug keeps as long as at the upper one."""
    rows: list[Stability] = []
    for up_to in sorted({row.up_to_ng_per_ml for entry in entries for row in entry.stability}):
        found = [row for row in (entry.keeps(up_to) for entry in entries) if row is not None]
        days, first = _least(row.days for row in found), _least(row.first_days for row in found)
        rows.append(
            Stability.model_construct(**_cited(found), up_to_ng_per_ml=up_to, days=days, first_days=first)
        )
    return rows


def _least(values: Iterable[int | None]) -> int | None:
    return min((value for value in values if value is not None), default=None)


def _cited(figures: Sequence[Figure]) -> dict[str, Any]:
    sources = list(dict.fromkeys(figure.source for figure in figures))
    return {"source": "; ".join(sources), "provisional": any(figure.provisional for figure in figures)}
