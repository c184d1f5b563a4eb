"""A pump under simulation: an emulated one, a client on its serial port, and virtual time since the commit.

Used by `thecal.simulate` and `thecal.demo`. Everything a person could do goes over the serial port with the
client that serves a board; only time, faults and the count of physical steps go by the bench. What the host
does takes no virtual time.

The pump keeps its last 256 log records, so time passes in pieces, and after each one the log is read: no
record is lost however long the run. Should one be lost all the same, the run fails.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from thecal import local_time
from thecal.amounts import US_PER_DAY, US_PER_S
from thecal.answers import Accounts, Event, Proposal, Status
from thecal.client import Client
from thecal.emulator import Emulator
from thecal.errors import SimulationError
from thecal.refill_check import RefillCheck
from thecal.therapy_models import Therapy
from thecal.therapy_wire import to_wire

_TRIES = 20  # a noisy line is part of the game
_LONGEST_PIECE_US = 7 * US_PER_DAY
_RECORDS_A_PIECE = 100  # expected; the pump keeps 256
_MANY_RECORDS = 150
_RECORDS_A_BOLUS = 3
_COMMANDS_BETWEEN_READS = 32


class SimulatedPump:
    """One simulated pump. Times are microseconds after the commit of its therapy, `begin`."""

    def __init__(self, *, flash: Path | None = None, seed: int | None = None) -> None:
        self._emulator = Emulator(clock="virtual", flash=flash, seed=seed)
        self._closing = contextlib.ExitStack()
        self._zero_us = 0  # the bench's time at the commit
        self._boot_us = 0  # the bench's time at the zero of the pump's monotonic clock
        self._noise_one_in = 0
        self._steps_before = 0  # made before the last power cut
        self._trace: Path | None = None
        self._piece_us = _LONGEST_PIECE_US
        self._next_record = 1
        self._unread_commands = 0
        self._filled_pl = 0  # by the last filling
        self.off = False
        self.resets = 0
        self.at_us = 0
        self.records = 0
        self.on_event: Callable[[int, Event], None] = lambda at_us, event: None

    def __enter__(self) -> Self:
        self._closing.enter_context(self._emulator)
        try:
            self.client = self._closing.enter_context(Client.connect(self._emulator.port, tries=_TRIES))
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    @property
    def port(self) -> str:
        """The serial port that the pump is on."""
        return self._emulator.port

    def begin(
        self,
        therapy: Therapy,
        start: datetime,
        trace: Path | None = None,
        propose: Callable[[SimulatedPump, Therapy], Proposal] | None = None,
    ) -> None:
        """Set the clock and commit the therapy: time zero. `propose`: how, when somebody wants to look on."""
        bench = self._emulator.bench
        bench.set_step_volume(therapy.pump.step_volume_pl)
        bench.fill(therapy.pump.fill_pl)
        self._filled_pl = therapy.pump.fill_pl
        self.carry_out(self.client.propose_clock(*local_time.to_wire(start)))
        self._next_record = self.client.status().next_event
        proposal = (propose or _propose)(self, therapy)
        committed = self.client.commit(proposal.digest)
        self._zero_us = bench.mark()
        self._boot_us = self._zero_us - committed.at.total_us
        self._expect_records(therapy)
        if trace is not None:
            bench.trace(trace)
            self._trace = trace

    def program(self, therapy: Therapy) -> None:
        """Commit another therapy. Refused: the old one goes on."""
        self.carry_out(_propose(self, therapy))
        self._expect_records(therapy)

    def carry_out(self, proposal: Proposal) -> None:
        """Commit what was proposed."""
        self.client.commit(proposal.digest)

    def refill(self, volume_pl: int, residual_pl: int | None) -> RefillCheck:
        """Record a refill and fill the reservoir; what the refill check says. Refused: nothing of both.

        `residual_pl` None: what is really in the reservoir, as a syringe would find.
        """
        if residual_pl is None:
            residual_pl = self._emulator.bench.truth().reservoir_pl
        check = RefillCheck(self._filled_pl, self.accounts().reservoir_pl, residual_pl)
        self.carry_out(self.client.propose_refill(volume_pl, residual_pl))
        self._emulator.bench.fill(volume_pl)
        self._filled_pl = volume_pl
        return check

    def advance(self, to_us: int, progress: Callable[[int], None] | None = None) -> None:
        """Let time pass until `to_us`; everything due by then has been done."""
        while self.at_us < to_us:
            until_us = min(to_us, self.at_us + self._piece_us)
            if not self.off:
                self._emulator.bench.advance(
                    self._zero_us + until_us,
                    progress=(lambda now_us: progress(now_us - self._zero_us)) if progress else None,
                )
            self.at_us = until_us
            if self.read_log() > _MANY_RECORDS:
                self._piece_us = max(US_PER_S, self._piece_us // 2)

    def read_log_if_full(self) -> None:
        """Before each command: many of them at one instant must not overrun the log either."""
        self._unread_commands += 1
        if self._unread_commands >= _COMMANDS_BETWEEN_READS:
            self.read_log()

    def read_log(self) -> int:
        """Hand every new record to `on_event`; how many there were. SimulationError when one was lost."""
        self._unread_commands = 0
        if self.off:
            return 0
        with self._line_quiet():
            events = self.client.events(self._next_record)
        for event in events:
            if event.sequence != self._next_record:
                raise SimulationError(
                    f"the pump's log wrapped: records {self._next_record} to {event.sequence - 1} were lost",
                    "report this: it is a fault of thecal",
                )
            self._next_record += 1
            self.records += 1
            self.on_event(event.at.total_us + self._boot_us - self._zero_us, event)
        return len(events)

    def status(self) -> Status:
        """The pump now, read on a quiet line: our own book-keeping."""
        with self._line_quiet():
            return self.client.status()

    def accounts(self) -> Accounts:
        """The pump's ledger now, read on a quiet line."""
        with self._line_quiet():
            return self.client.accounts()

    def standing_alarms(self) -> list[str]:
        """The alarms that stand now, by name, read on a quiet line."""
        with self._line_quiet():
            return [alarm.name for alarm in self.client.alarms().standing]

    def steps(self) -> int:
        """Physically made since time zero."""
        if self.off:
            return self._steps_before
        return self._steps_before + self._emulator.bench.truth().steps_since_mark

    def finish(self) -> None:
        """The last records are read, the trace is complete."""
        self.read_log()
        if self._trace is not None and not self.off:
            self._emulator.bench.trace(None)

    # -- faults and conditions

    def link_noise(self, one_in: int) -> None:
        """One bit in `one_in` flips on the serial line; 0: none."""
        self._noise_one_in = one_in
        if not self.off:
            self._emulator.bench.link_noise(one_in)

    def motor_stall(self, for_us: int) -> None:
        """What the motor is asked for in the next `for_us` is not made."""
        self._emulator.bench.motor_stall(for_us)

    def over_delivery(self, num: int, den: int) -> None:
        """Every step displaces num / den of its volume."""
        self._emulator.bench.over_delivery(num, den)

    def power_off(self) -> None:
        """The supply is gone."""
        self.read_log()
        bench = self._emulator.bench
        truth = bench.truth()
        self._steps_before += truth.steps_since_mark
        self._reservoir_pl = truth.reservoir_pl
        bench.power_cut()
        self.off = True

    def power_on(self, step_volume_pl: int) -> None:
        """The supply is back: the pump boots from its flash."""
        now_us = self._zero_us + self.at_us
        self._emulator.restart({"start_us": now_us})
        bench = self._emulator.bench
        bench.set_step_volume(step_volume_pl)
        bench.fill(self._reservoir_pl)
        bench.mark(self._zero_us)
        if self._trace is not None:
            bench.trace(self._trace, append=True)
        self.off = False
        self.resets += 1
        self.client.hello()
        status = self.client.status()
        self._boot_us = now_us - status.now.total_us  # its clock goes on from what was on record
        if status.next_event < self._next_record:  # the log did not outlast the cut
            self._next_record = 1
        if self._noise_one_in:
            bench.link_noise(self._noise_one_in)

    @contextlib.contextmanager
    def _line_quiet(self) -> Generator[None]:
        """Our own book-keeping is not disturbed by the noise that is injected."""
        if self._noise_one_in == 0:
            yield
            return
        self._emulator.bench.link_noise(0)
        try:
            yield
        finally:
            self._emulator.bench.link_noise(self._noise_one_in)

    def settle(self) -> bool:
        """After a command that got no answer on a noisy line: whether it was carried out."""
        with self._line_quiet():
            return self.client.settle().name == "CARRIED_OUT"

    def _expect_records(self, therapy: Therapy) -> None:
        """How long a piece of time may be, so that the log holds the records of its periodic boluses."""
        parts = [
            bolus.every_us * _RECORDS_A_PIECE // _RECORDS_A_BOLUS // len(therapy.periodic_boluses)
            for bolus in therapy.periodic_boluses
        ]
        self._piece_us = max(US_PER_S, min([_LONGEST_PIECE_US, *parts]))


def _propose(pump: SimulatedPump, therapy: Therapy) -> Proposal:
    """Straight to the pump: whether it refuses, and by which name, is what a simulation is to tell."""
    running = None if therapy.bridge is None else pump.client.running_program()
    return pump.client.propose_program(to_wire(therapy, running))
