"""`make run`: one day of one therapy on an emulated pump, from its serial port to the last motor step.

Boots the firmware, programs it with the example therapy as a user would, lets 24 hours pass with a few
boluses asked for, and holds what was delivered against what was prescribed: every dose, every step. Exits
with 1 when anything differs. Plots go to build/.
"""

from __future__ import annotations

import sys
import time
from array import array
from pathlib import Path
from typing import TYPE_CHECKING

from thecal._io import paths, private, terminal
from thecal.commands.review import Review
from thecal.errors import ThecalError
from thecal.link.responses.pump import Proposal, Status
from thecal.simulation.demo_table import Comparison, table_of
from thecal.simulation.plots import Delivery, Mark, draw_bolus, draw_day
from thecal.simulation.pump import SimulatedPump
from thecal.simulation.reference_model import Given, segments, step_times
from thecal.simulation.scenario.models import ClinicianBolusEvent, Event, PatientBolusEvent
from thecal.simulation.simulate import Outcome, Plan, Watch, simulate
from thecal.therapy.checked import CheckedTherapy
from thecal.therapy.load import load_therapy
from thecal.units.amounts import count_text

if TYPE_CHECKING:
    from rich.console import Console

_DAY_US = 86_400_000_000
_SAMPLE_US = 1_800_000_000
_EXAMPLE = Path("examples") / "morphine-constant.toml"
_EVENTS: tuple[Event, ...] = (
    PatientBolusEvent.model_validate({"at": "7.5h", "do": "patient_bolus"}),
    PatientBolusEvent.model_validate({"at": "8.25h", "do": "patient_bolus"}),  # too early: refused
    ClinicianBolusEvent.model_validate(
        {"at": "14h", "do": "clinician_bolus", "dose": "0.2 mg", "duration": "30 min"}
    ),
    PatientBolusEvent.model_validate({"at": "19h", "do": "patient_bolus"}),
)


def main() -> int:
    """The whole demonstration; 0 when what was delivered is what was prescribed."""
    console = terminal.console(highlight=False)
    began_s = time.monotonic()
    try:
        root = paths.project_root()
        build = Path("build")
        private.folder(build)
        therapy = load_therapy(root / _EXAMPLE)
        plan = Plan(therapy, _DAY_US, _EVENTS, seed=1, trace=build / "run.trace")
        outcome, reservoir = _run(console, plan)
    except ThecalError as error:
        print(error, file=sys.stderr)
        return 1
    comparison = _compare(plan, outcome)
    console.print(table_of(comparison))
    delivery = _delivery(plan, outcome, comparison, reservoir)
    draw_day(delivery, build / "run.png")
    draw_bolus(delivery, outcome.boluses[0].at_us, build / "run-bolus.png")
    console.print("\nPlots: build/run.png, build/run-bolus.png. Every motor step: build/run.trace")
    console.print(f"{time.monotonic() - began_s:.1f} s. thecal is not a medical device.")
    return 0 if comparison.equal else 1


def _run(console: Console, plan: Plan) -> tuple[Outcome, list[tuple[int, int]]]:
    reservoir: list[tuple[int, int]] = []

    def propose(pump: SimulatedPump, therapy: CheckedTherapy) -> Proposal:
        hello = pump.client.hello()
        console.print(f"A pump has booted: {hello.model}, firmware {hello.firmware}, on {pump.port}.")
        console.print(f"Programming it over that port with {_EXAMPLE}:\n")
        review = Review.of(pump.client, therapy)
        review.print_tables(console)
        console.print("\nCommitted. 24 hours pass...")
        return review.proposal

    def sample(at_us: int, status: Status) -> None:
        reservoir.append((at_us, status.reservoir_pl))

    outcome = simulate(plan, Watch(propose=propose, sample=sample, every_us=_SAMPLE_US))
    times = plan.duration_us / 1e6 / outcome.wall_s
    console.print(f"... in {outcome.wall_s:.2f} s, {count_text(round(times))} times as fast as they are.\n")
    return outcome, reservoir


def _compare(plan: Plan, outcome: Outcome) -> Comparison:
    therapy = plan.therapy.model
    drug = therapy.primary
    given = [Given(x.at_us, x.duration_us, x.dose_ng) for x in outcome.boluses if x.outcome == "delivered"]
    course = segments(therapy.basal.dose_ng_per_day or 0, given, plan.duration_us)
    due_us = list(step_times(course, therapy.pump.step_volume_pl, drug.concentration_ng_per_ml))
    made_us = array("Q")
    if plan.trace is not None:
        made_us.frombytes(plan.trace.read_bytes())
    if sys.byteorder != "little":
        made_us.byteswap()
    on_time = sum(due == made for due, made in zip(due_us, made_us, strict=False))
    return Comparison(outcome, course, len(due_us), on_time)


def _delivery(
    plan: Plan, outcome: Outcome, comparison: Comparison, reservoir: list[tuple[int, int]]
) -> Delivery:
    therapy, trace = plan.therapy.model, plan.trace
    assert trace is not None
    marks = [
        Mark(x.at_us, f"refused: {x.reason}" if x.reason else f"{x.kind} bolus", x.reason is not None)
        for x in outcome.boluses
    ]
    return Delivery(
        title=f"{therapy.name}: a day of the emulated pump",
        drug=therapy.primary.name,
        until_us=plan.duration_us,
        course=comparison.course,
        trace=trace,
        step_volume_pl=therapy.pump.step_volume_pl,
        ng_per_ml=therapy.primary.concentration_ng_per_ml,
        fill_pl=therapy.pump.fill_pl,
        reservoir=reservoir,
        marks=marks,
    )


if __name__ == "__main__":
    sys.exit(main())
