"""A simulation under somebody's hands: what is done to the pump happens now, and is written down as an events
file that `thecal simulate` replays to the same steps.

Time stands still between two calls. Nothing is done twice at one instant: a microsecond passes in between,
so that the file, in which the order of an instant is fixed, says the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thecal.emulator.event_fields import Condition, Lasting
from thecal.emulator.injections import PowerCutEvent
from thecal.errors import REFUSAL_TEXTS, SimulationError
from thecal.simulation.pump import SimulatedPump
from thecal.simulation.run import Plan, Refusal, Run, Watch
from thecal.simulation.scenario.load import read_event
from thecal.units.amounts import US_PER_DAY
from thecal.units.bound_text import detail_text
from thecal.web.opening import Opened

if TYPE_CHECKING:
    from thecal.simulation.scenario.models import Event

EVENTS = "events.toml"
LONGEST_US = 100 * 366 * US_PER_DAY  # a pump is not watched for longer
_HEAD = """\
# What was done to an emulated pump in `thecal web`. The same again, step by step:
#   {command}
"""


@dataclass
class Done:
    """An event that has happened. `table`: as it stands in the file; `ended_us`: by hand, before its time."""

    number: int
    event: Event
    table: dict[str, Any]
    refused: str = ""
    ended_us: int | None = None

    @property
    def what(self) -> str:
        """The word of its `do` or `inject`."""
        return str(self.event.what)

    def stands(self, now_us: int) -> bool:
        """Is it a condition that still lasts?"""
        if not isinstance(self.event, Lasting | PowerCutEvent) or self.ended_us is not None:
            return False
        return self.event.for_us is None or now_us < self.event.at_us + self.event.for_us


@dataclass
class Live:
    """One pump, from its first program on. Not for use from several threads."""

    pump: SimulatedPump
    opened: Opened
    trace: Path | None = None
    done: list[Done] = field(default_factory=list[Done])

    def __post_init__(self) -> None:
        opened = self.opened
        plan = Plan(
            opened.therapy, LONGEST_US, start=opened.start, seed=opened.seed, trace=self.trace
        )  # its events are added one by one, to be noted as they happen
        self.run = Run(self.pump, plan, Watch())
        self._to_come = list(opened.events)

    def begin(self) -> None:
        """Program the pump: time zero."""
        self.run.begin()
        for _, event in self._to_come:
            self.run.add(event)

    @property
    def now_us(self) -> int:
        """Since the therapy's commit."""
        return self.pump.at_us

    @property
    def next_us(self) -> int | None:
        """When something of the scenario is to happen, or a condition to end; None: nothing is."""
        next_us = self.run.next_us
        return None if next_us is None or next_us > LONGEST_US else next_us

    def pass_to(self, to_us: int) -> bool:
        """Let time pass until `to_us`, or a little longer while the pump is booting, but not over the next
        thing that is to happen. Has one happened?"""
        next_us = self.next_us
        happens = next_us is not None and next_us <= to_us
        refused = len(self.run.refusals)
        self.run.pass_to(
            next_us if next_us is not None and happens else min(to_us, LONGEST_US), may_pass=True
        )
        while self._to_come and self._to_come[0][1].at_us <= self.now_us:
            table, event = self._to_come.pop(0)
            done = self._note(event, table)
            for refusal in self.run.refusals[refused:]:
                if refusal.what == done.what and refusal.at_us == event.at_us:
                    done.refused = refusal_text(refusal)
        return happens

    def act(self, table: Mapping[str, Any]) -> Done:
        """What an event of an events file says, now.

        Raises:
            TherapyError: it is none; nothing was done.
            SimulationError: it cannot be done without power, or the pump died.
        """
        file = table.get("file", self.opened.name)
        if file not in self.opened.therapies():
            raise SimulationError(f"{file} was not opened", "choose one of the therapies that were")
        self._let_a_moment_pass()
        written = {"at": f"{self.now_us} us", **{key: table[key] for key in table if key != "at"}}
        event = read_event(written, self.opened.folder)
        if self.pump.off and isinstance(event, Condition) and event.what != "link_noise":
            raise SimulationError("the pump has no power, and nothing can be injected", "switch it on first")
        refused = len(self.run.refusals)
        self.run.add(event)
        self.run.pass_to(self.now_us)
        done = self._note(event, written)
        done.refused = "; ".join(map(refusal_text, self.run.refusals[refused:]))
        return done

    def end(self, number: int) -> Done:
        """A condition that stands is over now. SimulationError: it does not stand."""
        done = next((one for one in self.done if one.number == number), None)
        if done is None or not done.stands(self.now_us):
            raise SimulationError("that is over already", "look at what stands")
        event = done.event
        if not isinstance(event, Condition):
            raise SimulationError("that does not last", "only conditions end")
        self._let_a_moment_pass()
        self.run.end(event)
        done.ended_us = self.now_us
        done.table["for"] = f"{self.now_us - event.at_us} us"
        return done

    @property
    def power_cut(self) -> Done | None:
        """Why there is no power; None: there is."""
        cuts = (one for one in reversed(self.done) if isinstance(one.event, PowerCutEvent))
        return next(cuts, None) if self.pump.off else None

    def events_text(self) -> str:
        """What has been done, as an events file."""
        parts = [_HEAD.format(command=self.command())]
        parts += [_table_text(done.table) for done in self.done]
        return "\n".join(parts)

    def command(self) -> str:
        """The command that does the same again."""
        opened = self.opened
        return (
            f'thecal simulate {opened.name} --events {EVENTS} --for "{self.now_us} us" '
            f"--start {opened.start.isoformat()} --seed {opened.seed}"
        )

    def files(self) -> dict[str, str]:
        """All that is needed for that, by name."""
        names = {self.opened.name, *(str(one.table["file"]) for one in self.done if "file" in one.table)}
        texts = {name: (self.opened.folder / name).read_text(encoding="utf-8") for name in sorted(names)}
        return {EVENTS: self.events_text(), **texts}

    def finish(self) -> None:
        """The last records are read, the trace is complete."""
        self.pump.finish()

    def _let_a_moment_pass(self) -> None:
        """Until nothing has happened yet at this instant."""
        while any(self.now_us in (one.event.at_us, one.ended_us) for one in self.done):
            self.pass_to(self.now_us + 1)

    def _note(self, event: Event, table: dict[str, Any]) -> Done:
        self.done.append(Done(len(self.done) + 1, event, dict(table)))
        return self.done[-1]


def refusal_text(refusal: Refusal) -> str:
    """Why a command was not carried out."""
    what = refusal.what.replace("_", " ")
    if refusal.reason == "off":
        return f"{what}: the pump has no power"
    if refusal.reason == "no_answer":
        return f"{what}: the pump did not answer on the noisy line"
    words = REFUSAL_TEXTS.get(refusal.reason, ("", ""))[0]
    detail = f" ({detail_text(refusal.reason, refusal.detail)})" if refusal.detail else ""
    return f"the pump refused the {what}: {words or refusal.reason.replace('_', ' ')}{detail}"


def _table_text(table: Mapping[str, Any]) -> str:
    lines = (f"{key} = {_value_text(value)}" for key, value in table.items())
    return "\n".join(("[[event]]", *lines, ""))


def _value_text(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
