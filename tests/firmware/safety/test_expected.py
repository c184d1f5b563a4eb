"""What the guard expects: of every mode, of every bolus; and the gap that it asks of a run."""

from fractions import Fraction
from typing import Any

import pytest

from firmware.safety.rig import MILLION, Board, Guarded, Motor, refused, rig
from thecal_protocol import alarms as alarm
from thecal_protocol import states
from thecal_protocol.bolus_kinds import CLINICIAN_BOLUS

HOUR_US = 3_600 * MILLION
DAY = 86_400
REFILL = {
    "volume_pl": 40_000_000_000,
    "residual_pl": 0,
    "lot": "",
    "expiry_day": 0,
    "checked": 0,
    "measured_pl": 0,
}


@pytest.mark.req(
    "DEL-05", part="the gap that a run must keep, within 3 % below 1/1.145 of the prescribed one"
)
@pytest.mark.parametrize("ul_per_day", [48, 49, 97, 216, 217, 431, 433, 1_000, 5_000])
@pytest.mark.parametrize("step_volume_pl", [100, 2_500, 100_000])
def test_the_gap_of_a_run(ul_per_day: int, step_volume_pl: int):
    found = Guarded(
        1_000_000_000_123,
        basal_dose_ng_per_day=20_000 * ul_per_day,
        step_volume_pl=step_volume_pl,
    )
    guard = found.guard.guard
    exact_us = Fraction(DAY * MILLION * step_volume_pl * 1_000, ul_per_day * MILLION * 1_145)
    asked_us = guard._gap_s * MILLION + guard._gap_us
    assert asked_us <= exact_us
    assert asked_us >= exact_us * 97 / 100 - 3


PLAN = [
    {"after_us": HOUR_US, "dose_ng_per_day": 40_000_000},
    {"after_us": 3 * HOUR_US, "dose_ng_per_day": 8_000_000},
]


@pytest.mark.req("DEL-03", "DEL-04", part="a plan's steps are expected as they come")
def test_a_plan_is_expected():
    found = rig(plan=[dict(step) for step in PLAN])
    found.run_for(5 * 3_600)
    assert found.standing() == []
    assert found.log.kinds(14) == []


@pytest.mark.req("DEL-03", part="a plan that does not go down is too much")
def test_a_plan_that_stays_high_is_stopped():
    found = rig(plan=[dict(step) for step in PLAN])
    found.run_for(2 * 3_600)
    planned: Any = found.delivery.plan
    dose = planned.dose
    planned.dose = lambda: dose() if planned.index < 2 else planned._doses[1]
    before = found.motor.moved()
    found.run_for(3_600)
    assert found.state() == states.FAULT
    assert found.standing() == [alarm.OVER_INFUSION]
    assert found.motor.moved() - before <= 800_000 * 3_600 // DAY + 2


@pytest.mark.req("DEL-03", "DEL-04", part="an extended bolus that gives way keeps its time")
def test_an_extended_bolus_that_waits_is_expected_later():
    patient = {"dose_ng": 100_000, "duration_us": 1_200 * MILLION, "lockout_us": 1_000_000, "max_per_24h": 9}
    found = rig(basal_dose_ng_per_day=2_400_000, patient_bolus=[patient])
    found.tick()
    values = {"dose_ng": 2_000_000, "duration_us": HOUR_US, "extended": 1}
    found.controller.boluses.start_clinician(values, *found.now())
    found.run_for(600)
    found.tick()
    found.controller.boluses.request_patient(*found.now())
    found.run_for(3 * 3_600)
    assert found.log.kinds(14) == []
    assert [note[2] for note in found.log.kinds(8)] == [2, 4]


@pytest.mark.req("DEL-03", "DEL-05", part="in a bridge the basal rate is not expected beside the bridge's")
def test_a_bridge_is_expected_alone():
    found = rig()
    found.tick()
    found.controller.refill(REFILL, *found.now())
    drug = {"name": "morphine", "concentration_ng_per_ml": 10_000_000}
    drug.update(max_dose_24h_ng=0, max_dose_1h_ng=0)
    bridge = {"dose_ng_per_day": 9_600_007, "concentration_ng_per_ml": 20_000_000}
    found.program(basal_dose_ng_per_day=5_000_000, drugs=[drug], bridge=[bridge])
    rate = found.guard.guard.rate
    expected = Fraction(64 * 9_600_007 * 1_000_000, 20_000_000 * 2_500) * 1_000  # 64ths of a step a day
    assert abs(rate.a_s * DAY + rate.rest - expected) <= 2
    found.run_for(6 * 3_600)
    assert found.log.kinds(14) == []


