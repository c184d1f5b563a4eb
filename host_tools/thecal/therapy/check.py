"""`thecal check`: everything about a therapy that can be known without a pump. Formulas:
docs/reference/therapy-files.md.

`check_files` reads and checks; `check` takes therapies that were read. Both answer with a `CheckReport`,
whose `as_json` is the document of CONTRACT, check. Figures that a wrong therapy does not have are None.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from thecal.errors import TherapyError
from thecal.therapy.bridge import Bridge, find_bridge
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
from thecal.therapy.drug_library.rules import (
    SoftLimit,
    limits_of,
    name_warnings,
    running_doses,
    soft_limits,
    stable_days,
)
from thecal.therapy.encode import to_wire
from thecal.therapy.load import read_therapy
from thecal.therapy.models import Therapy
from thecal.therapy.rules.plan import plan_warnings
from thecal.therapy.rules.whole import errors_of, schedule_errors
from thecal.therapy.settings_diff import Change, changes
from thecal.therapy.taper import PlanDose, plan_of
from thecal.therapy.toml_file import Problem
from thecal.units.amounts import (
    PL_PER_ML,
    PL_PER_UL,
    S_PER_DAY,
    US_PER_S,
    dose_rate_text,
    exact_or_whole,
    mass_text,
    ratio_text,
    volume_text,
)
from thecal.units.local_time import DEFAULT_START, after

EMPTY_PL = PL_PER_ML // 2  # the empty alarm stops the motor here (RES-02)
_NO_FIGURES: dict[str, object] = {
    "basal_ul_per_day": None,
    "scheduled_24h_ng": None,
    "worst_case_24h_ng": None,
    "scheduled_1h_ng": None,
    "dead_volume_ul": None,
    "time_to_empty_s": None,
    "time_to_empty_fast_s": None,
    "refill_by": None,
    "start_delay_s": None,
    "plan": None,
}
UNUSUAL_RESERVOIR_PL = 40 * PL_PER_ML


@dataclass(frozen=True)
class Figures:
    """What a sound therapy amounts to, exact; doses in ng by drug."""

    basal_pl_per_day: Fraction
    scheduled_24h_ng: dict[str, Fraction]
    worst_case_24h_ng: dict[str, Fraction]
    scheduled_1h_ng: dict[str, Fraction]
    exact: bool  # False: the scheduled doses are bounds, not below the worst case
    dead_volume_pl: int
    time_to_empty_s: Fraction | None  # None: never
    time_to_empty_fast_s: Fraction | None  # at +14.5 %
    refill_by: datetime | None
    start_delay_s: int
    plan: list[PlanDose]


@dataclass
class CheckReport:
    """The answer of `check`."""

    errors: list[Problem] = field(default_factory=list[Problem])
    warnings: list[Problem] = field(default_factory=list[Problem])
    soft_limits: list[SoftLimit] = field(default_factory=list[SoftLimit])  # among the warnings
    figures: Figures | None = None
    bridge: Bridge | None = None
    changes: list[Change] = field(default_factory=list[Change])

    @property
    def ok(self) -> bool:
        """Whether the therapy may be programmed."""
        return not self.errors

    def as_json(self) -> dict[str, object]:
        """The document of CONTRACT, check."""
        return {
            "schema": 1,
            "ok": self.ok,
            "errors": [problem._asdict() for problem in self.errors],
            "warnings": [problem._asdict() for problem in self.warnings],
            **_figures_json(self.figures),
            "bridge": self.bridge.as_json() if self.bridge else None,
            "changes": [
                {
                    "field": change.field,
                    "old": change.old,
                    "new": change.new,
                    "ratio": ratio_text(change.ratio) if change.ratio else None,
                }
                for change in self.changes
            ],
        }


def check_files(
    path: Path | str, running: Path | str | None = None, start: datetime = DEFAULT_START
) -> CheckReport:
    """Check a therapy file, against another one when given. What cannot be read is reported, not raised."""
    problems: list[Problem] = []
    therapy = _read(path, "", problems)
    old = _read(running, "running", problems) if running is not None else None
    report = check(therapy, old, start) if therapy else CheckReport()
    report.errors[:0] = problems
    return report


def _read(path: Path | str, prefix: str, problems: list[Problem]) -> Therapy | None:
    try:
        return read_therapy(path)
    except TherapyError as error:
        for where, message in error.problems:
            problems.append(Problem(".".join(part for part in (prefix, where) if part), message))
        return None


def check(
    therapy: Therapy, running: Therapy | Mapping[str, Any] | None = None, start: datetime = DEFAULT_START
) -> CheckReport:
    """Check a therapy; `running`: what it would replace, from a file or as the pump reported it (wire table).

    `start`: the pump's local time when it begins, for the refill date.
    """
    report = CheckReport(errors=errors_of(therapy))
    if schedule_errors(therapy):
        return report
    report.figures = _figures(therapy, start)
    report.warnings = list(_warnings(therapy, report.figures))
    old = to_wire(running) if isinstance(running, Therapy) else running
    report.soft_limits = soft_limits(therapy, report.figures.worst_case_24h_ng, running_doses(therapy, old))
    report.warnings[:0] = [Problem(limit.field, limit.message) for limit in report.soft_limits]
    if old is not None:
        finding = find_bridge(old, therapy)
        report.bridge = finding.bridge
        report.errors += finding.errors
        report.warnings += finding.warnings
        report.changes = changes(old, to_wire(therapy, old))
        report.warnings += [
            Problem(
                change.field,
                f"from {change.old} to {change.new} is more than twofold: it needs --confirm-large-change",
            )
            for change in report.changes
            if change.large
        ]
    elif therapy.bridge is not None:
        report.warnings.append(Problem("bridge", "is computed from the program it replaces: give --running"))
    return report


def _figures(therapy: Therapy, start: datetime) -> Figures:
    day, hour = worst_window(therapy, DAY_MIN), worst_window(therapy, HOUR_MIN)

    def by_drug(ng: Fraction) -> dict[str, Fraction]:
        return {drug.name: ng * share_of(drug, therapy) for drug in therapy.drugs}

    empty = time_to_empty_s(therapy)
    return Figures(
        basal_pl_per_day=volume_pl(mean_basal_ng_per_day(therapy), therapy.primary),
        scheduled_24h_ng=by_drug(day.scheduled.amount),
        worst_case_24h_ng=by_drug(day.with_patient),
        scheduled_1h_ng=by_drug(hour.scheduled.amount),
        exact=day.scheduled.exact and hour.scheduled.exact,
        dead_volume_pl=dead_volume_pl(therapy.catheter),
        time_to_empty_s=empty,
        time_to_empty_fast_s=time_to_empty_s(therapy, FASTER),
        refill_by=_refill_by(therapy, start, empty),
        start_delay_s=therapy.start.delay_s if therapy.start else 0,
        plan=plan_of(therapy),
    )


def _refill_by(therapy: Therapy, start: datetime, empty_s: Fraction | None) -> datetime | None:
    """The volume date or the end of a drug's stability, whichever comes first (CLINICAL, Formulas)."""
    dates = [after(start, round(empty_s))] if empty_s is not None else []
    days = [stable_days(drug.name, drug.concentration_ng_per_ml) for drug in therapy.drugs]
    dates += [start + timedelta(days=day) for day in days if day is not None]
    return min((date for date in dates if date is not None), default=None)


