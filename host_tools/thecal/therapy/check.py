"""`thecal check`: everything about a therapy that can be known without a pump. Formulas:
docs/reference/therapy-files.md.

`check_files` reads and checks; `check` takes therapies that were read. Both answer with a `CheckReport`,
whose `as_json` is the document of CONTRACT, check. Figures that a wrong therapy does not have are None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from thecal.errors import Problem, TherapyError
from thecal.therapy.bridge import Bridge
from thecal.therapy.checked import CheckedTherapy, SoftLimit
from thecal.therapy.encode import to_wire
from thecal.therapy.figures import Figures
from thecal.therapy.judge import Verdict, judge, replacing
from thecal.therapy.load import read_model
from thecal.therapy.models import Therapy
from thecal.therapy.settings_diff import Change
from thecal.units.amounts import PL_PER_UL, US_PER_S, exact_or_whole, ratio_text
from thecal.units.local_time import DEFAULT_START, after

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


@dataclass
class CheckReport:
    """The answer of `check`."""

    errors: list[Problem] = field(default_factory=list[Problem])
    warnings: list[Problem] = field(default_factory=list[Problem])
    soft_limits: list[SoftLimit] = field(default_factory=list[SoftLimit])  # among the warnings
    figures: Figures | None = None
    refill_by: datetime | None = None
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
            **_figures_json(self.figures, self.refill_by),
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
    """Check a therapy file. What cannot be read is reported, not raised.

    Args:
        path: the therapy.
        running: the file of the therapy that it would replace; None: of none.
        start: the pump's local time when it begins, for the refill date.

    Returns:
        Errors, warnings, figures (doses in ng, volumes in pL, times in s), bridge and changes.

    Raises:
        LibraryError: the drug library in use is refused.
    """
    problems: list[Problem] = []
    therapy = _read(path, "", problems)
    old = _read(running, "running", problems) if running is not None else None
    report = check(therapy, judge(old).judged if old else None, start) if therapy else CheckReport()
    report.errors[:0] = problems
    return report


def _read(path: Path | str, prefix: str, problems: list[Problem]) -> Therapy | None:
    try:
        return read_model(path)
    except TherapyError as error:
        for where, message in error.problems:
            problems.append(Problem(".".join(part for part in (prefix, where) if part), message))
        return None


def check(
    therapy: Therapy | CheckedTherapy,
    running: CheckedTherapy | Mapping[str, Any] | None = None,
    start: datetime = DEFAULT_START,
) -> CheckReport:
    """Check a therapy: everything about it that can be known without a pump.

    Args:
        therapy: a file's model, which is judged here, or one that was judged before.
        running: what it would replace: a therapy, or the program that a pump reported (wire table).
        start: the pump's local time when it begins, for the refill date.

    Returns:
        Errors, warnings, figures (doses in ng, volumes in pL, times in s), bridge and changes.

    Raises:
        LibraryError: the drug library in use is refused.
    """
    verdict = Verdict((), therapy) if isinstance(therapy, CheckedTherapy) else judge(therapy)
    report, judged = CheckReport(list(verdict.errors)), verdict.judged
    figures = judged.figures
    if figures is None:
        return report
    if running is not None:
        judged = replacing(judged, to_wire(running) if isinstance(running, CheckedTherapy) else running)
    report.figures, report.refill_by = figures, _refill_by(judged, figures, start)
    report.warnings, report.soft_limits = judged.warnings, judged.soft_limits
    if judged.change is not None:
        report.errors += judged.change.errors
        report.bridge = judged.change.bridge
        report.changes = [change for change in judged.change.settings if change.changed]
    elif judged.model.bridge is not None:
        report.warnings.append(Problem("bridge", "is computed from the program it replaces: give --running"))
    return report


def _refill_by(therapy: CheckedTherapy, figures: Figures, start: datetime) -> datetime | None:
    """The volume date or the end of a drug's stability, whichever comes first (CLINICAL, Formulas)."""
    empty_s, days = figures.time_to_empty_s, therapy.stable_days
    dates = [after(start, round(empty_s))] if empty_s is not None else []
    dates += [start + timedelta(days=days)] if days is not None else []
    return min((date for date in dates if date is not None), default=None)


def _figures_json(figures: Figures | None, refill_by: datetime | None) -> dict[str, object]:
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
        "refill_by": refill_by.isoformat(timespec="seconds") if refill_by else None,
        "start_delay_s": figures.start_delay_s,
        "plan": [
            {
                "after_s": exact_or_whole(Fraction(step.after_us, US_PER_S)),
                "ng_per_day": str(step.dose_ng_per_day),
            }
            for step in figures.plan
        ],
    }
