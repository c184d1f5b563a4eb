"""A motor that keeps a gap between overdue steps (MOT-07), and the rate that it can make up for (MOT-06).

The rig wakes late, by up to half a minute; its motor makes what is overdue no faster than its gap. Steps are
judged by the oracle: each is the next one due, none comes early, and when the motor has made up for it
all stand where they belong, also after commands that fell into a catch-up.
"""

import random
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.dosing import oracle, rig
from pump.dosing.pace import Pace
from pump.therapy.bounds import Bounds, Refused
from pump.therapy.prescription import Prescription
from thecal.therapy.load import parse_model
from thecal.therapy.rules.whole import motor_problems

GAP_US = 4500  # at the highest flow there may be, 24 mL/day, a step of 2.5 nL is due every 9 ms: half
SECOND_US = 1_000_000
DAY_US = 86_400_000_000
STEP_PL = 2500
NG_PER_ML = 2_000_000
FASTEST_NG_PER_DAY = 24 * NG_PER_ML
BOLUS = {"dose_ng": 50_000, "duration_us": 20 * SECOND_US, "extended": 0}


class SlowMotor(rig.RigMotor):
    """No two steps come closer than the gap when they are overdue."""

    def __init__(self) -> None:
        super().__init__()
        self._last_us = -GAP_US

    def append(self, run: Any) -> None:
        before = len(self.queue)
        super().append(run)
        for index in range(before, len(self.queue)):
            self._last_us = max(self.queue[index], self.now_us, self._last_us + GAP_US)
            self.queue[index] = self._last_us

    def cancel(self) -> None:
        super().cancel()
        self._last_us = self.made[-1] if self.made else -GAP_US


class SlowRig(rig.Rig):
    """Sleeps past its deadlines, now and then by half a minute; counts the turns it takes."""

    def __init__(self, start_us: int = 0, seed: int = 0) -> None:
        super().__init__(start_us)
        self.motor = SlowMotor()
        self.motor.now_us = start_us
        self.delivery.motor = self.delivery.count.motor = self.motor
        self.delivery.pace = Pace(self.motor)
        self.delivery.pace.gap_us = GAP_US
        self._dice = random.Random(seed)
        self.latest_us = 0  # how far the loop ever was behind what it was to wake for

    def run_to(self, until_us: int) -> None:
        while True:
            self.delivery.apply_due(*self.now())
            self.wakes += 1
            if self.motor.now_us >= until_us:
                return
            wake_us = self.delivery.wake.s * SECOND_US + self.delivery.wake.us
            assert wake_us > self.motor.now_us, "it would spin"
            late_us = self._dice.choice((0, 0, 0, 0, 0, 1, 700, 50_000, 30 * SECOND_US))
            self.motor.now_us = min(wake_us + late_us, until_us)


def thin(dose_ng_per_day: int) -> dict[str, Any]:
    """A constant therapy of a thin drug."""
    drug = {**rig.therapy()["drugs"][0], "concentration_ng_per_ml": NG_PER_ML}
    return rig.therapy(drugs=[drug], basal_dose_ng_per_day=dose_ng_per_day)


def due(events: list[dict[str, Any]], end_us: int) -> list[int]:
    """When each step is due."""
    scenario = {"day": 0, "second": 0, "events": events, "end_us": end_us}
    return oracle.Course(scenario, [None] * len(events)).steps(STEP_PL)


