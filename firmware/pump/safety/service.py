"""The supervisor's start, and what commands ask of it.

Allocates: start and commands only.
"""

from pump.dosing.interlock import FAULT_OF_FLOW, FAULT_OF_GUARD, STORAGE
from pump.safety import selftest, states
from pump.safety.supervisor import Supervisor
from pump.therapy.bounds import Refused
from thecal_protocol import alarms as alarm
from thecal_protocol import events as event
from thecal_protocol.alarms import FATAL

CHIRP = 3


class Service(Supervisor):
    """The whole guard of one pump."""

    def start_up(self) -> None:
        """Once, when the records have been restored: test, and let therapy go on, or not (INT-01)."""
        s = self._time.s
        us = self._time.us
        self.guard.start(s, us)
        self.reservoir.show()
        self.monitor.eri_s = self.latch.load()
        self.monitor.sample(s)
        self.alarms.sound(CHIRP, s)
        self._restore_alarms()
        failed = self.self_test()
        self.testing = False
        if self.latch.number:
            self.fatal(self.latch.number, self.latch.detail)
        elif not failed:
            self._ready()

    def _restore_alarms(self) -> None:
        """Those that other parts of the pump keep."""
        delivery = self._delivery
        self.alarms.set(alarm.MAX_PAUSE, delivery.paused_too_long)
        self.alarms.set(alarm.STOPPED_48H, delivery.stopped_too_long())
        records = self._persistence
        self.alarms.set(alarm.RESETS, records.restarts.too_many, records.resets())
        self.alarms.set(alarm.RECORDS_FORMAT, records.refused_format, records.refused_format)

    def _ready(self) -> None:
        """Tests have passed: the state is what the records say."""
        if self._controller.prescription is None:
            self.machine.apply(states.IDLE)
        else:
            self.machine.apply(states.FLOW if self._delivery.flowing else states.REST)

    def self_test(self) -> int:
        """Test now; the first that failed, which is fatal, or 0."""
        board = self._board
        began = board.ticks_us()
        failed = selftest.failed(board, self.critical, self._persistence)
        self.took_us = (board.ticks_us() - began) & 0x3FFFFFFF
        self._log.note(event.SELF_TESTED, failed, 0, self.took_us, 0)
        if failed == selftest.RECORDS:  # nothing to latch: a reset with a sound flash finds what is on record
            self._delivery.fail(FAULT_OF_FLOW, STORAGE, self._time.s, self._time.us)
        elif failed:
            self.fatal(alarm.SELF_TEST, failed)
        return failed

    def state(self) -> int:
        """As it is shown: a damaged one is a fault."""
        state = self.machine.state()
        return states.FAULT if state == states.UNKNOWN else state

    def _today(self) -> int:
        local = self._delivery.local
        local.at(self._time.s, self._time.us)
        return local.day

    def check_refill(self, values, starts: bool) -> None:
        """`starts`: a program comes with it."""
        self.reservoir.check(values, self._today(), starts)

    def filled(self, refill, s: int, ref: int) -> None:
        self.reservoir.apply_refill(refill, self._today(), s, ref)

    def accept_residual(self) -> None:
        """Somebody has taken note that the last refill was off: for good, or, if the flash fails, until the
        next start."""
        fills = self._controller.reservoir_fills
        before = fills.as_values()
        fills.refills = dict(fills.refills)
        fills.refills["off"] = 0
        self.alarms.clear(alarm.REFILL_RESIDUAL)
        try:
            self._persistence.keep_refill(before)
        except Refused:
            return  # on record it still stands

    def buzzer_works(self) -> int:
        return 1 if self._board.buzzer.works() else 0

    def lost_steps(self) -> int:
        return self._motor.lost_steps()

    def clear_fault(self, s: int, us: int) -> None:
        """Back from a fault: test again, take the program from flash; then the pump is stopped."""
        delivery = self._delivery
        if not delivery.fault:
            raise Refused("no_alarm", "fault")
        failed = selftest.failed(self._board, self.critical, self._persistence)
        if failed and failed != selftest.CRITICAL_VALUES:
            raise Refused("self_test", str(failed))
        number = delivery.fault_code if delivery.fault == FAULT_OF_GUARD else alarm.FAULT
        self._persistence.reload()
        self.latch.clear()
        self.testing = True
        delivery.recover(s, us)
        self._motor.enable()
        for each in range(1, alarm.COUNT):
            if self.alarms.actions[each] == FATAL:
                self.alarms.clear(each)
        self.guard.start(s, us)
        self.testing = False
        self.machine.apply(states.CLEAR)
        self._ready()
        self._log.note(event.FAULT_CLEARED, number, 0, 0, 0)
        self.alarms.changed = True
