"""Is the pump ready for therapy? Its tests, and what follows from them: at its start, by command, and when a
fault is cleared. What passes lets therapy go on as the records say; what fails is a fault.

Allocates: start and commands only.
"""

from pump.dosing.interlock import FAULT_OF_FLOW, FAULT_OF_GUARD, STORAGE
from pump.safety import selftest, states
from pump.therapy.bounds import Refused
from thecal_protocol import alarms as alarm
from thecal_protocol import events as event
from thecal_protocol.alarms import FATAL

CHIRP = 3


class Readiness:
    """Of one pump, under its supervisor."""

    def __init__(self, supervisor, board, timebase, controller, log, persistence):
        self._supervisor = supervisor
        self._board = board
        self._time = timebase
        self._controller = controller
        self._log = log
        self._persistence = persistence
        self.took_us = 0  # the last self test

    def start_up(self) -> None:
        """Once, when the records have been restored: test, and let therapy go on, or not (INT-01)."""
        supervisor = self._supervisor
        s = self._time.s
        supervisor.guard.start(s, self._time.us)
        supervisor.reservoir.show()
        latch = supervisor.latch
        supervisor.monitor.eri_s = latch.load()
        supervisor.monitor.sample(s)
        supervisor.alarms.sound(CHIRP, s)
        self._restore_alarms(supervisor.alarms)
        failed = self.self_test()
        supervisor.testing = False
        if latch.number:
            supervisor.fatal(latch.number, latch.detail)
        elif not failed:
            self._let_go_on()

    def _restore_alarms(self, alarms) -> None:
        """Those that other parts of the pump keep."""
        delivery = self._controller.delivery
        alarms.set(alarm.MAX_PAUSE, delivery.pause.too_long)
        alarms.set(alarm.STOPPED_48H, delivery.pause.lasts_two_days())
        records = self._persistence
        alarms.set(alarm.RESETS, records.restarts.too_many, records.resets())
        alarms.set(alarm.RECORDS_FORMAT, records.refused_format, records.refused_format)

    def _let_go_on(self) -> None:
        """Tests have passed: the state is what the records say."""
        controller = self._controller
        now = states.IDLE
        if controller.prescription is not None:
            now = states.FLOW if controller.delivery.flowing else states.REST
        self._supervisor.machine.apply(now)

    def self_test(self) -> int:
        """Test now; the first that failed, which is fatal, or 0."""
        board = self._board
        began = board.ticks_us()
        failed = selftest.failed(board, self._supervisor.critical, self._persistence)
        self.took_us = (board.ticks_us() - began) & 0x3FFFFFFF
        self._log.note(event.SELF_TESTED, failed, 0, self.took_us, 0)
        if failed == selftest.RECORDS:  # nothing to latch: a reset with a sound flash finds what is on record
            self._controller.delivery.fail(FAULT_OF_FLOW, STORAGE, self._time.s, self._time.us)
        elif failed:
            self._supervisor.fatal(alarm.SELF_TEST, failed)
        return failed

    def clear_fault(self, s: int, us: int) -> None:
        """Back from a fault: test again, take the program from flash; then the pump is stopped."""
        supervisor = self._supervisor
        delivery = self._controller.delivery
        if not delivery.fault:
            raise Refused("no_alarm", "fault")
        failed = selftest.failed(self._board, supervisor.critical, self._persistence)
        if failed and failed != selftest.CRITICAL_VALUES:
            raise Refused("self_test", str(failed))
        number = delivery.fault_code if delivery.fault == FAULT_OF_GUARD else alarm.FAULT
        self._persistence.reload()
        supervisor.latch.clear()
        supervisor.testing = True
        delivery.recover(s, us)
        self._board.motor.enable()
        alarms = supervisor.alarms
        for each in range(1, alarm.COUNT):
            if alarms.actions[each] == FATAL:
                alarms.clear(each)
        supervisor.guard.start(s, us)
        supervisor.testing = False
        supervisor.machine.apply(states.CLEAR)
        self._let_go_on()
        self._log.note(event.FAULT_CLEARED, number, 0, 0, 0)
        alarms.changed = True
