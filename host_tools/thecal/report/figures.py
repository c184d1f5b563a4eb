"""The report's plots, drawn to be read on paper, in grey and on a phone: dark lines, hatches and words beside
colours, letters of 9 points."""

# matplotlib's own annotations leave **kwargs untyped, which makes every method "partially unknown":
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import date2num, num2date
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image  # matplotlib and fpdf2 both bring it along

from thecal.eventlog.repeats import count_of, repeats_of
from thecal.report.forecast import forecast_of
from thecal.report.period import Day, Period
from thecal.report.whole import Report
from thecal.simulation.plot_style import STYLE
from thecal.units.amounts import PL_PER_ML, US_PER_S, fixed_text

WIDE, NARROW = 7.2, 3.7  # inches; a narrow one fits beside another, and on a phone
_POINTS = 300
_DAY_STEPS = [24 * days for days in (1, 2, 3, 4, 5, 7, 10, 14, 21, 28, 35, 61, 91, 122, 183, 365, 730)]
_PRINT_DPI = 180
_US_PER_H = 3600 * US_PER_S
_PLAN, _GIVEN, _NO, _GREY = "#111111", "#7d9fc0", "#a61c00", "#555555"
_STYLE: dict[Any, Any] = {**STYLE, "font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "thecal"}
_NG_PER_MG, _NG_PER_MCG = 1e6, 1e3
_SMALL_NG = 0.1 * _NG_PER_MG  # below, a dose is told in mcg


def svg(report: Report, name: str, *, narrow: bool = False) -> bytes:
    """A figure by its name, as a drawing."""
    with mpl.rc_context(_STYLE):
        out = io.BytesIO()
        FigureCanvasSVG(_figure(report, name, narrow)).print_svg(out, metadata={"Date": None})
    return out.getvalue()


def pixels(report: Report, name: str, *, narrow: bool = False) -> Image.Image:
    """The same figure as a picture for print."""
    with mpl.rc_context(_STYLE):
        figure = _figure(report, name, narrow)
        figure.set_dpi(_PRINT_DPI)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3])
    return picture.quantize(64)  # as good on paper, at a fifth of the bytes


def tallness(report: Report, name: str, *, narrow: bool = False) -> float:
    """Height of a figure over its width."""
    with mpl.rc_context(_STYLE):
        width, height = _figure(report, name, narrow).get_size_inches()
    return float(height / width)


def _figure(report: Report, name: str, narrow: bool) -> Figure:
    """Drawn once for both."""
    key = f"{name} {narrow}"
    if key not in report.drawn:
        report.drawn[key] = _DRAWN[name](report, NARROW if narrow else WIDE)
    return report.drawn[key]


def _numbers(dates: Sequence[datetime]) -> list[float]:
    """As matplotlib has them."""
    return [float(date2num(date)) for date in dates]


def _calendar(axis: Any, start: datetime, end: datetime, width: float) -> None:
    """A time axis by the calendar: ticks at midnights, or at hours of a short one."""
    short, years = end - start <= timedelta(days=3), end - start > timedelta(days=300)
    most = 9 if width == WIDE else 4
    steps = (timedelta(hours=n) for n in ((1, 2, 3, 6, 12, 24) if short else _DAY_STEPS))
    step = next((one for one in steps if (end - start) / one <= most), (end - start) / most)
    first = datetime.combine(start.date(), datetime.min.time())
    ticks = [first + n * step for n in range(int((end - first) / step) + 1)]
    ticks = [tick for tick in ticks if start <= tick <= end]
    form = "%d %b\n%H:%M" if short else "%b\n%Y" if years else "%d %b"
    axis.set_xlim(*_numbers([start, end]))
    axis.set_xticks(_numbers(ticks), [f"{tick:{form}}" for tick in ticks])


