"""The guard around the dosing core, days with the heap locked, on both sizes of small integers: it allocates
nothing, has nothing to say of good therapy, and stops the motor when the driver makes steps of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firmware.dosing.test_heap_lock import DAYS
from firmware.dosing.test_same_everywhere import program
from firmware.safety import rig as guard_rig

IMPORT = "from firmware.dosing.rig import MILLION, Rig, RigLog, RigMotor, therapy\n"

GUARDED = """
class QuietSensors:
    NO_READING = NO_READING

    def __init__(self):
        self.samples = 0
        self.sample()

    def sample(self):
        self.samples += 1
        noise = self.samples % 3
        self.temperature_mc = 37_000 + noise
        self.battery_mv = 3_000 + noise
        self.upstream_pa = noise
        self.downstream_pa = 1_000 + noise


class CountedMotor(LockedMotor):
    def __init__(self):
        LockedMotor.__init__(self)
        self.extra = 0
        self.enabled = True

    def executed(self):
        return LockedMotor.executed(self) + self.extra

    def supply(self):
        return -1

    def lost_steps(self):
        return 0

    def disable(self):
        self.enabled = False

    def enable(self):
        self.enabled = True


RigMotor = CountedMotor


PlainRig = LockedRig


class GuardedRig(PlainRig):
    # the therapies' days (DAYS) with the guard around them

    def __init__(self, start_us):
        PlainRig.__init__(self, start_us)
        self.time = Instant(*self.now())
        self.look_at = Instant()
        board = Board(self.motor)
        board.sensors = QuietSensors()
        parts = (board, self.time, self.controller, self.log, Persistence())
        self.guard = Supervisor(*parts, Bounds().floor_pl_per_day)
        Readiness(self.guard, *parts).start_up()

    def turn(self):
        motor = self.motor
        guard = self.guard
        self.time.set(motor.s, motor.us)
        PlainRig.turn(self)
        if motor.s >= guard.due_s or guard.runs >= EVALUATE_RUNS or guard.alarms.changed:
            guard.evaluate(motor.s, motor.us)

    def next_wake(self):
        wake = PlainRig.next_wake(self)
        if self.motor.s < self.guard.wake_s <= wake.s:
            self.look_at.set(self.guard.wake_s, 0)
            return self.look_at
        return wake

    def act(self, event):
        self.time.set(*self.now())
        return PlainRig.act(self, event)


LockedRig = GuardedRig


def raised(rig):
    return [number for number in range(1, 27) if rig.guard.alarms.stands(number)]


for day in (basal_and_boluses, flex_and_periodic, plan_and_pause, prime):
    rig = day()
    if rig.refused:
        raise ValueError(rig.refused)
    steps, notes = locked_day(rig)
    before = rig.guard.state(), raised(rig)
    rig.motor.extra = 100
    rig.run_until(rig.motor.s + 130, 0)
    print(day.__name__, steps, before, rig.guard.state(), raised(rig), rig.motor.enabled)
"""


def text() -> str:
    rig = Path(guard_rig.__file__).read_text().partition("\ndef refused(")[0]
    assert IMPORT in rig
    parts, mark, names = program().partition("\nRigMotor = LockedMotor\n")
    assert mark
    return parts + "\n" + rig.replace(IMPORT, "") + mark + names + DAYS + GUARDED


def check(stdout: str) -> None:
    lines = stdout.splitlines()
    assert len(lines) == 4, stdout
    for line in lines:
        name, steps, after = line.split(" ", 2)
        assert int(steps) > 1000, line
        assert after == "(1, []) 3 [7] False", name


@pytest.mark.req("INT-07", part="on 63 bits, with the heap locked")
def test_a_guarded_day_on_63_bit_small_integers(run_micropython: Callable[..., Any]):
    check(run_micropython(text(), heap="4M").stdout)


@pytest.mark.req("INT-07", part="on 31 bits, with the heap locked")
def test_a_guarded_day_on_31_bit_small_integers(run_wasm: Callable[..., Any]):
    check(run_wasm(text(), timeout=240).stdout)
