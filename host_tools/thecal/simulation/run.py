"""The course of one simulation: every event at exactly its instant, in the order of the file.

At one instant, first what is due by then has been delivered, then conditions end, then events happen. A
command that the pump refuses is noted and the run goes on.

The models of the events are heavy: they are imported by what only runs when there are events.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from thecal.commands.bolus import kind_proposed
from thecal.commands.delivered import Ledger
from thecal.errors import LinkError, Refused, TherapyError
from thecal.link.responses.pump import Accounts, Event, Proposal, Status
from thecal.simulation.alarms import SimulatedAlarms
from thecal.simulation.boluses import Boluses, kind_of
from thecal.simulation.pump import SimulatedPump
from thecal.therapy.checked import CheckedTherapy
from thecal.therapy.refill_check import RefillCheck
from thecal.units.local_time import DEFAULT_START
from thecal_protocol.bolus_kinds import BOLUS_KINDS

if TYPE_CHECKING:
    from thecal.emulator.event_fields import Condition, Lasting
    from thecal.emulator.injections import PowerCutEvent
    from thecal.simulation.scenario import models as ev

_ENDS, _HAPPENS, _LOOKS = range(3)  # the order at one instant
_NEVER_US = 1 << 62
_BOLUSES = frozenset(name for _, name in BOLUS_KINDS if name.endswith("_bolus"))


@dataclass(frozen=True)
class Plan:
    """What to simulate. `events` that come after `duration_us` do not happen."""

    therapy: CheckedTherapy
    duration_us: int
    events: Sequence[ev.Event] = ()
    start: datetime = DEFAULT_START  # pump local time at time zero
    flash: Path | None = None
    seed: int | None = None
    trace: Path | None = None
    source: bool = False  # the firmware boots as its text


@dataclass(frozen=True)
class Watch:
    """Who looks on. `progress`: the time reached, often. `sample`: the pump at every `every_us`.

    `propose`: makes the first proposal, with whatever review belongs to it. `begin`, `finish`: called before
    anything is programmed, and at the end.
    """

    progress: Callable[[int], None] | None = None
    propose: Callable[[SimulatedPump, CheckedTherapy], Proposal] | None = None
    sample: Callable[[int, Status], None] | None = None
    every_us: int = 0
    begin: Callable[[SimulatedPump], None] | None = None
    finish: Callable[[SimulatedPump], None] | None = None


@dataclass(frozen=True)
class Refusal:
    """A command that was refused, or never came to be: "off" without power, "no_answer" on a noisy line."""

    what: str
    at_us: int
    reason: str
    detail: str = ""


@dataclass
class Run:
    """One simulation on its way."""

    pump: SimulatedPump
    plan: Plan
    watch: Watch
    boluses: Boluses = field(default_factory=Boluses)
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    alarms: SimulatedAlarms = field(default_factory=SimulatedAlarms)
    left_out: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    refills: list[tuple[int, RefillCheck]] = field(default_factory=list[tuple[int, RefillCheck]])
    ledger: Ledger = field(default_factory=Ledger)

    def __post_init__(self) -> None:
        self._queue: list[tuple[int, int, int, Callable[[], None]]] = []
        self._queued = 0
        self._lasting: list[tuple[int, Lasting]] = []  # (until, condition)
        self._cut: PowerCutEvent | None = None  # for which there is no power

    def carry_out(self) -> None:
        """Program the pump, then let the plan's time pass."""
        self.begin()
        for event in self.plan.events:
            self.add(event)
        self.pass_to(self.plan.duration_us)
        self.settle()

    def begin(self) -> None:
        """Program the pump: time zero."""
        plan, pump = self.plan, self.pump
        pump.on_event = self._note
        pump.on_reset = self._was_reset
        if self.watch.begin is not None:
            self.watch.begin(pump)
        pump.begin(plan.therapy, plan.start, plan.trace, self.watch.propose)
        accounts = pump.accounts()
        self.ledger.begin(accounts)
        self.boluses.booted(accounts.volume_pl_by_source)
        self._sample_at(0)

    def add(self, event: ev.Event) -> None:
        """It will happen at its instant."""
        self._at(event.at_us, _HAPPENS, lambda: self._happen(event))

    @property
    def next_us(self) -> int | None:
        """When something is to happen or to end; None: nothing is."""
        return self._queue[0][0] if self._queue else None

    def pass_to(self, to_us: int, *, may_pass: bool = False) -> None:
        """Let time pass until `to_us`, with all that is to happen by then.

        `may_pass`: as for who looks on live and has no reason to stop at `to_us`: a pump that is reset just
        before has booted when this returns, a moment after it.
        """
        while self._queue and self._queue[0][0] <= to_us:
            at_us, _, _, action = heapq.heappop(self._queue)
            self.pump.advance(at_us, self.watch.progress)
            action()
        latest_us = (self.next_us or _NEVER_US) if may_pass else to_us
        self.pump.advance(to_us, self.watch.progress, latest_us=latest_us)

    def end(self, event: Condition) -> None:
        """A condition that lasts, or a power cut, is over now and not when it was said."""
        from thecal.emulator.event_fields import Lasting
        from thecal.emulator.injections import MotorStallEvent, PowerCutEvent

        if isinstance(event, PowerCutEvent):
            self._restore_power(event)
        elif isinstance(event, Lasting) and self._stands(event):
            if isinstance(event, MotorStallEvent) and not self.pump.off:
                self.pump.inject(event.bench_name, {"for_us": 1, "ends": True})
            self._end(event)

    def settle(self) -> None:
        """The last records, and what the pump says that it gave."""
        pump = self.pump
        pump.read_log()
        if not pump.off:
            accounts = pump.accounts()
            self.boluses.weigh(pump.at_us, accounts.volume_pl_by_source)
            self.ledger.take(accounts)
            self.alarms.settle(pump.standing_alarms())

    def _at(self, at_us: int, order: int, action: Callable[[], None]) -> None:
        self._queued += 1
        heapq.heappush(self._queue, (at_us, order, self._queued, action))

    def _sample_at(self, at_us: int) -> None:
        sample, every_us = self.watch.sample, self.watch.every_us
        if sample is None or every_us < 1:
            return

        def look() -> None:
            if not self.pump.off:
                sample(at_us, self.pump.status())
            self._sample_at(at_us + every_us)

        self._at(at_us, _LOOKS, look)

    def _note(self, at_us: int, event: Event) -> None:
        self.boluses.note(at_us, event)
        if event.kind == "bolus_left_out":
            self.left_out.append((kind_of(event.code), at_us))
        else:
            self.alarms.note(at_us, event)

    def _happen(self, event: ev.Event) -> None:
        from thecal.emulator.event_fields import Condition

        if isinstance(event, Condition):
            self._inject(event)
            return
        what, command = self._command(event)
        if self.pump.off:
            self._refuse(what, "off", "", len(self.boluses.all))
            return
        self.pump.come_back()
        if self.pump.hangs:
            self._refuse(what, "no_answer", "", len(self.boluses.all))
            return
        self.pump.read_log_if_full()
        known = len(self.boluses.all)
        try:
            command()
        except Refused as refused:
            self.pump.read_log()
            self._refuse(what, refused.name, refused.detail, known)
        except TherapyError as error:  # a program that cannot even be said, such as a bridge from nothing
            self._refuse(what, "inconsistent", str(error), known)
        except LinkError:
            if not self.pump.settle():
                self._refuse(what, "no_answer", "", known)

    def _refuse(self, what: str, reason: str, detail: str, known: int) -> None:
        self.refusals.append(Refusal(what, self.pump.at_us, reason, detail))
        if what in _BOLUSES:
            self.boluses.refused(what.removesuffix("_bolus"), self.pump.at_us, reason, known)

    def _command(self, event: ev.Event) -> tuple[str, Callable[[], object]]:
        """The command's name and how to give it."""
        from thecal.simulation.scenario import models as ev

        pump = self.pump
        client = pump.client
        match event:
            case ev.ClinicianBolusEvent():
                dose_ng, duration_us, words = event.dose_ng, event.duration_us, event.words
                return kind_proposed(words), lambda: pump.carry_out(
                    client.propose_bolus(dose_ng, duration_us, **words)
                )
            case ev.ProgramEvent():
                return event.what, lambda: pump.program(event.therapy)
            case ev.RefillEvent():
                return event.what, lambda: self._refill(event)
            case ev.SetClockEvent():
                return event.what, lambda: pump.carry_out(client.propose_clock_offset(event.offset_us))
            case ev.PrimeEvent():
                return event.what, lambda: pump.carry_out(client.propose_prime(dry=event.dry))
            case ev.StopEvent():
                return event.what, lambda: client.stop(resume_after_s=event.resume_after_s)
            case ev.PlainEvent():
                return event.what, lambda: client.request(ev.PLAIN[event.what])
            case _:
                return event.what, client.patient_bolus

    def _refill(self, event: ev.RefillEvent) -> None:
        at_us = self.pump.at_us
        check = self.pump.refill(event.volume_pl, event.residual_pl, event.therapy)
        self.refills.append((at_us, check))

    def _inject(self, event: Condition) -> None:
        from thecal.emulator.event_fields import Lasting
        from thecal.emulator.injections import PowerCutEvent

        if isinstance(event, PowerCutEvent):
            self._cut_power(event)
            return
        if not isinstance(event, Lasting):
            if not self.pump.off:  # it may be reset at this very instant
                self._weigh()
            self.pump.inject(event.bench_name, event.bench_values())
            return
        until_us = self.plan.duration_us + 1 if event.for_us is None else event.at_us + event.for_us
        self._lasting.append((until_us, event))
        self._set(event, until_us)
        self._at(until_us, _ENDS, lambda: self._end(event))

    def _set(self, event: Lasting, until_us: int) -> None:
        from thecal.emulator.injections import LinkNoiseEvent, MotorStallEvent

        if isinstance(event, LinkNoiseEvent):
            self.pump.link_noise(event.one_in)
        elif isinstance(event, MotorStallEvent):
            self.pump.inject(event.bench_name, {"for_us": until_us - self.pump.at_us})
        else:
            self.pump.inject(event.bench_name, event.bench_values())

    def _stands(self, event: Lasting) -> bool:
        """Has it begun, and not ended before its time?"""
        return any(other is event for _, other in self._lasting)

    def _end(self, event: Lasting) -> None:
        """What an earlier condition of the same kind set goes on."""
        from thecal.emulator.injections import LinkNoiseEvent, MotorStallEvent

        if not self._stands(event):
            return
        self._lasting = [(until, other) for until, other in self._lasting if other is not event]
        if isinstance(event, LinkNoiseEvent):
            self.pump.link_noise(0)
        elif not self.pump.off and not isinstance(event, MotorStallEvent):  # a stall ends by itself
            self.pump.inject(event.bench_name, {**event.bench_values(), "ends": True})
        self._set_again(event.place)

    def _set_again(self, place: tuple[str, ...] | None = None) -> None:
        """The conditions that still stand: of one place, or all of them."""
        for until_us, event in self._lasting:
            if place in (None, event.place) and until_us > self.pump.at_us and not self.pump.off:
                self._set(event, until_us)

    def _weigh(self) -> Accounts:
        """The pump's ledger now; with it, what the running boluses gave."""
        self.pump.read_log()
        accounts = self.pump.accounts()
        self.boluses.weigh(self.pump.at_us, accounts.volume_pl_by_source)
        return accounts

    def _booted(self) -> None:
        self.ledger.booted(self.boluses.booted(self.pump.accounts().volume_pl_by_source))

    def _cut_power(self, event: PowerCutEvent) -> None:
        pump = self.pump
        self.ledger.take(self._weigh())
        self.boluses.cut(event.at_us)
        pump.power_off()
        self._cut = event
        if event.for_us is not None:
            self._at(event.at_us + event.for_us, _ENDS, lambda: self._restore_power(event))

    def _restore_power(self, event: PowerCutEvent) -> None:
        if self._cut is not event:  # power has come back before
            return
        self._cut = None
        self.pump.power_on()
        self._booted()
        self._set_again()

    def _was_reset(self, at_us: int) -> None:
        """The watchdog bit, or the pump started anew by itself, and it runs again: boluses ended there."""
        self.pump.read_log()
        self.boluses.cut(at_us)
        self._booted()
