"""What to look at twice in a therapy: alarms that would sound at once, limits that will refuse boluses."""

from __future__ import annotations

from collections.abc import Iterator

from thecal.errors import Problem
from thecal.therapy.drug_library.rules import limits_of, name_warnings
from thecal.therapy.figures import Figures
from thecal.therapy.limits import EMPTY_PL
from thecal.therapy.models import Therapy
from thecal.therapy.rules.plan import plan_warnings
from thecal.units.amounts import PL_PER_ML, S_PER_DAY, dose_rate_text, mass_text, volume_text

UNUSUAL_RESERVOIR_PL = 40 * PL_PER_ML


def warnings_of(therapy: Therapy, figures: Figures) -> Iterator[Problem]:
    """What does not stop a therapy whose schedule is right, but wants a look."""
    yield from _reservoir_warnings(therapy, figures)
    yield from name_warnings(therapy)
    yield from _limit_warnings(therapy, figures)
    yield from plan_warnings(therapy)


def _reservoir_warnings(therapy: Therapy, figures: Figures) -> Iterator[Problem]:
    pump, low = therapy.pump, therapy.alarms.low_reservoir_pl
    if pump.reservoir_pl > UNUSUAL_RESERVOIR_PL:
        yield Problem(
            "pump.reservoir", f"{volume_text(pump.reservoir_pl)} is more than any implanted pump holds"
        )
    if pump.fill_pl <= low:
        yield Problem(
            "pump.fill",
            f"is not above the low-reservoir volume, {volume_text(low)}: the alarm sounds at once",
        )
    if low <= EMPTY_PL:
        yield Problem(
            "alarms.low_reservoir", f"is not above {volume_text(EMPTY_PL)}, where the pump stops as empty"
        )
    days, empty = therapy.alarms.low_reservoir_days, figures.time_to_empty_s
    if empty is not None and days * S_PER_DAY >= empty > 0:
        yield Problem(
            "alarms.low_reservoir_days", f"a full filling lasts less than {days} d: the alarm sounds at once"
        )


def _limit_warnings(therapy: Therapy, figures: Figures) -> Iterator[Problem]:
    for index, drug in enumerate(therapy.drugs):
        limit = limits_of(therapy, drug).max_24h_ng
        where = "limits.max_dose_24h" if index == 0 else f"limits.drug.{drug.name}.max_dose_24h"
        worst = figures.worst_case_24h_ng[drug.name]
        if limit is None:
            if index == 0:
                yield Problem(where, f"is not set: the pump does not limit the dose of {drug.name} in 24 h")
        elif worst > limit:
            yield Problem(
                where,
                f"{mass_text(limit)} of {drug.name} is less than the worst case, "
                f"{dose_rate_text(round(worst))}: the pump will refuse boluses that pass it",
            )
    if not figures.exact:
        yield Problem(
            "periodic_bolus", "their periods have no short common cycle: the scheduled doses are upper bounds"
        )
