"""The report's plots, drawn to be read on paper: dark lines, words beside colours, letters of 9 points."""

# matplotlib's own annotations leave **kwargs untyped, which makes every method "partially unknown":
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image  # matplotlib and fpdf2 both bring it along

from thecal.eventlog.repeats import count_of, repeats_of
from thecal.report.course import Course, local_of
from thecal.report.summary import Report
from thecal.simulation.plot_style import STYLE
from thecal.units.amounts import PL_PER_ML, US_PER_DAY, US_PER_S, fixed_text

_POINTS = 1500
_PRINT_DPI = 180
_US_PER_H = 3600 * US_PER_S
_PLAN, _GIVEN, _NO, _GREY = "#0b5394", "#c55a11", "#a61c00", "#555555"
_STYLE: dict[Any, Any] = {**STYLE, "font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "thecal"}


def svg(report: Report, name: str) -> bytes:
    """A figure by its name, as a drawing."""
    with mpl.rc_context(_STYLE):
        out = io.BytesIO()
        FigureCanvasSVG(_figure(report, name)).print_svg(out, metadata={"Date": None})  # savefig draws twice
    return out.getvalue()


def pixels(report: Report, name: str) -> Image.Image:
    """The same figure as a picture for print."""
    with mpl.rc_context(_STYLE):
        figure = _figure(report, name)
        figure.set_dpi(_PRINT_DPI)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3])


def tallness(report: Report, name: str) -> float:
    """Height of a figure over its width."""
    width, height = _figure(report, name).get_size_inches()
    return float(height / width)


def _figure(report: Report, name: str) -> Figure:
    """Drawn once for both."""
    if name not in report.drawn:
        report.drawn[name] = _DRAWN[name](report)
    return report.drawn[name]


def _course(report: Report) -> Course:
    if report.course is None:
        raise ValueError("no course")
    return report.course


def _times_us(course: Course) -> list[int]:
    span = course.end_us - course.start_us
    return [course.start_us + span * n // _POINTS for n in range(_POINTS + 1)]


def _axis_of(course: Course) -> tuple[float, str]:
    """Microseconds per unit of the time axis, and its name."""
    if course.end_us - course.start_us > 3 * US_PER_DAY:
        return US_PER_DAY, "days since the program began"
    return _US_PER_H, "hours since the program began"


def _delivery(report: Report) -> Figure:
    course = _course(report)
    times, flow = _times_us(course), report.record.flow
    if flow is not None and flow.start_us == course.start_us:  # compared where it was sampled
        times = [flow.start_us + n * flow.every_us for n in range(len(flow.volumes_pl))]
    unit, label = _axis_of(course)
    x = (np.array(times) - course.start_us) / unit
    planned, told = (np.array(part) / PL_PER_ML for part in course.volumes(times))
    given, words = told, "delivered, by the log"
    if flow is not None and flow.start_us == course.start_us:
        given, words = np.array(flow.volumes_pl) / PL_PER_ML, "delivered, motor steps"
    figure = Figure(figsize=(7.2, 4.6))
    top, low = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.5))
    top.plot(x, given, color=_GIVEN, lw=3.0, label=words)
    top.plot(x, planned, color=_PLAN, lw=1.1, label="programmed")
    top.set_ylabel("volume (mL)")
    top.set_ylim(0, None)
    top.legend(loc="upper left")
    low.plot(x, (given - planned) * 1000, color=_GIVEN, lw=1.2)
    low.axhline(0, color=_PLAN, lw=0.8)
    low.set_ylabel("delivered less\nprogrammed (uL)")
    low.set_xlabel(label)
    low.set_xlim(0, x[-1])
    reach = max(1.0, float(np.abs(given - planned).max()) * 1000 * 1.15)
    low.set_ylim(-reach, reach)
    figure.align_ylabels()
    figure.tight_layout()
    return figure


