"""The dose guard: what left the pump, by the motor's own count, against what was prescribed, by other
arithmetic than the accumulator's (DEL-03..05, INT-07).

The accumulator works with limbs, in parts of a step per microsecond; the guard in 64ths of a step per second,
worked out from doses, concentrations and step volume alone when a command changes what may run. It keeps its
own time of every bolus, so a bolus that does not end is too much. It judges

    each run before it is handed out     steps no closer than 1/1.145 of what the rate asks, and following the
                                         run before; so a wrong rate does not reach the motor at all
    windows of 300 s, or of 50 steps     more than 114.5 % and 8 steps (and a quarter second's flow) over: at
    where those take longer              once. More than 110 %, less than 90 %, 2 steps apart: for 900 s
    1 h and 24 h                         the program's limits per drug, or its highest rate

It looks with every fourth run, and every two minutes. So when every run for itself is right and only their
sum is not, at most 14.5 % of what a window of 420 s or 50 steps was to hold can leave the pump beyond what
was prescribed, 8 steps, a quarter second's flow, and what is made between two looks: 232 steps. Windows after
a reset begin at the reset; amid a catch-up they last up to twice as long.

Only `prescribe` and `refit` allocate (commands); values of the steady path stay below 2^30.
"""

from array import array

from pump.dosing.infusion_source import RUNNING
from pump.safety.states import MINIMUM
from pump.units import PL_PER_ML, US_PER_DAY
from thecal_protocol.program import BASAL_MINIMUM

_DAY_S = 86_400
_PARTS = 64  # of a step
WINDOW_S = 300
_LEAST_STEPS = 50  # expected in a window
SLACK_STEPS = 8  # of the band at once
_SLACK = 2  # of the bands with a time
BAND_S = 900
_MARK_S = 300
_HOUR_MARKS = 11  # windows are never longer than what they are compared with
_DAY_MARKS = 287
_MARKS = 288
_SMALL = 0x3FFFFFFF
_MOST = 0x0FFFFFFF

GOOD = 0
OVER = 1
UNDER = 2
LIMIT_1H = 3
LIMIT_24H = 4


class Rate:
    """64ths of a step: `a_s` whole ones per second, `rest` more in a day."""

    def __init__(self):
        self.a_s = 0
        self.rest = 0

    def set_per_day(self, parts: int) -> None:
        """Commands only."""
        self.a_s = parts // _DAY_S
        self.rest = parts % _DAY_S

    def clear(self) -> None:
        self.a_s = 0
        self.rest = 0

    def add(self, other) -> None:
        self.a_s += other.a_s
        self.rest += other.rest
        if self.rest >= _DAY_S:
            self.rest -= _DAY_S
            self.a_s += 1

    def copy(self, other) -> None:
        self.a_s = other.a_s
        self.rest = other.rest

    def above(self, other) -> bool:
        return self.a_s > other.a_s or (self.a_s == other.a_s and self.rest > other.rest)


class Meter:
    """What one bolus, prime or bridge may give: its rate, for as long as it was prescribed."""

    def __init__(self, source):
        self.source = source
        self.rate = Rate()
        self.ref = -1
        self.span_s = 0
        self.left_s = 0

    def counts(self, s: int) -> bool:
        """Does it run, and has it still time?"""
        source = self.source
        if source.state != RUNNING:
            return False
        if source.ref != self.ref:
            self.ref = source.ref
            self.left_s = min(source.end.s - s, self.span_s + 1) + 1
        return self.left_s > 0

    def use_up(self, span_s: int) -> bool:
        """So much of its time has passed; True when that was the last of it."""
        if self.left_s <= 0 or self.source.state != RUNNING:
            return False
        self.left_s -= span_s
        return self.left_s <= 0


