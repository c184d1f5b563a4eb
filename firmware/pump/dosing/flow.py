"""Flow: the running therapy as one exact rate over time, handed to the motor run by run. The steady path.

Everything that flows (basal of whatever mode, boluses of whatever kind) adds into one accumulator.
Between two changes of the total rate lies a segment; a change is either scheduled (a flex step, a plan
step, a bolus that starts or ends, a timed resume) and known beforehand, or a command. `apply_due` carries out
what is due by the present instant and says when it must be called next. What is owed follows from
absolute times alone: called late, it gives the same steps (DEL-01).

Nothing in this file allocates after construction. Needs the motor's `append`, `executed`, `in_flight`,
`cancel`, `lost_steps` (docs/reference/board-interface.md) and a log with `note` and `note_at(s, us, kind,
code, ref, a, b)`.
"""

from pump.dosing import bigint
from pump.dosing.accumulator import CAPACITY, Accumulator
from pump.dosing.history import History
from pump.dosing.infusion_source import (
    BRIDGE,
    EXTENDED,
    KINDS,
    PATIENT,
    PERIODIC,
    PRIME,
    RUNNING,
    SUSPENDED,
    VOLUME_LIMBS,
)
from pump.dosing.interlock import FAULT_NONE, FAULT_OF_FLOW, PHASE, STORAGE, OpenInterlock
from pump.dosing.local_time import LocalTime
from pump.dosing.pace import Pace
from pump.dosing.planner import LOW_WATER, RUN_STEPS, Planner
from pump.dosing.schedule import DOSE_LIMBS
from pump.units import Instant
from thecal_protocol import alarms as alarm
from thecal_protocol import events as event

_LONGEST_STOP_S = 2 * 86_400

FREE = 0
KEEP_OPEN = 1  # the keep-open rate (KVO), where that is less
HALTED = 2  # nothing

_FULL_QUEUE = RUN_STEPS - LOW_WATER  # at the highest rate half a second's steps
_QUIET_S = 1


