"""The simulated motor of the unix board: takes runs, knows how many steps it has made at any instant.

Steps are counted in closed form where that gives one number: a run that has ended by the time anyone asks, or
is asked for between two steps. Else, or when the bench records a trace, its steps are expanded one by one, by
the exact rule of the runs (docs/reference/board-interface.md):

    if lead >= carry:  next due = due + gap,      lead -= carry
    else:              next due = due + gap + 1,  lead += modulus - carry

Steps due at an instant have happened at that instant: `executed` counts them, `cancel` does not take them
back. Nothing allocates.
"""

import array

import micropython
from micropython import const

from clock import FOREVER_US

MAX_STEPS = const(64)
FOREVER_STEPS = const(1 << 60)
_MAX_RUNS = 2
_LIMBS = const(48)  # 720 bits; a prescription within the limits needs 600

# words of a run's block: 0, 1 due time of the next step; 2 steps left; 3, 4 gap; 5 words of a number;
# 6, 7 instant of append; then lead, carry and modulus in words of two limbs, 30 bits. All that may lag
# behind. At its end what does not: steps not made yet; due time of the last one; the gap, 0 where it
# cannot be relied on
_LEAD = const(8)
_CARRY = const(32)
_MODULUS = const(56)
_LEFT = const(80)
_LAST = const(81)
_SURE_GAP = const(83)
_BLOCK_WORDS = const(85)


@micropython.viper
def _load(block: ptr32, run, now: int, epoch: int) -> int:  # noqa: F821 - viper's own types
    """Copy a run into a block. Returns 0, 1 when it is due, 2 when it is late."""
    due = int(run.first_s) * 1000000 + int(run.first_us) - epoch
    last = int(run.last_s) * 1000000 + int(run.last_us) - epoch
    gap = int(run.gap_s) * 1000000 + int(run.gap_us)
    steps = int(run.steps)
    size = int(run.size)
    lead = ptr16(run.lead)  # noqa: F821
    carry = ptr16(run.carry)  # noqa: F821
    modulus = ptr16(run.modulus)  # noqa: F821
    block[0] = due
    block[1] = due >> 32
    block[2] = steps
    block[3] = gap
    block[4] = gap >> 32
    block[5] = (size + 1) >> 1
    block[6] = now
    block[7] = now >> 32
    block[_LEFT] = steps
    block[_LAST] = last
    block[_LAST + 1] = last >> 32
    over = last - due - (steps - 1) * gap
    if over < 0 or over >= steps:  # a damaged run
        gap = 0
    block[_SURE_GAP] = gap
    block[_SURE_GAP + 1] = gap >> 32
    word = 0
    limb = 0
    while limb + 1 < size:
        block[_LEAD + word] = lead[limb] | lead[limb + 1] << 15
        block[_CARRY + word] = carry[limb] | carry[limb + 1] << 15
        block[_MODULUS + word] = modulus[limb] | modulus[limb + 1] << 15
        word += 1
        limb += 2
    if limb < size:
        block[_LEAD + word] = lead[limb]
        block[_CARRY + word] = carry[limb]
        block[_MODULUS + word] = modulus[limb]
    if due > now:
        return 0
    return 1 if due == now else 2


@micropython.viper
def _is_due(block: ptr32, now: int) -> bool:  # noqa: F821
    """Is the next step due by now?"""
    return (block[0] | (block[1] << 32)) <= now


@micropython.viper
def _count(front: ptr32, back: ptr32, runs: int, now: int) -> int:  # noqa: F821
    """Take the steps that are due by now off both runs. Returns how many, 0x100 for each run that has ended,
    and 0x400 where nobody can tell about the next one without making its steps one by one.

    They are counted from the run's end: whether every gap is `gap` or `gap + 1` mostly leaves the same
    number."""
    block = front
    found = 0
    while runs > 0:
        due = block[0] | (block[1] << 32)
        if due > now:
            break
        left = block[_LEFT]
        last = block[_LAST] | (block[_LAST + 1] << 32)
        if last > now:
            gap = block[_SURE_GAP] | (block[_SURE_GAP + 1] << 32)
            if gap == 0:
                return found | 0x400
            ahead = last - now + gap
            most = ahead // (gap + 1)
            if (ahead - 1) // gap != most:
                return found | 0x400
            block[_LEFT] = most
            return found + left - most
        block[_LEFT] = 0
        found += 0x100 + left
        block = back
        runs -= 1
    return found


