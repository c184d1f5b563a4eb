"""Plots of a delivery: prescribed against delivered, from the record of every physical motor step.

The delivered curves come from the bench's trace, the prescribed ones from the prescription alone, the
reservoir's marks from what the pump says; nothing is smoothed but the delivered rate, over the window that
its label names.
"""

# matplotlib's own annotations leave **kwargs untyped, which makes every method "partially unknown":
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from thecal._io import atomic_write, private
from thecal.simulation.plot_style import STYLE
from thecal.simulation.reference_model import Segment
from thecal.units.amounts import PL_PER_ML

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_US_PER_H = 3_600_000_000
_NG_PER_MG = 1_000_000
_STEPS_IN_WINDOW = 60
_POINTS = 4000
_MARK_AT_TOP_US = 300_000_000  # a bolus is marked where its rate has risen
_PRESCRIBED, _DELIVERED, _BOLUS, _REFUSED = "#0b5394", "#e69138", "#38761d", "#a61c00"


@dataclass(frozen=True)
class Mark:
    """Something to point at: a bolus given or refused."""

    at_us: int
    text: str
    refused: bool


@dataclass(frozen=True)
class Delivery:
    """What is drawn. Times in microseconds after the commit at local midnight."""

    title: str
    drug: str
    until_us: int
    course: Sequence[Segment]
    trace: Path
    step_volume_pl: int
    ng_per_ml: int
    fill_pl: int
    reservoir: Sequence[tuple[int, int]]  # (at_us, pl), as the pump said
    marks: Sequence[Mark]


def draw_day(delivery: Delivery, path: Path, dpi: int = 110) -> None:
    """Rate, cumulative dose and reservoir over the whole time, one above the other."""
    steps_us = np.fromfile(delivery.trace, dtype="<u8").astype(np.int64)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 6))
        axes = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2.4, 1.6))
        _draw_rate(axes[0], delivery, steps_us)
        _draw_dose(axes[1], delivery, steps_us)
        _draw_reservoir(axes[2], delivery, steps_us)
        axes[2].set_xlabel("local time of the pump")
        axes[2].set_xlim(0, delivery.until_us / _US_PER_H)
        axes[2].set_xticks(range(0, 25, 3), [f"{hour:02}:00" for hour in range(0, 25, 3)])
        figure.suptitle(delivery.title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.align_ylabels()
        figure.tight_layout()
        _save(figure, path, dpi)


def draw_bolus(delivery: Delivery, at_us: int, path: Path, dpi: int = 110) -> None:
    """How a bolus begins: its rate over minutes, and every motor step over seconds."""
    steps_us = np.fromfile(delivery.trace, dtype="<u8").astype(np.int64)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.8))
        axes = figure.subplots(1, 2)
        _draw_intervals(axes[0], delivery, steps_us, at_us - 120_000_000, at_us + 420_000_000)
        _draw_steps(axes[1], delivery, steps_us, at_us - 8_000_000, at_us + 2_000_000)
        figure.tight_layout()
        _save(figure, path, dpi)


def _draw_intervals(
    axis: Axes, delivery: Delivery, steps_us: NDArray[np.int64], from_us: int, to_us: int
) -> None:
    """The rate between each step and the next, without any smoothing."""
    before, after = np.searchsorted(steps_us, [from_us, to_us])
    shown_us = steps_us[before : after + 1]
    rate = _mg_per_step(delivery) / (np.diff(shown_us) / _US_PER_H)
    axis.stairs(
        rate, (shown_us - from_us) / 60e6, baseline=None, color=_DELIVERED, lw=3.2,
        label="delivered: from step to step",
    )  # fmt: skip
    edges, rates = _prescribed_rate(delivery)
    minutes = (np.array(edges) * _US_PER_H - from_us) / 60e6
    axis.stairs(rates, minutes, baseline=None, color=_PRESCRIBED, lw=1.1, zorder=3, label="prescribed")
    axis.set_xlim(0, (to_us - from_us) / 60e6)
    axis.set_ylim(0, max(rates) * 1.3)
    axis.set_xlabel(f"minutes after {_clock(from_us)}")
    axis.set_ylabel(f"rate of {delivery.drug} (mg/h)")
    axis.legend(loc="upper right")
    axis.set_title("A patient's bolus", loc="left", fontsize=10.5)


def _draw_steps(
    axis: Axes, delivery: Delivery, steps_us: NDArray[np.int64], from_us: int, to_us: int
) -> None:
    """Every motor step against the exact prescribed volume."""
    before, after = (int(np.searchsorted(steps_us, edge)) for edge in (from_us, to_us))
    step_nl = delivery.step_volume_pl / 1000
    times_us = np.concatenate(([from_us], steps_us[before:after], [to_us]))
    counts = np.concatenate((np.arange(before, after + 1), [after])) - before
    axis.step(
        (times_us - from_us) / 1e6, counts * step_nl, where="post", color=_DELIVERED, lw=1.6,
        label="delivered: motor steps",
    )  # fmt: skip
    edges_us, volumes_nl = _volume_curve(delivery)
    at_us = np.linspace(from_us, to_us, 500)
    exact_nl = np.interp(at_us, edges_us, volumes_nl) - before * step_nl
    axis.plot((at_us - from_us) / 1e6, exact_nl, color=_PRESCRIBED, lw=1.1, label="prescribed: exact volume")
    axis.set_xlim(0, (to_us - from_us) / 1e6)
    axis.set_ylim(0, None)
    axis.set_xlabel(f"seconds after {_clock(from_us)}")
    axis.set_ylabel("volume (nL)")
    axis.legend(loc="upper left")
    axis.set_title("Its first steps, each when its volume is due", loc="left", fontsize=10.5)


