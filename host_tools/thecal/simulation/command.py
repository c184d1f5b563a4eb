"""`thecal simulate` for people: files in, progress on a terminal, a summary or the JSON document out."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thecal._io import terminal
from thecal._io.wrapped import say
from thecal.simulation.document import simulation_json
from thecal.simulation.simulate import Outcome, Plan, Watch, simulate
from thecal.therapy.load import load_therapy
from thecal.therapy.refill_check import percent_text
from thecal.units.amounts import US_PER_S, count_text, duration_text, mass_text, volume_text

if TYPE_CHECKING:
    from thecal.simulation.scenario.models import Event

_SLOW_US = 2 * 86_400 * US_PER_S  # shorter simulations are over before a bar is drawn


@dataclass(frozen=True)
class Request:
    """The command line of `thecal simulate`."""

    therapy: Path
    duration_us: int
    events: Path | None
    start: datetime
    flash: Path | None
    seed: int | None
    trace: Path | None
    source: bool = False


def run(request: Request, print_json: Callable[[dict[str, Any]], None] | None) -> None:
    """Simulate and print: the JSON document with `print_json`, else a summary."""
    plan = Plan(
        therapy=load_therapy(request.therapy),
        duration_us=request.duration_us,
        events=_events(request.events),
        start=request.start,
        flash=request.flash,
        seed=request.seed,
        trace=request.trace,
        source=request.source,
    )
    with _progress(plan.duration_us) as progress:
        outcome = simulate(plan, Watch(progress=progress))
    late = sum(event.at_us > plan.duration_us for event in plan.events)
    if late:
        print(f"{late} of {len(plan.events)} events lie after the end and did not happen", file=sys.stderr)
    if print_json is not None:
        print_json(simulation_json(outcome))
        return
    for line in summary(outcome):
        say(line)


def _events(path: Path | None) -> Sequence[Event]:
    if path is None:
        return ()
    from thecal.simulation.scenario.load import load_events  # heavy: the models of some thirty events

    return load_events(path)


@contextlib.contextmanager
def _progress(duration_us: int) -> Generator[Callable[[int], None] | None]:
    """A bar on stderr when that is a terminal and the simulation is a long one."""
    if duration_us < _SLOW_US or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("simulating"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=terminal.console(stderr=True), transient=True) as bar:
        task = bar.add_task("simulating", total=duration_us)
        yield lambda at_us: bar.update(task, completed=at_us)


def summary(outcome: Outcome) -> list[str]:
    """The outcome in a few lines."""
    plan, ledger = outcome.plan, outcome.ledger
    times = count_text(round(plan.duration_us / US_PER_S / outcome.wall_s))
    took = f"{duration_text(plan.duration_us)} in {outcome.wall_s:.2f} s ({times} x real time)"
    made, accounted = count_text(outcome.steps), count_text(ledger.accounted_steps)
    lines = [
        f"{plan.therapy.name}: {took}",
        f"  state         {outcome.state}",
        f"  motor steps   {made} made, {accounted} accounted for by the pump",
        f"  volume        {volume_text(ledger.volume_pl)}; {volume_text(ledger.reservoir_pl)} left",
    ]
    for name, ng in ledger.delivered_ng.items():
        lost = (ledger.missed_ng or {}).get(name)
        missed = f", of which {mass_text(lost)} was not seen to move" if lost else ""
        lines.append(f"  {name:<13} {mass_text(ng)}{missed}")
    sources = ", ".join(
        f"{name.replace('_', ' ')} {volume_text(pl)}" for name, pl in ledger.volume_pl_by_source.items()
    )
    lines.append(f"  by source     {sources}")
    for bolus in outcome.boluses:
        given = "" if bolus.given_pl is None else f", {volume_text(bolus.given_pl)}"
        why = f" ({bolus.reason})" if bolus.reason else ""
        lines.append(f"  bolus         {_at(bolus.at_us)}  {bolus.kind} {bolus.outcome}{why}{given}")
    for refusal in outcome.refusals:
        if not refusal.what.endswith("_bolus"):
            lines.append(f"  refused       {_at(refusal.at_us)}  {refusal.what}: {refusal.reason}")
    for at_us, check in outcome.refills:
        flagged = "  FLAGGED: see docs/reference/alarms.md" if check.suspicious else ""
        lines.append(
            f"  refill        {_at(at_us)}  {volume_text(check.measured_pl)} left, "
            f"{volume_text(check.counted_pl)} counted; flow {percent_text(check.ratio)}{flagged}"
        )
    for alarm in outcome.alarms:
        cleared = "stands" if alarm.cleared_us is None else f"until {_at(alarm.cleared_us)}"
        lines.append(f"  alarm         {_at(alarm.raised_us)}  {alarm.name} ({alarm.kind}), {cleared}")
    if outcome.resets:
        lines.append(f"  resets        {outcome.resets}")
    if outcome.trace_sha256:
        lines.append(f"  trace         {plan.trace} (sha256 {outcome.trace_sha256[:16]}...)")
    return lines


def _at(at_us: int) -> str:
    whole, us = divmod(at_us, US_PER_S)
    exactly = f".{us:06}" if us else ""
    return f"{whole // 86_400} d {whole // 3600 % 24:02}:{whole // 60 % 60:02}:{whole % 60:02}{exactly}"
