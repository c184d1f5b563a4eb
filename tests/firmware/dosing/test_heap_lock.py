"""The steady path allocates nothing: simulated days with the heap locked, on both sizes of small integers.

Commands are given first, then the heap is locked and a day passes, with everything in it that happens by
itself: boluses that end and go on, periodic boluses, flex steps, plan steps, a stop that ends by itself,
prime and bridge.
"""

from collections.abc import Callable
from typing import Any

import pytest

from firmware.dosing.test_same_everywhere import program

DAYS = """
import gc
import micropython

gc.disable()
HOUR = 3_600_000_000
BOLUS = {"dose_ng": 100_000, "duration_us": 1_200_000_000, "extended": 0}


def begin(**changes):
    rig = LockedRig(1_000_000_123_456)
    rig.delivery.local.set_at(1_000_000, 123_456, 9500, 3_600, 7)
    rig.refused = rig.act({"do": "program", "therapy": therapy(step_volume_pl=25_000, **changes)})
    return rig


def give(rig, do, **fields):
    fields["do"] = do
    refused = rig.act(fields)
    if refused:
        raise ValueError(refused)


PATIENT = [{"dose_ng": 100_000, "duration_us": 299_993_000, "lockout_us": 1_000_000, "max_per_24h": 4}]


def basal_and_boluses():
    rig = begin(patient_bolus=PATIENT)
    rig.run_to(1_000_002_000_000)
    give(rig, "bolus", dose_ng=150_000, duration_us=7_200_000_007, extended=1)
    give(rig, "bolus", **BOLUS)
    rig.run_to(1_000_060_000_001)
    give(rig, "patient_bolus")
    return rig


def flex_and_periodic():
    steps = [{"start_min": 240 * i, "days": 127, "dose_ng_per_day": 2_400_000 + 1009 * i} for i in range(6)]
    periodic = []
    for i in range(4):
        bolus = {"dose_ng": 20_000 + i, "duration_us": 300_000_007, "first_us": 1_000_000 + i}
        periodic.append(dict(bolus, every_us=HOUR * (3 if i else 1)))
    return begin(basal_mode=2, basal_dose_ng_per_day=0, basal_steps=steps, periodic_boluses=periodic)


def plan_and_pause():
    plan = [{"after_us": 5_000_000_001 * i, "dose_ng_per_day": 2_400_000 - 100_000 * i} for i in range(1, 10)]
    rig = begin(plan=plan)
    rig.run_to(1_006_000_000_000)
    rig.controller.stop(1_200, *rig.now())
    return rig


def prime():
    rig = begin()
    rig.run_to(1_003_000_000_000)
    rig.controller.set_implant(*rig.now())
    rig.controller.prime({"dry": 1}, *rig.now())
    return rig


def bridge():
    rig = begin()
    rig.run_to(1_003_000_000_000)
    rig.controller.refill({"volume_pl": 40_000_000_000, "residual_pl": 0}, *rig.now())
    drugs = therapy()["drugs"]
    drugs[0]["concentration_ng_per_ml"] = 10_000_000
    old = [{"dose_ng_per_day": 9_600_007, "concentration_ng_per_ml": 20_000_000}]
    give(rig, "program", therapy=therapy(step_volume_pl=25_000, drugs=drugs, bridge=old))
    return rig


def locked_day(rig):
    first = rig.motor.executed()
    s, us = rig.now()
    until_s = s + 86_400
    notes = rig.log.next_sequence
    micropython.heap_lock()
    try:
        rig.run_until(until_s, us)
    finally:
        micropython.heap_unlock()
    return rig.motor.executed() - first, rig.log.next_sequence - notes
"""

RUN = """
for day in (basal_and_boluses, flex_and_periodic, plan_and_pause, prime, bridge):
    rig = day()
    if rig.refused:
        raise ValueError(rig.refused)
    before = gc.mem_alloc()
    steps, notes = locked_day(rig)
    print(day.__name__, steps, notes, rig.delivery.fault)
"""

# Notes: what happened by itself in the day. Steps are held against fractions elsewhere (test_exactness).
NOTES = {"basal_and_boluses": 3, "flex_and_periodic": 90, "plan_and_pause": 9, "prime": 1, "bridge": 1}

ALLOCATING = """
class AllocatingLog(EventQueue):
    def __init__(self):
        EventQueue.__init__(self, Instant(0, 0), len)
        self.kept = []

    def note_at(self, s, us, kind, code, ref, a, b):
        self.kept.append((s, us))


RigLog = AllocatingLog
try:
    locked_day(basal_and_boluses())
    print("nothing was noticed")
except MemoryError:
    print("noticed")
"""


def check(stdout: str) -> None:
    seen: dict[str, int] = {}
    for line in stdout.splitlines():
        name, steps, notes, fault = line.split()
        assert fault == "0"
        assert int(steps) > 1000, line
        seen[name] = int(notes)
    assert seen.keys() == NOTES.keys()
    for name, least in NOTES.items():
        assert seen[name] >= least, name


@pytest.mark.req("DEL-01", part="the steady path allocates nothing")
def test_a_locked_day_on_63_bit_small_integers(run_micropython: Callable[..., Any]):
    check(run_micropython(program() + DAYS + RUN, heap="4M").stdout)


@pytest.mark.req("DEL-01", part="the steady path allocates nothing on 31 bits")
def test_a_locked_day_on_31_bit_small_integers(run_wasm: Callable[..., Any]):
    check(run_wasm(program() + DAYS + RUN).stdout)


def test_an_allocating_log_is_noticed(run_micropython: Callable[..., Any]):
    assert run_micropython(program() + DAYS + ALLOCATING, heap="4M").stdout == "noticed\n"