def _boluses(report: Report) -> Figure:
    record = report.record
    asked, given = [0] * 24, [0] * 24
    zero = local_of(record, 0)  # of the pump's clock
    zero_us = 0 if zero is None else (zero.hour * 3600 + zero.minute * 60 + zero.second) * US_PER_S
    zero_us += 0 if zero is None else zero.microsecond

    def hour(at_us: int) -> int:
        return (zero_us + at_us) // _US_PER_H % 24

    for bolus in report.boluses:
        if bolus.kind == "patient_bolus":
            asked[hour(bolus.at_us)] += 1
            given[hour(bolus.at_us)] += 1
    for event in record.events:
        if event.code == 2 and (count := count_of(event, "bolus_refused")):
            repeats = repeats_of(event)
            asked[hour(repeats.first_s * US_PER_S if repeats else event.at.total_us)] += count
    figure = Figure(figsize=(7.2, 2.5))
    axis = figure.subplots()
    hours = np.arange(24) + 0.5  # a bar stands between the hours that it counts
    axis.bar(
        hours, asked, width=0.8, facecolor="white", edgecolor=_NO, hatch="////", lw=0.8, label="asked for"
    )
    axis.bar(hours, given, width=0.8, color=_PLAN, label="given")
    axis.set_xlim(0, 24)
    axis.set_xticks(range(0, 25, 3), [f"{h:02}:00" for h in range(0, 25, 3)])
    axis.set_xlabel("hour of the day, pump local time" if record.local else "hour of the pump's clock")
    axis.set_ylabel("patient boluses")
    axis.set_ylim(0, max(*asked, 1) * 1.3)
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(loc="upper right", ncols=2)
    figure.tight_layout()
    return figure


def _reservoir(report: Report) -> Figure:
    course, record = _course(report), report.record
    accounts = record.accounts or {}
    times = np.array(_times_us(course))
    unit, label = _axis_of(course)
    _, given = course.volumes(times.tolist())
    level = accounts["reservoir_pl"] + given[-1] - np.array(given)
    figure = Figure(figsize=(7.2, 2.6))
    axis = figure.subplots()
    refills = [x for x in record.events if x.kind == "refilled" and x.at.total_us > course.start_us]
    checks = {x.at.total_us: x.a for x in record.events if x.kind == "refill_checked"}
    for event in reversed(refills):  # backwards: what was counted before each refill
        before = times < event.at.total_us
        if before.any():
            counted = checks.get(event.at.total_us, event.b)
            level[before] += counted - level[before][-1]
    axis.plot((times - course.start_us) / unit, level / PL_PER_ML, color=_GIVEN, lw=1.8, label="left")
    for number, event in enumerate(refills):
        x = (event.at.total_us - course.start_us) / unit
        axis.plot(
            [x], [event.b / PL_PER_ML], "v", color=_NO, ms=6, label=None if number else "came out at a refill"
        )
        axis.plot([x], [event.a / PL_PER_ML], "^", color=_PLAN, ms=6, label=None if number else "filled in")
    low_ml = course.program["low_reservoir_pl"] / PL_PER_ML
    axis.axhline(low_ml, color=_NO, lw=0.9, ls="--", label=f"low-reservoir alarm, {low_ml:g} mL")
    axis.set_ylim(0, course.program["reservoir_pl"] / PL_PER_ML * 1.05)
    axis.set_xlim(0, (course.end_us - course.start_us) / unit)
    axis.set_ylabel("reservoir (mL)")
    axis.set_xlabel(label)
    axis.legend(loc="center right")
    figure.tight_layout()
    return figure


def _trumpet(report: Report) -> Figure:
    curve = report.trumpet
    if curve is None:
        raise ValueError("no trumpet")
    minutes = [float(w.minutes) for w in curve.windows]
    figure = Figure(figsize=(7.2, 2.9))
    axis = figure.subplots()
    high, low = [float(w.highest) for w in curve.windows], [float(w.lowest) for w in curve.windows]
    axis.fill_between(minutes, low, high, color=_PLAN, alpha=0.10)
    axis.plot(minutes, high, color=_PLAN, marker="o", ms=4, lw=1.6, label="highest error of a window")
    axis.plot(minutes, low, color=_GIVEN, marker="s", ms=4, lw=1.6, label="lowest error of a window")
    mean = float(curve.mean_error)
    axis.axhline(mean, color=_GREY, lw=1.0, ls="--", label=f"error over all: {fixed_text(mean, 3, '+')} %")
    axis.set_xscale("log")
    axis.set_xticks(minutes, [f"{m:g}" for m in minutes])
    axis.minorticks_off()
    axis.set_xlabel("length of the window (min)")
    axis.set_ylabel("error of the flow (%)")
    reach = max(0.05, max(map(abs, (*high, *low))) * 1.35)
    axis.set_ylim(-reach, reach)
    axis.legend(loc="upper right")
    figure.tight_layout()
    return figure


_DRAWN: dict[str, Callable[[Report], Figure]] = {
    "delivery": _delivery,
    "boluses": _boluses,
    "reservoir": _reservoir,
    "trumpet": _trumpet,
}
