"""Runs on MicroPython, the unix port's and the chip's: a planner at a dose, for `plan_run` and `on_chip`."""

from pump.dosing import bigint
from pump.dosing.accumulator import Accumulator
from pump.dosing.planner import Planner
from pump.dosing.scale import Scale, dose_rate


def planner_at(dose_ng_per_day):
    """Morphine of 20 mg/mL in steps of 2.5 nL."""
    rate = dose_rate(dose_ng_per_day)
    accumulator = Accumulator()
    scale = Scale()
    scale.set_drug(20_000_000, 2500)
    scale.fit(accumulator, [rate])
    bigint.load(accumulator.rate, accumulator.size, scale.parts(rate))
    planner = Planner()
    planner.begin(accumulator)
    return planner
