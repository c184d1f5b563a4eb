# pyright: reportAttributeAccessIssue=false
"""A rig whose motor and log never allocate: what a run of days allocates on it, the dosing core allocated.

The text of rig.py, then this one, make one program for every interpreter (`program` in
test_same_everywhere.py): the names at the end put these parts in the place of the rig's own. Times are kept
as (s, us), a step's microsecond goes into a digest, all in integers of 30 bits; so whole days also run on
WebAssembly, where nothing is ever collected.
"""

from firmware.dosing.rig import Rig, follow
from pump.dosing import bigint
from pump.dosing.accumulator import CAPACITY
from pump.records.event_queue import EventQueue
from pump.units import Instant

MILLION = 1_000_000
_MASK = 0xFFFFFF


class Digest:
    """Two sums of 24 bits over (s, us) of every step, in their order."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.count = 0
        self.low = 1
        self.high = 2

    def take(self, s, us):
        self.count += 1
        self.low = ((self.low & 0x7FFFF) << 5 | self.low >> 19) ^ us
        self.high = (((self.high & 0x1FFFF) << 7 | self.high >> 17) ^ (s & _MASK)) + self.low & _MASK

    def shown(self):
        return [self.count, self.low, self.high]


class _Slot:
    """A run in the motor."""

    def __init__(self):
        self.left = 0
        self.s = 0  # of the next step
        self.us = 0
        self.gap_s = 0
        self.gap_us = 0
        self.size = 1
        self.lead = bigint.new(CAPACITY)
        self.carry = bigint.new(CAPACITY)
        self.modulus = bigint.new(CAPACITY)

    def take(self, run):
        size = run.size
        self.size = size
        self.left = run.steps
        self.s = run.first_s
        self.us = run.first_us
        self.gap_s = run.gap_s
        self.gap_us = run.gap_us
        bigint.copy(self.lead, run.lead, size)
        bigint.copy(self.carry, run.carry, size)
        bigint.copy(self.modulus, run.modulus, size)

    def move_on(self):
        us = self.us + self.gap_us
        if bigint.less(self.lead, self.carry, self.size):
            us += 1
            bigint.add(self.lead, self.modulus, self.size)
        bigint.subtract(self.lead, self.carry, self.size)
        self.s += self.gap_s
        while us >= MILLION:
            us -= MILLION
            self.s += 1
        self.us = us


class LockedMotor:
    """Two runs, a count and a digest of what was made."""

    def __init__(self):
        self.s = 0
        self.us = 0
        self.now_us = 0  # the rig sets it; unused
        self.digest = Digest()
        self._front = _Slot()
        self._back = _Slot()

    def lost_steps(self):
        return 0

    def append(self, run):
        self.settle()
        if self._front.left and self._back.left:
            raise ValueError("two runs are with the motor already")
        if self._front.left + run.steps > 64:
            raise ValueError("more than 64 steps with the motor")
        if self._front.left:
            self._back.take(run)
        else:
            self._front.take(run)

    def settle(self):
        while self._front.left:
            slot = self._front
            while slot.left and (slot.s < self.s or (slot.s == self.s and slot.us <= self.us)):
                self.digest.take(slot.s, slot.us)
                slot.left -= 1
                slot.move_on()
            if slot.left:
                return
            self._front = self._back
            self._back = slot

    def executed(self):
        self.settle()
        return self.digest.count

    def in_flight(self):
        self.settle()
        return self._front.left + self._back.left

    def cancel(self):
        self.settle()
        self._front.left = 0
        self._back.left = 0


_QUEUE = EventQueue(Instant(0, 0), len)


def LockedLog():  # noqa: N802 - takes the place of a class
    """The pump's own event queue, one for all rigs; full after a while, as nothing empties it."""
    return _QUEUE


class LockedRig(Rig):
    """The rig with a clock of two small integers."""

    def __init__(self, start_us=0):
        Rig.__init__(self, 0)
        self.log.tell_local_time(self.delivery.local)
        self.motor.s = start_us // MILLION
        self.motor.us = start_us % MILLION

    def now(self):
        return self.motor.s, self.motor.us

    def turn(self):
        """Whatever is due now."""
        self.delivery.apply_due(self.motor.s, self.motor.us)

    def next_wake(self):
        """When the next turn is due."""
        return self.delivery.wake

    def run_until(self, until_s, until_us):
        """As the rig's run_to. Allocates nothing of its own."""
        motor = self.motor
        while True:
            self.turn()
            wake = self.next_wake()
            self.wakes += 1
            if motor.s == until_s and motor.us == until_us:
                motor.settle()
                return
            if not wake.by(until_s, until_us):
                motor.s = until_s
                motor.us = until_us
            elif not wake.by(motor.s, motor.us):
                motor.s = wake.s
                motor.us = wake.us

    def run_to(self, until_us):
        self.run_until(until_us // MILLION, until_us % MILLION)


def play_locked(scenario):
    """rig.play with a digest in place of the list of times: [count, low, high, wakes, fault, refusals]."""
    rig = LockedRig(scenario["start_us"])
    refusals = follow(rig, scenario)
    return rig.motor.digest.shown() + [rig.wakes, rig.delivery.fault, refusals]


RigMotor = LockedMotor
RigLog = LockedLog
