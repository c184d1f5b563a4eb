"""A pump under simulation: an emulated one, a client on its serial port, and virtual time since the commit.

Everything a person could do goes over the serial port with the client that serves a board; time, faults and
the count of physical steps go by the bench. So does our own book-keeping (`onlooker`), which the pump does
not notice: who looks more often sees the same steps. What the host does takes no virtual time.

The pump keeps its last 256 log records, so time passes in pieces, and after each one the log is read: no
record is lost however long the run. Should one be lost all the same, the run fails.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from thecal.emulator.bench import RESET_TAKES_US
from thecal.emulator.emulator import Emulator
from thecal.emulator.onlooker import Onlooker
from thecal.emulator.testbench import PumpReset
from thecal.emulator.truth import Truth
from thecal.errors import SimulationError
from thecal.link.client import Client
from thecal.link.proposals import refill_values
from thecal.link.responses.pump import Accounts, Event, Proposal, Status
from thecal.link.transport import Transport
from thecal.therapy.checked import CheckedTherapy
from thecal.therapy.encode import to_wire
from thecal.therapy.judge import replacing
from thecal.therapy.refill_check import RefillCheck
from thecal.units import local_time
from thecal.units.amounts import US_PER_DAY, US_PER_S

_TRIES = 20  # a noisy line is part of the game
_LONGEST_PIECE_US = 7 * US_PER_DAY
_RECORDS_A_PIECE = 100  # expected; the pump keeps 256
_MANY_RECORDS = 150
_RECORDS_A_BOLUS = 3
_COMMANDS_BETWEEN_READS = 32
_SEEDED = ("link_flood", "flash_bit_flip")  # injections that draw from a seed


class SimulatedPump:
    """One simulated pump. Times are microseconds after the commit of its therapy, `begin`."""

    def __init__(self, *, flash: Path | None = None, seed: int | None = None, source: bool = False) -> None:
        self._emulator = Emulator(clock="virtual", flash=flash, seed=seed, source=source, manifest=True)
        self._closing = contextlib.ExitStack()
        self._zero_us = 0  # the bench's time at the commit
        self._boot_us = 0  # the bench's time at the zero of the pump's monotonic clock
        self._noise_one_in = 0
        self._steps_off = 0  # made by the time the power went
        self._world: object = None  # what the power cut left
        self._injected = 0
        self._rotten = False  # a bit of the flash was flipped: a record of the log may be gone with it
        self._seed = seed or 0
        self._traced = False
        self._piece_us = _LONGEST_PIECE_US
        self._next_record = 1
        self._unread_commands = 0
        self._filled_pl = 0  # by the last filling
        self.off = False
        self.hangs = False  # its main loop does not come back: nothing answers before the watchdog bites
        self.resets = 0
        self.at_us = 0
        self.records = 0
        self.on_event: Callable[[int, Event], None] = lambda at_us, event: None
        self.on_reset: Callable[[int], None] = lambda at_us: None

    def __enter__(self) -> Self:
        self._closing.enter_context(self._emulator)
        try:
            link = Transport(self._emulator.port)
            self.client = self._closing.enter_context(Client(link, tries=_TRIES, button=self._press))
            self.onlooker = Onlooker(lambda: self._emulator.bench, self.client.hello())
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

    @property
    def lives(self) -> bool:
        """Is its process there? Not while it is off."""
        return self._emulator.process.poll() is None

    def begin(
        self,
        therapy: CheckedTherapy,
        start: datetime,
        trace: Path | None = None,
        propose: Callable[[SimulatedPump, CheckedTherapy], Proposal] | None = None,
    ) -> None:
        """Set the clock and commit the therapy: time zero. `propose`: how, when somebody wants to look on."""
        bench = self._emulator.bench
        bench.set_step_volume(therapy.model.pump.step_volume_pl)
        bench.fill(therapy.model.pump.fill_pl)
        self._filled_pl = therapy.model.pump.fill_pl
        self.carry_out(self.client.propose_clock(*local_time.to_wire(start)))
        self._next_record = self.status().next_event
        proposal = (propose or _propose)(self, therapy)
        committed = self.client.commit(proposal.digest)
        self._zero_us = bench.mark()
        self._boot_us = self._zero_us - committed.at.total_us
        self._expect_records(therapy)
        if trace is not None:
            bench.trace(trace)
            self._traced = True

    def program(self, therapy: CheckedTherapy) -> None:
        """Commit another therapy. Refused: the old one goes on."""
        self.carry_out(_propose(self, therapy))
        self._expect_records(therapy)

    def carry_out(self, proposal: Proposal) -> None:
        """Commit what was proposed."""
        self.client.commit(proposal.digest)

    def refill(
        self, volume_pl: int, residual_pl: int | None, therapy: CheckedTherapy | None = None
    ) -> RefillCheck:
        """Record a refill and fill the reservoir; what the refill check says. Refused: nothing of both.
        `therapy`: takes effect with it.

        `residual_pl` None: what is really in the reservoir, as a syringe would find.
        """
        if residual_pl is None:
            residual_pl = self._emulator.bench.truth().reservoir_pl
        check = RefillCheck(
            self._filled_pl,
            self.accounts().reservoir_pl,
            residual_pl,
            self.onlooker.reservoir().missed_pl,
        )
        if therapy is None:
            self.carry_out(self.client.propose_refill(volume_pl, residual_pl))
        else:
            values = to_wire(_instead(therapy, self.client.running_program()))
            refill = refill_values(volume_pl, residual_pl)
            self.carry_out(self.client.propose_refill_and_program(refill, values))
            self._expect_records(therapy)
        self._emulator.bench.fill(volume_pl)
        self._filled_pl = volume_pl
        return check

    def advance(
        self, to_us: int, progress: Callable[[int], None] | None = None, *, latest_us: int = 0
    ) -> None:
        """Let time pass until `to_us`; everything due by then has been done. `latest_us`: a pump that is
        reset on the way may go on booting until then."""
        while self.at_us < to_us:
            until_us = min(to_us, self.at_us + self._piece_us)
            if not self.off:
                until_us = self._let_pass(until_us, max(until_us, latest_us), progress)
            self.at_us = until_us
            if self.read_log() > _MANY_RECORDS:
                self._piece_us = max(US_PER_S, self._piece_us // 2)

    def _let_pass(self, until_us: int, latest_us: int, progress: Callable[[int], None] | None) -> int:
        """As often as the pump is reset meanwhile, it goes on from there; the instant reached."""
        while True:
            bench = self._emulator.bench
            try:
                bench.advance_to(
                    self._zero_us + until_us,
                    progress=(lambda now_us: progress(now_us - self._zero_us)) if progress else None,
                )
                return until_us
            except PumpReset as reset:
                self._restart_after(reset, latest_us)
                until_us = max(until_us, self.at_us + min(RESET_TAKES_US, latest_us - self.at_us))

    def come_back(self) -> None:
        """If the pump has reset itself, as it may after a command, it boots again now."""
        try:
            if not self.off:
                self._emulator.bench.now()
        except PumpReset as reset:
            self._restart_after(reset, reset.now_us - self._zero_us)

    def _restart_after(self, reset: PumpReset, until_us: int) -> None:
        """It boots as the chip would, a moment later; earlier when something is to happen before that."""
        self.at_us = reset.now_us - self._zero_us
        takes_us = min(RESET_TAKES_US, until_us - self.at_us)
        self._emulator.restart_after(reset, takes_us=takes_us)
        self._boot(reset.now_us + takes_us)
        self.on_reset(self.at_us)

    def _boot(self, now_us: int) -> None:
        """The pump has started anew: its clock goes on from what was on record."""
        self.resets += 1
        self.hangs = False
        with self.line_quiet():
            self.client.hello()
        status = self.status()
        self._boot_us = now_us - status.now.total_us
        if status.next_event < self._next_record:  # the log did not outlast it
            self._next_record = 1

    def read_log_if_full(self) -> None:
        """Before each command: many of them at one instant must not overrun the log either."""
        self._unread_commands += 1
        if self._unread_commands >= _COMMANDS_BETWEEN_READS:
            self.read_log()

    def read_log(self) -> int:
        """Hand every new record to `on_event`; how many there were. SimulationError when one was lost,
        unless by a flipped bit of the flash."""
        self._unread_commands = 0
        if self.off:
            return 0
        events = self.onlooker.events(self._next_record)
        for event in events:
            if event.sequence != self._next_record and not self._rotten:
                raise SimulationError(
                    f"the pump's log wrapped: records {self._next_record} to {event.sequence - 1} were lost",
                    "report this: it is a fault of thecal",
                )
            self._next_record += 1
            self.records += 1
            self.on_event(event.at.total_us + self._boot_us - self._zero_us, event)
        return len(events)

    def status(self) -> Status:
        """The pump now."""
        return self.onlooker.status()

    def accounts(self) -> Accounts:
        """The pump's ledger now."""
        return self.onlooker.accounts()

    def standing_alarms(self) -> list[str]:
        """The alarms that stand now, by name."""
        return [alarm.name for alarm in self.onlooker.alarms().standing]

    def steps(self) -> int:
        """Physically made since time zero."""
        return self._steps_off if self.off else self._emulator.bench.truth().steps_since_mark

    def finish(self) -> None:
        """The last records are read, the trace is complete."""
        self.read_log()
        if self._traced and not self.off:
            self._emulator.bench.trace(None)

    def truth(self) -> Truth:
        """What physically happened; only while there is power."""
        return self._emulator.bench.truth(collect=False)

    def _press(self, what: str) -> None:
        """Somebody is at the pump, whatever an event asks for (and whichever life of it this is)."""
        self._emulator.bench.press_button()

    # -- faults and conditions

    def link_noise(self, one_in: int) -> None:
        """One bit in `one_in` flips on the serial line; 0: none."""
        self._noise_one_in = one_in
        if not self.off:
            self._emulator.bench.link_noise(one_in)

    def inject(self, what: str, values: Mapping[str, int | str]) -> None:
        """Any other fault or condition of the bench."""
        self._injected += 1
        self._rotten |= what == "flash_bit_flip"
        self.hangs |= what == "hang"
        more = {"seed": self._seed + self._injected} if what in _SEEDED else {}
        try:
            self._emulator.bench.inject_raw(what, **values, **more)
        except PumpReset as reset:
            self._restart_after(reset, self.at_us)

    def power_off(self) -> None:
        """The supply is gone."""
        self.read_log()
        self._steps_off = self.steps()
        self._world = self._emulator.bench.power_cut()
        self.off = True

    def power_on(self) -> None:
        """The supply is back: the pump boots from its flash."""
        now_us = self._zero_us + self.at_us
        self._emulator.restart({"start_us": now_us}, world=self._world)
        self.off = False
        if self._noise_one_in:
            self._emulator.bench.link_noise(self._noise_one_in)
        self._boot(now_us)

    @contextlib.contextmanager
    def line_quiet(self) -> Generator[None]:
        """Meanwhile our own book-keeping is not disturbed by the noise that is injected."""
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
        with self.line_quiet():
            return self.client.resolve_outcome().name == "CARRIED_OUT"

    def _expect_records(self, therapy: CheckedTherapy) -> None:
        """How long a piece of time may be, so that the log holds the records of its periodic boluses."""
        parts = [
            bolus.every_us * _RECORDS_A_PIECE // _RECORDS_A_BOLUS // len(therapy.model.periodic_boluses)
            for bolus in therapy.model.periodic_boluses
        ]
        self._piece_us = max(US_PER_S, min([_LONGEST_PIECE_US, *parts]))


def _propose(pump: SimulatedPump, therapy: CheckedTherapy) -> Proposal:
    """Straight to the pump: whether it refuses, and by which name, is what a simulation is to tell."""
    running = None if therapy.model.bridge is None else pump.client.running_program()
    return pump.client.propose_program(to_wire(_instead(therapy, running)))


def _instead(therapy: CheckedTherapy, running: Mapping[str, Any] | None) -> CheckedTherapy:
    return therapy if running is None else replacing(therapy, running)