def _figures_json(figures: Figures | None) -> dict[str, object]:
    if figures is None:
        return dict(_NO_FIGURES)

    def doses(by_drug: dict[str, Fraction]) -> dict[str, str]:
        return {name: exact_or_whole(ng) for name, ng in by_drug.items()}

    def seconds(time: Fraction | None) -> int | None:
        return None if time is None else round(time)

    return {
        "basal_ul_per_day": exact_or_whole(figures.basal_pl_per_day / PL_PER_UL),
        "scheduled_24h_ng": doses(figures.scheduled_24h_ng),
        "worst_case_24h_ng": doses(figures.worst_case_24h_ng),
        "scheduled_1h_ng": doses(figures.scheduled_1h_ng),
        "dead_volume_ul": exact_or_whole(Fraction(figures.dead_volume_pl, PL_PER_UL)),
        "time_to_empty_s": seconds(figures.time_to_empty_s),
        "time_to_empty_fast_s": seconds(figures.time_to_empty_fast_s),
        "refill_by": figures.refill_by.isoformat(timespec="seconds") if figures.refill_by else None,
        "start_delay_s": figures.start_delay_s,
        "plan": [
            {
                "after_s": exact_or_whole(Fraction(step.after_us, US_PER_S)),
                "ng_per_day": str(step.dose_ng_per_day),
            }
            for step in figures.plan
        ],
    }


def _warnings(therapy: Therapy, figures: Figures) -> Iterator[Problem]:
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
