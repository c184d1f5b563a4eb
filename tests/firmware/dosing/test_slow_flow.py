"""A flow so slow that its next step lies beyond 2^30 seconds: nothing falls due, and nothing breaks."""

import pytest

from firmware.dosing import oracle, rig

DAY_US = 86_400_000_000


@pytest.mark.req("DEL-01", part="the slowest bolus")
def test_the_smallest_bolus_over_a_day_on_top_of_nothing():
    """1 ng over 24 h at 100 mg/mL in steps of 10 uL: one step in 2,700 years."""
    drugs = rig.therapy()["drugs"]
    drugs[0]["concentration_ng_per_ml"] = 100_000_000
    therapy = rig.therapy(basal_mode=0, basal_dose_ng_per_day=0, step_volume_pl=10_000_000, drugs=drugs)
    scenario = {
        "start_us": 0,
        "end_us": 2 * DAY_US,
        "day": 0,
        "second": 0,
        "events": [
            {"at_us": 0, "do": "program", "therapy": therapy},
            {"at_us": 5, "do": "bolus", "dose_ng": 1, "duration_us": DAY_US, "extended": 0},
        ],
    }
    times, refusals, played = rig.play(scenario)
    assert refusals == [None, None]
    assert times == oracle.Course(scenario, refusals).steps(10_000_000) == []
    assert played.delivery.fault == 0


@pytest.mark.req("DEL-01", part="the slowest bolus")
def test_a_step_that_was_almost_due_still_comes_in_the_slowest_flow():
    """The basal flow leaves 0.99..9 of a step; 1 ng over a day completes it."""
    drugs = rig.therapy()["drugs"]
    drugs[0]["concentration_ng_per_ml"] = 100_000_000
    step_ng = 1_000_000  # 10 uL
    therapy = rig.therapy(basal_dose_ng_per_day=4_800_000, step_volume_pl=10_000_000, drugs=drugs)
    stopped = dict(therapy, basal_mode=0, basal_dose_ng_per_day=0)
    almost_us = step_ng * DAY_US // 4_800_000 - 10  # 10 us of basal short of one step
    events = [
        {"at_us": 0, "do": "program", "therapy": therapy},
        {"at_us": almost_us, "do": "program", "therapy": stopped},
        {"at_us": almost_us, "do": "bolus", "dose_ng": 1, "duration_us": DAY_US, "extended": 0},
    ]
    scenario = {"start_us": 0, "end_us": 2 * DAY_US, "day": 0, "second": 0, "events": events}
    times, refusals, _ = rig.play(scenario)
    assert refusals == [None, None, None]
    assert len(times) == 1
    assert times == oracle.Course(scenario, refusals).steps(10_000_000)
