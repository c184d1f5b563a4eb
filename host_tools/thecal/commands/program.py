"""From a therapy to what is proposed to a pump: the one path that `thecal program` and `simulate` take.

    prepared = prepare_program(client, therapy)
    proposal = client.propose_program(prepared.values)

Asks the pump what it runs, holds the therapy (which was judged when it was read) against that, fills the
bridge in from there, and finds on the host what this pump would refuse, with better words. Nothing is changed
and nobody is asked anything here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from thecal.errors import Problem, TherapyError
from thecal.link.client import Client
from thecal.therapy.bridge import Bridge
from thecal.therapy.checked import CheckedTherapy, SoftLimit
from thecal.therapy.encode import to_wire
from thecal.therapy.judge import replacing
from thecal.therapy.program_math import mean_basal
from thecal.therapy.rules.commands import bridge_problems
from thecal.therapy.rules.whole import motor_problems
from thecal.therapy.settings_diff import Change, compare
from thecal.units.amounts import US_PER_S, dose_rate_text, duration_text
from thecal.units.local_time import DEFAULT_START, from_wire
from thecal_protocol.program import BASAL_STOPPED


@dataclass(frozen=True)
class PreparedProgram:
    """A program that may be proposed, and what a person should see first."""

    therapy: CheckedTherapy
    values: dict[str, object]  # thecal_protocol.therapy.THERAPY, the bridge filled in
    changes: list[Change]  # every setting, old and new; `Change.changed` says which differ
    start: datetime  # the pump's local time when it was asked
    state: str = ""  # thecal_protocol.messages.STATES, when it was asked

    @property
    def starts(self) -> str:
        """What the commit does to a pump that does not infuse, in a sentence; "": it infuses already."""
        begins = _beginning(self.values)
        match self.state:
            case "unprogrammed":
                return f"The pump has no program yet: with this one {begins}."
            case "stopped":
                return f"THE PUMP IS STOPPED. This program ends the stop: {begins}."
            case "held" | "halted":
                return (
                    f"AN ALARM HOLDS DELIVERY ({self.state}). This program ends a stop, if there is one; "
                    f"when the alarm has cleared, {begins}."
                )
            case _:
                return ""

    @property
    def running(self) -> Mapping[str, Any] | None:
        """The program that it replaces; None: there is none."""
        return self.therapy.change.running if self.therapy.change else None

    @property
    def bridge(self) -> Bridge | None:
        """The bridge it asks for, or (`asked` false) the one it would need."""
        return self.therapy.change.bridge if self.therapy.change else None

    @property
    def warnings(self) -> list[Problem]:
        """What to look at twice."""
        first = self.therapy.first_dose if self.therapy.change is None else None
        return [*self.therapy.warnings, *([first] if first else [])]

    @property
    def soft_limits(self) -> list[SoftLimit]:
        """Soft limits of the drug library that it passes: each needs a confirmation (HOST-03, SEC-12)."""
        return self.therapy.soft_limits

    @property
    def large_changes(self) -> list[Change]:
        """Changes that need a confirmation of their own (HOST-03)."""
        return [change for change in self.changes if change.large]


def prepare_program(
    client: Client, therapy: CheckedTherapy, *, refill_pl: int | None = None
) -> PreparedProgram:
    """Prepare `therapy` for this pump; `refill_pl`: what is filled in with it. TherapyError: it, or the
    change to it, is wrong."""
    status = client.status()
    local = from_wire(status.local_day, status.local_s, status.local_us)
    running = client.running_program()
    gap_us = next((limit.low for limit in client.limits() if limit.name == "least_gap_us"), 0)
    left_pl = status.reservoir_pl if refill_pl is None else refill_pl
    return prepare(therapy, running, start=local, state=status.state, least_gap_us=gap_us, left_pl=left_pl)


def _beginning(values: Mapping[str, Any]) -> str:
    """When delivery begins, and with what."""
    if values["basal_mode"] == BASAL_STOPPED:
        return "its basal mode is stopped, so only boluses will flow"
    delay_s = values["start_delay_s"]
    when = f"in {duration_text(delay_s * US_PER_S)}" if delay_s else "at once"
    dose = round(mean_basal(values))
    how = f"{dose_rate_text(dose)} of {values['drugs'][0]['name']}" if dose else "the minimum rate"
    return f"delivery starts {when}, with {how}"


def prepare(
    therapy: CheckedTherapy,
    running: Mapping[str, Any] | None,
    *,
    start: datetime = DEFAULT_START,
    state: str = "",
    least_gap_us: int = 0,
    left_pl: int | None = None,
) -> PreparedProgram:
    """Prepare `therapy` for a pump that is known to run `running` (None: nothing) at local time `start`, on a
    board whose motor keeps so long a gap between overdue steps, with so much in its reservoir (None: not
    known)."""
    if running is not None:
        therapy = replacing(therapy, running)
    change = therapy.change
    problems = [*(change.errors if change else ()), *motor_problems(therapy.model, least_gap_us)]
    if change is not None and change.bridge is not None and change.bridge.asked and left_pl is not None:
        found = bridge_problems(change.bridge.volume_pl, left_pl)
        problems += [Problem("bridge", problem) for problem in found]
    delayed = therapy.model.start is not None and therapy.model.start.delay_s
    if state == "infusing" and delayed:
        message = "the pump is infusing, and a delay would leave a gap; stop it first, or remove [start]"
        problems.append(Problem("start.delay", message))
    if problems:
        raise TherapyError(problems)
    values = to_wire(therapy)
    changes = list(change.settings) if change else compare(None, values)
    return PreparedProgram(therapy, values, changes, start, state)
