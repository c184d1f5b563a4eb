"""The pump: its parts, put together once, and the loop that runs them.

`setup` allocates, `seal` collects, `run` never returns. The loop is tickless: each turn takes the time,
carries out what dosing owes, takes at most one buffer from the line, and sleeps until the next deadline
or the next byte. Called by: main.py. The board is passed in (docs/reference/board-interface.md)."""

import gc

from pump.link.auth import Auth
from pump.link.budgets import Budgets
from pump.link.button_authorization import ButtonAuthorization
from pump.link.commands import Commands
from pump.link.guard_commands import GuardCommands
from pump.link.keys import Keys
from pump.link.pairing import Pairing
from pump.link.proposals import Proposals
from pump.link.server import Server
from pump.records.event_log import EventLog
from pump.records.event_queue import EventQueue
from pump.records.persistence import Persistence
from pump.safety.readiness import Readiness
from pump.safety.supervisor import DOSING, EVALUATE_RUNS, LATE_S, LINK, RECORDS, Supervisor
from pump.therapy.bounds import Bounds
from pump.therapy.slots import make_delivery
from pump.therapy.therapy_controller import TherapyController
from pump.timebase import Timebase
from thecal_protocol import codec, messages, version
from thecal_protocol import events as event

_TICKS_MASK = 0x3FFFFFFF
_BREATH_US = 250_000  # four times a second: half of what the motor's queue lasts, at most rates


def _reason_number(reason: str) -> int:
    return codec.number_of(messages.REFUSALS, reason)


class Pump:
    """One pump on one board."""

    def __init__(self, board):
        gc.collect()  # what compiling left: so that the buffers find room in one piece
        self._board = board
        began_ticks = board.ticks_us()
        self.timebase = Timebase(began_ticks)
        queue = EventQueue(self.timebase, _reason_number)
        self.log = EventLog(self.timebase, queue, board.store, board.random_bytes)
        bounds = Bounds(board.floor_pl_per_day, board.highest_step_pl, board.least_gap_us)
        self.delivery = make_delivery(board.motor, queue)
        self.delivery.pace.gap_us = board.least_gap_us
        controller = TherapyController(self.delivery, queue, self._now)
        queue.note(event.BOOT, board.reset_cause(), 0, 0, 0)
        self.persistence = Persistence(board, self.timebase, controller, queue, bounds)
        supervisor = Supervisor(
            board, self.timebase, controller, queue, self.persistence, bounds.floor_pl_per_day
        )
        self.supervisor = supervisor
        self._breathed_ticks = began_ticks
        controller.breathe = self._breathe
        self.timebase.update(board.ticks_us())
        self.persistence.start_up()
        self.log.start_up(self.delivery.local, supervisor.alarms, board.ticks_us, began_ticks)
        readiness = Readiness(supervisor, board, self.timebase, controller, queue, self.persistence)
        readiness.start_up()
        self._server = self._make_link(controller, bounds, supervisor, readiness)

    def _make_link(self, controller, bounds, supervisor, readiness):
        """Who is heard, and what they may ask."""
        board = self._board
        queue = self.log.queue
        proposals = Proposals(controller, bounds, self.persistence, supervisor)
        button = ButtonAuthorization(board.button, self.timebase, queue, supervisor.alarms)
        guard = GuardCommands(self.timebase, controller, queue, supervisor, readiness, self.persistence)
        commands = Commands(
            self.timebase, controller, proposals, self.log, bounds, self.persistence, guard, button
        )
        self.persistence.fill_queue()  # the motor first: flash takes its time
        self.log.write_due()  # this boot's number is on flash before anybody is answered
        keys = Keys(board.store, self.persistence, queue)
        pairing = Pairing(keys, button, self.timebase, queue, board.serial_number)
        boots = self.persistence.resets() << 16 | queue.boot
        auth = Auth(board, keys, pairing, button, queue, self.timebase, boots)
        budgets = Budgets(self.timebase.s, queue.boot == 1)
        identity = {"model": board.model, "firmware": version.VERSION}
        return Server(board.serial, queue, self.timebase, commands, button, auth, pairing, budgets, identity)

    def _now(self):
        """The timebase, of this very moment."""
        self.timebase.update(self._board.ticks_us())
        return self.timebase

    def _breathe(self) -> None:
        """Amid a command that takes long: now and then the motor's turn, and the watchdog's (INT-11). What
        the command changes may not be half done, nor may anything it looks at change."""
        ticks = self._board.ticks_us()
        if (ticks - self._breathed_ticks) & _TICKS_MASK < _BREATH_US:
            return
        self._breathed_ticks = ticks
        timebase = self.timebase
        timebase.update(ticks)
        self.delivery.apply_due(timebase.s, timebase.us)
        self.supervisor.breathe()

    def seal(self) -> None:
        """Setup is over: from here on, only commands allocate."""
        gc.collect()

    def turn(self) -> None:
        """One turn of the loop."""
        supervisor = self.supervisor
        timebase = self.timebase
        delivery = self.delivery
        timebase.update(self._board.ticks_us())
        if timebase.s - delivery.wake.s >= LATE_S:
            supervisor.late(timebase.s)
        delivery.apply_due(timebase.s, timebase.us)
        supervisor.tasks = DOSING
        more = self._server.poll()
        supervisor.tasks |= LINK
        if self.persistence.is_due() and self._may_write():
            self.persistence.write_due()
        while self.log.is_due() and self._may_write():
            self.log.write_due()
        supervisor.tasks |= RECORDS
        if timebase.s >= supervisor.due_s or supervisor.runs >= EVALUATE_RUNS or supervisor.alarms.changed:
            timebase.update(self._board.ticks_us())  # an answer may have taken long
            supervisor.evaluate(timebase.s, timebase.us)
        self._sleep(supervisor, more)

    def _sleep(self, supervisor, more: bool) -> None:
        """Until the next deadline, or the next byte."""
        timebase = self.timebase
        timebase.update(self._board.ticks_us())  # records and answers take time
        wake = self.delivery.wake
        wait_us = timebase.until(wake)
        if supervisor.wake_s <= wake.s:
            wait_us = min(timebase.until_s(supervisor.wake_s), wait_us)
        if not self._server.rx_enabled:  # it listens again in the next second
            wait_us = min(timebase.until_s(timebase.s + 1), wait_us)
        if not supervisor.feed() or more:
            wait_us = 0
        self._board.wait_us(wait_us)

    def _may_write(self) -> bool:
        """May the flash take its time now? What came before may have taken some: the motor is fed first."""
        timebase = self.timebase
        timebase.update(self._board.ticks_us())
        self.delivery.apply_due(timebase.s, timebase.us)
        return self.delivery.may_stall(timebase.s, timebase.us)

    def run(self) -> None:
        self.supervisor.run(self.turn)
