"""The planner: from the accumulator to runs of steps, each due in its exact microsecond.

A run is "n steps, the first at T, then every q microseconds plus a carry": with the rate p parts per
microsecond and the step of u parts, u = q*p + r. Let e (the lead, 0 <= e < p) be how far past the k-th
step the volume is at the whole microsecond in which that step falls due. Then the next is due q
microseconds later when e >= r (and e drops by r), else q + 1 later (and e rises by p - r). One comparison
and one addition, exact for ever.

The same holds for a stride of k steps at once, with k*u = q_k*p + r_k: so a run of 56 steps is planned in one
subtraction, and where that borrows one addition. Strides 1, 2, 4, ... 32 and 56 are worked out when the rate
changes.

Bounds (ARCHITECTURE, The planner): a run has at most `RUN_STEPS` steps and none of them after the next
scheduled change. A run is only queued while at most `LOW_WATER` steps wait, so never more than 64 are
with the motor.

Nothing here allocates after construction.
"""

from pump.dosing import bigint
from pump.dosing.accumulator import CAPACITY

RUN_STEPS = 56
LOW_WATER = 8
_FAST_GAP_US = 75_000  # between two steps: LOW_WATER of them are over in 0.6 s
_STRIDES = (1, 2, 4, 8, 16, 32, RUN_STEPS)
_FULL = 6  # index of the stride that is a whole run
_MILLION = 1_000_000
_FAR_S = 1 << 23  # 97 days: a rate below one step in so long is a bolus's alone, and no bolus lasts so long


class Run:
    """What the motor is given. The arrays are the planner's own: a motor copies what it keeps."""

    def __init__(self, carry, modulus):
        self.steps = 0
        self.first_s = 0
        self.first_us = 0
        self.last_s = 0
        self.last_us = 0
        self.gap_s = 0
        self.gap_us = 0
        self.size = 1
        self.lead = bigint.new(CAPACITY)
        self.carry = carry
        self.modulus = modulus


class _Stride:
    """k steps at once: gap (s, us) and carry r_k."""

    def __init__(self, steps: int):
        self.steps = steps
        self.gap_s = 0
        self.gap_us = 0
        self.carry = bigint.new(CAPACITY)

    def sum_of(self, a, b, modulus, n: int) -> None:
        """Become the stride that is `a` and then `b`."""
        bigint.copy(self.carry, a.carry, n)
        over = bigint.add(self.carry, b.carry, n)
        self.gap_s = a.gap_s + b.gap_s
        self.gap_us = a.gap_us + b.gap_us
        if over or not bigint.less(self.carry, modulus, n):
            bigint.subtract(self.carry, modulus, n)
            self.gap_us += 1
        if self.gap_us >= _MILLION:
            self.gap_us -= _MILLION
            self.gap_s += 1


