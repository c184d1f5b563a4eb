"""The plot of `thecal.tip`: dose rate at the catheter's tip after a commit, a row per drug."""
# matplotlib ships no complete types.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from thecal.amounts import US_PER_DAY
from thecal.tip import TipPrediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HOUR_US = US_PER_DAY // 24
_PLUG, _MIXED, _INTENDED = "#1f5fa8", "#c8641e", "#555555"
_FEW_FLOWS = 40  # with more changes of the rate than this (boluses), each hour is shown by its mean
_NOTE = (
    "A model, not a measurement: the truth is expected between the two curves. Patient boluses not included."
)


def plot_tip(prediction: TipPrediction, path: Path | str, title: str = "") -> None:
    """Write the plot as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drugs = prediction.drugs
    figure = Figure(figsize=(8, 1.7 + 2.5 * len(drugs)), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(drugs), 1, sharex=True, squeeze=False)
    for axes, drug in zip(rows[:, 0], drugs, strict=True):
        _row(axes, prediction, drug)
    hours = prediction.span_us / HOUR_US
    last: Axes = rows[-1, 0]
    last.set_xlabel("time after the commit (h)")
    last.set_xlim(0, hours)
    last.set_xticks([hours * part / 12 for part in range(13)])
    rows[0, 0].legend(loc="upper center", bbox_to_anchor=(0.5, 1.24), ncols=2, fontsize=8, frameon=False)
    figure.suptitle(f"Predicted dose at the catheter tip{f': {title}' if title else ''}", fontsize=12)
    figure.text(0.5, -0.01, _NOTE, ha="center", va="top", fontsize=8)
    figure.savefig(path, format="png", bbox_inches="tight")


def _row(axes: Axes, prediction: TipPrediction, drug: str) -> None:
    bin_us = HOUR_US if _has_boluses(prediction) else HOUR_US // 12
    edges = [*range(0, prediction.span_us, bin_us), prediction.span_us]
    plug = _means(lambda at_us: float(prediction.plug_ng(drug, at_us)), edges)
    mixed = _means(lambda at_us: prediction.mixed_ng(drug, at_us), edges)
    intended = float(prediction.intended_ng_per_day.get(drug, 0))
    size, unit = _unit(max(*plug, *mixed, intended))
    hours = [at_us / HOUR_US for at_us in edges]
    plug, mixed = [rate / size for rate in plug], [rate / size for rate in mixed]
    axes.fill_between(
        hours,
        [*plug, plug[-1]],
        [*mixed, mixed[-1]],
        step="post",
        color="#8899aa",
        alpha=0.25,
        lw=0,
        label="band between the two models",
    )
    axes.stairs(plug, hours, baseline=None, color=_PLUG, lw=1.8, label="plug flow (nothing mixes)")
    axes.stairs(mixed, hours, baseline=None, color=_MIXED, lw=1.4, ls="--", label="fully mixed")
    axes.axhline(intended / size, color=_INTENDED, lw=1, ls=":", label="intended (mean basal dose)")
    arrival = prediction.arrival_us
    if arrival is not None and prediction.old != prediction.new:
        at = float(arrival) / HOUR_US
        axes.axvline(at, color=_PLUG, lw=0.8, ls=":")
        axes.annotate(
            f"new filling arrives\nat {at:.1f} h (plug flow)",
            (at, 0.04),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
            fontsize=8,
            color=_PLUG,
        )
    mean = ", hourly mean" if bin_us == HOUR_US else ""
    axes.set_ylabel(f"{drug}\n({unit}/day{mean})")
    axes.set_ylim(0, 1.12 * (max(*plug, *mixed, intended / size) or 1))
    axes.grid(alpha=0.3)


def _means(dose_ng: Callable[[int], float], edges: list[int]) -> list[float]:
    """Mean dose rate between one edge and the next, ng/day."""
    doses = [dose_ng(at_us) for at_us in edges]
    return [(doses[i + 1] - doses[i]) * US_PER_DAY / (edges[i + 1] - edges[i]) for i in range(len(edges) - 1)]


def _has_boluses(prediction: TipPrediction) -> bool:
    """Rates that hold for less than an hour: shown by the mean of each hour, else nothing else is seen."""
    return any(after.begin_us - flow.begin_us < HOUR_US for flow, after in pairwise(prediction.flows))


def _unit(highest_ng: float) -> tuple[int, str]:
    for size, unit in ((10**6, "mg"), (10**3, "mcg")):
        if highest_ng >= size:
            return size, unit
    return 1, "ng"
