"""A whole run planned in whole numbers of 30 bits is, bit for bit, the one that is planned limb by limb."""

from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pump.dosing import bigint
from pump.dosing.accumulator import Accumulator
from pump.dosing.planner import RUN_STEPS, Planner
from pump.dosing.scale import Scale, bolus_rate, dose_rate

RUNS = 30
BITS_OF_TWO_LIMBS = 2 * bigint.BITS


class LimbByLimb(Planner):
    """By the way that takes numbers of any size."""

    def _plan_full(self, run: Any, limit_s: int, limit_us: int) -> bool:
        return False


def planned(planner: Planner, accumulator: Accumulator, limit_s: int) -> list[object]:
    """All that a motor is told, and where the planner stands after each run."""
    planner.begin(accumulator)
    found: list[object] = []
    for _ in range(RUNS):
        steps = planner.plan(limit_s, 500_000)
        run = planner.run
        found.append(
            (steps, run.steps, run.first_s, run.first_us, run.last_s, run.last_us, run.gap_s, run.gap_us)
        )
        found.append((array("H", planner._lead), planner.next_s, planner.next_us, planner.planned))
    return found


def accumulator_at(dose: int, bolus: int, duration_us: int, phase: int) -> Accumulator:
    scale = Scale()
    scale.set_drug(20_000_000, 2500)
    rates = [dose_rate(dose), bolus_rate(bolus, duration_us)]
    accumulator = Accumulator()
    scale.fit(accumulator, rates)
    unit = bigint.to_int(accumulator.unit, accumulator.size)
    accumulator.load(unit, phase % unit)
    parts = scale.parts(rates[0]) + (scale.parts(rates[1]) if bolus else 0)
    bigint.load(accumulator.rate, accumulator.size, parts)
    accumulator.open(1000, 999_990)
    return accumulator


@pytest.mark.req("DEL-01", part="a run planned at once is the run planned limb by limb")
@given(
    dose=st.integers(1, 48_000_000_000),
    bolus=st.sampled_from((0, 0, 100_000, 123_457)),
    duration_us=st.sampled_from((300_000_000, 7_000_000, 599_999_999)),
    phase=st.integers(0, 1 << 60),
    limit_s=st.integers(1000, 1 << 22),
)
def test_both_ways_are_one(dose: int, bolus: int, duration_us: int, phase: int, limit_s: int):
    accumulator = accumulator_at(dose, bolus, duration_us, phase)
    assert planned(Planner(), accumulator, limit_s) == planned(LimbByLimb(), accumulator, limit_s)


@pytest.mark.parametrize("dose", [6_554, 20_000_000, 214_748_364])
def test_most_rates_take_the_short_way(dose: int):
    accumulator = accumulator_at(dose, 0, 1_000_000, 12_345)
    parts = bigint.to_int(accumulator.rate, accumulator.size)
    assert bigint.BITS < parts.bit_length() <= BITS_OF_TWO_LIMBS
    planner = Planner()
    planner.begin(accumulator)
    assert planner._plan_full(planner.run, 1 << 23, 0)
    assert planner.planned == RUN_STEPS