def _save(figure: Any, path: Path, dpi: int) -> None:
    private.folder(path.parent)
    with atomic_write.whole(path) as draft:
        figure.savefig(draft, dpi=dpi, metadata={"Software": None})


def _clock(at_us: int) -> str:
    seconds = at_us // 1_000_000
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _mg_per_step(delivery: Delivery) -> float:
    return delivery.step_volume_pl * delivery.ng_per_ml / PL_PER_ML / _NG_PER_MG


def _window_us(delivery: Delivery, steps_us: NDArray[np.int64]) -> int:
    """Whole minutes that hold some 60 steps at the usual rate: long enough to read, short enough to see."""
    minutes = round(_STEPS_IN_WINDOW * delivery.until_us / max(1, len(steps_us)) / 60e6)
    return 60_000_000 * min(max(1, minutes), 60)


def _draw_rate(axis: Axes, delivery: Delivery, steps_us: NDArray[np.int64]) -> None:
    window_us = _window_us(delivery, steps_us)
    at_us = np.linspace(0, delivery.until_us, _POINTS)
    low = np.clip(at_us - window_us / 2, 0, None)
    high = np.clip(at_us + window_us / 2, None, delivery.until_us)
    steps = np.searchsorted(steps_us, high, "right") - np.searchsorted(steps_us, low, "right")
    rate = steps * _mg_per_step(delivery) / ((high - low) / _US_PER_H)
    edges, rates = _prescribed_rate(delivery)
    minutes = window_us // 60_000_000
    axis.plot(
        at_us / _US_PER_H, rate, color=_DELIVERED, lw=2.8,
        label=f"delivered: motor steps in a moving window of {minutes} min",
    )  # fmt: skip
    axis.stairs(rates, edges, baseline=None, color=_PRESCRIBED, lw=1.0, zorder=3, label="prescribed")
    axis.set_ylim(0, max(rates) * 1.2)
    axis.set_ylabel(f"rate of {delivery.drug} (mg/h)")
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2)
    for mark in delivery.marks:
        colour = _REFUSED if mark.refused else _BOLUS
        hour = mark.at_us / _US_PER_H
        lasting_us = 0 if mark.refused else _MARK_AT_TOP_US
        near = rate[np.searchsorted(at_us, mark.at_us) : np.searchsorted(at_us, mark.at_us + lasting_us) + 1]
        top = float(near.max())
        axis.plot([hour], [top], marker="x" if mark.refused else "v", color=colour, ms=6, zorder=4)
        axis.annotate(
            mark.text, (hour, top), xytext=(6, 5), textcoords="offset points", color=colour, fontsize=8.5
        )


def _prescribed_rate(delivery: Delivery) -> tuple[list[float], list[float]]:
    """Edges in hours and the rates between them in mg/h."""
    edges = [x.from_us / _US_PER_H for x in delivery.course] + [delivery.until_us / _US_PER_H]
    return edges, [float(x.ng_per_us) * _US_PER_H / _NG_PER_MG for x in delivery.course]


def _volume_curve(delivery: Delivery) -> tuple[list[float], list[float]]:
    """The exact volume (nL) at the edges of the prescribed segments: straight lines between them."""
    edges_us, volumes_nl = [0.0], [0.0]
    for segment in delivery.course:
        ng = segment.ng_per_us * (segment.to_us - segment.from_us)
        edges_us.append(float(segment.to_us))
        volumes_nl.append(volumes_nl[-1] + float(ng * PL_PER_ML / delivery.ng_per_ml / 1000))
    return edges_us, volumes_nl


def _draw_dose(axis: Axes, delivery: Delivery, steps_us: NDArray[np.int64]) -> None:
    every = max(1, len(steps_us) // _POINTS)
    counted = np.arange(1, len(steps_us) + 1)[::every]
    mg = counted * _mg_per_step(delivery)
    axis.plot(steps_us[::every] / _US_PER_H, mg, color=_DELIVERED, lw=3.2, label="delivered: motor steps")
    edges_us, volumes_nl = _volume_curve(delivery)
    prescribed_mg = np.array(volumes_nl) * 1000 * delivery.ng_per_ml / PL_PER_ML / _NG_PER_MG
    axis.plot(np.array(edges_us) / _US_PER_H, prescribed_mg, color=_PRESCRIBED, lw=1.0, label="prescribed")
    axis.set_ylim(0, None)
    axis.set_ylabel(f"{delivery.drug} since\nthe start (mg)")
    axis.legend(loc="upper left")


def _draw_reservoir(axis: Axes, delivery: Delivery, steps_us: NDArray[np.int64]) -> None:
    every = max(1, len(steps_us) // _POINTS)
    counted = np.arange(1, len(steps_us) + 1)[::every]
    left_ml = (delivery.fill_pl - counted * delivery.step_volume_pl) / PL_PER_ML
    axis.plot(steps_us[::every] / _US_PER_H, left_ml, color=_DELIVERED, lw=1.6, label="left, by motor steps")
    at_h = [at_us / _US_PER_H for at_us, _ in delivery.reservoir]
    said = [pl / PL_PER_ML for _, pl in delivery.reservoir]
    axis.plot(at_h, said, ls="", marker="o", ms=3.2, color=_PRESCRIBED, label="the pump's own count")
    full = delivery.fill_pl / PL_PER_ML
    axis.set_ylabel("reservoir (mL)")
    axis.ticklabel_format(axis="y", useOffset=False)
    axis.legend(loc="lower left")
    axis.text(
        0.995, 0.92, f"of {full:g} mL; the axis does not begin at 0", transform=axis.transAxes, ha="right",
        va="top", fontsize=8.5, color="#555555",
    )  # fmt: skip
