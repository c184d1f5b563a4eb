"""What was given and what is planned, together: programs committed again and again, and moved clocks, keep
the limits (docs/explanation/dosing.md, Rolling limits). Judged by the motor's own steps."""

import random

import pytest

from firmware.dosing import rig

HOUR = 3_600_000_000
DAY = 24 * HOUR
STEP_PL = 50_000
NG_PER_STEP = 1_000  # at 20 mg/mL
LIMIT_STEPS = 3_000


def most_in(made: list[int], window_us: int) -> int:
    """The most steps in any window."""
    most = first = 0
    for last, at in enumerate(made):
        while made[first] <= at - window_us:
            first += 1
        most = max(most, last - first + 1)
    return most


def limited(limit_steps: int = LIMIT_STEPS, field: str = "max_dose_24h_ng", **changes: object):
    values = rig.therapy(step_volume_pl=STEP_PL, basal_dose_ng_per_day=2_000 * NG_PER_STEP, **changes)
    values["drugs"][0][field] = limit_steps * NG_PER_STEP
    return values


def commit(values: object) -> dict[str, object]:
    return {"do": "program", "therapy": values}


def periodic(first_us: int) -> list[dict[str, int]]:
    every = {"dose_ng": 300 * NG_PER_STEP, "duration_us": 300_000_000, "every_us": 12 * HOUR}
    return [{**every, "first_us": first_us}]


@pytest.mark.req("BOL-05", part="programs committed again and again")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("field", ["max_dose_24h_ng", "max_dose_1h_ng"])
def test_commits_again_and_again_keep_the_limit(seed: int, field: str):
    """Each begins its periodic bolus anew: some of them must be refused."""
    dice = random.Random(seed)
    limit, window = (LIMIT_STEPS, DAY) if field == "max_dose_24h_ng" else (500, HOUR)
    found = rig.Rig(1_000_000_000_123)
    assert found.act(commit(limited(limit, field, periodic_boluses=periodic(HOUR)))) is None
    reasons: list[object] = []
    for _ in range(40):
        found.run_to(found.motor.now_us + dice.randrange(HOUR // 20, HOUR))
        again = limited(limit, field, periodic_boluses=periodic(dice.randrange(10**6, HOUR)))
        if dice.random() < 0.5:
            again["plan"] = [{"after_us": HOUR, "dose_ng_per_day": 2_300 * NG_PER_STEP}]
        reasons.append(found.act(commit(again)))
    found.run_to(found.motor.now_us + 2 * DAY)
    assert most_in(found.motor.made, window) <= limit + 2
    assert "limit_24h" in reasons or "limit_1h" in reasons
    assert None in reasons


@pytest.mark.req("BOL-05", part="a lower dose with a lower limit is never refused for what was given")
def test_a_lower_limit_is_no_reason_to_go_on_with_the_higher_dose():
    found = rig.Rig(1_000_000_000_123)
    found.act(commit(limited(2_100)))
    found.run_to(found.motor.now_us + 2 * DAY)
    lower = limited(1_100)
    lower["basal_dose_ng_per_day"] = 1_000 * NG_PER_STEP
    assert found.act(commit(lower)) is None
    found.run_to(found.motor.now_us + DAY)
    higher = limited(2_100)  # back again: 1,000 given, 2,000 a day to come
    assert found.act(commit(higher)) is None


FLEX = [
    {"start_min": 0, "days": 127, "dose_ng_per_day": 1_200 * NG_PER_STEP},
    {"start_min": 600, "days": 127, "dose_ng_per_day": 9_600 * NG_PER_STEP},  # 1,600 in four hours
    {"start_min": 840, "days": 127, "dose_ng_per_day": 1_200 * NG_PER_STEP},
]


@pytest.mark.req("BOL-05", part="the clock of a flex schedule moved")
@pytest.mark.parametrize("absolute", [0, 1])
def test_a_moved_clock_does_not_repeat_the_high_part(absolute: int):
    found = rig.Rig(1_000_000_000_123)
    found.delivery.local.set_at(*found.now(), 9501, 0, 0)
    values = limited(2_700, basal_mode=2, basal_steps=[dict(step) for step in FLEX])
    values["basal_dose_ng_per_day"] = 0
    assert found.act(commit(values)) is None
    begin_us = found.motor.now_us
    found.run_to(begin_us + DAY + 15 * HOUR)
    clock = {"do": "clock", "absolute": absolute, "day": 9502, "second": 9 * 3600, "us": 0}
    clock["offset_us"] = -6 * HOUR
    assert found.act(clock) == "limit_24h"
    found.delivery.local.at(*found.now())
    assert (found.delivery.local.day, found.delivery.local.second) == (9502, 15 * 3600)
    assert found.act({**clock, "second": 15 * 3600 + 600, "offset_us": 600_000_000}) is None
    found.run_to(begin_us + 4 * DAY)
    assert most_in(found.motor.made, DAY) <= 2_700 + 2


def test_a_clock_without_a_schedule_moves_freely():
    found = rig.Rig(1_000_000_000_123)
    found.act(commit(limited(2_001)))
    found.run_to(found.motor.now_us + 2 * DAY)
    clock = {"do": "clock", "absolute": 0, "day": 0, "second": 0, "us": 0, "offset_us": -6 * HOUR}
    found.delivery.local.set_at(*found.now(), 9501, 0, 0)
    assert found.act(clock) is None