@micropython.viper
def _expand(block: ptr32, until: int, zero: int, times: ptr32, at: int, end: int) -> int:  # noqa: F821
    """Make the steps due by `until`, while there is room for their times (minus zero) in times[at..end), two
    words each. Returns how many. A step that was already late when its run was appended is made at that
    instant."""
    due = block[0] | (block[1] << 32)
    left = block[2]
    gap = block[3] | (block[4] << 32)
    words = block[5]
    appended = block[6] | (block[7] << 32)
    made = 0
    at *= 2
    end *= 2
    while left > 0 and due <= until and at < end:
        when = (due if due > appended else appended) - zero
        times[at] = when
        times[at + 1] = when >> 32
        at += 2
        made += 1
        left -= 1
        word = words - 1
        while word > 0 and block[_LEAD + word] == block[_CARRY + word]:
            word -= 1
        wrap = 0 if block[_LEAD + word] >= block[_CARRY + word] else -1
        due += gap - wrap
        over = 0
        word = 0
        while word < words:
            over += block[_LEAD + word] - block[_CARRY + word] + (block[_MODULUS + word] & wrap)
            block[_LEAD + word] = over & 0x3FFFFFFF
            over >>= 30
            word += 1
    block[0] = due
    block[1] = due >> 32
    block[2] = left
    return made


