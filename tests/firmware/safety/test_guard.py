"""The dose guard: whatever the planner is made to do, the motor is stopped within the stated bound (INT-07).

The guard sees the hardware's own count; the planner and everything it works with are spoiled here in
every way that could be named. Bounds: docs/explanation/safety.md, What a fault may cost."""

import pytest

from firmware.dosing.rig import section
from firmware.safety.rig import MILLION, Guarded
from pump.dosing import bigint
from pump.safety.states import THERAPY
from thecal_protocol import alarms as alarm
from thecal_protocol import states
from thecal_protocol.program import NO_PATIENT_BOLUS, WITHDRAWAL

RATES_UL = (48, 120, 1_000, 5_000)


def rig(ul_per_day: int = 1_000, **changes: object) -> Guarded:
    found = Guarded(1_000_000_000_123, basal_dose_ng_per_day=20_000 * ul_per_day, **changes)
    found.run_for(1_800)
    assert found.standing() == []
    return found


def faster(found: Guarded, num: int, den: int = 1) -> None:
    """From now on: the rate in the accumulator, the planner's strides and the copies that guard memory."""
    found.tick()
    found.delivery.close_segment(*found.now())
    found.delivery.open_segment(*found.now(), False)
    found.motor.cancel()
    accumulator = found.delivery.accumulator
    rate = bigint.to_int(accumulator.rate, accumulator.size)
    bigint.load(accumulator.rate, accumulator.size, rate * num // den)
    found.delivery.planner.begin(accumulator)
    found.guard.critical.seal()
    found.guard.guard.opening(found.now()[0], THERAPY)


@pytest.mark.req("INT-07", "DEL-03", "DEL-05")
@pytest.mark.parametrize("ul_per_day", RATES_UL)
@pytest.mark.parametrize("times", [2, 3, 10])
def test_a_wrong_rate_does_not_reach_the_motor(ul_per_day: int, times: int):
    found = rig(ul_per_day)
    before = found.motor.moved()
    faster(found, times)
    found.run_for(3_600)
    assert found.state() == states.FAULT
    assert alarm.OVER_INFUSION in found.standing()
    assert not found.motor.enabled
    assert found.motor.moved() - before <= 1


@pytest.mark.req("INT-07", "DEL-03", "DEL-05", part="just outside the outer band")
@pytest.mark.parametrize("ul_per_day", [120, 1_000])
def test_a_rate_just_outside_the_outer_band_is_stopped(ul_per_day: int):
    found = rig(ul_per_day)
    before = found.motor.moved()
    faster(found, 1200, 1000)
    found.run_for(1_200)
    assert found.state() == states.FAULT
    assert found.motor.moved() - before <= 1


class Drifting:
    """Scales the motor's own count from now on, as a driver would that makes more or fewer steps than
    asked."""

    def __init__(self, found: Guarded, num: int, den: int):
        self.found = found
        self.num = num
        self.den = den
        self.from_made = len(found.motor.made)
        self.real = 0

    def __call__(self) -> None:
        motor = self.found.motor
        motor.settle()
        if motor.enabled:
            asked = len(motor.made) - self.from_made
            motor.extra = asked * (self.num - self.den) // self.den


@pytest.mark.req("DEL-03")
@pytest.mark.parametrize(("num", "stops"), [(112, True), (111, True), (108, False), (105, False)])
def test_more_than_110_percent_for_15_min_is_an_alarm(num: int, stops: bool):
    found = rig(1_000)
    found.run_for(2_400, Drifting(found, num, 100))
    assert (alarm.OVER_INFUSION in found.standing()) == stops
    assert (found.state() == states.FAULT) == stops


@pytest.mark.req("DEL-03", part="not before the time")
def test_between_the_bands_takes_its_time():
    found = rig(1_000)
    found.run_for(600, Drifting(found, 112, 100))
    assert found.standing() == []


@pytest.mark.req("DEL-05", part="the timer clears on return")
def test_the_timer_clears_when_the_flow_returns():
    found = rig(1_000)
    for _ in range(6):
        drift = Drifting(found, 113, 100)
        extra = found.motor.extra
        drift.num = 113
        found.run_for(500, lambda drift=drift, extra=extra: _add(found, drift, extra))
        found.run_for(1_000)
    assert found.standing() == []


def _add(found: Guarded, drift: Drifting, extra: int) -> None:
    drift()
    found.motor.extra += extra


@pytest.mark.req("DEL-03", part="free flow")
@pytest.mark.parametrize("state", ["infusing", "stopped"])
def test_free_flow_is_stopped_at_once(state: str):
    found = rig(1_000)
    if state == "stopped":
        found.tick()
        found.controller.stop(0, *found.now())
    before = found.motor.moved()
    found.motor.run_away(200)
    found.run_for(180)
    assert found.state() == states.FAULT
    assert not found.motor.enabled
    assert found.motor.moved() - before <= 200 + 1_000 * 400 * 120 // 86_400


@pytest.mark.req("DEL-04")
def test_less_than_90_percent_for_15_min_is_an_alarm_and_clears():
    found = rig(1_000)
    motor = found.motor
    made = len(motor.made)
    found.run_for(2_400, lambda: setattr(motor, "extra", -((len(motor.made) - made) // 6)))
    assert found.standing() == [alarm.UNDER_INFUSION]
    assert found.state() == states.INFUSING
    found.run_for(1_200)
    assert found.standing() == []


@pytest.mark.req("DEL-04", "DEL-14", part="its class by the program's library section, never by a name")
@pytest.mark.parametrize(
    ("name", "library", "critical"),
    [
        ("clonidine", section([0], WITHDRAWAL), 1),
        ("anything", section([0], WITHDRAWAL | NO_PATIENT_BOLUS), 1),
        ("Baclofen", section([0], NO_PATIENT_BOLUS), 0),
        ("baclofen", section([0]), 0),
        ("morphine", [], 1),  # nothing is said of it: the strictest rules
    ],
)
def test_its_class_is_the_drugs(name: str, library: list[dict[str, object]], critical: int):
    drug = {
        "name": name,
        "concentration_ng_per_ml": 20_000_000,
        "max_dose_24h_ng": 0,
        "max_dose_1h_ng": 0,
    }
    found = rig(1_000, drugs=[drug], library=library)
    assert found.guard.alarms.critical[alarm.UNDER_INFUSION] == critical


@pytest.mark.req("INT-07", part="a bolus that does not end")
def test_a_bolus_that_does_not_end_is_stopped():
    found = rig(120)
    found.bolus(100_000, 600)
    source = found.delivery.slots.proposed[0][0]
    found.run_for(300)
    source.end.add(86_400, 0)  # stuck on
    found.delivery.change.set(source.end.s, 0)
    before = found.motor.moved()
    found.run_for(1_800)
    assert found.state() == states.FAULT
    assert found.motor.moved() - before <= 1_000 + 120 * 400 * 600 // 86_400 + 8 + 64 + 400


@pytest.mark.req("INT-07", part="the same run twice")
def test_a_run_that_was_handed_out_before_is_not_handed_out_again():
    found = rig(1_000)
    planner = found.delivery.planner
    planner.next_s -= 10
    before = found.motor.moved()
    found.run_for(60)
    assert found.state() == states.FAULT
    assert found.motor.moved() - before <= 64


@pytest.mark.req("INT-07", part="hard limits over 1 h and 24 h")
@pytest.mark.parametrize(("field", "window_s"), [("max_dose_1h_ng", 3_600), ("max_dose_24h_ng", 86_400)])
def test_a_window_never_holds_more_than_its_limit(field: str, window_s: int):
    """Even a program and its guard that ask for too much together: the limit is the guard's own."""
    drug = {
        "name": "morphine",
        "concentration_ng_per_ml": 20_000_000,
        "max_dose_24h_ng": 0,
        "max_dose_1h_ng": 0,
    }
    drug[field] = 20_000_000 * window_s // 86_400 + 1_000
    found = Guarded(1_000_000_000_123, basal_dose_ng_per_day=20_000_000, drugs=[drug])
    found.run_for(window_s // 2)
    assert found.standing() == []
    found.tick()
    found.delivery.close_segment(*found.now())
    found.delivery.rates.base.p *= 2  # in the therapy itself, and in what the guard expects
    found.guard.guard.base.a_s *= 2
    found.delivery.open_segment(*found.now(), True)
    found.run_for(window_s)
    assert found.standing() == [alarm.DOSE_GUARD]
    limit_steps = drug[field] * 1_000_000_000 // (20_000_000 * 2_500)
    assert found.motor.moved() <= limit_steps + 8 + 5 * 64


@pytest.mark.req("DEL-03", "DEL-04", part="no false alarm")
@pytest.mark.parametrize("step_volume_pl", [100, 2_500, 100_000, 10_000_000])
def test_therapy_with_everything_in_it_raises_nothing(step_volume_pl: int):
    found = Guarded(
        7,
        step_volume_pl=step_volume_pl,
        basal_mode=2,
        basal_dose_ng_per_day=0,
        basal_steps=[
            {"start_min": 0, "days": 127, "dose_ng_per_day": 1_000_000},
            {"start_min": 400, "days": 127, "dose_ng_per_day": 2_400_007},
        ],
        periodic_boluses=[
            {"dose_ng": 100_000, "duration_us": 60_000_007, "every_us": 3_600_000_000, "first_us": 7_000_000}
        ],
        patient_bolus=[
            {"dose_ng": 50_000, "duration_us": 1_000_000_007, "lockout_us": 1_000_000, "max_per_24h": 9}
        ],
        low_reservoir_days=0,
    )
    days = 1 if step_volume_pl == 100 else 2
    for hour in range(24 * days):
        if hour % 5 == 1:
            found.tick()
            found.controller.boluses.request_patient(*found.now())
        if hour % 7 == 3:
            found.controller.stop(0, *found.now())
            found.run_for(900)
            found.controller.resume(*found.now())
        found.run_for(3_600)
    assert found.log.kinds(14) == []
    assert found.motor.made
    assert found.motor.now_us >= 86_400 * MILLION
