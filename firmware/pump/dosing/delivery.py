"""Delivery: the running therapy as one exact rate over time, handed to the motor run by run; and what a
command does to it.

Everything that flows (basal of whatever mode, boluses of whatever kind) adds into one accumulator.
Between two changes of the total rate lies a segment; a change is either scheduled (a flex step, a plan
step, a bolus that starts or ends, a timed resume) and known beforehand, or a command. `apply_due` carries out
what is due by the present instant and says when it must be called next. What is owed follows from
absolute times alone: called late, it gives the same steps (DEL-01).

A command closes the running segment at its own microsecond (`close_segment`), changes what may run, and opens
the next one (`open_segment`).

Nothing on the steady path allocates after construction; commands, and what ends delivery, do. Needs the
motor's `append`, `executed`, `in_flight`, `cancel`, `lost_steps` (docs/reference/board-interface.md) and a
log with `note` and `note_at(s, us, kind, code, ref, a, b)`.
"""

from pump.dosing import bigint
from pump.dosing.accumulator import Accumulator
from pump.dosing.history import History
from pump.dosing.infusion_source import RUNNING, Sources
from pump.dosing.interlock import (
    FAULT_NONE,
    FAULT_OF_FLOW,
    FREE,
    HALTED,
    PHASE,
    STORAGE,
    OpenInterlock,
)
from pump.dosing.local_time import LocalTime
from pump.dosing.pace import Pace
from pump.dosing.pause import Pause
from pump.dosing.planner import LOW_WATER, RUN_STEPS, Planner
from pump.dosing.scale import Rates
from pump.dosing.step_count import StepCount
from pump.units import US_PER_S, Instant
from thecal_protocol import events as event
from thecal_protocol.bolus_kinds import PERIODIC_BOLUS, PRIME

_FULL_QUEUE = RUN_STEPS - LOW_WATER  # at the highest rate half a second's steps
_QUIET_S = 1
_MOST_OFF_US = 100_000  # by how much a command may be moved to agree with the motor's count
# the same back in time amid a catch-up of a motor that keeps a gap: what is later is a fault (the guard's)
_MOST_BEHIND_US = 61 * US_PER_S