class Motor:
    """Board interface `motor`. Times are microseconds since boot."""

    def __init__(self, clock, trace, driver, steps_before_reset: int = -1, supply: int = -1):
        self._clock = clock
        self._supply = supply
        self._steps_before_reset = steps_before_reset
        self._driver = driver
        self.feedback = driver.feedback
        self._jam_at = -1  # steps moved at which it jams against pressure; -1: it does not
        self._trace = trace
        self._front = array.array("I", bytes(4 * _BLOCK_WORDS))
        self._back = array.array("I", bytes(4 * _BLOCK_WORDS))
        self._runs = 0
        self._left = 0
        self._made = 0
        self._epoch_us = 0
        self._settled_us = -1  # up to where steps have been made
        self._stall_end_us = 0 if supply else FOREVER_US
        self._disturbed = True  # does anything keep it from moving as driven, or did it when it settled last?
        self._unseen = array.array("I", bytes(8 * MAX_STEPS))
        self.unmoved_steps = 0  # driven while stalled, jammed or disabled: counted, but not moved
        self.late_runs = 0  # runs whose first step was already overdue when they came
        driver.enable()

    def set_epoch(self, s: int, us: int) -> None:
        """The pump's clock stands at (s, us) now: the times of runs are read by it."""
        self._epoch_us = s * 1_000_000 + us - self._clock.now_us

    def append(self, run) -> None:
        """Take a run over (it is copied). ValueError("motor queue") past 2 runs or 64 steps in flight."""
        now_us = self._clock.now_us
        if self._settled_us != now_us:
            self.settle()
        steps = run.steps
        if self._runs == _MAX_RUNS or not 1 <= steps <= MAX_STEPS - self._left or run.size > _LIMBS:
            raise ValueError("motor queue")
        due = _load(self._back if self._runs else self._front, run, now_us, self._epoch_us)
        self._runs += 1
        self._left += steps
        if due:
            self._settled_us = -1
            self.late_runs += due - 1

    def executed(self) -> int:
        """Steps driven since boot, those due at the present instant included."""
        if self._settled_us != self._clock.now_us:
            self.settle()
        return self._made

    def in_flight(self) -> int:
        """Steps appended and not yet driven."""
        if self._settled_us != self._clock.now_us:
            self.settle()
        return self._left

    def cancel(self) -> None:
        """Drop every step that is due after the present instant."""
        self.settle()
        self._runs = 0
        self._left = 0

    def disable(self) -> None:
        """Cut the enable line: nothing moves any more, whatever is driven."""
        self.settle()
        self._driver.disable()
        self._disturbed = True

    def enable(self) -> None:
        """Close the enable line again."""
        self.settle()
        self._driver.enable()

    def lost_steps(self) -> int:
        """Steps driven since boot that the feedback did not see move."""
        if self._settled_us != self._clock.now_us:
            self.settle()
        return self.unmoved_steps if self.feedback else 0

    def supply(self) -> int:
        """Of the motor: 1 it is there, 0 it is not, -1 no sensor is fitted."""
        return self._supply

    def steps_before_reset(self) -> int:
        """Steps driven in the life before this boot; -1: no memory outlived it."""
        return self._steps_before_reset

    def made_steps(self) -> int:
        """For the bench: steps that physically happened since boot."""
        return self.executed() - self.unmoved_steps

    def enabled(self) -> bool:
        """For the bench: is the enable line closed?"""
        return self._driver.on

    def stall(self, for_us: int) -> None:
        """For the bench: every step due in the next for_us microseconds is driven but not made."""
        self.settle()
        self._stall_end_us = self._settled_us + for_us
        self._disturbed = True

    def stalled_for_us(self) -> int:
        """For the bench: what is left of a stall."""
        return max(0, self._stall_end_us - self._clock.now_us) if self._stall_end_us else 0

    def jam_after(self, steps: int) -> None:
        """For the bench: it moves so many steps more and then no further, until called anew; -1: it moves
        on."""
        made = self.made_steps()
        self._jam_at = -1 if steps < 0 else made + steps
        self._disturbed = True

    def settle(self) -> None:
        """Bring counts and trace up to the present instant; the bench calls it, too."""
        now_us = self._clock.now_us
        self._settled_us = now_us
        if self._disturbed or self._trace.on:
            self._settle_disturbed(now_us)
        elif self._runs:
            found = _count(self._front, self._back, self._runs, now_us)
            if found:
                self._take(found, now_us)

    def _take(self, found: int, now_us: int) -> None:
        """What `_count` found."""
        made = found & 0xFF
        self._made += made
        self._left -= made
        if found & 0x300:
            self._end_runs(found >> 8 & 3)
        if found & 0x400:
            self._drive_one_by_one(now_us, False, FOREVER_STEPS)

    def _settle_disturbed(self, now_us: int) -> None:
        if self._stall_end_us:
            self._drive_in_vain(min(now_us, self._stall_end_us))
            if now_us <= self._stall_end_us:
                return
            self._stall_end_us = 0
        if not self._driver.on:
            self._drive_in_vain(now_us)
        elif self._jam_at >= 0:
            self._drive_one_by_one(now_us, self._trace.on, self._jam_at - self._made + self.unmoved_steps)
            if self._made - self.unmoved_steps >= self._jam_at:
                self._drive_in_vain(now_us)
        else:
            self._drive_one_by_one(now_us, self._trace.on, FOREVER_STEPS)
            self._disturbed = False

    def _drive_in_vain(self, until_us: int) -> None:
        """Steps due by until_us are driven but not made."""
        before = self._made
        self._take(_count(self._front, self._back, self._runs, until_us), until_us)
        self.unmoved_steps += self._made - before

    def _end_runs(self, runs: int) -> None:
        """The one in front, or both."""
        self._runs -= runs
        self._front, self._back = self._back, self._front

    def _drive_one_by_one(self, until_us: int, traced: bool, most: int) -> None:
        """Make every step due by until_us, at most `most`."""
        while self._runs and most > 0:
            most -= self._expand_front(until_us, traced, most)
            if self._front[_LEFT]:
                return
            self._end_runs(1)

    def _expand_front(self, until_us: int, traced: bool, most: int) -> int:
        """Steps of the run in front, one by one."""
        block = self._front
        behind = block[2] - block[_LEFT]
        if behind:  # what was only counted
            _expand(block, FOREVER_US, 0, self._unseen, 0, behind)
        if traced:
            made = self._expand_traced(block, until_us, most)
        else:  # nobody wants to know their times
            made = _expand(block, until_us, 0, self._unseen, 0, most if most < MAX_STEPS else MAX_STEPS)
        block[_LEFT] -= made
        self._made += made
        self._left -= made
        return made

    def _expand_traced(self, block, until_us: int, most: int) -> int:
        trace = self._trace
        total = 0
        while True:
            end = min(trace.capacity, trace.used + most - total)
            made = _expand(block, until_us, trace.mark_us, trace.words, trace.used, end)
            trace.used += made
            total += made
            if not block[2] or not _is_due(block, until_us) or total == most:
                return total
            trace.flush()
