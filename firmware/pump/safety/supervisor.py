"""The supervisor: puts the guard's parts together, and stands as `interlock` between the flow and the motor.

Before each run: is the state one in which steps may go out, is every value that makes the run what was
stored, does the run keep the prescribed rate? With every fourth run and at least every two minutes: did the
motor move, is what it made what was prescribed? Sensors, reservoir and battery in their own time. Alarms act:
the delivery is brought down to the keep-open rate, stopped, or, by a fatal one, ended with the motor's enable
line cut; the first fatal one latches in the board's word and on flash until it is cleared by command
(INT-08).

The watchdog is fed at the end of a turn in which every task has checked in (INT-03). The one broad
`except` of the firmware is in `run`: whatever else goes wrong ends in the safe state, which still
answers.

The steady path allocates nothing; alarms that act, and faults, do.
"""

from pump.dosing.interlock import FAULT_OF_FLOW, FAULT_OF_GUARD, FREE, HALTED, KEEP_OPEN, STORAGE
from pump.safety import guard as dose_guard
from pump.safety import states
from pump.safety.alarms import Alarms
from pump.safety.critical import STATE, Critical
from pump.safety.guard import DoseGuard
from pump.safety.latch import Latch
from pump.safety.monitor import SAMPLE_STEPS, Monitor
from pump.safety.reservoir import Reservoir
from pump.therapy.bounds import Refused
from thecal_protocol import alarms as alarm
from thecal_protocol import events as event
from thecal_protocol.alarms import HOLD, STOP

EVALUATE_RUNS = 4
_EVALUATE_S = 60  # when awake anyway,
_WAKE_S = 120  # else
CODE_EVERY_S = 900
_WATCHDOG_MS = 8000
_BREATHS = 60  # a turn may take so many times a quarter of a second, no longer
LATE_S = 2
CATCH_UP_S = 60

# Tasks that check in (`tasks`) before the watchdog is fed; the guard has when its next look is not overdue.
DOSING = 1
LINK = 2
RECORDS = 4
_ALL_TASKS = 7

# detail of the alarm `fault`; 1 and 2 are those of pump.dosing.interlock. An exception nobody caught: 3 and
# 4 the first two of `_KINDS`, 7 and on the others in their order, 5 any other.
CRASH_MEMORY = 3
CRASH_OTHER = 5
TOO_LATE = 6
_KINDS = (
    MemoryError,
    OSError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    ValueError,
    ZeroDivisionError,
)


