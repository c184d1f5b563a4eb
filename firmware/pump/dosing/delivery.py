"""Delivery: the running therapy as one exact rate over time, handed to the motor run by run.

Everything that flows (basal of whatever mode, boluses of whatever kind) adds into one accumulator. Between two
changes of the total rate lies a segment; a change is either scheduled (a flex step, a bolus that starts or ends) and
known beforehand, or a command. `serve` carries out what is due by the present instant and says when it must be called
next. What is owed follows from absolute times alone: called late, it gives the same steps (DEL-01).

Called by: the main loop (`serve`) and `pump.therapy.course` (everything else). `serve` never allocates: it is
the steady path. It needs the motor's `append`, `executed`, `in_flight`, `cancel` (docs/board-interface.md) and a log
with `note_at(s, us, kind, code, ref, a, b)`.
"""

from pump.dosing import limbs
from pump.dosing.accumulator import CAPACITY, Accumulator
from pump.dosing.local_time import LocalTime
from pump.dosing.planner import LOW_WATER, Planner
from pump.dosing.scale import Fraction, Scale
from pump.dosing.schedule import DOSE_LIMBS
from pump.dosing.source import EXTENDED, IDLE, PATIENT, PERIODIC, RUNNING, SUSPENDED, VOLUME_LIMBS
from pump.units import Instant

# Kinds of notes to the log: numbers of wire.messages.EVENT_KINDS (a test holds them equal).
NOTE_STARTED = 7
NOTE_DELIVERED = 8
NOTE_CUT_SHORT = 9

FAULT_NONE = 0
FAULT_PHASE = 1  # the motor's count is not what the accumulator owes

SOURCE_KINDS = 7