class DoseGuard:
    """Expected against made."""

    def __init__(self, delivery, motor):
        self._delivery = delivery
        self._motor = motor
        self.base = Rate()
        self.keep_open = Rate()
        self.most = Rate()
        self.rate = Rate()  # what is expected now
        self._flex = array("I")  # rates of the steps of a week or of a plan: `a_s` and `rest` of each
        self.meters = [Meter(source) for source in delivery.sources.all]
        self._exclusive = len(delivery.sources.exclusive)
        self._metered = False  # does any of them count?
        self.limit_1h = _MOST  # steps
        self.limit_24h = _MOST
        self._s = 0  # until when it is added up
        self._ms = 0
        self._rest = 0  # parts of a part: of a day
        self._parts = 0  # 64ths expected in this window
        self._from_s = 0
        self._from_made = 0
        self._from_moved = 0
        self.over_s = 0
        self.under_s = 0
        self.behind = False  # are steps being made that were due before?
        self._marks = array("I", bytes(4 * _MARKS))
        self._slot = 0
        self._unit = 0  # concentration x step volume of the marks
        self._gap_s = 0  # the shortest that two steps may be apart
        self._gap_us = 0
        self._last_s = -1  # the run before ended there
        self._last_us = 0

    # --- commands ---

    def prescribe(self, prescription, floor_pl_per_day: int) -> None:
        """A program is in force."""
        volume_pl = prescription.step_volume_pl
        per_ml = prescription.concentration_ng_per_ml
        self._per_dose = per_ml * volume_pl
        self._volume_pl = volume_pl
        doses = []
        if prescription.schedule is not None:
            doses = prescription.schedule.doses_ng_per_day
        elif prescription.values["plan"]:
            doses = [prescription.values["basal_dose_ng_per_day"]]
            doses += [step["dose_ng_per_day"] for step in prescription.values["plan"]]
        flex = array("I", bytes(8 * len(doses)))  # no objects: a week has up to 144 of them
        for index, dose in enumerate(doses):
            rate = self._dose_rate(dose)
            flex[2 * index] = rate.a_s
            flex[2 * index + 1] = rate.rest
        self._flex = flex
        self.keep_open.set_per_day(_PARTS * floor_pl_per_day // volume_pl)
        self.most.set_per_day(_PARTS * prescription.max_rate_pl_per_day // volume_pl + 1)
        if prescription.mode == BASAL_MINIMUM:
            self.base.copy(self.keep_open)
        else:
            self.base.copy(self._dose_rate(prescription.values["basal_dose_ng_per_day"]))
        day = prescription.max_rate_pl_per_day // volume_pl
        self.limit_24h = self._limit(prescription, "max_dose_24h_ng", day)
        self.limit_1h = self._limit(prescription, "max_dose_1h_ng", day // 24)
        if self._unit != self._per_dose:  # a step is another dose from here on
            self._unit = self._per_dose
            self._forget_marks()

    def _dose_rate(self, dose_ng_per_day: int) -> Rate:
        rate = Rate()
        rate.set_per_day(_PARTS * dose_ng_per_day * PL_PER_ML // self._per_dose)
        return rate

    def _limit(self, prescription, field: str, steps: int) -> int:
        """Steps that the strictest drug's limit allows; with a bridge, at the weaker filling's concentration
        (of the first drug: a bridge names no other), as old and new drug flow in one window."""
        bridge = prescription.bridge
        for drug in prescription.drugs[:1] if bridge else prescription.drugs:
            if drug[field]:
                concentration = drug["concentration_ng_per_ml"]
                if bridge:
                    concentration = min(concentration, bridge["concentration_ng_per_ml"])
                allowed = drug[field] * PL_PER_ML // (concentration * self._volume_pl)
                steps = min(steps, allowed)
        return min(steps, _MOST) + SLACK_STEPS

    def refit(self) -> None:
        """What boluses may give has been prescribed anew."""
        for meter in self.meters:
            source = meter.source
            if source.is_prescribed():
                parts = _PARTS * source.volume_pl * US_PER_DAY // (source.duration_us * self._volume_pl)
                meter.rate.set_per_day(parts)
                meter.span_s = source.duration_us // 1_000_000

    def _forget_marks(self) -> None:
        made = (self._motor.executed() - self._delivery.count.primed_steps()) & _SMALL
        for index in range(_MARKS):
            self._marks[index] = made

    # --- the steady path ---

    def start(self, s: int, us: int) -> None:
        """Begin to watch here."""
        self._s = s
        self._ms = us // 1000
        self._slot = s // _MARK_S
        self._forget_marks()
        self._begin_window(s)

    def opening(self, s: int, flows: int) -> None:
        """A segment begins: what flows from here on, by the prescription. `flows`: `states.FLOWS`."""
        rate = self.rate
        rate.clear()
        self._last_s = -1
        self._metered = False
        if not flows:
            self._gap_s = _SMALL
            return
        rate.copy(self.base)
        delivery = self._delivery
        if delivery.schedule is not None:
            self._take_flex(delivery.schedule.index)
        elif delivery.plan is not None:
            self._take_flex(delivery.plan.index)
        if flows == MINIMUM:
            if rate.above(self.keep_open):
                rate.copy(self.keep_open)
        else:
            self._add_boluses(s)
        self._set_gap()

    def _take_flex(self, index: int) -> None:
        self.rate.a_s = self._flex[2 * index]
        self.rate.rest = self._flex[2 * index + 1]

    def _add_boluses(self, s: int) -> None:
        rate = self.rate
        first = len(self.meters) - self._exclusive
        for index in range(first, len(self.meters)):
            if self.meters[index].source.state == RUNNING:
                rate.clear()
        for meter in self.meters:
            if meter.counts(s):
                rate.add(meter.rate)
                self._metered = True
        if rate.above(self.most):
            rate.copy(self.most)

    def _set_gap(self) -> None:
        """1/1.145 of the gap between two steps, rounded down: by at most 2 %."""
        a_s = self.rate.a_s
        if a_s >= _PARTS:  # 64 / 1.145 s = 55,895,196 us
            self._gap_s = 0
            self._gap_us = max(0, 55_895_196 // (a_s + 1) - 2)
        else:  # 64 x 86400 / 1.145 s, and 1/128 s of the rest
            parts = a_s * _DAY_S + self.rate.rest + 1
            self._gap_s = 4_829_344 // parts
            self._gap_us = 4_829_344 % parts * 128 // parts * 7812

    def admits(self, run) -> bool:
        """May this run be handed out? Its steps are no closer than the rate allows, and follow the last
        one."""
        gap_s = run.gap_s
        gap_us = run.gap_us
        if run.steps > 1 and (gap_s < self._gap_s or (gap_s == self._gap_s and gap_us < self._gap_us)):
            return False
        last_s = self._last_s
        if last_s >= 0:
            s = run.first_s - last_s - gap_s
            us = run.first_us - self._last_us - gap_us + s * 1_000_000
            if s < -2 or s > 2 or us < 0 or us > 1:
                return False
        self._last_s = run.last_s
        self._last_us = run.last_us
        return True

    def add_up(self, s: int, us: int) -> None:
        """What was to be made until (s, us) at the present rate."""
        ms = us // 1000
        span_s = s - self._s
        if span_s < 0 or (span_s == 0 and ms <= self._ms):
            return
        rest = self._rest + self.rate.rest * span_s
        self._rest = rest % _DAY_S
        self._parts += self.rate.a_s * span_s + rest // _DAY_S
        self._parts += self.rate.a_s * (ms - self._ms) // 1000
        self._s = s
        self._ms = ms
        if self._metered:
            self._meter(s, span_s)

    def _meter(self, s: int, span_s: int) -> None:
        """So much less is left of each bolus; one that is used up counts no more."""
        for meter in self.meters:
            if meter.use_up(span_s):
                self._open_again(s)

    def _open_again(self, s: int) -> None:
        self.opening(s, self._delivery.interlock.machine.flows())

    def _begin_window(self, s: int) -> None:
        self._parts = 0
        self._from_s = s
        self._from_made = self._motor.executed()
        self._from_moved = self._from_made - self._motor.lost_steps()

    def evaluate(self, s: int, us: int) -> int:
        """GOOD, or what is wrong. `add_up` is part of it."""
        self.add_up(s, us)
        driven = self._motor.executed()
        made = driven - self._from_made
        expected = self._parts >> 6
        if made > expected + expected * 145 // 1000 + SLACK_STEPS + (self.rate.a_s >> 8):
            return OVER
        found = self._judge_windows(s, driven)
        if found:
            return found
        if self._goes_on(s, made):
            return GOOD
        self._close_window(s, made)
        return self._judge_bands()

    def _goes_on(self, s: int, made: int) -> bool:
        """Is the window too short yet? What is made up for belongs to the window in which it was due: amid a
        catch-up a window lasts up to twice as long."""
        times = 2 if self.behind else 1
        if s - self._from_s < times * WINDOW_S:
            return True
        return self._parts >> 6 < times * _LEAST_STEPS and (self._parts > 0 or made > 0)

    def _close_window(self, s: int, made: int) -> None:
        """A window is over: how long has it been too much, or too little, by now?"""
        expected = self._parts >> 6
        span_s = s - self._from_s
        motor = self._motor
        moved = motor.executed() - motor.lost_steps() - self._from_moved
        self.over_s = self.over_s + span_s if made > expected + expected // 10 + _SLACK else 0
        self.under_s = self.under_s + span_s if moved < expected - expected // 10 - _SLACK else 0
        self._begin_window(s)

    def _judge_bands(self) -> int:
        if self.over_s >= BAND_S:
            return OVER
        return UNDER if self.under_s >= BAND_S else GOOD

    def _judge_windows(self, s: int, driven: int) -> int:
        """The hard limits over 1 h and 24 h."""
        made = (driven - self._delivery.count.primed_steps()) & _SMALL
        slot = s // _MARK_S
        if slot - self._slot > _MARKS:
            self._slot = slot - _MARKS
        while self._slot < slot:
            self._slot += 1
            self._marks[self._slot % _MARKS] = made
        if (made - self._marks[(slot - _HOUR_MARKS + _MARKS) % _MARKS]) & _SMALL > self.limit_1h:
            return LIMIT_1H
        if (made - self._marks[(slot - _DAY_MARKS + _MARKS) % _MARKS]) & _SMALL > self.limit_24h:
            return LIMIT_24H
        return GOOD
