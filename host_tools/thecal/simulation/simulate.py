"""`thecal simulate`: a therapy and what happens to it, carried out by the real firmware in virtual time.

`simulate(plan)` boots an emulated pump, programs it over its serial port, lets the plan's time pass with its
events at exactly their instants, and answers with everything that was delivered. docs/howto/simulate.md.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING

from thecal._io import private
from thecal._io.arguments import checked_call
from thecal.commands.delivered import Ledger
from thecal.errors import SimulationError, TherapyError
from thecal.link.responses.pump import Status
from thecal.simulation.alarms import SimulatedAlarm
from thecal.simulation.boluses import Bolus
from thecal.simulation.pump import SimulatedPump
from thecal.simulation.run import Plan, Refusal, Run, Watch
from thecal.therapy.refill_check import RefillCheck

if TYPE_CHECKING:
    from thecal.simulation.scenario.models import Event

__all__ = ["Outcome", "Plan", "Refusal", "Watch", "simulate"]

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class Outcome:
    """What a simulation came to. `steps` were physically made, `delivered` is what the pump says of them."""

    plan: Plan
    wall_s: float
    steps: int
    ledger: Ledger
    status: Status | None  # None: without power at the end
    boluses: Sequence[Bolus]
    left_out: Sequence[tuple[str, int]]  # scheduled boluses that fell into a stop: (kind, at_us)
    refusals: Sequence[Refusal]
    alarms: Sequence[SimulatedAlarm]
    refills: Sequence[tuple[int, RefillCheck]]  # (at_us, what came out against the count)
    resets: int
    records: int  # of the pump's log
    trace_sha256: str | None

    @property
    def state(self) -> str:
        """The pump's state at the end; "off" without power."""
        return self.status.state if self.status else "off"


@checked_call
def simulate(plan: Plan, watch: Watch | None = None) -> Outcome:
    """Carry a plan out on the real firmware in virtual time. Refusals are part of the outcome.

    Args:
        plan: therapy, duration in us, events, and where flash and trace are kept.
        watch: who looks on meanwhile.

    Returns:
        What came of it: steps as the motor made them, the pump's ledger in pL, boluses, alarms,
            refusals.

    Raises:
        TherapyError: events that cannot be.
        SimulationError: the pump or its bench failed, or a file cannot be written.
    """
    began_ns = time.monotonic_ns()
    _check(plan)
    with SimulatedPump(flash=plan.flash, seed=plan.seed, source=plan.source) as pump:
        run = Run(pump, plan, watch or Watch())
        run.carry_out()
        if watch is not None and watch.finish is not None:
            watch.finish(pump)
        status = None if pump.off else pump.status()
        steps = pump.steps()
        pump.finish()
    return Outcome(
        plan=plan,
        wall_s=(time.monotonic_ns() - began_ns) / _NS_PER_S,
        steps=steps,
        ledger=run.ledger,
        status=status,
        boluses=run.boluses.all,
        left_out=run.left_out,
        refusals=run.refusals,
        alarms=run.alarms.all,
        refills=run.refills,
        resets=pump.resets,
        records=pump.records,
        trace_sha256=_sha256(plan.trace) if plan.trace else None,
    )


def _check(plan: Plan) -> None:
    """Find before anything is started what is known to fail."""
    problems = _in_the_dark(plan.events)
    if problems:
        raise TherapyError(problems)
    _try_writing(plan.trace, "trace")
    if plan.flash is not None and not plan.flash.exists():
        _try_writing(plan.flash, "flash file")
        plan.flash.unlink()


def _in_the_dark(events: Sequence[Event]) -> list[tuple[str, str]]:
    """Faults that would be injected while there is no power: the bench is off, too."""
    problems: list[tuple[str, str]] = []
    if not events:
        return problems
    from thecal.emulator.injections import (  # heavy, and loaded already when there are events
        INJECT,
        PowerCutEvent,
    )

    dark_until_us = -1
    for number, event in enumerate(events, 1):
        if event.what in INJECT and event.at_us < dark_until_us and event.what != "link_noise":
            problems.append((f"event[{number}].at", f"this {event.what} falls within a power cut"))
        elif isinstance(event, PowerCutEvent):
            lasts_us = event.for_us
            dark_until_us = 1 << 62 if lasts_us is None else event.at_us + lasts_us
    return problems


def _try_writing(path: Path | None, what: str) -> None:
    if path is None:
        return
    if path.exists() and not path.is_file():
        raise SimulationError(f"the {what} {path} cannot be written: it is no file", "name another file")
    try:
        os.close(private.opened(path, os.O_WRONLY | os.O_TRUNC))
    except OSError as error:
        raise SimulationError(
            f"the {what} {path} cannot be written: {(error.strerror or str(error)).lower()}",
            "name another file",
        ) from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
