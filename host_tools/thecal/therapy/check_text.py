"""`thecal check` for people: errors first, then what the therapy amounts to, then what would change."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from pathlib import Path

from thecal._io.wrapped import say
from thecal.therapy.check import CheckReport
from thecal.therapy.figures import Figures
from thecal.therapy.settings_diff import change_words
from thecal.units.amounts import mass_text, span_text, volume_rate_text, volume_text


def print_report(report: CheckReport, path: Path) -> None:
    """The whole report on stdout."""
    say(*report_lines(report, path))


def report_lines(report: CheckReport, path: Path) -> list[str]:
    """The report line by line."""
    lines = [f"{path}: {'sound' if report.ok else 'NOT sound'}"]
    for word, problems in (("error", report.errors), ("warning", report.warnings)):
        lines += [
            f"  {word:<9} {f'{problem.field}: ' if problem.field else ''}{problem.message}"
            for problem in problems
        ]
    if report.figures is not None:
        lines += [f"  {name:<24} {text}" for name, text in _figures(report.figures, report.refill_by)]
    if report.bridge is not None:
        bridge = report.bridge
        lines.append(
            f"  {'bridge':<24} {volume_text(bridge.volume_pl)} at {volume_rate_text(bridge.rate_pl_per_day)} "
            f"for {span_text(round(bridge.duration_s))}; {bridge.in_words()}"
        )
    for change in report.changes:
        both = f"{change.old or '-'} -> {change.new or '-'}"
        lines.append(f"  {'change':<9} {change.field}: {both} ({change_words(change)})")
    return lines


def _figures(figures: Figures, refill_by: datetime | None) -> list[tuple[str, str]]:
    rows = [("basal flow", volume_rate_text(figures.basal_pl_per_day))]
    for name, scheduled_ng in figures.scheduled_24h_ng.items():
        rows += [
            (f"{name}, scheduled 24 h", _most(scheduled_ng)),
            (f"{name}, worst 24 h", _most(figures.worst_case_24h_ng[name])),
            (f"{name}, scheduled 1 h", _most(figures.scheduled_1h_ng[name])),
        ]
    rows += [
        ("dead volume", volume_text(figures.dead_volume_pl)),
        ("time to low reservoir", _span(figures.time_to_empty_s)),
        ("the same at +14.5 %", _span(figures.time_to_empty_fast_s)),
        ("refill by", _date(refill_by)),
    ]
    return rows


def _most(ng: Fraction) -> str:
    return mass_text(ng) if ng else "none"


def _span(seconds: Fraction | None) -> str:
    return "never" if seconds is None else span_text(round(seconds))


def _date(date: datetime | None) -> str:
    return "no date" if date is None else f"{date:%a %Y-%m-%d %H:%M} (when filled on 2026-01-05)"