def _delivery(report: Report, width: float) -> Figure:
    """A panel for each drug: bars of what was delivered, a line of what was prescribed."""
    period = report.period
    drugs, days = period.drugs, period.days
    each = 1.3 if len(drugs) == 1 else 0.88 if len(drugs) == 2 else 0.68
    figure = Figure(figsize=(width, each * len(drugs) + 0.45))
    axes = np.atleast_1d(figure.subplots(len(drugs), 1, sharex=True))
    edges, dated = _edges(days)
    for axis, drug in zip(axes, drugs, strict=True):
        planned = [day.rate(day.prescribed, drug) for day in days]
        given = [day.rate(day.delivered, drug) for day in days]
        per, unit = (_NG_PER_MCG, "mcg") if max(*planned, *given) < _SMALL_NG else (_NG_PER_MG, "mg")
        _bars(axis, days, [x / per for x in given], edges)
        axis.stairs([x / per for x in planned], edges, baseline=None, color=_PLAN, lw=1.6, label="prescribed")
        axis.set_ylabel(f"{drug}\n({unit} a day)" if len(drug) < 20 else f"{drug[:18]}\n({unit} a day)")
        axis.set_ylim(0, max(*planned, *given, 1e-9) / per * 1.35)
        axis.yaxis.set_major_locator(MaxNLocator(4 if len(drugs) == 1 else 3))
        axis.grid(axis="x", visible=False)
    axes[0].legend(loc="upper left", ncols=2, fontsize=8, borderaxespad=0.1)
    if dated:
        start, end = (num2date(x).replace(tzinfo=None) for x in (edges[0], edges[-1]))
        _calendar(axes[-1], start, end, width)
    else:
        axes[-1].set_xlabel("day of the pump's clock")
    figure.align_ylabels()
    figure.tight_layout(pad=0.3, h_pad=0.4)
    return figure


def _bars(axis: Any, days: Sequence[Day], heights: Sequence[float], edges: Sequence[float]) -> None:
    """One for each day; of a day that is not whole, hatched."""
    gap = 0.12 if len(days) <= 62 else 0.0
    label = "delivered"
    for whole in (True, False):
        at = [n for n, day in enumerate(days) if day.whole == whole]
        if at:
            axis.bar(
                [edges[n] + gap / 2 for n in at],
                [heights[n] for n in at],
                1 - gap,
                align="edge",
                facecolor=_GIVEN,
                edgecolor=_GREY,
                lw=0.4 if gap else 0.0,
                hatch=None if whole else "////",
                label=label,
            )
            label = None


def _edges(days: list[Day]) -> tuple[list[float], bool]:
    """Where the bars begin and end: each day its own, from midnight to midnight; and whether by dates."""
    if any(day.date is None for day in days):
        return [float(n) for n in range(len(days) + 1)], False
    starts = [float(date2num(day.date)) for day in days if day.date]
    return [*starts, starts[-1] + 1], True


def _hours(period: Period) -> tuple[list[int], list[int]]:
    """The patient's requests by hour of the day: asked for, and given."""
    asked, given = [0] * 24, [0] * 24

    def hour(at_us: int) -> int:
        local = period.local(at_us)
        return local.hour if local is not None else at_us // _US_PER_H % 24

    for bolus in period.boluses:
        if bolus.kind == "patient_bolus":
            asked[hour(bolus.at_us)] += 1
            given[hour(bolus.at_us)] += 1
    for event in period.events:
        if event.code == 2 and (count := count_of(event, "bolus_refused")):
            repeats = repeats_of(event)
            asked[hour(repeats.first_s * US_PER_S if repeats else event.at.total_us)] += count
    return asked, given


def _boluses(report: Report, width: float) -> Figure:
    period = report.period
    asked, given = _hours(period)
    figure = Figure(figsize=(width, 1.6))
    axis = figure.subplots()
    hours = np.arange(24) + 0.5  # a bar stands between the hours that it counts
    axis.bar(
        hours, asked, width=0.85, facecolor="white", edgecolor=_PLAN, hatch="/////", lw=0.6, label="asked for"
    )
    axis.bar(hours, given, width=0.85, facecolor=_GIVEN, edgecolor=_PLAN, lw=0.6, label="given")
    axis.set_xlim(0, 24)
    axis.set_xticks(range(0, 25, 6), [f"{h:02}:00" for h in range(0, 25, 6)])
    axis.set_xticks(range(25), minor=True)
    axis.set_xlabel("hour of the day" if period.local(period.end_us) else "hour of the pump's clock")
    axis.set_ylabel("boluses")
    axis.set_ylim(0, max(*asked, 1) * 1.45)
    axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.grid(axis="x", visible=False)
    axis.legend(loc="upper center", ncols=2, fontsize=8, borderaxespad=0.1)
    figure.tight_layout(pad=0.3)
    return figure