class Planner:
    """Plans the steps of one segment, run by run, from the accumulator's rate and phase."""

    def __init__(self):
        self.active = False  # is there any next step?
        self.planned = 0  # steps handed out since the segment began
        self.next_s = 0  # when the next step, not yet planned, is due
        self.next_us = 0
        self._only_one = False
        self._size = 1
        self._lead = bigint.new(CAPACITY)  # e of that step
        self.strides = tuple([_Stride(k) for k in _STRIDES])
        self._modulus = bigint.new(CAPACITY)
        self.rest = bigint.new(CAPACITY)  # p - r of a single step
        self._work = bigint.new(CAPACITY + 2)
        self._quotient = bigint.new(CAPACITY + 2)
        self.full = self.strides[_FULL]
        self.run = Run(self.strides[0].carry, self._modulus)

    def begin(self, accumulator) -> None:
        """Start over at the accumulator's segment: its rate, its remainder, its start."""
        self.planned = 0
        total = accumulator.size
        size = bigint.used(accumulator.rate, total)
        self.active = not bigint.is_zero(accumulator.rate, size)
        if not self.active:
            return
        self._size = size
        self.run.size = size
        bigint.copy(self._modulus, accumulator.rate, size)
        self._only_one = not self._work_out_strides(accumulator, total)
        self.active = self._find_first(accumulator, total)

    def is_fast(self) -> bool:
        """Does a queue at low water last less than 0.6 s?"""
        return self.active and self.run.gap_s == 0 and self.run.gap_us < _FAST_GAP_US

    def _seconds(self, total: int) -> int:
        """Whole seconds of `_quotient`, which keeps the microseconds left over; _FAR_S: further than any
        segment."""
        try:
            return min(bigint.seconds_of(self._quotient, total, self._work), _FAR_S)
        except OverflowError:
            return _FAR_S

    def _work_out_strides(self, accumulator, total: int) -> bool:
        """False when steps come so rarely that no segment holds two of them: then there are no strides."""
        size = self._size
        one = self.strides[0]
        bigint.copy(self._work, accumulator.unit, total)
        bigint.divide(self._quotient, self._work, total, self._modulus, size)
        bigint.copy(one.carry, self._work, size)
        bigint.copy(self.rest, self._modulus, size)
        bigint.subtract(self.rest, one.carry, size)
        one.gap_s = self._seconds(total)
        if one.gap_s == _FAR_S:
            return False
        one.gap_us = bigint.small(self._quotient)
        self.run.gap_s = one.gap_s
        self.run.gap_us = one.gap_us
        for i in range(1, _FULL):
            half = self.strides[i - 1]
            self.strides[i].sum_of(half, half, self._modulus, size)
        full = self.strides[_FULL]  # 56 = 32 + 16 + 8
        full.sum_of(self.strides[5], self.strides[4], self._modulus, size)
        full.sum_of(full, self.strides[3], self._modulus, size)
        return True

    def _find_first(self, accumulator, total: int) -> bool:
        """The first step: ceil((unit - remainder) / rate) us after the start. False: too far off."""
        size = self._size
        bigint.copy(self._work, accumulator.unit, total)
        bigint.subtract(self._work, accumulator.remainder, total)
        bigint.divide(self._quotient, self._work, total, self._modulus, size)
        if bigint.is_zero(self._work, size):
            bigint.clear(self._lead, size)
            late_us = 0
        else:
            bigint.copy(self._lead, self._modulus, size)
            bigint.subtract(self._lead, self._work, size)
            late_us = 1
        s = self._seconds(total)
        if s == _FAR_S:
            return False
        self._set_next(accumulator.start_s + s, accumulator.start_us + bigint.small(self._quotient) + late_us)
        return True

    def _set_next(self, s: int, us: int) -> None:
        while us >= _MILLION:
            us -= _MILLION
            s += 1
        self.next_s = s
        self.next_us = us

    def _advance(self, stride) -> None:
        """Move the next step on by one stride."""
        lead = self._lead
        us = self.next_us + stride.gap_us
        if bigint.subtract(lead, stride.carry, self._size):
            bigint.add(lead, self._modulus, self._size)
            us += 1
        s = self.next_s + stride.gap_s
        while us >= _MILLION:
            us -= _MILLION
            s += 1
        self.next_s = s
        self.next_us = us

    def _reaches(self, stride, limit_s: int, limit_us: int) -> bool:
        """Would the next step, moved on by this stride, still be due by the limit?"""
        s = self.next_s + stride.gap_s
        if s + 2 < limit_s:
            return True
        us = self.next_us + stride.gap_us
        if bigint.less(self._lead, stride.carry, self._size):
            us += 1
        while us >= _MILLION:
            us -= _MILLION
            s += 1
        return s < limit_s or (s == limit_s and us <= limit_us)

    def plan(self, limit_s: int, limit_us: int) -> int:
        """Fill `run` with the steps that come next, none due after the limit; how many (0: none by then)."""
        run = self.run
        run.steps = 0
        s = self.next_s
        if not self.active or s > limit_s or (s == limit_s and self.next_us > limit_us):
            return 0
        run.first_s = s
        run.first_us = self.next_us
        run.lead[bigint.WHOLE] = self._lead
        if self._only_one:
            return self._plan_one(run)
        if self._size == 2 and self._plan_full(run, limit_s, limit_us):
            return RUN_STEPS
        if self._reaches(self.full, limit_s, limit_us):
            self._advance(self.full)
            steps = RUN_STEPS
        else:
            steps = self._plan_part(limit_s, limit_us)
        run.steps = steps
        self.planned += steps
        self._set_last(run)
        return steps

    def _plan_full(self, run, limit_s: int, limit_us: int) -> bool:
        """`plan` of a whole run where two limbs hold every number, as they mostly do: `_reaches`, `_advance`
        and `_set_last` at once, in whole numbers of 30 bits. False, and nothing done: not by the limit."""
        full = self.full
        carry = full.carry
        lead = self._lead
        phase = (lead[0] | lead[1] << bigint.BITS) - (carry[0] | carry[1] << bigint.BITS)
        us = self.next_us + full.gap_us
        if phase < 0:
            carry = self._modulus
            phase += carry[0] | carry[1] << bigint.BITS
            us += 1
        s = self.next_s + full.gap_s
        while us >= _MILLION:
            us -= _MILLION
            s += 1
        if s > limit_s or (s == limit_s and us > limit_us):
            return False
        lead[0] = phase & bigint.MASK
        lead[1] = phase >> bigint.BITS
        self.next_s = s
        self.next_us = us
        self.planned += RUN_STEPS
        run.steps = RUN_STEPS
        us -= run.gap_us
        carry = self.rest
        if phase >= carry[0] | carry[1] << bigint.BITS:
            us -= 1
        s -= run.gap_s
        while us < 0:
            us += _MILLION
            s -= 1
        run.last_s = s
        run.last_us = us
        return True

    def _plan_one(self, run) -> int:
        """The next step is the last one that any segment can hold."""
        run.steps = 1
        run.last_s = run.first_s
        run.last_us = run.first_us
        run.gap_s = _FAR_S
        self.planned += 1
        self.active = False
        return 1

    def _plan_part(self, limit_s: int, limit_us: int) -> int:
        """Less than a whole run fits before the limit: as many as do, by descending strides."""
        steps = 1
        for i in range(_FULL - 1, -1, -1):
            stride = self.strides[i]
            if self._reaches(stride, limit_s, limit_us):
                self._advance(stride)
                steps += stride.steps
        self._advance(self.strides[0])
        return steps

    def _set_last(self, run) -> None:
        """The last step of the run lies one gap before the next: q, or q + 1 when its lead was below r."""
        one = self.strides[0]
        us = self.next_us - one.gap_us
        if not bigint.less(self._lead, self.rest, self._size):
            us -= 1
        s = self.next_s - one.gap_s
        while us < 0:
            us += _MILLION
            s -= 1
        run.last_s = s
        run.last_us = us