class Supervisor:
    """The guard of one pump."""

    def __init__(self, board, timebase, controller, log, persistence, floor_pl_per_day: int):
        self._board = board
        self._motor = board.motor
        self._time = timebase
        self._controller = controller
        self._delivery = controller.delivery
        self._log = log
        self._persistence = persistence
        self._floor_pl_per_day = floor_pl_per_day
        self.machine = states.Machine()
        self.alarms = Alarms(log, board.buzzer, timebase)
        self.guard = DoseGuard(controller.delivery, board.motor)
        self.critical = Critical(controller.delivery, self.guard, self.machine)
        self.monitor = Monitor(board, self.alarms, log)
        self.reservoir = Reservoir(controller, self.alarms, log)
        self.latch = Latch(board, log)
        self.testing = True
        self.runs = 0  # handed out since the last look
        self.due_s = 0  # when `evaluate` has something to do, if not for runs
        self.wake_s = 0  # when the pump must be awake for it
        self._evaluate_s = 0
        self._sample_steps = 0
        self.code_s = 0  # when the code is checked next
        self.tasks = 0
        self._late = False
        self._breaths = _BREATHS
        self._alert = False
        self._acted_for = 0  # the alarm that restricts delivery
        controller.delivery.interlock = self
        persistence.alarms = self.alarms

    # --- the interlock ---

    def prescribe(self, prescription) -> None:
        self.guard.prescribe(prescription, self._floor_pl_per_day)
        self.critical.take_prescription(prescription)
        self.monitor.step_volume_pl = prescription.step_volume_pl
        self.monitor.lost_from = self._motor.lost_steps()
        self.alarms.critical[alarm.UNDER_INFUSION] = 1 if prescription.withdrawal else 0
        self.reservoir.plan()

    def refit(self) -> None:
        self.guard.refit()

    def therapy(self, flows: bool) -> None:
        if not self.testing:
            self.machine.apply(states.FLOW if flows else states.REST)

    def restricted(self, level: int) -> None:
        if level == FREE:
            self.machine.apply(states.RELEASE)
        else:
            self.machine.apply(states.HOLD if level == KEEP_OPEN else states.HALT)

    def closing(self, s: int, us: int) -> None:
        """A segment ends: is what made it what was stored? (INT-05) It is worked out anew next."""
        damaged = self.critical.damaged_run()
        if damaged:
            self._damaged(damaged)
        self.guard.add_up(s, us)

    def opening(self, s: int) -> None:
        self.guard.opening(s, self.flows())
        self.critical.seal()

    def flows(self) -> int:
        """`states.FLOWS`, by what delivery was told."""
        delivery = self._delivery
        if not delivery.flowing or delivery.restriction == HALTED or delivery.fault:
            return states.NOTHING
        return states.MINIMUM if delivery.restriction else states.THERAPY

    def may_run(self) -> bool:
        if self._delivery.fault or self.testing:
            return False
        damaged = self.critical.damaged_run()
        if damaged:
            return self._damaged(damaged)
        if self.machine.may_run():
            return True
        if self.machine.state() == states.UNKNOWN or self.flows():
            return self._damaged(STATE)
        return False

    def _damaged(self, which: int) -> bool:
        self._motor.disable()
        self._log.note(event.VALUE_DAMAGED, which, 0, 0, 0)
        self.fatal(alarm.MEMORY, which)
        return False

    def admits(self, run) -> bool:
        """May this run go to the motor? One that is overdue will be made at once: then what was made is
        judged before each. What should have been made over CATCH_UP_S ago is not given any more: a fault."""
        self.runs += 1
        s = self._time.s
        if s - run.first_s > CATCH_UP_S:
            self.fatal(alarm.FAULT, TOO_LATE)
            return False
        delivery = self._delivery
        if run.first_s < s or (run.first_s == s and run.first_us <= self._time.us):
            self.guard.behind = True
        if run.last_s < s or self.runs > EVALUATE_RUNS:
            self._judge(s, self._time.us)
            if delivery.fault:
                return False
        change = delivery.change
        beyond = run.last_s > change.s or (run.last_s == change.s and run.last_us > change.us)
        if delivery.reserve is not None and delivery.steps_left() < 0:
            beyond = True  # not on record
        if not beyond and self.guard.admits(run):
            return True
        self.fatal(alarm.OVER_INFUSION, 0)
        return False

    def alarm(self, s: int, us: int, number: int, stands: bool) -> None:
        self.alarms.set_at(s, us, number, stands)

    def failed(self, fault: int, code: int) -> None:
        """Delivery has failed: with a fault of its own, or by `fatal`, which has raised and latched it."""
        self._motor.disable()
        self.machine.apply(states.FATAL)
        if fault == FAULT_OF_FLOW:
            self.alarms.raise_(alarm.FAULT, code)
            if code != STORAGE:  # without flash nothing can latch: a reset goes back to what is on record
                self.latch.put(alarm.FAULT, code)

    def filled(self, refill, s: int, ref: int) -> None:
        self.reservoir.apply_refill(refill, self._today(), s, ref)

    def check_start(self, refill=None) -> None:
        """No therapy starts that nobody could be warned about (ALM-05), nor out of a pocket: that of the last
        refill, or of the one that comes with the start."""
        if self.reservoir.in_pocket(refill) if refill else self.alarms.stands(alarm.POCKET_FILL):
            raise Refused("pocket_fill", "")
        if self.alarms.stands(alarm.ANNUNCIATOR) and not self._delivery.flowing:
            raise Refused("annunciator", "")

    def fatal(self, number: int, detail: int) -> None:
        """Nothing moves from here on, whatever the planner believes; the first reason stays."""
        self._motor.disable()
        self.alarms.raise_(number, detail)
        if not self._delivery.fault:
            self.latch.put(number, detail)
            self._delivery.fail(FAULT_OF_GUARD, number, self._time.s, self._time.us)

    # --- what commands ask ---

    def state(self) -> int:
        """As it is shown: a damaged one is a fault."""
        state = self.machine.state()
        return states.FAULT if state == states.UNKNOWN else state

    def _today(self) -> int:
        local = self._delivery.local
        local.at(self._time.s, self._time.us)
        return local.day

    def check_refill(self, values, starts: bool) -> None:
        """What a refill may not say. `starts`: a program comes with it."""
        self.reservoir.check(values, self._today(), starts)

    # --- the steady path ---

    def late(self, s: int) -> None:
        """The motor's turn comes LATE_S late or more."""
        if self.machine.may_run():
            self._late = True
            late_s = s - self._delivery.wake.s
            self._log.note(event.WOKEN_LATE, 0, 0, late_s * 1_000_000 if late_s < 1000 else 1_000_000_000, 0)

    def evaluate(self, s: int, us: int) -> None:
        """After dosing, when it is due or runs have been handed out."""
        if self.runs >= EVALUATE_RUNS or s >= self._evaluate_s:
            self._watch(s, us)
        alarms = self.alarms
        if s >= alarms.wake_s():
            alarms.announce_due(s)
        if alarms.changed:
            self._act(s, us)
        self.arrange()

    def _watch(self, s: int, us: int) -> None:
        self.runs = 0
        driven = self._motor.executed()
        self.monitor.watch_motor(driven)
        if not self._delivery.fault:
            self._judge(s, us)
        self.guard.behind = False
        steps = driven - self._sample_steps
        if s >= self.monitor.sampled_s + self.monitor.every_s or steps >= SAMPLE_STEPS:
            self._sample_steps += steps
            self._sample(s, us)
        if s >= self.code_s and self._delivery.may_stall(s, us):
            self._check_code(s)
        self._alert = self.monitor.every_s < _EVALUATE_S
        self._evaluate_s = s + (self.monitor.every_s if self._alert else _EVALUATE_S)

    def _judge(self, s: int, us: int) -> None:
        """By now, is what was made what was prescribed?"""
        found = self.guard.evaluate(s, us)
        if found == dose_guard.OVER:
            self.fatal(alarm.OVER_INFUSION, 1)
        elif found == dose_guard.LIMIT_1H or found == dose_guard.LIMIT_24H:
            self.fatal(alarm.DOSE_GUARD, found)
        if self.alarms.stands(alarm.MOTOR_STALL):  # which says it
            self.guard.under_s = 0
        self.alarms.set(alarm.UNDER_INFUSION, self.guard.under_s >= dose_guard.BAND_S)

    def _sample(self, s: int, us: int) -> None:
        """Now and then: sensors, reservoir, what is not looked at before every run."""
        self.monitor.sample(s)
        self.latch.keep_eri(self.monitor.eri_s)
        self.reservoir.evaluate(s, us)
        if self.alarms.stands(alarm.RESETS) and self._persistence.restarts.are_long_ago(s):
            self.alarms.set(alarm.RESETS, False)
        self.check_values()

    def check_values(self) -> bool:
        """Are state and the program's numbers what was stored? Else a fault."""
        which = self.critical.damaged_program()
        if self.machine.state() == states.UNKNOWN:
            which = STATE
        return not which or self._damaged(which)

    def _check_code(self, s: int) -> None:
        """A file every 15 min, all of them in less than a day (INT-02). Takes memory: when there is none,
        another time."""
        self.code_s = s + CODE_EVERY_S
        try:
            found = self._board.code.check_next()
        except MemoryError:
            return
        if found < 2:  # of this one, or of all
            self.alarms.set(alarm.CODE, found == 0)

    def _act(self, s: int, us: int) -> None:
        """What stands now says what may flow."""
        alarms = self.alarms
        alarms.changed = False
        if alarms.repeated:
            number = alarms.repeated
            alarms.repeated = 0
            self.fatal(alarm.REPEATED_FAULT, number)
        delivery = self._delivery
        if delivery.fault:
            return
        action = alarms.action()
        level = HALTED if action == STOP else KEEP_OPEN if action == HOLD else FREE
        if level == delivery.restriction:
            return
        if level > delivery.restriction:
            self._acted_for = alarms.first_of(action)
            self._log.note(event.DELIVERY_HELD, self._acted_for, 0, 0, level)
        if delivery.restrict(level, s, us) and level == FREE:
            self._log.note(event.DELIVERY_RELEASED, self._acted_for, 0, 0, 0)

    def arrange(self) -> None:
        """When is `evaluate` due, and when must the pump be awake for it?"""
        tone_s = self.alarms.wake_s()
        evaluate_s = self._evaluate_s
        self.due_s = tone_s if tone_s < evaluate_s else evaluate_s
        if not self._alert:
            evaluate_s += _WAKE_S - _EVALUATE_S
        self.wake_s = tone_s if tone_s < evaluate_s else evaluate_s

    def breathe(self) -> None:
        """Amid a command that takes long, and goes on: the watchdog is fed, but not for ever."""
        if self._breaths:
            self._breaths -= 1
            self._board.watchdog.feed()

    def feed(self) -> bool:
        """At the end of a turn: all is well. False: the motor's turn came late; the next turn must show that
        it was an exception."""
        if self._late:
            self._late = False
            return False
        if self.tasks == _ALL_TASKS and (self._time.s <= self.wake_s or self.testing):
            self.tasks = 0
            self._breaths = _BREATHS
            self._board.watchdog.feed()
        return True

    def run(self, turn) -> None:
        """The loop. Whatever a turn raises ends in the safe state, not in silence; a second failure while
        that is brought about leaves the motor cut, and the watchdog to reset the pump."""
        self._board.watchdog.start(_WATCHDOG_MS)
        while True:
            try:
                while True:
                    turn()
            except Exception as error:  # noqa: BLE001  # allow: except - the one broad one of the firmware
                self._motor.disable()
                self.fatal(alarm.FAULT, _crash(error))


def _crash(error) -> int:
    for index in range(len(_KINDS)):
        if isinstance(error, _KINDS[index]):
            return index + (CRASH_MEMORY if index < 2 else CRASH_OTHER)
    return CRASH_OTHER