def _levels(period: Period) -> tuple[list[int], Any]:
    """What was left, backwards from the pump's count now; at a refill both what was before and after it."""
    accounts = period.record.accounts or {}
    start_us = max(period.start_us, period.courses[0].start_us)
    end_us = max(start_us, period.record.now_us or period.end_us)
    refills = [x for x in period.record.events if x.kind == "refilled" and start_us < x.at.total_us <= end_us]
    checks = {x.at.total_us: x.a for x in period.record.events if x.kind == "refill_checked"}
    span = end_us - start_us
    steps = {start_us + span * n // _POINTS for n in range(_POINTS + 1)}
    times = sorted(steps | {at for x in refills for at in (x.at.total_us - 1, x.at.total_us)})
    given = np.zeros(len(times))
    for course in period.counted:
        inside = [min(max(at, course.start_us), course.end_us) for at in times]
        given += np.array(course.volumes(inside)[1])
    level = accounts["reservoir_pl"] + given[-1] - given
    at = np.array(times)
    for event in reversed(refills):  # backwards: what was counted before each refill
        before = at < event.at.total_us
        counted = checks.get(event.at.total_us, event.b)
        level[before] += counted - level[before][-1]
    kept = (at >= period.start_us) & (at <= period.end_us)
    return [int(x) for x in at[kept]], level[kept]


def _reservoir(report: Report, width: float) -> Figure:
    """The past, and where it leads: at the highest use and by schedule alone, to the low-reservoir volume."""
    period, record = report.period, report.record
    program = record.program or {}
    times, level = _levels(period)
    dates = [period.local(at_us) or datetime(2000, 1, 1) + timedelta(microseconds=at_us) for at_us in times]
    figure = Figure(figsize=(width, 1.6))
    axis = figure.subplots()
    axis.plot(_numbers(dates), level / PL_PER_ML, color=_PLAN, lw=1.8, label="left")
    forecast, now = forecast_of(record), record.local
    low_ml, end = program["low_reservoir_pl"] / PL_PER_ML, dates[-1]
    if now is not None and not period.clipped:
        left_ml = (record.accounts or {})["reservoir_pl"] / PL_PER_ML
        past = max(dates[-1] - dates[0], timedelta(days=14))
        for at, style, label in (
            (forecast.scheduled, ":", "by schedule"),
            (forecast.at_most, "--", "with every bolus"),
        ):
            if at is not None and (style == "--" or at != forecast.at_most):
                axis.plot(_numbers([now, at]), [left_ml, low_ml], ls=style, color=_GREY, lw=1.3, label=label)
        if forecast.refill is not None:
            axis.axvline(*_numbers([forecast.refill.at]), color=_NO, lw=1.2, ls="-.", label="refill by")
            end = max(end, forecast.refill.at + (forecast.refill.at - dates[0]) * 0.06)
        end = max(end, now + past * 0.1)
    axis.axhline(low_ml, color=_NO, lw=0.9, ls=(0, (1, 1)))
    axis.set_ylim(0, program["reservoir_pl"] / PL_PER_ML * 1.5)
    axis.yaxis.set_major_locator(MaxNLocator(4))
    axis.annotate(
        f"low, {low_ml:g} mL",
        (0.01, low_ml),
        xycoords=("axes fraction", "data"),
        fontsize=7,
        ha="left",
        va="bottom",
    )
    begin = dates[0] if dates[-1] > dates[0] else dates[0] - timedelta(hours=1)
    _calendar(axis, begin, max(end, begin + timedelta(hours=2)), width)
    axis.set_ylabel("mL")
    axis.legend(loc="upper center", ncols=2, fontsize=7, borderaxespad=0.1, columnspacing=1.0)
    figure.tight_layout(pad=0.3)
    return figure


def _trumpet(report: Report, width: float) -> Figure:
    curve = report.trumpet
    if curve is None:
        raise ValueError("no trumpet")
    minutes = [float(w.minutes) for w in curve.windows]
    figure = Figure(figsize=(width, 2.3))
    axis = figure.subplots()
    high, low = [float(w.highest) for w in curve.windows], [float(w.lowest) for w in curve.windows]
    axis.fill_between(minutes, low, high, color=_GIVEN, alpha=0.25)
    axis.plot(minutes, high, color=_PLAN, marker="o", ms=4, lw=1.6, label="highest error")
    axis.plot(minutes, low, color=_PLAN, marker="s", ms=4, lw=1.6, ls="--", label="lowest error")
    mean = float(curve.mean_error)
    axis.axhline(mean, color=_GREY, lw=1.0, ls=":", label=f"over all: {fixed_text(mean, 3, '+')} %")
    axis.set_xscale("log")
    axis.set_xticks(minutes, [f"{m:g}" for m in minutes])
    axis.minorticks_off()
    axis.set_xlabel("length of the window (min)")
    axis.set_ylabel("error of the flow (%)")
    reach = max(0.05, max(map(abs, (*high, *low))) * 1.45)
    axis.set_ylim(-reach, reach)
    axis.legend(loc="upper right", fontsize=8, ncols=1 if width == NARROW else 3)
    figure.tight_layout(pad=0.3)
    return figure


_DRAWN: dict[str, Callable[[Report, float], Figure]] = {
    "delivery": _delivery,
    "boluses": _boluses,
    "reservoir": _reservoir,
    "trumpet": _trumpet,
}