class Flow:
    """Accumulator, planner, sources and schedule under one clock."""

    def __init__(self, motor, log, slots):
        """`slots.sources` add to the basal rate; while one of `slots.exclusive` runs, it alone flows."""
        self.motor = motor
        self.log = log
        self.slots = slots
        self.sources = slots.sources
        self.exclusive = slots.exclusive
        self.all_sources = slots.sources + slots.exclusive
        self.accumulator = Accumulator()
        self.planner = Planner()
        self.pace = Pace(motor)
        self.local = LocalTime()
        self.history = History()
        self.interlock = OpenInterlock()
        self.flowing = False  # may anything flow?
        self.restriction = FREE  # by an alarm
        self.fault = self.fault_code = FAULT_NONE  # whose, and why: delivery has ended for good
        self.steps_base = 0  # steps made before the last reset
        self.set_permit(0)  # steps since the reset that are on record and may be handed out
        self.reserve = None  # puts more of them on record: function returning True, or None without records
        self.reserve_steps = 0
        self.uncommitted = False  # the program is not on record yet: what has no permit waits
        self.changed = False  # has anything changed that should be on record?
        self.wake = Instant()  # when `apply_due` is next needed
        self.schedule = None  # flex steps of the week, or
        self.plan = None  # dose steps, or neither: the constant base rate
        self.resume_at = Instant()  # a stop that ends by itself
        self.pause_alarm_at = Instant()  # when a stop has lasted too long
        self.paused_too_long = False
        self.max_pause_s = 0
        self.next_ref = 1
        self.prime_steps = 0  # not part of the daily dose
        self.lost_base = 0  # steps not seen to move before the last reset
        self.prime_lost = 0  # those of primes among all of them
        self.totals = tuple([bigint.new(VOLUME_LIMBS) for _ in range(KINDS)])  # pl given, by kind
        self._make_room()
        self.change = Instant()  # next scheduled change of the rate; never when there is none
        self._flex = Instant()  # next flex boundary
        self._steps_before = 0  # motor's count when the segment began
        self._lost_before = 0
        self._priming = False

    def _make_room(self):
        self._base_parts = bigint.new(CAPACITY)
        self._dose_factor = bigint.new(CAPACITY)
        self._ceiling = bigint.new(CAPACITY)
        self._keep_open = bigint.new(CAPACITY)
        self._product = bigint.new(CAPACITY + DOSE_LIMBS)

    def apply_due(self, s: int, us: int) -> None:
        """Carry out everything due at or before (s, us), keep the motor fed, set `wake`."""
        change = self.change
        while change.s <= s and change.by(s, us) and not change.is_never() and self._all_planned(s, us):
            self._pass_change()
        while self._feed(s, us):
            pass
        self.pace.put_off(self.wake, s, us)

    def _all_planned(self, s: int, us: int) -> bool:
        """Has every step due before the change been handed over, and made? If not, hand over what fits."""
        change = self.change
        if not self.planner.active:
            return self.pace.is_done()
        while self.motor.in_flight() <= LOW_WATER:
            if not self._may_hand_out(s, us):
                return False
            if not self.planner.plan(change.s, change.us):
                return self.pace.is_done()
            if not self.interlock.admits(self.planner.run):
                return False
            self.motor.append(self.planner.run)
        return False

    def _pass_change(self) -> None:
        """At the instant the schedule says, not at the one it is carried out."""
        s = self.change.s
        us = self.change.us
        if not self._close(s, us, self.planner.planned):
            return
        self._end_sources(s, us)
        if self.resume_at.by(s, us):
            self.resume_flow(s, us)
        if self.pause_alarm_at.by(s, us):
            self._pause_too_long(s, us)
        self._start_sources(s, us)
        if self._flex.by(s, us):
            self._look_up_flex(s, us)
        if self.plan is not None and self.plan.next.by(s, us):
            self.plan.step()
            self.log.note_at(s, us, event.PLAN_STEP, 0, self.plan.index, self.plan.dose_ng_per_day(), 0)
            self._take_dose(self.plan.dose())
        self._begin(s, us)

    def _close(self, s: int, us: int, steps: int) -> bool:
        """End the segment, `steps` of it having been given; a fault when that is not what was due."""
        if not self.accumulator.close(s, us, steps):
            self.fail(FAULT_OF_FLOW, PHASE, s, us)
            return False
        self.interlock.closing(s, us)
        self._steps_before += steps
        missed = self.motor.lost_steps()
        if self._priming:
            self.prime_steps += steps
            self.prime_lost += missed - self._lost_before
        self._lost_before = missed
        self.history.mark(s, us, self.steps_base + self._steps_before - self.prime_steps)
        return not self.fault

    def set_permit(self, steps: int) -> None:
        """Doubly stored (INT-05)."""
        self.permit = steps
        self.permit_inverse = ~steps

    def base_parts(self):
        return self._base_parts

    def ceiling_parts(self):
        return self._ceiling

    def steps_left(self) -> int:
        """Steps on record that the motor has not been given."""
        return self.permit - self._steps_before - self.planner.planned

    def _may_hand_out(self, s: int, us: int) -> bool:
        """Is a whole run on record, or can it be put there? No step is made that is not (the ledger); when
        no more can be, that is a fault. Nor any that the guard does not let pass."""
        if not self.interlock.may_run():
            return False
        if self.reserve is None or self.steps_left() >= RUN_STEPS or self.reserve():
            return True
        if not self.uncommitted:
            self.fail(FAULT_OF_FLOW, STORAGE, s, us)
        return False

    def may_stall(self, s: int, us: int) -> bool:
        """May the pump be busy elsewhere for half a second? Not when the motor's queue could run dry in it,
        nor just before a scheduled change, after which it needs a new run."""
        if self.change.by(s + _QUIET_S, us):
            return False
        return not self.planner.is_fast() or self.motor.in_flight() >= _FULL_QUEUE

    def _end_sources(self, s: int, us: int) -> None:
        for source in self.all_sources:
            if source.state == RUNNING and source.end.by(s, us):
                source.finish()
                bigint.add(self.totals[source.kind], source.volume, VOLUME_LIMBS)
                self.log.note_at(s, us, event.BOLUS_DELIVERED, source.kind, source.ref, source.volume_pl, 0)
                if source.kind == PATIENT:
                    for other in self.sources:
                        if other.state == SUSPENDED:
                            other.resume(s, us)

    def _start_sources(self, s: int, us: int) -> None:
        """Periodic boluses that are due; in a stop, prime or bridge they are left out (BOL-06, -09)."""
        for source in self.sources:
            if source.kind == PERIODIC and source.next.by(s, us):
                source.move_on()
                if self.flowing and not self.restriction and self.exclusive_running() is None:
                    self.start_source(source, s, us)
                else:
                    self.log.note_at(s, us, event.BOLUS_LEFT_OUT, PERIODIC, 0, source.dose_ng, 0)

    def exclusive_running(self):
        """The prime or bridge that is under way, also while a stop holds it; None when there is none."""
        for source in self.exclusive:
            if source.state:
                return source
        return None

    def take_ref(self) -> int:
        """A new number, that ties records of the log together."""
        ref = self.next_ref
        self.next_ref = ref + 1 if ref < 0xFFFF else 1
        return ref

    def start_source(self, source, s: int, us: int) -> int:
        """Let a prescribed source run from here; its number. The caller begins a new segment."""
        ref = self.take_ref()
        source.start(s, us, ref)
        if source.kind == PATIENT:
            for other in self.sources:
                if other.kind == EXTENDED and other.state == RUNNING:
                    other.suspend(s, us)
        self.log.note_at(s, us, event.BOLUS_STARTED, source.kind, ref, source.dose_ng, source.duration_us)
        return ref

    def resume_flow(self, s: int, us: int) -> None:
        """Therapy flows again, a bridge or plan where it stood. The caller begins a segment."""
        self.set_flowing(True)
        self.resume_at.set_never()
        self.end_pause(s, us)
        self.resume_bridge_and_plan(s, us)
        self.log.note_at(s, us, event.RESUMED, 0, 0, 0, 0)

    def set_flowing(self, flows: bool) -> None:
        """Is therapy to flow? An alarm may still hold it."""
        self.flowing = flows
        self.interlock.therapy(flows)

    def resume_bridge_and_plan(self, s: int, us: int) -> None:
        """A bridge and a plan go on where they stood, unless an alarm holds them."""
        if self.restriction:
            return
        for source in self.exclusive:
            if source.kind == BRIDGE and source.state == SUSPENDED:
                source.resume(s, us)
        if self.plan is not None:
            self.plan.resume(s, us)

    def end_pause(self, s: int, us: int) -> None:
        """The stop is over: its alarm clears."""
        if self.stopped_too_long():
            self.interlock.alarm(s, us, alarm.STOPPED_48H, False)
        self.pause_alarm_at.set_never()
        if self.paused_too_long:
            self.paused_too_long = False
            self.interlock.alarm(s, us, alarm.MAX_PAUSE, False)

    def _pause_too_long(self, s: int, us: int) -> None:
        """First by the program's limit, then by two days (ALM-06)."""
        if self.paused_too_long:
            self.pause_alarm_at.set_never()
            self.interlock.alarm(s, us, alarm.STOPPED_48H, True)
            return
        self.paused_too_long = True
        self.pause_alarm_at.add(_LONGEST_STOP_S - self.max_pause_s, 0)
        self.interlock.alarm(s, us, alarm.MAX_PAUSE, True)

    def stopped_too_long(self) -> bool:
        """Has a stop lasted two days?"""
        return self.paused_too_long and self.pause_alarm_at.is_never()

    def _look_up_flex(self, s: int, us: int) -> None:
        """Find the flex step that holds at (s, us) and the instant at which the next one starts."""
        if self.schedule is None:
            self._flex.set_never()
            return
        local = self.local
        local.at(s, us)
        self.schedule.look_up(local.weekday(), local.second)
        self._flex.set(s, us)
        self._flex.add(self.schedule.ahead_s, 0)
        self._flex.subtract(0, local.us)
        self._take_dose(self.schedule.dose())

    def _take_dose(self, dose) -> None:
        """Base rate from a dose in ng/day."""
        size = self.accumulator.size
        bigint.multiply(self._product, self._dose_factor, size, dose, DOSE_LIMBS)
        bigint.copy(self._base_parts, self._product, size)

    def _begin(self, s: int, us: int) -> None:
        """Open a segment at (s, us) with the rates that now hold, and find the next scheduled change."""
        accumulator = self.accumulator
        self.change.set(self._flex.s, self._flex.us)
        self._change_by(self.resume_at)
        self._change_by(self.pause_alarm_at)
        if self.plan is not None:
            self._change_by(self.plan.next)
        for source in self.sources:
            if source.kind == PERIODIC:
                self._change_by(source.next)
        self._priming = False
        self.changed = True
        if self.flowing and self.restriction != HALTED:
            self._add_up_rates()
        else:
            bigint.clear(accumulator.rate, accumulator.size)
        accumulator.open(s, us)
        self.planner.begin(accumulator)
        self.interlock.opening(s)

    def _add_up_rates(self) -> None:
        rate = self.accumulator.rate
        size = self.accumulator.size
        bigint.copy(rate, self._base_parts, size)
        for source in self.exclusive:
            if source.state == RUNNING:
                bigint.clear(rate, size)
                self._priming = source.kind == PRIME
        for source in self.all_sources:
            if source.state == RUNNING:
                bigint.add(rate, source.parts, size)
                self._change_by(source.end)
        if bigint.less(self._ceiling, rate, size):  # BOL-01; a guard that acceptance keeps from acting
            bigint.copy(rate, self._ceiling, size)
        if self.restriction and bigint.less(self._keep_open, rate, size):
            bigint.copy(rate, self._keep_open, size)

    def _change_by(self, instant) -> None:
        if instant.by(self.change.s, self.change.us):
            self.change.set(instant.s, instant.us)

    def _feed(self, s: int, us: int) -> bool:
        """Hand over the next run when the motor runs low; wake before it does again, or at a change.

        True when the pump was so late that all of this run was due already: there may be more."""
        change = self.change
        planner = self.planner
        wake = self.wake
        wake.s = change.s
        wake.us = change.us
        if not planner.active or self.fault:
            return False
        run = planner.run
        if self.motor.in_flight() <= LOW_WATER:
            if not self._may_hand_out(s, us):
                return False
            if not planner.plan(change.s, change.us):
                return False  # all that is due before the change is with the motor
            if not self.interlock.admits(run):
                return False
            self.motor.append(run)
            if run.last_s < s or (run.last_s == s and run.last_us <= us):
                return True
        self._wake_at_low_water(run)
        if wake.s <= s and wake.by(s, us):  # due, and it has enough: a damaged gap would keep the pump awake
            self.interlock.may_run()
        return False

    def _wake_at_low_water(self, run) -> None:
        """When at most LOW_WATER steps are left: no earlier (gaps: q or q + 1), at most as many us later."""
        if run.steps > LOW_WATER:
            low_us = run.last_us - LOW_WATER * run.gap_us
            low_s = run.last_s - LOW_WATER * run.gap_s
            while low_us < 0:
                low_us += 1_000_000
                low_s -= 1
        else:
            low_s = run.first_s
            low_us = run.first_us
        wake = self.wake
        if low_s < wake.s or (low_s == wake.s and low_us < wake.us):
            wake.s = low_s
            wake.us = low_us

    def fail(self, fault: int, code: int, s: int, us: int) -> None:
        """Stop for good at (s, us); the first reason stays (INT-08) and is logged at once."""
        self.motor.cancel()
        if self.fault == FAULT_NONE:
            self.fault = fault
            self.fault_code = code
            self.log.note(event.FAULT, code, 0, 0, 0)
            self.interlock.failed(fault, code)
        self.flowing = False
        bigint.clear(self.accumulator.rate, self.accumulator.size)
        self.planner.begin(self.accumulator)
        self.change.set_never()
