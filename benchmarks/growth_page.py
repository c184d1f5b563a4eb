"""The page and the plot of how cost grows, from what `growth.py` measured."""

import io
import math
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from thecal.units.amounts import count_text

DOCS = Path(__file__).resolve().parents[1] / "docs"
DATA = DOCS / "reference" / "growth.json"
PAGE = DOCS / "reference" / "growth.md"
PLOT = DOCS / "images" / "growth.svg"
WORSE = (
    1.15  # exponent between two points that is worse than linear: 1, and room for what a measurement varies
)
Points = list[tuple[float, float]]


class Axis(NamedTuple):
    """One thing that grows, and what is measured along it."""

    title: str
    x: str
    y: str
    what: str
    why: str = ""  # it grows worse than linear


AXES = {
    "steps": Axis(
        "A simulated day against motor steps",
        "steps a day",
        "ms a day",
        "A constant flow, from the least to the highest.",
        "At 24 mL a day a step costs a quarter more than at 5; why has not been found out.",
    ),
    "sources": Axis(
        "A simulated day against dose sources",
        "sources",
        "ms a day",
        "Periodic boluses, four a day each, beside a basal flow of 1 mL a day.",
    ),
    "flex": Axis(
        "A simulated day against flex steps",
        "steps of the flex day",
        "ms a day",
        "1 mL a day in all of them, to a hundredth.",
    ),
    "events": Axis(
        "A simulated day against what happens in it",
        "patient boluses a day",
        "ms a day",
        "Asked for over the link, beside 1 mL a day: each is a request, a bolus and its records on flash.",
    ),
    "log_length": Axis(
        "A simulated day against the log",
        "records before it",
        "ms a day",
        "1 mL a day, after so many refused requests; their ring is full from some thousands on.",
    ),
    "report": Axis(
        "A report against records", "records", "s", "`thecal report` as HTML and PDF, process start to end."
    ),
    "store_import": Axis(
        "An import against records", "records", "s", "A file of `thecal log --jsonl` into an empty store."
    ),
    "campaign": Axis(
        "A campaign against workers",
        "workers",
        "runs a second",
        "Runs of power cuts; more is better. Wall time: a worker needs a core that has nothing else to do.",
    ),
    "chip": Axis(
        "The chip against the size of a program",
        "flex steps",
        "ms",
        "What the emulated RP2040 computes to weigh, keep and start a program of so many flex steps: 48 a "
        "day; three kinds of day make 144, the most there may be.",
    ),
}


def _figure(value: float) -> str:
    return count_text(round(value)) if value >= 1000 else f"{value:.3g}"


def exponent(points: Points) -> float:
    """The steepest growth between two neighbours: 1 is linear, 0 none. Nothing to compare: 0."""
    steepest = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 > 0 and y0 > 0 and y1 > 0:
            steepest = max(steepest, math.log(y1 / y0) / math.log(x1 / x0))
    return steepest


def page(data: dict[str, Points]) -> str:
    """The page. RuntimeError: something grows worse than linear and nobody says why."""
    lines = [
        "# How cost grows\n",
        "Written by `make growth` from what it measured (growth.json beside this page); do not edit.",
        "Processor time of the process that does the work; campaigns in wall time. *Steepest* is the largest",
        "exponent between two neighbouring points: 1 is linear, less is better than linear.\n",
        "![Cost against size, one panel for each axis below](../images/growth.svg)\n",
    ]
    for name, axis in AXES.items():
        points = data.get(name, [])
        lines.append(f"## {axis.title}\n\n{axis.what}\n")
        if not points:
            lines.append("Not measured here: it needs a MicroPython image (THECAL_MICROPYTHON_UF2).\n")
            continue
        lines += [f"| {axis.x} | {axis.y} |", "|---|---|"]
        lines += [f"| {count_text(round(x))} | {_figure(y)} |" for x, y in points]
        steepest = exponent(points)
        if steepest > WORSE and not axis.why:
            raise RuntimeError(f"{name} grows with exponent {steepest:.2f}: say why in AXES, or mend it")
        lines.append(f"\nSteepest: {steepest:.2f}.{' ' + axis.why if axis.why else ''}\n")
    return "\n".join(lines)


def draw(data: dict[str, Points]) -> None:
    """All panels in one picture, both axes logarithmic."""
    import matplotlib as mpl
    from matplotlib import pyplot, ticker

    from thecal.simulation.plot_style import STYLE

    plain = ticker.FuncFormatter(lambda value, _: _figure(value))
    with mpl.rc_context({**STYLE, "svg.hashsalt": "growth", "font.size": 8}):
        figure, grid = pyplot.subplots(3, 3, figsize=(9, 8), layout="constrained")
        for place, (name, axis) in zip(grid.flat, AXES.items(), strict=True):
            place.set_title(axis.title, fontsize=8)
            place.set_xlabel(axis.x)
            place.set_ylabel(axis.y)
            if points := data.get(name, []):
                xs, ys = zip(*points, strict=True)
                place.loglog(xs, ys, "o-", color="black", markersize=3)
                place.loglog(xs, [ys[0] * x / xs[0] for x in xs], ":", color="gray", label="linear")
                place.set_ylim(min(ys) / 2, max(ys) * 2)
                place.set_xticks(sorted({xs[0], xs[len(xs) // 2], xs[-1]}))
                place.set_yticks([min(ys), max(ys)])
                for side in (place.xaxis, place.yaxis):
                    side.set_major_formatter(plain)
                    side.set_minor_locator(ticker.NullLocator())
                place.legend(loc="upper left")
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
        pyplot.close(figure)
    PLOT.write_text("".join(line.rstrip() + "\n" for line in drawn.getvalue().splitlines()), encoding="utf-8")