class Delivery:
    """Accumulator, planner, sources and schedule under one clock."""

    def __init__(self, motor, log, slots):
        self.motor = motor
        self.log = log
        self.slots = slots
        self.sources = Sources(slots, log)
        self.accumulator = Accumulator()
        self.planner = Planner()
        self.pace = Pace(motor)
        self.rates = Rates(self.accumulator)
        self.pause = Pause()
        self.count = StepCount(motor)
        self.local = LocalTime()
        self.history = History()
        self.interlock = OpenInterlock()
        self.flowing = False  # may anything flow?
        self.restriction = FREE  # by an alarm
        self.fault = self.fault_code = FAULT_NONE  # whose, and why: delivery has ended for good
        self.set_permit(0)  # steps since the reset that are on record and may be handed out
        self.reserve = None  # puts more of them on record: function returning True, or None without records
        self.reserve_steps = 0
        self.uncommitted = False  # the program is not on record yet: what has no permit waits
        self.changed = False  # has anything changed that should be on record?
        self.wake = Instant()  # when `apply_due` is next needed
        self.schedule = None  # flex steps of the week, or
        self.plan = None  # dose steps, or neither: the constant base rate
        self.change = Instant()  # next scheduled change of the rate; never when there is none
        self.at = Instant(0, 0)  # when the last command took effect
        self._flex = Instant()  # next flex boundary

    # --- the steady path: segments that follow each other as scheduled ---

    def apply_due(self, s: int, us: int) -> None:
        """Carry out everything due at or before (s, us), keep the motor fed, set `wake`."""
        change = self.change
        while change.s <= s and change.by(s, us) and not change.is_never() and self._all_planned(s, us):
            self._pass_change()
        while self._feed(s, us):
            pass
        if self.pace.gap_us:
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
        self.sources.end_due(s, us)
        if self.pause.resume_at.by(s, us):
            self.resume_flow(s, us)
        if self.pause.alarm_at.by(s, us):
            self.pause.run_on(self.interlock, s, us)
        self.sources.start_due(s, us, self.flowing and not self.restriction)
        if self._flex.by(s, us):
            self._look_up_flex(s, us)
        if self.plan is not None and self.plan.next.by(s, us):
            self.plan.step()
            self.log.note_at(s, us, event.PLAN_STEP, 0, self.plan.index, self.plan.dose_ng_per_day(), 0)
            self.rates.take_dose(self.plan.dose())
        self._begin(s, us)

    def _close(self, s: int, us: int, steps: int) -> bool:
        """End the segment, `steps` of it having been given; a fault when that is not what was due."""
        if not self.accumulator.close(s, us, steps):
            self.fail(FAULT_OF_FLOW, PHASE, s, us)
            return False
        self.interlock.closing(s, us)
        self.count.close(steps)
        self.history.mark(s, us, self.count.dose_before())
        return not self.fault

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
        self.rates.take_dose(self.schedule.dose())

    def _begin(self, s: int, us: int) -> None:
        """Open a segment at (s, us) with the rates that now hold, and find the next scheduled change."""
        accumulator = self.accumulator
        self.change.set(self._flex.s, self._flex.us)
        self._change_by(self.pause.resume_at)
        self._change_by(self.pause.alarm_at)
        if self.plan is not None:
            self._change_by(self.plan.next)
        for source in self.sources.adding:
            if source.kind == PERIODIC_BOLUS:
                self._change_by(source.next)
        self.count.priming = False
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
        bigint.copy(rate, self.rates.base_parts, size)
        for source in self.sources.exclusive:
            if source.state == RUNNING:
                bigint.clear(rate, size)
                self.count.priming = source.kind == PRIME
        for source in self.sources.all:
            if source.state == RUNNING:
                bigint.add(rate, source.parts, size)
                self._change_by(source.end)
        self.rates.bound(self.restriction != FREE)

    def _change_by(self, instant) -> None:
        if instant.by(self.change.s, self.change.us):
            self.change.set(instant.s, instant.us)

    # --- the steady path: runs for the motor ---

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

    def set_permit(self, steps: int) -> None:
        """Doubly stored (INT-05)."""
        self.permit = steps
        self.permit_inverse = ~steps

    def steps_left(self) -> int:
        """Steps on record that the motor has not been given."""
        return self.permit - self.count.before - self.planner.planned

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

    # --- what flows ---

    def resume_flow(self, s: int, us: int) -> None:
        """Therapy flows again, a bridge or plan where it stood. The caller begins a segment."""
        self.set_flowing(True)
        self.pause.end(self.interlock, s, us)
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
        self.sources.resume_bridge(s, us)
        if self.plan is not None:
            self.plan.resume(s, us)

    def halt(self, s: int, us: int) -> None:
        """Between `close_segment` and `open_segment`: nothing flows; boluses end, a bridge and a plan hold
        where they are."""
        self._interrupt(s, us)
        self.set_flowing(False)

    def _interrupt(self, s: int, us: int) -> None:
        self.sources.interrupt(s, us)
        if self.plan is not None:
            self.plan.pause(s, us)

    def restrict(self, level: int, s: int, us: int) -> bool:
        """An alarm brings delivery down to the keep-open rate (KEEP_OPEN), stops it (HALTED) or frees it
        (FREE). Boluses end, what they gave is recorded (BOL-07); afterwards nothing that was left out is
        given (BOL-09). Allocates: an alarm's coming and going."""
        if not self.close_segment(s, us):
            return False
        s = self.at.s
        us = self.at.us
        if level and not self.restriction:
            self._interrupt(s, us)
        self.restriction = level
        self.interlock.restricted(level)
        if self.flowing:
            self.resume_bridge_and_plan(s, us)
        self.open_segment(s, us, False)
        return True

    # --- commands, and the end: these allocate ---

    def close_segment(self, s: int, us: int) -> bool:
        """Close the segment now, whatever was planned; `at` is the instant at which it closed.

        The motor's count says which instants agree with it: from the last step it made until just before
        the next one fell due. That is (s, us) itself, unless time went on between reading the clock and
        cancelling the motor, or a step was under way; then it is the nearest instant that agrees. The
        phase stays exact, no step is lost or made twice. Amid a catch-up that lies back where the motor is:
        what it had to make up for is part of what comes next. False, and a fault, when that is further
        off than the motor can be."""
        self.apply_due(s, us)
        if self.fault:
            return False
        self.motor.cancel()
        steps = self.count.in_segment()
        began_us = self.accumulator.start_s * US_PER_S + self.accumulator.start_us
        now_us = max(s * US_PER_S + us, began_us)  # a command of the same instant may have closed later
        at_us = self._agreeing(now_us, steps)
        behind_us = _MOST_BEHIND_US if self.pace.gap_us else _MOST_OFF_US
        if not -behind_us <= at_us - now_us <= _MOST_OFF_US:
            self.fail(FAULT_OF_FLOW, PHASE, s, us)
            return False
        self.at.set_us(at_us)
        return self._close(self.at.s, self.at.us, steps)

    def _agreeing(self, now_us: int, steps: int) -> int:
        """The instant nearest to now_us at which just `steps` of this segment were due."""
        accumulator = self.accumulator
        following_us = accumulator.due_us(steps + 1)
        if following_us is not None and now_us >= following_us:
            return following_us - 1
        last_us = accumulator.due_us(steps) if steps else None
        return now_us if last_us is None or now_us >= last_us else last_us

    def open_segment(self, s: int, us: int, refit: bool) -> None:
        """After `close_segment`: open the next segment; `refit` when what may run has changed."""
        if refit:
            self._refit()
        self._look_up_flex(s, us)
        self._begin(s, us)
        self._feed(s, us)

    def _refit(self) -> None:
        """What may run is prescribed anew: so is the scale."""
        self.rates.fit([source for source in self.sources.all if source.is_prescribed()])
        if self.plan is not None:
            self.rates.take_dose(self.plan.dose())
        self.interlock.refit()

    def refill_queue(self, s: int, us: int) -> None:
        """Before something that takes up to half a second: the motor's queue shall last as long. The steps
        it holds are planned anew from here, the same ones and more."""
        if not self.fault and self.planner.is_fast() and self.motor.in_flight() < _FULL_QUEUE:
            changed = self.changed
            at_s = self.at.s
            at_us = self.at.us
            if self.close_segment(s, us):
                self.open_segment(self.at.s, self.at.us, False)
            self.changed = changed
            self.at.set(at_s, at_us)

    def fail(self, fault: int, code: int, s: int, us: int) -> None:
        """Stop for good at (s, us); the first reason stays (INT-08) and is logged at once. Boluses end, what
        they gave is recorded (BOL-07)."""
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
        self.halt(s, us)

    def recover(self, s: int, us: int) -> None:
        """Out of a fault: stopped, with the phase that was left; the motor's count is taken as it is."""
        self.fault = FAULT_NONE
        self.motor.cancel()
        self.count.take_as_it_is()
        self.at.set(s, us)
        self.open_segment(s, us, True)
