"""Several drugs under one name ("baclofen+morphine"): what the library says of each, taken together.

Of every limit the lowest, of every stability the shortest, and every rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from thecal.therapy.drug_library.model import (
    ConcentrationLimits,
    DoseLimits,
    DoseStep,
    DrugEntry,
    Figure,
    Stability,
    StartDose,
)

_Limits = TypeVar("_Limits", bound=Figure)


def strictest(entries: Sequence[DrugEntry]) -> DrugEntry:
    """One entry in the place of several; of one, itself."""
    if len(entries) == 1:
        return entries[0]
    return DrugEntry.model_construct(
        name=" and ".join(entry.name for entry in entries),
        note=None,
        supplied=None,
        concentration=_lowest(
            ConcentrationLimits, (x.concentration for x in entries), "soft_ng_per_ml", "hard_ng_per_ml"
        ),
        dose=_lowest(DoseLimits, (x.dose for x in entries), "soft_ng_per_day", "hard_ng_per_day"),
        start=_lowest(StartDose, (x.start for x in entries), "high_ng_per_day"),
        step=_lowest(DoseStep, (x.step for x in entries), "rise_ng_per_day", "percent"),
        stability=_stability(entries),
        rules=[
            next(rule for rule in (entry.rule(name) for entry in entries) if rule is not None)
            for name in sorted({rule.name for entry in entries for rule in entry.rules})
        ],
    )


def _lowest(kind: type[_Limits], found: Iterable[_Limits | None], *names: str) -> _Limits | None:
    """Of each of these limits the lowest; the others are not known. None: nothing says any."""
    said = [figure for figure in found if figure]
    if not said:
        return None
    values: dict[str, Any] = {name: _least(getattr(figure, name) for figure in said) for name in names}
    return kind.model_construct(**_cited(said), **values)


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
