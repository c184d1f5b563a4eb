"""Runs on MicroPython's unix port: microseconds that the planner takes for a whole run (1 mL/day)."""

import time

from pump.dosing import limbs
from pump.dosing.accumulator import Accumulator
from pump.dosing.planner import Planner
from pump.dosing.scale import Scale, dose_rate

_RUNS = 20_000


def main():
    """The best of five loops, printed."""
    rate = dose_rate(20_000_000)
    accumulator = Accumulator()
    scale = Scale()
    scale.set_drug(20_000_000, 2500)
    scale.fit(accumulator, [rate])
    limbs.load(accumulator.rate, accumulator.size, scale.parts(rate))
    planner = Planner()
    planner.begin(accumulator)
    far_s = 1 << 29
    best_us = 1 << 29
    for _ in range(5):
        began_us = time.ticks_us()
        for _ in range(_RUNS):
            planner.plan(far_s, 0)
        best_us = min(best_us, time.ticks_diff(time.ticks_us(), began_us))
    print(best_us / _RUNS)


main()
