"""Delivery: what a command does to the flow. Extends the steady path of `pump.dosing.flow`.

A command closes the running segment at its own microsecond (`close_segment`), changes what may run, and opens
the next one (`open_segment`). Allocates: commands only.
"""

from pump.dosing import bigint
from pump.dosing.flow import Flow
from pump.dosing.infusion_source import BRIDGE, IDLE, RUNNING, VOLUME_LIMBS
from pump.dosing.interlock import FAULT_NONE, FAULT_OF_FLOW, PHASE
from pump.dosing.planner import LOW_WATER, RUN_STEPS
from pump.dosing.scale import Fraction, Scale
from pump.units import US_PER_S, Instant
from thecal_protocol import events as event

_LONG_QUEUE = RUN_STEPS - LOW_WATER
_MOST_OFF_US = 100_000  # by how much a command may be moved to agree with the motor's count
# the same back in time amid a catch-up of a motor that keeps a gap: what is later is a fault (the guard's)
_MOST_BEHIND_US = 61 * US_PER_S


class Delivery(Flow):
    """The flow and the commands on it."""

    def __init__(self, motor, log, slots):
        Flow.__init__(self, motor, log, slots)
        self.scale = Scale()
        self.at = Instant(0, 0)  # when the last command took effect
        self.base = Fraction()
        self.ceiling = Fraction()  # the total rate is never above it
        self.keep_open = Fraction()  # KVO: the most that flows while an alarm of action `hold` stands

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
        steps = self.motor.executed() - self._steps_before
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
        """Choose the scale anew for all prescribed rates and express them in it."""
        scale = self.scale
        accumulator = self.accumulator
        prescribed = [source for source in self.all_sources if source.is_prescribed()]
        scale.fit(accumulator, [self.base] + [source.rate for source in prescribed])
        size = accumulator.size
        bigint.load(self._base_parts, size, scale.parts(self.base))
        bigint.load(self._dose_factor, size, scale.dose_factor())
        bigint.load(self._ceiling, size, scale.parts_below(self.ceiling))
        bigint.load(self._keep_open, size, scale.parts_below(self.keep_open))
        for source in prescribed:
            bigint.load(source.parts, size, scale.parts(source.rate))
        if self.plan is not None:
            self._take_dose(self.plan.dose())
        self.interlock.refit()

    def refill_queue(self, s: int, us: int) -> None:
        """Before something that takes up to half a second: the motor's queue shall last as long. The steps
        it holds are planned anew from here, the same ones and more."""
        if not self.fault and self.planner.is_fast() and self.motor.in_flight() < _LONG_QUEUE:
            changed = self.changed
            at_s = self.at.s
            at_us = self.at.us
            if self.close_segment(s, us):
                self.open_segment(self.at.s, self.at.us, False)
            self.changed = changed
            self.at.set(at_s, at_us)

    def halt(self, s: int, us: int) -> None:
        """Between `close_segment` and `open_segment`: nothing flows; boluses end, a bridge and a plan hold
        where they are."""
        self._suspend(s, us)
        self.set_flowing(False)

    def restrict(self, level: int, s: int, us: int) -> bool:
        """An alarm brings delivery down to the keep-open rate (KEEP_OPEN), stops it (HALTED) or frees it
        (FREE). Boluses end, what they gave is recorded (BOL-07); afterwards nothing that was left out is
        given (BOL-09). Allocates: an alarm's coming and going."""
        if not self.close_segment(s, us):
            return False
        s = self.at.s
        us = self.at.us
        if level and not self.restriction:
            self._suspend(s, us)
        self.restriction = level
        self.interlock.restricted(level)
        if self.flowing:
            self.resume_bridge_and_plan(s, us)
        self.open_segment(s, us, False)
        return True

    def recover(self, s: int, us: int) -> None:
        """Out of a fault: stopped, with the phase that was left; the motor's count is taken as it is."""
        self.fault = FAULT_NONE
        self.motor.cancel()
        self._steps_before = self.motor.executed()
        self._lost_before = self.motor.lost_steps()
        self._priming = False
        self.at.set(s, us)
        self.open_segment(s, us, True)

    def _suspend(self, s: int, us: int) -> None:
        for source in self.all_sources:
            if source.kind == BRIDGE:
                if source.state == RUNNING:
                    source.suspend(s, us)
            elif source.state != IDLE:
                self.cut_short(source, s, us)
        if self.plan is not None:
            self.plan.pause(s, us)

    def fail(self, fault: int, code: int, s: int, us: int) -> None:
        """Stop for good: boluses end, what they gave is recorded (BOL-07). Allocates: once."""
        Flow.fail(self, fault, code, s, us)
        self.halt(s, us)

    def cut_all_short(self, s: int, us: int) -> None:
        """End every source that runs or waits."""
        for source in self.all_sources:
            if source.state != IDLE:
                self.cut_short(source, s, us)

    def cut_short(self, source, s: int, us: int) -> None:
        """End a bolus before its time; what it gave is recorded (BOL-07)."""
        given_pl = source.given_pl(s, us)
        source.finish()
        given = bigint.new(VOLUME_LIMBS)
        bigint.load(given, VOLUME_LIMBS, given_pl)
        bigint.add(self.totals[source.kind], given, VOLUME_LIMBS)
        self.log.note_at(s, us, event.BOLUS_CUT_SHORT, source.kind, source.ref, given_pl, 0)

    def primed_steps(self) -> int:
        """Steps of primes; those before the last reset are in it too."""
        if self._priming:
            return self.prime_steps + self.motor.executed() - self._steps_before
        return self.prime_steps

    def steps(self) -> int:
        """Steps on the ledger: made since boot, and counted as made before."""
        return self.steps_base + self.motor.executed()

    def dose_steps(self) -> int:
        """Those of them that count as dose: all but the steps of a prime."""
        return self.steps_base + self.motor.executed() - self.primed_steps()

    def lost_steps(self) -> int:
        """Steps on the ledger that were not seen to move, those of primes too."""
        return self.lost_base + self.motor.lost_steps()

    def primed_lost_steps(self) -> int:
        if self._priming:
            return self.prime_lost + self.motor.lost_steps() - self._lost_before
        return self.prime_lost

    def rate_pl_per_day(self, step_volume_pl: int) -> int:
        """The total rate that holds now, rounded down."""
        accumulator = self.accumulator
        parts = bigint.to_int(accumulator.rate, accumulator.size)
        return self.scale.pl_per_day(parts, step_volume_pl)