class Delivery:
    """Accumulator, planner, sources and schedule under one clock."""

    def __init__(self, motor, log, sources):
        self.motor = motor
        self.log = log
        self.sources = sources
        self.accumulator = Accumulator()
        self.planner = Planner()
        self.scale = Scale()
        self.local = LocalTime()
        self.flowing = False  # may anything flow?
        self.fault = FAULT_NONE
        self.wake = Instant()  # when `serve` is next needed
        self.schedule = None  # flex steps, or None: `base` is constant
        self.base = Fraction()
        self.ceiling = Fraction()  # the total rate is never above it
        self.next_ref = 1
        self.totals = tuple([limbs.new(VOLUME_LIMBS) for _ in range(SOURCE_KINDS)])  # pl given, by kind
        self._base_parts = limbs.new(CAPACITY)
        self._dose_factor = limbs.new(CAPACITY)
        self._ceiling = limbs.new(CAPACITY)
        self._product = limbs.new(CAPACITY + DOSE_LIMBS)
        self._change = Instant()  # next scheduled change of the rate
        self._flex = Instant()  # next flex boundary
        self._steps_before = 0  # motor's count when the segment began

    # --- the steady path: no allocation below this line until the commands ---

    def serve(self, s: int, us: int) -> None:
        """Carry out everything due at or before (s, us), keep the motor fed, set `wake`."""
        while self._change.by(s, us) and self._all_planned():
            self._pass_change()
        self._feed()

    def _all_planned(self) -> bool:
        """Has every step due before the change been handed to the motor? If not, hand over what fits."""
        change = self._change
        while self.motor.in_flight() <= LOW_WATER:
            if not self.planner.plan(change.s, change.us):
                return True
            self.motor.append(self.planner.run)
        return False

    def _pass_change(self) -> None:
        """At the instant the schedule says, not at the one it is served."""
        s = self._change.s
        us = self._change.us
        steps = self.planner.planned
        if not self.accumulator.close(s, us, steps):
            self._fail(FAULT_PHASE)
            return
        self._steps_before += steps
        self._end_sources(s, us)
        self._start_sources(s, us)
        if self._flex.by(s, us):
            self._look_up_flex(s, us)
        self._begin(s, us)

    def _end_sources(self, s: int, us: int) -> None:
        for source in self.sources:
            if source.state == RUNNING and source.end.by(s, us):
                source.finish()
                limbs.add(self.totals[source.kind], source.volume, VOLUME_LIMBS)
                self.log.note_at(s, us, NOTE_DELIVERED, source.kind, source.ref, source.volume_pl, 0)
                if source.kind == PATIENT:
                    self._let_extended_go_on(s, us)

    def _let_extended_go_on(self, s: int, us: int) -> None:
        for source in self.sources:
            if source.state == SUSPENDED:
                source.go_on(s, us)

    def _start_sources(self, s: int, us: int) -> None:
        """Periodic boluses that are due; one that falls into a stop is left out, not given later (BOL-09)."""
        for source in self.sources:
            if source.kind == PERIODIC and source.next.by(s, us):
                source.move_on()
                if self.flowing:
                    self.start_source(source, s, us)

    def start_source(self, source, s: int, us: int) -> int:
        """Let a prescribed source run from here; its number. The caller begins a new segment."""
        ref = self.next_ref
        self.next_ref = ref + 1 if ref < 0xFFFF else 1
        source.start(s, us, ref)
        if source.kind == PATIENT:
            for other in self.sources:
                if other.kind == EXTENDED and other.state == RUNNING:
                    other.suspend(s, us)
        self.log.note_at(s, us, NOTE_STARTED, source.kind, ref, source.dose_ng, source.duration_us)
        return ref

    def _look_up_flex(self, s: int, us: int) -> None:
        """Find the flex step that holds at (s, us) and the instant at which the next one starts."""
        if self.schedule is None:
            self._flex.set_never()
            return
        local = self.local
        local.at(s, us)
        self.schedule.look(local.weekday(), local.second)
        self._flex.set(s, us)
        self._flex.add(self.schedule.ahead_s, 0)
        self._flex.subtract(0, local.us)
        dose = self.schedule.dose()
        limbs.multiply(self._product, self._dose_factor, self.accumulator.size, dose, DOSE_LIMBS)
        limbs.copy(self._base_parts, self._product, self.accumulator.size)

    def _begin(self, s: int, us: int) -> None:
        """Open a segment at (s, us) with the rates that now hold, and find the next scheduled change."""
        accumulator = self.accumulator
        rate = accumulator.rate
        size = accumulator.size
        self._change.set(self._flex.s, self._flex.us)
        if self.flowing:
            limbs.copy(rate, self._base_parts, size)
            for source in self.sources:
                if source.state == RUNNING:
                    limbs.add(rate, source.parts, size)
                    self._change_by(source.end)
            if limbs.less(self._ceiling, rate, size):  # BOL-01; a guard that acceptance keeps from acting
                limbs.copy(rate, self._ceiling, size)
        else:
            limbs.clear(rate, size)
        for source in self.sources:
            if source.kind == PERIODIC:
                self._change_by(source.next)
        accumulator.open(s, us)
        self.planner.begin(accumulator)

    def _change_by(self, instant) -> None:
        if instant.by(self._change.s, self._change.us):
            self._change.set(instant.s, instant.us)

    def _feed(self) -> None:
        """Hand over the next run when the motor runs low; wake again before it does, or at the next change."""
        change = self._change
        self.wake.set(change.s, change.us)
        if not self.planner.active or self.fault:
            return
        if self.motor.in_flight() <= LOW_WATER:
            if not self.planner.plan(change.s, change.us):
                return  # all that is due before the change is with the motor
            self.motor.append(self.planner.run)
        self._wake_at_low_water()

    def _wake_at_low_water(self) -> None:
        """When at most LOW_WATER steps are left: no earlier (gaps are q or q + 1), at most that many us later."""
        run = self.planner.run
        low_s = run.first_s
        low_us = run.first_us
        if run.steps > LOW_WATER:
            low_us = run.last_us - LOW_WATER * run.gap_us
            low_s = run.last_s - LOW_WATER * run.gap_s
            while low_us < 0:
                low_us += 1_000_000
                low_s -= 1
        if low_s < self.wake.s or (low_s == self.wake.s and low_us < self.wake.us):
            self.wake.set(low_s, low_us)

    def _fail(self, fault: int) -> None:
        """Stop for good; the first reason stays (INT-08)."""
        self.motor.cancel()
        if self.fault == FAULT_NONE:
            self.fault = fault
        self.flowing = False
        limbs.clear(self.accumulator.rate, self.accumulator.size)
        self.planner.begin(self.accumulator)
        self._change.set_never()

    # --- commands: may allocate ---

    def interrupt(self, s: int, us: int) -> bool:
        """Close the segment here and now, whatever was planned: the motor says how many steps were made."""
        self.serve(s, us)
        if self.fault:
            return False
        self.motor.cancel()
        steps = self.motor.executed() - self._steps_before
        if not self.accumulator.close(s, us, steps):
            self._fail(FAULT_PHASE)
            return False
        self._steps_before += steps
        return True

    def go_on(self, s: int, us: int, refit: bool) -> None:
        """After `interrupt`: open the next segment; `refit` when what may run has changed."""
        if refit:
            self._refit()
        self._look_up_flex(s, us)
        self._begin(s, us)
        self._feed()

    def _refit(self) -> None:
        """Choose the scale anew for all prescribed rates and express them in it."""
        scale = self.scale
        accumulator = self.accumulator
        prescribed = [source for source in self.sources if source.is_prescribed()]
        scale.fit(accumulator, [self.base] + [source.rate for source in prescribed])
        size = accumulator.size
        limbs.load(self._base_parts, size, scale.parts(self.base))
        limbs.load(self._dose_factor, size, scale.dose_factor())
        limbs.load(self._ceiling, size, scale.parts_below(self.ceiling))
        for source in prescribed:
            limbs.load(source.parts, size, scale.parts(source.rate))

    def cut_short(self, s: int, us: int) -> None:
        """End every bolus that runs or waits; what it gave is recorded (BOL-07)."""
        for source in self.sources:
            if source.state != IDLE:
                given_pl = source.given_pl(s, us)
                source.finish()
                given = limbs.new(VOLUME_LIMBS)
                limbs.load(given, VOLUME_LIMBS, given_pl)
                limbs.add(self.totals[source.kind], given, VOLUME_LIMBS)
                self.log.note_at(s, us, NOTE_CUT_SHORT, source.kind, source.ref, given_pl, 0)

    def steps(self) -> int:
        """Steps made since boot."""
        return self.motor.executed()

    def rate_pl_per_day(self, step_volume_pl: int) -> int:
        """The total rate that holds now, rounded down."""
        accumulator = self.accumulator
        parts = limbs.to_int(accumulator.rate, accumulator.size)
        return self.scale.pl_per_day(parts, step_volume_pl)

    def next_change(self):
        """Instant of the next scheduled change of the rate (never when there is none)."""
        return self._change