@pytest.mark.req(
    "BOL-07", "BOL-09", part="an alarm that stops the motor ends a bolus; none of it comes later"
)
def test_a_bolus_ends_where_an_alarm_stops_it():
    found = rig()
    found.bolus(1_000_000, 7_200)
    found.run_for(1_800)
    found.board.sensors.shown[3] = 30_000  # downstream: the catheter is blocked
    found.run_for(600)
    assert found.standing() == [alarm.OCCLUSION_DOWNSTREAM]
    assert [note[2] for note in found.log.kinds(9)] == [CLINICIAN_BOLUS]  # cut short
    found.board.sensors.shown[3] = 1_000
    found.run_for(600)
    assert found.standing() == []
    made = found.motor.moved()
    found.run_for(3_600)
    assert found.motor.moved() - made == pytest.approx(400_000 / 24, abs=1)


@pytest.mark.req("INT-07", "BOL-09", part="in a catch-up what was made is judged before each overdue run")
def test_a_catch_up_ends_where_the_driver_has_made_steps_of_its_own():
    """Half a minute late at 4.75 mL a day: some 660 steps are overdue, a dozen runs in one turn."""
    found = rig(basal_dose_ng_per_day=95_000_000)
    found.motor.run_away(3_000)
    found.motor.now_us += 30 * MILLION
    made = found.motor.executed()
    found.turn()
    assert found.standing() == [alarm.OVER_INFUSION]
    assert found.motor.executed() - made <= 64


@pytest.mark.req("BOL-09", part="what is late by less than a minute is made up for, to the step")
@pytest.mark.parametrize("late_s", [1, 30, 59])
def test_a_catch_up_that_is_in_order(late_s: int):
    found = rig(basal_dose_ng_per_day=95_000_000)
    made = found.motor.moved()
    found.motor.now_us += late_s * MILLION
    found.run_for(3_600)
    assert found.standing() == []
    assert found.motor.moved() - made == pytest.approx(1_900_000 * (3_600 + late_s) / DAY, abs=1)
    found.bolus(100_000, 600)  # the phase agrees with the motor's count
    assert found.state() == states.INFUSING


@pytest.mark.req("INT-07", part="a run handed out before is not handed out again, also while a bolus runs")
def test_a_repeated_run_amid_a_bolus():
    found = rig()
    found.bolus(1_000_000, 3_600)
    found.run_for(900)
    found.delivery.planner.next_s -= 5
    before = found.motor.moved()
    found.run_for(60)
    assert found.state() == states.FAULT
    assert found.motor.moved() - before <= 64


@pytest.mark.req(
    "INT-07", part="where a step is another dose, windows begin anew; the limit holds before and after"
)
def test_the_limit_over_an_hour_with_another_step():
    """A refill of a weaker drug: as many steps again are no more than half the dose."""
    drug = {"name": "morphine", "concentration_ng_per_ml": 20_000_000, "max_dose_24h_ng": 0}
    drug["max_dose_1h_ng"] = 1_100_000
    found = Guarded(1_000_000_000_123, basal_dose_ng_per_day=24_000_000, drugs=[dict(drug)])
    found.run_for(3_600)
    found.tick()
    found.controller.refill(REFILL, *found.now())
    weaker = {**drug, "concentration_ng_per_ml": 40_000_000}
    found.program(basal_dose_ng_per_day=24_000_000, drugs=[weaker])
    found.run_for(2 * 3_600)
    assert found.standing() == []
    limit = 1_100_000 * 1_000 // (40_000_000 * 2_500 // 1_000_000)
    assert found.guard.guard.limit_1h == limit + 8


@pytest.mark.req("INT-01", part="a pump that has not been tested makes no step")
def test_before_the_self_test_nothing_may_run():
    found = Guarded(1_000_000_000_123, Board(Motor()))
    found.program()
    found.run_for(60)
    assert found.guard.may_run()
    found.guard.testing = True
    assert not found.guard.may_run()
    fresh = type(found.guard)(
        found.board, found.time, found.controller, found.log, found.persistence, 48_000_000
    )
    assert fresh.testing


@pytest.mark.req("DEL-06", part="in the pump: nothing of it is applied")
@pytest.mark.parametrize("dose_ng_per_day", [0, 1, 959_999, 480_000_001, 10**15])
def test_a_rate_outside_its_range_is_refused_whole(dose_ng_per_day: int):
    found = rig(basal_dose_ng_per_day=2_400_000)
    running = found.controller.prescription
    assert refused(found.program, basal_dose_ng_per_day=dose_ng_per_day) == "out_of_range"
    assert found.controller.prescription is running
    before = found.motor.executed()
    found.run_for(8_640)
    assert abs(found.motor.executed() - before - 4_800) <= 1