def commands(dice: random.Random) -> list[dict[str, Any]]:
    """A program at a flow near the most there may be, then whatever a clinician may ask for."""
    program = thin(FASTEST_NG_PER_DAY // 2 + 7)
    other = thin(FASTEST_NG_PER_DAY // 3 + 1)
    kinds: list[dict[str, Any]] = [
        {"do": "bolus", **BOLUS}, {"do": "stop"}, {"do": "resume"},
        {"do": "program", "therapy": other}, {"do": "program", "therapy": program},
    ]  # fmt: skip
    return [{"do": "program", "therapy": program}, *(dict(dice.choice(kinds)) for _ in range(12))]


@pytest.mark.req("MOT-07", part="no step is lost or made twice, whatever is commanded amid a catch-up")
@pytest.mark.parametrize("seed", range(12))
def test_what_is_overdue_is_made_up_for_at_the_motors_pace(seed: int):
    dice = random.Random(seed)
    found = SlowRig(seed=seed)
    found.delivery.local.set_at(0, 0, 0, 0, 0)
    done: list[dict[str, Any]] = []
    for event in commands(dice):
        found.run_to(found.motor.now_us + dice.choice((1000, SECOND_US, 5 * SECOND_US)))
        before_us = found.motor.now_us
        if found.act(event) is None:
            effect_us = found.delivery.at.s * SECOND_US + found.delivery.at.us
            assert effect_us <= before_us  # back where the motor was
            done.append({**event, "at_us": effect_us})
    assert found.delivery.fault == 0
    end_us = found.motor.now_us + 200 * SECOND_US
    found._dice = random.Random(1)
    found._dice.choice = lambda _: 0  # type: ignore[method-assign]  # in time from here on
    found.run_to(end_us)
    found.motor.settle()
    dues = due(done, end_us)
    made = found.motor.made
    assert len(made) == len(dues)
    assert all(at >= when for at, when in zip(made, dues, strict=True))
    assert min(later - sooner for sooner, later in pairwise(made)) >= GAP_US
    assert made[-100:] == dues[-100:] or not found.delivery.flowing


@pytest.mark.req("MOT-07", part="a catch-up at the highest rate takes no longer than it was late")
def test_the_highest_rate_leaves_half_of_what_the_motor_follows():
    found = SlowRig()
    found._dice.choice = lambda _: 0  # type: ignore[method-assign]
    values = thin(FASTEST_NG_PER_DAY)
    assert values["max_rate_pl_per_day"] * 2 * GAP_US == STEP_PL * DAY_US
    assert found.act({"do": "program", "therapy": values}) is None
    found.run_to(60 * SECOND_US)
    found.motor.now_us += 20 * SECOND_US  # away
    wakes = found.wakes
    found.run_to(found.motor.now_us + 20 * SECOND_US)
    turns = found.wakes - wakes
    assert turns <= 40 * SECOND_US // (48 * GAP_US * 2) * 2 + 10  # a turn for each run of 56, none between
    end_us = found.motor.now_us
    found.motor.settle()
    assert found.motor.made[-50:] == due([{"at_us": 0, "do": "program", "therapy": values}], end_us)[-50:]


# --- the highest rate (MOT-06) ---


@pytest.mark.req("MOT-06", part="host and pump refuse alike, by an exact oracle")
@given(
    st.integers(100, 17_361),
    st.integers(48_000_000, 24 * 10**9),
    st.one_of(st.just(0), st.integers(1, 20_000)),
)
def test_half_of_what_the_motor_follows(step_pl: int, rate_pl: int, gap_us: int):
    fits = gap_us == 0 or Fraction(rate_pl, DAY_US) <= Fraction(step_pl, 2 * gap_us)
    bounds = Bounds(least_gap_us=gap_us)
    values = rig.therapy(
        step_volume_pl=step_pl, max_rate_pl_per_day=rate_pl, basal_dose_ng_per_day=48 * 20_000
    )
    prescription = Prescription(values, bounds)
    if fits:
        bounds.check_speed(prescription)
    else:
        with pytest.raises(Refused) as refused:
            bounds.check_speed(prescription)
        assert refused.value.reason == "motor_speed"
        most = int(refused.value.detail)
        assert Fraction(most, DAY_US) <= Fraction(step_pl, 2 * gap_us) < Fraction(most + 1, DAY_US)
    therapy = parse_model(f'''schema = 1
name = "x"
[pump]
reservoir = "40 mL"
fill = "40 mL"
step_volume = "{step_pl} pL"
[catheter]
pump_tubing = "140 uL"
length = "89 cm"
volume_per_length = "2.2 uL/cm"
[[drug]]
name = "morphine"
concentration = "20 mg/mL"
[basal]
mode = "continuous"
dose = "0.96 mg/day"
[limits]
max_rate = "{rate_pl} pL/day"
''')
    assert (list(motor_problems(therapy, gap_us)) == []) == fits


@pytest.mark.req(
    "MOT-06", part="a program that had been taken runs on after a reset, whatever the board states now"
)
def test_what_runs_is_not_judged_anew():
    values = rig.therapy(step_volume_pl=100)
    found = rig.Rig()
    found.controller.restore(Prescription(values, Bounds(least_gap_us=GAP_US)), 0, 0)
    assert found.controller.prescription is not None
